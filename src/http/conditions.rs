//! `ETag` and `If-Match` (RFC 9110, sections 8.8 and 13.1): a document's tag is its version in quotes.
//!
//! It serves changes. `If-None-Match` is not heeded: an answer tells more than the version's text, like who is there, and
//! nobody may keep one.

use hyper::HeaderMap;
use hyper::header::IF_MATCH;
use jddb_core::ids::Version;
use jddb_core::room::IfMatch;

use super::caller::lines;
use super::error::HttpError;

/// What `If-Match` names, if it is there. A tag that is no version is that of no document.
///
/// # Errors
/// It is no list of tags.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, HttpError> {
    let lines = lines(headers, &IF_MATCH);
    if lines.is_empty() {
        return Ok(None);
    }
    let tags = lines.join(",");
    if tags.trim() == "*" {
        return Ok(Some(IfMatch::Any));
    }
    let mut is_quoted = false;
    let is_end = |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    };
    // A list may have empty elements (RFC 9110, section 5.6.1.2), and has one that is not.
    let tags = tags.split(is_end).map(str::trim).filter(|tag| !tag.is_empty());
    let versions: Option<Vec<Option<Version>>> = tags.map(version_of).collect();
    let expected = "* or versions in quotes, like \"42\", as ETag names them";
    let versions = versions.filter(|versions| !versions.is_empty());
    let versions = versions.ok_or_else(|| HttpError::invalid("If-Match", expected))?;
    Ok(Some(IfMatch::Versions(versions.into_iter().flatten().collect())))
}

/// The version that a tag names, if any; `None` if it is no tag. A proxy that compresses makes the tag a weak one, and the
/// version is exact all the same.
fn version_of(tag: &str) -> Option<Option<Version>> {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('"') {
        return None;
    }
    let is_plain = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit());
    Some(if is_plain { inner.parse().ok().map(Version) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Option<Option<IfMatch>>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, value.parse().unwrap());
        }
        assert_eq!(if_match(&headers).ok(), expected, "{values:?}");
    }

    #[test]
    fn tags_are_versions_in_quotes() {
        let versions = |list: &[u64]| Some(Some(IfMatch::Versions(list.iter().copied().map(Version).collect())));
        check(&[], Some(None));
        check(&["*"], Some(Some(IfMatch::Any)));
        check(&["\"42\""], versions(&[42]));
        check(&["\"42\" , W/\"43\"", "\"0\""], versions(&[42, 43, 0]));
        check(&["\"a,b\", \"42\"", "\",\""], versions(&[42]));
        check(&["\"abc\", \"-1\", \"\", \"99999999999999999999\""], versions(&[]));
        check(&["\"1\",", ", ,\"2\""], versions(&[1, 2]));
        for bad in ["", " , ", "42", "\"42", "\"4\"2\"", "*, \"1\"", "w/\"1\"", "\"1\"\"2\"", "\"1,\"2\""] {
            check(&[bad], None);
        }
    }
}

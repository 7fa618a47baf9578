//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, sections 8.8 and 13.1): a document's tag is its version in quotes.

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use jddb_core::ids::Version;
use jddb_core::room::IfMatch;

use super::caller::lines;
use super::error::HttpError;

/// What `If-Match` names, if it is there. A tag that is no version is that of no document.
///
/// # Errors
/// It is no list of tags.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, HttpError> {
    read(headers, &IF_MATCH)
}

/// Whether the client has that version already, as it says in `If-None-Match`.
///
/// # Errors
/// It is no list of tags.
pub(super) fn is_known(headers: &HeaderMap, version: Option<Version>) -> Result<bool, HttpError> {
    let known = read(headers, &IF_NONE_MATCH)?;
    Ok(match (known, version) {
        (None, _) | (_, None) => false,
        (Some(IfMatch::Any), Some(_)) => true,
        (Some(IfMatch::Versions(known)), Some(version)) => known.contains(&version),
    })
}

fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<IfMatch>, HttpError> {
    let lines = lines(headers, name);
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
    let versions: Option<Vec<Option<Version>>> = tags.split(is_end).map(|tag| version_of(tag.trim())).collect();
    let expected = "* or versions in quotes, like \"42\", as ETag names them";
    let versions = versions.ok_or_else(|| HttpError::invalid(canonical(name), expected))?;
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

fn canonical(name: &HeaderName) -> &'static str {
    if *name == IF_MATCH { "If-Match" } else { "If-None-Match" }
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
        for bad in ["", "42", "\"42", "\"4\"2\"", "\"1\",", "*, \"1\"", "w/\"1\"", "\"1\"\"2\"", "\"1,\"2\""] {
            check(&[bad], None);
        }
    }

    #[test]
    fn what_a_client_has_is_known_by_its_tag() {
        let known = |value: &str, version| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, value.parse().unwrap());
            is_known(&headers, version).ok()
        };
        assert_eq!(known("\"41\", \"42\"", Some(Version(42))), Some(true));
        assert_eq!(known("\"41\"", Some(Version(42))), Some(false));
        assert_eq!(known("*", Some(Version(42))), Some(true));
        assert_eq!(known("*", None), Some(false));
        assert_eq!(known("41", Some(Version(42))), None);
        assert_eq!(is_known(&HeaderMap::new(), Some(Version(42))).ok(), Some(false));
    }
}

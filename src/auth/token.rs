//! The token of a request: where it is found.

use std::fmt;

use super::error::AuthError;

/// Longest token, in bytes. Request heads are bounded too; this one keeps the signature check cheap.
pub const TOKEN_BYTES_MAX: usize = jddb_core::protocol::TOKEN_BYTES_MAX;

/// What a WebSocket subprotocol that carries a token begins with.
pub const SUBPROTOCOL_PREFIX: &str = "bearer.";

/// A token as it was sent, not verified. Shown as `[redacted]` everywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token's text.
    ///
    /// # Errors
    /// [`AuthError::TooLong`] above [`TOKEN_BYTES_MAX`]; [`AuthError::Malformed`] unless it is three parts of base64url.
    pub fn new(text: &str) -> Result<Self, AuthError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::TooLong);
        }
        // Each request is read so: without a branch a byte, several at once.
        let is_fit = |b: u8| b.is_ascii_alphanumeric() | matches!(b, b'-' | b'_' | b'.');
        let are_fit = text.bytes().fold(true, |fit, b| fit & is_fit(b));
        let dots = text.bytes().filter(|&b| b == b'.').count();
        if dots != 2 || !are_fit {
            return Err(AuthError::Malformed);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text of the token, for the signature check and for whoever asked for it to be made. Not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Finds the token of a request: in `Authorization` (RFC 6750), else among the WebSocket subprotocols offered
/// (`bearer.<token>`), else in the query (`token=`).
///
/// `authorization` and `subprotocols` are the header values, several of the latter joined by commas; `query` is what
/// follows the `?`. Another scheme than `Bearer` is passed over, since a proxy may have put it there.
///
/// # Errors
/// [`AuthError::Missing`] if there is none, otherwise as [`Token::new`]. An invalid token is not made good by a
/// valid one elsewhere.
pub fn find_token(
    authorization: Option<&str>,
    subprotocols: Option<&str>,
    query: Option<&str>,
) -> Result<Token, AuthError> {
    if let Some(text) = authorization.and_then(bearer) {
        return Token::new(text);
    }
    if let Some(text) = subprotocols.and_then(subprotocol) {
        return Token::new(text);
    }
    match query.and_then(parameter) {
        Some(text) => Token::new(&percent_decode(text).ok_or(AuthError::Malformed)?),
        None => Err(AuthError::Missing),
    }
}

/// The scheme's name is case-insensitive (RFC 9110, section 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn subprotocol(offered: &str) -> Option<&str> {
    let tokens = offered.split(',').filter_map(|name| name.trim().strip_prefix(SUBPROTOCOL_PREFIX));
    tokens.into_iter().find(|token| !token.is_empty())
}

fn parameter(query: &str) -> Option<&str> {
    let tokens = query.split('&').filter_map(|pair| pair.strip_prefix("token="));
    tokens.into_iter().find(|token| !token.is_empty())
}

/// Undoes percent-encoding (RFC 3986, section 2.1); `None` if a `%` is not followed by two hex digits, or the
/// result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        let digit = |b: u8| char::from(b).to_digit(16);
        let value = digit(digits[0])? * 16 + digit(digits[1])?;
        bytes.push(u8::try_from(value).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sources: [Option<&str>; 3], expected: Result<&str, AuthError>) {
        let [authorization, subprotocols, query] = sources;
        let found = find_token(authorization, subprotocols, query);
        assert_eq!(found.as_ref().map(Token::expose), expected.as_ref().map(|text| *text), "{sources:?}");
    }

    #[test]
    fn finds_it_in_each_place() {
        check([Some("Bearer a.b.c"), None, None], Ok("a.b.c"));
        check([Some("bearer  a.b.c "), None, None], Ok("a.b.c"));
        check([None, Some("jddb.v1, bearer.a.b.c"), None], Ok("a.b.c"));
        check([None, None, Some("token=a.b.c")], Ok("a.b.c"));
        check([None, None, Some("mode=view&token=a.b.c&x=1")], Ok("a.b.c"));
        check([None, None, Some("token=a%2Eb%2ec")], Ok("a.b.c"));
    }

    #[test]
    fn takes_the_first_place_that_has_one() {
        check([Some("Bearer h.h.h"), Some("bearer.s.s.s"), Some("token=q.q.q")], Ok("h.h.h"));
        check([None, Some("bearer.s.s.s"), Some("token=q.q.q")], Ok("s.s.s"));
        check([Some("Basic dTpw"), Some("jddb.v1"), Some("token=q.q.q")], Ok("q.q.q"));
        check([Some("Bearer "), Some("bearer."), Some("token=&token=q.q.q")], Ok("q.q.q"));
        check([Some("Bearer junk"), None, Some("token=q.q.q")], Err(AuthError::Malformed));
    }

    #[test]
    fn none_is_missing() {
        check([None, None, None], Err(AuthError::Missing));
        check([Some("Basic dTpw"), Some("jddb.v1"), Some("mode=view")], Err(AuthError::Missing));
        check([Some("Bearer"), Some(""), Some("")], Err(AuthError::Missing));
        check([None, None, Some("mytoken=a.b.c")], Err(AuthError::Missing));
    }

    #[test]
    fn garbage_is_malformed() {
        for text in [
            "a",
            "a.b",
            "a.b.c.d",
            "a.b.c d",
            "a.b.c\u{e9}",
            "a.b.c%",
            "a.b.c%0",
            "a.b.c%zz",
            "a.b.%FF",
            "a.b.%00",
            "a.b.c=",
        ] {
            check([None, None, Some(&format!("token={text}"))], Err(AuthError::Malformed));
        }
    }

    #[test]
    fn length_is_bounded() {
        let of = |bytes: usize| format!("a.b.{}", "c".repeat(bytes - 4));
        assert!(Token::new(&of(TOKEN_BYTES_MAX)).is_ok());
        assert_eq!(Token::new(&of(TOKEN_BYTES_MAX + 1)), Err(AuthError::TooLong));
    }

    #[test]
    fn never_shows_itself() {
        let token = Token::new("a.b.c").unwrap();
        assert_eq!(format!("{token:?}"), "[redacted]");
    }
}

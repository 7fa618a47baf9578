//! Reading the body of what is to be revoked.

use super::fields::Fields;
use super::inbound::Parser;
use super::message::{BearerToken, InboundError, NAME_BYTES_MAX};

/// What somebody wants to have revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationRequest {
    /// The token that they show.
    Shown,
    /// This token, whether it is one or not.
    Token(BearerToken<Box<str>>),
    /// All that a user was given.
    User(Box<str>),
}

/// Reads `{"token": "…"}` or `{"user_id": "…"}`; the whole body may be left out. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_revocation_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<RevocationRequest, InboundError> {
    if bytes.is_empty() {
        return Ok(RevocationRequest::Shown);
    }
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        match (body.text("token")?, body.text("user_id")?) {
            (None, None) => Ok(RevocationRequest::Shown),
            (Some(token), None) => Ok(RevocationRequest::Token(BearerToken(token.into()))),
            (None, Some(user_id)) if is_user_id(user_id) => Ok(RevocationRequest::User(user_id.into())),
            (None, Some(_)) => {
                let expected = format!("1 to {NAME_BYTES_MAX} bytes without control characters");
                Err(InboundError::invalid("user_id".to_owned(), expected))
            }
            (Some(_), Some(_)) => Err(InboundError::invalid("user_id".to_owned(), "a token or a user_id, not both")),
        }
    })
}

fn is_user_id(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RevocationRequest, String> {
        let read = read_revocation_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
        read.map_err(|error| error.field.unwrap_or_default())
    }

    #[test]
    fn it_names_a_token_or_a_user_or_neither() {
        for text in ["", "{}", r#"{"token":null,"user_id":null,"token_type_hint":"refresh_token"}"#] {
            assert_eq!(read(text), Ok(RevocationRequest::Shown), "{text}");
        }
        assert_eq!(read(r#"{"token":"a.b.c"}"#), Ok(RevocationRequest::Token(BearerToken("a.b.c".into()))));
        assert_eq!(read(r#"{"user_id":"ann"}"#), Ok(RevocationRequest::User("ann".into())));
        let long = "x".repeat(NAME_BYTES_MAX);
        assert_eq!(read(&format!(r#"{{"user_id":"{long}"}}"#)), Ok(RevocationRequest::User(long.into())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(NAME_BYTES_MAX + 1));
        for (text, field) in [
            ("[]", ""),
            ("{", ""),
            (r#"{"token":7}"#, "token"),
            (r#"{"token":["a.b.c"]}"#, "token"),
            (r#"{"token":"a","token":"b"}"#, "token"),
            (r#"{"user_id":""}"#, "user_id"),
            (r#"{"user_id":"a\u0000"}"#, "user_id"),
            (r#"{"user_id":7}"#, "user_id"),
            (r#"{"token":"a.b.c","user_id":"ann"}"#, "user_id"),
            (&long, "user_id"),
        ] {
            assert_eq!(read(text), Err(field.to_owned()), "{text}");
        }
    }
}

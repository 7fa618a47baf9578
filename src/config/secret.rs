//! A shared key that cannot be printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// RFC 7518, section 3.2: a key for HS256 has at least the 256 bits of the hash.
const BYTES_MIN: usize = 32;
const BASE64_PREFIX: &str = "base64:";
const REDACTED: &str = "[redacted]";

/// The bytes of a shared key. `Debug` and serialization show `[redacted]`.
///
/// As text a key is taken as it stands, or, where it begins with `base64:`, decoded (standard or URL-safe alphabet).
/// The prefix is there because most base64 texts are also good keys as they stand: nothing is guessed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(Vec<u8>);

/// Why a text is no key. Holds nothing of the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// What follows `base64:` is not base64.
    #[error("what follows `base64:` is not base64; make a key with: echo \"base64:$(openssl rand -base64 32)\"")]
    NotBase64,
    /// Fewer than 32 bytes.
    #[error(
        "the key has {bytes} bytes, at least 32 are needed; make one with: echo \"base64:$(openssl rand -base64 32)\""
    )]
    TooShort {
        /// How many bytes there were.
        bytes: usize,
    },
    /// A key that everybody may know would be used as a secret.
    #[error(
        "this is a PEM or JSON key, not a secret: give public keys by auth.public_key_file or auth.jwks_file, a private \
         one by auth.signing_key_file"
    )]
    NotSecret,
}

impl Secret {
    /// Reads a key from its text.
    ///
    /// # Errors
    /// If it has fewer than 32 bytes, begins with `base64:` and is not base64, or is a key of another kind.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.contains("-----BEGIN ") || (text.starts_with('{') && text.contains("\"kty\"")) {
            return Err(SecretError::NotSecret);
        }
        let bytes = match text.strip_prefix(BASE64_PREFIX) {
            Some(encoded) => decode(encoded.trim())?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < BYTES_MIN {
            return Err(SecretError::TooShort { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The key itself, for the signature algorithm only.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text of the key made of `bytes`, as [`Secret::parse`] reads it; for the key file only.
    pub(crate) fn encode(bytes: &[u8; BYTES_MIN]) -> String {
        format!("{BASE64_PREFIX}{}", STANDARD.encode(bytes))
    }
}

fn decode(encoded: &str) -> Result<Vec<u8>, SecretError> {
    STANDARD.decode(encoded).or_else(|_| URL_SAFE_NO_PAD.decode(encoded)).map_err(|_| SecretError::NotBase64)
}

impl TryFrom<String> for Secret {
    type Error = SecretError;

    fn try_from(text: String) -> Result<Self, SecretError> {
        Self::parse(&text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_taken_as_it_stands() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(Secret::parse(text).unwrap().bytes(), text.as_bytes());
    }

    #[test]
    fn base64_is_decoded_in_both_alphabets() {
        let bytes = [0xfb; 32];
        assert_eq!(Secret::parse(&Secret::encode(&bytes)).unwrap().bytes(), bytes);
        let url_safe = format!("base64:{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(Secret::parse(&url_safe).unwrap().bytes(), bytes);
    }

    #[test]
    fn refuses_short_and_broken_keys() {
        assert_eq!(Secret::parse("short"), Err(SecretError::TooShort { bytes: 5 }));
        assert_eq!(Secret::parse("base64:AAAA"), Err(SecretError::TooShort { bytes: 3 }));
        assert_eq!(Secret::parse("base64:@@@@"), Err(SecretError::NotBase64));
        assert_eq!(Secret::parse(""), Err(SecretError::TooShort { bytes: 0 }));
        for public in
            ["-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n", r#"{"keys": [{"kty": "RSA", "n": "…", "e": "AQAB"}]}"#]
        {
            assert_eq!(Secret::parse(public), Err(SecretError::NotSecret));
        }
    }

    #[test]
    fn never_shows_itself() {
        let secret = Secret::parse("0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
    }
}

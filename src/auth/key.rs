//! Keys: which algorithm, and the signature check.
//!
//! Of the library only signatures are used: its own checks read the clock, pass over `crit`, and do not say which
//! claim is wrong.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Map, Value};

use super::error::AuthError;
use super::token::Token;
use crate::config::Secret;

/// A key with the one algorithm it is for. What a token's header says never chooses the algorithm (RFC 8725, section 3.1).
pub(super) enum Key {
    /// A secret shared with the issuer.
    Hs256 { verifying: DecodingKey, signing: EncodingKey },
}

impl Key {
    pub(super) fn hs256(secret: &Secret) -> Self {
        Self::Hs256 {
            verifying: DecodingKey::from_secret(secret.bytes()),
            signing: EncodingKey::from_secret(secret.bytes()),
        }
    }

    /// The algorithm, and its name in headers.
    const fn algorithm(&self) -> (Algorithm, &'static str) {
        match self {
            Self::Hs256 { .. } => (Algorithm::HS256, "HS256"),
        }
    }

    const fn verifying(&self) -> &DecodingKey {
        match self {
            Self::Hs256 { verifying, .. } => verifying,
        }
    }

    const fn signing(&self) -> &EncodingKey {
        match self {
            Self::Hs256 { signing, .. } => signing,
        }
    }

    /// Checks header and signature and returns the claims, of which none is checked yet.
    pub(super) fn verify(&self, token: &Token) -> Result<Map<String, Value>, AuthError> {
        let (message, signature) = token.expose().rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(AuthError::Malformed)?;
        let (algorithm, name) = self.algorithm();
        check_header(&object(header)?, name)?;
        // An error here is about the form of the signature's text.
        let genuine = jsonwebtoken::crypto::verify(signature, message.as_bytes(), self.verifying(), algorithm);
        if !genuine.map_err(|_| AuthError::Malformed)? {
            return Err(AuthError::BadSignature);
        }
        object(claims)
    }

    /// Signs claims. The text is a valid token unless it has become too long.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        let (algorithm, _) = self.algorithm();
        jsonwebtoken::encode(&Header::new(algorithm), claims, self.signing())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [redacted]", self.algorithm().1)
    }
}

fn check_header(header: &Map<String, Value>, algorithm: &'static str) -> Result<(), AuthError> {
    if header.get("alg").and_then(Value::as_str) != Some(algorithm) {
        return Err(AuthError::WrongAlgorithm { expected: algorithm });
    }
    if header.contains_key("crit") {
        return Err(AuthError::CriticalExtension);
    }
    Ok(())
}

/// The JSON object in a part of a token.
fn object(part: &str) -> Result<Map<String, Value>, AuthError> {
    let decoded = URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed)?;
    serde_json::from_slice(&decoded).map_err(|_| AuthError::Malformed)
}

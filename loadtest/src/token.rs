//! Tokens for the generator's users, signed here with the server's own key: a process each would be too slow.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::clock;
use crate::failure::Failure;

/// What every user here may do.
const SCOPE: &str = "document:read document:write";
/// What a translator may do.
const TRANSLATOR_SCOPE: &str = "translation:read translation:write";
/// What an administrator may do besides.
const ADMINISTRATOR_SCOPE: &str = "document:admin";
/// Long enough for any run.
const LIFETIME_SECONDS: u64 = 7_200;
/// The shortest key the server takes.
const KEY_BYTES_MIN: usize = 32;
/// Before a key in base64.
const BASE64_PREFIX: &str = "base64:";
/// Where a data directory keeps it.
const KEY_FILE: &str = "signing.key";

/// Limits a token asks for in place of the server's defaults (claim `limits`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct LimitsClaim {
    /// Connections of the user.
    pub(crate) connections: u32,
    /// Messages a connection may send a minute.
    pub(crate) messages_per_minute: u32,
    /// Messages a connection may send a second.
    pub(crate) burst_per_second: u32,
    /// HTTP requests of the user a minute, upgrades included.
    pub(crate) requests_per_minute: u32,
}

impl LimitsClaim {
    /// Far above what any schedule here needs.
    pub(crate) const RAISED: Self = Self {
        connections: 1_000_000,
        messages_per_minute: 1_000_000,
        burst_per_second: 100_000,
        requests_per_minute: 100_000_000,
    };
}

/// Where tokens come from.
pub(crate) enum Tokens {
    /// A fresh one for each user, signed with a key that the server takes.
    Signed(Signer),
    /// The one given on the command line, for all: they are one user to the server.
    Given(String),
}

/// A key, and what tokens say of it.
pub(crate) struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    /// The key's name, if it has one.
    name: Option<String>,
}

impl Signer {
    /// A key of that name for ES256, from its PEM.
    pub(crate) fn es256(name: &str, pem: &str) -> Result<Self, Failure> {
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(|error| Failure::run("a key for tokens", error))?;
        Ok(Self { key, algorithm: Algorithm::ES256, name: Some(name.to_owned()) })
    }

    /// Its public half, as a JWKS lists it.
    pub(crate) fn jwk(&self) -> Result<serde_json::Value, Failure> {
        let doing = "a key's public half";
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).map_err(|error| Failure::run(doing, error))?;
        let mut jwk = serde_json::to_value(jwk).map_err(|error| Failure::run(doing, error))?;
        jwk["kid"] = self.name.clone().into();
        Ok(jwk)
    }

    /// A token of the user `sub`, with `limits` in place of the server's own.
    pub(crate) fn user(&self, sub: &str, limits: Option<LimitsClaim>) -> Result<String, Failure> {
        self.sign(sub, SCOPE, limits)
    }

    fn sign(&self, sub: &str, scope: &str, limits: Option<LimitsClaim>) -> Result<String, Failure> {
        let iat = clock::unix_seconds();
        let claims = Claims { sub, scope, iat, exp: iat + LIFETIME_SECONDS, limits };
        let header = Header { kid: self.name.clone(), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|error| Failure::run("signing a token", error))
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    scope: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<LimitsClaim>,
}

impl Tokens {
    /// Signs with the key in the server's data directory.
    pub(crate) fn from_data_dir(data: &Path) -> Result<Self, Failure> {
        let file = data.join(KEY_FILE);
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let advice = "give --data the directory of a server that has been started once";
            Failure::Run(format!("{}: {error}; {advice}", file.display()))
        })?;
        let key = decode_key(text.trim()).ok_or_else(|| {
            let expected = "expected `base64:` and 32 bytes or more in base64, or a text of so many bytes; give --data \
                            the server's own directory";
            Failure::run(file.display(), expected)
        })?;
        let key = EncodingKey::from_secret(&key);
        Ok(Self::Signed(Signer { key, algorithm: Algorithm::HS256, name: None }))
    }

    /// A token for the user `sub`, with `limits` in place of the server's own.
    pub(crate) fn user(&self, sub: &str, limits: Option<LimitsClaim>) -> Result<String, Failure> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::Signed(signer) => signer.user(sub, limits),
        }
    }

    /// A token for the translator `sub`.
    pub(crate) fn translator(&self, sub: &str, limits: LimitsClaim) -> Result<String, Failure> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::Signed(signer) => signer.sign(sub, TRANSLATOR_SCOPE, Some(limits)),
        }
    }

    /// A token of somebody who may see how the server is doing; none where there is but the one that was given.
    pub(crate) fn administrator(&self) -> Result<Option<String>, Failure> {
        match self {
            Self::Given(_) => Ok(None),
            Self::Signed(signer) => signer.sign("loadtest_administrator", ADMINISTRATOR_SCOPE, None).map(Some),
        }
    }
}

/// The key as the server reads it: base64 in either alphabet behind the prefix, without it the text as it stands.
fn decode_key(text: &str) -> Option<Vec<u8>> {
    let key = match text.strip_prefix(BASE64_PREFIX) {
        Some(encoded) => {
            let encoded = encoded.trim();
            STANDARD.decode(encoded).or_else(|_standard| URL_SAFE_NO_PAD.decode(encoded)).ok()?
        }
        None => text.as_bytes().to_vec(),
    };
    (key.len() >= KEY_BYTES_MIN).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};

    const LIMITS: LimitsClaim =
        LimitsClaim { connections: 20, messages_per_minute: 600, burst_per_second: 60, requests_per_minute: 6_000 };

    fn claims(token: &str, secret: &[u8]) -> serde_json::Value {
        let validation = Validation::new(Algorithm::HS256);
        let key = DecodingKey::from_secret(secret);
        jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).unwrap().claims
    }

    #[test]
    fn a_token_verifies_with_the_key_of_the_data_directory() {
        let data = tempfile::tempdir().unwrap();
        let secret = [0xfb; 32];
        let plain = "a key of thirty-two bytes or more";
        let texts = [
            (format!("base64:{}\n", STANDARD.encode(secret)), secret.as_slice()),
            (format!("base64: {}", URL_SAFE_NO_PAD.encode(secret)), secret.as_slice()),
            (plain.to_owned() + "\n", plain.as_bytes()),
        ];
        for (text, secret) in texts {
            std::fs::write(data.path().join(KEY_FILE), text).unwrap();
            let tokens = Tokens::from_data_dir(data.path()).unwrap();
            let claims = claims(&tokens.user("user_7", Some(LIMITS)).unwrap(), secret);
            assert_eq!(claims["sub"], "user_7");
            assert_eq!(claims["scope"], SCOPE);
            assert_eq!(claims["limits"]["messages_per_minute"], 600);
            let translator = tokens.translator("user_8", LIMITS).unwrap();
            assert_eq!(self::claims(&translator, secret)["scope"], TRANSLATOR_SCOPE);
            let administrator = tokens.administrator().unwrap().unwrap();
            assert_eq!(self::claims(&administrator, secret)["scope"], ADMINISTRATOR_SCOPE);
        }
    }

    #[test]
    fn a_missing_or_short_key_says_what_to_do() {
        let data = tempfile::tempdir().unwrap();
        let missing = Tokens::from_data_dir(data.path()).err().unwrap();
        assert!(missing.to_string().contains("--data"), "{missing}");
        for bad in ["base64:AAAA", "base64:***", "short"] {
            std::fs::write(data.path().join(KEY_FILE), bad).unwrap();
            let error = Tokens::from_data_dir(data.path()).err().unwrap();
            assert!(error.to_string().contains("32 bytes"), "{error}");
        }
    }

    #[test]
    fn a_given_token_is_used_as_it_is() {
        let tokens = Tokens::Given("abc".into());
        assert_eq!(tokens.user("anyone", None).unwrap(), "abc");
        assert_eq!(tokens.administrator().unwrap(), None);
    }
}

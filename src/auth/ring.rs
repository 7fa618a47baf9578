//! All keys in force, and which of them a token is held against.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::error::AuthError;
use super::key::{Key, REFRESH_TYPE};
use super::token::Token;

/// The keys in force, in no particular order. No two of them fit the same tokens.
#[derive(Debug)]
pub(super) struct KeyRing(Vec<Key>);

/// A token whose signature is good.
pub(super) struct Verified<'t> {
    /// What it says; none of its claims is checked yet.
    pub(super) claims: Map<String, Value>,
    /// What is signed of it.
    pub(super) message: &'t str,
    /// Whether it is a refresh token by its `typ`.
    pub(super) is_refresh: bool,
}

/// Two keys that fit the same tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    /// Neither has a name.
    #[error(
        "two {0} keys have no `kid`, so that no token can tell which it is for: give them in a JWKS file, with one"
    )]
    Nameless(&'static str),
    /// Both have the same.
    #[error("two {0} keys have the same `kid`: give each its own")]
    SameName(&'static str),
}

impl KeyRing {
    pub(super) fn new(keys: Vec<Key>) -> Result<Self, Ambiguous> {
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.id == key.id && other.algorithm == key.algorithm) {
                let name = key.algorithm.name();
                return Err(if key.id.is_some() { Ambiguous::SameName(name) } else { Ambiguous::Nameless(name) });
            }
        }
        Ok(Self(keys))
    }

    /// Checks header and signature.
    pub(super) fn verify<'t>(&self, token: &'t Token) -> Result<Verified<'t>, AuthError> {
        let (message, signature) = token.expose().rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(AuthError::Malformed)?;
        let header = object(header)?;
        let key = self.find(&header)?;
        match key.verifies(message, signature) {
            Some(true) => Ok(Verified { claims: object(claims)?, message, is_refresh: is_refresh(&header)? }),
            Some(false) => Err(AuthError::BadSignature),
            None => Err(AuthError::Malformed),
        }
    }

    /// The one key that a token with this header can be for. Its `kid` stands for the keys of that name, or, where there
    /// are none, for those that have no name; without `kid` it may be any. Of these exactly one must have its `alg`.
    fn find(&self, header: &Map<String, Value>) -> Result<&Key, AuthError> {
        let id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id),
            Some(_) => return Err(AuthError::Malformed),
        };
        let is_named = id.is_some() && self.0.iter().any(|key| key.id.as_ref() == id);
        let may_be = |key: &&Key| id.is_none() || key.id.as_ref() == id.filter(|_| is_named);
        let candidates: Vec<&Key> = self.0.iter().filter(may_be).collect();
        if candidates.is_empty() {
            return Err(AuthError::UnknownKey);
        }
        let algorithm = header.get("alg").and_then(Value::as_str);
        let has_algorithm = |key: &&&Key| Some(key.algorithm.name()) == algorithm;
        let mut fitting = candidates.iter().filter(has_algorithm);
        let expected = || candidates.iter().map(|key| key.algorithm).collect();
        let key = fitting.next().ok_or_else(|| AuthError::WrongAlgorithm { expected: expected() })?;
        if fitting.next().is_some() {
            return Err(AuthError::AmbiguousKey);
        }
        if header.contains_key("crit") {
            return Err(AuthError::CriticalExtension);
        }
        Ok(key)
    }
}

impl fmt::Display for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(Key::to_string).collect::<Vec<_>>().join(", "))
    }
}

/// Whether a header says that it is of a refresh token. Media types are compared without regard to case, and with what may
/// be left out of them (RFC 7515, section 4.1.9), so that one kind of token never passes for the other.
fn is_refresh(header: &Map<String, Value>) -> Result<bool, AuthError> {
    const PREFIX: &str = "application/";
    let media_type = match header.get("typ") {
        None => return Ok(false),
        Some(Value::String(media_type)) => media_type.as_str(),
        Some(_) => return Err(AuthError::Malformed),
    };
    let (prefix, rest) = media_type.split_at_checked(PREFIX.len()).unwrap_or(("", media_type));
    let subtype = if prefix.eq_ignore_ascii_case(PREFIX) { rest } else { media_type };
    Ok(subtype.eq_ignore_ascii_case(REFRESH_TYPE))
}

/// The JSON object in a part of a token, in which every name stands once (RFC 7519, section 4, lets us refuse others): who
/// else reads the token might go by the other value.
fn object(part: &str) -> Result<Map<String, Value>, AuthError> {
    let decoded = URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed)?;
    let mut json = serde_json::Deserializer::from_slice(&decoded);
    let object = json.deserialize_map(Unique).map_err(|_| AuthError::Malformed)?;
    json.end().map_err(|_| AuthError::Malformed)?;
    Ok(object)
}

struct Unique;

impl<'de> Visitor<'de> for Unique {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with unique names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = entries.next_entry()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("a name stands twice"));
            }
        }
        Ok(object)
    }
}

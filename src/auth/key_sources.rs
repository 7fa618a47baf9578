//! All that the settings of `[auth]` say of keys, read: PEM files, a JWKS file, the shared secret.

use std::path::Path;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::Value;

use super::key::{Key, KeyAlgorithm, SigningKey};
use super::key_file::{
    self, ContentError, JwkError, KEY_ID_BYTES_MAX, KEYS_MAX, KeyError, PemError, read_private, read_public,
    warn_if_readable,
};
use super::ring::KeyRing;
use crate::config::{Config, Secret};

const PEM_BEGIN: &str = "-----BEGIN ";
const ADVICE_PUBLIC: &str = "Put the issuer's public keys into it, as PEM";
const ADVICE_JWKS: &str = "Put the issuer's keys into it, as it publishes them";
const ADVICE_SIGNING: &str = "Put a private key into it, as PEM, made with: openssl genpkey -algorithm ed25519";

/// The keys that tokens are held against, and the one that they are signed with here, if any.
pub(super) fn open(config: &Config) -> Result<(KeyRing, Option<SigningKey>), KeyError> {
    let auth = &config.auth;
    let mut keys = Vec::new();
    if let Some(path) = &auth.public_key_file {
        keys.extend(read_pem(path)?);
    }
    if let Some(path) = &auth.jwks_file {
        keys.extend(read_jwks(path)?);
    }
    let secret = shared_secret(config)?;
    keys.extend(secret.as_ref().map(Key::hs256));
    let signing = match &auth.signing_key_file {
        Some(path) => {
            let (signing, half) = read_signing(path, &keys)?;
            keys.extend(half);
            Some(signing)
        }
        None => secret.as_ref().map(SigningKey::hs256),
    };
    Ok((KeyRing::new(keys)?, signing))
}

/// The configured secret; that of the data directory, which is made if missing, where no key at all is configured.
fn shared_secret(config: &Config) -> Result<Option<Secret>, KeyError> {
    let auth = &config.auth;
    match (&auth.key, &auth.key_file) {
        (Some(key), _) => Ok(Some(key.clone())),
        (None, Some(path)) => key_file::read_given(path).map(Some),
        (None, None) if auth.has_key() => Ok(None),
        (None, None) => key_file::read_or_create(&config.data).map(Some),
    }
}

fn read_pem(path: &Path) -> Result<Vec<Key>, KeyError> {
    let text = read_public(path, ADVICE_PUBLIC)?;
    let refused = |reason| KeyError::Content { path: path.to_owned(), reason, advice: ADVICE_PUBLIC };
    let blocks: Vec<&str> = pem_blocks(&text).take(KEYS_MAX + 1).collect();
    match blocks.len() {
        0 => return Err(refused(ContentError::NoPem("PUBLIC KEY"))),
        1..=KEYS_MAX => {}
        _ => return Err(refused(ContentError::TooMany)),
    }
    let read =
        |(index, block)| public_key(block).map_err(|reason| refused(ContentError::Pem { number: index + 1, reason }));
    blocks.into_iter().enumerate().map(read).collect()
}

/// The parts of a PEM file, each from one `BEGIN` to the next.
fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    let block = |(start, _): (usize, &str)| {
        let rest = &text[start..];
        let end = rest[PEM_BEGIN.len()..].find(PEM_BEGIN).map_or(rest.len(), |end| end + PEM_BEGIN.len());
        &rest[..end]
    };
    text.match_indices(PEM_BEGIN).map(block)
}

fn public_key(block: &str) -> Result<Key, PemError> {
    let is = |label: &str| block.strip_prefix(PEM_BEGIN).is_some_and(|rest| rest.starts_with(label));
    if !is("PUBLIC KEY-----") && !is("RSA PUBLIC KEY-----") {
        return Err(PemError::NotPublic);
    }
    let pem = block.as_bytes();
    let (algorithm, key) = (DecodingKey::from_rsa_pem(pem).map(|key| (KeyAlgorithm::Rs256, key)))
        .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (KeyAlgorithm::Es256, key)))
        .or_else(|_| DecodingKey::from_ed_pem(pem).map(|key| (KeyAlgorithm::EdDsa, key)))
        .map_err(|_| PemError::Kind)?;
    Ok(Key::new(None, algorithm, key)?)
}

fn read_signing(path: &Path, known: &[Key]) -> Result<(SigningKey, Option<Key>), KeyError> {
    let text = read_private(path, ADVICE_SIGNING)?;
    let refused = |reason| KeyError::Content { path: path.to_owned(), reason, advice: ADVICE_SIGNING };
    let block = pem_blocks(&text).next().ok_or_else(|| refused(ContentError::NoPem("PRIVATE KEY")))?;
    private_key(block, known).map_err(|reason| refused(ContentError::Pem { number: 1, reason }))
}

fn private_key(block: &str, known: &[Key]) -> Result<(SigningKey, Option<Key>), PemError> {
    let is = |label: &str| block.strip_prefix(PEM_BEGIN).is_some_and(|rest| rest.starts_with(label));
    if !is("PRIVATE KEY-----") && !is("RSA PRIVATE KEY-----") {
        return Err(PemError::NotPrivate);
    }
    let pem = block.as_bytes();
    let (algorithm, key) = (EncodingKey::from_rsa_pem(pem).map(|key| (KeyAlgorithm::Rs256, key)))
        .or_else(|_| EncodingKey::from_ec_pem(pem).map(|key| (KeyAlgorithm::Es256, key)))
        .or_else(|_| EncodingKey::from_ed_pem(pem).map(|key| (KeyAlgorithm::EdDsa, key)))
        .map_err(|_| PemError::Kind)?;
    Ok(SigningKey::new(algorithm, key, known)?)
}

/// Keys for other purposes and of other kinds are passed over, as RFC 7517, section 5, wants it.
fn read_jwks(path: &Path) -> Result<Vec<Key>, KeyError> {
    let refused = |reason| KeyError::Content { path: path.to_owned(), reason, advice: ADVICE_JWKS };
    let text = read_public(path, ADVICE_JWKS)?;
    let set: Option<Value> = serde_json::from_str(&text).ok();
    let list = set.as_ref().and_then(|set| set.get("keys")?.as_array());
    let list = list.ok_or_else(|| refused(ContentError::NotJwks))?;
    if list.len() > KEYS_MAX {
        return Err(refused(ContentError::TooMany));
    }
    let mut keys = Vec::new();
    for (index, jwk) in list.iter().enumerate() {
        match key_of(jwk).map_err(|reason| refused(ContentError::Jwk { index, reason }))? {
            Some(key) => keys.push(key),
            None => tracing::info!(path = %path.display(), index, "a key that is for something else is passed over"),
        }
    }
    if keys.is_empty() {
        return Err(refused(ContentError::NoneUsable));
    }
    if keys.iter().any(|key| key.algorithm == KeyAlgorithm::Hs256) {
        warn_if_readable(path)?;
    }
    Ok(keys)
}

/// The key, if it is one for signatures that we check.
fn key_of(jwk: &Value) -> Result<Option<Key>, JwkError> {
    if !jwk.is_object() {
        return Err(JwkError::NotObject);
    }
    let Some(algorithm) = algorithm_of(jwk) else { return Ok(None) };
    let id = match jwk.get("kid") {
        None => None,
        Some(Value::String(id)) if (1..=KEY_ID_BYTES_MAX).contains(&id.len()) => Some(id.clone()),
        Some(_) => return Err(JwkError::KeyId),
    };
    let read = serde_json::from_value::<Jwk>(jwk.clone()).map_err(|_| JwkError::Malformed)?;
    let key = DecodingKey::from_jwk(&read).map_err(|_| JwkError::Malformed)?;
    Ok(Some(Key::new(id, algorithm, key)?))
}

/// What signatures the key is for; `None` if it is for something else, or of a kind that we do not use.
fn algorithm_of(jwk: &Value) -> Option<KeyAlgorithm> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    let verifies = operations.is_none_or(|list| list.iter().any(|operation| operation == "verify"));
    if !verifies || text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let algorithm = match (text("kty")?, text("crv")) {
        ("RSA", _) => KeyAlgorithm::Rs256,
        ("EC", Some("P-256")) => KeyAlgorithm::Es256,
        ("OKP", Some("Ed25519")) => KeyAlgorithm::EdDsa,
        ("oct", _) => KeyAlgorithm::Hs256,
        _ => return None,
    };
    text("alg").is_none_or(|name| name == algorithm.name()).then_some(algorithm)
}

#[cfg(test)]
mod tests;

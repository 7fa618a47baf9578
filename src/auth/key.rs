//! Keys: each with the one algorithm it is for, and the signature check.
//!
//! Of the library only signatures and key formats are used: its own checks read the clock, pass over `crit`, and do not
//! say which claim is wrong.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey, Header};
use serde_json::{Map, Value};

use crate::config::Secret;

/// RFC 7518, section 3.3: a key for RS256 has 2048 bits or more; the library verifies with no more than 8192.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// RFC 7518, section 3.2: a key for HS256 has at least the 256 bits of the hash.
const HMAC_BYTES_MIN: usize = 32;

/// The `typ` of refresh tokens (RFC 8725, section 3.11: a kind of token says which it is).
pub(super) const REFRESH_TYPE: &str = "refresh+jwt";

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum KeyAlgorithm {
    Hs256 = 1,
    Rs256 = 1 << 1,
    Es256 = 1 << 2,
    EdDsa = 1 << 3,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Doing something.
    Access,
    /// Getting new tokens.
    Refresh,
}

/// Algorithms that would have been right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Algorithms(u8);

/// What a token's signature is checked with. What a token's header says never chooses the algorithm (RFC 8725, section
/// 3.1): it has to be the key's.
#[derive(Clone)]
pub(super) struct Key {
    /// What tokens name it by.
    pub(super) id: Option<String>,
    pub(super) algorithm: KeyAlgorithm,
    verifying: DecodingKey,
}

/// What tokens are signed with here.
pub(super) struct SigningKey {
    id: Option<String>,
    algorithm: KeyAlgorithm,
    key: EncodingKey,
}

/// Why a key is not fit for use. Holds nothing of the key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitKey {
    /// An RSA key that is too short, or longer than can be used.
    #[error("an RSA key of {0} bits: expected {min} to {max}", min = RSA_BITS.start(), max = RSA_BITS.end())]
    RsaBits(usize),
    /// A shared secret that is too short.
    #[error("a shared secret of {0} bytes: expected at least {HMAC_BYTES_MIN}")]
    HmacBytes(usize),
    /// Another curve, or a point that is none.
    #[error("not a key of the curve {0}: ES256 needs P-256, EdDSA needs Ed25519")]
    Curve(&'static str),
    /// The library cannot read it.
    #[error("it cannot be read as a key of its kind")]
    Unreadable,
}

impl KeyAlgorithm {
    pub(super) const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in headers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    const fn library(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl FromIterator<KeyAlgorithm> for Algorithms {
    fn from_iter<T: IntoIterator<Item = KeyAlgorithm>>(algorithms: T) -> Self {
        Self(algorithms.into_iter().fold(0, |set, algorithm| set | algorithm as u8))
    }
}

impl fmt::Display for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = KeyAlgorithm::ALL.into_iter().filter(|algorithm| self.0 & *algorithm as u8 != 0);
        f.write_str(&here.map(KeyAlgorithm::name).collect::<Vec<_>>().join(" or "))
    }
}

impl Key {
    /// A secret shared with the issuer, without a name.
    pub(super) fn hs256(secret: &Secret) -> Self {
        Self { id: None, algorithm: KeyAlgorithm::Hs256, verifying: DecodingKey::from_secret(secret.bytes()) }
    }

    /// A key, if it is fit for that algorithm.
    pub(super) fn new(id: Option<String>, algorithm: KeyAlgorithm, verifying: DecodingKey) -> Result<Self, UnfitKey> {
        let public = || parameters_of(&verifying, algorithm);
        match algorithm {
            KeyAlgorithm::Hs256 => check_hmac(&verifying)?,
            KeyAlgorithm::Rs256 => check_rsa(&verifying)?,
            KeyAlgorithm::Es256 => match public() {
                Ok(AlgorithmParameters::EllipticCurve(point)) if point.curve == EllipticCurve::P256 => {}
                _ => return Err(UnfitKey::Curve("P-256")),
            },
            KeyAlgorithm::EdDsa => {
                public().map_err(|_| UnfitKey::Curve("Ed25519"))?;
            }
        }
        Ok(Self { id, algorithm, verifying })
    }

    /// Whether the signature, as it stands in a token, is this key's; `None` if it is not written as one.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> Option<bool> {
        let (key, algorithm) = (&self.verifying, self.algorithm.library());
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm).ok()
    }

    fn parameters(&self) -> Result<AlgorithmParameters, UnfitKey> {
        parameters_of(&self.verifying, self.algorithm)
    }
}

/// What stands in a JWK for the key, its name apart.
fn parameters_of(key: &DecodingKey, algorithm: KeyAlgorithm) -> Result<AlgorithmParameters, UnfitKey> {
    let jwk = Jwk::from_decoding_key(key, Some(algorithm.library()));
    jwk.map(|jwk| jwk.algorithm).map_err(|_| UnfitKey::Unreadable)
}

fn check_hmac(key: &DecodingKey) -> Result<(), UnfitKey> {
    let bytes = key.try_get_as_bytes().map_or(0, <[u8]>::len);
    if bytes < HMAC_BYTES_MIN { Err(UnfitKey::HmacBytes(bytes)) } else { Ok(()) }
}

fn check_rsa(key: &DecodingKey) -> Result<(), UnfitKey> {
    // A key in DER is read into the same two numbers as one in a JWK.
    let modulus = match (key.kind(), parameters_of(key, KeyAlgorithm::Rs256)?) {
        (DecodingKeyKind::RsaModulusExponent { n, .. }, _) => n.clone(),
        (_, AlgorithmParameters::RSA(numbers)) => {
            let read = DecodingKey::from_rsa_components(&numbers.n, &numbers.e).map_err(|_| UnfitKey::Unreadable)?;
            return check_rsa(&read);
        }
        _ => return Err(UnfitKey::Unreadable),
    };
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let bits = modulus.get(zeros).map_or(0, |first| (modulus.len() - zeros) * 8 - first.leading_zeros() as usize);
    if RSA_BITS.contains(&bits) { Ok(()) } else { Err(UnfitKey::RsaBits(bits)) }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{} {id:?}", self.algorithm.name()),
            None => f.write_str(self.algorithm.name()),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [redacted]")
    }
}

impl SigningKey {
    /// A shared secret, without a name.
    pub(super) fn hs256(secret: &Secret) -> Self {
        Self { id: None, algorithm: KeyAlgorithm::Hs256, key: EncodingKey::from_secret(secret.bytes()) }
    }

    /// A private key, with what its tokens are checked with. It is known by its thumbprint (RFC 7638), unless one of
    /// `known` is its public half: then by that one's name, and nothing more is needed for the check.
    pub(super) fn new(
        algorithm: KeyAlgorithm,
        key: EncodingKey,
        known: &[Key],
    ) -> Result<(Self, Option<Key>), UnfitKey> {
        let public = Jwk::from_encoding_key(&key, algorithm.library()).map_err(|_| UnfitKey::Unreadable)?;
        let is_same = |known: &&Key| known.parameters().is_ok_and(|parameters| parameters == public.algorithm);
        if let Some(same) = known.iter().find(is_same) {
            return Ok((Self { id: same.id.clone(), algorithm, key }, None));
        }
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| UnfitKey::Unreadable)?;
        let verifying = DecodingKey::from_jwk(&public).map_err(|_| UnfitKey::Unreadable)?;
        let half = Key::new(Some(id.clone()), algorithm, verifying)?;
        Ok((Self { id: Some(id), algorithm, key }, Some(half)))
    }

    /// Signs claims. The text is a valid token unless it has become too long.
    pub(super) fn sign(&self, kind: Kind, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header { kid: self.id.clone(), ..Header::new(self.algorithm.library()) };
        if kind == Kind::Refresh {
            header.typ = Some(REFRESH_TYPE.to_owned());
        }
        jsonwebtoken::encode(&header, claims, &self.key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [redacted]", self.algorithm.name())
    }
}

//! Whoever signs tokens: keys of each kind, and tokens with any header and claims.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use crate::clock::now;
use crate::support::home::EDIT;

/// What comes before the 32 bytes of a key, which may be any, in its PKCS #8 (RFC 8410, section 7).
const ED25519_PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Somebody with a private key.
pub(crate) struct Issuer {
    pub(crate) id: String,
    pub(crate) private_pem: String,
    pub(crate) public_pem: String,
    pub(crate) jwk: Value,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Issuer {
    /// One whose key is for ES256.
    pub(crate) fn es256(id: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a private key");
        Self::new(id, &pair, Algorithm::ES256, key)
    }

    /// One whose key is for RS256.
    pub(crate) fn rs256(id: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).expect("a private key");
        Self::new(id, &pair, Algorithm::RS256, key)
    }

    /// One whose key is for EdDSA.
    pub(crate) fn eddsa(id: &str) -> Self {
        // As openssl writes it: what rcgen writes has the public half in it, which not everybody reads.
        let v1 = [&ED25519_PREFIX, KeyPair::generate_for(&PKCS_ED25519).expect("a key").public_key_raw()].concat();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(v1));
        let pair = KeyPair::from_pem(&pem).expect("a private key");
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).expect("a private key");
        Self::new(id, &pair, Algorithm::EdDSA, key)
    }

    fn new(id: &str, pair: &KeyPair, algorithm: Algorithm, key: EncodingKey) -> Self {
        let jwk = Jwk::from_encoding_key(&key, algorithm).expect("a public key");
        let mut jwk = serde_json::to_value(jwk).expect("a JWK is JSON");
        jwk["kid"] = json!(id);
        let (private_pem, public_pem) = (pair.serialize_pem(), pair.public_key_pem());
        Self { id: id.to_owned(), private_pem, public_pem, jwk, algorithm, key }
    }

    /// An honest token of an editor.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_with(&json!({"sub": user, "scope": EDIT, "exp": now() + 3600}))
    }

    /// A token with these claims.
    pub(crate) fn token_with(&self, claims: &Value) -> String {
        self.signed(&json!({"alg": self.algorithm, "typ": "JWT", "kid": self.id}), claims)
    }

    /// A token with this header and these claims, signed with its key.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        signed(&self.key, self.algorithm, header, claims)
    }
}

/// A token with this header and these claims, signed with that key.
pub(crate) fn signed(key: &EncodingKey, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", part(&header.to_string()), part(&claims.to_string()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

/// A part of a token.
pub(crate) fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A JWKS with the public keys of these.
pub(crate) fn jwks(issuers: &[&Issuer]) -> String {
    let keys: Vec<&Value> = issuers.iter().map(|issuer| &issuer.jwk).collect();
    json!({ "keys": keys }).to_string()
}

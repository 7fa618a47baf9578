//! Keys of every kind from files, and tokens that try to be checked with the wrong one.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::sign;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde_json::json;

use super::*;
use crate::auth::{AuthError, Authority, Grant, ScopeSet, Token};

const NOW: u64 = 1_758_458_730;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDP0spOjziDn2hOPnPQFLnG+A3O
bS+g9VglWPO2VlHWCGboukywDIu3Tcs2mlB8w8V2lj19VOPaaILbY/LvDR4MDe5T
T6N3aiSvemCDGEdMUXCEFozVE7s/4gw5pOMmBQJ7yxueKEbCLpGg7S/s0Pqfes/x
rXqPXBkAO0WeyftSqwIDAQAB
-----END PUBLIC KEY-----
";
const P_384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEen+dcjMaldsD/ROpxkjNXSpN7BNbEIrU
ZJM1qiOvl1W6jk/XaSBg4ppAet2ha+YWuySGKjsDFCIqEzlFnE77IhBa3GNMgD9b
gsgn49MBfs8tivn94BXi2ASEQGY/LeMF
-----END PUBLIC KEY-----
";

/// An issuer with a key of each kind.
struct Issuer {
    algorithm: KeyAlgorithm,
    private_pem: String,
    key: EncodingKey,
    jwk: Value,
}

fn issuer_of(algorithm: KeyAlgorithm) -> Issuer {
    let private_pem = match algorithm {
        KeyAlgorithm::Hs256 => String::new(),
        KeyAlgorithm::Rs256 => KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem(),
        KeyAlgorithm::Es256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem(),
        KeyAlgorithm::EdDsa => ed25519_pem(),
    };
    let pem = private_pem.as_bytes();
    let (key, library) = match algorithm {
        KeyAlgorithm::Hs256 => (EncodingKey::from_secret(SECRET.as_bytes()), jsonwebtoken::Algorithm::HS256),
        KeyAlgorithm::Rs256 => (EncodingKey::from_rsa_pem(pem).unwrap(), jsonwebtoken::Algorithm::RS256),
        KeyAlgorithm::Es256 => (EncodingKey::from_ec_pem(pem).unwrap(), jsonwebtoken::Algorithm::ES256),
        KeyAlgorithm::EdDsa => (EncodingKey::from_ed_pem(pem).unwrap(), jsonwebtoken::Algorithm::EdDSA),
    };
    let jwk = serde_json::to_value(Jwk::from_encoding_key(&key, library).unwrap()).unwrap();
    Issuer { algorithm, private_pem, key, jwk }
}

/// A private key as `openssl genpkey -algorithm ed25519` writes it.
fn ed25519_pem() -> String {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    der.extend(seed);
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

impl Issuer {
    fn library(&self) -> jsonwebtoken::Algorithm {
        serde_json::from_value(json!(self.algorithm.name())).unwrap()
    }

    /// Its public key in a JWKS, with changes to it; `null` takes a member away.
    fn jwk(&self, changes: Value) -> Value {
        let mut jwk = self.jwk.clone();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        jwk
    }

    fn public_pem(&self) -> String {
        KeyPair::from_pem(&self.private_pem).unwrap().public_key_pem()
    }

    /// A token with that header, honestly signed.
    fn token(&self, header: Value) -> Token {
        signed_by(&self.key, self.library(), header)
    }

    fn good(&self, id: Option<&str>) -> Token {
        self.token(header(self.algorithm, id))
    }
}

fn header(algorithm: KeyAlgorithm, id: Option<&str>) -> Value {
    let mut header = json!({"alg": algorithm.name(), "typ": "JWT"});
    id.into_iter().for_each(|id| header["kid"] = json!(id));
    header
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn signed_by(key: &EncodingKey, algorithm: jsonwebtoken::Algorithm, header: Value) -> Token {
    let claims = json!({"sub": "alice", "scope": "document:read", "exp": NOW + 60});
    let message = format!("{}.{}", part(&header.to_string()), part(&claims.to_string()));
    let signature = sign(message.as_bytes(), key, algorithm).unwrap();
    Token::new(&format!("{message}.{signature}")).unwrap()
}

/// A directory with key files in it, and settings that name them.
struct Files {
    directory: tempfile::TempDir,
    config: Config,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { data: directory.path().join("data"), ..Config::default() };
        Self { directory, config }
    }

    fn write(&self, name: &str, text: &str) -> Option<PathBuf> {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        Some(path)
    }

    fn jwks(mut self, keys: &[Value]) -> Self {
        self.config.auth.jwks_file = self.write("jwks.json", &json!({ "keys": keys }).to_string());
        self
    }

    fn public(mut self, pem: &str) -> Self {
        self.config.auth.public_key_file = self.write("public.pem", pem);
        self
    }

    fn signing(mut self, pem: &str) -> Self {
        self.config.auth.signing_key_file = self.write("signing.pem", pem);
        self
    }

    fn secret(mut self) -> Self {
        self.config.auth.key = Some(Secret::parse(SECRET).unwrap());
        self
    }

    fn open(&self) -> Authority {
        Authority::open(&self.config).unwrap()
    }

    fn refused(&self) -> String {
        Authority::open(&self.config).unwrap_err().to_string()
    }
}

fn check(authority: &Authority, token: &Token, expected: Result<(), AuthError>) {
    assert_eq!(authority.verify(token, NOW).map(|_| ()), expected);
}

fn wrong(expected: &[KeyAlgorithm]) -> Result<(), AuthError> {
    Err(AuthError::WrongAlgorithm { expected: expected.iter().copied().collect() })
}

#[test]
fn every_kind_of_key_is_read_from_a_jwks() {
    let issuers = KeyAlgorithm::ALL.map(issuer_of);
    let keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk(json!({"kid": issuer.algorithm.name()}))).collect();
    let authority = Files::new().jwks(&keys).open();
    for issuer in &issuers {
        let own = issuer.algorithm.name();
        check(&authority, &issuer.good(Some(own)), Ok(()));
        // Without a name: one key of each algorithm, so that exactly one fits.
        check(&authority, &issuer.good(None), Ok(()));
        check(&authority, &issuer.good(Some("other")), Err(AuthError::UnknownKey));
        for other in issuers.iter().filter(|other| other.algorithm != issuer.algorithm) {
            // By the name of another kind of key, with its own algorithm and with that one's.
            check(&authority, &issuer.good(Some(other.algorithm.name())), wrong(&[other.algorithm]));
            let lying = issuer.token(header(other.algorithm, Some(own)));
            check(&authority, &lying, wrong(&[issuer.algorithm]));
            let lying = authority.verify(&issuer.token(header(other.algorithm, None)), NOW);
            assert!(matches!(lying, Err(AuthError::BadSignature)), "{lying:?}");
        }
    }
}

#[test]
fn every_kind_of_public_key_is_read_from_pem() {
    use KeyAlgorithm::{EdDsa, Es256, Rs256};
    let issuers = [Rs256, Es256, EdDsa].map(issuer_of);
    let pem: String = issuers.iter().map(|issuer| format!("# one\n{}", issuer.public_pem())).collect();
    let files = Files::new().public(&pem);
    let authority = files.open();
    for issuer in &issuers {
        check(&authority, &issuer.good(None), Ok(()));
        check(&authority, &issuer.good(Some("whatever")), Ok(()));
        check(&authority, &issuer_of(issuer.algorithm).good(None), Err(AuthError::BadSignature));
    }
    check(&authority, &issuer_of(KeyAlgorithm::Hs256).good(None), wrong(&[Rs256, Es256, EdDsa]));
    assert!(!files.config.data.exists(), "no key of the directory's own is made beside these");
    let grant = Grant {
        user_id: "a".to_owned(),
        scopes: ScopeSet::EMPTY,
        documents: Vec::new(),
        display_name: None,
        limits: None,
        expires_in_seconds: 9,
    };
    assert!(authority.issue(&grant, NOW).unwrap_err().to_string().contains("auth.signing_key_file"));
}

#[test]
fn what_is_signed_here_is_accepted_here() {
    use KeyAlgorithm::{EdDsa, Es256, Rs256};
    let grant = |authority: &Authority| {
        let grant = Grant {
            user_id: "alice".to_owned(),
            scopes: ScopeSet::EMPTY,
            documents: Vec::new(),
            display_name: None,
            limits: None,
            expires_in_seconds: 60,
        };
        authority.issue(&grant, NOW).unwrap()
    };
    for issuer in [Rs256, Es256, EdDsa].map(issuer_of) {
        let alone = Files::new().signing(&issuer.private_pem).open();
        let token = grant(&alone);
        check(&alone, &token, Ok(()));
        check(&alone, &issuer_of(issuer.algorithm).good(None), Err(AuthError::BadSignature));
        // Beside its own public half, and beside another key of the kind.
        let with_half = Files::new().signing(&issuer.private_pem).jwks(&[issuer.jwk(json!({"kid": "mine"}))]).open();
        let named = grant(&with_half);
        check(&with_half, &named, Ok(()));
        check(&with_half, &issuer.good(None), Ok(()));
        let other = issuer_of(issuer.algorithm).jwk(json!({"kid": "other"}));
        let beside = Files::new().signing(&issuer.private_pem).jwks(&[other]).open();
        check(&beside, &grant(&beside), Ok(()));
        check(&beside, &token, Ok(()));
        check(&beside, &issuer.good(None), Err(AuthError::AmbiguousKey));
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let rsa = issuer_of(KeyAlgorithm::Rs256);
    let jwk = rsa.jwk(json!({"kid": "k"}));
    let pem = rsa.public_pem();
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let in_jwks = Files::new().jwks(std::slice::from_ref(&jwk)).open();
    let in_pem = Files::new().public(&pem).open();
    let beside_secret = Files::new().public(&pem).secret().open();
    for secret in [pem.as_bytes(), pem.trim().as_bytes(), &der, &modulus, jwk.to_string().as_bytes(), b""] {
        for id in [None, Some("k")] {
            let key = EncodingKey::from_secret(secret);
            let forged = signed_by(&key, jsonwebtoken::Algorithm::HS256, header(KeyAlgorithm::Hs256, id));
            check(&in_jwks, &forged, wrong(&[KeyAlgorithm::Rs256]));
            check(&in_pem, &forged, wrong(&[KeyAlgorithm::Rs256]));
            check(&beside_secret, &forged, Err(AuthError::BadSignature));
            let lying = signed_by(&key, jsonwebtoken::Algorithm::HS256, header(KeyAlgorithm::Rs256, id));
            check(&in_jwks, &lying, Err(AuthError::BadSignature));
        }
    }
}

#[test]
fn what_a_header_says_of_keys_is_no_key() {
    let (own, attacker) = (issuer_of(KeyAlgorithm::Es256), issuer_of(KeyAlgorithm::Es256));
    let authority = Files::new().jwks(&[own.jwk(json!({"kid": "k"}))]).open();
    let brought = json!({"jwk": attacker.jwk, "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/cert.pem", "x5c": ["MIIB"], "x5t": "AAAA"});
    for id in [None, Some("k")] {
        let mut with = header(KeyAlgorithm::Es256, id);
        with.as_object_mut().unwrap().extend(brought.as_object().unwrap().clone());
        check(&authority, &attacker.token(with.clone()), Err(AuthError::BadSignature));
        check(&authority, &own.token(with), Ok(()));
    }
    for id in ["../../../dev/null", "/etc/passwd", "k' OR '1'='1", "K", "k ", "", "k\0", &"k".repeat(5000)] {
        check(&authority, &own.good(Some(id)), Err(AuthError::UnknownKey));
    }
    for id in [json!(7), json!(null), json!(["k"]), json!({"k": 1})] {
        check(&authority, &own.token(json!({"alg": "ES256", "kid": id})), Err(AuthError::Malformed));
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    let secret = issuer_of(KeyAlgorithm::Hs256);
    let authority = Files::new().secret().open();
    let raw = |header: &str, claims: &str| {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = sign(message.as_bytes(), &secret.key, secret.library()).unwrap();
        Token::new(&format!("{message}.{signature}")).unwrap()
    };
    let (header, claims) = (r#"{"alg":"HS256"}"#, format!(r#"{{"sub":"a","exp":{}}}"#, NOW + 60));
    check(&authority, &raw(header, &claims), Ok(()));
    check(&authority, &raw(r#"{"alg":"none","alg":"HS256"}"#, &claims), Err(AuthError::Malformed));
    check(&authority, &raw(r#"{"alg":"HS256","alg":"HS256"}"#, &claims), Err(AuthError::Malformed));
    for (name, value) in [("sub", "\"b\""), ("exp", "9999999999"), ("x", "1,\"x\":1")] {
        let twice = format!(r#"{},"{name}":{value}}}"#, claims.trim_end_matches('}'));
        check(&authority, &raw(header, &twice), Err(AuthError::Malformed));
    }
    check(&authority, &raw(header, &format!("{claims} {{}}")), Err(AuthError::Malformed));
}

#[test]
fn keys_that_fit_the_same_tokens_are_refused() {
    let [one, two] = [(); 2].map(|()| issuer_of(KeyAlgorithm::Es256));
    let id = |issuer: &Issuer, id: Value| issuer.jwk(json!({ "kid": id }));
    let message = Files::new().jwks(&[id(&one, json!("k")), id(&two, json!("k"))]).refused();
    assert!(message.contains("two ES256 keys have the same `kid`"), "{message}");
    let message = Files::new().public(&format!("{}{}", one.public_pem(), two.public_pem())).refused();
    assert!(message.contains("two ES256 keys have no `kid`"), "{message}");
    // By one name with another algorithm they are told apart; with two names by these, and by nothing else.
    let secret = issuer_of(KeyAlgorithm::Hs256);
    let authority = Files::new().jwks(&[id(&one, json!("k")), id(&two, json!("l")), id(&secret, json!("k"))]).open();
    check(&authority, &one.good(Some("k")), Ok(()));
    check(&authority, &two.good(Some("l")), Ok(()));
    check(&authority, &two.good(Some("k")), Err(AuthError::BadSignature));
    check(&authority, &secret.good(Some("k")), Ok(()));
    check(&authority, &one.good(None), Err(AuthError::AmbiguousKey));
    check(&authority, &secret.good(None), Ok(()));
}

#[test]
fn weak_and_strange_keys_are_refused_with_the_reason() {
    let pem = |text: &str, expected: &str| {
        let message = Files::new().public(text).refused();
        assert!(message.contains("public.pem") && message.contains(expected), "{message}");
    };
    pem(RSA_1024, "an RSA key of 1024 bits: expected 2048 to 8192");
    pem(P_384, "ES256 needs P-256");
    pem("", "no PEM block PUBLIC KEY");
    pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "block 1: expected a key of RSA");
    pem("-----BEGIN PUBLIC KEY-----", "block 1: expected a key of RSA");
    pem(&issuer_of(KeyAlgorithm::Es256).private_pem, "openssl pkey -in key.pem -pubout");
    pem(&"-----BEGIN PUBLIC KEY-----\n".repeat(65), "more than 64 keys");
    let jwk = |jwk: Value, expected: &str| {
        let message = Files::new().jwks(&[jwk]).refused();
        assert!(message.contains("jwks.json") && message.contains(expected), "{message}");
    };
    let rsa = |bytes: usize, first: u8| {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"})
    };
    jwk(rsa(128, 0xff), "keys[0]: an RSA key of 1024 bits");
    jwk(rsa(256, 0x7f), "an RSA key of 2047 bits");
    jwk(rsa(256, 0), "an RSA key of 2040 bits");
    jwk(rsa(1025, 1), "an RSA key of 8193 bits");
    jwk(
        json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode([1; 31])}),
        "a shared secret of 31 bytes: expected at least 32",
    );
    jwk(json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}), "P-256");
    jwk(json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}), "Ed25519");
    jwk(json!({"kty": "RSA", "n": "AAAA"}), "keys[0]: it is not a JWK of its kind");
    jwk(json!({"kty": "RSA", "n": "?", "e": "AQAB"}), "not a JWK of its kind");
    jwk(json!(7), "keys[0]: expected an object");
    for id in [json!(7), json!(""), json!("x".repeat(129))] {
        jwk(issuer_of(KeyAlgorithm::Es256).jwk(json!({ "kid": id })), "`kid`: expected a text of 1 to 128 bytes");
    }
    for other in [
        json!({"kty": "RSA", "use": "enc"}),
        json!({"kty": "RSA", "alg": "PS256"}),
        json!({"kty": "RSA", "key_ops": ["encrypt"]}),
        json!({"kty": "EC", "crv": "secp256k1"}),
        json!({"kty": "OKP", "crv": "X25519"}),
        json!({"kty": "new"}),
        json!({}),
    ] {
        jwk(other, "none of its keys can be used");
    }
    for text in ["", "{}", "[]", "{\"keys\": {}}", "not json"] {
        let mut files = Files::new();
        files.config.auth.jwks_file = files.write("jwks.json", text);
        assert!(files.refused().contains("a list `keys`"), "{text}");
    }
    let message = Files::new().signing("-----BEGIN EC PRIVATE KEY-----\n").refused();
    assert!(message.contains("openssl pkcs8 -topk8"), "{message}");
    let message = Files::new().signing(RSA_1024).refused();
    assert!(message.contains("expected PRIVATE KEY"), "{message}");
    let message = Files::new().jwks(&vec![json!({"kty": "new"}); 65]).refused();
    assert!(message.contains("more than 64 keys"), "{message}");
}

#[test]
fn what_is_not_for_signatures_is_passed_over() {
    let good = issuer_of(KeyAlgorithm::EdDsa);
    let other = issuer_of(KeyAlgorithm::EdDsa).jwk(json!({"use": "enc"}));
    let authority = Files::new().jwks(&[other, json!({"kty": "new", "x": 1}), good.jwk(json!({"use": "sig"}))]).open();
    check(&authority, &good.good(None), Ok(()));
}

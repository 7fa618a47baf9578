//! Tokens that are missing, wrong, too old or for something else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::home::{EDIT, Home};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::{Bystander, stays_open};

const LONG_AGO: u64 = 1_700_000_000;
const FAR_AWAY: u64 = 4_000_000_000;

fn claims(expires: u64) -> Value {
    json!({"sub": "attacker", "scope": EDIT, "exp": expires})
}

/// A token signed as the server would, with any claims.
fn signed(home: &Home, claims: &Value) -> String {
    let key = std::fs::read_to_string(home.data().join("signing.key")).expect("the server has made a key");
    let key = key.trim();
    let key = match key.strip_prefix("base64:") {
        Some(encoded) => EncodingKey::from_base64_secret(encoded).expect("a key in base64"),
        None => EncodingKey::from_secret(key.as_bytes()),
    };
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

/// A token without a signature, which says so.
fn unsigned(algorithm: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": algorithm, "typ": "JWT"})), part(&claims(FAR_AWAY)))
}

fn wrong_tokens(home: &Home) -> Vec<(&'static str, String)> {
    let elsewhere = Home::new();
    let good = home.token("attacker");
    let (body, signature) = good.rsplit_once('.').expect("a signature");
    vec![
        ("garbage", "garbage".to_owned()),
        ("empty", String::new()),
        ("three empty parts", "..".to_owned()),
        ("alg none", unsigned("none")),
        ("alg HS256 without a signature", unsigned("HS256")),
        ("signature cut off", format!("{body}.{}", &signature[1..])),
        ("another key", elsewhere.token("attacker")),
        ("expired", signed(home, &claims(LONG_AGO))),
        ("no exp", signed(home, &json!({"sub": "attacker", "scope": EDIT}))),
        ("no sub", signed(home, &json!({"scope": EDIT, "exp": FAR_AWAY}))),
        (
            "not yet valid",
            signed(home, &json!({"sub": "attacker", "scope": EDIT, "exp": FAR_AWAY, "nbf": FAR_AWAY - 1})),
        ),
        ("a sub of 129 bytes", signed(home, &json!({"sub": "a".repeat(129), "scope": EDIT, "exp": FAR_AWAY}))),
    ]
}

/// The upgrade is done, then an error says why, then the close.
async fn turned_away(server: &Server, target: &str, what: &str, error_code: &str, close: u16) -> Value {
    let mut socket = Socket::open(server.port(), target).await;
    let (messages, code, reason) = socket.closed().await;
    assert_eq!(messages.len(), 1, "{what}: {messages:?}");
    let error = &messages[0];
    assert_eq!(
        (&error["type"], &error["payload"]["error_code"]),
        (&json!("system.error"), &json!(error_code)),
        "{what}: {error}"
    );
    assert_eq!(error["payload"]["severity"], "critical", "{what}: {error}");
    assert_eq!(code, close, "{what}: {reason}");
    error["payload"].clone()
}

#[tokio::test]
async fn wrong_tokens_are_turned_away_with_the_reason() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    turned_away(&server, "/ws/document/shared", "no token", "UNAUTHENTICATED", 1008).await;
    for (what, token) in wrong_tokens(&home) {
        let target = format!("/ws/document/shared?token={token}");
        turned_away(&server, &target, what, "UNAUTHENTICATED", 1008).await;
        let answer = http::get(server.port(), "/api/documents/shared/state", &token).await;
        answer.error(401, "UNAUTHENTICATED");
        bystander.goes_on_undisturbed().await;
        let log = server.log();
        assert!(token.len() < 20 || !log.contains(&token), "{what}: the token is in the log");
    }
    let mut socket = Socket::document(server.port(), "shared", &signed(&home, &claims(FAR_AWAY))).await;
    stays_open(&mut socket).await;
}

#[tokio::test]
async fn good_tokens_for_something_else_are_turned_away() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let other_scope = home.token_with("attacker", "presence:read", &[]);
    let other_document = home.token_with("attacker", EDIT, &["--document", "jd_*"]);
    for token in [other_scope, other_document] {
        let target = format!("/ws/document/shared?token={token}");
        turned_away(&server, &target, "a token for something else", "FORBIDDEN", 4001).await;
        let answer = http::get(server.port(), "/api/documents/shared/state", &token).await;
        answer.error(403, "FORBIDDEN");
    }
    bystander.goes_on_undisturbed().await;
}

#[tokio::test]
async fn ids_that_are_none_are_turned_away() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("attacker");
    let long = "a".repeat(129);
    for id in ["-a", "a%20b", "%00", "%F0%9F%93%8E", "..", &long] {
        let target = format!("/ws/document/{id}?token={token}");
        let error = turned_away(&server, &target, id, "VALIDATION_ERROR", 4004).await;
        assert_eq!(error["details"]["field"], "document_id", "{id}: {error}");
        assert!(
            error["details"]["expected"].as_str().is_some_and(|pattern| pattern.contains("[A-Za-z0-9]")),
            "{id}: {error}"
        );
    }
}

#[tokio::test]
async fn a_token_may_come_in_three_ways() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("user");
    for (target, headers) in [
        (format!("/ws/document/shared?token={token}"), String::new()),
        ("/ws/document/shared".to_owned(), format!("Authorization: Bearer {token}\r\n")),
        ("/ws/document/shared".to_owned(), format!("Sec-WebSocket-Protocol: jddb.v1, bearer.{token}\r\n")),
    ] {
        let opened = Socket::try_open(server.port(), &target, &headers).await;
        let mut socket = opened.unwrap_or_else(|error| panic!("{headers}: {error:?}"));
        assert_eq!(socket.message().await["type"], "document.state", "{headers}");
    }
}

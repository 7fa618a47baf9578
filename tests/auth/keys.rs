//! Keys from files: chosen by `kid`, never by what the token says of itself, and changed while people edit.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use crate::clock::now;
use crate::issuer::{Issuer, jwks, part, signed};
use crate::support::home::{EDIT, Home, UNLIMITED};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::{http, until};

/// Who edits while the keys change.
const EDITORS: usize = 40;

async fn with_jwks(home: &Home, text: &str) -> Server {
    let path = home.path("jwks.json");
    fs::write(&path, text).expect("a file");
    home.start().env("JDDB_AUTH__JWKS_FILE", path.to_str().expect("a path in UTF-8")).ready().await
}

/// Another file of keys, read by the running server; waits for the log to say what came of it.
async fn reload(home: &Home, server: &Server, text: &str, told: &str) {
    fs::write(home.path("jwks.json"), text).expect("a file");
    let before = server.log().len();
    server.hang_up();
    until(told, async || server.log()[before..].contains(told).then_some(())).await;
}

/// Refused over HTTP and on a WebSocket alike, and in no log.
async fn refused(server: &Server, what: &str, token: &str) {
    let answer = http::get(server.port(), "/api/documents/shared/state", token).await;
    let error = answer.error(401, "UNAUTHENTICATED");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}");
    let mut socket = Socket::document(server.port(), "shared", token).await;
    let (messages, code, _) = socket.closed().await;
    assert_eq!((messages.len(), code), (1, 1008), "{what}: {messages:?}");
    for part in token.split('.').filter(|part| part.len() > 20) {
        let seen = format!("{error} {messages:?} {}", server.log());
        assert!(!seen.contains(part), "{what}: a part of the token is told");
    }
}

async fn accepted(server: &Server, token: &str) {
    let (_socket, state) = Socket::joined(server.port(), "shared", token).await;
    assert_eq!(state["document_id"], "shared");
}

/// Everybody changes the document once more, on the connection they have.
async fn all_edit(editors: &mut [Socket], round: usize) {
    for (index, editor) in editors.iter().enumerate() {
        editor.send(&json!({
            "type": "document.change",
            "payload": {"operation": "insert", "position": 0, "content": "x"},
            "metadata": {"client_id": format!("c{index}"), "correlation_id": format!("m{round}")},
        }));
    }
    for editor in editors {
        let ack = editor.next("document.ack").await;
        assert_eq!(ack["payload"]["correlation_id"], format!("m{round}"), "{ack}");
    }
}

#[tokio::test]
async fn keys_change_while_people_edit_and_nobody_is_dropped() {
    let home = Home::new();
    let (old, new, stranger) = (Issuer::rs256("old"), Issuer::es256("new"), Issuer::es256("new"));
    let server = with_jwks(&home, &jwks(&[&old])).await;
    let limits: serde_json::Value = serde_json::from_str(UNLIMITED).expect("JSON");
    let claims = json!({"sub": "ada", "scope": EDIT, "exp": now() + 3600, "limits": limits});
    let mut editors = Vec::new();
    for index in 0..EDITORS {
        let document = format!("doc_{index}");
        editors.push(Socket::joined(server.port(), &document, &old.token_with(&claims)).await.0);
    }
    all_edit(&mut editors, 0).await;
    refused(&server, "a key that is not there yet", &new.token("ben")).await;

    reload(&home, &server, &jwks(&[&old, &new]), "the keys were read again").await;
    all_edit(&mut editors, 1).await;
    for issuer in [&old, &new] {
        accepted(&server, &issuer.token("ben")).await;
    }
    refused(&server, "another key of that name", &stranger.token("ben")).await;

    // What is broken changes nothing, and says so.
    let weak = json!({"keys": [{"kty": "oct", "k": part("short"), "kid": "w"}]}).to_string();
    for (broken, told) in [
        ("{\"keys\": [", "a list `keys`"),
        ("", "a list `keys`"),
        (&weak, "a shared secret of 5 bytes: expected at least 32"),
    ] {
        reload(&home, &server, broken, "all of [auth] stay as they are").await;
        assert!(server.log().contains(told), "{}", server.log());
        accepted(&server, &old.token("ben")).await;
        accepted(&server, &new.token("ben")).await;
    }
    all_edit(&mut editors, 2).await;

    reload(&home, &server, &jwks(&[&new]), "the keys were read again").await;
    all_edit(&mut editors, 3).await;
    refused(&server, "a key that was taken away", &old.token("ben")).await;
    accepted(&server, &new.token("ben")).await;
}

#[tokio::test]
async fn no_token_gets_past_the_keys() {
    let home = Home::new();
    let (issuer, attacker) = (Issuer::rs256("k1"), Issuer::rs256("k1"));
    let second = Issuer::es256("k2");
    let server = with_jwks(&home, &jwks(&[&issuer, &second])).await;
    accepted(&server, &issuer.token("ada")).await;
    let claims = json!({"sub": "ada", "scope": "document:admin", "exp": now() + 3600});
    let header = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    for secret in [issuer.public_pem.as_bytes(), issuer.public_pem.trim().as_bytes(), issuer.jwk.to_string().as_bytes()]
    {
        for kid in ["k1", "k2", "k3"] {
            let key = EncodingKey::from_secret(secret);
            let token = signed(&key, Algorithm::HS256, &header("HS256", kid), &claims);
            refused(&server, "the public key as a secret", &token).await;
        }
    }
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "RS256"] {
        for signature in ["", "AAAA"] {
            let token = format!("{}.{}.{signature}", part(&header(alg, "k1").to_string()), part(&claims.to_string()));
            refused(&server, alg, &token).await;
        }
    }
    for alg in ["none", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256", "RS256 "] {
        refused(&server, alg, &issuer.signed(&header(alg, "k1"), &claims)).await;
    }
    for kid in ["k2", "k3", "../jwks.json", "/dev/null", "K1", "k1 ", "k1\u{0}"] {
        refused(&server, kid, &issuer.signed(&header("RS256", kid), &claims)).await;
    }
    let brought = json!({"alg": "RS256", "kid": "k1", "jwk": attacker.jwk, "jku": "http://127.0.0.1:1/jwks.json",
        "x5u": "http://127.0.0.1:1/cert.pem", "x5c": [part("cert")]});
    refused(&server, "a key brought along", &attacker.signed(&brought, &claims)).await;
    refused(
        &server,
        "crit",
        &issuer.signed(&json!({"alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": false}), &claims),
    )
    .await;
    for exp in
        [json!("4000000000"), json!(-1), json!(0), json!(null), json!(true), json!([4_000_000_000_u64]), json!({})]
    {
        let claims = json!({"sub": "ada", "scope": EDIT, "exp": exp});
        refused(&server, &exp.to_string(), &issuer.token_with(&claims)).await;
    }
    let huge = json!({"sub": "ada", "scope": EDIT, "exp": now() + 3600, "x": "x".repeat(9000)});
    let answer = http::get(server.port(), "/api/documents/shared/state", &issuer.token_with(&huge)).await;
    answer.error(401, "UNAUTHENTICATED");
    accepted(&server, &issuer.token("ada")).await;
}

#[tokio::test]
async fn each_algorithm_has_its_key_and_takes_no_other() {
    const SECRET: &[u8] = b"a secret that nobody else may see";
    let home = Home::new();
    let issuers = [Issuer::rs256("rs"), Issuer::es256("es"), Issuer::eddsa("ed")];
    let mut keys: serde_json::Value = serde_json::from_str(&jwks(&issuers.each_ref())).expect("JSON");
    let secret = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET), "kid": "hs", "alg": "HS256"});
    keys["keys"].as_array_mut().expect("a list").push(secret);
    let server = with_jwks(&home, &keys.to_string()).await;
    let claims = json!({"sub": "ada", "scope": EDIT, "exp": now() + 3600});
    let header = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    let hs256 = |kid: &str| signed(&EncodingKey::from_secret(SECRET), Algorithm::HS256, &header("HS256", kid), &claims);
    accepted(&server, &hs256("hs")).await;
    for issuer in &issuers {
        accepted(&server, &issuer.token("ada")).await;
        refused(&server, "the secret under another key's name", &hs256(&issuer.id)).await;
        for (alg, kid) in [("RS256", "rs"), ("ES256", "es"), ("EdDSA", "ed"), ("HS256", "hs")] {
            if kid != issuer.id {
                refused(&server, "another key's name", &issuer.signed(&header(alg, kid), &claims)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_for_this_server_and_of_its_issuer() {
    let home = Home::new();
    let issuer = Issuer::es256("k1");
    fs::write(home.path("jwks.json"), jwks(&[&issuer])).expect("a file");
    let path = home.path("jwks.json");
    let start = home.start().env("JDDB_AUTH__JWKS_FILE", path.to_str().expect("a path in UTF-8"));
    let server = start.env("JDDB_AUTH__AUDIENCE", "us").env("JDDB_AUTH__ISSUER", "them").ready().await;
    let of = |claim: &str, value: &serde_json::Value| {
        let mut claims = json!({"sub": "ada", "scope": EDIT, "exp": now() + 3600, "aud": "us", "iss": "them"});
        claims[claim] = value.clone();
        issuer.token_with(&claims)
    };
    for audience in [json!("us"), json!(["others", "us"])] {
        accepted(&server, &of("aud", &audience)).await;
    }
    for audience in
        [json!("others"), json!("US"), json!("us "), json!("us,others"), json!(["others"]), json!([]), json!([["us"]])]
    {
        refused(&server, "for others", &of("aud", &audience)).await;
    }
    for name in [json!("others"), json!("Them"), json!("them/"), json!(["them"]), json!("")] {
        refused(&server, "of others", &of("iss", &name)).await;
    }
    for value in [json!(null), json!(7), json!({}), json!(true)] {
        refused(&server, "for nobody", &of("aud", &value)).await;
        refused(&server, "of nobody", &of("iss", &value)).await;
    }
}

#[tokio::test]
async fn nobody_speaks_for_somebody_else() {
    let home = Home::new();
    let issuer = Issuer::es256("k1");
    let server = with_jwks(&home, &jwks(&[&issuer])).await;
    let (mut mallory, _) = Socket::joined(server.port(), "shared", &issuer.token("mallory")).await;
    let (mut ada, _) = Socket::joined(server.port(), "shared", &issuer.token("ada")).await;
    // What a message says of its sender is not believed.
    mallory.send(&json!({
        "type": "document.change",
        "payload": {"operation": "insert", "position": 0, "content": "x", "user_id": "ada"},
        "metadata": {"user_id": "ada", "client_id": "c", "correlation_id": "m"},
    }));
    mallory.next("document.ack").await;
    let change = ada.next("document.change").await;
    assert_eq!(change["metadata"]["user_id"], "mallory", "{change}");
    let body = json!({"base_version": 1, "changes": [{"operation": "insert", "position": 0, "content": "y",
        "metadata": {"user_id": "ada"}}]});
    let answer = http::post(server.port(), "/api/documents/shared/changes", &issuer.token("mallory"), &body).await;
    answer.error(403, "FORBIDDEN");
    assert_eq!(http::state(server.port(), "shared", &issuer.token("ada")).await.0, 1);
}

#[tokio::test]
async fn a_token_is_in_no_log_of_any_level() {
    let home = Home::new();
    let server = home.start().env("JDDB_LOG__FILTER", "trace").ready().await;
    let token = home.token("ada");
    let (mut socket, _) = Socket::joined(server.port(), "shared", &token).await;
    http::get(server.port(), &format!("/api/documents/shared/state?token={token}"), "").await;
    http::get(server.port(), &format!("/nowhere?access_token={token}"), &token).await.error(404, "NOT_FOUND");
    http::get(server.port(), "/api/documents/shared/state", &token).await.ok();
    let headers = format!("Sec-WebSocket-Protocol: jddb.v1, bearer.{token}\r\n");
    Socket::try_open(server.port(), "/ws/document/shared", &headers).await.expect("an upgrade");
    socket.send(&json!({"type": token, "payload": {"token": token}}));
    let error = socket.error("UNKNOWN_MESSAGE_TYPE").await;
    let signature = token.rsplit('.').next().expect("three parts");
    let admin = home.token_with("ada", "document:admin", &[]);
    let mut monitor = Socket::open(server.port(), &format!("/ws/monitoring?token={admin}")).await;
    let figures = monitor.next("monitoring.metrics").await.to_string();
    for token in [&token, &admin] {
        assert!(token.split('.').skip(1).all(|part| !figures.contains(part)), "{figures}");
    }
    until("the requests in the log", async || server.log().contains("/nowhere").then_some(())).await;
    let log = server.log();
    assert!(!log.contains(signature), "the token is in the log");
    assert!(!error.to_string().contains(signature), "{error}");
}

#[tokio::test]
async fn weak_keys_do_not_start_a_server() {
    let home = Home::new();
    let jwks = home.path("jwks.json");
    let weak = json!({"keys": [{"kty": "RSA", "kid": "w", "n": part(&"n".repeat(128)), "e": "AQAB"}]});
    fs::write(&jwks, weak.to_string()).expect("a file");
    let path = jwks.to_str().expect("a path in UTF-8");
    let exit = home.start().env("JDDB_AUTH__JWKS_FILE", path).exit().await;
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    for word in ["jwks.json", "keys[0]", "2048"] {
        assert!(exit.stderr.contains(word), "{word} is not in: {}", exit.stderr);
    }
    // A public key where a secret belongs would make everybody an issuer.
    let pem = home.path("public.pem");
    fs::write(&pem, Issuer::rs256("k").public_pem).expect("a file");
    let exit = home.start().env("JDDB_AUTH__KEY_FILE", pem.to_str().expect("a path in UTF-8")).exit().await;
    assert!(exit.code == Some(1) && exit.stderr.contains("auth.public_key_file"), "{}", exit.stderr);
}

#[tokio::test]
async fn the_command_line_signs_with_a_private_key() {
    let home = Home::new();
    let own = Issuer::es256("own");
    fs::write(home.path("own.pem"), &own.private_pem).expect("a file");
    let path = home.path("own.pem").to_str().expect("a path in UTF-8").to_owned();
    fs::write(home.path("c.toml"), format!("[auth]\nsigning_key_file = {path:?}\n")).expect("a file");
    let config = home.path("c.toml").to_str().expect("a path in UTF-8").to_owned();
    let server = home.start().args(&["--config", &config]).ready().await;
    accepted(&server, &home.token_with("ada", EDIT, &["--config", &config])).await;
    refused(&server, "the key of the data directory", &home.token("ada")).await;
    refused(&server, "a stranger's key", &Issuer::es256("own").token("ada")).await;
}

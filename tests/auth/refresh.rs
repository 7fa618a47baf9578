//! Refresh tokens: families that go round, copies of their tokens, and what is none.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::clock::now;
use crate::family::{check_dead, check_good, check_untold, first, pair, refresh, refreshed, revoke, revoke_own};
use crate::issuer::{Issuer, jwks, part, signed};
use crate::support::faults::Faults;
use crate::support::home::{EDIT, Home};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::{skipped, until};

/// Who asks for new tokens with one and the same.
const COPIES: usize = 24;
/// Families that are at it when the server is killed.
const FAMILIES: usize = 12;
/// How often it is killed.
const KILLS: usize = 3;
/// Syncs that work, on a disk that is about to fail: more than a start takes.
const SYNCS: u64 = 200;

#[tokio::test]
async fn each_token_of_a_family_is_good_once() {
    let home = Home::new();
    let server = home.start().env("JDDB_LOG__FILTER", "trace").ready().await;
    let zero = first(&home, "ada");
    let answer = refresh(&server, &zero).await;
    let body = answer.ok();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)), "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(4), "{body}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let one = pair(&answer);
    check_good(&server, &one.access).await;
    let mut newest = one.clone();
    for _ in 0..5 {
        newest = refreshed(&server, &newest.refresh).await;
    }
    check_good(&server, &newest.access).await;
    check_good(&server, &one.access).await;

    let reused = refresh(&server, &one.refresh).await.error(401, "UNAUTHENTICATED");
    assert!(reused["message"].as_str().is_some_and(|message| message.contains("used before")), "{reused}");
    for token in [&zero, &one.refresh, &newest.refresh, &one.access, &newest.access] {
        let message = check_dead(&server, token).await;
        assert!(message.contains("revoked"), "{message}");
        check_untold(&server, token, &reused.to_string());
    }
    // Another family of the same user has nothing to do with it.
    check_good(&server, &refreshed(&server, &first(&home, "ada")).await.access).await;
    assert!(server.log().contains("was used again"), "the operator is told");
}

#[tokio::test]
async fn of_many_at_once_one_wins_and_nobody_keeps_anything() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, zero) = (server.port(), first(&home, "ada"));
    let mut others = Vec::new();
    for user in ["ben", "cid"] {
        others.push(refreshed(&server, &first(&home, user)).await);
    }
    let mut asking = JoinSet::new();
    for _ in 0..COPIES {
        let request = http::request("POST", "/api/auth/refresh", Some(&zero), None);
        asking.spawn(async move { http::exchange(port, &request).await });
    }
    let answers = asking.join_all().await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).map(pair).collect();
    assert_eq!(won.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.error(401, "UNAUTHENTICATED");
    }
    // Nobody can tell whether it was the owner or a thief who came first.
    check_dead(&server, &won[0].access).await;
    check_dead(&server, &won[0].refresh).await;
    for other in others {
        check_good(&server, &refreshed(&server, &other.refresh).await.access).await;
    }
}

/// Refreshes until the server is gone or takes nothing; all the tokens that it was given, of which the last may have been
/// taken.
async fn refresh_until_lost(port: u16, first: String) -> Vec<String> {
    let mut tokens = vec![first];
    loop {
        let newest = tokens.last().expect("there is a first one");
        let request = http::request("POST", "/api/auth/refresh", Some(newest), None);
        match http::try_exchange(port, &request).await {
            Ok(answer) if answer.status == 200 => tokens.push(pair(&answer).refresh),
            Ok(answer) => {
                answer.error(503, "STORAGE_UNAVAILABLE");
                return tokens;
            }
            Err(_) => return tokens,
        }
    }
}

/// Of families that were refreshed when a server went, the token before the newest is dead; the newest may have been taken by
/// what was not answered.
async fn check_families(server: &Server, families: &[Vec<String>]) {
    for (index, tokens) in families.iter().enumerate() {
        let [.., before, newest] = &tokens[..] else { panic!("family {index} was never answered") };
        if index % 2 == 0 {
            let answer = refresh(server, newest).await;
            assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        }
        refresh(server, before).await.error(401, "UNAUTHENTICATED");
        refresh(server, newest).await.error(401, "UNAUTHENTICATED");
    }
}

/// Refreshes and revokes on a server until it is ended; what it has answered holds on the next one.
async fn check_end(home: &Home, server: Server, end: impl FnOnce(Server)) {
    let mut going = JoinSet::new();
    for index in 0..FAMILIES {
        going.spawn(refresh_until_lost(server.port(), first(home, &format!("user_{index}"))));
    }
    let revoked = refreshed(&server, &first(home, "rex")).await;
    revoke_own(&server, &revoked.refresh).await.ok();
    let everything = refreshed(&server, &first(home, "eve")).await;
    revoke(&server, Some(&everything.access), &json!({"user_id": "eve"})).await.ok();
    let copied = first(home, "cop");
    let taken = refreshed(&server, &copied).await;
    refresh(&server, &copied).await.error(401, "UNAUTHENTICATED");
    let (quiet, stale) = (refreshed(&server, &first(home, "qui")).await, refreshed(&server, &first(home, "sta")).await);
    let (quiet, newest) = (refreshed(&server, &quiet.refresh).await, refreshed(&server, &stale.refresh).await);
    end(server);
    let families = going.join_all().await;

    let server = home.start().ready().await;
    for pair in [&revoked, &everything, &taken] {
        check_dead(&server, &pair.access).await;
        check_dead(&server, &pair.refresh).await;
    }
    check_dead(&server, &copied).await;
    check_families(&server, &families).await;
    check_good(&server, &quiet.access).await;
    check_good(&server, &refreshed(&server, &quiet.refresh).await.access).await;
    // It was taken, which is known; so this is a copy.
    refresh(&server, &stale.refresh).await.error(401, "UNAUTHENTICATED");
    check_dead(&server, &newest.refresh).await;
}

#[tokio::test]
async fn what_was_answered_is_known_after_a_kill() {
    for _ in 0..KILLS {
        let home = Home::new();
        check_end(&home, home.start().ready().await, Server::kill_nine).await;
    }
}

#[tokio::test]
async fn what_was_answered_is_known_after_a_power_cut() {
    // A disk that stops, and one that was in the middle of writing.
    for torn in [None, Some(1)] {
        let home = Home::new();
        let faults = match Faults::compile(&home) {
            Ok(faults) => faults,
            Err(why) => return skipped("what_was_answered_is_known_after_a_power_cut", &why),
        };
        let server = faults.watch(home.start(), &home).ready().await;
        let cut = |server: Server| {
            server.kill_nine();
            faults.cut_power(&home, torn);
        };
        check_end(&home, server, cut).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_takes_nothing() {
    let home = Home::new();
    let faults = match Faults::compile(&home) {
        Ok(faults) => faults,
        Err(why) => return skipped("a_disk_that_fails_takes_nothing", &why),
    };
    let server = faults.load(home.start(), &home, "POWERCUT_FSYNC_FAIL", SYNCS).ready().await;
    let mut going = JoinSet::new();
    for index in 0..FAMILIES {
        going.spawn(refresh_until_lost(server.port(), first(&home, &format!("user_{index}"))));
    }
    let families = going.join_all().await;
    let plain = home.token("ada");
    revoke_own(&server, &plain).await.error(503, "STORAGE_UNAVAILABLE");
    revoke(&server, Some(&plain), &json!({"user_id": "ada"})).await.error(503, "STORAGE_UNAVAILABLE");
    revoke_own(&server, &plain).await.error(503, "STORAGE_UNAVAILABLE");
    http::get(server.port(), "/api/documents", &plain).await.ok();
    server.kill_nine();
    let server = home.start().ready().await;
    check_families(&server, &families).await;
    check_good(&server, &plain).await;
}

/// A server with a key of its own that takes an issuer's tokens, for one audience.
async fn with_issuer(home: &Home, issuer: &Issuer, own: &Issuer) -> Server {
    fs::write(home.path("jwks.json"), jwks(&[issuer])).expect("a file");
    fs::write(home.path("own.pem"), &own.private_pem).expect("a file");
    let path = |name: &str| home.path(name).to_str().expect("a path in UTF-8").to_owned();
    let start = home.start().env("JDDB_AUTH__JWKS_FILE", &path("jwks.json"));
    let start = start.env("JDDB_AUTH__SIGNING_KEY_FILE", &path("own.pem"));
    start.env("JDDB_AUTH__AUDIENCE", "us").env("JDDB_AUTH__ISSUER", "them").ready().await
}

fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "typ": "refresh+jwt", "kid": kid})
}

/// Claims of a good refresh token of a family of that name, with `changes`; a change to null takes one away.
fn claims(family: &str, changes: Value) -> Value {
    let mut claims = json!({"sub": "ada", "scope": EDIT, "aud": "us", "iss": "them", "jti": family, "iat": now(),
        "exp": now() + 3600});
    for (claim, value) in changes.as_object().expect("an object") {
        claims[claim] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn the_issuer_may_begin_a_family() {
    let home = Home::new();
    let (issuer, own) = (Issuer::rs256("k1"), Issuer::es256("own"));
    let server = with_issuer(&home, &issuer, &own).await;
    let zero = issuer.signed(&header("RS256", "k1"), &claims("f", json!({"documents": ["shared"], "gen": 0})));
    let one = refreshed(&server, &zero).await;
    check_good(&server, &one.access).await;
    // What the first was limited to its successors are.
    http::get(server.port(), "/api/documents/other/state", &one.access).await.error(403, "FORBIDDEN");
    check_good(&server, &refreshed(&server, &one.refresh).await.access).await;
    // All of a family end together, and no access token is good for longer.
    let short = issuer.signed(&header("RS256", "k1"), &claims("short", json!({"exp": now() + 60})));
    let expires_in = refresh(&server, &short).await.ok()["expires_in"].as_u64().expect("seconds");
    assert!(expires_in <= 60, "{expires_in}");
    // Another user's family of the same name is another one.
    let of_ben = issuer.signed(&header("RS256", "k1"), &claims("f", json!({"sub": "ben"})));
    refreshed(&server, &of_ben).await;
    refresh(&server, &of_ben).await.error(401, "UNAUTHENTICATED");
    check_good(&server, &one.access).await;
}

#[tokio::test]
async fn one_kind_of_token_never_passes_for_the_other() {
    let home = Home::new();
    let (issuer, own) = (Issuer::rs256("k1"), Issuer::es256("own"));
    let server = with_issuer(&home, &issuer, &own).await;
    let good = claims("f", json!({}));
    let access = issuer.signed(&json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}), &good);
    check_good(&server, &access).await;
    refresh(&server, &access).await.error(401, "UNAUTHENTICATED");
    for typ in [json!("at+jwt"), json!("refresh"), json!("refresh+jwt2"), json!("application/JWT"), json!("")] {
        let other = issuer.signed(&json!({"alg": "RS256", "typ": typ, "kid": "k1"}), &good);
        refresh(&server, &other).await.error(401, "UNAUTHENTICATED");
    }
    let (mut socket, _) = Socket::joined(server.port(), "shared", &access).await;
    for typ in ["refresh+jwt", "Refresh+JWT", "application/refresh+jwt", "APPLICATION/refresh+jwt"] {
        let token = issuer.signed(&json!({"alg": "RS256", "typ": typ, "kid": "k1"}), &claims(typ, json!({})));
        let answer = http::get(server.port(), "/api/documents/shared/state", &token).await;
        let error = answer.error(401, "UNAUTHENTICATED");
        assert!(error["message"].as_str().is_some_and(|message| message.contains("refresh token")), "{error}");
        let mut refused = Socket::document(server.port(), "shared", &token).await;
        assert_eq!(refused.closed().await.1, 1008, "{typ}");
        socket.send(&json!({"type": "auth.refresh", "payload": {"token": token}}));
        assert_eq!(socket.error("UNAUTHENTICATED").await["details"]["field"], "payload.token", "{typ}");
        let body = json!({"base_version": 0, "changes": [{"operation": "insert", "position": 0, "content": "x"}]});
        http::post(server.port(), "/api/documents/shared/changes", &token, &body).await.error(401, "UNAUTHENTICATED");
        refreshed(&server, &token).await;
    }
    for typ in [json!(7), json!(["refresh+jwt"]), json!({}), json!(null)] {
        let token = issuer.signed(&json!({"alg": "RS256", "typ": typ, "kid": "k1"}), &good);
        http::get(server.port(), "/api/documents/shared/state", &token).await.error(401, "UNAUTHENTICATED");
        refresh(&server, &token).await.error(401, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn what_is_no_good_refresh_token_gets_nothing() {
    let home = Home::new();
    let (issuer, own, attacker) = (Issuer::rs256("k1"), Issuer::es256("own"), Issuer::rs256("k1"));
    let server = with_issuer(&home, &issuer, &own).await;
    let of = |changes: Value| issuer.signed(&header("RS256", "k1"), &claims("f", changes));
    let mut bad = Vec::new();
    for changes in [
        json!({"exp": now() - 1}),
        json!({"exp": now()}),
        json!({"exp": null}),
        json!({"exp": "4000000000"}),
        json!({"nbf": now() + 1000}),
        json!({"aud": "others"}),
        json!({"aud": null}),
        json!({"iss": "others"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"jti": 7}),
        json!({"jti": "x".repeat(129)}),
        json!({"jti": "a\u{0}b"}),
        json!({"gen": 1}),
        json!({"gen": -1}),
        json!({"gen": "0"}),
        json!({"gen": 0.5}),
        json!({"gen": u32::MAX}),
        json!({"gen": 4_294_967_296_u64}),
        json!({"gen": [0]}),
        json!({"iat": "now"}),
    ] {
        bad.push((changes.to_string(), of(changes)));
    }
    let public = EncodingKey::from_secret(issuer.public_pem.as_bytes());
    let good = claims("f", json!({}));
    bad.push((
        "the public key as a secret".to_owned(),
        signed(&public, Algorithm::HS256, &header("HS256", "k1"), &good),
    ));
    bad.push(("another's key of that name".to_owned(), attacker.signed(&header("RS256", "k1"), &good)));
    for alg in ["none", "ES256", "HS256", "RS512"] {
        bad.push((alg.to_owned(), issuer.signed(&header(alg, "k1"), &good)));
        let unsigned = format!("{}.{}.", part(&header(alg, "k1").to_string()), part(&good.to_string()));
        bad.push((format!("{alg}, unsigned"), unsigned));
    }
    bad.push(("garbage".to_owned(), "garbage".to_owned()));
    bad.push(("nothing".to_owned(), "..".to_owned()));
    for (what, token) in &bad {
        let error = refresh(&server, token).await.error(401, "UNAUTHENTICATED");
        check_untold(&server, token, &format!("{what} {error}"));
    }
    // Not in the header: URLs are kept in histories and logs.
    let token = of(json!({}));
    for target in [format!("/api/auth/refresh?token={token}"), "/api/auth/refresh".to_owned()] {
        let answer = http::exchange(server.port(), &http::request("POST", &target, None, None)).await;
        answer.error(401, "UNAUTHENTICATED");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let answer =
            http::exchange(server.port(), &http::request(method, "/api/auth/refresh", Some(&token), None)).await;
        answer.error(405, "METHOD_NOT_ALLOWED");
    }
    // None of all that has done anything to the family.
    refreshed(&server, &token).await;
}

/// Another key to sign with, and these to check by, read by the running server.
async fn reload(home: &Home, server: &Server, own: &Issuer, issuers: &[&Issuer]) {
    fs::write(home.path("jwks.json"), jwks(issuers)).expect("a file");
    fs::write(home.path("own.pem"), &own.private_pem).expect("a file");
    let before = server.log().len();
    server.hang_up();
    let told = "the keys were read again";
    until(told, async || server.log()[before..].contains(told).then_some(())).await;
}

/// The `kid` in a token's header.
fn key_id(token: &str) -> Value {
    let header = token.split('.').next().expect("a header");
    let decoded = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    serde_json::from_slice::<Value>(&decoded).expect("JSON")["kid"].clone()
}

#[tokio::test]
async fn a_family_outlives_its_key_where_that_is_still_known() {
    let home = Home::new();
    let (issuer, mut old, new) = (Issuer::rs256("k1"), Issuer::es256("old"), Issuer::es256("new"));
    let server = with_issuer(&home, &issuer, &old).await;
    let begin = |family: &str| issuer.signed(&header("RS256", "k1"), &claims(family, json!({})));
    let (kept, lost) = (refreshed(&server, &begin("kept")).await, refreshed(&server, &begin("lost")).await);
    // Its name was made by the server.
    old.jwk["kid"] = key_id(&kept.refresh);
    reload(&home, &server, &new, &[&issuer, &old]).await;
    let next = refreshed(&server, &kept.refresh).await;
    assert_ne!(key_id(&next.refresh), key_id(&kept.refresh), "it is signed with the new key");
    check_good(&server, &next.access).await;
    reload(&home, &server, &new, &[&issuer]).await;
    check_dead(&server, &lost.refresh).await;
    check_good(&server, &refreshed(&server, &next.refresh).await.access).await;
}

#[tokio::test]
async fn at_the_bound_no_family_begins_and_none_is_forgotten() {
    let home = Home::new();
    let start = || home.start().env("JDDB_AUTH__LOGINS_MAX", "2");
    let server = start().ready().await;
    let mut newest = Vec::new();
    for user in ["ada", "ben"] {
        newest.push(refreshed(&server, &first(&home, user)).await.refresh);
    }
    let surplus = first(&home, "cid");
    for _ in 0..2 {
        let answer = refresh(&server, &surplus).await;
        let error = answer.error(503, "CAPACITY_EXCEEDED");
        assert!(error["message"].as_str().is_some_and(|message| message.contains("auth.logins_max")), "{error}");
        assert!(answer.header("retry-after").is_some());
    }
    for token in &mut newest {
        *token = refreshed(&server, token).await.refresh;
    }
    server.kill_nine();
    let server = start().ready().await;
    refresh(&server, &surplus).await.error(503, "CAPACITY_EXCEEDED");
    for token in &mut newest {
        *token = refreshed(&server, token).await.refresh;
    }
    drop(server);
    // It is the first of its family still.
    refreshed(&home.start().ready().await, &surplus).await;
}

#[tokio::test]
async fn a_server_that_signs_nothing_says_so() {
    let home = Home::new();
    let issuer = Issuer::rs256("k1");
    fs::write(home.path("jwks.json"), jwks(&[&issuer])).expect("a file");
    let path = home.path("jwks.json");
    let server = home.start().env("JDDB_AUTH__JWKS_FILE", path.to_str().expect("a path in UTF-8")).ready().await;
    let token = issuer.signed(&header("RS256", "k1"), &claims("f", json!({})));
    let error = refresh(&server, &token).await.error(403, "FORBIDDEN");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("signing_key_file")), "{error}");
}

#[tokio::test]
async fn fruitless_tries_count_for_their_address_and_good_ones_for_their_user() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__REQUESTS_PER_MINUTE", "30").ready().await;
    let (zero, stolen) = (home.token_with("ada", EDIT, &["--refresh"]), home.token_with("eve", EDIT, &["--refresh"]));
    refreshed(&server, &stolen).await;
    refresh(&server, &stolen).await.error(401, "UNAUTHENTICATED");
    // Until the address has none left; it was asked before whether the server is ready, which does not count.
    let mut answered = 0;
    let refused = loop {
        let answer = refresh(&server, if answered % 2 == 0 { &stolen } else { "a.b.c" }).await;
        if answer.status == 429 {
            break answer;
        }
        answer.error(401, "UNAUTHENTICATED");
        answered += 1;
        assert!(answered < 100, "nobody counts");
    };
    refused.error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(answered, 30);
    // At the same address a user still is.
    check_good(&server, &refreshed(&server, &zero).await.access).await;
}

#[tokio::test]
async fn a_token_that_was_refreshed_extends_an_open_connection() {
    let home = Home::new();
    let server =
        home.start().env("JDDB_AUTH__LEEWAY_SECONDS", "0").env("JDDB_AUTH__ACCESS_TOKEN_SECONDS", "3").ready().await;
    let mut tokens = refreshed(&server, &first(&home, "ada")).await;
    let (mut socket, _) = Socket::joined(server.port(), "shared", &tokens.access).await;
    for _ in 0..3 {
        socket.error("TOKEN_EXPIRING").await;
        tokens = refreshed(&server, &tokens.refresh).await;
        socket.send(&json!({"type": "auth.refresh", "payload": {"token": tokens.access}}));
        socket.next("auth.refreshed").await;
    }
    let (_, code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "UNAUTHENTICATED"));
}

//! Tokens that are no longer accepted: while their owner is at work, on every way in, and after a restart.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::clock::now;
use crate::family::{Pair, check_dead, check_good, check_untold, edits, first, refresh, refreshed, revoke, revoke_own};
use crate::issuer::signed;
use crate::support::events::{Ask, EventStream};
use crate::support::home::{EDIT, Home, UNLIMITED};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket, upgrade};
use crate::support::{until, within};

/// Connections of one document: more than a core looks at without letting others through.
const MANY: usize = 600;
/// Connections that come while the token is revoked.
const COMERS: usize = 60;
const ALL_SCOPES: &str = "document:admin presence:read presence:write";

/// Told that its token was revoked, and closed; what came before is passed over.
async fn check_closed(socket: &mut Socket) {
    let (messages, code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "UNAUTHENTICATED"), "{messages:?}");
    let last = &messages.last().expect("a reason")["payload"];
    assert_eq!((&last["error_code"], &last["severity"]), (&json!("UNAUTHENTICATED"), &json!("critical")));
    assert!(last["message"].as_str().is_some_and(|message| message.contains("revoked")), "{last}");
}

/// The same of a stream, which ends as it should.
async fn check_ended(stream: &mut EventStream) {
    let mut last = Value::Null;
    while let Some(event) = stream.next().await {
        last = event.message;
    }
    assert_eq!(last["payload"]["error_code"], "UNAUTHENTICATED", "{last}");
    assert!(stream.is_whole && stream.comments.last().is_some_and(|comment| comment.contains("1008")));
}

async fn stream(server: &Server, target: &str, token: &str) -> EventStream {
    EventStream::open(server.port(), &Ask { target, token, ..Ask::default() }).await
}

/// A new family of an administrator.
async fn admin(home: &Home, server: &Server, user: &str, more: &[&str]) -> Pair {
    let arguments = [&["--limits", UNLIMITED, "--refresh"], more].concat();
    refreshed(server, &home.token_with(user, ALL_SCOPES, &arguments)).await
}

#[tokio::test]
async fn its_owner_is_closed_everywhere_and_nobody_else_is() {
    let home = Home::new();
    let server = home.start().env("JDDB_LOG__FILTER", "trace").ready().await;
    let ada = admin(&home, &server, "ada", &[]).await;
    let (port, ben) = (server.port(), home.token("ben"));
    let mut sockets = Vec::new();
    // On both cores, most likely.
    for document in ["shared", "doc_1", "doc_2", "doc_3"] {
        let (mut socket, _) = Socket::joined(port, document, &ada.access).await;
        edits(&mut socket, "m1").await;
        sockets.push(socket);
    }
    for path in ["/ws/presence", "/ws/monitoring"] {
        sockets.push(Socket::open(port, &format!("{path}?token={}", ada.access)).await);
    }
    let mut streams = Vec::new();
    for target in ["/api/documents/shared/events", "/api/presence/events", "/api/monitoring/events"] {
        streams.push(stream(&server, target, &ada.access).await);
    }
    let (mut other, _) = Socket::joined(port, "shared", &ben).await;
    let mut reader = stream(&server, "/api/documents/shared/events", &ben).await;
    // Another login of the same user.
    let elsewhere = refreshed(&server, &first(&home, "ada")).await;
    let (mut second, _) = Socket::joined(port, "doc_9", &elsewhere.access).await;

    let answer = revoke_own(&server, &ada.refresh).await;
    assert_eq!(answer.ok(), json!({"status": "ok"}));
    for socket in &mut sockets {
        check_closed(socket).await;
    }
    for stream in &mut streams {
        check_ended(stream).await;
    }
    for token in [&ada.access, &ada.refresh] {
        check_dead(&server, token).await;
        check_untold(&server, token, "");
    }
    loop {
        let told = other.next("user.presence").await["payload"].clone();
        if told["user_id"] == "ada" && told["status"] == "left" {
            break;
        }
    }
    edits(&mut other, "m2").await;
    reader.next_of("document.change").await;
    edits(&mut second, "m1").await;
    // Somebody who was not answered asks again.
    revoke_own(&server, &ada.refresh).await.ok();

    server.kill_nine();
    let server = home.start().ready().await;
    check_dead(&server, &ada.access).await;
    check_dead(&server, &ada.refresh).await;
    check_good(&server, &refreshed(&server, &elsewhere.refresh).await.access).await;
}

#[tokio::test]
async fn of_many_connections_all_are_closed() {
    let home = Home::new();
    let server = home.start().ready().await;
    let pair = refreshed(&server, &first(&home, "ada")).await;
    let (_editor, _) = Socket::joined(server.port(), "shared", &home.token("ben")).await;
    let mut streams = Vec::new();
    for _ in 0..MANY {
        let target = format!("/ws/document/shared?mode=view&token={}", pair.access);
        let (stream, answer) = upgrade(server.port(), &target, "").await.expect("the server answers");
        assert_eq!(answer.status, 101);
        streams.push(stream);
    }
    revoke_own(&server, &pair.access).await.ok();
    let told = br#""error_code":"UNAUTHENTICATED""#;
    for mut stream in streams {
        let mut read = Vec::new();
        while !read.windows(told.len()).any(|window| window == told) {
            let count = within("the reason", stream.read_buf(&mut read)).await.expect("bytes");
            assert!(count > 0, "it was told why: {}", String::from_utf8_lossy(&read));
        }
    }
}

#[tokio::test]
async fn a_watcher_goes_by_the_token_it_has_shown_last() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (old, new) = (admin(&home, &server, "eve", &[]).await, admin(&home, &server, "eve", &[]).await);
    let mut watchers = Vec::new();
    for path in ["/ws/presence", "/ws/monitoring"] {
        let mut watcher = Socket::open(server.port(), &format!("{path}?token={}", old.access)).await;
        watcher.send(&json!({"type": "auth.refresh", "payload": {"token": new.access}}));
        watcher.next("auth.refreshed").await;
        watchers.push(watcher);
    }
    revoke_own(&server, &old.access).await.ok();
    for watcher in &mut watchers {
        watcher.send(&json!({"type": "system.heartbeat", "payload": {}}));
        watcher.next("system.heartbeat").await;
    }
    revoke_own(&server, &new.access).await.ok();
    for watcher in &mut watchers {
        check_closed(watcher).await;
    }
}

#[tokio::test]
async fn nobody_slips_in_while_it_is_revoked() {
    let home = Home::new();
    let server = home.start().ready().await;
    let port = server.port();
    for round in 0..4 {
        let pair = refreshed(&server, &first(&home, &format!("user_{round}"))).await;
        let mut comers = JoinSet::new();
        for index in 0..COMERS {
            let token = pair.access.clone();
            comers.spawn(async move {
                let mut socket = Socket::document(port, &format!("doc_{}", index % 7), &token).await;
                let first = socket.receive().await;
                (socket, first)
            });
        }
        revoke(&server, None, &json!({"token": pair.access})).await.ok();
        let mut joined = 0;
        for (mut socket, first) in comers.join_all().await {
            let Received::Message(message) = first else { panic!("{first:?}") };
            joined += usize::from(message["type"] == "document.state");
            let (_, code, _) = within("the close", socket.closed()).await;
            assert_eq!(code, 1008, "round {round}, {joined} had joined");
        }
    }
}

/// A request whose body is on its way still.
async fn begin_change(port: u16, token: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    let head = format!(
        "POST /api/documents/shared/changes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    // It was let in, and the server waits for the body.
    let mut told = [0; 25];
    within("the server to want the body", stream.read_exact(&mut told)).await.expect("an interim answer");
    assert!(told.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&told));
    stream
}

#[tokio::test]
async fn what_was_asked_before_does_nothing_after() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (pair, ben) = (refreshed(&server, &first(&home, "ada")).await, home.token("ben"));
    let (mut socket, _) = Socket::joined(server.port(), "shared", &ben).await;
    edits(&mut socket, "m1").await;
    let body = json!({"base_version": 1, "changes": [{"operation": "insert", "position": 0, "content": "late"}]});
    let body = body.to_string();
    let mut under_way = begin_change(server.port(), &pair.access, &body).await;
    let mut of_another = begin_change(server.port(), &ben, &body).await;
    revoke_own(&server, &pair.access).await.ok();
    for stream in [&mut under_way, &mut of_another] {
        stream.write_all(body.as_bytes()).await.expect("the server reads");
    }
    let answer = within("an answer", http::read_answer(&mut under_way)).await.expect("an answer");
    answer.error(401, "UNAUTHENTICATED");
    within("an answer", http::read_answer(&mut of_another)).await.expect("an answer").ok();
    let (version, texts) = http::state(server.port(), "shared", &ben).await;
    assert_eq!((version, &texts["body"]), (2, &json!("latex")), "the other's change alone");
}

#[tokio::test]
async fn a_user_may_revoke_their_own_and_who_administers_all_others() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (ada, ben) = (refreshed(&server, &first(&home, "ada")).await, refreshed(&server, &first(&home, "ben")).await);
    let unused = first(&home, "ada");
    let plain = home.token("ada");
    let (mut socket, _) = Socket::joined(server.port(), "shared", &ada.access).await;
    let (mut second, _) = Socket::joined(server.port(), "doc_1", &plain).await;
    let admin_of_all = admin(&home, &server, "root", &[]).await.access;
    let admin_of_some = admin(&home, &server, "root", &["--document", "*"]).await.access;
    for (token, user) in [(&ben.access, "ada"), (&admin_of_some, "ada"), (&admin_of_some, "nobody")] {
        revoke(&server, Some(token), &json!({"user_id": user})).await.error(403, "FORBIDDEN");
    }
    revoke(&server, None, &json!({"user_id": "ada"})).await.error(401, "UNAUTHENTICATED");
    revoke(&server, Some(&ada.refresh), &json!({"user_id": "ada"})).await.error(401, "UNAUTHENTICATED");
    edits(&mut socket, "m1").await;

    revoke(&server, Some(&admin_of_all), &json!({"user_id": "ada"})).await.ok();
    check_closed(&mut socket).await;
    check_closed(&mut second).await;
    for token in [&ada.access, &ada.refresh, &plain, &unused] {
        check_dead(&server, token).await;
    }
    check_good(&server, &ben.access).await;
    // Later ones are good, as soon as the next second has begun.
    until("a token of another second", async || {
        let answer = http::get(server.port(), "/api/documents/shared/state", &home.token("ada")).await;
        (answer.status == 200).then_some(())
    })
    .await;
    check_good(&server, &refreshed(&server, &first(&home, "ada")).await.access).await;
    check_dead(&server, &plain).await;

    revoke(&server, Some(&ben.access), &json!({"user_id": "ben"})).await.ok();
    server.kill_nine();
    let server = home.start().ready().await;
    for token in [&ada.access, &plain, &unused, &ben.access, &ben.refresh] {
        check_dead(&server, token).await;
    }
    check_good(&server, &admin_of_all).await;
}

/// A token of the server's own key with any claims.
fn own_token(home: &Home, claims: &Value) -> String {
    let key = std::fs::read_to_string(home.data().join("signing.key")).expect("the server has made a key");
    let encoded = key.trim().strip_prefix("base64:").expect("a key in base64");
    let key = EncodingKey::from_base64_secret(encoded).expect("a key in base64");
    signed(&key, Algorithm::HS256, &json!({"alg": "HS256", "typ": "JWT"}), claims)
}

#[tokio::test]
async fn a_token_without_a_family_is_revoked_by_itself() {
    let home = Home::new();
    let server = home.start().ready().await;
    let of = |claims: Value| {
        let mut all = json!({"sub": "ada", "scope": EDIT, "exp": now() + 3600});
        all.as_object_mut().expect("an object").extend(claims.as_object().expect("an object").clone());
        own_token(&home, &all)
    };
    let (one, two, undated) = (of(json!({"iat": now() - 1})), of(json!({"iat": now() - 2})), of(json!({})));
    let (mut socket, _) = Socket::joined(server.port(), "shared", &one).await;
    let (mut renewed, _) = Socket::joined(server.port(), "shared", &one).await;
    renewed.send(&json!({"type": "auth.refresh", "payload": {"token": two}}));
    renewed.next("auth.refreshed").await;
    revoke(&server, Some(&two), &json!({"token": one, "token_type_hint": "access_token"})).await.ok();
    check_closed(&mut socket).await;
    check_dead(&server, &one).await;
    // Whoever had it before and goes by another by now is none of its owners any more.
    edits(&mut renewed, "m1").await;
    renewed.send(&json!({"type": "auth.refresh", "payload": {"token": one}}));
    let error = renewed.error("UNAUTHENTICATED").await;
    assert!(error["message"].as_str().is_some_and(|message| message.contains("revoked")), "{error}");
    revoke_own(&server, &two).await.ok();
    check_closed(&mut renewed).await;
    check_good(&server, &undated).await;

    // One that does not say when it was issued may have been before.
    revoke(&server, Some(&undated), &json!({"user_id": "ada"})).await.ok();
    check_dead(&server, &undated).await;
    check_dead(&server, &of(json!({"name": "Ada"}))).await;
    check_good(&server, &of(json!({"iat": now() + 5}))).await;
}

#[tokio::test]
async fn what_is_no_token_is_no_error_and_other_bodies_are() {
    let home = Home::new();
    let server = home.start().ready().await;
    let pair = refreshed(&server, &first(&home, "ada")).await;
    let stranger = Home::new().token("ada");
    let expired = own_token(&home, &json!({"sub": "ada", "scope": EDIT, "exp": now() - 100}));
    for token in ["", "garbage", "a.b.c", &stranger, &expired, &"x".repeat(20_000)] {
        for shown in [None, Some(&*pair.access), Some("garbage")] {
            let answer = revoke(&server, shown, &json!({ "token": token })).await;
            assert_eq!(answer.ok(), json!({"status": "ok"}), "{token}");
        }
    }
    for token in [None, Some("garbage"), Some(&*stranger), Some(&*expired)] {
        revoke(&server, token, &json!({})).await.error(401, "UNAUTHENTICATED");
    }
    for (body, field) in [
        (json!({"token": 7}), "token"),
        (json!({"token": {"token": "a.b.c"}}), "token"),
        (json!({"user_id": ""}), "user_id"),
        (json!({"user_id": "x".repeat(129)}), "user_id"),
        (json!({"user_id": ["ada"]}), "user_id"),
        (json!({"token": pair.access, "user_id": "ada"}), "user_id"),
    ] {
        let error = revoke(&server, Some(&pair.access), &body).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{error}");
        check_untold(&server, &pair.access, &error.to_string());
    }
    for body in [json!([]), json!("token"), json!(7)] {
        revoke(&server, Some(&pair.access), &body).await.error(400, "VALIDATION_ERROR");
    }
    let form = format!("token={}", pair.access);
    let head = format!(
        "POST /api/auth/revoke HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    http::exchange(server.port(), head.as_bytes()).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    // None of all that has revoked anything.
    check_good(&server, &refreshed(&server, &pair.refresh).await.access).await;
}

#[tokio::test]
async fn at_the_bound_what_is_known_can_be_revoked_still() {
    let home = Home::new();
    let server = home.start().env("JDDB_AUTH__LOGINS_MAX", "2").ready().await;
    let of = |user: &str| own_token(&home, &json!({"sub": user, "scope": EDIT, "exp": now() + 3600}));
    // The first token makes the server's key.
    let family = refreshed(&server, &first(&home, "ada")).await;
    for user in ["a", "b", "c"] {
        revoke_own(&server, &of(user)).await.ok();
    }
    let answer = revoke_own(&server, &of("d")).await;
    answer.error(503, "CAPACITY_EXCEEDED");
    check_good(&server, &of("d")).await;
    revoke_own(&server, &family.access).await.ok();
    check_dead(&server, &family.refresh).await;
    for user in ["a", "b", "c"] {
        check_dead(&server, &of(user)).await;
    }
}

#[tokio::test]
async fn the_operator_sees_how_often() {
    let home = Home::new();
    let server = home.start().ready().await;
    let zero = first(&home, "ada");
    refreshed(&server, &zero).await;
    let ben = refreshed(&server, &first(&home, "ben")).await;
    refresh(&server, &zero).await.error(401, "UNAUTHENTICATED");
    for _ in 0..3 {
        revoke_own(&server, &refreshed(&server, &first(&home, "cid")).await.access).await.ok();
    }
    let root = admin(&home, &server, "root", &[]).await.access;
    let mut monitor = Socket::open(server.port(), &format!("/ws/monitoring?token={root}")).await;
    let logins = monitor.next("monitoring.metrics").await["payload"]["connections"]["logins"].clone();
    let totals = ["refreshed", "copied", "revoked"].map(|event| logins[event]["total"].clone());
    assert_eq!(totals, [json!(6), json!(1), json!(3)], "{logins}");
    check_good(&server, &ben.access).await;
}

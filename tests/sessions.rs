//! Sessions over HTTP: the reference's three examples, whom they admit, what is listed, races, and what survives a crash.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use std::collections::BTreeSet;

use rocksdb::{DB, IteratorMode, Options};
use serde_json::{Value, json};
use support::ahead::Ahead;
use support::home::{EDIT, Home};
use support::http::{self, Answer};
use support::server::Server;
use support::socket::{Received, Socket};

async fn create(server: &Server, token: &str, body: &Value) -> Answer {
    http::post(server.port(), "/api/sessions", token, body).await
}

async fn created(server: &Server, token: &str, body: &Value) -> Value {
    let answer = create(server, token, body).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

async fn active(server: &Server, query: &str, token: &str) -> Answer {
    http::get(server.port(), &format!("/api/sessions/active{query}"), token).await
}

async fn end(server: &Server, session_id: &str, token: &str) -> Answer {
    let request = http::request("DELETE", &format!("/api/sessions/{session_id}"), Some(token), None);
    http::exchange(server.port(), &request).await
}

fn plan(document: &str) -> Value {
    json!({"document_id": document, "session_type": "collaborative_edit"})
}

/// The second of its day that a time is in.
fn second_of_day(time: &Value) -> i64 {
    let clock = &time.as_str().expect("a time")[11..19];
    clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"))
}

#[tokio::test]
async fn the_three_examples_hold_figure_for_figure() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_PUBLIC_URL", "https://api.jddb.gc.ca").ready().await;
    let token = home.token_with("user_1", EDIT, &["--name", "John Doe"]);
    // The request of the reference, word for word.
    let body = json!({
        "document_id": "jd_12345",
        "session_type": "collaborative_edit",
        "participants": ["user_1", "user_2"],
        "settings": {
            "auto_save_interval": 30,
            "max_participants": 10,
            "public_session": false
        }
    });
    let mut answer = created(&server, &token, &body).await;
    let session_id = answer["session_id"].as_str().expect("an id").to_owned();
    assert!(session_id.starts_with("sess_"), "{session_id}");
    let joined_at = answer["participants"][0]["joined_at"].clone();
    let lasts = second_of_day(&answer["expires_at"]) - second_of_day(&joined_at);
    assert_eq!(lasts.rem_euclid(86_400), 6 * 3600);
    answer["session_id"] = json!("sess_67890");
    answer["expires_at"] = json!("2025-09-21T18:00:00Z");
    answer["participants"][0]["joined_at"] = json!("2025-09-21T12:00:00Z");
    let expected = json!({
        "session_id": "sess_67890",
        "websocket_url": "wss://api.jddb.gc.ca/ws/document/jd_12345",
        "expires_at": "2025-09-21T18:00:00Z",
        "participants": [
            {
                "user_id": "user_1",
                "display_name": "John Doe",
                "role": "editor",
                "joined_at": "2025-09-21T12:00:00Z"
            }
        ]
    });
    assert_eq!(answer, expected);

    let admin = home.token_with("root", "document:admin", &[]);
    let mut sockets = Vec::new();
    for token in [&token, &home.token("user_2"), &admin] {
        sockets.push(Socket::joined(server.port(), "jd_12345", token).await.0);
    }
    for number in 1..25 {
        created(&server, &admin, &plan(&format!("jd_{number}"))).await;
    }
    let list = active(&server, "", &admin).await.ok();
    let pagination = json!({"total": 25, "page": 1, "pages": 3, "per_page": 10});
    assert_eq!((&list["pagination"], list["sessions"].as_array().map(Vec::len)), (&pagination, Some(10)));
    let mut of_document = active(&server, "?document_id=jd_12345", &token).await.ok();
    let session = &mut of_document["sessions"][0];
    assert_eq!(session["session_id"], session_id);
    assert_eq!(session["started_at"], joined_at);
    assert!(session["last_activity"].as_str() >= session["started_at"].as_str(), "{session}");
    let none = session["document_title"].take();
    assert_eq!(none, Value::Null, "nobody has given it a title");
    for (key, value) in [
        ("session_id", "sess_67890"),
        ("started_at", "2025-09-21T12:00:00Z"),
        ("last_activity", "2025-09-21T12:45:00Z"),
        ("document_title", "Director, Business Analysis"),
    ] {
        session[key] = json!(value);
    }
    let expected = json!({
        "session_id": "sess_67890",
        "document_id": "jd_12345",
        "document_title": "Director, Business Analysis",
        "participant_count": 3,
        "started_at": "2025-09-21T12:00:00Z",
        "last_activity": "2025-09-21T12:45:00Z",
        "status": "active"
    });
    assert_eq!(*session, expected);

    let answer = end(&server, &session_id, &token).await.ok();
    let expected = json!({
        "message": "Session terminated successfully",
        "final_save_completed": true,
        "participants_notified": 3
    });
    assert_eq!(answer, expected);
    for mut socket in sockets {
        let (messages, code, _) = socket.closed().await;
        let ended = messages.last().expect("the end is told");
        assert_eq!((&ended["type"], code), (&json!("session.ended"), 1000), "{messages:?}");
        assert_eq!(ended["payload"]["session_id"], session_id);
        assert!(messages.iter().any(|message| message["type"] == "document.save"), "{messages:?}");
    }
    end(&server, &session_id, &token).await.error(404, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn an_implicit_session_is_taken_over_and_closed_to_others() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (ann, ben) = (home.token("ann"), home.token("ben"));
    let (_first, state) = Socket::joined(server.port(), "doc_1", &ann).await;
    let (mut second, _) = Socket::joined(server.port(), "doc_1", &ben).await;
    let mut body = plan("doc_1");
    body["settings"] = json!({"public_session": false});
    let answer = created(&server, &ann, &body).await;
    assert_eq!(answer["session_id"], state["session_id"]);
    let url = "ws://127.0.0.1/ws/document/doc_1";
    assert_eq!(answer["websocket_url"], url, "without a setting it is where the request was sent to");
    let (messages, code, reason) = second.closed().await;
    assert_eq!((code, reason.as_str()), (4001, "FORBIDDEN"));
    assert_eq!(messages.last().expect("an error")["payload"]["error_code"], "FORBIDDEN");
    let mut again = Socket::document(server.port(), "doc_1", &ben).await;
    again.error("FORBIDDEN").await;
    assert_eq!(again.closed().await.1, 4001);
    let insert = json!({"changes": [{"operation": "insert", "position": 0, "content": "x"}]});
    let changes = "/api/documents/doc_1/changes";
    http::post(server.port(), changes, &ben, &insert).await.error(403, "FORBIDDEN");
    http::post(server.port(), changes, &ann, &insert).await.ok();
    let error = create(&server, &ben, &plan("doc_1")).await.error(409, "SESSION_EXISTS");
    assert_eq!(error["details"]["field"], "document_id", "{error}");
    let id = answer["session_id"].as_str().expect("an id");
    end(&server, id, &ben).await.error(403, "FORBIDDEN");
    end(&server, id, &home.token_with("root", "document:admin", &[])).await.ok();
    Socket::joined(server.port(), "doc_1", &ben).await;
}

#[tokio::test]
async fn a_session_holds_as_many_as_were_planned() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut body = plan("doc_1");
    body["settings"] = json!({"max_participants": 2});
    created(&server, &home.token("ann"), &body).await;
    let (_one, _) = Socket::joined(server.port(), "doc_1", &home.token("ann")).await;
    let (_two, _) = Socket::joined(server.port(), "doc_1", &home.token("ben")).await;
    let (_again, _) = Socket::joined(server.port(), "doc_1", &home.token("ben")).await;
    let mut third = Socket::document(server.port(), "doc_1", &home.token("cleo")).await;
    let error = third.error("RATE_LIMIT_EXCEEDED").await;
    assert_eq!(error["limit_type"], "session_participants", "{error}");
    assert_eq!(third.closed().await.1, 4000);
}

#[tokio::test]
async fn lists_have_what_the_caller_may_know_of() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (ann, ben) = (home.token("ann"), home.token("ben"));
    let admin = home.token_with("root", "document:admin", &[]);
    let private = |document: &str, participants: Value| {
        let mut body = plan(document);
        body["settings"] = json!({"public_session": false});
        body["participants"] = participants;
        body
    };
    created(&server, &ann, &private("secret_1", json!(["cleo"]))).await;
    created(&server, &ann, &private("secret_2", json!(["ben"]))).await;
    created(&server, &ann, &plan("open_1")).await;
    let (here, _) = Socket::joined(server.port(), "open_2", &ben).await;
    let documents = async |query: &str, token: &str| -> BTreeSet<String> {
        let list = active(&server, query, token).await.ok();
        let sessions = list["sessions"].as_array().expect("a list").clone();
        assert_eq!(list["pagination"]["total"], sessions.len(), "{list}");
        sessions.iter().map(|one| one["document_id"].as_str().expect("an id").to_owned()).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(documents("", &admin).await, set(&["secret_1", "secret_2", "open_1", "open_2"]));
    assert_eq!(documents("", &ann).await, set(&["secret_1", "secret_2", "open_1", "open_2"]));
    assert_eq!(documents("", &ben).await, set(&["secret_2", "open_1", "open_2"]));
    assert_eq!(documents("?user_id=ben", &ben).await, set(&["secret_2", "open_2"]));
    assert_eq!(documents("?user_id=cleo", &admin).await, set(&["secret_1"]));
    assert_eq!(documents("?document_id=open_2", &ann).await, set(&["open_2"]));
    assert_eq!(documents("?document_id=secret_1", &ben).await, set(&[]));
    let limited = home.token_with("root", "document:admin", &["--document", "open_*"]);
    assert_eq!(documents("", &limited).await, set(&["open_1", "open_2"]));
    active(&server, "?user_id=cleo", &ben).await.error(403, "FORBIDDEN");
    active(&server, "", &home.token_with("x", "presence:read", &[])).await.error(403, "FORBIDDEN");
    // Nobody is in it any more, and it was planned by nobody.
    here.send_bytes(Vec::new());
    support::until("the session to be over", async || {
        (documents("", &admin).await == set(&["secret_1", "secret_2", "open_1"])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pages_hold_every_session_once_over_all_cores() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = home.token("ann");
    let mut expected = BTreeSet::new();
    for number in 0..37 {
        let answer = created(&server, &token, &plan(&format!("doc_{number}"))).await;
        expected.insert(answer["session_id"].as_str().expect("an id").to_owned());
    }
    for limit in [1, 7, 36, 37, 38, 100] {
        let pages = 37_usize.div_ceil(limit);
        let (mut seen, mut began) = (Vec::new(), Vec::new());
        for page in 1..=pages {
            let list = active(&server, &format!("?limit={limit}&page={page}"), &token).await.ok();
            let pagination = json!({"total": 37, "page": page, "pages": pages, "per_page": limit});
            assert_eq!(list["pagination"], pagination);
            let sessions = list["sessions"].as_array().expect("a list").clone();
            seen.extend(sessions.iter().map(|one| one["session_id"].as_str().expect("an id").to_owned()));
            began.extend(sessions.iter().map(|one| one["started_at"].as_str().expect("a time").to_owned()));
        }
        assert!(began.is_sorted_by(|one, next| one >= next), "the newest come first: {began:?}");
        assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (37, expected.clone()), "limit {limit}");
        let beyond = active(&server, &format!("?limit={limit}&page={}", pages + 1), &token).await;
        assert_eq!(beyond.ok()["sessions"], json!([]));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = home.token("ann");
    let with = |key: &str, value: Value| {
        let mut body = plan("doc_1");
        body[key] = value;
        body
    };
    for (body, field) in [
        (json!({}), "document_id"),
        (with("document_id", json!("-bad")), "document_id"),
        (with("document_id", json!(7)), "document_id"),
        (with("session_type", json!("karaoke")), "session_type"),
        (with("session_type", Value::Null), "session_type"),
        (with("participants", json!([])), "participants"),
        (with("participants", json!("ann")), "participants"),
        (with("participants", json!(["ann", "ann"])), "participants[1]"),
        (with("participants", json!(vec!["x"; 201])), "participants"),
        (with("settings", json!({"max_participants": 0})), "settings.max_participants"),
        (with("settings", json!({"auto_save_interval": 86_401})), "settings.auto_save_interval"),
        (with("settings", json!({"public_session": 1})), "settings.public_session"),
    ] {
        let error = create(&server, &token, &body).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{error}");
        assert!(error["details"]["expected"].is_string(), "{error}");
    }
    assert_eq!(active(&server, "", &token).await.ok()["pagination"]["total"], 0, "nothing of it had an effect");
    for (query, field) in [
        ("?page=0", "page"),
        ("?page=1&page=1", "page"),
        ("?limit=101", "limit"),
        ("?limit=x", "limit"),
        ("?user_id=", "user_id"),
        ("?document_id=-bad", "document_id"),
    ] {
        let error = active(&server, query, &token).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{query}: {error}");
    }
    create(&server, &home.token_with("v", "document:read", &[]), &plan("doc_1")).await.error(403, "FORBIDDEN");
    let limited = home.token_with("ann", EDIT, &["--document", "other_*"]);
    create(&server, &limited, &plan("doc_1")).await.error(403, "FORBIDDEN");
    create(&server, "garbage", &plan("doc_1")).await.error(401, "UNAUTHENTICATED");
    end(&server, "sess_none", &token).await.error(404, "SESSION_NOT_FOUND");
    let answer = created(&server, &token, &plan("doc_1")).await;
    let id = answer["session_id"].as_str().expect("an id");
    end(&server, id, &limited).await.error(404, "SESSION_NOT_FOUND");
    end(&server, id, &home.token_with("ann", "document:read", &[])).await.error(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_crash_and_a_restart_keep_what_was_planned() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (ann, ben) = (home.token("ann"), home.token("ben"));
    let mut body = plan("doc_1");
    body["settings"] = json!({"public_session": false});
    let planned = created(&server, &ann, &body).await;
    let ended = created(&server, &ann, &plan("doc_2")).await;
    end(&server, ended["session_id"].as_str().expect("an id"), &ann).await.ok();
    let (_open, state) = Socket::joined(server.port(), "doc_3", &ann).await;
    server.kill_nine();
    let server = home.start().ready().await;
    let check = async |server: &Server| {
        let list = active(server, "", &ann).await.ok();
        assert_eq!(list["pagination"]["total"], 1, "{list}");
        let session = &list["sessions"][0];
        assert_eq!((&session["session_id"], &session["status"]), (&planned["session_id"], &json!("idle")), "{list}");
    };
    check(&server).await;
    let mut refused = Socket::document(server.port(), "doc_1", &ben).await;
    refused.error("FORBIDDEN").await;
    check(&server).await;
    create(&server, &ann, &plan("doc_1")).await.error(409, "SESSION_EXISTS");
    // An implicit one has the same name again.
    let (_again, after) = Socket::joined(server.port(), "doc_3", &ann).await;
    assert_eq!(after["session_id"], state["session_id"]);
    server.ask_to_stop();
    let mut stopping = server;
    stopping.wait().await;
    let server = home.start().ready().await;
    check(&server).await;
    let id = planned["session_id"].as_str().expect("an id");
    assert_eq!(end(&server, id, &ann).await.ok()["participants_notified"], 0);
    server.kill_nine();
    let server = home.start().ready().await;
    assert_eq!(active(&server, "", &ann).await.ok()["pagination"]["total"], 0);
}

/// After six hours, by the server's clock, what was planned is over, also of documents that nobody has opened; and it is so
/// for good, whatever the clock says later.
#[tokio::test]
async fn what_was_planned_is_over_in_time() {
    const LASTS_SECONDS: u64 = 6 * 3600;
    let home = Home::new();
    let ahead = match Ahead::compile(&home) {
        Ok(ahead) => ahead,
        Err(why) => return support::skipped("what_was_planned_is_over_in_time", &why),
    };
    let day = |user: &str| home.token_with(user, EDIT, &["--expires-in", "86400"]);
    let (ann, ben) = (day("ann"), day("ben"));
    let server = home.start().ready().await;
    // One is written before it has a session, and one later than that.
    let text = json!({"sections": {"body": "x"}});
    assert_eq!(put(&server, "written", &ann, &text).await.status, 201);
    for document in ["opened", "unopened", "written", "written_later"] {
        let mut body = plan(document);
        body["settings"] = json!({"public_session": false});
        created(&server, &ann, &body).await;
    }
    assert_eq!(put(&server, "written_later", &ann, &text).await.status, 201);
    server.kill_nine();
    let total = async |server: &Server| active(server, "", &ann).await.ok()["pagination"]["total"].clone();
    let server = ahead.by(LASTS_SECONDS - 600, home.start()).ready().await;
    assert_eq!(total(&server).await, 4);
    Socket::document(server.port(), "opened", &ben).await.error("FORBIDDEN").await;
    server.kill_nine();
    assert_eq!(records(&home)[2], 8, "four sessions with their plans");
    let mut server = ahead.by(LASTS_SECONDS + 1, home.start()).ready().await;
    assert_eq!(total(&server).await, 0);
    let (socket, _) = Socket::joined(server.port(), "opened", &ben).await;
    socket.send_bytes(Vec::new());
    support::until("ben to have left", async || {
        let list = active(&server, "?document_id=opened", &ben).await.ok();
        (list["pagination"]["total"] == 0).then_some(())
    })
    .await;
    server.ask_to_stop();
    assert_eq!(server.wait().await.code(), Some(0));
    assert_eq!(records(&home)[2], 2, "the names of the written ones' sessions");
    let server = home.start().ready().await;
    assert_eq!(total(&server).await, 0);
    created(&server, &ben, &plan("unopened")).await;
}

async fn put(server: &Server, document: &str, token: &str, body: &Value) -> Answer {
    let request = http::request("PUT", &format!("/api/documents/{document}"), Some(token), Some(body));
    http::exchange(server.port(), &request).await
}

/// How many records of each kind there are of a server that has stopped, but for the catalogue and what is true of the store.
fn records(home: &Home) -> [usize; 4] {
    let families =
        ["default", "journal", "snapshots", "sessions", "saves", "catalogue", "logins", "translations", "meta"];
    let db = DB::open_cf_for_read_only(&Options::default(), home.data().join("documents"), families, false);
    let db = db.expect("a store");
    ["journal", "snapshots", "sessions", "saves"].map(|name| {
        let family = db.cf_handle(name).expect("a family");
        db.iterator_cf(family, IteratorMode::Start).count()
    })
}

#[tokio::test]
async fn a_document_takes_its_session_with_it() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (ann, ben, root) = (home.token("ann"), home.token("ben"), home.token_with("root", "document:admin", &[]));
    put(&server, "doc_1", &ann, &json!({"sections": {"body": "x"}})).await;
    let mut body = plan("doc_1");
    body["settings"] = json!({"public_session": false});
    let gone = created(&server, &ann, &body).await;
    let (mut socket, _) = Socket::joined(server.port(), "doc_1", &ann).await;
    socket.send(&json!({"type": "document.save", "payload": {}}));
    socket.next("document.save").await;
    let delete = http::request("DELETE", "/api/documents/doc_1", Some(&root), None);
    http::exchange(server.port(), &delete).await.ok();
    assert_eq!(socket.closed().await.1, 4004);
    assert_eq!(active(&server, "", &root).await.ok()["pagination"]["total"], 0);
    end(&server, gone["session_id"].as_str().expect("an id"), &ann).await.error(404, "SESSION_NOT_FOUND");
    // Whom it did not admit begins one of their own.
    let (socket, state) = Socket::joined(server.port(), "doc_1", &ben).await;
    assert_ne!(state["session_id"], gone["session_id"]);
    drop(socket);
    let again = created(&server, &ben, &plan("doc_1")).await;
    end(&server, again["session_id"].as_str().expect("an id"), &ben).await.ok();
    server.kill_nine();
    assert_eq!(records(&home), [0, 0, 0, 0]);
}

#[tokio::test]
async fn whole_texts_are_for_those_whom_the_session_admits() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (ann, ben, root) = (home.token("ann"), home.token("ben"), home.token_with("root", "document:admin", &[]));
    let texts = |text: &str| json!({"sections": {"body": text}});
    assert_eq!(put(&server, "doc_1", &ann, &texts("one")).await.status, 201);
    let mut body = plan("doc_1");
    body["settings"] = json!({"public_session": false});
    created(&server, &ann, &body).await;
    let restore = async |token: &str| {
        http::post(server.port(), "/api/documents/doc_1/restore", token, &json!({"version": 1})).await
    };
    let replace = async |token: &str| {
        let headers = format!("If-Match: \"{}\"\r\n", http::state(server.port(), "doc_1", token).await.0);
        let path = "/api/documents/doc_1";
        let request = http::request_with("PUT", path, Some(token), &headers, Some(&texts("two")));
        http::exchange(server.port(), &request).await
    };
    replace(&ben).await.error(403, "FORBIDDEN");
    restore(&ben).await.error(403, "FORBIDDEN");
    assert_eq!(http::state(server.port(), "doc_1", &ben).await, (1, json!({"body": "one"})));
    for token in [&ann, &root] {
        replace(token).await.ok();
        restore(token).await.ok();
    }
}

#[tokio::test]
async fn lists_have_the_titles_of_documents_whether_they_are_open_or_not() {
    let home = Home::new();
    let server = home.start().ready().await;
    let ann = home.token("ann");
    let titles = async |server: &Server| {
        let list = active(server, "", &ann).await.ok();
        let sessions = list["sessions"].as_array().expect("a list").clone();
        let title = |one: &Value| (one["document_id"].clone(), one["document_title"].clone());
        let mut titles: Vec<(Value, Value)> = sessions.iter().map(title).collect();
        titles.sort_by_key(|(id, _)| id.to_string());
        titles
    };
    let texts = json!({"sections": {"body": "x"}, "metadata": {"title": "Director, Business Analysis"}});
    assert_eq!(put(&server, "doc_1", &ann, &texts).await.status, 201);
    for document in ["doc_1", "doc_2"] {
        created(&server, &ann, &plan(document)).await;
    }
    let expected = [(json!("doc_1"), json!("Director, Business Analysis")), (json!("doc_2"), Value::Null)];
    assert_eq!(titles(&server).await, expected);
    server.kill_nine();
    let server = home.start().ready().await;
    assert_eq!(titles(&server).await, expected);
}

#[tokio::test]
async fn of_two_who_create_at_once_one_does() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let tokens = [home.token("ann"), home.token("ben")];
    for round in 0..20 {
        let body = plan(&format!("doc_{round}"));
        let (one, other) = tokio::join!(create(&server, &tokens[0], &body), create(&server, &tokens[1], &body));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "round {round}");
    }
}

#[tokio::test]
async fn whoever_joins_while_a_session_ends_is_closed_or_in_the_next() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let users: Vec<String> = (0..6).map(|user| home.token(&format!("user_{user}"))).collect();
    for round in 0..15 {
        let answer = created(&server, &users[0], &plan("doc_1")).await;
        let id = answer["session_id"].as_str().expect("an id").to_owned();
        let port = server.port();
        let joins = users.iter().map(|token| async move {
            let mut socket = Socket::document(port, "doc_1", token).await;
            let first = socket.message().await;
            assert_eq!(first["type"], "document.state", "{first}");
            (socket, first["payload"]["session_id"].as_str().expect("an id").to_owned())
        });
        let ending = end(&server, &id, &users[0]);
        let mut sockets = Vec::new();
        let (answer, ()) = tokio::join!(ending, async {
            for join in joins {
                sockets.push(join.await);
            }
        });
        let notified = answer.ok()["participants_notified"].as_u64().expect("a number");
        let (old, new): (Vec<_>, Vec<_>) = sockets.into_iter().partition(|(_, session)| *session == id);
        assert_eq!(old.len() as u64, notified, "round {round}");
        for (mut socket, _) in old {
            assert_eq!(socket.closed().await.1, 1000, "round {round}");
        }
        let next: BTreeSet<&String> = new.iter().map(|(_, session)| session).collect();
        assert!(next.len() <= 1, "round {round}: {next:?}");
        for (mut socket, _) in new {
            socket.send(&json!({"type": "system.heartbeat", "payload": {}}));
            loop {
                match socket.receive().await {
                    Received::Message(message) if message["type"] == "system.heartbeat" => break,
                    Received::Message(_) => {}
                    ended => panic!("round {round}: {ended:?}"),
                }
            }
            socket.send_bytes(Vec::new());
        }
        // The next round begins when the last one has gone, whoever began the session of this one.
        support::until("the document to be empty", async || {
            let list = active(&server, "?document_id=doc_1", &users[0]).await.ok();
            (list["pagination"]["total"] == 0).then_some(())
        })
        .await;
    }
}

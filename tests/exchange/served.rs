//! Over HTTP, while others work.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::home::{EDIT, Home, UNLIMITED};
use super::support::http::{self, Answer};
use super::support::server::Server;
use super::{BOTH, entries, export, file, suggestions, unit};

const IMPORT: &str = "/api/translation/memory/import";
const EXPORT: &str = "/api/translation/memory/export";

pub(super) fn head(path: &str, token: &str, kind: &str, bytes: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n\
         Content-Length: {bytes}\r\nConnection: close\r\n\r\n"
    )
}

pub(super) async fn import_as(port: u16, path: &str, token: &str, kind: &str, file: &[u8]) -> std::io::Result<Answer> {
    let request = [head(path, token, kind, file.len()).as_bytes(), file].concat();
    http::try_exchange(port, &request).await
}

async fn import(server: &Server, query: &str, token: &str, file: impl AsRef<[u8]>) -> Answer {
    let path = format!("{IMPORT}{query}");
    import_as(server.port(), &path, token, "application/xml", file.as_ref()).await.expect("an answer")
}

pub(super) fn counts(summary: &Value) -> [u64; 5] {
    let skipped: u64 = summary["skipped"].as_array().unwrap().iter().map(|one| one["count"].as_u64().unwrap()).sum();
    let [units, created, updated, unchanged] =
        ["units", "created", "updated", "unchanged"].map(|key| summary[key].as_u64().unwrap());
    [units, created, updated, unchanged, skipped]
}

async fn exported(server: &Server, token: &str, query: &str) -> String {
    let answer = http::get(server.port(), &format!("{EXPORT}{query}"), token).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-tmx+xml")));
    String::from_utf8(whole(&answer.body)).expect("UTF-8")
}

/// A body that comes in chunks (RFC 9112, section 7.1), as one.
pub(super) fn whole(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").expect("the length of a chunk");
        let length = std::str::from_utf8(&chunks[..end]).expect("digits");
        let length = usize::from_str_radix(length, 16).expect("a length");
        let chunk = &chunks[end + 2..];
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunk[..length]);
        chunks = &chunk[length + 2..];
    }
}

pub(super) fn token(home: &Home, scope: &str) -> String {
    home.token_with("ann", scope, &["--limits", UNLIMITED])
}

fn numbered(count: usize) -> String {
    file(&(0..count).map(|number| unit("", &format!("Text number {number}"), "Texte")).collect::<String>())
}

#[tokio::test]
async fn a_file_is_found_by_all_and_goes_back_as_it_came() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, BOTH);
    let units = [
        unit(" usagecount=\"15\"", "The incumbent <ph x=\"1\"/>reports", "Le titulaire relève"),
        unit("", "Save", " "),
        unit("", "The incumbent travels", "Le titulaire voyage"),
        // The same once more, in the same batch.
        unit(" usagecount=\"3\"", "The incumbent travels", "Le titulaire voyage"),
    ];
    let bytes = file(&units.concat());
    let first = import(&server, "?reviewed=true", &token, &bytes).await.ok();
    assert_eq!(counts(&first), [4, 2, 1, 0, 1], "{first}");
    assert_eq!((&first["skipped"][0]["reason"], &first["skipped"][0]["lines"]), (&json!("empty_text"), &json!([6])));
    let again = import(&server, "?reviewed=true", &token, &bytes).await.ok();
    assert_eq!(counts(&again), [4, 0, 0, 3, 1], "{again}");
    let found = suggestions(&server, &token, "The incumbent reports").await;
    assert_eq!((&found[0]["translated_text"], &found[0]["usage_count"]), (&json!("Le titulaire relève"), &json!(15)));
    // Into a project it is another memory's.
    let project = import(&server, "?project_id=hr", &token, &bytes).await.ok();
    assert_eq!(counts(&project), [4, 2, 1, 0, 1], "{project}");
    let all = exported(&server, &token, "").await;
    assert_eq!(entries(&all).len(), 4);
    assert_eq!(
        entries(&exported(&server, &token, "?project_id=hr&source_language=en&target_language=fr").await).len(),
        2
    );
    assert_eq!(entries(&exported(&server, &token, "?source_language=fr&target_language=en").await).len(), 0);
    // Another server, and what is on disk: the same.
    let other_home = Home::in_memory();
    let other = other_home.start().ready().await;
    let other_token = self::token(&other_home, BOTH);
    import(&other, "", &other_token, &all).await.ok();
    assert_eq!(entries(&exported(&other, &other_token, "").await), entries(&all));
    server.kill_nine();
    assert_eq!(entries(&export(&home, &[])), entries(&all));
}

#[tokio::test]
async fn bad_files_and_requests_are_told_and_change_nothing() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_TRANSLATION__IMPORT_BYTES", "1048576").ready().await;
    let [both, reader, writer, editor] =
        [BOTH, "translation:read", "translation:write", EDIT].map(|scope| token(&home, scope));
    let good = file(&unit("", "a", "b"));
    let port = server.port();
    let broken =
        file(&format!("{}<tu>\n<tuv></tu>", (0..2_000).map(|n| unit("", &n.to_string(), "x")).collect::<String>()));
    let error = import(&server, "", &both, &broken).await.error(400, "VALIDATION_ERROR");
    assert_eq!(error["details"]["field"], "body", "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("line 2006, in <tuv>: no xml:lang"), "{error}");
    let bomb = "<!DOCTYPE tmx [<!ENTITY a \"aa\">]><tmx><header/><body/></tmx>";
    import(&server, "", &both, bomb).await.error(400, "VALIDATION_ERROR");
    import(&server, "", &both, "").await.error(400, "VALIDATION_ERROR");
    let too_large = numbered(20_000);
    assert!(too_large.len() > 1 << 20);
    let error = import(&server, "", &both, &too_large).await.error(413, "MESSAGE_TOO_LARGE");
    assert!(error["message"].as_str().unwrap().contains("translation.import_bytes"), "{error}");
    for kind in ["application/json", "text/plain", "application/xmlx"] {
        let answer = import_as(port, IMPORT, &both, kind, good.as_bytes()).await.expect("an answer");
        answer.error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    import(&server, "", &reader, &good).await.error(403, "FORBIDDEN");
    import(&server, "", &editor, &good).await.error(403, "FORBIDDEN");
    import(&server, "", "nonsense", &good).await.error(401, "UNAUTHENTICATED");
    import(&server, "?project_id=a%2Fb", &both, &good).await.error(400, "VALIDATION_ERROR");
    import(&server, "?reviewed=yes", &both, &good).await.error(400, "VALIDATION_ERROR");
    http::get(port, EXPORT, &writer).await.error(403, "FORBIDDEN");
    for query in
        ["?project_id=", "?source_language=en", "?source_language=en&target_language=en", "?target_language=e1"]
    {
        http::get(port, &format!("{EXPORT}{query}"), &reader).await.error(400, "VALIDATION_ERROR");
    }
    assert_eq!(entries(&exported(&server, &both, "").await).len(), 0);
    for kind in ["text/xml; charset=utf-8", "application/x-tmx+xml"] {
        import_as(port, IMPORT, &both, kind, good.as_bytes()).await.expect("an answer").ok();
    }
    assert_eq!(entries(&exported(&server, &both, "").await).len(), 1);
}

#[tokio::test]
async fn one_file_is_imported_at_a_time() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, BOTH);
    let bytes = file(&unit("", "a", "b"));
    // One that has begun, and does not go on.
    let mut first = TcpStream::connect(("127.0.0.1", server.port())).await.expect("a connection");
    first.write_all(head(IMPORT, &token, "text/xml", bytes.len()).as_bytes()).await.expect("it is sent");
    first.write_all(&bytes.as_bytes()[..100]).await.expect("it is sent");
    let refused = loop {
        let answer = import(&server, "", &token, &bytes).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert!(refused.header("retry-after").is_some());
    refused.error(503, "CAPACITY_EXCEEDED");
    // When it is gone the next one may begin.
    drop(first);
    while import(&server, "", &token, &bytes).await.status != 200 {}
    assert_eq!(entries(&exported(&server, &token, "").await).len(), 1);
}

/// The first of a large file is found before the last is there; what others hand in then is answered in between, and whatever
/// ends the server, what was found is there afterwards, and the file may be sent again.
#[tokio::test]
async fn others_work_while_a_file_is_imported() {
    let home = Home::new();
    let count = 40_000;
    let bytes = numbered(count);
    let token = token(&home, BOTH);
    for ends in [false, true] {
        let server = home.start().ready().await;
        let (port, sent, pass) = (server.port(), bytes.clone(), token.clone());
        let project = if ends { "killed" } else { "whole" };
        let path = format!("{IMPORT}?project_id={project}");
        let importing = tokio::spawn(async move { import_as(port, &path, &pass, "text/xml", sent.as_bytes()).await });
        let first = json!({"source_text": "Text number 0", "source_language": "en", "target_language": "fr",
            "project_id": project, "max_suggestions": 1});
        let is_found = async || {
            let answer = http::post(port, "/api/translation/suggestions", &token, &first).await.ok();
            answer["suggestions"][0]["match_type"] == "exact"
        };
        while !is_found().await {}
        let handed = json!({"source_text": format!("By hand {ends}"), "translated_text": "À la main",
            "source_language": "en", "target_language": "fr"});
        http::post(port, "/api/translation/submit", &token, &handed).await.ok();
        assert!(!importing.is_finished(), "it waited for the whole import");
        if ends {
            server.kill_nine();
            assert!(importing.await.expect("no panic").is_err(), "it was killed after it was answered");
            continue;
        }
        let summary = importing.await.expect("no panic").expect("an answer").ok();
        assert_eq!(counts(&summary), [count as u64, count as u64, 0, 0, 0]);
        server.kill_nine();
    }
    let server = home.start().ready().await;
    for ends in [false, true] {
        let text = format!("By hand {ends}");
        assert_eq!(suggestions(&server, &token, &text).await[0]["translated_text"], "À la main");
    }
    let summary = import(&server, "?project_id=killed", &token, &bytes).await.ok();
    let [units, created, updated, unchanged, skipped] = counts(&summary);
    assert_eq!((units, created + unchanged, updated, skipped), (count as u64, count as u64, 0, 0));
    assert!(unchanged > 0, "what was found before the server was killed was lost");
    eprintln!("{unchanged} of {count} were there after the kill");
}

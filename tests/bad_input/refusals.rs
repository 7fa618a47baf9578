//! What is wrong with a request, case by case, and what it is told; nothing of any of it has an effect.

use crate::Bystander;
use crate::support::home::Home;
use crate::support::http;

/// A request that is not sent by any honest client, and its answer: status, code, and the field where one is to blame.
struct Case {
    what: &'static str,
    request: Vec<u8>,
    answer: (u16, &'static str, Option<&'static str>),
}

const INVALID: &str = "VALIDATION_ERROR";

fn case(what: &'static str, request: Vec<u8>, answer: (u16, &'static str, Option<&'static str>)) -> Case {
    Case { what, request, answer }
}

/// A request whose lines are as given.
fn raw(what: &'static str, request: &str, answer: (u16, &'static str, Option<&'static str>)) -> Case {
    case(what, request.as_bytes().to_vec(), answer)
}

/// What breaks the syntax of HTTP/1.1, or could mean two things to two servers.
fn framing() -> Vec<Case> {
    let post = "POST /api/documents/shared/changes HTTP/1.1\r\nHost: a\r\n";
    let invalid = (400, INVALID, None);
    vec![
        raw("a folded header", "GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", invalid),
        raw("a blank before the colon", "GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n", invalid),
        raw("a bare CR", "GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", invalid),
        raw("NUL in a header", "GET /healthz HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", invalid),
        raw("NUL in the target", "GET /healthz\0 HTTP/1.1\r\nHost: a\r\n\r\n", invalid),
        raw("a header without a name", "GET /healthz HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", invalid),
        raw("a blank in the target", "GET /health z HTTP/1.1\r\nHost: a\r\n\r\n", invalid),
        raw("no host", "GET /healthz HTTP/1.1\r\n\r\n", (400, INVALID, Some("Host"))),
        raw("two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400, INVALID, Some("Host"))),
        raw("lengths that differ", &format!("{post}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"), invalid),
        raw("a list of lengths", &format!("{post}Content-Length: 2, 2\r\n\r\n{{}}"), invalid),
        raw("a signed length", &format!("{post}Content-Length: +2\r\n\r\n{{}}"), invalid),
        raw("a length beyond 64 bits", &format!("{post}Content-Length: 18446744073709551616\r\n\r\n"), invalid),
        raw("an unknown coding", &format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), invalid),
        raw("chunked, but not last", &format!("{post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), invalid),
        raw(
            "chunks in HTTP/1.0",
            "POST /api/documents/shared/changes HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            invalid,
        ),
        raw(
            "a long query",
            &format!("GET /healthz?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000)),
            (431, "HEADERS_TOO_LARGE", None),
        ),
    ]
}

/// Targets that are no document's, or ask for what there is not.
fn targets(token: &str) -> Vec<Case> {
    let id = (400, INVALID, Some("document_id"));
    let of = |what, target: &str, answer| case(what, http::request("GET", target, Some(token), None), answer);
    vec![
        of("an encoded NUL", "/api/documents/shared%00/state", id),
        of("an encoded slash", "/api/documents/shared%2Fx/state", id),
        of("dots", "/api/documents/../state", id),
        of("encoded dots", "/api/documents/%2e%2e/state", id),
        of("an overlong form", "/api/documents/%c0%af/state", id),
        of("bytes that are no text", "/api/documents/shared%ff/state", id),
        of("half an encoding", "/api/documents/shared%2/state", id),
        of("no hexadecimal digits", "/api/documents/shared%zz/state", id),
        of("an encoding of an encoding", "/api/documents/shared%2541/state", id),
        of("a name of 129 bytes", &format!("/api/documents/{}/state", "x".repeat(129)), id),
        of("no name", "/api/documents//state", id),
        of("a parameter twice", "/api/documents/shared/state?version=1&version=1", (400, INVALID, Some("version"))),
        of("half a parameter", "/api/documents/shared/state?version=%3", (400, INVALID, Some("version"))),
        of("a parameter without a value", "/api/documents/shared/state?version", (400, INVALID, Some("version"))),
        of(
            "an unknown value",
            "/api/documents/shared/state?position_encoding=ebcdic",
            (400, INVALID, Some("position_encoding")),
        ),
        of("an unknown path", "/api/documents/shared/state/", (404, "NOT_FOUND", None)),
        of("another case", "/API/documents/shared/state", (404, "NOT_FOUND", None)),
        case("an unknown method", http::request("BREW", "/healthz", None, None), (405, "METHOD_NOT_ALLOWED", None)),
        case("a method in lower case", http::request("get", "/healthz", None, None), (405, "METHOD_NOT_ALLOWED", None)),
    ]
}

/// Bodies that say nothing that could be applied.
fn bodies(token: &str) -> Vec<Case> {
    let post = |headers: &str, body: &[u8]| {
        let head = format!(
            "POST /api/documents/shared/changes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n{headers}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let json =
        |body: &[u8]| post(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()), body);
    let invalid = (400, INVALID, None);
    let of = |what, body: &str, answer| case(what, json(body.as_bytes()), answer);
    let one = r#"{"operation":"insert","position":0,"content":"x"}"#;
    let good = format!(r#"{{"changes":[{one}],"base_version":1}}"#);
    let media = |what, headers: &str| {
        let headers = format!("{headers}Content-Length: {}\r\n", good.len());
        case(what, post(&headers, good.as_bytes()), (415, "UNSUPPORTED_MEDIA_TYPE", None))
    };
    let chunked = |what, chunks: &str, answer| {
        case(what, post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", chunks.as_bytes()), answer)
    };
    let framed = (400, INVALID, Some("body"));
    vec![
        of("nothing", "", invalid),
        of("half an object", &good[..good.len() - 1], invalid),
        of("something behind it", &format!("{good}x"), invalid),
        of("two objects", &format!("{good}{good}"), invalid),
        of("a comment", &format!("/* */{good}"), invalid),
        of("a byte order mark", &format!("\u{feff}{good}"), invalid),
        of("single quotes", "{'changes':[]}", invalid),
        of("no number", r#"{"changes":[],"base_version":NaN}"#, invalid),
        of("a list", &format!("[{good}]"), invalid),
        of("deep nesting", &"[".repeat(500_000), invalid),
        of("deep nesting of objects", &r#"{"a":"#.repeat(150_000), invalid),
        of(
            "deep nesting where nobody looks",
            &format!(r#"{{"changes":[{one}],"x":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000)),
            invalid,
        ),
        of("a key twice", &format!(r#"{{"changes":[{one}],"base_version":1,"base_version":1}}"#), invalid),
        of(
            "a key twice, written otherwise",
            &format!(r#"{{"changes":[{one}],"base_version":1,"base\u005fversion":1}}"#),
            invalid,
        ),
        of(
            "a key twice in a change",
            r#"{"changes":[{"operation":"insert","position":0,"position":0,"content":"x"}]}"#,
            invalid,
        ),
        case(
            "bytes that are no text",
            json(b"{\"changes\":[{\"operation\":\"insert\",\"position\":0,\"content\":\"\xff\"}]}"),
            invalid,
        ),
        case(
            "an overlong form",
            json(b"{\"changes\":[{\"operation\":\"insert\",\"position\":0,\"content\":\"\xc0\xaf\"}]}"),
            invalid,
        ),
        of("half a surrogate pair", r#"{"changes":[{"operation":"insert","position":0,"content":"\ud800"}]}"#, invalid),
        of(
            "a fraction",
            r#"{"changes":[{"operation":"insert","position":0.5,"content":"x"}]}"#,
            (400, INVALID, Some("changes[0].position")),
        ),
        of("a huge number", r#"{"changes":[{"operation":"insert","position":1e400,"content":"x"}]}"#, invalid),
        of(
            "a number beyond 64 bits",
            r#"{"changes":[{"operation":"insert","position":99999999999999999999,"content":"x"}]}"#,
            (400, INVALID, Some("changes[0].position")),
        ),
        of(
            "one bad change of two",
            &format!(r#"{{"changes":[{one},{{"operation":"insert","position":0}}],"base_version":1}}"#),
            (400, INVALID, Some("changes[1].content")),
        ),
        media("another type", "Content-Type: text/plain\r\n"),
        media("a form", "Content-Type: application/x-www-form-urlencoded\r\n"),
        media("another charset", "Content-Type: application/json; charset=iso-8859-1\r\n"),
        media("two types", "Content-Type: application/json\r\nContent-Type: text/plain\r\n"),
        media("an empty type", "Content-Type: \r\n"),
        media("a compressed body", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"),
        media("a coding nobody knows", "Content-Encoding: identity, x\r\n"),
        chunked("a chunk without a length", "x\r\n{}\r\n0\r\n\r\n", framed),
        chunked("a negative chunk", "-2\r\n{}\r\n0\r\n\r\n", framed),
        chunked("a chunk beyond 64 bits", "10000000000000000\r\n{}\r\n0\r\n\r\n", framed),
        chunked("a chunk that is longer than it says", "1\r\n{}\r\n0\r\n\r\n", framed),
        chunked("chunks whose lines end in LF", "2\n{}\n0\n\n", framed),
        chunked("a chunk with a long extension", &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(20_000)), framed),
        chunked("an endless trailer", &format!("0\r\n{}\r\n", "X: y\r\n".repeat(5_000)), framed),
    ]
}

#[tokio::test]
async fn each_is_told_what_is_wrong_and_has_no_effect() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("user");
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let before = http::state(server.port(), "shared", &token).await;
    for case in [framing(), targets(&token), bodies(&token)].into_iter().flatten() {
        eprintln!("case: {}", case.what);
        let (status, code, field) = case.answer;
        let answer = http::exchange(server.port(), &case.request).await;
        let error = answer.error(status, code);
        if let Some(field) = field {
            assert_eq!(error["details"]["field"], field, "{}: {error}", case.what);
            assert!(error["details"]["expected"].is_string(), "{}: {error}", case.what);
        }
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", case.what);
    }
    assert_eq!(http::state(server.port(), "shared", &token).await, before);
    bystander.goes_on_undisturbed().await;
}

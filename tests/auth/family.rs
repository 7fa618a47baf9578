//! What the tests of refreshing and revoking share: asking for it, and what a token is then good for.

use serde_json::{Value, json};

use crate::support::events::{Ask, EventStream};
use crate::support::home::{EDIT, Home, UNLIMITED};
use crate::support::http::{self, Answer};
use crate::support::server::Server;
use crate::support::socket::Socket;

/// The two tokens of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// The first refresh token of a family, from the command line.
pub(crate) fn first(home: &Home, user: &str) -> String {
    home.token_with(user, EDIT, &["--limits", UNLIMITED, "--refresh"])
}

/// Asks for new tokens.
pub(crate) async fn refresh(server: &Server, token: &str) -> Answer {
    http::exchange(server.port(), &http::request("POST", "/api/auth/refresh", Some(token), None)).await
}

/// The tokens that are given for a good one.
pub(crate) async fn refreshed(server: &Server, token: &str) -> Pair {
    pair(&refresh(server, token).await)
}

/// The tokens of an answer that has to have some.
pub(crate) fn pair(answer: &Answer) -> Pair {
    let body = answer.ok();
    let text = |name: &str| body[name].as_str().expect("a token").to_owned();
    Pair { access: text("access_token"), refresh: text("refresh_token") }
}

/// Asks for the token that is shown to be revoked.
pub(crate) async fn revoke_own(server: &Server, token: &str) -> Answer {
    http::exchange(server.port(), &http::request("POST", "/api/auth/revoke", Some(token), None)).await
}

/// Asks for something to be revoked, with or without a token of one's own.
pub(crate) async fn revoke(server: &Server, token: Option<&str>, body: &Value) -> Answer {
    http::exchange(server.port(), &http::request("POST", "/api/auth/revoke", token, Some(body))).await
}

/// A token that is good for doing something.
pub(crate) async fn check_good(server: &Server, token: &str) {
    let (_socket, state) = Socket::joined(server.port(), "shared", token).await;
    assert_eq!(state["document_id"], "shared");
    http::get(server.port(), "/api/documents/shared/state", token).await.ok();
}

/// A token that is good for nothing: by HTTP, on a WebSocket, for an event stream, for new tokens; with the reason.
pub(crate) async fn check_dead(server: &Server, token: &str) -> String {
    let answer = http::get(server.port(), "/api/documents/shared/state", token).await;
    let message = answer.error(401, "UNAUTHENTICATED")["message"].as_str().expect("a message").to_owned();
    let mut socket = Socket::document(server.port(), "shared", token).await;
    let (messages, code, _) = socket.closed().await;
    assert_eq!((messages.len(), code), (1, 1008), "{messages:?}");
    let ask = Ask { target: "/api/documents/shared/events", token, ..Ask::default() };
    EventStream::try_open(server.port(), &ask).await.expect_err("no stream").error(401, "UNAUTHENTICATED");
    refresh(server, token).await.error(401, "UNAUTHENTICATED");
    message
}

/// Nothing of a token is in the log or in what was answered.
pub(crate) fn check_untold(server: &Server, token: &str, answered: &str) {
    let told = format!("{answered} {}", server.log());
    for part in token.split('.').filter(|part| part.len() > 20) {
        assert!(!told.contains(part), "a part of a token is told");
    }
}

/// One edit of the document, on the connection that is there.
pub(crate) async fn edits(socket: &mut Socket, name: &str) {
    socket.send(&json!({
        "type": "document.change",
        "payload": {"operation": "insert", "position": 0, "content": "x"},
        "metadata": {"client_id": "c", "correlation_id": name},
    }));
    assert_eq!(socket.next("document.ack").await["payload"]["correlation_id"], name);
}

//! What somebody who has just started the server may want to do next.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::auth::{Grant, ScopeSet};
use crate::clock;
use crate::shared::Shared;

/// How long the token that is printed is good for, in seconds: a day.
const TOKEN_SECONDS: u64 = 24 * 60 * 60;

/// Prints where the server is, and how to try it. A ready token is printed only where the server made its
/// own key, so that no configured key's token ends up in a journal.
pub(crate) fn print(shared: &Shared, address: SocketAddr) {
    if shared.echoes {
        let _ = writeln!(std::io::stdout(), "{}", echo(shared, address));
        return;
    }
    let own_key = !shared.config.auth.has_key();
    let text = if own_key { with_token(shared, address) } else { without_token(shared, address) };
    // Nobody reads it if the output is closed, which is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Where a conformance suite finds the echo.
fn echo(shared: &Shared, address: SocketAddr) -> String {
    let token = token(shared).unwrap_or_default();
    format!("ws{}://{address}/ws/document/echo?token={token}", secure(shared))
}

/// What the schemes of addresses end with.
const fn secure(shared: &Shared) -> &'static str {
    if shared.tls.is_some() { "s" } else { "" }
}

/// A token of somebody who may edit.
fn token(shared: &Shared) -> Option<String> {
    let grant = Grant {
        user_id: "demo".to_owned(),
        scopes: ScopeSet::from_names(["document:read", "document:write"]),
        documents: Vec::new(),
        display_name: Some("Demo".to_owned()),
        limits: None,
        expires_in_seconds: TOKEN_SECONDS,
    };
    let token = shared.authority.load().issue(&grant, clock::now_unix_seconds()).ok()?;
    Some(token.expose().to_owned())
}

fn with_token(shared: &Shared, address: SocketAddr) -> String {
    let Some(token) = token(shared) else { return without_token(shared, address) };
    let s = secure(shared);
    let data = shared.config.data.display();
    let program = std::env::args().next().unwrap_or_else(|| "jddb-realtime".to_owned());
    format!(
        "\
JDDB real-time server on http{s}://{address}, documents in {data}

Connect a WebSocket client (the token is good for a day):
  ws{s}://{address}/ws/document/jd_12345?token={token}

Change the document and read it back:
  TOKEN={token}
  curl -H \"Authorization: Bearer $TOKEN\" -H \"Content-Type: application/json\" \\
    -d '{{\"changes\":[{{\"operation\":\"insert\",\"position\":0,\"content\":\"Hello\"}}]}}' \\
    http{s}://{address}/api/documents/jd_12345/changes
  curl -H \"Authorization: Bearer $TOKEN\" http{s}://{address}/api/documents/jd_12345/state

More tokens: {program} token --data {data} --sub USER --scope \"document:read document:write\"
Read on: README.md; all settings: tuning/jddb-realtime.toml. Stop with Ctrl-C.
"
    )
}

fn without_token(shared: &Shared, address: SocketAddr) -> String {
    let s = secure(shared);
    format!(
        "\
JDDB real-time server on http{s}://{address}
Tokens come from your issuer, or from `jddb-realtime token` with the same configuration. Read on: README.md
"
    )
}

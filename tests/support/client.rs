//! An editor on a connection that may break at any moment.

use serde_json::{Value, json};

use super::editor::Editor;
use super::socket::{Received, Socket};

/// The connection ended; what was in flight may have been taken or not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lost {
    /// The error that announced it, if one did.
    pub(crate) farewell: Option<Value>,
    /// How it ended.
    pub(crate) end: Received,
}

/// One client of one document.
#[derive(Debug)]
pub(crate) struct Client {
    document: String,
    token: String,
    client_id: String,
    socket: Option<Socket>,
    editor: Option<Editor>,
    /// The error that a close follows.
    farewell: Option<Value>,
}

impl Client {
    /// A client that is not connected yet.
    pub(crate) fn new(document: &str, token: &str, client_id: &str) -> Self {
        let [document, token, client_id] = [document, token, client_id].map(str::to_owned);
        Self { document, token, client_id, socket: None, editor: None, farewell: None }
    }

    /// What it knows of the document.
    pub(crate) fn editor(&mut self) -> &mut Editor {
        self.editor.as_mut().expect("it was connected once")
    }

    /// Connects to a server that has to answer.
    pub(crate) async fn joined(document: &str, token: &str, client_id: &str, port: u16) -> Self {
        let mut client = Self::new(document, token, client_id);
        super::within("a client to join", client.connect(port)).await.expect("the server takes a client");
        client
    }

    /// Connects. If it was connected before: sends what is in flight again word for word, and finds out
    /// what it missed. Returns what was acknowledged by that.
    ///
    /// # Errors
    /// The connection ended before that was done.
    pub(crate) async fn connect(&mut self, port: u16) -> Result<Vec<String>, Lost> {
        let target = format!("/ws/document/{}?token={}", self.document, self.token);
        self.socket = Socket::try_open(port, &target, "").await.ok();
        let state = self.receive().await?;
        assert_eq!(state["type"], "document.state", "the first message: {state}");
        let Some(editor) = &mut self.editor else {
            self.editor = Some(Editor::new(&self.client_id, &state["payload"]));
            return Ok(Vec::new());
        };
        let since = editor.version();
        let again = editor.in_flight().cloned();
        again.iter().for_each(|message| self.send(message));
        self.send(&json!({"type": "sync.request", "payload": {"last_known_version": since}}));
        self.reconcile().await
    }

    /// Waits for the answer to `sync.request`, and takes in what came before it as far as that is newer.
    async fn reconcile(&mut self) -> Result<Vec<String>, Lost> {
        let mut before = Vec::new();
        let response = loop {
            let message = self.receive().await?;
            if message["type"] == "sync.response" {
                break message;
            }
            before.push(message);
        };
        let editor = self.editor();
        let mut acknowledged = editor.catch_up(&response["payload"]);
        let covered = editor.version();
        for message in before {
            // A change up to there was in the list; an acknowledgement is compared with it.
            let is_ack = message["type"] == "document.ack";
            if is_ack || message["payload"]["version"].as_u64().is_none_or(|version| version > covered) {
                acknowledged.extend(editor.take(&message));
            }
        }
        Ok(acknowledged)
    }

    fn send(&self, message: &Value) {
        if let Some(socket) = &self.socket {
            socket.send(message);
        }
    }

    async fn receive(&mut self) -> Result<Value, Lost> {
        loop {
            let received = match &mut self.socket {
                Some(socket) => socket.receive_any().await,
                None => Received::Lost,
            };
            match received {
                Received::Message(message) if message["payload"]["severity"] == "critical" => {
                    self.farewell = Some(message);
                }
                Received::Message(message) => return Ok(message),
                end @ (Received::Closed(..) | Received::Lost) => {
                    self.socket = None;
                    return Err(Lost { farewell: self.farewell.take(), end });
                }
            }
        }
    }

    /// Sends the next edit if nothing is in flight.
    pub(crate) fn push(&mut self) {
        if let Some(message) = self.editor().next_message() {
            self.send(&message);
        }
    }

    /// Takes in one message; returns what it acknowledged. May be dropped before it is done.
    ///
    /// # Errors
    /// The connection ended.
    pub(crate) async fn step(&mut self) -> Result<Option<String>, Lost> {
        let message = self.receive().await?;
        Ok(self.editor().take(&message))
    }

    /// Goes on until all its edits are acknowledged.
    pub(crate) async fn flush(&mut self) {
        let all = async {
            while self.editor().pending() > 0 {
                self.push();
                self.step().await.expect("the connection stays open");
            }
        };
        super::within("all edits to be acknowledged", all).await;
    }

    /// Goes on until it has taken in that version.
    pub(crate) async fn reach(&mut self, version: u64) {
        let all = async {
            while self.editor().version() < version {
                self.step().await.expect("the connection stays open");
            }
        };
        super::within("all changes to arrive", all).await;
    }

    /// The connection, for what an editor does not do.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        self.socket.as_mut().expect("it is connected")
    }
}

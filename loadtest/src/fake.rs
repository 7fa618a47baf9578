//! A tiny server for the tests: right by default, wrong on request, so that each fault is known to be found.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use fastwebsockets::{Frame, OpCode, Role, WebSocket};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::replica::{Edit, Pending, Replica};

/// What the server does wrong. Numbers count changes since it started, over all documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Closes every connection with 1008 before its state.
    RefuseJoin,
    /// Does not send this change to one of the others.
    DropBroadcast(u64),
    /// Does not acknowledge this change.
    NoAck(u64),
    /// Refuses this change as too fast.
    Refuse(u64),
    /// Closes the sender of this change with 1013.
    Close(u64),
    /// Does nothing at all for a while before this change.
    Stall(u64, Duration),
    /// Takes positions as if nothing had happened since their base version.
    NoTransform,
    /// Tells another text over HTTP.
    WrongState,
}

/// A running fake; dropping it stops it.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Document {
    replica: Replica,
    version: u64,
    history: Vec<Vec<Edit>>,
    /// The text's length at each version from 1 on.
    lengths: Vec<usize>,
    members: Vec<(u64, mpsc::UnboundedSender<Vec<u8>>)>,
}

struct Server {
    fault: Fault,
    changes: Cell<u64>,
    connections: Cell<u64>,
    documents: RefCell<HashMap<String, Document>>,
}

impl Fake {
    pub(crate) fn start(fault: Fault) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let server = Rc::new(Server {
                    fault,
                    changes: Cell::new(0),
                    connections: Cell::new(0),
                    documents: RefCell::default(),
                });
                tokio::select! {
                    () = server.accept(listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Server {
    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::task::spawn_local(Rc::clone(&self).serve(stream));
        }
    }

    async fn serve(self: Rc<Self>, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        if let Some(rest) = path.strip_prefix("/ws/document/") {
            let (id, query) = rest.split_once('?').unwrap();
            assert!(query.starts_with("token="));
            self.talk(id.to_owned(), stream).await;
        } else {
            let id = path.strip_prefix("/api/documents/").unwrap();
            let id = id.strip_suffix("/state").unwrap();
            let mut state = self.state(id);
            if self.fault == Fault::WrongState {
                state["content"]["sections"]["body"] = "something else".into();
            }
            let body = state.to_string();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn state(&self, id: &str) -> Value {
        let mut documents = self.documents.borrow_mut();
        let document = documents.entry(id.to_owned()).or_default();
        json!({"document_id": id, "version": document.version,
               "content": {"sections": {"body": document.replica.text()}}})
    }

    async fn talk(self: Rc<Self>, id: String, stream: TcpStream) {
        let (read, mut write) = stream.into_split();
        let upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        // In one write with the greeting, so that bytes behind the head are read with it.
        let mut first = upgraded.as_bytes().to_vec();
        if self.fault == Fault::RefuseJoin {
            let error = json!({"type": "system.error", "payload":
                {"error_code": "UNAUTHENTICATED", "message": "no such user"}, "metadata": {}});
            first.extend(frame(Frame::text(error.to_string().into_bytes().into())));
            first.extend(frame(Frame::close(1008, b"who are you")));
            write.write_all(&first).await.unwrap();
            return;
        }
        let state = json!({"type": "document.state", "payload": self.state(&id), "metadata": {"version": 1}});
        first.extend(frame(Frame::text(state.to_string().into_bytes().into())));
        let (sender, receiver) = mpsc::unbounded_channel();
        let me = self.connections.get();
        self.connections.set(me + 1);
        sender.send(first).unwrap();
        let presence = r#"{"type":"user.presence","payload":{"status":"joined"},"metadata":{}}"#;
        self.with(&id, |document| {
            document.members.push((me, sender));
            document.say(|member| member != me, presence);
        });
        tokio::task::spawn_local(write_all(receiver, write));
        let mut reader = WebSocket::after_handshake(tokio::io::join(read, tokio::io::sink()), Role::Server);
        while let Ok(frame) = reader.read_frame().await {
            if frame.opcode == OpCode::Text {
                self.change(&id, me, &frame.payload);
            }
        }
        self.with(&id, |document| document.members.retain(|(member, _)| *member != me));
    }

    fn with(&self, id: &str, act: impl FnOnce(&mut Document)) {
        act(self.documents.borrow_mut().get_mut(id).unwrap());
    }

    fn change(&self, id: &str, me: u64, message: &[u8]) {
        let message: Value = serde_json::from_slice(message).unwrap();
        if message["type"] != "document.change" {
            return;
        }
        let (payload, correlation_id) = (&message["payload"], &message["metadata"]["correlation_id"]);
        let number = self.changes.get();
        self.changes.set(number + 1);
        match self.fault {
            Fault::Stall(at, length) if at == number => std::thread::sleep(length),
            Fault::Refuse(at) if at == number => {
                return self.with(id, |document| document.refuse(me, "RATE_LIMIT_EXCEEDED: too fast", correlation_id));
            }
            Fault::Close(at) if at == number => {
                return self.with(id, |document| {
                    let bytes = frame(Frame::close(1013, b"too slow"));
                    document.send(|member| member == me, &bytes);
                });
            }
            _ => {}
        }
        let mut documents = self.documents.borrow_mut();
        let document = documents.get_mut(id).unwrap();
        if !document.is_inside(payload) {
            return document.refuse(me, "INVALID_POSITION: outside the text", correlation_id);
        }
        let (edits, version) = document.submit(payload, self.fault == Fault::NoTransform);
        let spared = match self.fault {
            Fault::DropBroadcast(at) if at == number => {
                document.members.iter().map(|(member, _)| *member).find(|member| *member != me)
            }
            _ => None,
        };
        for (part, edit) in (1..).zip(&edits) {
            let change = json!({"type": "document.change", "payload":
                {"operation": edit.operation(), "position": edit.position, "length": edit.removed,
                 "content": String::from_utf16_lossy(&edit.inserted), "section": "body", "version": version,
                 "part": part, "parts": edits.len()},
                "metadata": {"version": 1, "correlation_id": correlation_id}});
            document.say(|member| member != me && Some(member) != spared, &change.to_string());
        }
        if self.fault != Fault::NoAck(number) {
            let ack = json!({"type": "document.ack", "payload":
                {"version": version, "correlation_id": correlation_id, "transformed": false},
                "metadata": {"version": 1, "correlation_id": correlation_id}});
            document.say(|member| member == me, &ack.to_string());
        }
    }
}

impl Document {
    /// Whether the change fits the text at its base version.
    fn is_inside(&self, payload: &Value) -> bool {
        let number = |name: &str| usize::try_from(payload[name].as_u64().unwrap_or(0)).unwrap();
        let length = match number("base_version") {
            0 => 0,
            version => self.lengths[version - 1],
        };
        number("position") + number("length") <= length
    }

    fn refuse(&self, me: u64, error: &str, correlation_id: &Value) {
        let (code, message) = error.split_once(": ").unwrap();
        let error = json!({"type": "system.error", "payload": {"error_code": code, "message": message},
                           "metadata": {"correlation_id": correlation_id}});
        self.say(|member| member == me, &error.to_string());
    }

    /// Transforms and applies; what it became, and its version.
    fn submit(&mut self, payload: &Value, as_sent: bool) -> (Vec<Edit>, u64) {
        let number = |name: &str| usize::try_from(payload[name].as_u64().unwrap_or(0)).unwrap();
        let mut pending = Pending::new(&Edit {
            position: number("position"),
            removed: number("length"),
            inserted: payload["content"].as_str().unwrap_or("").encode_utf16().collect(),
        });
        let since = self.history.iter().skip(number("base_version"));
        if !as_sent {
            since.flatten().for_each(|edit| pending.follow(edit));
        }
        let mut edits = pending.edits();
        if edits.is_empty() {
            edits.push(Edit { position: 0, removed: 0, inserted: Vec::new() });
        }
        edits.retain(|edit| self.replica.apply(edit).is_ok());
        self.history.push(edits.clone());
        self.lengths.push(self.replica.len());
        self.version += 1;
        (edits, self.version)
    }

    fn say(&self, to: impl Fn(u64) -> bool, text: &str) {
        self.send(to, &frame(Frame::text(text.as_bytes().into())));
    }

    fn send(&self, to: impl Fn(u64) -> bool, bytes: &[u8]) {
        for (_, sender) in self.members.iter().filter(|(member, _)| to(*member)) {
            let _ = sender.send(bytes.to_vec());
        }
    }
}

fn frame(mut frame: Frame<'_>) -> Vec<u8> {
    let mut buffer = Vec::new();
    frame.write(&mut buffer).to_vec()
}

async fn write_all(mut bytes: mpsc::UnboundedReceiver<Vec<u8>>, mut write: OwnedWriteHalf) {
    while let Some(bytes) = bytes.recv().await {
        if write.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

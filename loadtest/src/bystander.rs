//! Somebody who edits a document of their own while a server is attacked, and is to notice nothing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::clock;
use crate::connect::{self, Request};
use crate::failure::Failure;
use crate::histogram::{Latencies, LatencySummary};
use crate::scan::{Kind, Scanner, ServerError};
use crate::socket::Socket;
use crate::stamp::RunTag;
use crate::target::Target;
use crate::token::LimitsClaim;

/// From one acknowledgement to the next change.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest a change may be under way.
const ACK_WITHIN: Duration = Duration::from_secs(10);

/// Editors who go on in the background, and how long their changes took.
pub(crate) struct Bystanders {
    latencies: RefCell<Latencies>,
    trouble: RefCell<Vec<String>>,
    is_over: Cell<bool>,
}

impl Bystanders {
    /// So many, each in a document of its own, already at work. They live on the `LocalSet` this is called on.
    pub(crate) async fn begin(target: &Target, run: &RunTag, count: u32) -> Result<Rc<Self>, Failure> {
        let bystanders = Rc::new(Self {
            latencies: RefCell::new(Latencies::new()?),
            trouble: RefCell::default(),
            is_over: Cell::new(false),
        });
        for number in 0..count {
            let token = target.tokens.user(&format!("bystander_{number}"), Some(LimitsClaim::RAISED))?;
            let document = format!("calm_{}_{number}", run.as_str());
            let scanner = Scanner::new();
            let joined = connect::join(Request::new(&target.endpoint, &document, &token), &scanner).await;
            let joined = joined.map_err(|error| Failure::run(format!("bystander {number}"), error))?;
            tokio::task::spawn_local(Rc::clone(&bystanders).edit(joined.socket, joined.state.version, scanner));
        }
        Ok(bystanders)
    }

    async fn edit(self: Rc<Self>, mut socket: Socket, mut version: u64, scanner: Scanner) {
        while !self.is_over.get() {
            let sent = clock::now();
            match tokio::time::timeout(ACK_WITHIN, change(&mut socket, version, &scanner)).await {
                Ok(Ok(acknowledged)) => version = acknowledged,
                Ok(Err(error)) => return self.trouble.borrow_mut().push(format!("a bystander was disturbed: {error}")),
                Err(_elapsed) => {
                    let what = "a bystander's change was not acknowledged within 10 s".to_owned();
                    return self.trouble.borrow_mut().push(what);
                }
            }
            self.latencies.borrow_mut().record(clock::now().since(sent));
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Their latencies so far; what disturbed them goes to the complaints.
    pub(crate) fn end(&self, complaints: &mut Vec<String>) -> LatencySummary {
        self.is_over.set(true);
        complaints.append(&mut self.trouble.borrow_mut());
        let summary = self.latencies.borrow().summary();
        if summary.count == 0 {
            complaints.push("no bystander got anything done".to_owned());
        }
        summary
    }
}

/// Inserts a character, or takes it away again; the version that made.
async fn change(socket: &mut Socket, version: u64, scanner: &Scanner) -> Result<u64, String> {
    let payload = match version % 2 {
        0 => serde_json::json!({"operation": "insert", "position": 0, "content": "x", "base_version": version}),
        _ => serde_json::json!({"operation": "delete", "position": 0, "length": 1, "base_version": version}),
    };
    let metadata = serde_json::json!({"client_id": "calm", "correlation_id": version.to_string()});
    let message = serde_json::json!({"type": "document.change", "payload": payload, "metadata": metadata});
    socket.writer.send_text(&mut message.to_string().into_bytes()).map_err(|error| error.to_string())?;
    loop {
        let frame = connect::message(&mut socket.reader).await.map_err(|error| error.to_string())?;
        match scanner.kind(&frame.payload) {
            Kind::Ack => return scanner.version(&frame.payload).ok_or_else(|| "an ack without a version".to_owned()),
            Kind::Error => return Err(ServerError::describe(&frame.payload)),
            Kind::Change | Kind::State | Kind::Sync | Kind::Other => {}
        }
    }
}

//! A front on a port of its own, the core behind it, and a client that writes what it likes.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;
use jddb_core::ids::Version;
use jddb_core::protocol::{ErrorCode, InboundError};
use jddb_core::room::JoinRefusal;
use jddb_core::translation::{Glossary, Memory};
use jddb_core::websocket::CloseCode;
use jddb_storage::{DataDirectory, Durability, Snapshotter, Store, StoreOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::auth::{Authority, Grant, Revoked, ScopeSet};
use crate::clock;
use crate::config::{Config, Secret};
use crate::cores::{Adopt, Answered, Ask, Call, CoreMessage, Inbox, LimitsInForce, Reservation, Reserve};
use crate::http::accept::serve_site;
use crate::http::site::Site;
use crate::listen::Listeners;
use crate::logins::{LoginQueue, Logins};
use crate::occupancy::Occupancy;
use crate::request_rates::RequestRates;
use crate::shared::Shared;
use crate::translations::Translations;
use crate::unfinished::Unfinished;
use crate::visits::Visits;

/// Longer than anything here takes, but for what has gone wrong.
const PATIENCE: Duration = Duration::from_secs(20);
/// The state of a document whose name begins with `big_`.
pub(super) const BIG_BYTES: usize = 4 << 20;
const KEY: &str = "a key for tests, of 32 bytes or more";

/// A front with one core.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    pub(super) shared: Arc<Shared>,
    /// What waits to be decided on: nobody does, but for a test.
    pub(super) login_queue: LoginQueue,
    pub(super) drain: watch::Sender<bool>,
    pub(super) serving: JoinHandle<()>,
    pub(super) limits: Rc<LimitsInForce>,
    /// What the core behind it was told; it is there once [`Front::start_core`] was called.
    pub(super) heard: Rc<RefCell<Vec<CoreMessage>>>,
    _data: TempDir,
}

/// Runs a test on a core's kind of runtime, with settings changed by `set`.
pub(super) fn run(set: impl FnOnce(&mut Config), test: impl AsyncFnOnce(Front)) {
    run_with_answers_within(PATIENCE, set, test);
}

/// The same, with a front that waits for its cores no longer than that.
pub(super) fn run_with_answers_within(
    answer_timeout: Duration,
    set: impl FnOnce(&mut Config),
    test: impl AsyncFnOnce(Front),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(async {
        let front = Front::start(answer_timeout, set);
        timeout(PATIENCE, test(front)).await.expect("the test hangs");
    });
}

impl Front {
    fn start(answer_timeout: Duration, set: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (shared, login_queue) = shared(&data, set);
        let shared = Arc::new(shared);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (drain, drained) = watch::channel(false);
        let limits = Rc::new(LimitsInForce::new(shared.config.limits.clone()));
        let site = Site { answer_timeout, ..Site::new(Arc::clone(&shared), 0, drained, Rc::clone(&limits)) };
        let listeners = Listeners { sockets: vec![listener], outlive_server: false };
        let serving = spawn_local(serve_site(listeners, site));
        Self { address, shared, login_queue, drain, serving, limits, heard: Rc::default(), _data: data }
    }

    /// Starts a core that answers by the name of the document; see [`answer`].
    pub(super) fn start_core(&self) {
        let (shared, heard) = (Arc::clone(&self.shared), Rc::clone(&self.heard));
        spawn_local(async move {
            loop {
                let message = shared.inboxes[0].receive().await;
                heard.borrow_mut().extend(answer(message));
            }
        });
    }

    /// Leaves no room in the core's inbox.
    pub(super) fn fill_inbox(&self) {
        while self.shared.inboxes[0].send(CoreMessage::ShutDown).is_ok() {}
    }

    pub(super) fn token(&self, scopes: &str, documents: &[&str]) -> String {
        self.token_issued_at(scopes, documents, clock::now_unix_seconds())
    }

    pub(super) fn token_issued_at(&self, scopes: &str, documents: &[&str], now: u64) -> String {
        let grant = Grant {
            user_id: "user_1".to_owned(),
            scopes: ScopeSet::from_names(scopes.split(' ')),
            documents: documents.iter().map(|&pattern| pattern.to_owned()).collect(),
            display_name: Some("Jane Smith".to_owned()),
            limits: None,
            expires_in_seconds: 60,
        };
        self.shared.authority.load().issue(&grant, now).unwrap().expose().to_owned()
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and reads until the server closes.
    pub(super) async fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut stream = self.connect().await;
        // However much a server has heard, it never answers with a reset.
        stream.write_all(request.as_ref()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Reply::parse(&bytes).unwrap_or_else(|| panic!("no answer to {:?}", String::from_utf8_lossy(request.as_ref())))
    }

    /// Sends bytes, and reads one answer with a body.
    pub(super) async fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        let mut bytes = Vec::new();
        loop {
            stream.read_buf(&mut bytes).await.unwrap();
            let Some(reply) = Reply::parse(&bytes) else { continue };
            if reply.header("content-length") == Some(&*reply.body.len().to_string()) {
                return reply;
            }
        }
    }

    /// A request with a host, which closes the connection; `headers` are whole lines.
    pub(super) async fn request(&self, line: &str, headers: &str, body: &str) -> Reply {
        let request = format!("{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n{body}");
        self.send(request).await
    }

    /// Waits until the core was told something that `wanted` accepts.
    pub(super) async fn hears(&self, wanted: impl Fn(&CoreMessage) -> bool) {
        while !self.heard.borrow().iter().any(&wanted) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The socket that the core was given.
    pub(super) async fn adopted(&self) -> Adopt {
        self.hears(|message| matches!(message, CoreMessage::Adopt(_))).await;
        let mut heard = self.heard.borrow_mut();
        let index = heard.iter().position(|message| matches!(message, CoreMessage::Adopt(_))).unwrap();
        match heard.remove(index) {
            CoreMessage::Adopt(adopt) => *adopt,
            other => panic!("{other:?}"),
        }
    }

    /// The reservation that was asked for.
    pub(super) fn reserve<T>(&self, read: impl FnOnce(&Reserve) -> T) -> T {
        let heard = self.heard.borrow();
        let reserve = heard.iter().find_map(|message| match message {
            CoreMessage::Reserve(reserve) => Some(reserve),
            _ => None,
        });
        read(reserve.unwrap())
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.occupancy.connections()
    }

    /// Waits until so many bytes are held of bodies that have not come as a whole.
    pub(super) async fn holds(&self, bytes: usize) {
        while self.shared.unfinished.bytes() != bytes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until no connection is counted.
    pub(super) async fn counts_none(&self) {
        while self.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub(crate) fn shared(data: &TempDir, set: impl FnOnce(&mut Config)) -> (Shared, LoginQueue) {
    let mut config = Config { data: data.path().to_owned(), ..Config::default() };
    config.auth.key = Some(Secret::parse(KEY).unwrap());
    set(&mut config);
    let directory = DataDirectory::lock(data.path()).unwrap();
    let store = Store::open(&directory, StoreOptions::default(), Durability::Strict).unwrap();
    let snapshotter = Snapshotter::start(Arc::clone(&store), Box::new(|_, _| None), 1).unwrap();
    let (logins, login_queue) = Logins::new(1, Revoked::default());
    let shared = Shared {
        authority: ArcSwap::from_pointee(Authority::open(&config).unwrap()),
        logins,
        translations: Translations::new(Memory::new(1), Glossary::new(1), 1).0,
        request_rates: Arc::new(RequestRates::new(&config.limits)),
        tls: None,
        config,
        store,
        snapshots: snapshotter.requests(),
        inboxes: vec![Inbox::default()],
        occupancy: Arc::new(Occupancy::default()),
        visits: Visits::default(),
        metrics: vec![CachePadded::default()],
        unfinished: Unfinished::default(),
        echoes: false,
        leaving: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        fronts: AtomicUsize::new(1),
    };
    (shared, login_queue)
}

/// The core's answers: `big_…` is big, `full_…` is full, `gone_…` is let go of, `silent_…` is never answered, `missing_…` is not there, and
/// all others are. What is not answered, and what needs no answer, comes back.
fn answer(message: CoreMessage) -> Option<CoreMessage> {
    let says = |id: &str, prefix: &str| id.starts_with(prefix);
    match message {
        CoreMessage::Reserve(mut reserve) => {
            let id = reserve.document_id.as_str().to_owned();
            if says(&id, "gone_") {
                return None;
            }
            if !says(&id, "silent_") {
                let (unused, _) = tokio::sync::oneshot::channel();
                let reply = std::mem::replace(&mut reserve.reply, unused);
                let place = Reservation { core: 0, number: 7 };
                reply.send(if says(&id, "full_") { Err(document_full()) } else { Ok(place) }).unwrap();
            }
            Some(CoreMessage::Reserve(reserve))
        }
        CoreMessage::Call(call) => {
            answer_call(*call);
            None
        }
        other => Some(other),
    }
}

pub(super) fn answer_call(call: Call) {
    let id = call.document_id.as_str();
    let says = |prefix: &str| id.starts_with(prefix);
    let missing = || InboundError {
        code: ErrorCode::DocumentNotFound,
        ..InboundError::invalid(String::new(), "a document that exists")
    };
    let told = match call.ask {
        _ if says("gone_") => return,
        _ if says("missing_") => Err(missing()),
        Ask::State(_) | Ask::Changes(..) if says("big_") => Ok("x".repeat(BIG_BYTES)),
        Ask::State(read) => Ok(format!("{id} {} {}", read.encoding.name(), read.with_metadata)),
        Ask::Presence(encoding) => Ok(format!("who is in {id} {}", encoding.name())),
        Ask::Session(post) => Ok(format!("{} plans a session at {}", post.creator.user_id, post.websocket_url)),
        Ask::EndSession(end) => Ok(format!("{} ends {}", end.user_id, end.session_id)),
        Ask::Visit(put) => Ok(format!("{} is in {id}", put.user.user_id)),
        Ask::Changes(asker, body) => Ok(format!(
            "{id} by {}{} {} key {:?} body {}",
            asker.user_id,
            if asker.is_admin { " (admin)" } else { "" },
            asker.encoding.name(),
            asker.idempotency_key,
            String::from_utf8_lossy(&body),
        )),
        other => Ok(format!("{id} {other:?}")),
    };
    // Nobody waits where the client has gone.
    let answered = |told: String| Answered {
        body: Value::from(told).to_string().into(),
        version: Some(Version(42)),
        created: false,
    };
    let _ = call.reply.send(told.map(answered));
}

fn document_full() -> JoinRefusal {
    JoinRefusal {
        code: ErrorCode::RateLimitExceeded,
        message: "50 people are editing".to_owned(),
        field: None,
        expected: None,
        limit_type: Some("document_editors"),
        close: CloseCode::private_use(4000),
        retry_after: Some(60),
    }
}

/// An HTTP answer, and all that came behind it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Lower-case names.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.get(9..12)?.parse().unwrap();
        Some(Self { status, head, body: bytes[end + 4..].to_vec() })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body, put together if it came in chunks.
    pub(super) fn content(&self) -> Vec<u8> {
        if self.header("transfer-encoding").is_none() || self.body.is_empty() {
            return self.body.clone();
        }
        let (mut rest, mut content) = (&*self.body, Vec::new());
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
            let length = usize::from_str_radix(str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            let chunk = &rest[end + 2..];
            content.extend(&chunk[..length]);
            rest = &chunk[length + 2..];
            if length == 0 {
                return content;
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Checks that it is the reference's error body, whole, and names its request; returns its code.
    #[track_caller]
    pub(super) fn error_code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let length = self.body.len().to_string();
        assert_eq!(self.header("content-length"), Some(&*length), "{self:?}");
        let body = self.json();
        let error = &body["error"];
        assert_eq!(error["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        assert!(error["timestamp"].as_str().unwrap().ends_with('Z'), "{self:?}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{self:?}");
        error["code"].as_str().unwrap().to_owned()
    }
}

//! Whoever runs the server: renews certificates, changes keys and settings, makes mistakes, and looks what came of it.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::files::{Files, Mistake, READ};
use crate::clock::{self, Nanos};
use crate::connect::{self, ConnectionError, Request, State};
use crate::failure::Failure;
use crate::histogram::Latencies;
use crate::http;
use crate::scan::Scanner;
use crate::server::{ServerProcess, StartOptions};
use crate::target::{Endpoint, TargetArgs};
use crate::token::{LimitsClaim, Signer};

/// The longest wait for the server's word that it has read its files.
const READ_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);
/// The first value of the setting that is changed.
const SECTIONS_MIN: u32 = 65;
/// A document that nobody writes.
const LOOKED_AT: &str = "reload_looked_at";
const POLICY_CLOSE: u16 = 1008;

/// The operator, with the server.
pub(super) struct Operator {
    server: ServerProcess,
    files: Files,
    runtime: Runtime,
    scanner: Scanner,
    /// What has to be in force.
    force: Force,
    /// How many keys there have been.
    keys: u32,
    done: Done,
}

/// What new connections have to meet.
struct Force {
    certificate: CertificateDer<'static>,
    sections: u32,
    /// The keys by which tokens are good, the newest last.
    good: Vec<Signer>,
    /// The key that was taken away last.
    removed: Option<Signer>,
}

/// What was done, and what was not as it should be.
pub(super) struct Done {
    /// How long it took from a signal to the server's word that it has read its files.
    pub(super) read: Latencies,
    /// Signals after which nothing changed, since there was a mistake.
    pub(super) mistakes: u64,
    /// Certificates that new connections were seen to get, each with a key of tokens and a setting.
    pub(super) renewals: u64,
    /// Keys whose tokens were seen to be refused.
    pub(super) keys_removed: u64,
    /// Connections and requests that were looked at.
    pub(super) looked_at: u64,
    pub(super) complaints: Vec<String>,
}

fn new_key(number: u32) -> Result<Signer, Failure> {
    let pair = rcgen::KeyPair::generate().map_err(|error| Failure::run("a key for tokens", error))?;
    Signer::es256(&format!("key_{number}"), &pair.serialize_pem())
}

impl Operator {
    /// Starts the server with files that can be changed.
    pub(super) fn start(args: &TargetArgs) -> Result<Self, Failure> {
        let Some(binary) = &args.server_bin else {
            let advice = "reload starts a server of its own, whose files it changes: give --server-bin";
            return Err(Failure::Usage(advice.into()));
        };
        let (files, key) = (Files::new()?, new_key(0)?);
        files.list_keys([&key])?;
        let certificate = files.certify()?;
        files.configure(SECTIONS_MIN)?;
        let configured = ["--config".to_owned(), files.configuration().to_string_lossy().into_owned()];
        let server = ServerProcess::start(&StartOptions {
            binary,
            template: &args.server_args,
            extra: &[&configured[..], &args.extra].concat(),
            settings: &[],
            cores: args.cores,
            pin_core: args.server_pin_core,
            data: args.data.as_deref(),
            encryption: Some(&files.encryption()?),
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (renewals, read) = (0, Latencies::new()?);
        Ok(Self {
            server,
            files,
            runtime: runtime.map_err(|error| Failure::run("starting the operator", error))?,
            scanner: Scanner::new(),
            force: Force { certificate, sections: SECTIONS_MIN, good: vec![key], removed: None },
            keys: 1,
            done: Done { read, mistakes: 0, renewals, keys_removed: 0, looked_at: 0, complaints: Vec::new() },
        })
    }

    /// The server.
    pub(super) fn server(&self) -> &ServerProcess {
        &self.server
    }

    /// A token that is good now.
    pub(super) fn token(&self, user: &str) -> Result<String, Failure> {
        let newest = self.force.good.last().ok_or_else(|| Failure::Run("no key is in force".into()))?;
        newest.user(user, Some(LimitsClaim::RAISED))
    }

    /// Changes everything again and again until then, in rounds that begin at least so long apart.
    pub(super) fn work(&mut self, until: Nanos, every: Duration) -> Result<(), Failure> {
        for mistake in Mistake::ALL.into_iter().cycle() {
            let began = clock::now();
            self.renew()?;
            self.remove_key()?;
            self.err(mistake)?;
            let next = began.plus(every);
            if next.max(clock::now()) >= until {
                break;
            }
            eprintln!("{} renewals, {} mistakes", self.done.renewals, self.done.mistakes);
            std::thread::sleep(next.left(clock::now()));
        }
        Ok(())
    }

    /// Another certificate, another setting, and a further key, with one signal.
    fn renew(&mut self) -> Result<(), Failure> {
        self.force.good.push(new_key(self.keys)?);
        self.keys += 1;
        self.files.list_keys(&self.force.good)?;
        self.force.certificate = self.files.certify()?;
        self.force.sections += 1;
        self.files.configure(self.force.sections)?;
        self.reload(&[READ])?;
        self.look("after a renewal")?;
        self.done.renewals += 1;
        Ok(())
    }

    /// The key before the newest is taken away.
    fn remove_key(&mut self) -> Result<(), Failure> {
        self.force.removed = Some(self.force.good.remove(0));
        self.files.list_keys(&self.force.good)?;
        self.reload(&[READ])?;
        self.look("after a key was taken away")?;
        self.done.keys_removed += 1;
        Ok(())
    }

    /// A mistake, which must change nothing; then it is mended.
    fn err(&mut self, mistake: Mistake) -> Result<(), Failure> {
        let spoilt = self.files.spoil(mistake)?;
        self.reload(mistake.told())?;
        self.look(&format!("after a mistake ({mistake:?})"))?;
        self.done.mistakes += 1;
        spoilt.mend()
    }

    /// Has the server read its files, and waits until it has said all of this.
    fn reload(&mut self, told: &[&str]) -> Result<(), Failure> {
        let before = self.server.log().len();
        let began = clock::now();
        self.server.hang_up()?;
        loop {
            let log = self.server.log();
            let said = log.get(before..).unwrap_or_default();
            if told.iter().all(|told| said.contains(told)) {
                self.done.read.record(clock::now().since(began));
                return Ok(());
            }
            if clock::now() > began.plus(READ_WITHIN) {
                return Err(Failure::run(
                    "SIGHUP",
                    format!("the server did not say {told:?} within 10 s, but:\n{said}"),
                ));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Looks whether new connections meet what has to be in force.
    fn look(&mut self, when: &str) -> Result<(), Failure> {
        let token = |key: &Signer| key.user("looker", Some(LimitsClaim::RAISED));
        let good: Vec<String> = self.force.good.iter().map(token).collect::<Result<_, _>>()?;
        let removed = self.force.removed.as_ref().map(token).transpose()?;
        let (endpoint, scanner, force) = (self.server.endpoint(), &self.scanner, &self.force);
        let mut found = Vec::new();
        LocalSet::new().block_on(&self.runtime, async {
            for token in &good {
                found.push(requests(endpoint, token, force, 200).await);
                found.push(joins(endpoint, scanner, token, force.sections).await);
            }
            if let Some(token) = &removed {
                found.push(requests(endpoint, token, force, 401).await);
                found.push(is_kept_out(endpoint, scanner, token).await);
            }
        });
        self.done.looked_at += found.len() as u64;
        let complaints = found.into_iter().filter_map(Result::err).map(|error| format!("{when}: {error}"));
        self.done.complaints.extend(complaints);
        Ok(())
    }

    /// The document as the server tells it over HTTP.
    pub(super) fn state(&self, document: &str) -> Result<State, Failure> {
        let path = format!("/api/documents/{document}/state");
        let token = self.token("looker")?;
        let body = self.runtime.block_on(http::get(self.server.endpoint(), &path, Some(&token)))?;
        serde_json::from_slice(&body).map_err(|error| Failure::run(format!("GET {path}"), error))
    }

    /// Stops the server; what was done.
    pub(super) fn stop(self) -> Done {
        let mut done = self.done;
        if let Err(failure) = self.server.stop() {
            done.complaints.push(failure.to_string());
        }
        done
    }
}

/// Whether a request gets the certificate in force, and this status.
async fn requests(endpoint: &Endpoint, token: &str, force: &Force, status: u16) -> Result<(), String> {
    let answer = http::ask(endpoint, "/api/documents?limit=1", Some(token)).await;
    let answer = answer.map_err(|error| format!("a request: {error}"))?;
    if answer.certificate.as_ref() != Some(&force.certificate) {
        return Err("a new connection got another certificate than the one in force".to_owned());
    }
    if answer.head.status() != status {
        return Err(format!("a request was answered with {:?}, expected {status}", answer.head.status_line()));
    }
    Ok(())
}

/// Whether a WebSocket is let in, and told the setting in force.
async fn joins(endpoint: &Endpoint, scanner: &Scanner, token: &str, sections: u32) -> Result<(), String> {
    let joined = connect::join(Request::new(endpoint, LOOKED_AT, token), scanner).await;
    let state = joined.map_err(|error| format!("a new connection was not let in: {error}"))?.state;
    let told = &state.limits["sections"];
    if *told == sections { Ok(()) } else { Err(format!("limits.sections is {told}, expected {sections}")) }
}

/// Whether a WebSocket is refused for its token.
async fn is_kept_out(endpoint: &Endpoint, scanner: &Scanner, token: &str) -> Result<(), String> {
    match connect::join(Request::new(endpoint, LOOKED_AT, token), scanner).await {
        Err(ConnectionError::Closed { code: POLICY_CLOSE, .. }) => Ok(()),
        Err(error) => Err(format!("a token of a removed key: {error}, expected a close with {POLICY_CLOSE}")),
        Ok(_) => Err("a token of a removed key was let in".to_owned()),
    }
}

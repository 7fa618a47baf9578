//! The server under test: one that runs already, or one started here, and how to be admitted by it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::process::Pid;

use crate::authority::CertificateFiles;
use crate::failure::Failure;
use crate::server::{ServerProcess, StartOptions};
use crate::tls::Encryption;
use crate::token::Tokens;

/// The server under test.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server under test")]
pub(crate) struct TargetArgs {
    /// A server that is running already (plain ws:// only)
    #[arg(long, default_value = "ws://127.0.0.1:8000", value_name = "URL")]
    pub(crate) url: String,
    /// Start this server binary instead, on a free port, and stop it at the end
    #[arg(long, value_name = "PATH")]
    pub(crate) server_bin: Option<PathBuf>,
    /// Cores the started server uses ({cores} in --server-args)
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) cores: usize,
    /// Arguments of the started server; {data}, {listen} and {cores} are filled in
    #[arg(long, default_value = "serve --data {data} --listen {listen} --cores {cores}", value_name = "TEMPLATE")]
    pub(crate) server_args: String,
    /// Confine the started server, all of its threads, to this core
    #[arg(long, value_name = "CORE")]
    pub(crate) server_pin_core: Option<usize>,
    /// Process of the running server, for its processor time and memory
    #[arg(long, value_name = "PID", conflicts_with = "server_bin")]
    pub(crate) server_pid: Option<i32>,
    /// The server's data directory: its signing.key makes the users' tokens, its disk is measured. With --server-bin:
    /// where the started server keeps its data, instead of a temporary directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// One token for all connections, if there is no --data. They are one user to the server: its token must carry
    /// `limits` that allow so many connections
    #[arg(long, value_name = "JWT", conflicts_with_all = ["data", "server_bin"])]
    pub(crate) token: Option<String>,
    /// Further arguments for the started server, after `--`
    #[arg(last = true, value_name = "SERVER ARGUMENTS")]
    pub(crate) extra: Vec<String>,
}

/// Where to connect.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// The address of the listener.
    pub(crate) address: SocketAddr,
    /// What goes into the `Host` header.
    pub(crate) host: String,
    /// What connections are encrypted with, if they are.
    pub(crate) encryption: Option<Encryption>,
}

impl Endpoint {
    /// From `ws://host:port`.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        let expected = "expected ws://HOST:PORT; TLS is not measured here: use the server's plain listener";
        let usage = || Failure::Usage(format!("--url {url}: {expected}"));
        let host = url.strip_prefix("ws://").ok_or_else(usage)?;
        let host = host.trim_end_matches('/');
        if host.is_empty() || host.contains('/') {
            return Err(usage());
        }
        let with_port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let addresses =
            with_port.to_socket_addrs().map_err(|error| Failure::Usage(format!("--url {url}: {error}; {expected}")))?;
        let address = addresses.min_by_key(SocketAddr::is_ipv6).ok_or_else(usage)?;
        Ok(Self { address, host: host.to_owned(), encryption: None })
    }
}

/// A server that can be connected to. Dropping it stops the server if it was started here.
pub(crate) struct Target {
    /// Where to connect.
    pub(crate) endpoint: Endpoint,
    /// How to be admitted.
    pub(crate) tokens: Tokens,
    /// Its process, if known: processor time and memory are read from it.
    pub(crate) pid: Option<Pid>,
    /// Its data directory, if known: that disk is measured.
    pub(crate) data: Option<PathBuf>,
    started: Option<ServerProcess>,
}

impl Target {
    /// Finds the server the arguments name, starting it where they say so.
    pub(crate) fn open(args: &TargetArgs) -> Result<Self, Failure> {
        Self::open_with(args, &[])
    }

    /// The same, with encrypted connections.
    pub(crate) fn open_encrypted(args: &TargetArgs) -> Result<Self, Failure> {
        let Some(binary) = &args.server_bin else {
            let text = "--tls needs --server-bin PATH: the server is started with a certificate that is made for it";
            return Err(Failure::Usage(text.to_owned()));
        };
        let files = CertificateFiles::new()?;
        let (certificate, key) = (files.certificate(), files.key());
        let settings = [("JDDB_TLS__CERTIFICATE", &certificate), ("JDDB_TLS__KEY", &key)];
        let settings = settings.map(|(name, path)| (name, path.to_str().unwrap_or_default()));
        // It has read them when it is ready.
        Self::start(binary, args, &settings, Some(&files.encryption))
    }

    /// The same; one that is started has these settings.
    pub(crate) fn open_with(args: &TargetArgs, settings: &[(&str, &str)]) -> Result<Self, Failure> {
        match &args.server_bin {
            Some(binary) => Self::start(binary, args, settings, None),
            None => Self::running(args),
        }
    }

    fn start(
        binary: &Path,
        args: &TargetArgs,
        settings: &[(&str, &str)],
        encryption: Option<&Encryption>,
    ) -> Result<Self, Failure> {
        let server = ServerProcess::start(&StartOptions {
            binary,
            template: &args.server_args,
            extra: &args.extra,
            settings,
            cores: args.cores,
            pin_core: args.server_pin_core,
            data: args.data.as_deref(),
            encryption,
        })?;
        Ok(Self {
            endpoint: server.endpoint().clone(),
            tokens: Tokens::from_data_dir(server.data())?,
            pid: Some(server.pid()),
            data: Some(server.data().to_owned()),
            started: Some(server),
        })
    }

    fn running(args: &TargetArgs) -> Result<Self, Failure> {
        let tokens = match (&args.data, &args.token) {
            (Some(data), _) => Tokens::from_data_dir(data)?,
            (None, Some(token)) => Tokens::Given(token.clone()),
            (None, None) => return Err(Failure::Usage(
                "no way to be admitted: give --data DIR (the running server's data directory, whose signing.key makes \
                 the tokens), --token JWT, or --server-bin PATH to start a server here"
                    .into(),
            )),
        };
        Ok(Self {
            endpoint: Endpoint::parse(&args.url)?,
            tokens,
            pid: args.server_pid.map(parse_pid).transpose()?,
            data: args.data.clone(),
            started: None,
        })
    }

    /// Stops the server if it was started here. One that does not end as it should is a complaint, not the loss of the
    /// figures.
    pub(crate) fn close(self, complaints: &mut Vec<String>) {
        if let Some(Err(failure)) = self.started.map(ServerProcess::stop) {
            complaints.push(failure.to_string());
        }
    }
}

fn parse_pid(pid: i32) -> Result<Pid, Failure> {
    let pid = if pid > 0 { Pid::from_raw(pid) } else { None };
    pid.ok_or_else(|| Failure::Usage("--server-pid: expected a process id above 0".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<&str>) {
        let endpoint = Endpoint::parse(url);
        let address = endpoint.map(|endpoint| endpoint.address.to_string());
        assert_eq!(address.ok().as_deref(), expected, "{url}");
    }

    #[test]
    fn urls() {
        check("ws://127.0.0.1:8000", Some("127.0.0.1:8000"));
        check("ws://127.0.0.1:8000/", Some("127.0.0.1:8000"));
        check("ws://127.0.0.1", Some("127.0.0.1:80"));
        check("ws://[::1]:9", Some("[::1]:9"));
        check("ws://[::1]", Some("[::1]:80"));
        check("wss://127.0.0.1:8000", None);
        check("http://127.0.0.1:8000", None);
        check("ws://", None);
        check("ws://127.0.0.1:8000/ws", None);
        check("ws://127.0.0.1:notaport", None);
    }

    #[test]
    fn a_wrong_url_says_what_to_use() {
        let error = Endpoint::parse("wss://host").unwrap_err();
        assert!(error.to_string().contains("plain listener"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn process_ids_are_positive() {
        assert!(parse_pid(1).is_ok());
        assert!(parse_pid(0).is_err());
        assert!(parse_pid(-1).is_err());
    }
}

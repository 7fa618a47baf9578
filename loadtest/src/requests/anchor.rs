//! A bare hyper server that answers with as many bytes as the server under test, and does nothing for them: what can be had.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustix::process::Pid;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::spawn_local;

use crate::failure::Failure;
use crate::server::OwnChild;
use crate::stage;
use crate::target::Endpoint;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Options of `anchor`.
#[derive(Debug, Args)]
pub(crate) struct AnchorArgs {
    /// Threads, each with a listener of its own
    #[arg(long, default_value_t = 1, value_name = "N")]
    cores: usize,
    /// Bytes of the answer to GET
    #[arg(long, value_name = "BYTES")]
    get_bytes: usize,
    /// Bytes of the answer to POST
    #[arg(long, value_name = "BYTES")]
    post_bytes: usize,
}

/// One in a process of its own, which ends with this one.
pub(super) struct Anchor {
    child: OwnChild,
    pub(super) endpoint: Endpoint,
}

impl Anchor {
    /// Starts it, confined to `core` if that is said.
    pub(super) fn start(cores: usize, sizes: [usize; 2], core: Option<usize>) -> Result<Self, Failure> {
        let fail = |error: io::Error| Failure::run("starting the bare server", error);
        let mut command = Command::new(std::env::current_exe().map_err(fail)?);
        command.arg("anchor").args(["--cores", &cores.to_string()]);
        command.args(["--get-bytes", &sizes[0].to_string(), "--post-bytes", &sizes[1].to_string()]);
        let (child, address) = OwnChild::start(command.stdin(Stdio::piped()), core).map_err(fail)?;
        Ok(Self { child, endpoint: Endpoint::parse(&format!("ws://{address}"))? })
    }

    /// Its process.
    pub(super) fn pid(&self) -> Pid {
        self.child.pid()
    }
}

/// Serves until the standard input ends.
pub(crate) fn serve(args: &AnchorArgs) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::run("the bare server", error);
    let (get, post) = (filled(args.get_bytes), filled(args.post_bytes));
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    for _ in 0..args.cores.max(1) {
        // One after the other: the first chooses the port.
        let (tell, told) = std::sync::mpsc::channel();
        let (get, post) = (get.clone(), post.clone());
        std::thread::spawn(move || {
            stage::on_this_thread(async {
                let listener = listen(address).map_err(fail)?;
                // Nobody listens any more if this process is about to end.
                let _ = tell.send(listener.local_addr().map_err(fail)?);
                accept(listener, get, post).await.map_err(fail)
            })
        });
        address = told.recv().map_err(|error| Failure::run("the bare server does not listen", error))?;
    }
    println!("{address}");
    io::stdout().flush().map_err(fail)?;
    io::stdin().read_to_end(&mut Vec::new()).map_err(fail)?;
    Ok(())
}

fn filled(bytes: usize) -> Bytes {
    Bytes::from(vec![b' '; bytes])
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, get: Bytes, post: Bytes) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (get, post) = (get.clone(), post.clone());
        let service = service_fn(move |request| answer(request, get.clone(), post.clone()));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // Whoever goes away in the middle of an answer is of no interest here.
        spawn_local(async { drop(connection.await) });
    }
}

async fn answer(request: Request<Incoming>, get: Bytes, post: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_post = request.method() == Method::POST;
    // All of it is read before it is answered, as a server has to.
    drop(request.into_body().collect().await);
    let mut response = Response::new(Full::new(if is_post { post } else { get }));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

//! What a session of TLS says that the system has taken, with a client that reads nothing for a while.

use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::*;

/// What the system is to hold for a connection, so that it is soon full. Linux takes twice as much, or more.
const SYSTEM_BYTES: u32 = 4_096;

/// A client, and what writes to it.
async fn pair(version: &'static SupportedProtocolVersion) -> (client::TlsStream<TcpStream>, Writer) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let trusting = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[version]);
    let trusting = trusting.unwrap().with_root_certificates(roots).with_no_client_auth();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let serving = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
    let serving = serving.unwrap().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SYSTEM_BYTES).unwrap();
    let connecting = async {
        let stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(trusting)).connect(name, stream).await.unwrap()
    };
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        SockRef::from(&stream).set_send_buffer_size(SYSTEM_BYTES as usize).unwrap();
        let wire = Wire::bounded(stream, usize::MAX);
        let bound = |session: &mut tokio_rustls::rustls::ServerConnection| {
            session.set_buffer_limit(Some(ENCRYPTED_BYTES_MAX));
        };
        TlsAcceptor::from(Arc::new(serving)).accept_with(wire, bound).await.unwrap()
    };
    let (client, server) = tokio::join!(connecting, accepting);
    (client, Transport::Tls(Box::new(server)).split().1)
}

/// Whether something is encrypted that the system has not taken.
fn holds_something(writer: &Writer) -> bool {
    match writer {
        Writer::Plain(_) => false,
        Writer::Tls(session) => session.stream.borrow().get_ref().1.wants_write(),
    }
}

/// Offers `bytes`, `frame_bytes` at a time, to a client that reads nothing until it has to; all of it arrives, and whoever is
/// told that all it offered was taken need not come back.
async fn check(version: &'static SupportedProtocolVersion, frame_bytes: usize) {
    const BYTES: usize = 256 << 10;
    let offered: Vec<u8> = (0..BYTES).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let (mut client, writer) = pair(version).await;
    let mut taken = 0;
    let write = |taken: &mut usize| {
        let frame = &offered[*taken..BYTES.min(*taken + frame_bytes)];
        // In two slices, as frames of one turn are.
        let (one, other) = frame.split_at(frame.len() / 3);
        let count = writer.try_write_vectored(&[IoSlice::new(one), IoSlice::new(other)])?;
        *taken += count;
        let owes = holds_something(&writer);
        assert!(count < frame.len() || !owes, "{frame_bytes}: all is taken, and nobody would write the rest");
        assert!(count <= frame.len(), "{frame_bytes}: {count} of {}", frame.len());
        Ok::<_, io::Error>(())
    };
    let error = loop {
        if let Err(error) = write(&mut taken) {
            break error;
        }
        assert!(taken < BYTES, "the system takes everything");
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let reading = tokio::spawn(async move {
        let mut read = vec![0; BYTES];
        client.read_exact(&mut read).await.unwrap();
        read
    });
    while taken < BYTES {
        writer.writable().await.unwrap();
        while taken < BYTES && write(&mut taken).is_ok() {}
    }
    assert!(!holds_something(&writer), "{frame_bytes}: what counts as taken is");
    assert!(reading.await.unwrap() == offered, "{frame_bytes}: other bytes arrive");
}

#[tokio::test]
async fn what_the_system_has_not_taken_counts_as_not_taken() {
    for version in [&TLS12, &TLS13] {
        for frame_bytes in [10, 100, 1_000, 5_000, ENCRYPTED_BYTES_MAX, 100_000] {
            check(version, frame_bytes).await;
        }
    }
}

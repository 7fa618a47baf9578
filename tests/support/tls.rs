//! Certificates, clients of TLS, and tunnels through which clients that know nothing of it reach a server that does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

/// Who signs certificates, and whom clients trust.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate in its file, and its key.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    /// Writes its certificate where programs find it.
    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, self.issuer.pem()).expect("a file");
    }

    /// Writes a certificate and a key for this machine, in place of those that are there.
    pub(crate) fn issue(&self, pair: &Pair) {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::write(&pair.certificate, certificate.pem() + &self.issuer.pem()).expect("a file");
        fs::write(&pair.key, key.serialize_pem()).expect("a file");
        fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o600)).expect("its permissions");
    }

    /// What connects to servers with its certificates, by any version of TLS that they take.
    pub(crate) fn connector(&self) -> TlsConnector {
        self.connector_of(&[&version::TLS13, &version::TLS12], &[])
    }

    /// The same, by these versions, and for one of these protocols.
    pub(crate) fn connector_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

impl Pair {
    /// Where a certificate and a key of that name would be.
    pub(crate) fn at(directory: &Path, name: &str) -> Self {
        Self { certificate: directory.join(format!("{name}.pem")), key: directory.join(format!("{name}-key.pem")) }
    }
}

/// Connects to a server on this machine.
///
/// # Errors
/// It cannot be reached, or the handshake fails.
pub(crate) async fn connect(connector: &TlsConnector, port: u16) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

/// A port behind which is a server's, with TLS in between. It is gone when dropped.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) port: u16,
    accepting: JoinHandle<()>,
}

impl Tunnel {
    pub(crate) async fn to(server: u16, connector: TlsConnector) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, server, connector.clone()));
            }
        });
        Self { port, accepting }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut near: TcpStream, server: u16, connector: TlsConnector) {
    let _ = near.set_nodelay(true);
    if let Ok(mut far) = connect(&connector, server).await {
        // However it ends, the test's client sees an end.
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}

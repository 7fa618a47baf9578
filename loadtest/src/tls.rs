//! Encryption, as a client has it that trusts one authority.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// The server's name, in its certificates.
pub(crate) const SERVER_NAME: &str = "localhost";

/// What connections are encrypted with. None resumes another, so each is shown the certificate in force.
#[derive(Debug, Clone)]
pub(crate) struct Encryption(Arc<ClientConfig>);

impl Encryption {
    /// Of a client that trusts the authority with this certificate.
    pub(crate) fn trusting(authority: CertificateDer<'static>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    /// Makes an encrypted connection of a bare one.
    pub(crate) async fn connect(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, tcp).await
    }
}

/// The certificate that the server showed.
pub(crate) fn certificate(stream: &TlsStream<TcpStream>) -> Option<&CertificateDer<'static>> {
    stream.get_ref().1.peer_certificates()?.first()
}

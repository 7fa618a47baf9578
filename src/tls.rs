//! TLS: the server's certificate and what else is agreed on, and how it is read again.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig};

use crate::config;

/// Far above any chain of certificates, so that a wrong path does not read a whole database.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What label an encrypted key's PEM has, which we could not read without a password.
const ENCRYPTED_LABEL: &[u8] = b"ENCRYPTED";

/// What is spoken over TLS, in the order of preference.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// HTTP/2 (RFC 9113, section 3.1).
pub(crate) const HTTP2: &[u8] = b"h2";

/// Why connections cannot be encrypted as the settings say. Each names its setting; none shows anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: cannot read {}: {error}; check the path, and that the server's user may read it", path.display())]
    File {
        /// Whose file it is.
        setting: &'static str,
        /// Its path.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is no PEM, or holds nothing of what is looked for.
    #[error("{setting}: {} holds no {wanted}: {reason}", path.display())]
    Content {
        /// Whose file it is.
        setting: &'static str,
        /// Its path.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The key is another certificate's.
    #[error(
        "tls.key: the key in {} does not fit the certificate in {}: expected the key of its first certificate, which has \
         to be the server's own; put the two that were issued together", key.display(), certificate.display()
    )]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The system gives no random bytes, or the like.
    #[error("cannot set up TLS: {0}")]
    Setup(rustls::Error),
}

/// What connections are encrypted with.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate in force. It is looked at once a connection, in its handshake.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads certificate and key, if there are any.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn open(config: &config::Tls) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else { return Ok(None) };
        let files = Files { certificate: certificate.clone(), key: key.clone() };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = Arc::new(Current(ArcSwap::from_pointee(files.read(&provider)?)));
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12]);
        let builder = builder.map_err(TlsError::Setup)?.with_no_client_auth();
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // Who comes back resumes by a ticket, which keeps nothing here, and costs no signature.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        Ok(Some(Self { files, current, config: Arc::new(config) }))
    }

    /// Reads the files again; from now on handshakes are made with what is in them.
    ///
    /// # Errors
    /// They cannot be used: what is in force stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = self.files.read(self.config.crypto_provider())?;
        self.current.0.store(Arc::new(read));
        Ok(())
    }

    /// What handshakes are made with.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// Where certificate and key are.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain = read_chain(&self.certificate)?;
        let key = read_key(&self.key)?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { key: self.key.clone(), certificate: self.certificate.clone() }
            }
            rustls::Error::InvalidCertificate(reason) => unusable_certificate(&self.certificate, format!("{reason:?}")),
            other => {
                unusable_key(&self.key, format!("{other}; expected one of RSA, ECDSA (P-256, P-384, P-521) or Ed25519"))
            }
        })
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read_file("tls.certificate", path)?.1;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| unusable_certificate(path, error.to_string()))?;
    if chain.is_empty() {
        let reason = "expected PEM, with -----BEGIN CERTIFICATE----- in it (openssl x509 -inform der makes it of DER)";
        return Err(unusable_certificate(path, reason.to_owned()));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (mode, text) = read_file("tls.key", path)?;
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "other users may read the key file: run chmod 600 on it");
    }
    if text.windows(ENCRYPTED_LABEL.len()).any(|window| window == ENCRYPTED_LABEL) {
        let reason = "it is encrypted with a password; decrypt it with: openssl pkey -in FILE -out NEW_FILE";
        return Err(unusable_key(path, reason.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let reason = "expected PEM, with -----BEGIN PRIVATE KEY----- in it (PKCS#8; or RSA, or EC, PRIVATE KEY)";
        unusable_key(path, reason.to_owned())
    })
}

/// A file's permissions and what is in it.
fn read_file(setting: &'static str, path: &Path) -> Result<(u32, Vec<u8>), TlsError> {
    let failed = |error| TlsError::File { setting, path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB")));
    }
    Ok((mode, bytes))
}

fn unusable_certificate(path: &Path, reason: String) -> TlsError {
    TlsError::Content {
        setting: "tls.certificate",
        path: path.to_owned(),
        wanted: "certificate that can be used",
        reason,
    }
}

fn unusable_key(path: &Path, reason: String) -> TlsError {
    TlsError::Content { setting: "tls.key", path: path.to_owned(), wanted: "private key that can be used", reason }
}

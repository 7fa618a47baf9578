//! An authority of one's own, and the certificates that it signs for a server.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::failure::Failure;
use crate::tls::{Encryption, SERVER_NAME};

/// Who signs the certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

fn failed(error: impl Display) -> Failure {
    Failure::run("a certificate for the server", error)
}

impl Authority {
    /// A new one, which nobody trusts yet.
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "jddb-loadtest");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(failed)?;
        CertifiedIssuer::self_signed(params, key).map(Self).map_err(failed)
    }

    /// What clients encrypt with who trust it.
    pub(crate) fn encryption(&self) -> Result<Encryption, Failure> {
        Encryption::trusting(self.0.der().clone()).map_err(failed)
    }

    /// Issues a certificate with a key of its own.
    pub(crate) fn issue(&self) -> Result<(Certificate, KeyPair), Failure> {
        let mut params = CertificateParams::new([SERVER_NAME.to_owned()]).map_err(failed)?;
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        Ok((params.signed_by(&key, &self.0).map_err(failed)?, key))
    }
}

/// A certificate in files, for a server that is started once, with what its clients encrypt with.
pub(crate) struct CertificateFiles {
    directory: TempDir,
    pub(crate) encryption: Encryption,
}

impl CertificateFiles {
    /// Writes them, in a directory of their own.
    pub(crate) fn new() -> Result<Self, Failure> {
        let authority = Authority::new()?;
        let (certificate, key) = authority.issue()?;
        let directory = TempDir::with_prefix("jddb-loadtest-").map_err(failed)?;
        let files = Self { directory, encryption: authority.encryption()? };
        fs::write(files.certificate(), certificate.pem()).map_err(failed)?;
        fs::write(files.key(), key.serialize_pem()).map_err(failed)?;
        Ok(files)
    }

    /// The certificate's file.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("server.pem")
    }

    /// The file of its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.directory.path().join("server-key.pem")
    }
}

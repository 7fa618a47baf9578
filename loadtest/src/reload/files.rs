//! What an operator changes while the server runs: its configuration, its certificate, the keys of tokens.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::authority::Authority;
use crate::failure::Failure;
use crate::tls::Encryption;
use crate::token::Signer;

/// What the server says when it has read its configuration.
pub(super) const READ: &str = "the configuration was read again";

/// Files in a directory of their own, and who signs the certificates.
pub(super) struct Files {
    directory: TempDir,
    authority: Authority,
}

/// What is wrong with what the operator writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// A setting that there is not.
    Setting,
    /// No TOML.
    Syntax,
    /// A certificate without its key: the renewal got half way.
    HalfPair,
    /// A certificate that is none.
    NoCertificate,
    /// A list of keys that is cut off.
    CutKeys,
}

impl Mistake {
    pub(super) const ALL: [Self; 5] = [Self::Setting, Self::HalfPair, Self::CutKeys, Self::Syntax, Self::NoCertificate];

    /// What the server has to say of it.
    pub(super) const fn told(self) -> &'static [&'static str] {
        match self {
            Self::Setting | Self::Syntax => &["all settings stay as they are"],
            Self::HalfPair | Self::NoCertificate => &["the certificate in force stays", READ],
            Self::CutKeys => &["the keys and all of [auth] stay as they are", READ],
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::run("the files that the server reads again", error)
}

impl Files {
    /// An authority, and no file yet.
    pub(super) fn new() -> Result<Self, Failure> {
        let directory = TempDir::with_prefix("jddb-loadtest-").map_err(failed)?;
        Ok(Self { directory, authority: Authority::new()? })
    }

    /// What clients encrypt with who trust the authority.
    pub(super) fn encryption(&self) -> Result<Encryption, Failure> {
        self.authority.encryption()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The configuration's file.
    pub(super) fn configuration(&self) -> PathBuf {
        self.path("server.toml")
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        write_whole(&self.path(name), text).map_err(failed)
    }

    /// Writes the configuration, of which one setting is told to whoever joins.
    pub(super) fn configure(&self, sections: u32) -> Result<(), Failure> {
        let path = |name| toml_text(&self.path(name));
        let text = format!(
            "[tls]\ncertificate = {}\nkey = {}\n[auth]\njwks_file = {}\n[limits]\nsections = {sections}\n",
            path("server.pem"),
            path("server-key.pem"),
            path("keys.json"),
        );
        self.write("server.toml", &text)
    }

    /// Writes the list of keys by which tokens are good.
    pub(super) fn list_keys<'a>(&self, keys: impl IntoIterator<Item = &'a Signer>) -> Result<(), Failure> {
        let keys: Vec<_> = keys.into_iter().map(Signer::jwk).collect::<Result<_, _>>()?;
        self.write("keys.json", &json!({ "keys": keys }).to_string())
    }

    /// Issues a certificate with a key of its own.
    pub(super) fn certify(&self) -> Result<CertificateDer<'static>, Failure> {
        let (certificate, key) = self.authority.issue()?;
        self.write("server-key.pem", &key.serialize_pem())?;
        self.write("server.pem", &certificate.pem())?;
        Ok(certificate.der().clone())
    }

    /// Makes a mistake; hands over what was in the file, to be put back.
    pub(super) fn spoil(&self, mistake: Mistake) -> Result<Spoilt, Failure> {
        let (name, text) = match mistake {
            Mistake::Setting => ("server.toml", "[limits]\nsectoins = 5\n".to_owned()),
            Mistake::Syntax => ("server.toml", "[limits\n".to_owned()),
            Mistake::HalfPair => ("server.pem", self.authority.issue()?.0.pem()),
            Mistake::NoCertificate => ("server.pem", "a certificate".to_owned()),
            Mistake::CutKeys => ("keys.json", "{\"keys\": [".to_owned()),
        };
        let path = self.path(name);
        let before = fs::read_to_string(&path).map_err(failed)?;
        self.write(name, &text)?;
        Ok(Spoilt { path, before })
    }
}

/// A file with a mistake in it.
pub(super) struct Spoilt {
    path: PathBuf,
    before: String,
}

impl Spoilt {
    /// Puts back what was in it.
    pub(super) fn mend(self) -> Result<(), Failure> {
        write_whole(&self.path, &self.before).map_err(failed)
    }
}

/// Writes a file that nobody sees half of, and that its owner alone can read.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// A path as a text of TOML, which escapes as JSON does.
fn toml_text(path: &Path) -> String {
    json!(path.to_string_lossy()).to_string()
}

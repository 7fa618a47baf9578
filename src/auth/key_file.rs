//! Files with keys in them: as texts, and the data directory's own, made at the first start.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::key::UnfitKey;
use super::ring::Ambiguous;
use crate::config::{Secret, SecretError};

/// The key's name in the data directory.
const FILE_NAME: &str = "signing.key";

/// Far above any key, so that a wrong path does not read a whole database.
const FILE_BYTES_MAX: u64 = 64 * 1024;

const ADVICE_OWN: &str = "Restore it from a backup, or delete it to have the server make a new one (all tokens signed \
                          with the old one then become invalid)";
const ADVICE_GIVEN: &str = "Put the key shared with the issuer into it";

/// Keys that are read of one file.
pub(super) const KEYS_MAX: usize = 64;
/// The longest `kid` of a key.
pub(super) const KEY_ID_BYTES_MAX: usize = 128;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no key.
    #[error("{} holds no key: {reason}. {advice}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ContentError,
        /// What to do.
        advice: &'static str,
    },
    /// Two keys fit the same tokens.
    #[error("the keys of [auth] cannot stand together: {0}")]
    Ambiguous(#[from] Ambiguous),
    /// The system gave no random bytes.
    #[error("cannot make a key: the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// What is wrong with a key file. Holds nothing of the key.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Not UTF-8, or more than 64 KiB.
    #[error("it is not a text of at most 64 KiB")]
    NotText,
    /// Too short, or not base64.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A PEM file without what is looked for.
    #[error("it has no PEM block {0}")]
    NoPem(&'static str),
    /// A key in a PEM file.
    #[error("its PEM block {number}: {reason}")]
    Pem {
        /// Its number, from 1.
        number: usize,
        /// What is wrong with it.
        reason: PemError,
    },
    /// Not a JWKS (RFC 7517, section 5).
    #[error("it is not a JSON object with a list `keys`")]
    NotJwks,
    /// A key in a JWKS.
    #[error("keys[{index}]: {reason}")]
    Jwk {
        /// Its place in `keys`.
        index: usize,
        /// What is wrong with it.
        reason: JwkError,
    },
    /// Nothing in a JWKS can be used.
    #[error(
        "none of its keys can be used: expected RS256, ES256 (P-256), EdDSA (Ed25519) or HS256 keys for signatures"
    )]
    NoneUsable,
    /// More keys than anybody has.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
}

/// What is wrong with a key in a PEM file.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// Something else.
    #[error(
        "expected PUBLIC KEY; of a private key write it with: openssl pkey -in key.pem -pubout, of a certificate with: \
             openssl x509 -in cert.pem -noout -pubkey"
    )]
    NotPublic,
    /// Something else, or in another form.
    #[error(
        "expected PRIVATE KEY, unencrypted; other forms are made that by: openssl pkcs8 -topk8 -nocrypt -in key.pem"
    )]
    NotPrivate,
    /// Of another kind than we use.
    #[error("expected a key of RSA, P-256 or Ed25519")]
    Kind,
    /// Too weak.
    #[error(transparent)]
    Unfit(#[from] UnfitKey),
}

/// What is wrong with a key in a JWKS.
#[derive(Debug, thiserror::Error)]
pub enum JwkError {
    /// Not an object.
    #[error("expected an object")]
    NotObject,
    /// A name that is none.
    #[error("`kid`: expected a text of 1 to {KEY_ID_BYTES_MAX} bytes")]
    KeyId,
    /// A member that its kind needs is missing or wrong.
    #[error("it is not a JWK of its kind (RFC 7518, section 6)")]
    Malformed,
    /// Too weak.
    #[error(transparent)]
    Unfit(#[from] UnfitKey),
}

/// Reads the key of the data directory; makes directory and key if they are not there.
///
/// Any number of processes may do this at once: all get the same key.
pub(super) fn read_or_create(data: &Path) -> Result<Secret, KeyError> {
    let path = data.join(FILE_NAME);
    if !path.try_exists().map_err(failed("look for", &path))? {
        create(data, &path)?;
    }
    read(&path, ADVICE_OWN)
}

/// Reads the key file that the operator has configured.
pub(super) fn read_given(path: &Path) -> Result<Secret, KeyError> {
    read(path, ADVICE_GIVEN)
}

/// Space around the key is not part of it.
fn read(path: &Path, advice: &'static str) -> Result<Secret, KeyError> {
    let text = read_private(path, advice)?;
    let refused = |error: SecretError| KeyError::Content { path: path.to_owned(), reason: error.into(), advice };
    Secret::parse(text.trim()).map_err(refused)
}

/// Reads a file that only the server's user should be able to read; warns where others may.
pub(super) fn read_private(path: &Path, advice: &'static str) -> Result<String, KeyError> {
    warn_if_readable(path)?;
    read_public(path, advice)
}

/// Warns where other users may read the file.
pub(super) fn warn_if_readable(path: &Path) -> Result<(), KeyError> {
    let metadata = std::fs::metadata(path).map_err(failed("read the key file", path))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "other users may read the key file: run chmod 600 on it");
    }
    Ok(())
}

/// Reads a file that anybody may read.
pub(super) fn read_public(path: &Path, advice: &'static str) -> Result<String, KeyError> {
    let failed = failed("read the key file", path);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(&failed)?;
    let refused = || KeyError::Content { path: path.to_owned(), reason: ContentError::NotText, advice };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused());
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

/// Writes a new key beside its place and moves it there whole, unless another process was first.
fn create(data: &Path, path: &Path) -> Result<(), KeyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed("create", data))?;
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(KeyError::Random)?;

    let failed = failed("write", path);
    // Made with mode 0600, and removed again when dropped.
    let mut file = tempfile::Builder::new().prefix(".signing.key.").tempfile_in(data).map_err(&failed)?;
    writeln!(file, "{}", Secret::encode(&key)).map_err(&failed)?;
    file.as_file().sync_all().map_err(&failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => tracing::info!(path = %path.display(), "made a new signing key"),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error.error)),
    }
    File::open(data).and_then(|directory| directory.sync_all()).map_err(&failed)
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> KeyError + 'a {
    move |source| KeyError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names_in(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn made_once_private_and_kept() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("a/b");
        let first = read_or_create(&data).unwrap();
        assert_eq!(first.bytes().len(), 32);
        assert_eq!(read_or_create(&data).unwrap(), first);
        assert_eq!(names_in(&data), [FILE_NAME]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.join(FILE_NAME)), 0o600);
        assert_eq!(mode(&data), 0o700);
    }

    #[test]
    fn two_directories_have_two_keys() {
        let [a, b] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        assert_ne!(read_or_create(a.path()).unwrap(), read_or_create(b.path()).unwrap());
    }

    #[test]
    fn racing_starts_agree_on_one_key() {
        for _ in 0..20 {
            let directory = tempfile::tempdir().unwrap();
            let data = directory.path();
            let barrier = std::sync::Barrier::new(8);
            let start = || {
                barrier.wait();
                // Past the look whether there is one, as if all had come before the first key was made.
                create(data, &data.join(FILE_NAME)).unwrap();
                read(&data.join(FILE_NAME), ADVICE_OWN).unwrap()
            };
            let keys: Vec<Secret> = std::thread::scope(|scope| {
                let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(names_in(data), [FILE_NAME]);
        }
    }

    fn check_content(content: &[u8], expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::write(&path, content).unwrap();
        let message = read_or_create(directory.path()).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("Restore it"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), content, "a broken key is never overwritten");
    }

    #[test]
    fn broken_files_are_named_and_left_alone() {
        check_content(b"", "0 bytes");
        check_content(b"base64:AAAA", "3 bytes");
        check_content(b"base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "bytes");
        check_content(b"base64:?", "not base64");
        check_content(&[0xff; 40], "not a text");
        check_content(&[b'a'; 70_000], "64 KiB");
    }

    #[test]
    fn a_key_file_of_ones_own_may_be_plain_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shared");
        fs::write(&path, "  0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(read_given(&path).unwrap().bytes(), b"0123456789abcdef0123456789abcdef");
        let missing = read_given(&directory.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("none") && missing.contains("No such file"), "{missing}");
    }
    #[test]
    fn a_broken_given_key_is_not_to_be_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shared");
        fs::write(&path, "short").unwrap();
        let message = read_given(&path).unwrap_err().to_string();
        assert!(message.contains("5 bytes") && !message.contains("delete"), "{message}");
    }
}

//! The files of the repository, and what is found in them.

use std::fmt;
use std::fs;
use std::path::Path;

/// Never part of the repository, wherever it stands; but for a fuzzer's inputs, which are data whatever they look like.
const SKIPPED: &[&str] = &[".git", "node_modules", "__pycache__", "corpus"];

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The file's name without its directories.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// A finding in this file; lines count from 1.
    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { place: format!("{}:{line}", self.path), what: what.into() }
    }
}

/// One thing to mend.
#[derive(Debug)]
pub(crate) struct Finding {
    place: String,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Fails with all findings at once, so that one run shows all there is to do.
#[track_caller]
pub(crate) fn none(findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(list.is_empty(), "{} to mend:\n{}\n", list.len(), list.join("\n"));
}

/// Asserts that a rule finds exactly these lines of a bad sample.
#[track_caller]
pub(crate) fn found_at(findings: &[Finding], lines: &[usize]) {
    let found: Vec<usize> = findings
        .iter()
        .map(|finding| {
            let line = finding.place.rsplit(':').next().expect("a place has a line");
            line.parse().expect("a line is a number")
        })
        .collect();
    assert_eq!(found, lines, "{findings:#?}");
}

/// All text files of the repository, in order; what `.gitignore` names is left out.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignore = fs::read_to_string(root.join(".gitignore")).expect(".gitignore can be read");
    let ignored: Vec<&str> =
        ignore.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut found = Vec::new();
    walk(root, "", &ignored, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 10, "the walk found only {}", found.len());
    found
}

fn walk(directory: &Path, prefix: &str, ignored: &[&str], found: &mut Vec<Source>) {
    let entries = fs::read_dir(directory).expect("a directory of the repository can be read");
    for entry in entries {
        let entry = entry.expect("an entry of the repository can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if SKIPPED.contains(&name.as_str()) || is_ignored(&path, ignored) {
            continue;
        }
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), ignored, found);
        } else if kind.is_file() {
            // What is not UTF-8 is data, and no rule here is about data.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                found.push(Source { path, text });
            }
        }
    }
}

/// Whether a line of `.gitignore` names the path; of its patterns we use `/top`, `name`, `name/`
/// and `*.ending`.
fn is_ignored(path: &str, ignored: &[&str]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ignored.iter().any(|line| {
        let pattern = line.trim_end_matches('/');
        if let Some(top) = pattern.strip_prefix('/') {
            path == top
        } else if let Some(ending) = pattern.strip_prefix('*') {
            name.ends_with(ending)
        } else {
            name == pattern
        }
    })
}

#[test]
fn gitignore_is_followed() {
    let ignored = ["/target", "*.log", "__pycache__/"];
    for path in ["target", "a/b.log", "clients/__pycache__"] {
        assert!(is_ignored(path, &ignored), "{path}");
    }
    for path in ["core/target", "log", "src/main.rs"] {
        assert!(!is_ignored(path, &ignored), "{path}");
    }
}

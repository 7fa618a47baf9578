//! Every input that the fuzzer has found worth keeping, through the functions that it calls.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
pub mod targets;

/// A target that lost its corpus would test nothing: each has at least so many inputs.
const INPUTS_MIN: usize = 20;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= INPUTS_MIN, "{} holds only {} inputs", folder.display(), files.len());
    files
}

/// Replays the corpus of one target; names every input that fails.
fn replay(target: &str) {
    let (_, run) = targets::TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let mut failed = Vec::new();
    for path in corpus(target) {
        let data = fs::read(&path).unwrap();
        if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
            failed.push(path);
        }
    }
    assert!(failed.is_empty(), "{} inputs of {target} fail, the first is {:?}", failed.len(), failed.first());
}

#[test]
fn frames() {
    replay("frames");
}

#[test]
fn messages() {
    replay("messages");
}

#[test]
fn operations() {
    replay("operations");
}

#[test]
fn document() {
    replay("document");
}

#[test]
fn an_input_of_every_short_length_is_taken() {
    for (_, run) in targets::TARGETS {
        for byte in 0..=255 {
            for length in 0..24 {
                run(&vec![byte; length]);
            }
        }
    }
}

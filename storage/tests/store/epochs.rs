//! After an unclean stop in fast durability no version number is used again.

use std::path::Path;

use jddb_core::document::VERSIONS_SKIPPED;
use jddb_core::ids::Version;
use jddb_storage::Durability::{Fast, Strict};
use jddb_storage::{Durability, Loaded};

use crate::support::{commit_versions, id, open, versions};

fn load(path: &Path, name: &str, durability: Durability) -> Option<Loaded> {
    open(path, durability).load(&id(name), u64::MAX, usize::MAX).unwrap()
}

#[test]
fn only_an_unclean_stop_in_fast_durability_skips_versions() {
    for (durability, clean, skipped) in [(Strict, false, 0), (Strict, true, 0), (Fast, true, 0), (Fast, false, 1)] {
        let directory = tempfile::tempdir().unwrap();
        {
            let store = open(directory.path(), durability);
            commit_versions(&store, &id("jd_1"), 1..=3);
            if clean {
                store.close_clean().unwrap();
            }
        }
        for next in [Strict, Fast] {
            // The second of these starts follows an unclean strict one, which adds nothing.
            let loaded = load(directory.path(), "jd_1", next).unwrap();
            assert_eq!(loaded.skip_versions, skipped * VERSIONS_SKIPPED, "{durability:?} {clean} {next:?}");
        }
    }
}

#[test]
fn two_unclean_stops_in_a_row_do_not_lead_to_the_same_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    commit_versions(&open(path, Fast), &id("old"), 1..=3);
    assert_eq!(load(path, "old", Fast).unwrap().skip_versions, VERSIONS_SKIPPED);
    // That start was killed too: what it made of numbers from 3 + VERSIONS_SKIPPED on is lost.
    assert_eq!(load(path, "old", Strict).unwrap().skip_versions, 2 * VERSIONS_SKIPPED);
    let unknown = load(path, "unknown", Strict).unwrap();
    assert_eq!((unknown.version(), unknown.skip_versions), (Version(0), 2 * VERSIONS_SKIPPED));
}

#[test]
fn the_gap_is_no_hole_and_ends_the_skipping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    commit_versions(&open(path, Fast), &id("jd_1"), 1..=3);
    let from = 3 + VERSIONS_SKIPPED + 1;
    {
        let store = open(path, Strict);
        commit_versions(&store, &id("jd_1"), from..=from + 1);
        commit_versions(&store, &id("new"), VERSIONS_SKIPPED + 1..=VERSIONS_SKIPPED + 2);
    }
    let store = open(path, Strict);
    let loaded = store.load(&id("jd_1"), u64::MAX, usize::MAX).unwrap().unwrap();
    assert_eq!(versions(&loaded.changes), [1, 2, 3, from, from + 1]);
    assert_eq!(loaded.skip_versions, 0);
    assert_eq!(store.load(&id("new"), 0, 0).unwrap().unwrap().skip_versions, 0);
    assert_eq!(store.load_at(&id("jd_1"), Version(from - 1)), Ok(None), "it never existed");
    assert_eq!(store.load_at(&id("jd_1"), Version(from)).unwrap().unwrap().changes.len(), 4);
}

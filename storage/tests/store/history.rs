//! The history of a document, a page at a time.

use jddb_core::document::{Save, VERSIONS_SKIPPED};
use jddb_core::ids::{UnixMillis, Version};
use jddb_storage::{Durability, Versions};
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

use crate::snapshots::write_snapshot;
use crate::support::{change, commit, commit_versions, id, open};

#[test]
fn it_is_paged_from_the_newest_over_numbers_left_out_too() {
    let directory = tempfile::tempdir().unwrap();
    // Long enough for the filters of table files to be asked.
    let document = id("jd_12345");
    let mut expected: Vec<u64> = (1..=5).collect();
    commit_versions(&open(directory.path(), Durability::Fast), &document, 1..=5);
    commit_versions(&open(directory.path(), Durability::Fast), &id("jd_1234"), 1..=2);
    commit_versions(&open(directory.path(), Durability::Fast), &id("jd_123456"), 1..=2);
    // Each start finds the one before unclean, and some made no version.
    for (skipped, count) in [(3, 3), (1, 2), (2, 4), (1, 1)] {
        let first = expected[expected.len() - 1] + skipped * VERSIONS_SKIPPED + 1;
        if skipped == 2 {
            open(directory.path(), Durability::Fast);
        }
        commit_versions(&open(directory.path(), Durability::Fast), &document, first..first + count);
        expected.extend(first..first + count);
    }
    expected.reverse();
    let store = open(directory.path(), Durability::Strict);
    write_snapshot(&store, &document, expected[6]);
    for skip in 0..=expected.len() + 1 {
        for take in [0, 1, 3, 100] {
            let found = store.versions(&document, skip, take).unwrap();
            let numbers: Vec<u64> = found.versions.iter().map(|entry| entry.version.0).collect();
            let wanted: Vec<u64> = expected.iter().copied().skip(skip).take(take).collect();
            assert_eq!((found.total, numbers), (expected.len(), wanted), "{skip} {take}");
            for entry in &found.versions {
                let made = change(&document, entry.version.0);
                assert_eq!((entry.at, &*entry.user_id), (made.at, &*made.user_id));
                let inserted = made.sections[0].operation.text().len();
                assert_eq!((entry.inserted_bytes, entry.deleted_bytes, &entry.save), (inserted, 0, &None));
            }
        }
    }
    let sizes: Vec<usize> = store.versions(&document, 7, 100).unwrap().versions.iter().map(|e| e.size_bytes).collect();
    let lengths = expected[7..].iter().map(|version| change(&document, *version).sections[0].operation.text().len());
    let mut lengths: Vec<usize> = lengths.collect();
    for index in (1..lengths.len()).rev() {
        lengths[index - 1] += lengths[index];
    }
    assert_eq!(sizes, lengths);
    assert_eq!(store.versions(&id("never"), 0, 10).unwrap(), Versions::default());
}

#[test]
fn save_points_are_named_with_their_versions() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let document = id("jd_1");
    commit_versions(&store, &document, 1..=9);
    let save = |version, by: Option<&str>| Save {
        version: Version(version),
        at: UnixMillis(version + 5),
        saved_by: by.map(Into::into),
    };
    let saves = [save(1, None), save(4, Some("ada")), save(6, None), save(9, Some("ben"))];
    commit(&store, saves.iter().map(|save| store.encode_save(&document, save)).collect());
    for (skip, take) in [(0, 9), (0, 1), (1, 3), (3, 3), (5, 4), (8, 1)] {
        let found = store.versions(&document, skip, take).unwrap().versions;
        for entry in &found {
            let wanted = saves.iter().find(|save| save.version == entry.version);
            assert_eq!(entry.save.as_ref(), wanted, "{skip} {take}");
        }
        assert_eq!(found.len(), take);
    }
}

/// The blocks of table files that are looked at.
fn blocks_read(read: impl FnOnce()) -> u64 {
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    read();
    let blocks = context.metric(PerfMetric::BlockCacheHitCount) + context.metric(PerfMetric::BlockReadCount);
    set_perf_stats(PerfStatsLevel::Disable);
    blocks
}

#[test]
fn a_page_is_read_and_not_what_is_before_or_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let document = id("jd_12345");
    {
        let store = open(directory.path(), Durability::Fast);
        for first in (1..=20_000).step_by(1_000) {
            commit_versions(&store, &document, first..first + 1_000);
            write_snapshot(&store, &document, first + 499);
        }
        store.close_clean().unwrap();
    }
    let store = open(directory.path(), Durability::Fast);
    let all = blocks_read(|| drop(store.load(&document, u64::MAX, usize::MAX).unwrap()));
    assert!(all > 500, "{all} blocks are few");
    for skip in [0, 5_000, 19_000] {
        let page = blocks_read(|| assert_eq!(store.versions(&document, skip, 10).unwrap().versions.len(), 10));
        assert!(page * 8 < all, "{page} of {all} blocks are read for ten versions after {skip}");
    }
}

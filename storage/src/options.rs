//! How RocksDB is set up. Everything that grows has its bound here.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    SliceTransform,
};

use crate::family::Family;
use crate::key;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Files that RocksDB keeps open, and whose indexes it keeps at hand.
const OPEN_FILES_MAX: i32 = 512;
/// Threads for flushes and compactions. The cores belong to the documents.
const BACKGROUND_JOBS_MAX: i32 = 2;
/// RocksDB's own log: so many files of this size.
const INFO_LOG_FILES_MAX: usize = 4;
const INFO_LOG_BYTES_MAX: usize = 8 * MIB;
/// When the file that lists all files is written anew.
const MANIFEST_BYTES_MAX: usize = 64 * MIB;
/// About 1 % of look-ups in a file that does not have the key read it in vain.
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// When a change may be shown to others than its author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is durable: nobody ever sees a change that a power cut could take back.
    #[default]
    Strict,
    /// At once; its author is told once it is durable. After an unclean stop versions are skipped.
    Fast,
}

/// What the store may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Write-ahead logs, in bytes. They are read at the next start: about a second for 256 MiB.
    pub wal_bytes: u64,
    /// Memory for blocks read from disk, indexes and filters included, in bytes.
    pub block_cache_bytes: usize,
    /// Memory for what is not in table files yet, over all column families, in bytes.
    pub write_buffer_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { wal_bytes: 256 << 20, block_cache_bytes: 128 * MIB, write_buffer_bytes: 64 * MIB }
    }
}

impl StoreOptions {
    /// The options of the whole database.
    pub(crate) fn database(&self) -> Result<Options, rocksdb::Error> {
        // After an error RocksDB would try by itself to write again. Only a restart may: see `Committer`.
        // The binding has no setter. What it sets after this must come on top, so this is first.
        let mut options = Options::default().get_options_from_string("max_bgerror_resume_count=0")?;
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        set_durability(&mut options);
        self.set_bounds(&mut options);
        Ok(options)
    }

    fn set_bounds(&self, options: &mut Options) {
        options.set_max_total_wal_size(self.wal_bytes);
        options.set_db_write_buffer_size(self.write_buffer_bytes);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_max_background_jobs(BACKGROUND_JOBS_MAX);
        options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
        options.set_log_level(LogLevel::Info);
        options.set_keep_log_file_num(INFO_LOG_FILES_MAX);
        options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
        // Table files are handed to the disk bit by bit, so that a sync of the log waits for little.
        options.set_bytes_per_sync(MIB as u64);
        // Opening is not to read every table file for statistics nobody asks for.
        options.set_skip_stats_update_on_db_open(true);
    }

    /// The column families, all sharing one cache.
    pub(crate) fn families(&self) -> Vec<ColumnFamilyDescriptor> {
        let cache = Cache::new_lru_cache(self.block_cache_bytes);
        let describe = |family: Family| ColumnFamilyDescriptor::new(family.name(), self.family(family, &cache));
        let default = ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, self.base(&cache));
        Family::ALL.into_iter().map(describe).chain([default]).collect()
    }

    /// How table files are made that are to become part of the database.
    pub(crate) fn table_file(&self) -> Options {
        self.base(&Cache::new_lru_cache(0))
    }

    fn family(&self, family: Family, cache: &Cache) -> Options {
        let mut options = self.base(cache);
        if matches!(family, Family::Journal | Family::Snapshots | Family::Saves) {
            // These are read a document at a time, from the newest version back: files without the
            // document are ruled out by its part of the key.
            options.set_prefix_extractor(SliceTransform::create(
                "document",
                key::document_part,
                Some(key::has_version),
            ));
        }
        options
    }

    fn base(&self, cache: &Cache) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_block_size(16 * KIB);
        table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        // In the cache, and so within its bound, not beside it.
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        // One family at most fills half of the bound on all; that bound is what holds.
        options.set_write_buffer_size(self.write_buffer_bytes / 2);
        options
    }
}

/// What makes a commit durable, and damage noticed.
fn set_durability(options: &mut Options) {
    // A failed write or sync of the log stops all further writes (`DBImpl::WALIOStatusCheck`).
    options.set_paranoid_checks(true);
    // In the plain write path a batch enters the memtable, and so can be read, only after its log was
    // written and synced (`DBImpl::WriteImpl`: `status = io_s` before `InsertInto`). The others differ.
    options.set_enable_pipelined_write(false);
    options.set_unordered_write(false);
    options.set_manual_wal_flush(false);
    // A power cut leaves a torn tail: what was never synced, hence never acknowledged. Recovery stops
    // there. Stricter modes refuse to open then; laxer ones take records from after a hole, which would
    // be changes made against text that is not there.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A whole log that was synced and is gone or too short is noticed, and not taken for a torn tail.
    options.set_track_and_verify_wals_in_manifest(true);
}

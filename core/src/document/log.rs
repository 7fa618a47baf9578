//! The log: the recent changes of a document, in blocks, each change a record of [`RECORD_BYTES_MAX`] bytes
//! or less beside the texts it inserted and deleted.
//!
//! Nearly every change is one edit in one section, and is kept in its record. The others (batches, split
//! deletes, new sections) are kept beside the records, with a note of it.

use std::collections::VecDeque;

use super::clients::{ClientNumber, Clients};
use crate::ids::{SectionName, UnixMillis, Version};
use crate::ot::{Edit, Operation, OperationRef, split_utf16};

/// The most bytes a change of one edit takes beside its texts.
pub(super) const RECORD_BYTES_MAX: usize = 40;
/// The most changes of one block. Few under test, so that there are seams everywhere.
const BLOCK_CHANGES_MAX: usize = if cfg!(test) { 4 } else { 256 };
/// A block of as many bytes takes no further change.
const BLOCK_BYTES_MAX: usize = 64 << 10;
/// There are at least as many blocks at the bound of bytes, so that little is forgotten at once.
const BLOCKS_MIN: usize = 16;

const _: () = assert!(size_of::<Record>() <= RECORD_BYTES_MAX);

/// The changes after [`Log::floor`], in order, bounded by number and by bytes; but the newest is always
/// kept, since it is still to be sent and stored.
#[derive(Clone, Debug)]
pub(super) struct Log {
    blocks: VecDeque<Block>,
    /// The oldest version that can be a base.
    floor: Version,
    /// How many changes of the first block are at or before the floor.
    below_floor: usize,
    /// How many changes are after the floor.
    changes: usize,
    bytes: usize,
    changes_max: usize,
    bytes_max: usize,
}

/// Changes whose versions follow each other without a gap.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The version of the first record.
    first: Version,
    /// Times count from here.
    began: UnixMillis,
    records: Vec<Record>,
    /// Of each change that is in its record, what it inserted and then what it deleted.
    texts: String,
    /// The other changes, by the index of their record, which ascends.
    wide: Vec<(usize, Box<[SectionRecord]>)>,
    /// Memory held, in bytes.
    bytes: usize,
}

/// A change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// What it did, if that was one edit; empty (at 0, nothing deleted and nothing inserted) if it did nothing.
    pub(super) edit: Edit,
    /// The length of its section after it, in UTF-16 code units.
    pub(super) length: u32,
    /// Its section, counted from 0.
    pub(super) section: u16,
    /// Whether it is kept beside the records, and its edit, section and length say nothing.
    pub(super) wide: bool,
    transformed: bool,
    texts_start: u32,
    client: ClientNumber,
    /// In milliseconds after `began`.
    at: i32,
}

/// What a change did to one section, where that is kept beside the records.
#[derive(Clone, Debug)]
pub(super) struct SectionRecord {
    /// Which section, counted from 0.
    pub(super) section: u16,
    /// Its name, where the change created it.
    pub(super) created: Option<SectionName>,
    /// Its length after the change, in UTF-16 code units.
    pub(super) length: u32,
    /// What was done to it.
    pub(super) operation: Operation,
    /// What was deleted.
    pub(super) deleted: Box<str>,
}

/// What is known of every change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) version: Version,
    pub(super) at: UnixMillis,
    pub(super) client: ClientNumber,
    pub(super) transformed: bool,
}

impl Log {
    /// An empty log after `floor`.
    pub(super) const fn new(floor: Version, changes_max: usize, bytes_max: usize) -> Self {
        Self { blocks: VecDeque::new(), floor, below_floor: 0, changes: 0, bytes: 0, changes_max, bytes_max }
    }

    /// The oldest version that can be a base.
    pub(super) const fn floor(&self) -> Version {
        self.floor
    }

    /// Memory held, in bytes, texts included.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest change: its block, and its index there.
    pub(super) fn last(&self) -> Option<(&Block, usize)> {
        let block = self.blocks.back()?;
        Some((block, block.records.len().checked_sub(1)?))
    }

    /// Where the changes after `base` begin: a block, and an index in it; `None` if `base` is older than the
    /// floor, or in none of the blocks.
    pub(super) fn after(&self, base: Version) -> Option<(usize, usize)> {
        if base == self.floor {
            return Some((0, self.below_floor));
        }
        let begins_before = |block: &Block| block.first <= base;
        // Nearly always it is the last block.
        let block = match self.blocks.back() {
            Some(last) if begins_before(last) => self.blocks.len() - 1,
            Some(_) | None => self.blocks.partition_point(begins_before).checked_sub(1)?,
        };
        let index = usize::try_from(base.0 - self.blocks[block].first.0).ok()?;
        (base > self.floor && index < self.blocks[block].records.len()).then_some((block, index + 1))
    }

    /// The blocks from there on, each with the range of its changes.
    pub(super) fn blocks_from(
        &self,
        (first, index): (usize, usize),
    ) -> impl DoubleEndedIterator<Item = (&Block, std::ops::Range<usize>)> + Clone {
        let blocks = self.blocks.range(first.min(self.blocks.len())..);
        blocks.enumerate().map(move |(at, block)| (block, if at == 0 { index } else { 0 }..block.records.len()))
    }

    /// Appends a change that is one edit (its text beginning at 0) or nothing; `apply` makes it, appends what it
    /// deletes to the text given, and returns the length of the section after it.
    pub(super) fn push_edit(
        &mut self,
        clients: &mut Clients,
        head: Head,
        section: u16,
        (edit, inserted): (Edit, &str),
        apply: impl FnOnce(&mut String) -> u32,
    ) {
        let block = self.block_for(head);
        let (texts_start, at) = (block.texts_end(), block.time(head.at).unwrap_or_default());
        block.texts.push_str(inserted);
        let length = apply(&mut block.texts);
        let Head { client, transformed, .. } = head;
        block.records.push(Record { edit, length, section, wide: false, transformed, texts_start, client, at });
        let bytes = size_of::<Record>() + block.texts.len() - texts_start as usize;
        block.bytes += bytes;
        self.pushed(clients, client, bytes);
    }

    /// Appends any other change.
    pub(super) fn push_wide(&mut self, clients: &mut Clients, head: Head, sections: Box<[SectionRecord]>) {
        let block = self.block_for(head);
        let (texts_start, at) = (block.texts_end(), block.time(head.at).unwrap_or_default());
        let edit = Edit { position: 0, deleted: 0, inserted: 0, text_start: 0 };
        let Head { client, transformed, .. } = head;
        let bytes = size_of::<Record>() + wide_bytes(&sections);
        block.bytes += bytes;
        block.wide.push((block.records.len(), sections));
        block.records.push(Record { edit, length: 0, section: 0, wide: true, transformed, texts_start, client, at });
        self.pushed(clients, client, bytes);
    }

    /// The last block, if it takes that change; else a new one.
    fn block_for(&mut self, head: Head) -> &mut Block {
        let bytes_max = (self.bytes_max / BLOCKS_MIN).min(BLOCK_BYTES_MAX);
        let takes = self.blocks.back().is_some_and(|block| block.takes(head, bytes_max));
        if !takes {
            self.blocks.back_mut().into_iter().for_each(Block::close);
            let block = Block::new(head);
            self.bytes += block.bytes;
            self.blocks.push_back(block);
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    fn pushed(&mut self, clients: &mut Clients, client: ClientNumber, bytes: usize) {
        clients.hold(client);
        self.bytes += bytes;
        self.changes += 1;
        while self.blocks.len() > 1 && self.bytes > self.bytes_max {
            self.forget_first_block(clients);
        }
        while self.changes > self.changes_max.max(1) {
            self.raise_floor(clients);
        }
    }

    /// The oldest change after the floor becomes the floor; a block with none after it is forgotten.
    fn raise_floor(&mut self, clients: &mut Clients) {
        let Some(block) = self.blocks.front() else { return };
        if self.below_floor + 1 == block.records.len() {
            return self.forget_first_block(clients);
        }
        self.floor = block.version(self.below_floor);
        self.below_floor += 1;
        self.changes -= 1;
    }

    fn forget_first_block(&mut self, clients: &mut Clients) {
        let Some(block) = self.blocks.pop_front() else { return };
        self.floor = block.version(block.records.len() - 1);
        self.changes -= block.records.len() - self.below_floor;
        self.below_floor = 0;
        self.bytes -= block.bytes;
        block.records.iter().for_each(|record| clients.release(record.client));
    }
}

impl Block {
    fn new(head: Head) -> Self {
        let (records, texts, wide) = (Vec::new(), String::new(), Vec::new());
        Self { first: head.version, began: head.at, records, texts, wide, bytes: size_of::<Self>() }
    }

    fn takes(&self, head: Head, bytes_max: usize) -> bool {
        self.records.len() < BLOCK_CHANGES_MAX
            && self.bytes < bytes_max
            && self.version(self.records.len()) == head.version
            && self.time(head.at).is_some()
    }

    /// Gives back the room that was kept for further changes.
    fn close(&mut self) {
        self.records.shrink_to_fit();
        self.texts.shrink_to_fit();
        self.wide.shrink_to_fit();
    }

    fn texts_end(&self) -> u32 {
        u32::try_from(self.texts.len()).unwrap_or(u32::MAX)
    }

    /// A moment as records keep it.
    fn time(&self, at: UnixMillis) -> Option<i32> {
        i32::try_from(i128::from(at.0) - i128::from(self.began.0)).ok()
    }

    /// The records, oldest first.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) const fn version(&self, index: usize) -> Version {
        Version(self.first.0 + index as u64)
    }

    pub(super) fn head(&self, index: usize) -> Head {
        let Record { at, client, transformed, .. } = self.records[index];
        let at = UnixMillis(self.began.0.saturating_add_signed(i64::from(at)));
        Head { version: self.version(index), at, client, transformed }
    }

    /// A change that is kept beside the records.
    pub(super) fn wide(&self, index: usize) -> Option<&[SectionRecord]> {
        let found = self.wide.binary_search_by_key(&index, |&(index, _)| index).ok()?;
        self.wide.get(found).map(|(_, sections)| &**sections)
    }

    /// What a change that is in its record did, and what it deleted.
    pub(super) fn narrow(&self, index: usize) -> (OperationRef<'_>, &str) {
        let record = &self.records[index];
        let end = self.records.get(index + 1).map_or(self.texts.len(), |next| next.texts_start as usize);
        let texts = &self.texts[record.texts_start as usize..end];
        let (inserted, deleted) = split_utf16(texts, record.edit.inserted as usize);
        let does_something = record.edit.inserted > 0 || record.edit.deleted > 0;
        let edits = if does_something { std::slice::from_ref(&record.edit) } else { &[] };
        (OperationRef::from_known_parts(edits, inserted), deleted)
    }
}

fn wide_bytes(sections: &[SectionRecord]) -> usize {
    let bytes = sections.iter().map(|made| {
        let texts = made.operation.text().len() + made.deleted.len();
        size_of::<SectionRecord>() + texts + size_of_val(made.operation.edits())
    });
    size_of::<(usize, Box<[SectionRecord]>)>() + bytes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::OperationBuilder;
    use proptest::prelude::*;

    /// A change as it is drawn: numbers left out before it, milliseconds since the one before (or back), its
    /// client, the texts it inserts and deletes, and whether it is kept beside the records.
    type Drawn = (u64, i64, u64, String, String, bool);

    fn any_change() -> impl Strategy<Value = Drawn> {
        let skipped = prop_oneof![8 => Just(0_u64), 1 => 1_u64..9];
        let time = prop_oneof![8 => -2000_i64..2000, 1 => Just(i64::from(i32::MAX) + 1)];
        (skipped, time, 0_u64..4, "[aé\u{1F600}]{0,3}", "[b\u{20AC}]{0,3}", prop::bool::weighted(0.2))
    }

    fn units(text: &str) -> u32 {
        u32::try_from(crate::ids::utf16_len(text)).unwrap()
    }

    fn push(log: &mut Log, clients: &mut Clients, head: Head, change: &Drawn) {
        let (_, _, _, inserted, deleted, wide) = change;
        let edit = Edit { position: 7, deleted: units(deleted), inserted: units(inserted), text_start: 0 };
        if *wide {
            let mut builder = OperationBuilder::default();
            builder.insert(7, inserted);
            builder.delete(7, units(deleted));
            let (operation, deleted) = (builder.finish(), deleted.as_str().into());
            let record = SectionRecord { section: 3, created: None, length: 9, operation, deleted };
            log.push_wide(clients, head, [record].into());
        } else {
            log.push_edit(clients, head, 3, (edit, inserted), |texts| {
                texts.push_str(deleted);
                9
            });
        }
    }

    /// A change as the log shows it.
    fn shown(clients: &Clients, block: &Block, index: usize) -> (u64, u64, String, String, String) {
        let head = block.head(index);
        let (operation, deleted) = match block.wide(index) {
            Some([record]) => (record.operation.view(), &*record.deleted),
            Some(_) => panic!("one section was changed"),
            None => block.narrow(index),
        };
        let user = clients.user_id(head.client).to_owned();
        (head.version.0, head.at.0, user, operation.text().to_owned(), deleted.to_owned())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_log_is_the_last_changes(
            changes in prop::collection::vec(any_change(), 0..40),
            changes_max in 1_usize..12,
            bytes_max in prop_oneof![Just(usize::MAX), 300_usize..3000],
        ) {
            let (mut clients, mut log) = (Clients::default(), Log::new(Version(0), changes_max, bytes_max));
            let (mut model, mut version, mut at) = (Vec::new(), 0, 1_758_458_730_000_u64);
            for change in &changes {
                version += 1 + change.0;
                at = at.saturating_add_signed(change.1);
                let user = format!("user_{}", change.2);
                let client = clients.number(&user, None);
                let head = Head { version: Version(version), at: UnixMillis(at), client, transformed: false };
                push(&mut log, &mut clients, head, change);
                model.push((version, at, user, change.3.clone(), change.4.clone()));

                let kept = model.iter().filter(|change| change.0 > log.floor().0).count();
                prop_assert!((1..=changes_max).contains(&kept));
                prop_assert!(bytes_max < usize::MAX || kept == changes_max.min(model.len()));
                prop_assert!(log.blocks.len() == 1 || log.bytes() <= bytes_max);
                prop_assert_eq!(log.bytes(), log.blocks.iter().map(|block| block.bytes).sum::<usize>());
                for base in 0..=version + 1 {
                    let exists = base == log.floor().0 || model.iter().any(|change| change.0 == base);
                    let after = log.after(Version(base)).filter(|_| base >= log.floor().0);
                    prop_assert_eq!(after.is_some(), exists && base >= log.floor().0);
                    let Some(after) = after else { continue };
                    let blocks = log.blocks_from(after);
                    let seen: Vec<_> = blocks.flat_map(|(block, range)| range.map(move |index| (block, index))).collect();
                    let seen: Vec<_> = seen.into_iter().map(|(block, index)| shown(&clients, block, index)).collect();
                    let expected: Vec<_> = model.iter().filter(|change| change.0 > base).cloned().collect();
                    prop_assert_eq!(seen, expected);
                }
            }
            // Whoever is in no block any more is forgotten.
            let held: usize = log.blocks.iter().map(|block| block.records.len()).sum();
            let users: Vec<String> = model.iter().rev().take(held).map(|change| change.2.clone()).collect();
            for user in (0..4).map(|number| format!("user_{number}")) {
                prop_assert_eq!(clients.find(&user, None).is_some(), users.contains(&user));
            }
        }
    }
}

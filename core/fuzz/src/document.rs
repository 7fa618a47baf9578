//! Whole lives of a document: submissions by several clients at older and newer bases, in every encoding, resends,
//! snapshots, restarts. After each step it equals the naive model.

use jddb_core::document::{
    Change, Document, DocumentLimits, RESEND_AGE_MAX_MS, RESENDS_PER_CLIENT, Rejection, SentChange, Snapshot,
    Submission, Submitted, VERSIONS_SKIPPED,
};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis, Version};

use super::bytes::Bytes;
use super::model::{Fault, Model, Moved, Outcome, Units, text_of};
use super::script::{Draft, NAMES};

/// So many steps of one input are taken; more would only take longer. Fewer where texts are long.
const STEPS_MAX: usize = 120;
const LONG_STEPS_MAX: usize = 30;
/// A text of more units is not made longer, for the model's sake.
const UNITS_MANY: usize = 3_000;
/// Enough for a text to have more than one leaf; but mistakes are found in short texts, so few inputs have such.
const REPEATS_MAX: usize = 700;
const START: u64 = 1_758_458_730_000;
const HALF_AN_HOUR_MS: u64 = 30 * 60 * 1_000;

/// A program of submissions and restarts.
///
/// # Panics
/// Something that must hold does not.
pub fn document(data: &[u8]) {
    let mut bytes = Bytes::new(data, 0);
    let flags = bytes.next();
    let is_long = flags & 0xF0 == 0xF0;
    bytes.repeat(if is_long { REPEATS_MAX } else { 0 });
    let mut run = Run::new(flags);
    for _ in 0..if is_long { LONG_STEPS_MAX } else { STEPS_MAX } {
        if bytes.is_empty() {
            break;
        }
        run.step(&mut bytes);
    }
    run.check_restores();
}

/// A message that was taken, and how it was answered.
#[derive(Clone, Debug)]
struct Taken {
    client: usize,
    correlation_id: String,
    changes: Vec<SentChange<'static>>,
    at: u64,
    version: Version,
    transformed: bool,
}

/// A message on its way.
#[derive(Clone, Debug)]
struct Message {
    /// The client and the correlation id, where it has them.
    key: Option<(usize, String)>,
    base: Option<Version>,
    encoding: PositionEncoding,
    changes: Vec<SentChange<'static>>,
    reject_conflicts: bool,
}

struct Run {
    limits: DocumentLimits,
    document: Document,
    model: Model,
    /// The number of each version of the model.
    numbers: Vec<u64>,
    /// All changes, as storage keeps them.
    log: Vec<Change>,
    /// A snapshot from earlier, and how many changes were made before it.
    kept: (Snapshot, usize),
    taken: Vec<Taken>,
    names_given: usize,
    now: u64,
}

impl Run {
    fn new(flags: u8) -> Self {
        let tight = flags & 12 == 12;
        let limits = DocumentLimits {
            sections_max: if tight { 3 } else { 64 },
            section_bytes_max: if tight { 24 } else { 1 << 20 },
            document_bytes_max: if tight { 40 } else { 1 << 20 },
            history_versions_max: [2, 5, 16, 10_000][usize::from(flags & 3)],
            history_bytes_max: 8 << 20,
        };
        Self {
            limits,
            document: Document::new(id(), limits),
            model: Model::new(),
            numbers: vec![0],
            log: Vec::new(),
            kept: (Snapshot::default(), 0),
            taken: Vec::new(),
            names_given: 0,
            now: START,
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.next() % 16 {
            0..=8 => {
                let message = self.message(bytes);
                self.submit(&message);
            }
            9 => self.burst(bytes),
            10 | 11 => self.resend(bytes),
            12 => self.kept = (self.document.snapshot(UnixMillis(self.now)), self.log.len()),
            13 => self.restart(bytes),
            14 => self.check_damage(bytes),
            _ => self.now += HALF_AN_HOUR_MS * u64::from(bytes.next()),
        }
    }

    fn message(&mut self, bytes: &mut Bytes<'_>) -> Message {
        let (flags, more) = (bytes.next(), bytes.next());
        let key = (flags & 3 > 0).then(|| self.new_key(usize::from(flags & 3)));
        let encoding = PositionEncoding::ALL[usize::from(flags >> 2) % 3];
        let base = match (flags >> 4) & 3 {
            0 => None,
            // In the future, or where numbers were left out.
            1 if more & 0xC0 == 0xC0 => Some(self.document.version().0.wrapping_add_signed(i64::from(more & 15) - 4)),
            _ => Some(self.numbers[self.numbers.len().saturating_sub(1 + usize::from(more & 15))]),
        };
        let reject_conflicts = flags & 0xC0 == 0xC0;
        let at = base.and_then(|base| self.numbers.binary_search(&base).ok()).unwrap_or(self.numbers.len() - 1);
        let grows = self.model.now().iter().all(|units| units.len() < UNITS_MANY);
        let count = if more & 0x10 == 0 { 1 } else { 1 + usize::from(more >> 5) };
        let changes = (0..count).map(|_| Draft::read(bytes, grows).sent(&self.model, at as u64, encoding)).collect();
        Message { key, base: base.map(Version), encoding, changes, reject_conflicts }
    }

    fn new_key(&mut self, client: usize) -> (usize, String) {
        self.names_given += 1;
        (client, format!("c{}", self.names_given))
    }

    /// One client types quickly: enough to push its first messages out of the resend table.
    fn burst(&mut self, bytes: &mut Bytes<'_>) {
        let client = 1 + bytes.below(3);
        for index in 0..8 + bytes.below(64) {
            let key = Some(self.new_key(client));
            let changes = vec![Draft::typed(index).sent(&self.model, self.model.version(), PositionEncoding::Utf16)];
            let base = Some(self.document.version());
            self.submit(&Message { key, base, encoding: PositionEncoding::Utf16, changes, reject_conflicts: false });
        }
    }

    /// A message from earlier comes again, perhaps from another base, perhaps with another content.
    fn resend(&mut self, bytes: &mut Bytes<'_>) {
        let (which, flags) = (bytes.next(), bytes.next());
        let back = usize::from(which) % self.taken.len().max(1);
        let Some(taken) = self.taken.iter().rev().nth(back).cloned() else { return };
        let mut changes = taken.changes;
        if flags & 3 == 3
            && let Some(last) = changes.last_mut()
        {
            last.position = last.position.wrapping_add(1);
        }
        let base = (flags & 4 == 4).then(|| Version(self.numbers[0]));
        let encoding = PositionEncoding::ALL[usize::from(flags >> 3) % 3];
        let key = Some((taken.client, taken.correlation_id));
        self.submit(&Message { key, base, encoding, changes, reject_conflicts: flags & 0x80 != 0 });
    }

    /// Submits a message to the document, and compares all that can be seen of it.
    fn submit(&mut self, message: &Message) {
        let client_id = message.key.as_ref().map(|(client, _)| ["", "ann", "ben", "eve"][*client]);
        let sent = Submission {
            user_id: "user_123",
            client_id,
            correlation_id: message.key.as_ref().map(|(_, correlation_id)| correlation_id.as_str()),
            base: message.base,
            encoding: message.encoding,
            changes: &message.changes,
            reject_conflicts: message.reject_conflicts,
            tell_moves: true,
        };
        let now = UnixMillis(self.now);
        let bases = self.bases();
        let known = self.document.resent(now, &sent);
        let answer = self.document.submit(now, &sent);
        if let Some(known) = &known {
            assert_eq!(known, &answer, "a resend is answered the same");
        }
        let taken = message.key.as_ref().and_then(|key| self.known(key)).cloned();
        assert_eq!(known.is_some(), taken.is_some(), "{:?}", message.key);
        match (taken, answer) {
            (Some(taken), answer) => {
                let same = Ok(Submitted::Duplicate { version: taken.version, transformed: taken.transformed });
                let expected = if taken.changes == message.changes { same } else { Err(Rejection::KeyReused) };
                assert_eq!(answer, expected);
                self.check_unchanged();
            }
            (None, Ok(Submitted::Applied { version, transformed, moves })) => {
                let moves = moves.into_iter().map(|moved| Moved {
                    original: moved.original_position,
                    transformed: moved.transformed_position,
                    in_section: moved.section.map(|(name, position)| (name.as_str().to_owned(), position)),
                    reason: moved.reason,
                });
                self.accepted(message, &sent, version, Outcome { transformed, moves: moves.collect() });
                // Their bytes never come near the limit.
                let least = (bases + 1).min(self.limits.history_versions_max);
                assert!(self.bases() >= least, "{} versions can be a base, not {least}", self.bases());
            }
            (None, Ok(other @ Submitted::Duplicate { .. })) => panic!("{message:?} is new: {other:?}"),
            (None, Err(rejection)) => {
                assert!(self.may_refuse(&sent, &rejection), "{message:?} was refused: {rejection}");
                self.check_unchanged();
            }
        }
    }

    /// The message of that key, if it is still to be known.
    fn known(&self, (client, correlation_id): &(usize, String)) -> Option<&Taken> {
        let last = self.taken.iter().rev().filter(|taken| taken.client == *client).take(RESENDS_PER_CLIENT);
        let mut same = last.filter(|taken| taken.correlation_id == *correlation_id);
        same.next().filter(|taken| self.now - taken.at <= RESEND_AGE_MAX_MS)
    }

    fn accepted(&mut self, message: &Message, sent: &Submission<'_>, version: Version, outcome: Outcome) {
        let before = self.model.now().to_vec();
        let base = self.base_index(sent).expect("a base that was accepted exists");
        let conflict = message.reject_conflicts && base + 1 < self.numbers.len();
        assert!(!conflict, "{message:?} was to be refused");
        assert_eq!(self.model.submit(&at_version(sent, base)), Ok(outcome.clone()), "{message:?}");
        assert!(!self.is_too_large(&before, &self.model), "{message:?} was to be refused for its size");
        assert!(version.0 > self.numbers[self.numbers.len() - 1]);
        assert_eq!(version, self.document.version());
        self.numbers.push(version.0);
        let change = self.document.history().last().expect("the newest change is kept").to_change();
        self.check_change(&change, &before, version);
        self.log.push(change);
        self.check_texts();
        if let Some((client, correlation_id)) = message.key.clone() {
            let changes = message.changes.clone();
            let transformed = outcome.transformed;
            self.taken.push(Taken { client, correlation_id, changes, at: self.now, version, transformed });
        }
    }

    /// Which version of the model a submission is made against.
    fn base_index(&self, sent: &Submission<'_>) -> Option<usize> {
        sent.base.map_or(Some(self.numbers.len() - 1), |base| self.numbers.binary_search(&base.0).ok())
    }

    /// Whether there is reason for this refusal.
    fn may_refuse(&mut self, sent: &Submission<'_>, rejection: &Rejection) -> bool {
        let (floor, current) = (self.document.history().floor(), self.document.version());
        let too_old = sent.base.filter(|base| *base < floor);
        let index = self.base_index(sent).filter(|_| too_old.is_none());
        match (rejection, index) {
            (Rejection::VersionTooOld { base, oldest }, None) => Some(*base) == too_old && *oldest == floor,
            (Rejection::VersionUnknown { base, current: said }, None) => {
                too_old.is_none() && Some(*base) == sent.base && *said == current
            }
            (Rejection::VersionConflict { current: said, .. }, Some(base)) => {
                sent.reject_conflicts && base + 1 < self.numbers.len() && *said == current
            }
            (Rejection::InvalidPosition { index, field, .. }, Some(base)) => {
                self.has_fault(sent, base, &Fault::Position(*index, field))
            }
            (Rejection::UnknownSection { index, .. }, Some(base)) => {
                self.has_fault(sent, base, &Fault::UnknownSection(*index))
            }
            (Rejection::TooLarge { what, .. }, Some(base)) => {
                let mut model = self.model.clone();
                let taken = model.submit(&at_version(sent, base)).is_ok();
                // One section too many may be met before another fault is.
                if taken { self.is_too_large(self.model.now(), &model) } else { what.contains("sections") }
            }
            _ => false,
        }
    }

    /// Whether the model finds that fault; it stays as it was.
    fn has_fault(&mut self, sent: &Submission<'_>, base: usize, fault: &Fault) -> bool {
        self.model.submit(&at_version(sent, base)).is_err_and(|faults| faults.contains(fault))
    }

    /// Whether what `model` has now is beyond a limit, and larger than what was there `before`.
    fn is_too_large(&self, before: &[Units], model: &Model) -> bool {
        let bytes = |texts: &[Units]| texts.iter().map(|units| text_of(units).len()).collect::<Vec<_>>();
        let (before, after) = (bytes(before), bytes(model.now()));
        let grown = |index: usize| after[index] > before.get(index).copied().unwrap_or(0);
        let section = (0..after.len()).any(|index| after[index] > self.limits.section_bytes_max && grown(index));
        let (sum_before, sum_after) = (before.iter().sum::<usize>(), after.iter().sum::<usize>());
        let document = sum_after > self.limits.document_bytes_max && sum_after > sum_before;
        section || document || model.names.len() > self.limits.sections_max
    }

    /// The parts of a version make the new texts of the old ones, from the end to the start.
    fn check_change(&self, change: &Change, before: &[Units], version: Version) {
        assert_eq!((change.version, change.at), (version, UnixMillis(self.now)));
        let mut texts: Vec<Units> = before.to_vec();
        texts.resize(self.model.now().len(), Units::new());
        assert!(change.sections.is_sorted_by(|one, next| one.section < next.section));
        for made in &change.sections {
            let text = &mut texts[usize::from(made.section)];
            for part in made.parts() {
                let from = part.position as usize;
                let cut: Vec<u16> =
                    text.splice(from..from + part.deleted_units as usize, part.inserted.encode_utf16()).collect();
                assert_eq!(text_of(&cut), part.deleted);
            }
        }
        assert_eq!(texts, self.model.now(), "parts");
    }

    /// What is refused, or a resend, changes nothing.
    fn check_unchanged(&self) {
        assert_eq!(Some(&self.document.version().0), self.numbers.last());
        self.check_texts();
    }

    fn check_texts(&self) {
        let names: Vec<&str> = self.document.sections().iter().map(|section| section.name().as_str()).collect();
        assert_eq!(names, self.model.names);
        assert!(names.iter().all(|name| NAMES.contains(name)));
        for (section, units) in self.document.sections().iter().zip(self.model.now()) {
            let text = text_of(units);
            assert_eq!(section.text().to_string(), text);
            for encoding in PositionEncoding::ALL {
                assert_eq!(section.text().len_in(encoding), encoding.length_of(&text));
            }
        }
    }

    /// How many versions older than the newest can be a base.
    fn bases(&self) -> usize {
        let floor = self.numbers.binary_search(&self.document.history().floor().0);
        self.numbers.len() - 1 - floor.expect("the oldest base is a version")
    }

    /// The document as it comes back from storage: from a snapshot, with changes before it as history.
    fn restored(&self, (snapshot, made): &(Snapshot, usize), past: usize) -> Document {
        let changes = self.log[made - past.min(*made)..].to_vec();
        let restored = Document::restore(id(), snapshot.clone(), changes, self.limits).expect("its own records fit");
        let now = UnixMillis(self.now);
        assert_eq!(restored.snapshot(now), self.document.snapshot(now));
        restored
    }

    fn restart(&mut self, bytes: &mut Bytes<'_>) {
        let flags = bytes.next();
        let from = match flags & 3 {
            0 => (Snapshot::default(), 0),
            1 => (self.document.snapshot(UnixMillis(self.now)), self.log.len()),
            _ => self.kept.clone(),
        };
        self.document = self.restored(&from, usize::from(flags >> 3) % 16);
        if flags & 4 == 4 {
            self.document.skip_versions(VERSIONS_SKIPPED);
        }
    }

    fn check_restores(&self) {
        let current = (self.document.snapshot(UnixMillis(self.now)), self.log.len());
        for (from, past) in [(&(Snapshot::default(), 0), 0), (&self.kept, 0), (&self.kept, usize::MAX), (&current, 5)] {
            let restored = self.restored(from, past);
            let newest = restored.history().last();
            assert!(newest.is_none_or(|newest| Some(&newest.to_change()) == self.log.last()));
        }
    }

    /// Records that do not fit are refused; nothing makes a panic.
    fn check_damage(&self, bytes: &mut Bytes<'_>) {
        let (what, where_from) = (bytes.next(), bytes.next());
        let mut changes = self.log.clone();
        if changes.is_empty() {
            return;
        }
        let index = usize::from(where_from) % changes.len();
        let is_last = index + 1 == changes.len();
        let change = &mut changes[index];
        match (what % 6, change.sections.first_mut()) {
            (0, _) => drop(changes.remove(index)),
            (1, _) => change.version = change.version.next(),
            (2, Some(made)) => made.deleted.push('x'),
            (3, Some(made)) => made.section += 1,
            (4, Some(made)) => made.created = None,
            (_, _) => change.version = Version(0),
        }
        let detectable = match what % 6 {
            0 => !is_last,
            1 => !is_last,
            2 | 5 => true,
            _ => false,
        };
        let from = if what & 0x80 == 0 { Snapshot::default() } else { self.kept.0.clone() };
        let is_past = what & 0x80 != 0;
        let restored = Document::restore(id(), from, changes, self.limits);
        assert!(restored.is_err() || !detectable || is_past, "damage {what} at {index} went unseen");
    }
}

/// The submission as the model takes it, whose versions have no gaps.
fn at_version<'a>(sent: &Submission<'a>, base: usize) -> Submission<'a> {
    Submission { base: sent.base.map(|_| Version(base as u64)), ..sent.clone() }
}

fn id() -> DocumentId {
    DocumentId::new("jd_12345").expect("a name")
}

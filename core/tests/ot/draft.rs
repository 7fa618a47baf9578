//! Operations before it is known what text they are for, made of whole characters.

use jddb_core::ot::{Operation, OperationBuilder};

use super::search::Random;

/// One to four bytes of UTF-8, one or two UTF-16 code units, and what is easily mistaken for one character.
const CHARACTERS: [char; 12] =
    ['a', 'b', 'c', 'é', 'ÿ', '\u{301}', '\u{20AC}', '\u{1F600}', '\u{10FFFF}', '\r', '\n', '\0'];
const TEXTS: [&str; 12] = [
    "x",
    "y",
    "xy",
    "\u{1F600}",
    "\u{1F469}\u{200D}\u{1F4BB}",
    "e\u{301}",
    "é",
    "\r\n",
    "\0",
    "\u{20AC}z",
    "😀a😀",
    "ÿ",
];

/// One place of a draft; places are counted in characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) gap: usize,
    pub(crate) text: &'static str,
    pub(crate) deletes: usize,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {} put {:?} delete {}", self.gap, self.text, self.deletes)
    }
}

/// An operation for any text: what lies beyond the text counts as at its end, what is deleted twice once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Sorted by gap.
    pub(crate) entries: Vec<Entry>,
}

/// A text, and operations on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) base: Vec<char>,
    pub(crate) drafts: Vec<Draft>,
}

/// What cases to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Characters of the base, at most.
    base_max: usize,
    base_min: usize,
    drafts: usize,
    /// All edits lie within this many characters of a random place, so that they meet.
    spread: usize,
}

impl Shape {
    /// Texts of up to 8 characters (16 units), dense with edges.
    pub(crate) const fn dense(drafts: usize) -> Self {
        Self { base_min: 0, base_max: 8, drafts, spread: 9 }
    }

    /// Texts of about 50 KB.
    pub(crate) const fn large(drafts: usize) -> Self {
        Self { base_min: 20_000, base_max: 25_000, drafts, spread: 60 }
    }
}

impl Draft {
    /// Up to seven edits close together; half of all drafts have a single one.
    fn random(random: &mut Random, length: usize, spread: usize) -> Self {
        let near = length.saturating_sub(spread) / 2;
        let count = if random.chance(50) { 1 } else { random.below(8) };
        let entries = (0..count).map(|_| {
            let (from, gaps) = if random.chance(5) { (0, length + 1) } else { (near, length.min(spread) + 1) };
            let gap = from + random.below(gaps);
            let text = if random.chance(55) { TEXTS[random.below(TEXTS.len())] } else { "" };
            let deletes_max = if random.chance(15) { spread } else { 2 };
            Entry { gap, text, deletes: random.below(deletes_max + 1) }
        });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort_by_key(|entry| entry.gap);
        Self { entries }
    }

    /// The operation for `text`.
    pub(crate) fn on(&self, text: &[char]) -> Operation {
        let units =
            |characters: &[char]| u32::try_from(characters.iter().map(|c| c.len_utf16()).sum::<usize>()).unwrap();
        let mut builder = OperationBuilder::default();
        let (mut place, mut position, mut deleted_to) = (0, 0, 0);
        for (index, entry) in self.entries.iter().enumerate() {
            let gap = entry.gap.min(text.len());
            position += units(&text[place..gap]);
            place = gap;
            builder.insert(position, entry.text);
            deleted_to = deleted_to.max(gap + entry.deletes).min(text.len());
            let next = self.entries.get(index + 1).map_or(text.len(), |next| next.gap.min(text.len()));
            builder.delete(position, units(&text[gap..deleted_to.min(next).max(gap)]));
        }
        builder.finish()
    }

    fn smaller(&self) -> impl Iterator<Item = Self> + '_ {
        let change = |index: usize, how: fn(&mut Entry)| {
            let mut draft = self.clone();
            how(&mut draft.entries[index]);
            (draft != *self).then_some(draft)
        };
        let without = (0..self.entries.len()).map(|index| {
            let mut draft = self.clone();
            draft.entries.remove(index);
            draft
        });
        without.chain((0..self.entries.len()).flat_map(move |index| {
            let simpler = [
                change(index, |entry| entry.text = ""),
                change(index, |entry| entry.text = if entry.text.len() > 1 { "x" } else { entry.text }),
                change(index, |entry| entry.deletes = 0),
                change(index, |entry| entry.deletes = entry.deletes.saturating_sub(1)),
            ];
            simpler.into_iter().flatten()
        }))
    }
}

impl Case {
    pub(crate) fn random(random: &mut Random, shape: Shape) -> Self {
        let length = shape.base_min + random.below(shape.base_max - shape.base_min + 1);
        let base = (0..length).map(|_| CHARACTERS[random.below(CHARACTERS.len())]).collect();
        let drafts = (0..shape.drafts).map(|_| Draft::random(random, length, shape.spread)).collect();
        Self { base, drafts }
    }

    /// Cases like this one with a little less in them.
    pub(crate) fn smaller(&self) -> impl Iterator<Item = Self> + '_ {
        let half = self.base.len() / 2;
        let halves = [0, half].into_iter().filter(move |_| half > 20);
        let shorter = halves.map(move |from| self.without(from, half));
        let shorter = shorter.chain((0..self.base.len().min(200)).map(|index| self.without(index, 1)));
        let plainer = (0..self.base.len().min(200)).filter(|&index| self.base[index] != 'a').map(|index| {
            let mut case = self.clone();
            case.base[index] = 'a';
            case
        });
        let drafts = self.drafts.iter().enumerate().flat_map(move |(index, draft)| {
            draft.smaller().map(move |draft| {
                let mut case = self.clone();
                case.drafts[index] = draft;
                case
            })
        });
        let lefter = self.drafts.iter().enumerate().flat_map(move |(index, draft)| {
            (0..draft.entries.len()).filter(move |&at| draft.entries[at].gap > 0).map(move |at| {
                let mut case = self.clone();
                case.drafts[index].entries[at].gap -= 1;
                case.drafts[index].entries.sort_by_key(|entry| entry.gap);
                case
            })
        });
        shorter.chain(drafts).chain(plainer).chain(lefter)
    }

    fn without(&self, from: usize, count: usize) -> Self {
        let mut case = self.clone();
        case.base.drain(from..from + count);
        for entry in case.drafts.iter_mut().flat_map(|draft| &mut draft.entries) {
            if entry.gap > from {
                entry.gap = (entry.gap - count.min(entry.gap)).max(from);
            }
        }
        case
    }
}

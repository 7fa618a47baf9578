//! A model of a document: every unit of every text on its own, every version kept whole.
//!
//! It shares nothing with the engine: no edits, no cursors, no shortcuts. A change is a set of units that
//! it deletes and a list of gaps between units that it puts text into; to move it over a version, each
//! unit and each gap is counted anew.

use jddb_core::document::{ChangeKind, MoveReason, SentChange, Submission};
use jddb_core::ids::PositionEncoding;

pub(crate) type Units = Vec<u16>;

/// What one version did to one section.
#[derive(Clone, Debug)]
struct Step {
    section: usize,
    deleted: Vec<bool>,
    /// One text a gap: before each unit, and after the last.
    inserted: Vec<Units>,
}

/// One version: the texts after it, and the steps that led to it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) names: Vec<String>,
    versions: Vec<Vec<Units>>,
    steps: Vec<Vec<Step>>,
}

/// A reason to refuse a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Position(usize, &'static str),
    UnknownSection(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) original: u64,
    pub(crate) transformed: u64,
    pub(crate) in_section: Option<(String, u64)>,
    pub(crate) reason: MoveReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) transformed: bool,
    pub(crate) moves: Vec<Moved>,
}

/// One change, unit by unit, in the texts it has come to.
#[derive(Clone, Debug)]
struct Atom {
    section: usize,
    gap: usize,
    /// The gap at the base, which orders texts that came to one gap.
    base_gap: usize,
    end: Option<(usize, usize)>,
    text: Units,
    deleted: Vec<(usize, usize)>,
    reasons: Vec<MoveReason>,
    over_document: bool,
}

pub(crate) fn text_of(units: &[u16]) -> String {
    String::from_utf16(units).unwrap()
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { names: Vec::new(), versions: vec![Vec::new()], steps: vec![Vec::new()] }
    }

    pub(crate) fn version(&self) -> u64 {
        self.versions.len() as u64 - 1
    }

    pub(crate) fn texts(&self, version: u64) -> &[Units] {
        &self.versions[usize::try_from(version).unwrap()]
    }

    pub(crate) fn now(&self) -> &[Units] {
        self.versions.last().unwrap()
    }

    /// Takes a submission; or says everything that is wrong with it.
    pub(crate) fn submit(&mut self, sent: &Submission<'_>) -> Result<Outcome, Vec<Fault>> {
        let base = sent.base.map_or_else(|| self.version(), |base| base.0);
        let mut names = self.names.clone();
        let mut faults = Vec::new();
        let (mut atoms, mut clamped) = (Vec::new(), false);
        for (index, change) in sent.changes.iter().enumerate() {
            match self.resolve(&mut names, base, sent, index, change) {
                Ok((atom, moved)) => {
                    atoms.push(atom);
                    clamped |= moved;
                }
                Err(found) => faults.extend(found),
            }
        }
        let at_base = shape(&atoms, names.len());
        for steps in &self.steps[usize::try_from(base).unwrap() + 1..] {
            atoms.iter_mut().for_each(|atom| atom.pass(steps));
        }
        let now = self.now().to_vec();
        for (index, atom) in atoms.iter().enumerate() {
            let splits = |section: usize, gap: usize| now.get(section).is_some_and(|text| is_low(text.get(gap)));
            if splits(atom.section, atom.gap) {
                faults.push(Fault::Position(index, "position"));
            }
            if atom.end.is_some_and(|(section, gap)| splits(section, gap)) {
                faults.push(Fault::Position(index, "length"));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut transformed = clamped || shape(&atoms, names.len()) != at_base;
        for atom in atoms.iter().filter(|atom| atom.over_document) {
            let start = |texts: &[Units]| -> usize {
                texts.iter().take(atom.section).map(|text| sent.encoding.length_of(&text_of(text))).sum()
            };
            transformed |= start(self.texts(base)) != start(&now);
        }
        self.names = names;
        let moves = self.apply(sent, &atoms, now);
        Ok(Outcome { transformed, moves })
    }

    fn resolve(
        &self,
        names: &mut Vec<String>,
        base: u64,
        sent: &Submission<'_>,
        index: usize,
        change: &SentChange<'_>,
    ) -> Result<(Atom, bool), Vec<Fault>> {
        let texts = self.texts(base);
        let over_document = change.section.is_none();
        let name = match &change.section {
            Some(name) => Some(name.as_str().to_owned()),
            None if texts.is_empty() => Some(self.names.first().map_or_else(|| "body".to_owned(), Clone::clone)),
            None => None,
        };
        let empty = Units::new();
        // The text the change counts in, and where each of its units is.
        let (text, first): (Units, usize) = match name {
            Some(name) => {
                let known = names.iter().position(|known| *known == name);
                let section = match (known, change.kind) {
                    (Some(section), _) => section,
                    (None, ChangeKind::Insert) => {
                        names.push(name);
                        names.len() - 1
                    }
                    (None, _) => return Err(vec![Fault::UnknownSection(index)]),
                };
                (texts.get(section).unwrap_or(&empty).clone(), section)
            }
            None => (texts.concat(), 0),
        };
        let counts_all = change.section.is_none() && !texts.is_empty();
        let unit_places: Vec<(usize, usize)> = if counts_all {
            texts.iter().enumerate().flat_map(|(s, text)| (0..text.len()).map(move |offset| (s, offset))).collect()
        } else {
            (0..text.len()).map(|offset| (first, offset)).collect()
        };
        let length = if change.kind == ChangeKind::Insert { 0 } else { change.length };
        let exact = sent.base.is_some();
        let from = units_before(&text, change.position, sent.encoding, exact);
        let to = units_before(&text, change.position.saturating_add(length), sent.encoding, exact);
        let (Some((from, from_moved)), Some((to, to_moved))) = (from, to) else {
            let fault = |found: Option<_>, field| found.is_none().then_some(Fault::Position(index, field));
            return Err([fault(from, "position"), fault(to, "length")].into_iter().flatten().collect());
        };
        let deleted: Vec<(usize, usize)> = unit_places[from..to].to_vec();
        let (section, gap) = deleted.first().copied().unwrap_or_else(|| {
            if !counts_all {
                return (first, from);
            }
            let mut start = 0;
            let found = texts.iter().enumerate().find_map(|(section, text)| {
                let here = (from <= start + text.len()).then(|| (section, from - start));
                start += text.len();
                here
            });
            found.unwrap()
        });
        let text = match change.kind {
            ChangeKind::Delete => Units::new(),
            ChangeKind::Insert | ChangeKind::Replace => change.content.encode_utf16().collect(),
        };
        let end = deleted.last().map(|&(section, unit)| (section, unit + 1));
        let atom = Atom { section, gap, base_gap: gap, end, text, deleted, reasons: Vec::new(), over_document };
        Ok((atom, from_moved || to_moved))
    }

    fn apply(&mut self, sent: &Submission<'_>, atoms: &[Atom], mut now: Vec<Units>) -> Vec<Moved> {
        now.resize(self.names.len(), Units::new());
        let mut landings = vec![(0, Vec::new()); atoms.len()];
        let mut steps = Vec::new();
        for (section, text) in now.iter_mut().enumerate() {
            let step = step_of(atoms, section, text.len());
            *text = step.apply(text, atoms, &mut landings);
            steps.push(step);
        }
        for (atom, (_, reasons)) in atoms.iter().zip(&mut landings) {
            let earlier = || steps.iter().take(atom.section).filter(|_| atom.over_document);
            reasons.extend(atom.reasons.iter().copied());
            if earlier().any(|step| step.deleted.contains(&true)) {
                reasons.push(MoveReason::PriorDeletion);
            }
            if earlier().any(|step| step.inserted.iter().any(|text| !text.is_empty())) {
                reasons.push(MoveReason::PriorInsertion);
            }
        }
        let length = |units: &[u16]| sent.encoding.length_of(&text_of(units)) as u64;
        let moved = sent.changes.iter().zip(atoms).zip(landings);
        let moves = moved.filter_map(|((change, atom), (position, reasons))| {
            let in_section = length(&now[atom.section][..position]);
            let before: u64 = now[..atom.section].iter().map(|text| length(text)).sum();
            let transformed = if atom.over_document { before + in_section } else { in_section };
            let reason = reasons.into_iter().min()?;
            (transformed != change.position).then(|| Moved {
                original: change.position,
                transformed,
                in_section: atom.over_document.then(|| (self.names[atom.section].clone(), in_section)),
                reason,
            })
        });
        let moves = moves.collect();
        self.versions.push(now);
        self.steps.push(steps);
        moves
    }
}

impl Atom {
    fn pass(&mut self, steps: &[Step]) {
        for step in steps {
            let deletes = step.deleted.contains(&true);
            let inserts = step.inserted.iter().any(|text| !text.is_empty());
            if step.section == self.section {
                let deletes_before = step.deleted[..self.gap].contains(&true);
                let inserts_before = step.inserted[..=self.gap].iter().any(|text| !text.is_empty());
                self.reasons.extend(deletes_before.then_some(MoveReason::ConcurrentDeletion));
                self.reasons.extend(inserts_before.then_some(MoveReason::ConcurrentInsertion));
                self.gap = step.map_gap(self.gap);
            } else if self.over_document && step.section < self.section {
                self.reasons.extend(deletes.then_some(MoveReason::ConcurrentDeletion));
                self.reasons.extend(inserts.then_some(MoveReason::ConcurrentInsertion));
            }
            if let Some((_, gap)) = self.end.as_mut().filter(|(section, _)| *section == step.section) {
                *gap = step.map_gap(*gap);
            }
            self.deleted.retain(|&(section, unit)| section != step.section || !step.deleted[unit]);
            for (_, unit) in self.deleted.iter_mut().filter(|(section, _)| *section == step.section) {
                *unit = step.map_gap(*unit);
            }
        }
    }
}

impl Step {
    /// A gap comes to stand behind all that was put into it or before it.
    fn map_gap(&self, gap: usize) -> usize {
        let kept = self.deleted[..gap].iter().filter(|deleted| !**deleted).count();
        let inserted: usize = self.inserted[..=gap].iter().map(Vec::len).sum();
        kept + inserted
    }

    /// The text after the step; notes where each change's text, or the place it named, is in it.
    fn apply(&self, text: &[u16], atoms: &[Atom], landings: &mut [(usize, Vec<MoveReason>)]) -> Units {
        let mut out = Units::new();
        let (mut deleted, mut inserted) = (false, false);
        for gap in 0..=text.len() {
            let mut here: Vec<usize> =
                (0..atoms.len()).filter(|&i| atoms[i].section == self.section && atoms[i].gap == gap).collect();
            here.sort_by_key(|&i| atoms[i].base_gap);
            let with_text = here.iter().filter(|&&i| !atoms[i].text.is_empty());
            let without = here.iter().filter(|&&i| atoms[i].text.is_empty());
            for &i in with_text.chain(without) {
                landings[i].0 = out.len();
                landings[i].1.extend(deleted.then_some(MoveReason::PriorDeletion));
                landings[i].1.extend(inserted.then_some(MoveReason::PriorInsertion));
                out.extend(&atoms[i].text);
                inserted |= !atoms[i].text.is_empty();
            }
            if let Some(&unit) = text.get(gap) {
                deleted |= self.deleted[gap];
                out.extend((!self.deleted[gap]).then_some(unit));
            }
        }
        out
    }
}

/// What all changes together do to a section of that length.
fn step_of(atoms: &[Atom], section: usize, length: usize) -> Step {
    let mut step = Step { section, deleted: vec![false; length], inserted: vec![Units::new(); length + 1] };
    let mut texts: Vec<&Atom> = atoms.iter().filter(|atom| atom.section == section).collect();
    texts.sort_by_key(|atom| atom.base_gap);
    texts.iter().for_each(|atom| step.inserted[atom.gap].extend(&atom.text));
    let deleted = atoms.iter().flat_map(|atom| &atom.deleted).filter(|(other, _)| *other == section);
    deleted.for_each(|&(_, unit)| step.deleted[unit] = true);
    step
}

/// All that is done, in a form in which the same is equal.
fn shape(atoms: &[Atom], sections: usize) -> Vec<(Vec<usize>, Vec<(usize, Units)>)> {
    let of_section = |section: usize| {
        let mut deleted: Vec<usize> =
            atoms.iter().flat_map(|atom| &atom.deleted).filter(|(s, _)| *s == section).map(|(_, unit)| *unit).collect();
        deleted.sort_unstable();
        deleted.dedup();
        let mut texts: Vec<&Atom> =
            atoms.iter().filter(|atom| atom.section == section && !atom.text.is_empty()).collect();
        texts.sort_by_key(|atom| atom.base_gap);
        let mut joined: Vec<(usize, Units)> = Vec::new();
        for atom in texts {
            match joined.last_mut() {
                Some((gap, text)) if *gap == atom.gap => text.extend(&atom.text),
                _ => joined.push((atom.gap, atom.text.clone())),
            }
        }
        (deleted, joined)
    };
    (0..sections).map(of_section).collect()
}

fn is_low(unit: Option<&u16>) -> bool {
    unit.is_some_and(|unit| (0xDC00..0xE000).contains(unit))
}

/// The UTF-16 units before a position, and whether it had to be moved to be one; `None` if there is no
/// such position. An exact UTF-16 position may split a pair here: that is judged later.
fn units_before(text: &[u16], position: u64, encoding: PositionEncoding, exact: bool) -> Option<(usize, bool)> {
    if exact && encoding == PositionEncoding::Utf16 {
        return usize::try_from(position).ok().filter(|&units| units <= text.len()).map(|units| (units, false));
    }
    let (mut before, mut last) = (0, 0);
    for character in text_of(text).chars() {
        if before == position {
            return Some((last, false));
        }
        before += encoding.length_of(character.encode_utf8(&mut [0; 4])) as u64;
        if before > position {
            return (!exact).then_some((last, true));
        }
        last += character.len_utf16();
    }
    if before == position { Some((last, false)) } else { (!exact).then_some((last, true)) }
}

//! Translations that come from elsewhere, and what becomes of them here.

use super::entry::{CONTRIBUTORS_MAX, Context, Entry, EntryId, Markup, Ratings, Scope, Status};
use super::{LanguagePair, TRANSLATIONS_MAX, TextError};
use crate::ids::UnixMillis;

/// A text and its translation, with what is known of them where they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Where it is to be found.
    pub scope: Scope,
    /// From which language into which.
    pub pair: LanguagePair,
    /// The text.
    pub source_text: Box<str>,
    /// Its translation.
    pub translated_text: Box<str>,
    /// Both with their tags.
    pub markup: Option<Box<Markup>>,
    /// Where the text stands.
    pub context: Context,
    /// Whether it is to be used; where nobody says, as of one that is handed in.
    pub status: Option<Status>,
    /// Whether somebody has reviewed it.
    pub reviewed: bool,
    /// How good it was found.
    pub ratings: Ratings,
    /// How often it was used.
    pub usage_count: u32,
    /// When it was made.
    pub created_at: Option<UnixMillis>,
    /// When it was changed last.
    pub changed_at: Option<UnixMillis>,
    /// When it was used last.
    pub last_used_at: Option<UnixMillis>,
    /// Who had a part in it.
    pub contributors: Vec<Box<str>>,
}

/// What is known here of a text that is imported, but for the entry itself.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// How many translations there are of the text, in its place.
    pub translations: usize,
    /// How many entries there may be more.
    pub entries: usize,
    /// The number of the next entry.
    pub next: EntryId,
}

/// Why something is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportRefusal {
    /// The text is none that can be looked for.
    Text(TextError),
    /// There are [`TRANSLATIONS_MAX`] translations of the text.
    Translations,
    /// There are as many entries as are wanted.
    Full,
}

impl From<TextError> for ImportRefusal {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}

/// What became of something that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It was new.
    Created,
    /// More is known of an entry.
    Updated,
    /// It was known, with all that is said of it.
    Unchanged,
}

/// What becomes of something that is imported.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is new.
    Created(Entry),
    /// More is known of an entry.
    Updated(Entry),
    /// It is known, with all that is said of it.
    Unchanged,
}

impl Imported {
    /// Whether this is an entry's text and translation, letter for letter.
    #[must_use]
    pub fn is_of(&self, entry: &Entry) -> bool {
        (&self.scope, self.pair) == (&entry.scope, entry.pair)
            && self.source_text == entry.source_text
            && self.translated_text == entry.translated_text
    }

    /// What becomes of it where that entry has this text and translation, or none has.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn decide(self, known: Option<Entry>, room: Room, now: UnixMillis) -> Result<Outcome, ImportRefusal> {
        match known {
            Some(mut entry) => {
                let is_changed = entry.take_over(self);
                Ok(if is_changed { Outcome::Updated(entry) } else { Outcome::Unchanged })
            }
            None if room.translations >= TRANSLATIONS_MAX => Err(ImportRefusal::Translations),
            None if room.entries == 0 => Err(ImportRefusal::Full),
            None => Ok(Outcome::Created(self.into_entry(room.next, now))),
        }
    }

    /// A new entry of it. Of what is not known when, it is now.
    #[must_use]
    pub fn into_entry(self, id: EntryId, now: UnixMillis) -> Entry {
        let created_at = self.created_at.or(self.changed_at).or(self.last_used_at).unwrap_or(now);
        let changed_at = self.changed_at.unwrap_or(created_at);
        let mut entry = Entry {
            id,
            scope: self.scope,
            pair: self.pair,
            source_text: self.source_text,
            translated_text: self.translated_text,
            markup: self.markup,
            context: self.context.into(),
            status: self.status.unwrap_or(Status::Pending),
            reviewed: self.reviewed,
            ratings: self.ratings,
            usage_count: self.usage_count,
            created_at,
            changed_at,
            last_used_at: self.last_used_at.unwrap_or(changed_at),
            contributors: self.contributors,
        };
        if self.status.is_none() {
            entry.settle();
        }
        entry
    }
}

impl Entry {
    /// Learns what is said of it elsewhere, and whether that was anything new. Once it has, the same says nothing new:
    ///
    /// - of counts and of the moments it was used and changed at the greatest holds, of when it was made the least;
    /// - whoever had a part in it is named once;
    /// - what is not known here is as it is there: tags, each part of the context;
    /// - where it was changed later there than here, its tags, context and status are as they are there; else it is only
    ///   accepted or reviewed if it is so there, and not rejected here.
    fn take_over(&mut self, imported: Imported) -> bool {
        let before = self.clone();
        let is_newer = imported.changed_at.is_some_and(|there| there > self.changed_at);
        self.usage_count = self.usage_count.max(imported.usage_count);
        self.created_at = imported.created_at.map_or(self.created_at, |there| there.min(self.created_at));
        self.changed_at = imported.changed_at.map_or(self.changed_at, |there| there.max(self.changed_at));
        self.last_used_at = imported.last_used_at.map_or(self.last_used_at, |there| there.max(self.last_used_at));
        if imported.ratings.count > self.ratings.count {
            self.ratings = imported.ratings;
        }
        for person in imported.contributors {
            if !self.contributors.contains(&person) && self.contributors.len() < CONTRIBUTORS_MAX {
                self.contributors.push(person);
            }
        }
        if is_newer && imported.markup.is_some() || self.markup.is_none() {
            self.markup = imported.markup;
        }
        self.context = joined(&self.context, imported.context, is_newer).into();
        match imported.status {
            Some(status) if is_newer => (self.status, self.reviewed) = (status, imported.reviewed),
            Some(Status::Rejected) => {}
            _ if self.status == Status::Rejected => {}
            status => {
                self.reviewed |= imported.reviewed;
                match status {
                    Some(Status::Accepted) => self.status = Status::Accepted,
                    // It is pending there for a reason, whoever has reviewed it.
                    Some(_) => {}
                    None => self.settle(),
                }
            }
        }
        *self != before
    }
}

/// What is known of both, where they differ of the one that is newer.
fn joined(own: &Context, there: Context, is_newer: bool) -> Context {
    let mut own = own.clone();
    for (own, there) in [
        (&mut own.document_id, there.document_id),
        (&mut own.document_type, there.document_type),
        (&mut own.section, there.section),
        (&mut own.domain, there.domain),
        (&mut own.previous, there.previous),
        (&mut own.next, there.next),
    ] {
        if there.is_some() && (is_newer || own.is_none()) {
            *own = there;
        }
    }
    own
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::translation::{Language, Rating};

    /// Something of which nothing is known but the texts.
    pub(in crate::translation) fn imported() -> Imported {
        Imported {
            scope: Scope::Shared,
            pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap(),
            source_text: "The incumbent".into(),
            translated_text: "Le titulaire".into(),
            markup: None,
            context: Context::default(),
            status: None,
            reviewed: false,
            ratings: Ratings::default(),
            usage_count: 0,
            created_at: None,
            changed_at: None,
            last_used_at: None,
            contributors: Vec::new(),
        }
    }

    const ROOM: Room = Room { translations: 0, entries: 1, next: EntryId(7) };
    const NOW: UnixMillis = UnixMillis(50);

    fn entry(imported: Imported) -> Entry {
        imported.into_entry(EntryId(7), NOW)
    }

    #[test]
    fn what_nobody_says_is_as_of_what_is_handed_in() {
        let new = entry(imported());
        assert_eq!((new.status, new.created_at, new.changed_at, new.last_used_at), (Status::Pending, NOW, NOW, NOW));
        assert_eq!(entry(Imported { reviewed: true, ..imported() }).status, Status::Accepted);
        let good = Ratings { count: 2, sum: 9, ..Ratings::default() };
        assert_eq!(entry(Imported { ratings: good.clone(), ..imported() }).status, Status::Accepted);
        let said = Imported { ratings: good, status: Some(Status::Rejected), ..imported() };
        assert_eq!(entry(said).status, Status::Rejected);
        let dated =
            entry(Imported { created_at: Some(UnixMillis(3)), last_used_at: Some(UnixMillis(9)), ..imported() });
        assert_eq!(
            (dated.created_at, dated.changed_at, dated.last_used_at),
            (UnixMillis(3), UnixMillis(3), UnixMillis(9))
        );
    }

    #[test]
    fn there_has_to_be_room() {
        let decide = |room| imported().decide(None, room, NOW);
        assert_eq!(decide(Room { translations: TRANSLATIONS_MAX, ..ROOM }), Err(ImportRefusal::Translations));
        assert_eq!(decide(Room { entries: 0, ..ROOM }), Err(ImportRefusal::Full));
        assert_eq!(decide(ROOM), Ok(Outcome::Created(entry(imported()))));
        let full = Room { translations: TRANSLATIONS_MAX, entries: 0, ..ROOM };
        assert_eq!(imported().decide(Some(entry(imported())), full, NOW), Ok(Outcome::Unchanged));
    }

    #[test]
    fn what_is_rejected_here_stays_so_but_for_a_later_word() {
        let known = Entry { status: Status::Rejected, ..entry(imported()) };
        let says = |status, reviewed, changed_at| {
            let there = Imported { status, reviewed, changed_at, ..imported() };
            match there.decide(Some(known.clone()), ROOM, NOW).unwrap() {
                Outcome::Updated(entry) => entry.status,
                _ => known.status,
            }
        };
        assert_eq!(says(Some(Status::Accepted), true, Some(NOW)), Status::Rejected);
        assert_eq!(says(None, true, Some(UnixMillis(51))), Status::Rejected);
        assert_eq!(says(Some(Status::Accepted), true, Some(UnixMillis(51))), Status::Accepted);
    }

    /// What an entry becomes that has this text.
    fn learnt(known: &Entry, there: Imported) -> Entry {
        match there.decide(Some(known.clone()), ROOM, NOW).unwrap() {
            Outcome::Created(entry) | Outcome::Updated(entry) => entry,
            Outcome::Unchanged => known.clone(),
        }
    }

    #[test]
    fn of_counts_and_moments_the_most_is_kept() {
        let dated = |created: u64, changed: u64, used: u64| Imported {
            created_at: Some(UnixMillis(created)),
            changed_at: Some(UnixMillis(changed)),
            last_used_at: Some(UnixMillis(used)),
            ..imported()
        };
        let known = entry(dated(10, 20, 30));
        for (there, expected) in
            [(dated(5, 15, 25), [5, 20, 30]), (dated(15, 25, 35), [10, 25, 35]), (imported(), [10, 20, 30])]
        {
            let after = learnt(&known, there);
            assert_eq!([after.created_at, after.changed_at, after.last_used_at], expected.map(UnixMillis));
        }
        let ratings = |count: u32| Ratings { count, sum: count * 3, ..Ratings::default() };
        let known = Entry { ratings: ratings(4), ..entry(imported()) };
        for (count, expected) in [(3, 4), (5, 5)] {
            assert_eq!(learnt(&known, Imported { ratings: ratings(count), ..imported() }).ratings, ratings(expected));
        }
        let people =
            |names: std::ops::Range<usize>| names.map(|name| name.to_string().into()).collect::<Vec<Box<str>>>();
        let known = Entry { contributors: people(0..10), ..entry(imported()) };
        let after = learnt(&known, Imported { contributors: people(5..40), ..imported() });
        assert_eq!(after.contributors, people(0..CONTRIBUTORS_MAX));
    }

    #[test]
    fn of_tags_and_context_the_later_word_holds_and_silence_is_none() {
        let tagged = |tag: &str| Some(Box::new(Markup { source: Some(tag.into()), target: None }));
        let stands = |section: &str| Context { section: Some(section.into()), ..Context::default() };
        let known = Entry { markup: tagged("ours"), context: stands("ours").into(), ..entry(imported()) };
        let (before, after) = (Some(UnixMillis(NOW.0 - 1)), Some(UnixMillis(NOW.0 + 1)));
        for (changed_at, says, expected) in [
            (before, true, "ours"),
            (None, true, "ours"),
            (Some(NOW), true, "ours"),
            (after, true, "theirs"),
            (after, false, "ours"),
        ] {
            let silent = Imported { changed_at, ..imported() };
            let there = Imported { markup: tagged("theirs"), context: stands("theirs"), ..silent.clone() };
            let learnt = learnt(&known, if says { there } else { silent });
            assert_eq!(
                (learnt.markup, learnt.context),
                (tagged(expected), stands(expected).into()),
                "{changed_at:?} {says}"
            );
        }
        // What is not known here is as it is there, whenever that was.
        let there = Imported { changed_at: before, markup: tagged("theirs"), context: stands("theirs"), ..imported() };
        let learnt = learnt(&entry(imported()), there);
        assert_eq!((learnt.markup, learnt.context), (tagged("theirs"), stands("theirs").into()));
    }

    fn moment() -> impl Strategy<Value = Option<UnixMillis>> {
        prop::option::of((45..55_u64).prop_map(UnixMillis))
    }

    fn any_imported() -> impl Strategy<Value = Imported> {
        let status = prop::option::of(prop::sample::select(vec![Status::Accepted, Status::Pending, Status::Rejected]));
        let text = || prop::option::of("[ab]".prop_map(Box::<str>::from));
        let ratings = prop::collection::vec(1..=5_u64, 0..3);
        let people = prop::collection::vec("[a-c]".prop_map(Box::<str>::from), 0..3);
        ((moment(), moment(), moment()), status, any::<bool>(), ratings, 0..4_u32, people, (text(), text(), text()))
            .prop_map(
                |(
                    (created_at, changed_at, last_used_at),
                    status,
                    reviewed,
                    stars,
                    usage_count,
                    contributors,
                    texts,
                )| {
                    let (section, previous, source) = texts;
                    let sum = stars
                        .iter()
                        .filter_map(|stars| Rating::new(*stars))
                        .map(|rating| u32::from(rating.stars()))
                        .sum();
                    Imported {
                        context: Context { section, previous, ..Context::default() },
                        markup: source.map(|source| Box::new(Markup { source: Some(source), target: None })),
                        ratings: Ratings { count: u32::try_from(stars.len()).unwrap(), sum, ..Ratings::default() },
                        ..Imported {
                            status,
                            reviewed,
                            usage_count,
                            created_at,
                            changed_at,
                            last_used_at,
                            contributors,
                            ..imported()
                        }
                    }
                },
            )
    }

    proptest! {
        /// Whatever was known before.
        #[test]
        fn what_was_imported_says_nothing_new_again(before in any_imported(), there in any_imported()) {
            let known = entry(before.clone());
            prop_assert_eq!(before.decide(Some(known.clone()), ROOM, NOW), Ok(Outcome::Unchanged), "it is what was imported");
            let after = match there.clone().decide(Some(known.clone()), ROOM, NOW).unwrap() {
                Outcome::Created(entry) | Outcome::Updated(entry) => entry,
                Outcome::Unchanged => known,
            };
            prop_assert_eq!(there.decide(Some(after), ROOM, NOW), Ok(Outcome::Unchanged));
        }
    }
}

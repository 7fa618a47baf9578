//! Terms that come from elsewhere, and what becomes of them here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::super::imported::Became;
use super::term::{Term, TermContent, TermId, TermPlace};
use super::{Glossary, GlossaryError, Key, PreparedTerms, Staged, Staging};
use crate::ids::UnixMillis;

/// A term, with what is known of it where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedTerm {
    /// Whose it is to be, and of which languages.
    pub place: TermPlace,
    /// What it is.
    pub content: TermContent,
    /// Who has added it there.
    pub created_by: Option<Box<str>>,
    /// When.
    pub created_at: Option<UnixMillis>,
    /// Who has changed it there last.
    pub updated_by: Option<Box<str>>,
    /// When.
    pub updated_at: Option<UnixMillis>,
}

/// Why a term is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermRefusal {
    /// The same term came before, and said something else of it.
    Twice,
    /// There are as many terms as are wanted.
    Full,
}

/// What became of each of a batch of terms.
pub type TermsBecame = Vec<Result<Became, TermRefusal>>;

impl ImportedTerm {
    /// A new term of it. What nobody says is as of one that this user adds now.
    #[must_use]
    pub fn into_term(self, id: TermId, user_id: &str, now: UnixMillis) -> Term {
        let created_by = self.created_by.unwrap_or_else(|| user_id.into());
        let created_at = self.created_at.or(self.updated_at).unwrap_or(now);
        Term {
            id,
            place: self.place,
            content: self.content,
            updated_by: self.updated_by.unwrap_or_else(|| created_by.clone()),
            updated_at: self.updated_at.unwrap_or(created_at),
            created_by,
            created_at,
        }
    }

    /// A term that is known, as it is from now on. Who changed it is whoever did so there, if that was later than the last change
    /// here; else who imports it, now.
    fn over(self, known: &Term, user_id: &str, now: UnixMillis) -> Term {
        let later = self.updated_at.filter(|there| *there > known.updated_at);
        let there = later.and_then(|there| Some((self.updated_by?, there)));
        let (updated_by, updated_at) = there.unwrap_or_else(|| (user_id.into(), known.updated_at.max(now)));
        Term { content: self.content, updated_by, updated_at, ..known.clone() }
    }
}

impl Glossary {
    /// What the glossary will be when somebody has imported that: a term that is there already, in the same place and domain, is
    /// what is imported of it, and keeps its number. Of several of one file, of which `taken` are those of its batches before, the
    /// first holds. Nothing is changed yet. What was [prepared](PreparedTerms) for the batch is taken where it is still
    /// of what there will be; else that is made here.
    ///
    /// # Errors
    /// There would be more terms than can be looked for at once.
    pub fn stage_imports(
        &self,
        batch: Vec<ImportedTerm>,
        prepared: Vec<PreparedTerms>,
        taken: &mut HashSet<TermId>,
        user_id: &str,
        now: UnixMillis,
    ) -> Result<(Staged, TermsBecame), GlossaryError> {
        let mut staging = Staging { glossary: self, terms: BTreeMap::new(), next: self.next.max(now.0), user_id, now };
        let mut wordings = self.wordings;
        let mut became = Vec::with_capacity(batch.len());
        for imported in batch {
            became.push(staging.import(imported, &mut wordings, taken));
        }
        Ok((staging.finish(prepared)?, became))
    }
}

impl Staging<'_> {
    /// Takes a term, where there are so many wordings already.
    fn import(
        &mut self,
        imported: ImportedTerm,
        wordings: &mut usize,
        taken: &mut HashSet<TermId>,
    ) -> Result<Became, TermRefusal> {
        let key = Key::of(&imported.place, &imported.content);
        let known = self.at(&key).cloned();
        if let Some(known) = &known {
            let is_same = known.content == imported.content;
            match taken.contains(&known.id) {
                true if is_same => return Ok(Became::Unchanged),
                true => return Err(TermRefusal::Twice),
                false if is_same => {
                    taken.insert(known.id);
                    return Ok(Became::Unchanged);
                }
                false => {}
            }
        }
        let before = known.as_ref().map_or(0, |known| known.content.wordings());
        let after = *wordings - before + imported.content.wordings();
        // What becomes less is never refused.
        if after > *wordings && after > self.glossary.wordings_max {
            return Err(TermRefusal::Full);
        }
        *wordings = after;
        let (term, became) = match known {
            Some(known) => (imported.over(&known, self.user_id, self.now), Became::Updated),
            None => {
                let id = TermId(self.next);
                self.next += 1;
                (imported.into_term(id, self.user_id, self.now), Became::Created)
            }
        };
        taken.insert(term.id);
        self.terms.insert(key, Some(Arc::new(term)));
        Ok(became)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::{Language, LanguagePair, Scope};
    use super::super::TermDraft;
    use super::*;

    fn imported(term: &str, translation: &str) -> ImportedTerm {
        let draft = TermDraft { term, translation, ..TermDraft::default() };
        let pair = LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap();
        ImportedTerm {
            place: TermPlace { scope: Scope::Shared, pair },
            content: TermContent::new(&draft).unwrap(),
            created_by: None,
            created_at: None,
            updated_by: None,
            updated_at: None,
        }
    }

    /// Imports a file of one batch as bob, at that moment.
    fn import(glossary: &mut Glossary, batch: Vec<ImportedTerm>, now: u64) -> TermsBecame {
        import_more(glossary, batch, &mut HashSet::new(), now)
    }

    fn import_more(
        glossary: &mut Glossary,
        batch: Vec<ImportedTerm>,
        taken: &mut HashSet<TermId>,
        now: u64,
    ) -> TermsBecame {
        let (staged, became) = glossary.stage_imports(batch, Vec::new(), taken, "bob", UnixMillis(now)).unwrap();
        let count = |wanted| became.iter().filter(|became| **became == Ok(wanted)).count();
        let (created, updated) = (count(Became::Created), count(Became::Updated));
        assert_eq!((staged.created, staged.put.len(), staged.removed.len()), (created, created + updated, 0));
        glossary.install(&staged);
        became
    }

    fn only(glossary: &Glossary) -> Term {
        let terms: Vec<&Arc<Term>> = glossary.all().collect();
        assert_eq!(terms.len(), 1);
        Term::clone(terms[0])
    }

    const CREATED: Result<Became, TermRefusal> = Ok(Became::Created);
    const UPDATED: Result<Became, TermRefusal> = Ok(Became::Updated);
    const UNCHANGED: Result<Became, TermRefusal> = Ok(Became::Unchanged);

    #[test]
    fn a_term_that_is_there_is_updated() {
        let mut glossary = Glossary::new(9);
        assert_eq!(import(&mut glossary, vec![imported("incumbent", "titulaire")], 5), [CREATED]);
        let first = only(&glossary);
        assert_eq!((&*first.created_by, first.created_at, first.updated_at), ("bob", UnixMillis(5), UnixMillis(5)));
        assert_eq!(import(&mut glossary, vec![imported("incumbent", "titulaire")], 6), [UNCHANGED]);
        assert_eq!(only(&glossary), first);
        assert_eq!(import(&mut glossary, vec![imported("Incumbent", "occupant")], 7), [UPDATED]);
        let second = only(&glossary);
        assert_eq!((second.id, second.content.translation(), second.updated_at), (first.id, "occupant", UnixMillis(7)));
        // What is found is what was imported last.
        let found = glossary.inquire(None, second.place.pair).find("the incumbent").unwrap();
        assert_eq!(found[0].term.content.translation(), "occupant");
    }

    #[test]
    fn who_and_when_is_as_the_file_says() {
        let mut glossary = Glossary::new(9);
        let says = |translation, updated_at| ImportedTerm {
            created_by: Some("ann".into()),
            created_at: Some(UnixMillis(2)),
            updated_by: Some("eve".into()),
            updated_at: Some(UnixMillis(updated_at)),
            ..imported("a", translation)
        };
        import(&mut glossary, vec![says("b", 3)], 50);
        let term = only(&glossary);
        let (created, updated) = ((&*term.created_by, term.created_at), (&*term.updated_by, term.updated_at));
        assert_eq!((created, updated), (("ann", UnixMillis(2)), ("eve", UnixMillis(3))));
        // It was changed there later than here; then earlier, so it is changed now.
        for (translation, updated_at, expected) in [("c", 9, ("eve", 9)), ("d", 9, ("bob", 60)), ("e", 8, ("bob", 60))]
        {
            assert_eq!(import(&mut glossary, vec![says(translation, updated_at)], 60), [UPDATED]);
            let term = only(&glossary);
            assert_eq!((&*term.updated_by, term.updated_at.0), expected, "{translation}");
            assert_eq!((&*term.created_by, term.created_at), ("ann", UnixMillis(2)));
        }
    }

    #[test]
    fn of_several_in_a_file_the_first_holds() {
        let mut glossary = Glossary::new(9);
        let mut taken = HashSet::new();
        let batch = vec![imported("a", "x"), imported("A", "y"), imported("a", "x")];
        assert_eq!(import_more(&mut glossary, batch, &mut taken, 1), [CREATED, Err(TermRefusal::Twice), UNCHANGED]);
        let batch = vec![imported("a", "y"), imported("b", "z")];
        assert_eq!(import_more(&mut glossary, batch, &mut taken, 2), [Err(TermRefusal::Twice), CREATED]);
        // Another file may say something else.
        assert_eq!(import(&mut glossary, vec![imported("a", "y"), imported("b", "z")], 3), [UPDATED, UNCHANGED]);
    }

    #[test]
    fn there_has_to_be_room_and_what_is_there_may_change() {
        let mut glossary = Glossary::new(2);
        let batch = ["a", "b", "c"].map(|term| imported(term, "x")).to_vec();
        assert_eq!(import(&mut glossary, batch, 1), [CREATED, CREATED, Err(TermRefusal::Full)]);
        let draft = TermDraft { term: "a", variants: vec!["aa"], translation: "x", ..TermDraft::default() };
        let grown = ImportedTerm { content: TermContent::new(&draft).unwrap(), ..imported("a", "x") };
        assert_eq!(import(&mut glossary, vec![grown, imported("b", "y")], 2), [Err(TermRefusal::Full), UPDATED]);
    }

    proptest! {
        /// In batches of any size, of files that say things twice, into a glossary that is nearly full: it says nothing new
        /// again, and no more terms are there than are wanted.
        #[test]
        fn what_was_imported_says_nothing_new_again(
            file in prop::collection::vec(("[a-cA]{1,2}", "[xy]"), 0..12),
            room in 1..6_usize,
            at_once in 1..5_usize,
        ) {
            let mut glossary = Glossary::new(room);
            let file: Vec<ImportedTerm> = file.iter().map(|(term, translation)| imported(term, translation)).collect();
            let whole = |glossary: &mut Glossary, now| {
                let mut taken = HashSet::new();
                let batches = file.chunks(at_once);
                batches.flat_map(|batch| import_more(glossary, batch.to_vec(), &mut taken, now)).collect::<Vec<_>>()
            };
            let first = whole(&mut glossary, 1);
            prop_assert!(glossary.len() <= room);
            prop_assert_eq!(glossary.len(), first.iter().filter(|became| **became == CREATED).count());
            let before: Vec<Arc<Term>> = glossary.all().cloned().collect();
            let again = whole(&mut glossary, 2);
            prop_assert!(again.iter().all(|became| *became != CREATED && *became != UPDATED), "{again:?}");
            prop_assert_eq!(glossary.all().cloned().collect::<Vec<_>>(), before);
        }
    }
}

//! A term of the glossary.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{ProjectId, Term, TermContent, TermDraft, TermId, TermPlace};
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Serialize};

use super::Damage;
use super::translation::{pair_of, scope_of};

/// A [`Term`]; its number is the key.
#[derive(Archive, Serialize)]
pub(crate) struct TermRecord<'a> {
    created_at: u64,
    updated_at: u64,
    mandatory: bool,
    case_matters: bool,
    #[rkyv(with = Map<InlineAsBox>)]
    project: Option<&'a str>,
    source_language: [u8; 3],
    target_language: [u8; 3],
    #[rkyv(with = InlineAsBox)]
    term: &'a str,
    #[rkyv(with = Map<InlineAsBox>)]
    variants: Vec<&'a str>,
    #[rkyv(with = InlineAsBox)]
    translation: &'a str,
    #[rkyv(with = Map<InlineAsBox>)]
    accepted: Vec<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    forbidden: Vec<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    domain: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    note: Option<&'a str>,
    #[rkyv(with = InlineAsBox)]
    created_by: &'a str,
    #[rkyv(with = InlineAsBox)]
    updated_by: &'a str,
}

impl<'a> TermRecord<'a> {
    pub(crate) fn new(known: &'a Term) -> Self {
        let Term { id: _, place, content, created_by, created_at, updated_by, updated_at } = known;
        let TermDraft { term, variants, translation, accepted, forbidden, domain, mandatory, case_matters, note } =
            content.draft();
        Self {
            created_at: created_at.0,
            updated_at: updated_at.0,
            mandatory,
            case_matters,
            project: place.scope.project().map(ProjectId::as_str),
            source_language: place.pair.source().letters(),
            target_language: place.pair.target().letters(),
            term,
            variants,
            translation,
            accepted,
            forbidden,
            domain,
            note,
            created_by,
            updated_by,
        }
    }
}

impl ArchivedTermRecord<'_> {
    /// The term, which has that number.
    pub(crate) fn to_term(&self, id: TermId) -> Result<Term, Damage> {
        let draft = TermDraft {
            term: &self.term,
            variants: self.variants.iter().map(|text| &**text).collect(),
            translation: &self.translation,
            accepted: self.accepted.iter().map(|text| &**text).collect(),
            forbidden: self.forbidden.iter().map(|text| &**text).collect(),
            domain: self.domain.as_ref().map(|text| &**text),
            mandatory: self.mandatory,
            case_matters: self.case_matters,
            note: self.note.as_ref().map(|text| &**text),
        };
        Ok(Term {
            id,
            place: TermPlace {
                scope: scope_of(self.project.as_ref().map(|name| &**name))?,
                pair: pair_of([self.source_language, self.target_language])?,
            },
            content: TermContent::new(&draft).map_err(|error| Damage::Content(error.to_string()))?,
            created_by: (*self.created_by).into(),
            created_at: UnixMillis(self.created_at.to_native()),
            updated_by: (*self.updated_by).into(),
            updated_at: UnixMillis(self.updated_at.to_native()),
        })
    }
}

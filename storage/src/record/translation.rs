//! An entry of the translation memory.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    Context, Entry, EntryId, Language, LanguagePair, Markup, ProjectId, Rating, Ratings, Scope, Status,
};
use rkyv::boxed::ArchivedBox;
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Serialize};

use super::Damage;

/// The kinds of [`Status`]. They are on disk: never change one.
const ACCEPTED: u8 = 1;
const PENDING: u8 = 2;
const REJECTED: u8 = 3;

/// An [`Entry`]; its number is the key.
#[derive(Archive, Serialize)]
pub(crate) struct TranslationRecord<'a> {
    created_at: u64,
    last_used_at: u64,
    usage_count: u32,
    ratings_count: u32,
    ratings_sum: u32,
    status: u8,
    reviewed: bool,
    #[rkyv(with = Map<InlineAsBox>)]
    project: Option<&'a str>,
    source_language: [u8; 3],
    target_language: [u8; 3],
    #[rkyv(with = InlineAsBox)]
    source_text: &'a str,
    #[rkyv(with = InlineAsBox)]
    translated_text: &'a str,
    #[rkyv(with = Map<InlineAsBox>)]
    document_id: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    document_type: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    section: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    domain: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    previous: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    next: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    contributors: Vec<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    raters: Vec<&'a str>,
    /// What each of them has said.
    stars: Vec<u8>,
    changed_at: u64,
    #[rkyv(with = Map<InlineAsBox>)]
    source_markup: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    target_markup: Option<&'a str>,
}

impl<'a> TranslationRecord<'a> {
    pub(crate) fn new(entry: &'a Entry) -> Self {
        let Entry { id: _, scope, pair, source_text, translated_text, context, .. } = entry;
        let Context { document_id, document_type, section, domain, previous, next } = &**context;
        let markup = entry.markup.as_deref();
        Self {
            created_at: entry.created_at.0,
            last_used_at: entry.last_used_at.0,
            usage_count: entry.usage_count,
            ratings_count: entry.ratings.count,
            ratings_sum: entry.ratings.sum,
            status: match entry.status {
                Status::Accepted => ACCEPTED,
                Status::Pending => PENDING,
                Status::Rejected => REJECTED,
            },
            reviewed: entry.reviewed,
            project: scope.project().map(ProjectId::as_str),
            source_language: pair.source().letters(),
            target_language: pair.target().letters(),
            source_text,
            translated_text,
            document_id: document_id.as_deref(),
            document_type: document_type.as_deref(),
            section: section.as_deref(),
            domain: domain.as_deref(),
            previous: previous.as_deref(),
            next: next.as_deref(),
            contributors: entry.contributors.iter().map(|user_id| &**user_id).collect(),
            raters: entry.ratings.last.iter().map(|(user_id, _)| &**user_id).collect(),
            stars: entry.ratings.last.iter().map(|(_, rating)| rating.stars()).collect(),
            changed_at: entry.changed_at.0,
            source_markup: markup.and_then(|both| both.source.as_deref()),
            target_markup: markup.and_then(|both| both.target.as_deref()),
        }
    }
}

impl ArchivedTranslationRecord<'_> {
    /// The entry, which has that number. Where it is in the scope of the one before, it shares that with it.
    pub(crate) fn to_entry(&self, id: EntryId, before: &mut Scope) -> Result<Entry, Damage> {
        let project = self.project.as_ref().map(|name| &**name);
        if before.project().map(ProjectId::as_str) != project {
            *before = scope_of(project)?;
        }
        Ok(Entry {
            id,
            scope: before.clone(),
            pair: pair_of([self.source_language, self.target_language])?,
            source_text: (*self.source_text).into(),
            translated_text: (*self.translated_text).into(),
            markup: self.markup(),
            context: Context {
                document_id: self.document_id.as_ref().map(|text| (**text).into()),
                document_type: self.document_type.as_ref().map(|text| (**text).into()),
                section: self.section.as_ref().map(|text| (**text).into()),
                domain: self.domain.as_ref().map(|text| (**text).into()),
                previous: self.previous.as_ref().map(|text| (**text).into()),
                next: self.next.as_ref().map(|text| (**text).into()),
            }
            .into(),
            status: match self.status {
                ACCEPTED => Status::Accepted,
                PENDING => Status::Pending,
                REJECTED => Status::Rejected,
                other => return Err(wrong("status", &other.to_string())),
            },
            reviewed: self.reviewed,
            ratings: self.ratings()?,
            usage_count: self.usage_count.to_native(),
            created_at: UnixMillis(self.created_at.to_native()),
            changed_at: UnixMillis(self.changed_at.to_native()),
            last_used_at: UnixMillis(self.last_used_at.to_native()),
            contributors: self.contributors.iter().map(|user_id| (**user_id).into()).collect(),
        })
    }

    fn markup(&self) -> Option<Box<Markup>> {
        let markup = Markup {
            source: self.source_markup.as_ref().map(|text| (**text).into()),
            target: self.target_markup.as_ref().map(|text| (**text).into()),
        };
        (markup != Markup::default()).then(|| Box::new(markup))
    }

    fn ratings(&self) -> Result<Ratings, Damage> {
        if self.raters.len() != self.stars.len() {
            return Err(wrong("ratings", &format!("{} of {} people", self.stars.len(), self.raters.len())));
        }
        let rating = |(user_id, &stars): (&_, &u8)| {
            let user_id: &ArchivedBox<str> = user_id;
            let rating = Rating::new(stars.into()).ok_or_else(|| wrong("rating", &stars.to_string()))?;
            Ok(((**user_id).into(), rating))
        };
        let last: Result<_, Damage> = self.raters.iter().zip(self.stars.iter()).map(rating).collect();
        Ok(Ratings { count: self.ratings_count.to_native(), sum: self.ratings_sum.to_native(), last: last? })
    }
}

/// Whose something is.
pub(super) fn scope_of(project: Option<&str>) -> Result<Scope, Damage> {
    let project = project.map(|name| ProjectId::new(name).map_err(|_| wrong("project", name)));
    Ok(project.transpose()?.map_or(Scope::Shared, Scope::Project))
}

/// From which language into which, by their letters.
pub(super) fn pair_of(languages: [[u8; 3]; 2]) -> Result<LanguagePair, Damage> {
    let pair = match languages.map(Language::of_letters) {
        [Some(source), Some(target)] => LanguagePair::new(source, target),
        _ => None,
    };
    pair.ok_or_else(|| wrong("languages", &format!("{languages:?}")))
}

fn wrong(what: &str, found: &str) -> Damage {
    Damage::Content(format!("{what} {found:?}, which never was written"))
}

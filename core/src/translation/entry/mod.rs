//! What a memory is made of: a text and its translation, and what is known of both.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Confidence, ContextMatch, Evidence, LanguagePair, Level, MeanRating};
use crate::ids::{InvalidName, UnixMillis};

#[cfg(test)]
mod tests;

/// The most people named as contributors of one entry; those who came later are not.
pub const CONTRIBUTORS_MAX: usize = 16;
/// The most people whose ratings of one entry can be told apart, the last ones; what was rated before them counts on, and cannot
/// be changed.
pub const RATERS_MAX: usize = 16;
/// From this rating on, a translation that nobody has reviewed needs no review either.
const RATING_WITHOUT_REVIEW: u8 = 4;

/// What it costs a translation that somebody should look at it first.
const PENDING_PENALTY: f64 = 0.1;

/// The name of a translation project: as that of a document by default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId(Arc<str>);

impl ProjectId {
    /// The pattern of a project's name.
    pub const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$";

    /// Takes a project's name.
    ///
    /// # Errors
    /// It does not match [`Self::PATTERN`].
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && name.len() <= 128 && name.bytes().all(inner) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName { expected: Self::PATTERN })
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of an entry; none is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

impl EntryId {
    const PREFIX: &'static str = "trans_";

    /// The entry of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::number_after(Self::PREFIX, name).map(Self)
    }

    /// The number of a name that begins so.
    pub(super) fn number_after(prefix: &str, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(prefix)?;
        let is_number = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.parse().ok().filter(|_| is_number)
    }
}

impl fmt::Display for EntryId {
    /// `trans_98765`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

/// Where an entry is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// By everybody, in every project.
    #[default]
    Shared,
    /// By those of a project.
    Project(ProjectId),
}

impl Scope {
    /// The project, if it is one's.
    #[must_use]
    pub const fn project(&self) -> Option<&ProjectId> {
        match self {
            Self::Shared => None,
            Self::Project(project) => Some(project),
        }
    }
}

/// Where a text stands. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The document it is in.
    pub document_id: Option<Box<str>>,
    /// What kind of document that is, such as `job_description`.
    pub document_type: Option<Box<str>>,
    /// The section of the document.
    pub section: Option<Box<str>>,
    /// What it is about, such as `government`.
    pub domain: Option<Box<str>>,
    /// The segment before it.
    pub previous: Option<Box<str>>,
    /// The segment after it.
    pub next: Option<Box<str>>,
}

impl Context {
    /// Nothing is known.
    const UNKNOWN: Self =
        Self { document_id: None, document_type: None, section: None, domain: None, previous: None, next: None };
}

/// The [`Context`] of an entry. In a large memory nothing is known of most, which takes next to no room then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptContext(Option<Box<Context>>);

impl From<Context> for KeptContext {
    fn from(context: Context) -> Self {
        Self((context != Context::UNKNOWN).then(|| Box::new(context)))
    }
}

impl Deref for KeptContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        self.0.as_deref().unwrap_or(&Context::UNKNOWN)
    }
}

/// How good somebody finds a translation: 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rating(u8);

impl Rating {
    /// A rating; `None` if it is out of range.
    #[must_use]
    pub fn new(stars: u64) -> Option<Self> {
        u8::try_from(stars).ok().filter(|stars| (1..=5).contains(stars)).map(Self)
    }

    /// How many stars.
    #[must_use]
    pub const fn stars(self) -> u8 {
        self.0
    }
}

/// All ratings of an entry: one of each person, as far as they are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ratings {
    /// How many there are.
    pub count: u32,
    /// Their sum.
    pub sum: u32,
    /// Who rated it last, and how; at most [`RATERS_MAX`]. They are counted in both.
    pub last: Vec<(Box<str>, Rating)>,
}

impl Ratings {
    /// Somebody says how good it is, instead of what they said before.
    fn add(&mut self, user_id: &str, rating: Rating) {
        if let Some(known) = self.last.iter().position(|(rater, _)| **rater == *user_id) {
            let (_, before) = self.last.remove(known);
            self.count = self.count.saturating_sub(1);
            self.sum = self.sum.saturating_sub(before.0.into());
        }
        // What was rated four thousand million times keeps what it has.
        if let Some((count, sum)) = self.count.checked_add(1).zip(self.sum.checked_add(rating.0.into())) {
            (self.count, self.sum) = (count, sum);
            self.last.push((user_id.into(), rating));
            if self.last.len() > RATERS_MAX {
                self.last.remove(0);
            }
        }
    }

    /// Their mean, 1 to 5; `None` without any.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| f64::from(self.sum) / f64::from(self.count))
    }
}

/// Whether an entry is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Accepted,
    /// Somebody should look at it first.
    Pending,
    /// It is not.
    Rejected,
}

impl Status {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Pending, Self::Rejected].into_iter().find(|status| status.name() == name)
    }
}

/// A translation that somebody hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Where it is to be found.
    pub scope: Scope,
    /// From which language into which.
    pub pair: LanguagePair,
    /// The text.
    pub source_text: Box<str>,
    /// Its translation.
    pub translated_text: Box<str>,
    /// Where the text stands.
    pub context: Context,
    /// How good it is said to be.
    pub rating: Option<Rating>,
    /// It was reviewed.
    pub reviewed: bool,
    /// Who hands it in.
    pub user_id: Box<str>,
}

/// What somebody says of an entry that is there. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Who says it.
    pub user_id: Box<str>,
    /// A better translation. What was said of the one before does not hold for it.
    pub translated_text: Option<Box<str>>,
    /// Whether it is to be used: what somebody accepts, they have reviewed.
    pub status: Option<Status>,
    /// How good it is.
    pub rating: Option<Rating>,
    /// It was used.
    pub used: bool,
}

impl Revision {
    /// Nothing yet, by that user.
    #[must_use]
    pub const fn by(user_id: Box<str>) -> Self {
        Self { user_id, translated_text: None, status: None, rating: None, used: false }
    }
}

/// Both texts with the tags in them, as TMX 1.4b writes the content of a `seg`; `None` for one without tags. What is matched
/// and suggested are the words alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup {
    /// The text.
    pub source: Option<Box<str>>,
    /// Its translation.
    pub target: Option<Box<str>>,
}

/// A text, one translation of it, and what is known of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// Where it is found.
    pub scope: Scope,
    /// From which language into which.
    pub pair: LanguagePair,
    /// The text.
    pub source_text: Box<str>,
    /// Its translation.
    pub translated_text: Box<str>,
    /// Both with their tags, where they came with some.
    pub markup: Option<Box<Markup>>,
    /// Where the text stood when it was handed in last.
    pub context: KeptContext,
    /// Whether it is to be used.
    pub status: Status,
    /// Whether somebody has reviewed it.
    pub reviewed: bool,
    /// How good it was found.
    pub ratings: Ratings,
    /// How often it was used.
    pub usage_count: u32,
    /// When it was handed in first.
    pub created_at: UnixMillis,
    /// When it was handed in last, or else changed.
    pub changed_at: UnixMillis,
    /// When it was used or handed in last.
    pub last_used_at: UnixMillis,
    /// Who has handed it in, the first one first; at most [`CONTRIBUTORS_MAX`].
    pub contributors: Vec<Box<str>>,
}

impl Entry {
    /// What is new.
    #[must_use]
    pub fn new(id: EntryId, submission: Submission, now: UnixMillis) -> Self {
        let Submission { scope, pair, source_text, translated_text, context, rating, reviewed, user_id } = submission;
        let mut entry = Self {
            id,
            scope,
            pair,
            source_text,
            translated_text,
            markup: None,
            context: context.into(),
            status: Status::Pending,
            reviewed,
            ratings: Ratings::default(),
            usage_count: 0,
            created_at: now,
            changed_at: now,
            last_used_at: now,
            contributors: vec![user_id],
        };
        rating.into_iter().for_each(|rating| entry.ratings.add(&entry.contributors[0], rating));
        entry.settle();
        entry
    }

    /// Whether a submission is of this text and this translation, letter for letter.
    #[must_use]
    pub fn is_of(&self, submission: &Submission) -> bool {
        (&self.scope, self.pair) == (&submission.scope, submission.pair)
            && self.source_text == submission.source_text
            && self.translated_text == submission.translated_text
    }

    /// It is handed in once more, which is a use of it. One that was rejected is looked at anew.
    pub fn submit_again(&mut self, submission: Submission, now: UnixMillis) {
        self.context = submission.context.into();
        self.reviewed |= submission.reviewed;
        submission.rating.into_iter().for_each(|rating| self.ratings.add(&submission.user_id, rating));
        self.credit(submission.user_id);
        if self.status == Status::Rejected {
            self.status = Status::Pending;
        }
        self.changed_at = self.changed_at.max(now);
        self.use_once(now);
        self.settle();
    }

    /// Somebody has something to say of it.
    pub fn revise(&mut self, revision: Revision, now: UnixMillis) {
        let Revision { user_id, translated_text, status, rating, used } = revision;
        let translated_text = translated_text.filter(|text| *text != self.translated_text);
        if translated_text.is_some() || status.is_some() {
            self.changed_at = self.changed_at.max(now);
        }
        if let Some(text) = translated_text {
            self.translated_text = text;
            // The new words have no tags; those of the text are as they were.
            self.markup = self.markup.take().filter(|both| both.source.is_some());
            self.markup.iter_mut().for_each(|both| both.target = None);
            (self.status, self.reviewed, self.usage_count) = (Status::Pending, false, 0);
            self.ratings = Ratings::default();
            self.credit(user_id.clone());
        }
        if let Some(rating) = rating {
            self.ratings.add(&user_id, rating);
            // What was accepted once is taken back by somebody, and not by a number.
            if self.status == Status::Pending {
                self.settle();
            }
        }
        if let Some(status) = status {
            (self.status, self.reviewed) = (status, status == Status::Accepted);
        }
        if used {
            self.use_once(now);
        }
    }

    /// Somebody has had a part in it.
    fn credit(&mut self, user_id: Box<str>) {
        if !self.contributors.contains(&user_id) && self.contributors.len() < CONTRIBUTORS_MAX {
            self.contributors.push(user_id);
        }
    }

    /// Somebody has used it.
    fn use_once(&mut self, now: UnixMillis) {
        self.usage_count = self.usage_count.saturating_add(1);
        self.last_used_at = self.last_used_at.max(now);
    }

    /// How much it can be relied on for its own text, in whatever context.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        Confidence::new(&self.evidence(Level::Raw, 1.0)).value
    }

    /// What is known of it, beside how its text is like another one.
    pub(super) fn evidence(&self, level: Level, similarity: f64) -> Evidence {
        Evidence {
            level,
            similarity,
            context: ContextMatch::None,
            reviewed: self.reviewed,
            rating: self.ratings.mean().and_then(MeanRating::new),
            uses: self.usage_count,
            penalty: if self.status == Status::Pending { PENDING_PENALTY } else { 0.0 },
        }
    }

    /// Somebody should look at it: nobody has, and it was not found good either.
    #[must_use]
    pub fn requires_review(&self) -> bool {
        self.status == Status::Pending
    }

    /// It is accepted if it is reviewed, or was found good.
    pub(super) fn settle(&mut self) {
        let is_good = self.ratings.mean().is_some_and(|mean| mean >= f64::from(RATING_WITHOUT_REVIEW));
        if self.reviewed || is_good {
            self.status = Status::Accepted;
        }
    }
}

//! What a file says of a unit, or of one language's text in it, beside the text.

use std::str::FromStr;

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    CONTRIBUTORS_MAX, Context, ProjectId, RATERS_MAX, Rating, Ratings, Status, TEXT_CHARS_MAX,
};

use super::names;
use crate::values::{date, person, wrong};

/// The longest value of a context but for the segments around, in bytes: longer ones are not kept.
const CONTEXT_BYTES_MAX: usize = 256;

/// What is known; the rest is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) usage_count: Option<u32>,
    pub(super) created_at: Option<UnixMillis>,
    pub(super) changed_at: Option<UnixMillis>,
    pub(super) last_used_at: Option<UnixMillis>,
    pub(super) created_by: Option<Box<str>>,
    pub(super) changed_by: Option<Box<str>>,
    pub(super) contributors: Vec<Box<str>>,
    pub(super) context: Context,
    pub(super) status: Option<Status>,
    pub(super) reviewed: Option<bool>,
    rating: Option<f64>,
    ratings: Option<u32>,
    raters: Vec<(Box<str>, Rating)>,
    /// A name of a project, or what is none.
    pub(super) project: Option<Result<ProjectId, ()>>,
}

impl Facts {
    /// Takes an attribute; one that says nothing here is passed over.
    ///
    /// # Errors
    /// It does not say what it has to; what was expected.
    pub(super) fn attribute(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "usagecount" => self.usage_count = Some(number(name, value)?),
            "creationdate" => self.created_at = Some(date(name, value)?),
            "changedate" => self.changed_at = Some(date(name, value)?),
            "lastusagedate" => self.last_used_at = Some(date(name, value)?),
            "creationid" => self.created_by = person(value),
            "changeid" => self.changed_by = person(value),
            _ => {}
        }
        Ok(())
    }

    /// Takes a property, in the same way.
    ///
    /// # Errors
    /// As of [`Self::attribute`].
    pub(super) fn property(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = names::canonical(name);
        let context = &mut self.context;
        match name {
            names::PROJECT => self.project = Some(ProjectId::new(value.trim()).map_err(drop)),
            names::DOCUMENT => context.document_id = name_of(value),
            names::DOCUMENT_TYPE => context.document_type = name_of(value),
            names::SECTION => context.section = name_of(value),
            names::DOMAIN => context.domain = name_of(value),
            names::PREVIOUS => context.previous = segment(value),
            names::NEXT => context.next = segment(value),
            names::STATUS => {
                let known = [Status::Accepted, Status::Pending, Status::Rejected];
                let status = known.into_iter().find(|status| status.name() == value.trim());
                self.status = Some(status.ok_or_else(|| wrong(name, value, "accepted, pending or rejected"))?);
            }
            names::REVIEWED => {
                let reviewed = bool::from_str(value.trim());
                self.reviewed = Some(reviewed.map_err(|_| wrong(name, value, "true or false"))?);
            }
            names::RATING => {
                let rating = value.trim().parse().ok().filter(|rating| (1.0..=5.0).contains(rating));
                self.rating = Some(rating.ok_or_else(|| wrong(name, value, "a number from 1 to 5"))?);
            }
            names::RATINGS => self.ratings = Some(number(name, value)?),
            names::RATER if self.raters.len() < RATERS_MAX => {
                let rater = value
                    .split_once(' ')
                    .and_then(|(stars, who)| Some((person(who)?, Rating::new(stars.parse().ok()?)?)));
                self.raters.push(rater.ok_or_else(|| wrong(name, value, "a number from 1 to 5, a space, and who"))?);
            }
            names::CONTRIBUTOR if self.contributors.len() < CONTRIBUTORS_MAX => {
                self.contributors.extend(person(value));
            }
            names::CREATED_AT => self.created_at = Some(exact(name, value, self.created_at)?),
            names::CHANGED_AT => self.changed_at = Some(exact(name, value, self.changed_at)?),
            names::LAST_USED_AT => self.last_used_at = Some(exact(name, value, self.last_used_at)?),
            _ => {}
        }
        Ok(())
    }

    /// What is not known here is as it is there.
    pub(super) fn or(self, other: &Self) -> Self {
        let text = |own: Option<Box<str>>, other: &Option<Box<str>>| own.or_else(|| other.clone());
        let (context, others) = (self.context, &other.context);
        Self {
            usage_count: self.usage_count.or(other.usage_count),
            created_at: self.created_at.or(other.created_at),
            changed_at: self.changed_at.or(other.changed_at),
            last_used_at: self.last_used_at.or(other.last_used_at),
            created_by: text(self.created_by, &other.created_by),
            changed_by: text(self.changed_by, &other.changed_by),
            contributors: if self.contributors.is_empty() { other.contributors.clone() } else { self.contributors },
            context: Context {
                document_id: text(context.document_id, &others.document_id),
                document_type: text(context.document_type, &others.document_type),
                section: text(context.section, &others.section),
                domain: text(context.domain, &others.domain),
                previous: text(context.previous, &others.previous),
                next: text(context.next, &others.next),
            },
            status: self.status.or(other.status),
            reviewed: self.reviewed.or(other.reviewed),
            rating: self.rating.or(other.rating),
            ratings: self.ratings.or(other.ratings),
            raters: if self.raters.is_empty() { other.raters.clone() } else { self.raters },
            project: self.project.or_else(|| other.project.clone()),
        }
    }

    /// Who had a part in it: who made it first, who changed it last.
    pub(super) fn people(&self) -> Vec<Box<str>> {
        let mut people: Vec<Box<str>> = Vec::new();
        for person in self.created_by.iter().chain(&self.contributors).chain(&self.changed_by) {
            if !people.contains(person) && people.len() < CONTRIBUTORS_MAX {
                people.push(person.clone());
            }
        }
        people
    }

    /// All ratings: a mean that nobody counted is one.
    pub(super) fn ratings(&self) -> Ratings {
        let Some(mean) = self.rating else { return Ratings::default() };
        let count = self.ratings.unwrap_or(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to 5 times 32 bits, cut to 32 bits"
        )]
        let sum = (mean * f64::from(count)).round().min(u32::MAX.into()) as u32;
        // Nobody's rating is there that is not counted.
        let is_counted = self.raters.len() <= count as usize
            && self.raters.iter().map(|(_, rating)| u32::from(rating.stars())).sum::<u32>() <= sum;
        Ratings { count, sum, last: if is_counted { self.raters.clone() } else { Vec::new() } }
    }
}

fn number(name: &str, value: &str) -> Result<u32, String> {
    // What was used more often than can be counted was used often.
    let digits = value.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| digits.parse().unwrap_or(u32::MAX));
    number.ok_or_else(|| wrong(name, value, "a whole number, such as 7"))
}

/// The same moment to the millisecond; where the attribute says another second, somebody has changed that since.
fn exact(name: &str, value: &str, attribute: Option<UnixMillis>) -> Result<UnixMillis, String> {
    let exact = date(name, value)?;
    Ok(attribute.filter(|attribute| attribute.0 / 1_000 != exact.0 / 1_000).unwrap_or(exact))
}

fn name_of(value: &str) -> Option<Box<str>> {
    let fits = (1..=CONTEXT_BYTES_MAX).contains(&value.len()) && !value.chars().any(char::is_control);
    fits.then(|| value.into())
}

/// A segment around; some tools write it as the element it is.
fn segment(value: &str) -> Option<Box<str>> {
    let text = value.strip_prefix("<seg>").and_then(|rest| rest.strip_suffix("</seg>")).unwrap_or(value);
    let fits = !text.trim().is_empty() && text.len() <= 4 * TEXT_CHARS_MAX && text.chars().count() <= TEXT_CHARS_MAX;
    fits.then(|| text.into())
}

//! Values that several formats write alike.

use std::str::FromStr;

use jddb_core::ids::UnixMillis;
use jddb_core::translation::Language;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::xml::shown;

/// The longest name of a person, in bytes: what is longer is cut.
const PERSON_BYTES_MAX: usize = 128;
/// How TMX writes a moment, in UTC.
pub(crate) const DATE: &str = "%Y%m%dT%H%M%SZ";

/// What is wrong with a value, and what was expected.
pub(crate) fn wrong(name: &str, value: &str, expected: &str) -> String {
    format!("{name} is {:?}: expected {expected}", shown(value))
}

/// A moment as TMX writes it, or as ISO 8601 does otherwise. What names no zone is in UTC, and a day is its first moment.
///
/// # Errors
/// It is none; what was expected.
pub(crate) fn date(name: &str, value: &str) -> Result<UnixMillis, String> {
    let value = value.trim();
    let in_utc = |moment: DateTime| moment.to_zoned(TimeZone::UTC).ok().map(|moment| moment.timestamp());
    let as_tmx = || DateTime::strptime(DATE, value).ok().and_then(in_utc);
    let without_zone = || DateTime::from_str(value).ok().and_then(in_utc);
    let moment = as_tmx().or_else(|| Timestamp::from_str(value).ok()).or_else(without_zone);
    let moment = moment
        .ok_or_else(|| wrong(name, value, "a moment in UTC, such as 20251126T093000Z or 2025-11-26T09:30:00Z"))?;
    // Nothing here is older than 1970.
    Ok(UnixMillis(u64::try_from(moment.as_millisecond()).unwrap_or(0)))
}

/// A name that can be shown and logged.
pub(crate) fn person(value: &str) -> Option<Box<str>> {
    let name: String = value.chars().filter(|character| !character.is_control()).collect();
    let name = &name[..name.floor_char_boundary(PERSON_BYTES_MAX)];
    (!name.trim().is_empty()).then(|| name.into())
}

/// The language of a tag, if it is one of those that are translated. Some tools write `EN_US`.
pub(crate) fn known_language(tag: &str) -> Option<Language> {
    let language = Language::of_tag(&tag.trim().replace('_', "-")).ok()?;
    Language::SUPPORTED.contains(&language).then_some(language)
}

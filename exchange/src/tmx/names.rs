//! The names of properties (`prop`): what TMX has no attributes for. Some are read by other tools' names too.

/// The project that an entry is of; without it everybody's.
pub(super) const PROJECT: &str = "x-project";
/// The document that a text stands in.
pub(super) const DOCUMENT: &str = "x-document";
/// What kind of document that is.
pub(super) const DOCUMENT_TYPE: &str = "x-document-type";
/// The section of it.
pub(super) const SECTION: &str = "x-section";
/// What it is about.
pub(super) const DOMAIN: &str = "x-domain";
/// The segment before, and the one after.
pub(super) const PREVIOUS: &str = "x-context-pre";
pub(super) const NEXT: &str = "x-context-post";
/// Whether it is to be used: `accepted`, `pending` or `rejected`.
pub(super) const STATUS: &str = "x-status";
/// Whether somebody has reviewed it: `true` or `false`.
pub(super) const REVIEWED: &str = "x-reviewed";
/// The mean of all ratings, 1 to 5, and how many there are.
pub(super) const RATING: &str = "x-rating";
pub(super) const RATINGS: &str = "x-rating-count";
/// Somebody's rating: 1 to 5, a space, and who. They are counted in both.
pub(super) const RATER: &str = "x-rating-by";
/// Who had a part in it besides those who are named as who made it and who changed it.
pub(super) const CONTRIBUTOR: &str = "x-contributor";
/// The attributes of the same names, to the millisecond.
pub(super) const CREATED_AT: &str = "x-creationdate";
pub(super) const CHANGED_AT: &str = "x-changedate";
pub(super) const LAST_USED_AT: &str = "x-lastusagedate";

/// Our name for a property that others call otherwise.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        "x-subject" | "domain" | "subject" => DOMAIN,
        "x-context-previous" => PREVIOUS,
        "x-context-next" => NEXT,
        "document" | "x-filename" => DOCUMENT,
        _ => name,
    }
}

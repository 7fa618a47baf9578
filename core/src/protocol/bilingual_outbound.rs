//! What the server says of translations in documents.

use serde::Serialize;

use crate::ids::Version;
use crate::translation::Language;

/// `translation.subscribed`: what somebody is told from now on.
#[derive(Clone, Debug, Serialize)]
pub struct Subscribed<'a> {
    /// The document.
    pub document_id: &'a str,
    /// Whose memory it is besides the shared one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<&'a str>,
    /// From which language.
    pub source_language: Language,
    /// Into which.
    pub target_language: Language,
    /// The document that this one is a translation of, where it is not translated within itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterpart: Option<CounterpartTold<'a>>,
    /// Which section is translated in which.
    pub sections: Vec<PairTold<'a>>,
    /// The version that is so.
    pub version: Version,
    /// What the message was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// A document that another one is a translation of.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CounterpartTold<'a> {
    /// The document.
    pub document_id: &'a str,
    /// Which version of it was looked at.
    pub version: Version,
}

/// A section that is translated.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PairTold<'a> {
    /// The section.
    pub source: &'a str,
    /// The one that its translation is in, or is to be in.
    pub target: &'a str,
}

/// `translation.unsubscribed`: somebody is told nothing of translations any more.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Unsubscribed<'a> {
    /// Why, where they have not asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// What the message was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// `translation.stale`: translations that are old, since their source has changed.
#[derive(Clone, Debug, Serialize)]
pub struct TranslationStale<'a> {
    /// The document.
    pub document_id: &'a str,
    /// The version in which it is so.
    pub version: Version,
    /// The segments that are.
    pub segments: Vec<StaleTold<'a>>,
    /// The sections in which others may be, too.
    pub sections: Vec<PairTold<'a>>,
}

/// A segment whose translation is old.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StaleTold<'a> {
    /// Where it is, if it was not deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PlaceTold<'a>>,
    /// Its text, if it was not deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_text: Option<&'a str>,
    /// What its text was.
    pub previous_text: &'a str,
    /// Where its translation is.
    pub target: PlaceTold<'a>,
    /// The text of that.
    pub target_text: &'a str,
}

/// A segment of a document: what is suggested for it, or what it has become.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SegmentTold<'a> {
    /// The document.
    pub document_id: &'a str,
    /// The version in which it is there.
    pub version: Version,
    /// Its text.
    pub source_text: &'a str,
    /// Where it is.
    pub source: PlaceTold<'a>,
    /// Where its translation is, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<PlaceTold<'a>>,
}

/// Where a segment is; positions as its connection counts them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PlaceTold<'a> {
    /// The document and the version that it is in, where that is another document than the message is about.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub counterpart: Option<CounterpartTold<'a>>,
    /// The section.
    pub section: &'a str,
    /// The number of its paragraph there, from 0.
    pub paragraph: usize,
    /// Its number in that, from 0.
    pub sentence: usize,
    /// Where it begins: in the section, or in the document where the connection asked for that.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// Where it begins in the whole document, where that has several sections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_start: Option<u64>,
    /// Where it ends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_end: Option<u64>,
    /// Where it begins in the section, where `start` is the place in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_start: Option<u64>,
    /// Where it ends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_end: Option<u64>,
}

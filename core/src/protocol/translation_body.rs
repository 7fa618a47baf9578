//! Reading what is asked of the translation memory: `POST /api/translation/suggestions` and `…/submit`, and the messages that
//! ask for the same.

use simd_json::{Node, StaticNode};

use super::fields::{Fields, Value, elements};
use super::inbound::Parser;
use super::message::InboundError;
use crate::translation::{Context, Language, LanguagePair, ProjectId, Rating, Status, TEXT_CHARS_MAX, segments};

/// The most suggestions that may be asked for.
pub const SUGGESTIONS_MAX: usize = 50;
/// The most segments that are weighed at once.
pub const SEGMENTS_WEIGHED_MAX: usize = 1_000;
/// How many suggestions are given to whoever does not say.
const SUGGESTIONS_DEFAULT: usize = 5;
/// The confidence below which nothing is suggested to whoever does not say.
const MIN_CONFIDENCE_DEFAULT: f64 = 0.7;
/// The longest value of a context's field, but for the segments around, in bytes.
const CONTEXT_BYTES_MAX: usize = 256;

/// What to translate.
#[derive(Clone, Debug, PartialEq)]
pub struct SuggestionsBody {
    /// The text.
    pub source_text: Box<str>,
    /// The language it is in, and the one that is wanted; what is left out is known from elsewhere, or missing.
    pub languages: [Option<Language>; 2],
    /// In which project besides the shared memory.
    pub project_id: Option<ProjectId>,
    /// Where the text stands.
    pub context: Context,
    /// The most suggestions, 1 to [`SUGGESTIONS_MAX`].
    pub max_suggestions: usize,
    /// The confidence below which nothing is suggested, 0 to 1.
    pub min_confidence: f64,
    /// Nothing is to be passed over, however long that takes.
    pub exhaustive: bool,
    /// What a confidence is made of is wanted too.
    pub explain: bool,
}

/// A translation that is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitBody {
    /// The text.
    pub source_text: Box<str>,
    /// Its translation.
    pub translated_text: Box<str>,
    /// The languages of both, as in [`SuggestionsBody`].
    pub languages: [Option<Language>; 2],
    /// Whose it is to be, if not everybody's.
    pub project_id: Option<ProjectId>,
    /// Where the text stands.
    pub context: Context,
    /// How good it is said to be.
    pub rating: Option<Rating>,
    /// It was reviewed.
    pub reviewed: bool,
}

/// A text whose segments are to be weighed: `POST /api/translation/analysis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysisBody {
    /// The segments: as they were sent, or those of the text that was.
    pub segments: Vec<Box<str>>,
    /// The languages, as in [`SuggestionsBody`].
    pub languages: [Option<Language>; 2],
    /// In which project besides the shared memory.
    pub project_id: Option<ProjectId>,
    /// Nothing is to be passed over, however long that takes.
    pub exhaustive: bool,
}

/// What somebody says of an entry: `PATCH …/entries/{translation_id}`. Something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionBody {
    /// A better translation.
    pub translated_text: Option<Box<str>>,
    /// Whether it is to be used.
    pub status: Option<Status>,
}

/// How an entry was found: `POST …/entries/{translation_id}/feedback`. Something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackBody {
    /// How good it is.
    pub rating: Option<Rating>,
    /// It was used.
    pub used: bool,
}

/// Reads what to translate. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_suggestions_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<SuggestionsBody, InboundError> {
    parser.on_tape(bytes, |root| suggestions_of(Fields::of(root, "")?))
}

/// The same, of a body or a message's payload.
pub(super) fn suggestions_of(body: Fields<'_, '_>) -> Result<SuggestionsBody, InboundError> {
    Ok(SuggestionsBody {
        source_text: text_of(body, "source_text", required_text(body, "source_text")?)?,
        languages: languages_of(body)?,
        project_id: project_of(body)?,
        context: context_of(body)?,
        max_suggestions: max_suggestions_of(body)?,
        min_confidence: min_confidence_of(body)?,
        exhaustive: is_exhaustive(body)?,
        explain: body.boolean("explain")?.unwrap_or(false),
    })
}

pub(super) fn max_suggestions_of(body: Fields<'_, '_>) -> Result<usize, InboundError> {
    let max = body.unsigned("max_suggestions")?.map_or(Some(SUGGESTIONS_DEFAULT), |max| usize::try_from(max).ok());
    let expected =
        || InboundError::invalid(body.name("max_suggestions"), format!("1 to {SUGGESTIONS_MAX} suggestions"));
    max.filter(|max| (1..=SUGGESTIONS_MAX).contains(max)).ok_or_else(expected)
}

pub(super) fn min_confidence_of(body: Fields<'_, '_>) -> Result<f64, InboundError> {
    Ok(fraction(body, "min_confidence")?.unwrap_or(MIN_CONFIDENCE_DEFAULT))
}

/// Reads a translation that is handed in. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_submit_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<SubmitBody, InboundError> {
    parser.on_tape(bytes, |root| submit_of(Fields::of(root, "")?))
}

/// The same, of a body or a message's payload.
pub(super) fn submit_of(body: Fields<'_, '_>) -> Result<SubmitBody, InboundError> {
    let translated_text = translated_text_of(body)?;
    Ok(SubmitBody {
        source_text: text_of(body, "source_text", required_text(body, "source_text")?)?,
        translated_text: body.required("translated_text", translated_text, "the translation")?,
        languages: languages_of(body)?,
        project_id: project_of(body)?,
        context: context_of(body)?,
        rating: rating_of(body)?,
        reviewed: body.boolean("reviewed")?.unwrap_or(false),
    })
}

/// Reads a text whose segments are to be weighed. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it.
pub fn read_analysis_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<AnalysisBody, InboundError> {
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        let wrong = |field: &str, expected: String| InboundError::invalid(field.to_owned(), expected);
        let (field, segments) = match (body.text("source_text")?, body.get("segments")) {
            (Some(_), Some(_)) => {
                return Err(wrong("segments", "source_text or segments, and not both".to_owned()));
            }
            (None, None) => return Err(InboundError::missing("source_text".to_owned(), "a text, or segments")),
            (Some(text), None) => {
                let segments = segments(text).take(SEGMENTS_WEIGHED_MAX + 1);
                ("source_text", segments.map(|place| text[place].into()).collect())
            }
            (None, Some(items)) => {
                let (_, items) = elements(items).ok_or_else(|| wrong("segments", "an array of texts".to_owned()))?;
                let text = |(place, item): (usize, Value<'_, '_>)| match item {
                    [Node::String(text)] if !text.trim().is_empty() => Ok(Box::from(*text)),
                    _ => Err(wrong(&format!("segments[{place}]"), "a text that is not all white space".to_owned())),
                };
                // One more than are taken says that there are too many.
                let items = items.take(SEGMENTS_WEIGHED_MAX + 1).enumerate();
                ("segments", items.map(text).collect::<Result<Vec<_>, _>>()?)
            }
        };
        if !(1..=SEGMENTS_WEIGHED_MAX).contains(&segments.len()) {
            let expected = format!("1 to {SEGMENTS_WEIGHED_MAX} segments: send longer texts in parts");
            return Err(wrong(field, expected));
        }
        Ok(AnalysisBody {
            segments,
            languages: languages_of(body)?,
            project_id: project_of(body)?,
            exhaustive: is_exhaustive(body)?,
        })
    })
}

pub(super) fn is_exhaustive(body: Fields<'_, '_>) -> Result<bool, InboundError> {
    match body.text("mode")? {
        None | Some("fast") => Ok(false),
        Some("exhaustive") => Ok(true),
        Some(_) => Err(InboundError::invalid(body.name("mode"), "fast or exhaustive")),
    }
}

/// Reads what somebody says of an entry. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it, or nothing is said.
pub fn read_revision_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<RevisionBody, InboundError> {
    parser.on_tape(bytes, |root| {
        let body = Fields::of(root, "")?;
        let status = body.text("status")?;
        let known = || InboundError::invalid("status".to_owned(), "accepted, pending or rejected");
        let read = RevisionBody {
            translated_text: translated_text_of(body)?,
            status: status.map(|name| Status::of_name(name).ok_or_else(known)).transpose()?,
        };
        if read.translated_text.is_none() && read.status.is_none() {
            return Err(InboundError::missing("translated_text".to_owned(), "translated_text, status or both"));
        }
        Ok(read)
    })
}

/// Reads how an entry was found. The bytes are garbled by reading.
///
/// # Errors
/// What is wrong with it, or nothing is said.
pub fn read_feedback_body(parser: &mut Parser, bytes: &mut [u8]) -> Result<FeedbackBody, InboundError> {
    parser.on_tape(bytes, |root| feedback_of(Fields::of(root, "")?))
}

pub(super) fn feedback_of(body: Fields<'_, '_>) -> Result<FeedbackBody, InboundError> {
    let read = FeedbackBody { rating: rating_of(body)?, used: body.boolean("used")?.unwrap_or(false) };
    if read.rating.is_none() && !read.used {
        let expected = "a whole number from 1 to 5, or used: true, or both";
        return Err(InboundError::missing(body.name("quality_rating"), expected));
    }
    Ok(read)
}

fn rating_of(body: Fields<'_, '_>) -> Result<Option<Rating>, InboundError> {
    let stars = || InboundError::invalid(body.name("quality_rating"), "a whole number from 1 to 5");
    body.unsigned("quality_rating")?.map(|rating| Rating::new(rating).ok_or_else(stars)).transpose()
}

/// A translation, which is in `translated_text`, or in `text` as messages have it.
fn translated_text_of(body: Fields<'_, '_>) -> Result<Option<Box<str>>, InboundError> {
    match (body.text("translated_text")?, body.text("text")?) {
        (Some(_), Some(_)) => Err(InboundError::invalid(body.name("text"), "the translation in one field only")),
        (None, Some(text)) => text_of(body, "text", text).map(Some),
        (Some(text), None) => text_of(body, "translated_text", text).map(Some),
        (None, None) => Ok(None),
    }
}

/// The languages of a request, where `known` are those that it may leave out; `path` is where its fields are, such as
/// `payload.`, or empty.
///
/// # Errors
/// One is missing, or none that is translated, or both are the same.
pub fn language_pair(
    path: &str,
    given: [Option<Language>; 2],
    known: [Option<Language>; 2],
) -> Result<LanguagePair, InboundError> {
    let supported = || {
        let names: Vec<&str> = Language::SUPPORTED.iter().map(Language::as_str).collect();
        format!("one of {}", names.join(", "))
    };
    let check = |language: Option<Language>, field: &str| match language {
        None => Err(InboundError::missing(format!("{path}{field}"), supported())),
        Some(language) if !Language::SUPPORTED.contains(&language) => {
            Err(InboundError::invalid(format!("{path}{field}"), supported()))
        }
        Some(language) => Ok(language),
    };
    let [source, target] = [given[0].or(known[0]), given[1].or(known[1])];
    let (source, target) = (check(source, "source_language")?, check(target, "target_language")?);
    let pair = LanguagePair::new(source, target);
    let same = || InboundError::invalid(format!("{path}target_language"), "another language than source_language");
    pair.ok_or_else(same)
}

pub(super) fn required_text<'i>(body: Fields<'_, 'i>, key: &str) -> Result<&'i str, InboundError> {
    body.required(key, body.text(key)?, "a text")
}

/// A text that can be looked for: there is something in it, and not too much.
pub(super) fn text_of(fields: Fields<'_, '_>, key: &str, text: &str) -> Result<Box<str>, InboundError> {
    // What takes most bytes is four times as long.
    let fits = !text.trim().is_empty() && text.len() <= 4 * TEXT_CHARS_MAX && text.chars().count() <= TEXT_CHARS_MAX;
    if fits {
        return Ok(text.into());
    }
    let expected =
        format!("1 to {TEXT_CHARS_MAX} characters that are not all white space: send longer texts in segments");
    Err(InboundError::invalid(fields.name(key), expected))
}

pub(super) fn languages_of(body: Fields<'_, '_>) -> Result<[Option<Language>; 2], InboundError> {
    let language = |key: &str| {
        let tag = body.text(key)?;
        let expected = || InboundError::invalid(body.name(key), "a language such as en, fr or fr-CA");
        tag.map(|tag| Language::of_tag(tag).map_err(|_| expected())).transpose()
    };
    Ok([language("source_language")?, language("target_language")?])
}

pub(super) fn project_of(body: Fields<'_, '_>) -> Result<Option<ProjectId>, InboundError> {
    let wrong = || InboundError::invalid(body.name("project_id"), format!("a name matching {}", ProjectId::PATTERN));
    body.text("project_id")?.map(|name| ProjectId::new(name).map_err(|_| wrong())).transpose()
}

pub(super) fn context_of(body: Fields<'_, '_>) -> Result<Context, InboundError> {
    let Some(value) = body.get("context") else { return Ok(Context::default()) };
    let path = body.name("context");
    let fields = Fields::of(value, &path)?;
    let name = |key: &str| {
        let fits = |text: &&str| (1..=CONTEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        let expected = format!("1 to {CONTEXT_BYTES_MAX} bytes without control characters");
        let text = fields.text(key)?;
        text.map(|text| Some(text).filter(fits).ok_or_else(|| InboundError::invalid(fields.name(key), expected)))
            .transpose()
            .map(|text| text.map(Box::<str>::from))
    };
    let segment = |key: &str| fields.text(key)?.map(|text| text_of(fields, key, text)).transpose();
    Ok(Context {
        document_id: name("document_id")?,
        document_type: name("document_type")?,
        section: name("section")?,
        domain: name("domain")?,
        previous: segment("previous")?,
        next: segment("next")?,
    })
}

/// A number from 0 to 1.
fn fraction(fields: Fields<'_, '_>, key: &str) -> Result<Option<f64>, InboundError> {
    let number = match fields.get(key) {
        None => return Ok(None),
        Some([Node::Static(StaticNode::F64(number))]) => Some(*number),
        Some([Node::Static(StaticNode::U64(number))]) => u32::try_from(*number).ok().map(f64::from),
        Some([Node::Static(StaticNode::I64(0))]) => Some(0.0),
        Some(_) => None,
    };
    let fits = number.filter(|number| (0.0..=1.0).contains(number));
    fits.map(Some).ok_or_else(|| InboundError::invalid(fields.name(key), "a number from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<SuggestionsBody, String> {
        let read = read_suggestions_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
        read.map_err(|error| error.field.unwrap_or_default())
    }

    fn submitted(text: &str) -> Result<SubmitBody, String> {
        let read = read_submit_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
        read.map_err(|error| error.field.unwrap_or_default())
    }

    const EXAMPLE: &str = r#"{
        "source_text": "The incumbent is responsible for strategic planning",
        "source_language": "en",
        "target_language": "fr",
        "context": {
            "document_type": "job_description",
            "section": "general_accountability",
            "domain": "government"
        },
        "max_suggestions": 5,
        "min_confidence": 0.7
    }"#;

    #[test]
    fn what_is_wanted_is_read() {
        let body = wanted(EXAMPLE).unwrap();
        assert_eq!(&*body.source_text, "The incumbent is responsible for strategic planning");
        assert_eq!(body.languages, [Some(Language::ENGLISH), Some(Language::FRENCH)]);
        assert_eq!(body.context.section.as_deref(), Some("general_accountability"));
        assert_eq!((body.max_suggestions, body.min_confidence), (5, 0.7));
        assert_eq!((body.exhaustive, body.explain, body.project_id), (false, false, None));
        let least = wanted(r#"{"source_text": "é", "mode": null, "context": null, "other": 1}"#).unwrap();
        assert_eq!((least.languages, least.max_suggestions), ([None, None], SUGGESTIONS_DEFAULT));
        assert_eq!((least.context, least.min_confidence), (Context::default(), MIN_CONFIDENCE_DEFAULT));
        let most = r#"{"source_text": "a", "project_id": "hr", "max_suggestions": 50, "min_confidence": 1,
            "mode": "exhaustive", "explain": true, "context": {"previous": "b", "next": "c"}}"#;
        let most = wanted(most).unwrap();
        assert_eq!((most.max_suggestions, most.min_confidence, most.exhaustive, most.explain), (50, 1.0, true, true));
        assert_eq!(most.project_id.unwrap().as_str(), "hr");
        assert_eq!((most.context.previous.as_deref(), most.context.next.as_deref()), (Some("b"), Some("c")));
    }

    #[test]
    fn a_translation_is_read() {
        let text = r#"{"source_text": "The incumbent", "translated_text": "Le titulaire", "source_language": "en",
            "target_language": "fr", "context": {"document_id": "jd_12345"}, "quality_rating": 5, "reviewed": true}"#;
        let body = submitted(text).unwrap();
        assert_eq!((&*body.source_text, &*body.translated_text), ("The incumbent", "Le titulaire"));
        assert_eq!((body.rating, body.reviewed), (Rating::new(5), true));
        assert_eq!(body.context.document_id.as_deref(), Some("jd_12345"));
        let other = text.replace("translated_text", "text");
        assert_eq!(submitted(&other), Ok(body));
        let least = submitted(r#"{"source_text": "a", "text": "b"}"#).unwrap();
        assert_eq!((least.rating, least.reviewed, least.project_id), (None, false, None));
    }

    fn revised(text: &str) -> Result<RevisionBody, String> {
        let read = read_revision_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
        read.map_err(|error| error.field.unwrap_or_default())
    }

    fn found(text: &str) -> Result<FeedbackBody, String> {
        let read = read_feedback_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
        read.map_err(|error| error.field.unwrap_or_default())
    }

    fn weighed(text: &str) -> Result<AnalysisBody, String> {
        let read = read_analysis_body(&mut Parser::default(), &mut text.as_bytes().to_vec());
        read.map_err(|error| error.field.unwrap_or_default())
    }

    #[test]
    fn segments_are_read() {
        let of_text = weighed(r#"{"source_text": "One. Two!\nThree", "source_language": "en", "mode": "exhaustive"}"#);
        let of_text = of_text.unwrap();
        assert_eq!(of_text.segments, ["One.", "Two!", "Three"].map(Box::from));
        assert_eq!((of_text.exhaustive, of_text.languages), (true, [Some(Language::ENGLISH), None]));
        let as_sent = weighed(r#"{"segments": ["One. Two!", "Three"], "project_id": "hr"}"#).unwrap();
        assert_eq!(as_sent.segments, ["One. Two!", "Three"].map(Box::from));
        assert_eq!((as_sent.exhaustive, as_sent.project_id.unwrap().as_str()), (false, "hr"));
        let many = |count: usize| format!(r#"{{"segments": [{}]}}"#, vec![r#""a""#; count].join(", "));
        assert_eq!(weighed(&many(SEGMENTS_WEIGHED_MAX)).unwrap().segments.len(), SEGMENTS_WEIGHED_MAX);
        assert_eq!(weighed(&many(SEGMENTS_WEIGHED_MAX + 1)), Err("segments".to_owned()));
        let long = format!(r#"{{"source_text": "{}"}}"#, "It is. ".repeat(SEGMENTS_WEIGHED_MAX + 1));
        assert_eq!(weighed(&long), Err("source_text".to_owned()));
        for (text, field) in [
            ("{}", "source_text"),
            (r#"{"source_text": " "}"#, "source_text"),
            (r#"{"source_text": 7}"#, "source_text"),
            (r#"{"segments": []}"#, "segments"),
            (r#"{"segments": "a"}"#, "segments"),
            (r#"{"segments": ["a", ["b"]]}"#, "segments[1]"),
            (r#"{"segments": [" "]}"#, "segments[0]"),
            (r#"{"source_text": "a", "segments": ["a"]}"#, "segments"),
            (r#"{"source_text": "a", "mode": "slow"}"#, "mode"),
        ] {
            assert_eq!(weighed(text), Err(field.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_said_of_an_entry_is_read() {
        let both = revised(r#"{"translated_text": "b", "status": "accepted"}"#).unwrap();
        assert_eq!((both.translated_text.as_deref(), both.status), (Some("b"), Some(Status::Accepted)));
        assert_eq!(revised(r#"{"text": "b"}"#).unwrap().translated_text.as_deref(), Some("b"));
        assert_eq!(revised(r#"{"status": "rejected"}"#).unwrap().status, Some(Status::Rejected));
        for (text, field) in [
            ("{}", "translated_text"),
            (r#"{"status": null, "other": 1}"#, "translated_text"),
            (r#"{"status": "Accepted"}"#, "status"),
            (r#"{"status": 1}"#, "status"),
            (r#"{"text": " "}"#, "text"),
            (r#"{"text": "a", "translated_text": "a"}"#, "text"),
        ] {
            assert_eq!(revised(text), Err(field.to_owned()), "{text}");
        }
        let both = FeedbackBody { rating: Rating::new(1), used: true };
        assert_eq!(found(r#"{"quality_rating": 1, "used": true}"#), Ok(both));
        assert_eq!(found(r#"{"used": true}"#), Ok(FeedbackBody { rating: None, ..both }));
        assert_eq!(found(r#"{"quality_rating": 1}"#), Ok(FeedbackBody { used: false, ..both }));
        for (text, field) in [
            ("{}", "quality_rating"),
            (r#"{"used": false}"#, "quality_rating"),
            (r#"{"quality_rating": 0}"#, "quality_rating"),
            (r#"{"quality_rating": 6, "used": true}"#, "quality_rating"),
            (r#"{"used": 1}"#, "used"),
        ] {
            assert_eq!(found(text), Err(field.to_owned()), "{text}");
        }
    }

    /// `text` with a member more; of two with one name the later one is taken out first.
    fn with(text: &str, key: &str, value: &str) -> String {
        let mut object: serde_json::Value = serde_json::from_str(text).unwrap();
        object[key] = serde_json::from_str(value).unwrap();
        object.to_string()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!("\"{}\"", "é".repeat(TEXT_CHARS_MAX + 1));
        let just = format!("\"{}\"", "😀".repeat(TEXT_CHARS_MAX));
        assert!(wanted(&with(EXAMPLE, "source_text", &just)).is_ok());
        for (key, value) in [
            ("source_text", "null"),
            ("source_text", "7"),
            ("source_text", r#""""#),
            ("source_text", r#"" \n\u00a0\t""#),
            ("source_text", &long),
            ("source_language", r#""english""#),
            ("target_language", "1"),
            ("target_language", r#""f""#),
            ("project_id", r#""a b""#),
            ("project_id", r#""""#),
            ("context", "[]"),
            ("max_suggestions", "0"),
            ("max_suggestions", "51"),
            ("max_suggestions", "1.5"),
            ("max_suggestions", "-1"),
            ("min_confidence", "-0.1"),
            ("min_confidence", "-1"),
            ("min_confidence", "1.01"),
            ("min_confidence", "18446744073709551615"),
            ("min_confidence", r#""1""#),
            ("mode", r#""slow""#),
            ("explain", "1"),
        ] {
            assert_eq!(wanted(&with(EXAMPLE, key, value)), Err(key.to_owned()), "{key}: {value}");
        }
        let text = r#"{"source_text": "a", "translated_text": "b"}"#;
        for (key, value) in [
            ("source_text", "null"),
            ("translated_text", "null"),
            ("translated_text", r#"" ""#),
            ("translated_text", &long),
            ("text", r#""c""#),
            ("quality_rating", "0"),
            ("quality_rating", "6"),
            ("quality_rating", "4.5"),
            ("quality_rating", r#""5""#),
            ("reviewed", r#""yes""#),
            ("context", r#""here""#),
        ] {
            assert_eq!(submitted(&with(text, key, value)), Err(key.to_owned()), "{key}: {value}");
        }
        for key in ["document_id", "document_type", "section", "domain", "previous", "next"] {
            for value in [r#""""#, "7", &long, r#"["a"]"#] {
                let context = format!(r#"{{"{key}": {value}}}"#);
                assert_eq!(wanted(&with(EXAMPLE, "context", &context)), Err(format!("context.{key}")), "{value}");
            }
        }
        assert_eq!(
            wanted(r#"{"source_text": "a", "context": {"section": "a\u0000"}}"#),
            Err("context.section".to_owned())
        );
        assert_eq!(wanted("[]"), Err(String::new()));
        assert_eq!(wanted(r#"{"source_text": "a", "source_text": "b"}"#), Err("source_text".to_owned()));
    }
}

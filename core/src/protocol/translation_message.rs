//! What a translator's connection may say: messages about the translation memory.

use super::batch_body::{BatchBody, batch_of};
use super::fields::Fields;
use super::glossary_body::{TermBody, term_of};
use super::message::InboundError;
use super::subscribe_body::{SubscribeBody, subscribe_of};
use super::translation_body::{FeedbackBody, SubmitBody, SuggestionsBody, feedback_of, submit_of, suggestions_of};
use crate::translation::{EntryId, TermId};

/// A message about the translation memory, by its `type`.
#[derive(Clone, Debug, PartialEq)]
pub enum TranslationMessage {
    /// `translation.request`: what is there for a text?
    Request(SuggestionsBody),
    /// `translation.submit`: a translation is handed in.
    Submit(SubmitBody),
    /// `translation.feedback`: somebody says how they found an entry.
    Feedback(EntryId, FeedbackBody),
    /// `translation.batch`: what is there for each of these texts?
    Batch(BatchBody),
    /// `translation.batch.cancel`: no more of it.
    CancelBatch,
    /// `glossary.update`: a term is new, or another one than before.
    PutTerm(TermBody),
    /// `glossary.remove`: a term is no longer one.
    RemoveTerm(TermId),
    /// `translation.subscribe`: whoever is in a document translates it.
    Subscribe(SubscribeBody),
    /// `translation.unsubscribe`: and no longer does.
    Unsubscribe,
}

impl TranslationMessage {
    /// All that a `type` may be.
    pub(super) const TYPES: [&'static str; 9] = [
        "translation.request",
        "translation.submit",
        "translation.feedback",
        "translation.batch",
        "translation.batch.cancel",
        "glossary.update",
        "glossary.remove",
        "translation.subscribe",
        "translation.unsubscribe",
    ];

    /// The place of its type in [`Self::TYPES`].
    pub(super) const fn type_index(&self) -> usize {
        match self {
            Self::Request(_) => 0,
            Self::Submit(_) => 1,
            Self::Feedback(..) => 2,
            Self::Batch(_) => 3,
            Self::CancelBatch => 4,
            Self::PutTerm(_) => 5,
            Self::RemoveTerm(_) => 6,
            Self::Subscribe(_) => 7,
            Self::Unsubscribe => 8,
        }
    }

    /// Reads a payload; `None` if such a type is another's.
    pub(super) fn read(kind: &str, payload: Fields<'_, '_>) -> Result<Option<Self>, InboundError> {
        Ok(Some(match kind {
            "translation.request" => Self::Request(suggestions_of(payload)?),
            "translation.submit" => Self::Submit(submit_of(payload)?),
            "translation.feedback" => Self::Feedback(entry_of(payload)?, feedback_of(payload)?),
            "translation.batch" => Self::Batch(batch_of(payload)?),
            "translation.batch.cancel" => Self::CancelBatch,
            "glossary.update" => Self::PutTerm(term_of(payload)?),
            "glossary.remove" => Self::RemoveTerm(removed_term(payload)?),
            "translation.subscribe" => Self::Subscribe(subscribe_of(payload)?),
            "translation.unsubscribe" => Self::Unsubscribe,
            _ => return Ok(None),
        }))
    }
}

fn entry_of(payload: Fields<'_, '_>) -> Result<EntryId, InboundError> {
    let name = payload.required("translation_id", payload.text("translation_id")?, "the name of an entry")?;
    let wrong = || InboundError::invalid(payload.name("translation_id"), "the name of an entry, such as trans_98765");
    EntryId::from_name(name).ok_or_else(wrong)
}

fn removed_term(payload: Fields<'_, '_>) -> Result<TermId, InboundError> {
    let name = payload.required("term_id", payload.text("term_id")?, "the name of a term")?;
    let wrong = || InboundError::invalid(payload.name("term_id"), "the name of a term, such as term_123");
    TermId::from_name(name).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use crate::protocol::{Message, Parser, TranslationMessage};
    use crate::translation::Language;

    fn read(text: &str) -> Result<TranslationMessage, String> {
        let mut read = Vec::new();
        Parser::default().read(&mut text.as_bytes().to_vec(), 1, |inbound| {
            read.push(match inbound {
                Ok(inbound) => match inbound.message {
                    Message::Translation(message) => {
                        assert!(text.contains(Message::TYPES[Message::Translation(message.clone()).type_index()]));
                        Ok(*message)
                    }
                    other => panic!("{other:?}"),
                },
                Err(error) => Err(error.field.unwrap_or_default()),
            });
        });
        read.pop().unwrap()
    }

    #[test]
    fn the_references_request_is_read() {
        let text = r#"{"type": "translation.request", "payload": {
            "source_text": "Strategic planning responsibility", "source_language": "en", "target_language": "fr",
            "context": {"section": "general_accountability"}}}"#;
        let Ok(TranslationMessage::Request(body)) = read(text) else { panic!("{:?}", read(text)) };
        assert_eq!(&*body.source_text, "Strategic planning responsibility");
        assert_eq!(body.languages, [Some(Language::ENGLISH), Some(Language::FRENCH)]);
        assert_eq!(body.context.section.as_deref(), Some("general_accountability"));
    }

    #[test]
    fn a_translation_is_read_in_either_spelling() {
        let text = r#"{"type": "translation.submit", "payload": {"source_text": "a", "text": "b"}}"#;
        let Ok(TranslationMessage::Submit(body)) = read(text) else { panic!("{:?}", read(text)) };
        assert_eq!((&*body.source_text, &*body.translated_text), ("a", "b"));
        assert_eq!(read(&text.replace(r#""text""#, r#""translated_text""#)), Ok(TranslationMessage::Submit(body)));
    }

    #[test]
    fn terms_are_read() {
        let text = r#"{"type": "glossary.update", "payload": {"term": "incumbent", "translation": "titulaire"}}"#;
        let Ok(TranslationMessage::PutTerm(body)) = read(text) else { panic!("{:?}", read(text)) };
        assert_eq!((body.content.draft().term, body.languages), ("incumbent", [None, None]));
        assert_eq!(read(&text.replace("translation\"", "t\"")), Err("payload.translation".to_owned()));
        let text = r#"{"type": "glossary.remove", "payload": {"term_id": "term_7"}}"#;
        assert!(matches!(read(text), Ok(TranslationMessage::RemoveTerm(id)) if id.to_string() == "term_7"));
        for wrong in [r#""term_07""#, r#""7""#, "7", "null"] {
            assert_eq!(read(&text.replace(r#""term_7""#, wrong)), Err("payload.term_id".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_in_the_message() {
        let message = |kind: &str, payload: &str| format!(r#"{{"type": "{kind}", "payload": {payload}}}"#);
        for (payload, field) in [
            ("{}", "payload.source_text"),
            (r#"{"source_text": " "}"#, "payload.source_text"),
            (r#"{"source_text": "a", "source_language": "english"}"#, "payload.source_language"),
            (r#"{"source_text": "a", "project_id": "a b"}"#, "payload.project_id"),
            (r#"{"source_text": "a", "max_suggestions": 0}"#, "payload.max_suggestions"),
            (r#"{"source_text": "a", "mode": "slow"}"#, "payload.mode"),
            (r#"{"source_text": "a", "context": {"section": 7}}"#, "payload.context.section"),
            (r#"{"source_text": "a", "context": 7}"#, "payload.context"),
        ] {
            assert_eq!(read(&message("translation.request", payload)), Err(field.to_owned()), "{payload}");
        }
        for (payload, field) in [
            (r#"{"text": "b"}"#, "payload.source_text"),
            (r#"{"source_text": "a"}"#, "payload.translated_text"),
            (r#"{"source_text": "a", "text": "b", "translated_text": "b"}"#, "payload.text"),
            (r#"{"source_text": "a", "text": "b", "quality_rating": 6}"#, "payload.quality_rating"),
        ] {
            assert_eq!(read(&message("translation.submit", payload)), Err(field.to_owned()), "{payload}");
        }
    }
}

//! Whether an answer is right.

use std::borrow::Cow;

use serde::Deserialize;

use super::corpus::{Kind, Question};
use crate::scan::excerpt;

/// The parts of `translation.suggestion` that are looked at.
#[derive(Debug, Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    payload: Payload<'a>,
}

#[derive(Debug, Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    suggestions: Vec<Suggestion<'a>>,
}

#[derive(Debug, Deserialize)]
struct Suggestion<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    match_type: &'a str,
    similarity: Option<f64>,
}

/// Whether the translation that belongs to the question is among what was found.
///
/// # Errors
/// The answer cannot be right: the text of the error is the same for all such answers, so that they are counted together, but
/// for what the first of them said.
pub(super) fn judge(question: &Question, message: &[u8]) -> Result<bool, String> {
    let wrong = |what: &str| Err(format!("{} look-up answered wrongly: {what}", question.kind.name()));
    let Ok(Answer { payload: Payload { suggestions } }) = serde_json::from_slice(message) else {
        return wrong("not as translation.suggestion is documented");
    };
    let is_wanted = |one: &Suggestion<'_>| question.translation.as_deref() == Some(&*one.text);
    let is_found = suggestions.iter().any(is_wanted);
    match question.kind {
        Kind::Exact => match suggestions.first() {
            None => wrong("no suggestion for a text that is in the memory"),
            Some(best) if best.match_type != "exact" => wrong("the best suggestion is not match_type exact"),
            Some(best) if !is_wanted(best) => wrong("another translation than that of the text"),
            Some(_) => Ok(true),
        },
        Kind::Fuzzy | Kind::New => {
            let is_less = |one: &Suggestion<'_>| one.match_type == "fuzzy" && one.similarity.is_some_and(|of| of < 1.0);
            if suggestions.iter().all(is_less) {
                Ok(is_found)
            } else {
                wrong("exact for a text that is not in the memory")
            }
        }
    }
}

/// A question and its wrong answer, for whoever wants to know.
pub(super) fn describe(question: &Question, message: &[u8]) -> String {
    format!("asked {:?}, wanted {:?}, got {}", question.text, question.translation, excerpt(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn question(kind: Kind) -> Question {
        let translation = (kind != Kind::New).then(|| "Le \"titulaire\"".to_owned());
        Question { kind, text: "The incumbent".to_owned(), translation }
    }

    #[track_caller]
    fn check(kind: Kind, suggestions: &Value, expected: Result<bool, &str>) {
        let answer = json!({"type": "translation.suggestion", "payload": {"suggestions": suggestions}, "metadata": {}});
        let judged = judge(&question(kind), answer.to_string().as_bytes());
        match expected {
            Ok(is_found) => assert_eq!(judged, Ok(is_found)),
            Err(what) => assert!(judged.as_ref().is_err_and(|error| error.contains(what)), "{judged:?}"),
        }
    }

    #[test]
    fn only_right_answers_are_taken() {
        let own = json!({"text": "Le \"titulaire\"", "match_type": "exact", "confidence": 0.9});
        let other = json!({"text": "La titulaire", "match_type": "exact", "confidence": 0.9});
        let like = json!({"text": "Le \"titulaire\"", "match_type": "fuzzy", "similarity": 0.9});
        let unlike = json!({"text": "Le poste", "match_type": "fuzzy", "similarity": 0.9});
        let too_like = json!({"text": "Le poste", "match_type": "fuzzy", "similarity": 1.0});
        check(Kind::Exact, &json!([own, unlike]), Ok(true));
        check(Kind::Exact, &json!([]), Err("no suggestion"));
        check(Kind::Exact, &json!([like, own]), Err("not match_type exact"));
        check(Kind::Exact, &json!([other, own]), Err("another translation"));
        check(Kind::Fuzzy, &json!([unlike, like]), Ok(true));
        check(Kind::Fuzzy, &json!([unlike]), Ok(false));
        check(Kind::Fuzzy, &json!([]), Ok(false));
        check(Kind::Fuzzy, &json!([unlike, own]), Err("exact for a text"));
        check(Kind::Fuzzy, &json!([too_like]), Err("exact for a text"));
        check(Kind::New, &json!([unlike]), Ok(false));
        check(Kind::New, &json!([own]), Err("exact for a text"));
        check(Kind::New, &json!([{"text": "a"}]), Err("documented"));
        assert!(judge(&question(Kind::New), b"{}").is_err());
    }
}

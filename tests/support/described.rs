//! What the server says, held against its own description: `openapi.json` and `asyncapi.json`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::http::Answer;

/// Both descriptions as one document, in which all references lead to the document itself.
static DESCRIBED: LazyLock<Value> = LazyLock::new(|| {
    let openapi = include_str!("../../src/http/published/openapi.json");
    let asyncapi = include_str!("../../src/http/published/asyncapi.json").replace("openapi.json#/", "#/");
    let mut described: Value = serde_json::from_str(openapi).expect("openapi.json is JSON");
    let asyncapi: Value = serde_json::from_str(&asyncapi).expect("asyncapi.json is JSON");
    for (name, schema) in asyncapi["components"]["schemas"].as_object().expect("schemas") {
        let earlier = &mut described["components"]["schemas"][name];
        assert!(earlier.is_null(), "{name} is described twice");
        earlier.clone_from(schema);
    }
    described["messages"] = asyncapi["components"]["messages"].clone();
    described
});

/// Schemas by where they are, made when they are first needed.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn check(pointer: &str, value: &Value, what: &str) {
    let mut validators = VALIDATORS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let make = || {
        let mut schema = DESCRIBED.clone();
        // Braces are not for fragments of URIs.
        let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
        schema["$ref"] = json!(format!("#{fragment}"));
        Arc::new(jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{pointer}: {error}")))
    };
    let validator = Arc::clone(validators.entry(pointer.to_owned()).or_insert_with(make));
    drop(validators);
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what} is not as {pointer} says:\n{}\n{value}", errors.join("\n"));
}

/// A part of a JSON pointer.
fn part(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

/// The path that is described for a request's target.
fn template(target: &str) -> Option<&'static str> {
    let path = target.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (ours, theirs) = (template.split('/'), path.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours.zip(theirs).all(|(ours, theirs)| ours == theirs || ours.starts_with('{'))
    };
    DESCRIBED["paths"].as_object().expect("paths").keys().map(String::as_str).find(|template| fits(template))
}

/// An answer has a status that is described for its request, and the body that is described for that. Where no route is
/// described, or not for the method, it is an error like all others.
///
/// # Panics
/// If it is not.
pub(crate) fn check_answer(request: &[u8], answer: &Answer) {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let [method, target, _] = line.split(' ').collect::<Vec<_>>()[..] else { return check_error(&line, answer) };
    let Some(template) = template(target) else { return check_error(&line, answer) };
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let responses = format!("/paths/{}/{method}/responses", part(template));
    if DESCRIBED.pointer(&responses).is_none() || answer.status == 405 {
        return check_error(&line, answer);
    }
    let mut response = format!("{responses}/{}", answer.status);
    let described = DESCRIBED.pointer(&response);
    let described = described.unwrap_or_else(|| panic!("{line}: the status {} is not described", answer.status));
    if let Some(reference) = described["$ref"].as_str() {
        response = reference.trim_start_matches('#').to_owned();
    }
    let has_no_body = DESCRIBED.pointer(&response).is_some_and(|described| described["content"].is_null());
    if has_no_body {
        return assert!(answer.body.is_empty(), "{line}: {} has a body", answer.status);
    }
    let media_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let schema = format!("{response}/content/{}/schema", part(media_type));
    assert!(DESCRIBED.pointer(&schema).is_some(), "{line}: {} as {media_type:?} is not described", answer.status);
    if media_type == "application/json" && !line.starts_with("HEAD") && answer.header("content-encoding").is_none() {
        check(&schema, &answer.json(), &line);
    }
}

fn check_error(line: &str, answer: &Answer) {
    assert!(answer.status >= 400, "{line}: {} is not described", answer.status);
    if !line.starts_with("HEAD") && answer.header("content-encoding").is_none() {
        check("/components/schemas/Error", &answer.json(), line);
    }
}

/// A message is of a type that is described, and as that says.
///
/// # Panics
/// If it is not.
pub(crate) fn check_message(message: &Value) {
    let kind = message["type"].as_str().unwrap_or_else(|| panic!("a message without a type: {message}"));
    let name = format!("told.{kind}");
    assert!(!DESCRIBED["messages"][&name].is_null(), "messages of type {kind} are not described: {message}");
    check(&format!("/messages/{}/payload", part(&name)), message, kind);
}

//! What the server says of itself: `/openapi.json`, `/asyncapi.json`, and `/docs`, a page that shows both.
//!
//! The descriptions are written by hand and kept as files. Deriving them from types would describe the answers alone: what
//! is taken in is read from a tape without types of its own, which is the faster way. Tests hold them against the
//! routes, the codes of errors, the types of messages, and all that the server answers while it is tested.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};

use super::response::{AnswerBody, HttpResponse};
use super::route::Endpoint;

const OPENAPI: &str = include_str!("published/openapi.json");
const ASYNCAPI: &str = include_str!("published/asyncapi.json");
const PAGE: &str = include_str!("published/docs.html");
const SCRIPT: &str = include_str!("published/docs.js");
const STYLE: &str = include_str!("published/docs.css");
/// Nothing but what this server has, and nothing in the page itself.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The file that an endpoint stands for; `None` if it stands for something else.
const fn file_of(endpoint: Endpoint) -> Option<(&'static str, &'static str)> {
    match endpoint {
        Endpoint::OpenApi => Some((OPENAPI, "application/json")),
        Endpoint::AsyncApi => Some((ASYNCAPI, "application/json")),
        Endpoint::Docs => Some((PAGE, "text/html; charset=utf-8")),
        Endpoint::DocsScript => Some((SCRIPT, "text/javascript; charset=utf-8")),
        Endpoint::DocsStyle => Some((STYLE, "text/css; charset=utf-8")),
        _ => None,
    }
}

/// One of the files.
pub(super) fn file(endpoint: Endpoint) -> HttpResponse {
    let (text, media_type) = file_of(endpoint).unwrap_or_default();
    let mut response = Response::new(AnswerBody::Whole(Full::new(Bytes::from_static(text.as_bytes()))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jddb_core::protocol::{ErrorCode, Message};
    use serde_json::Value;

    use super::*;
    use crate::http::route;

    fn described(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    /// `METHOD path` of each operation that is described.
    fn operations(openapi: &Value) -> BTreeSet<String> {
        let paths = openapi["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect()
    }

    #[test]
    fn each_route_is_described_and_nothing_else() {
        let routes: BTreeSet<String> = route::all().map(|(method, path)| format!("{method} {path}")).collect();
        assert_eq!(operations(&described(OPENAPI)), routes);
    }

    #[test]
    fn each_socket_has_a_channel() {
        let asyncapi = described(ASYNCAPI);
        let channels: BTreeSet<&str> = asyncapi["channels"]
            .as_object()
            .unwrap()
            .values()
            .map(|channel| channel["address"].as_str().unwrap())
            .collect();
        let sockets: BTreeSet<&str> =
            route::all().map(|(_, path)| path).filter(|path| path.starts_with("/ws/")).collect();
        assert_eq!(channels, sockets);
    }

    #[test]
    fn each_code_of_an_error_is_described_with_its_status() {
        let openapi = described(OPENAPI);
        let names: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(openapi["components"]["schemas"]["ErrorCode"]["enum"], serde_json::json!(names));
        let responses = openapi["components"]["responses"].as_object().unwrap();
        for (path, methods) in openapi["paths"].as_object().unwrap() {
            for (status, response) in
                methods.as_object().unwrap().values().flat_map(|one| one["responses"].as_object().unwrap())
            {
                let Some(name) = response["$ref"].as_str().and_then(|name| name.rsplit('/').next()) else { continue };
                let schema = &responses[name]["content"]["application/json"]["schema"]["allOf"][1];
                for code in schema["properties"]["error"]["properties"]["code"]["enum"].as_array().unwrap() {
                    let known = ErrorCode::ALL.iter().find(|known| known.name() == code).unwrap();
                    let is_of_http = matches!(&**status, "417" | "426") && *known == ErrorCode::ValidationError;
                    assert!(is_of_http || known.http_status().to_string() == *status, "{path}: {status}: {code}");
                }
            }
        }
    }

    #[test]
    fn each_type_that_a_client_may_send_is_described_and_nothing_else() {
        let asyncapi = described(ASYNCAPI);
        let names = asyncapi["components"]["messages"].as_object().unwrap().keys();
        let said: BTreeSet<&str> = names.filter_map(|name| name.strip_prefix("said.")).collect();
        assert_eq!(said, Message::TYPES.into_iter().collect());
    }

    /// The places in a body at which something may be left out, and may not be `null`.
    fn places_without_null(openapi: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
        const WHAT: [&str; 5] = ["type", "enum", "anyOf", "oneOf", "const"];
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            return places_without_null(openapi, &openapi["components"]["schemas"][name], name, found);
        }
        let choices = ["oneOf", "anyOf", "allOf"].iter().flat_map(|kind| schema[kind].as_array().into_iter().flatten());
        choices.chain(schema.get("items")).for_each(|part| places_without_null(openapi, part, at, found));
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let is_null = |value: &Value| value.is_null() || value == "null" || value["type"] == "null";
            let takes_null = |what: &str| match &property[what] {
                Value::Array(choices) => choices.iter().any(is_null),
                one => one == "null",
            };
            let is_required = schema["required"].as_array().into_iter().flatten().any(|required| required == name);
            let is_anything = property["$ref"].is_null() && WHAT.iter().all(|what| property[what].is_null());
            if !is_required && !is_anything && !WHAT.iter().any(|what| takes_null(what)) {
                found.push(format!("{at}.{name}"));
            }
            places_without_null(openapi, property, &format!("{at}.{name}"), found);
        }
    }

    #[test]
    fn whatever_may_be_left_out_of_a_body_may_be_null() {
        let openapi = described(OPENAPI);
        let (mut found, mut bodies) = (Vec::new(), 0);
        for operation in openapi["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap()) {
            let schema = &operation.1["requestBody"]["content"]["application/json"]["schema"];
            bodies += usize::from(!schema.is_null());
            places_without_null(&openapi, schema, operation.0, &mut found);
        }
        assert!(bodies > 5, "{bodies} bodies");
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        for text in [PAGE, SCRIPT, STYLE] {
            assert!(!text.contains("//") || text == SCRIPT && !text.contains("://"), "{text}");
        }
        assert!(!PAGE.contains("<style") && !PAGE.contains(" style=") && !PAGE.contains(" onload="));
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("eval("));
    }
}

//! Which paths there are.

use hyper::Method;
use jddb_core::protocol::ErrorCode;

use super::error::HttpError;

/// The bytes of an unknown path that are compared with the known ones.
const COMPARED_BYTES_MAX: usize = 128;
/// How many routes an error names.
const NAMED_MAX: usize = 2;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Whether the process lives.
    Health,
    /// Whether it is ready for requests.
    Ready,
    /// A document's state.
    State,
    /// Changes to a document.
    Changes,
    /// A document's WebSocket.
    DocumentSocket,
    /// The WebSocket of who is present where.
    PresenceSocket,
    /// The WebSocket of how the server is doing.
    MonitoringSocket,
}

/// A path that leads somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    /// Where.
    pub(super) endpoint: Endpoint,
    /// The document's id as it stands in the path; empty where there is none.
    pub(super) document: &'a str,
}

/// The paths, in which `{document_id}` stands for one segment.
const ROUTES: [(Endpoint, &str); 7] = [
    (Endpoint::Health, "/healthz"),
    (Endpoint::Ready, "/readyz"),
    (Endpoint::State, "/api/documents/{document_id}/state"),
    (Endpoint::Changes, "/api/documents/{document_id}/changes"),
    (Endpoint::DocumentSocket, "/ws/document/{document_id}"),
    (Endpoint::PresenceSocket, "/ws/presence"),
    (Endpoint::MonitoringSocket, "/ws/monitoring"),
];
const PLACEHOLDER: &str = "{document_id}";

impl<'a> Route<'a> {
    /// Where `path` leads.
    ///
    /// # Errors
    /// Nowhere; the error names the paths that are most like it.
    pub(super) fn find(path: &'a str) -> Result<Self, HttpError> {
        let found = ROUTES.iter().find_map(|(endpoint, template)| {
            let document = document_in(path, template)?;
            Some(Self { endpoint: *endpoint, document })
        });
        found.ok_or_else(|| not_found(path))
    }

    /// Checks that the route takes requests of this method.
    ///
    /// # Errors
    /// It does not; the error names those that it takes.
    pub(super) fn check_method(self, method: &Method) -> Result<(), HttpError> {
        let allowed = match self.endpoint {
            Endpoint::Health | Endpoint::Ready | Endpoint::State => "GET, HEAD",
            Endpoint::Changes => "POST",
            Endpoint::DocumentSocket | Endpoint::PresenceSocket | Endpoint::MonitoringSocket => "GET",
        };
        if allowed.split(", ").any(|name| name == method.as_str()) {
            return Ok(());
        }
        Err(HttpError::method_not_allowed(allowed))
    }
}

/// The segment of `path` at the template's placeholder, empty if it has none; `None` if `path` is another one.
fn document_in<'a>(path: &'a str, template: &str) -> Option<&'a str> {
    let Some((before, after)) = template.split_once(PLACEHOLDER) else { return (path == template).then_some("") };
    let document = path.strip_prefix(before)?.strip_suffix(after)?;
    (!document.contains('/')).then_some(document)
}

fn not_found(path: &str) -> HttpError {
    let path = &path[..path.floor_char_boundary(COMPARED_BYTES_MAX)];
    let mut templates = ROUTES.map(|(_, template)| (strsim::damerau_levenshtein(path, template), template));
    templates.sort_unstable();
    let nearest: Vec<&str> = templates.iter().take(NAMED_MAX).map(|(_, template)| *template).collect();
    HttpError::new(ErrorCode::NotFound, format!("there is no such route; the nearest are {}", nearest.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(Endpoint, &str)>) {
        let found = Route::find(path).ok().map(|route| (route.endpoint, route.document));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_lead_where_they_should() {
        check("/healthz", Some((Endpoint::Health, "")));
        check("/readyz", Some((Endpoint::Ready, "")));
        check("/api/documents/jd_1/state", Some((Endpoint::State, "jd_1")));
        check("/api/documents/jd%5F1/changes", Some((Endpoint::Changes, "jd%5F1")));
        check("/ws/document/jd_1", Some((Endpoint::DocumentSocket, "jd_1")));
        check("/ws/presence", Some((Endpoint::PresenceSocket, "")));
        check("/ws/monitoring", Some((Endpoint::MonitoringSocket, "")));
        // A name that is none is for the endpoint to refuse.
        check("/ws/document/", Some((Endpoint::DocumentSocket, "")));
        check("/api/documents//state", Some((Endpoint::State, "")));
    }

    #[test]
    fn others_lead_nowhere() {
        for path in [
            "",
            "/",
            "*",
            "/healthz/",
            "/ws/document",
            "/ws/document/a/b",
            "/ws/presence/",
            "/ws/presence/jd_1",
            "/ws/monitor",
            "/ws/translation",
            "/api/documents/a/b/state",
            "/api/documents/state",
            "/api/documents/jd_1",
            "/API/documents/jd_1/state",
            "//healthz",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn a_near_miss_is_told_what_is_near() {
        let error = |path: &str| format!("{:?}", Route::find(path).unwrap_err());
        assert!(error("/health").contains("/healthz"));
        assert!(error("/ws/documents/jd_1").contains("/ws/document/{document_id}"));
        assert!(error("/api/document/jd_12345/state").contains("/api/documents/{document_id}/state"));
        assert!(error(&"é".repeat(10_000)).contains("NotFound"));
    }

    #[test]
    fn methods_are_held_against_the_route() {
        let allows = |path, method: Method| Route::find(path).unwrap().check_method(&method).is_ok();
        assert!(allows("/healthz", Method::GET));
        assert!(allows("/api/documents/a/state", Method::HEAD));
        assert!(allows("/api/documents/a/changes", Method::POST));
        assert!(!allows("/api/documents/a/changes", Method::GET));
        assert!(!allows("/ws/document/a", Method::HEAD));
        assert!(!allows("/healthz", Method::from_bytes(b"get").unwrap()));
    }
}

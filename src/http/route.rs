//! Which paths there are.

use hyper::Method;
use jddb_core::protocol::ErrorCode;

use super::error::HttpError;

/// The bytes of an unknown path that are compared with the known ones.
const COMPARED_BYTES_MAX: usize = 128;
/// How many routes an error names.
const NAMED_MAX: usize = 2;

/// What a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Whether the process lives.
    Health,
    /// Whether it is ready for requests.
    Ready,
    /// The description of the HTTP API.
    OpenApi,
    /// The description of WebSockets and event streams.
    AsyncApi,
    /// A page that shows both.
    Docs,
    /// Its script.
    DocsScript,
    /// Its style.
    DocsStyle,
    /// A document's state.
    State,
    /// Changes to a document.
    Changes,
    /// Who is in a document.
    DocumentPresence,
    /// Where a user is.
    UserPresence,
    /// All sessions: a new one.
    Sessions,
    /// The sessions that there are.
    ActiveSessions,
    /// A session: its end.
    Session,
    /// The list of documents.
    Documents,
    /// A whole document: its texts and its metadata.
    PutDocument,
    /// The end of a document.
    DeleteDocument,
    /// A document is locked.
    Lock,
    /// Its lock is taken away.
    Unlock,
    /// An old version is brought back.
    Restore,
    /// What was done to a document, version by version.
    History,
    /// What differs between two versions.
    Diff,
    /// What the translation memory has for a text.
    Suggestions,
    /// A translation is handed in.
    SubmitTranslation,
    /// The translation memory comes as a file.
    ImportMemory,
    /// It is wanted as a file.
    ExportMemory,
    /// How much of a text is known already.
    Analysis,
    /// Entries in which a phrase stands.
    Concordance,
    /// An entry of the translation memory.
    Translation,
    /// It is rewritten, accepted or rejected.
    ReviseTranslation,
    /// It is forgotten.
    DeleteTranslation,
    /// How it was found.
    TranslationFeedback,
    /// The list of terms.
    Glossary,
    /// A term is added.
    AddTerm,
    /// Terms come as a file.
    ImportGlossary,
    /// They are wanted as a file.
    ExportGlossary,
    /// A term.
    Term,
    /// A term is changed.
    PutTerm,
    /// A term is removed.
    RemoveTerm,
    /// New tokens for a refresh token.
    Refresh,
    /// Tokens are no longer accepted.
    Revoke,
    /// A document's WebSocket.
    DocumentSocket,
    /// A document's event stream.
    DocumentEvents,
    /// The event stream of who is present where.
    PresenceEvents,
    /// The event stream of how the server is doing.
    MonitoringEvents,
    /// The WebSocket of who is present where.
    PresenceSocket,
    /// The WebSocket of how the server is doing.
    MonitoringSocket,
    /// The WebSocket of those who translate in a project.
    TranslationSocket,
}

impl Endpoint {
    /// Whether it leads to a WebSocket, on which everything is told.
    pub(super) const fn is_socket(self) -> bool {
        matches!(self, Self::DocumentSocket | Self::PresenceSocket | Self::MonitoringSocket | Self::TranslationSocket)
    }
}

/// Whether an orchestrator asks at that path, who is never refused.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// A path, in which a name in braces stands for one segment, and where each method on it leads. HEAD goes where GET goes.
struct Route {
    template: &'static str,
    methods: &'static [(Method, Endpoint)],
    /// Whether HEAD is left out: an upgrade is no answer to it.
    upgrades: bool,
}

const fn plain(template: &'static str, methods: &'static [(Method, Endpoint)]) -> Route {
    Route { template, methods, upgrades: false }
}

const fn socket(template: &'static str, methods: &'static [(Method, Endpoint)]) -> Route {
    Route { template, methods, upgrades: true }
}

const ROUTES: &[Route] = &[
    plain("/healthz", &[(Method::GET, Endpoint::Health)]),
    plain("/readyz", &[(Method::GET, Endpoint::Ready)]),
    plain("/openapi.json", &[(Method::GET, Endpoint::OpenApi)]),
    plain("/asyncapi.json", &[(Method::GET, Endpoint::AsyncApi)]),
    plain("/docs", &[(Method::GET, Endpoint::Docs)]),
    plain("/docs/docs.js", &[(Method::GET, Endpoint::DocsScript)]),
    plain("/docs/docs.css", &[(Method::GET, Endpoint::DocsStyle)]),
    plain("/api/documents/{document_id}/state", &[(Method::GET, Endpoint::State)]),
    plain("/api/documents/{document_id}/changes", &[(Method::POST, Endpoint::Changes)]),
    plain("/api/documents", &[(Method::GET, Endpoint::Documents)]),
    plain(
        "/api/documents/{document_id}",
        &[(Method::PUT, Endpoint::PutDocument), (Method::DELETE, Endpoint::DeleteDocument)],
    ),
    plain("/api/documents/{document_id}/lock", &[(Method::PUT, Endpoint::Lock), (Method::DELETE, Endpoint::Unlock)]),
    plain("/api/documents/{document_id}/history", &[(Method::GET, Endpoint::History)]),
    plain("/api/documents/{document_id}/diff", &[(Method::GET, Endpoint::Diff)]),
    plain("/api/documents/{document_id}/restore", &[(Method::POST, Endpoint::Restore)]),
    plain("/api/documents/{document_id}/events", &[(Method::GET, Endpoint::DocumentEvents)]),
    plain("/api/presence/events", &[(Method::GET, Endpoint::PresenceEvents)]),
    plain("/api/monitoring/events", &[(Method::GET, Endpoint::MonitoringEvents)]),
    socket("/ws/document/{document_id}", &[(Method::GET, Endpoint::DocumentSocket)]),
    socket("/ws/presence", &[(Method::GET, Endpoint::PresenceSocket)]),
    socket("/ws/monitoring", &[(Method::GET, Endpoint::MonitoringSocket)]),
    socket("/ws/translation/{project_id}", &[(Method::GET, Endpoint::TranslationSocket)]),
    plain("/api/documents/{document_id}/presence", &[(Method::GET, Endpoint::DocumentPresence)]),
    plain("/api/presence/{user_id}", &[(Method::PUT, Endpoint::UserPresence)]),
    plain("/api/sessions", &[(Method::POST, Endpoint::Sessions)]),
    plain("/api/sessions/active", &[(Method::GET, Endpoint::ActiveSessions)]),
    plain("/api/sessions/{session_id}", &[(Method::DELETE, Endpoint::Session)]),
    plain("/api/translation/suggestions", &[(Method::POST, Endpoint::Suggestions)]),
    plain("/api/translation/submit", &[(Method::POST, Endpoint::SubmitTranslation)]),
    plain("/api/translation/memory/import", &[(Method::POST, Endpoint::ImportMemory)]),
    plain("/api/translation/memory/export", &[(Method::GET, Endpoint::ExportMemory)]),
    plain("/api/translation/search", &[(Method::GET, Endpoint::Concordance)]),
    plain("/api/translation/analysis", &[(Method::POST, Endpoint::Analysis)]),
    plain(
        "/api/translation/entries/{translation_id}",
        &[
            (Method::GET, Endpoint::Translation),
            (Method::PATCH, Endpoint::ReviseTranslation),
            (Method::DELETE, Endpoint::DeleteTranslation),
        ],
    ),
    plain("/api/translation/entries/{translation_id}/feedback", &[(Method::POST, Endpoint::TranslationFeedback)]),
    plain("/api/translation/glossary", &[(Method::GET, Endpoint::Glossary), (Method::POST, Endpoint::AddTerm)]),
    plain("/api/translation/glossary/import", &[(Method::POST, Endpoint::ImportGlossary)]),
    plain("/api/translation/glossary/export", &[(Method::GET, Endpoint::ExportGlossary)]),
    plain(
        "/api/translation/glossary/{term_id}",
        &[(Method::GET, Endpoint::Term), (Method::PUT, Endpoint::PutTerm), (Method::DELETE, Endpoint::RemoveTerm)],
    ),
    plain("/api/auth/refresh", &[(Method::POST, Endpoint::Refresh)]),
    plain("/api/auth/revoke", &[(Method::POST, Endpoint::Revoke)]),
];

/// The methods of a path, or of the server as a whole (`*`), as in the header `Allow`.
///
/// # Errors
/// There is no such path.
pub(super) fn methods(path: &str) -> Result<String, HttpError> {
    if path == "*" {
        let mut names: Vec<String> = ROUTES.iter().flat_map(|route| route.names()).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        return Ok(names.join(", "));
    }
    let found = ROUTES.iter().find(|route| segment_in(path, route.template).is_some());
    found.map(Route::allowed).ok_or_else(|| not_found(path))
}

/// Where a request of that method and path leads, and the path's segment that stands for a name in braces; that is empty
/// where there is none.
///
/// # Errors
/// Nowhere; the error names the paths that are most like it, or the methods that the path takes.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Result<(Endpoint, &'a str), HttpError> {
    let found = ROUTES.iter().filter_map(|route| Some((route, segment_in(path, route.template)?)));
    let (route, _) = found.clone().next().ok_or_else(|| not_found(path))?;
    // Somebody may be called as a word of another path is; nothing that the server names is.
    let mut named =
        found.filter(|(other, _)| other.template == route.template || other.template.ends_with("{user_id}"));
    let takes = named.find_map(|(route, segment)| Some((route.endpoint(method)?, segment)));
    takes.ok_or_else(|| HttpError::method_not_allowed(&route.allowed()))
}

/// Each method of each path, HEAD apart.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static Method, &'static str)> {
    ROUTES.iter().flat_map(|route| route.methods.iter().map(|(method, _)| (method, route.template)))
}

impl Route {
    fn endpoint(&self, method: &Method) -> Option<Endpoint> {
        let method = if *method == Method::HEAD && !self.upgrades { &Method::GET } else { method };
        self.methods.iter().find(|(known, _)| known == method).map(|(_, endpoint)| *endpoint)
    }

    /// The methods it takes. `OPTIONS`, which says so, is answered for all of them alike.
    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = self.methods.iter().map(|(method, _)| method.as_str()).collect();
        if !self.upgrades && names.contains(&"GET") {
            names.push("HEAD");
        }
        names.push("OPTIONS");
        names
    }

    /// The same, as in the header `Allow`.
    fn allowed(&self) -> String {
        self.names().join(", ")
    }
}

/// The segment of `path` at the template's name in braces, empty if it has none; `None` if `path` is another one.
fn segment_in<'a>(path: &'a str, template: &str) -> Option<&'a str> {
    let Some((before, rest)) = template.split_once('{') else { return (path == template).then_some("") };
    let (_, after) = rest.split_once('}')?;
    let segment = path.strip_prefix(before)?.strip_suffix(after)?;
    (!segment.contains('/')).then_some(segment)
}

/// How many letters apart a path and a template are, segment by segment. Any segment will do for a name in braces, and one
/// that has no counterpart counts whole.
fn distance(path: &str, template: &str) -> usize {
    let (mut segments, mut expected) = (path.split('/'), template.split('/'));
    let mut sum = 0;
    loop {
        sum += match (segments.next(), expected.next()) {
            (None, None) => return sum,
            (Some(_), Some(name)) if name.starts_with('{') => 0,
            (segment, name) => strsim::damerau_levenshtein(segment.unwrap_or(""), name.unwrap_or("")),
        };
    }
}

fn not_found(path: &str) -> HttpError {
    let path = &path[..path.floor_char_boundary(COMPARED_BYTES_MAX)];
    let distance = |route: &Route| (distance(path, route.template), route.template);
    let mut templates: Vec<(usize, &str)> = ROUTES.iter().map(distance).collect();
    templates.sort_unstable();
    let nearest: Vec<&str> = templates.iter().take(NAMED_MAX).map(|(_, template)| *template).collect();
    HttpError::new(ErrorCode::NotFound, format!("there is no such route; the nearest are {}", nearest.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(Endpoint, &str)>) {
        let method = match path {
            path if path.ends_with("/changes") || path.ends_with("/restore") => Method::POST,
            path if path.ends_with("/lock") || path.ends_with("/documents/jd_1") => Method::PUT,
            _ => Method::GET,
        };
        assert_eq!(find(&method, path).ok(), expected, "{path}");
    }

    #[test]
    fn paths_lead_where_they_should() {
        check("/healthz", Some((Endpoint::Health, "")));
        check("/readyz", Some((Endpoint::Ready, "")));
        check("/api/documents/jd_1/state", Some((Endpoint::State, "jd_1")));
        check("/api/documents/jd%5F1/changes", Some((Endpoint::Changes, "jd%5F1")));
        check("/api/documents", Some((Endpoint::Documents, "")));
        check("/api/documents/jd_1", Some((Endpoint::PutDocument, "jd_1")));
        check("/api/documents/jd_1/lock", Some((Endpoint::Lock, "jd_1")));
        check("/api/documents/jd_1/history", Some((Endpoint::History, "jd_1")));
        check("/api/documents/jd_1/diff", Some((Endpoint::Diff, "jd_1")));
        check("/api/documents/jd_1/restore", Some((Endpoint::Restore, "jd_1")));
        check("/api/documents/jd_1/events", Some((Endpoint::DocumentEvents, "jd_1")));
        check("/api/presence/events", Some((Endpoint::PresenceEvents, "")));
        let of_somebody = find(&Method::PUT, "/api/presence/events").ok();
        assert_eq!(of_somebody, Some((Endpoint::UserPresence, "events")), "somebody may be called so");
        check("/api/monitoring/events", Some((Endpoint::MonitoringEvents, "")));
        check("/api/documents/jd_1/presence", Some((Endpoint::DocumentPresence, "jd_1")));
        check("/ws/document/jd_1", Some((Endpoint::DocumentSocket, "jd_1")));
        check("/ws/presence", Some((Endpoint::PresenceSocket, "")));
        check("/ws/monitoring", Some((Endpoint::MonitoringSocket, "")));
        check("/ws/translation/hr", Some((Endpoint::TranslationSocket, "hr")));
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
            "/api/document",
            "/api/documents/jd_1/",
            "/API/documents/jd_1/state",
            "//healthz",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn a_near_miss_is_told_what_is_near() {
        let error = |path: &str| format!("{:?}", find(&Method::GET, path).unwrap_err());
        assert!(error("/health").contains("/healthz"));
        assert!(error("/ws/documents/jd_1").contains("/ws/document/{document_id}"));
        assert!(error("/api/document/jd_12345/state").contains("/api/documents/{document_id}/state"));
        assert!(error(&"é".repeat(10_000)).contains("NotFound"));
    }

    #[test]
    fn methods_are_held_against_the_route() {
        let allows = |path, method: Method| find(&method, path).is_ok();
        assert!(allows("/healthz", Method::GET));
        assert!(allows("/api/documents/a/state", Method::HEAD));
        assert!(allows("/api/documents/a/changes", Method::POST));
        assert!(allows("/api/presence/ann", Method::PUT));
        assert!(!allows("/api/presence/ann", Method::GET));
        assert!(!allows("/api/documents/a/changes", Method::GET));
        assert!(!allows("/ws/document/a", Method::HEAD));
        assert!(allows("/api/documents/a/events", Method::HEAD));
        assert!(!allows("/healthz", Method::from_bytes(b"get").unwrap()));
        // No term, and no session, is called as what is beside them.
        for (path, method) in [
            ("/api/translation/glossary/import", Method::PUT),
            ("/api/translation/glossary/export", Method::DELETE),
            ("/api/sessions/active", Method::DELETE),
        ] {
            assert!(!allows(path, method.clone()), "{method} {path}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let error = |method, path: &str| format!("{:?}", find(&method, path).unwrap_err());
        assert!(error(Method::PUT, "/healthz").contains("GET, HEAD"));
        let socket = error(Method::HEAD, "/ws/presence");
        assert!(socket.contains("GET") && !socket.contains("HEAD,") && !socket.contains(", HEAD"), "{socket}");
        assert!(error(Method::GET, "/api/documents/a/changes").contains("POST"));
    }
}

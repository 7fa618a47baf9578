//! What an orchestrator asks.

use hyper::StatusCode;

use super::response::{HttpResponse, json_of_now};
use super::site::Site;

/// `GET /healthz`: the process lives, and this core takes its turns.
pub(super) fn health() -> HttpResponse {
    json_of_now(StatusCode::OK, r#"{"status":"ok"}"#)
}

/// `GET /readyz`: whether requests should come here.
pub(super) fn readiness(site: &Site) -> HttpResponse {
    if site.shared.is_leaving() {
        json_of_now(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#)
    } else if site.shared.store.poisoned() {
        json_of_now(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"storage_unavailable"}"#)
    } else {
        json_of_now(StatusCode::OK, r#"{"status":"ready"}"#)
    }
}

//! New tokens that open connections show in the place of those they came with.

use std::rc::Rc;

use jddb_core::ids::{DocumentId, UnixMillis};
use jddb_core::protocol::{ErrorCode, InboundError};
use jddb_core::room::{Renewal, RenewalRequest, TranslationRights};

use super::core::{Core, now};
use super::feeds::not_covered;
use crate::auth::{Identity, Refusal, Scope, Shown, Token};
use crate::connection::{Connection, Home};

impl Core {
    /// Checks what a connection has shown, and goes by it from here on if it is good.
    pub(crate) fn renew(&self, connection: &Rc<Connection>, requests: Vec<RenewalRequest>) {
        for request in requests {
            match &connection.home {
                Home::Translator(translator) => {
                    let identity = self.verify(&request).and_then(|identity| {
                        identity.has(Scope::TranslationRead).map_err(forbidden)?;
                        Ok(identity)
                    });
                    let of_translator = |identity: &Identity| {
                        let edits = identity.has(Scope::TranslationWrite).is_ok();
                        Renewal { edits, ..renewal(identity) }
                    };
                    let renewal = identity.as_ref().map(of_translator).map_err(Clone::clone);
                    let is_accepted = translator.borrow_mut().renew(now(), &request, renewal);
                    if let Ok(identity) = identity
                        && is_accepted
                    {
                        connection.go_by(identity.pass);
                    }
                }
                Home::Member { cell, key } => {
                    let document_id = cell.document_id.as_str();
                    let identity = self.verify(&request).and_then(|identity| {
                        identity.allows(Scope::DocumentRead, document_id).map_err(forbidden)?;
                        Ok(identity)
                    });
                    let in_document = |identity: &Identity| {
                        let edits = identity.allows(Scope::DocumentWrite, document_id).is_ok();
                        let is_admin = identity.allows(Scope::DocumentAdmin, document_id).is_ok();
                        Renewal { edits, is_admin, translates: identity.translates(), ..renewal(identity) }
                    };
                    let renewal = identity.as_ref().map(in_document).map_err(Clone::clone);
                    let is_accepted = cell.room.borrow_mut().renew(now(), *key, &request, renewal);
                    if let Ok(identity) = identity
                        && is_accepted
                    {
                        connection.go_by(identity.pass);
                        connection.limit_to(identity.documents);
                        let may_read = |id: &DocumentId| connection.covers(id.as_str());
                        cell.room.borrow_mut().limit_counterpart(now(), *key, may_read, not_covered);
                    }
                }
                Home::Observer(observer) => {
                    let scope = self.scope_watched(connection.number());
                    let identity = self.verify(&request).and_then(|identity| {
                        identity.has(scope).map_err(forbidden)?;
                        Ok(identity)
                    });
                    let renewal = identity.as_ref().map(renewal).map_err(Clone::clone);
                    let is_accepted = observer.borrow_mut().renew(now(), &request, renewal);
                    if let Ok(identity) = identity
                        && is_accepted
                    {
                        connection.go_by(identity.pass);
                        self.watch_as(connection.number(), identity);
                    }
                }
            }
        }
    }

    fn verify(&self, request: &RenewalRequest) -> Result<Identity, InboundError> {
        let shown = Token::new(&request.token.0).and_then(|token| self.shared.read_token(&token));
        let identity = shown.and_then(Shown::for_access);
        identity.map_err(|error| refused(ErrorCode::Unauthenticated, error.to_string()))
    }
}

/// For one who only watches.
fn renewal(identity: &Identity) -> Renewal {
    Renewal {
        user_id: identity.user_id.as_str().into(),
        expires_at: UnixMillis(identity.exp.saturating_mul(1_000)),
        expiry: identity.expiry(),
        edits: false,
        is_admin: false,
        translates: TranslationRights::default(),
        granted: identity.limits.granted(),
    }
}

fn forbidden(refusal: Refusal) -> InboundError {
    refused(ErrorCode::Forbidden, refusal.to_string())
}

fn refused(code: ErrorCode, message: String) -> InboundError {
    let field = Some("payload.token".to_owned());
    InboundError { code, message, field, expected: None, correlation_id: None }
}

//! `token`: signs a token with the key that the server signs with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::Value;

use super::{ConfigArgs, Failure, print};
use crate::auth::{Authority, DocumentPattern, Grant, IssueError, Scope, ScopeSet, TokenLimits};
use crate::{clock, logging};

const EXPIRES_IN_SECONDS_MAX: u64 = 10 * 365 * 86_400;
/// How long an access token is good where nobody says.
const ACCESS_SECONDS: u64 = 3_600;
/// How long a family of refresh tokens is: thirty days.
const REFRESH_SECONDS: u64 = 30 * 86_400;
/// Random bytes of a family's name.
const FAMILY_BYTES: usize = 16;

const EXAMPLES: &str = "\
Scopes:
  document:read document:write document:admin presence:read presence:write
  translation:read translation:write
  (document:admin includes document:write, which includes document:read)

Examples:
  jddb-realtime token --sub alice --scope \"document:read document:write\"
  jddb-realtime token --sub bot --scope document:read --document 'jd_*' --expires-in 86400
  jddb-realtime token --sub load --scope document:write --limits '{\"connections\": 1000}'
  jddb-realtime token --sub alice --scope document:write --refresh
  TOKEN=$(jddb-realtime token --sub alice --scope document:read)
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8000/api/documents/jd_1/state";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TokenArgs {
    /// Directory with the server's signing key, which is made if missing [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// User id, at most 128 bytes
    #[arg(long = "sub", value_name = "USER")]
    user_id: String,
    /// Scopes, separated by spaces
    #[arg(long, value_name = "SCOPES")]
    scope: String,
    /// Limit the token to a document id, or to those matching a pattern with * and ?; may be repeated [default: all]
    #[arg(long = "document", value_name = "PATTERN")]
    documents: Vec<String>,
    /// Name shown to others, at most 128 bytes
    #[arg(long = "name", value_name = "NAME")]
    display_name: Option<String>,
    /// Limits of this user as a JSON object: connections, messages_per_minute, burst_per_second, requests_per_minute
    #[arg(long, value_name = "JSON")]
    limits: Option<String>,
    /// Make the first refresh token of a family, which POST /api/auth/refresh takes, instead of an access token
    #[arg(long)]
    refresh: bool,
    /// Seconds until it expires, with all of its family [default: 3600, with --refresh 2592000]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=EXPIRES_IN_SECONDS_MAX))]
    expires_in: Option<u64>,
}

impl TokenArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let grant = Grant {
            scopes: scopes(&self.scope)?,
            limits: self.limits.as_deref().map(limits).transpose()?,
            documents: self.documents.into_iter().map(document).collect::<Result<_, _>>()?,
            user_id: self.user_id,
            display_name: self.display_name,
            expires_in_seconds: self.expires_in.unwrap_or(if self.refresh { REFRESH_SECONDS } else { ACCESS_SECONDS }),
        };
        let flags = self.data.map(|data| ("data", data)).into_iter().collect();
        let config = self.config.load(flags)?.config;
        logging::init(&config.log).map_err(Failure::runtime)?;
        let authority = Authority::open(&config).map_err(Failure::runtime)?;
        let now = clock::now_unix_seconds();
        let token =
            if self.refresh { authority.issue_refresh(&grant, &family()?, now) } else { authority.issue(&grant, now) };
        print(token.map_err(failure)?.expose())
    }
}

/// The name of a new family, which nobody can guess.
fn family() -> Result<String, Failure> {
    let mut bytes = [0; FAMILY_BYTES];
    getrandom::fill(&mut bytes).map_err(Failure::runtime)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn failure(error: IssueError) -> Failure {
    match error {
        IssueError::Refused(error) => Failure::Usage(error.to_string()),
        other => Failure::runtime(other),
    }
}

/// Stricter than the server, which passes over scopes it does not know: here one is a slip of the keyboard.
fn scopes(text: &str) -> Result<ScopeSet, Failure> {
    let names = text.split_ascii_whitespace();
    let set: ScopeSet = names
        .map(|name| name.parse::<Scope>().map_err(|error| Failure::Usage(format!("--scope: {name:?}: {error}"))))
        .collect::<Result<_, _>>()?;
    if set == ScopeSet::EMPTY {
        return Err(Failure::Usage("--scope: expected at least one scope, e.g. document:read".to_owned()));
    }
    Ok(set)
}

fn document(text: String) -> Result<String, Failure> {
    let fits = DocumentPattern::new(&text).is_some();
    let expected =
        || Failure::Usage(format!("--document: {text:?}: expected 1 to {} bytes", DocumentPattern::BYTES_MAX));
    if fits { Ok(text) } else { Err(expected()) }
}

/// Names are checked here, values by the server's own check when the token is issued.
fn limits(text: &str) -> Result<Value, Failure> {
    let expected = |found: &str| {
        let names = TokenLimits::NAMES.join(", ");
        Failure::Usage(format!("--limits: expected a JSON object with some of {names}; {found}"))
    };
    let limits: Value = serde_json::from_str(text).map_err(|error| expected(&error.to_string()))?;
    let names = limits.as_object().ok_or_else(|| expected("this is none"))?.keys();
    let unknown = names.into_iter().find(|name| !TokenLimits::NAMES.contains(&name.as_str()));
    match unknown {
        Some(name) => Err(expected(&format!("found {name:?}"))),
        None => Ok(limits),
    }
}

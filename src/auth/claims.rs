//! From verified claims (RFC 7519, section 4) to an identity.

use serde_json::{Map, Value};

use super::error::AuthError;
use super::identity::{Identity, TokenLimits};
use super::pass::{Fingerprint, Pass};
use super::pattern::DocumentPattern;
use super::refresh::RefreshToken;
use super::ring::Verified;
use super::scope::ScopeSet;

/// The claim of an access token that names the family of the refresh token it was given for.
pub(super) const FAMILY: &str = "family";
/// The claim of a refresh token that says how many of its family were before it.
pub(super) const GENERATION: &str = "gen";

const ID_BYTES_MAX: usize = 128;
const PICTURE_BYTES_MAX: usize = 512;

/// What claims are held against.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) audience: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) leeway_seconds: u64,
}

impl Rules {
    /// Who an access token is of, by its claims at `now` (Unix seconds). Unknown claims are passed over (RFC 7519, section
    /// 4); `null` is absent.
    pub(super) fn access(&self, token: &Verified<'_>, now: u64) -> Result<Identity, AuthError> {
        let claims = Claims(&token.claims);
        self.identity(&claims, now, |user_id| {
            let family = claims.id(FAMILY)?;
            let of_family = family.map(|family| Fingerprint::of_family(user_id, &family));
            Ok(of_family.unwrap_or_else(|| Fingerprint::of_token(token.message)))
        })
    }

    /// The same of a refresh token, with what that says besides. Nobody's clock but the signer's, which is ours but for the
    /// first of a family, says when it ends.
    pub(super) fn refresh(&self, token: Verified<'_>, now: u64) -> Result<RefreshToken, AuthError> {
        let claims = Claims(&token.claims);
        let family = claims.id("jti")?.ok_or(AuthError::MissingClaim("jti"))?;
        let generation = claims.generation()?;
        let identity = self.identity(&claims, now, |user_id| Ok(Fingerprint::of_family(user_id, &family)))?;
        if now >= identity.exp {
            return Err(AuthError::Expired);
        }
        Ok(RefreshToken { claims: token.claims, identity, family, generation })
    }

    fn identity(
        &self,
        claims: &Claims<'_>,
        now: u64,
        login: impl FnOnce(&str) -> Result<Fingerprint, AuthError>,
    ) -> Result<Identity, AuthError> {
        let (exp, expires_at) = self.check_times(claims, now)?;
        self.check_issuer(claims)?;
        self.check_audience(claims)?;
        let user_id = claims.id("sub")?.ok_or(AuthError::MissingClaim("sub"))?;
        let pass = Pass {
            login: login(&user_id)?,
            user: Fingerprint::of_user(&user_id),
            issued_at: claims.date("iat")?.unwrap_or(0),
        };
        Ok(Identity {
            user_id,
            scopes: claims.scopes()?,
            documents: claims.documents()?,
            display_name: claims.id("name")?,
            avatar_url: claims.picture()?,
            color: claims.color()?,
            session_id: claims.id("sid")?,
            limits: claims.limits()?,
            exp,
            expires_at,
            pass,
        })
    }

    /// Returns `exp`, and the first second at which the token is no longer accepted.
    fn check_times(&self, claims: &Claims<'_>, now: u64) -> Result<(u64, u64), AuthError> {
        let exp = claims.date("exp")?.ok_or(AuthError::MissingClaim("exp"))?;
        let expires_at = exp.saturating_add(self.leeway_seconds);
        if now >= expires_at {
            return Err(AuthError::Expired);
        }
        match claims.date("nbf")? {
            Some(nbf) if now.saturating_add(self.leeway_seconds) < nbf => Err(AuthError::NotYetValid),
            _ => Ok((exp, expires_at)),
        }
    }

    fn check_issuer(&self, claims: &Claims<'_>) -> Result<(), AuthError> {
        let Some(trusted) = &self.issuer else {
            return Ok(());
        };
        match claims.get("iss") {
            None => Err(AuthError::MissingClaim("iss")),
            Some(Value::String(issuer)) if issuer == trusted => Ok(()),
            Some(_) => Err(AuthError::WrongIssuer),
        }
    }

    fn check_audience(&self, claims: &Claims<'_>) -> Result<(), AuthError> {
        let Some(ours) = &self.audience else {
            return Ok(());
        };
        match claims.get("aud") {
            None => Err(AuthError::MissingClaim("aud")),
            Some(Value::String(audience)) if audience == ours => Ok(()),
            Some(Value::Array(list)) if list.iter().any(|audience| audience == ours) => Ok(()),
            Some(_) => Err(AuthError::WrongAudience),
        }
    }
}

struct Claims<'a>(&'a Map<String, Value>);

impl<'a> Claims<'a> {
    fn get(&self, claim: &str) -> Option<&'a Value> {
        self.0.get(claim).filter(|value| !value.is_null())
    }

    /// A text of 1 to 128 bytes that can be shown and logged.
    fn id(&self, claim: &'static str) -> Result<Option<String>, AuthError> {
        let fits = |text: &str| (1..=ID_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        self.text(claim, "a text of 1 to 128 bytes without control characters", fits)
    }

    fn picture(&self) -> Result<Option<String>, AuthError> {
        let fits = |url: &str| {
            url.len() <= PICTURE_BYTES_MAX
                && url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
                && url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\".contains(&b))
        };
        self.text("picture", "an https URL of at most 512 bytes", fits)
    }

    fn color(&self) -> Result<Option<String>, AuthError> {
        let hex = |digits: &str| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let fits = |color: &str| color.strip_prefix('#').is_some_and(hex);
        self.text("color", "a color such as #51cf66", fits)
    }

    fn text(
        &self,
        claim: &'static str,
        expected: &'static str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, AuthError> {
        match self.get(claim) {
            None => Ok(None),
            Some(Value::String(text)) if fits(text) => Ok(Some(text.clone())),
            Some(_) => Err(AuthError::InvalidClaim { claim, expected }),
        }
    }

    /// A NumericDate (RFC 7519, section 2): Unix seconds, fractions permitted. Before 1970 counts as 0.
    fn date(&self, claim: &'static str) -> Result<Option<u64>, AuthError> {
        let Some(value) = self.get(claim) else {
            return Ok(None);
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "float casts saturate, which is what is wanted"
        )]
        let whole = |seconds: f64| seconds as u64;
        let seconds = value.as_u64().or_else(|| value.as_f64().map(whole));
        let invalid = AuthError::InvalidClaim { claim, expected: "a number of seconds since 1970" };
        seconds.map(Some).ok_or(invalid)
    }

    /// `gen`, the generation of a refresh token; the first, 0, need not say so. There is one more after each.
    fn generation(&self) -> Result<u32, AuthError> {
        let invalid = || AuthError::InvalidClaim { claim: GENERATION, expected: "a whole number from 0 to 4294967294" };
        match self.get(GENERATION) {
            None => Ok(0),
            Some(number) => {
                let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
                number.filter(|number| *number < u32::MAX).ok_or_else(invalid)
            }
        }
    }

    /// `scope` and `scopes`, each a list or a text separated by spaces (RFC 8693, section 4.2).
    fn scopes(&self) -> Result<ScopeSet, AuthError> {
        let mut names = Vec::new();
        for claim in ["scope", "scopes"] {
            let invalid = AuthError::InvalidClaim {
                claim,
                expected: "scopes as a text separated by spaces, or as a list of texts",
            };
            match self.get(claim) {
                None => {}
                Some(Value::String(text)) => names.extend(text.split_ascii_whitespace()),
                Some(Value::Array(list)) => names.extend(texts(list).ok_or(invalid)?),
                Some(_) => return Err(invalid),
            }
        }
        Ok(ScopeSet::from_names(names))
    }

    /// The count is bounded by the length of a token.
    fn documents(&self) -> Result<Option<Vec<DocumentPattern>>, AuthError> {
        let invalid = AuthError::InvalidClaim {
            claim: "documents",
            expected: "a list of document ids of 1 to 128 bytes, in which * and ? may stand for other characters",
        };
        match self.get("documents") {
            None => Ok(None),
            Some(Value::Array(list)) => {
                let patterns = texts(list).map(|texts| texts.into_iter().map(DocumentPattern::new).collect());
                patterns.flatten().map(Some).ok_or(invalid)
            }
            Some(_) => Err(invalid),
        }
    }

    fn limits(&self) -> Result<TokenLimits, AuthError> {
        let invalid = AuthError::InvalidClaim {
            claim: "limits",
            expected: "an object in which connections, messages_per_minute, burst_per_second and requests_per_minute are whole numbers from 1 to 4294967295",
        };
        let limits = match self.get("limits") {
            None => return Ok(TokenLimits::default()),
            Some(Value::Object(limits)) => Claims(limits),
            Some(_) => return Err(invalid),
        };
        let limit = |name: &str| match limits.get(name).map(Value::as_u64) {
            None => Ok(None),
            Some(Some(n)) if n > 0 => u32::try_from(n).map(Some).map_err(|_| invalid),
            Some(_) => Err(invalid),
        };
        let [connections, messages_per_minute, burst_per_second, requests_per_minute] = TokenLimits::NAMES.map(limit);
        Ok(TokenLimits {
            connections: connections?,
            messages_per_minute: messages_per_minute?,
            burst_per_second: burst_per_second?,
            requests_per_minute: requests_per_minute?,
        })
    }
}

/// The texts of a list; `None` if something else is in it.
fn texts(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().map(Value::as_str).collect()
}

//! Tokens, good and bad, at a fixed time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::*;
use crate::auth::key::{KeyAlgorithm, Kind};
use crate::auth::{Refusal, Scope, TokenLimits};
use crate::config::{Auth, Secret};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_758_458_730;

fn authority_with(change: impl FnOnce(&mut Auth)) -> Authority {
    let mut config = Config::default();
    config.auth.key = Some(Secret::parse(KEY).unwrap());
    change(&mut config.auth);
    Authority::open(&config).unwrap()
}

fn authority() -> Authority {
    authority_with(|_| ())
}

/// Claims of a valid token, with `changes` laid over; a change to `null` takes a claim away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"sub": "alice", "scope": "document:read", "exp": NOW + 60});
    for (claim, value) in changes.as_object().unwrap() {
        claims[claim] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn sign_with(key: &str, algorithm: Algorithm, claims: &Value) -> Token {
    let key = EncodingKey::from_secret(key.as_bytes());
    Token::new(&jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()).unwrap()
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with a header of one's own and a signature by the right key.
fn with_header(header: &str) -> Token {
    let message = format!("{}.{}", part(header), part(&claims(json!({})).to_string()));
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    Token::new(&format!("{message}.{signature}")).unwrap()
}

fn verify(authority: &Authority, changes: Value) -> Result<Identity, AuthError> {
    authority.verify(&sign_with(KEY, Algorithm::HS256, &claims(changes)), NOW)
}

fn check_refused(token: &Token, expected: AuthError) {
    assert_eq!(authority().verify(token, NOW), Err(expected));
}

#[test]
fn a_valid_token_says_who_it_is() {
    let identity = verify(
        &authority(),
        json!({
            "scope": "document:write presence:read openid", "documents": ["jd_*", "x"], "name": "Alice É",
            "picture": "https://example.org/a.png", "color": "#51cf66", "sid": "login-1",
            "limits": {"connections": 5000, "burst_per_second": 4294967295_u32, "other": "x"}, "unknown": [1],
        }),
    )
    .unwrap();
    assert_eq!(identity.user_id, "alice");
    assert_eq!(identity.scopes.to_string(), "document:read document:write presence:read");
    assert_eq!(identity.display_name.as_deref(), Some("Alice É"));
    assert_eq!(identity.avatar_url.as_deref(), Some("https://example.org/a.png"));
    assert_eq!(identity.color.as_deref(), Some("#51cf66"));
    assert_eq!(identity.session_id.as_deref(), Some("login-1"));
    assert_eq!(identity.expires_at, NOW + 60 + 30);
    let limits = TokenLimits { connections: Some(5000), burst_per_second: Some(u32::MAX), ..TokenLimits::default() };
    assert_eq!(identity.limits, limits);
    assert_eq!(identity.allows(Scope::DocumentWrite, "jd_7"), Ok(()));
    assert_eq!(identity.allows(Scope::DocumentWrite, "y"), Err(Refusal::Document));
}

#[test]
fn the_header_does_not_choose_the_algorithm() {
    let wrong = AuthError::WrongAlgorithm { expected: [KeyAlgorithm::Hs256].into_iter().collect() };
    let claims = claims(json!({}));
    for alg in ["none", "None", "HS512", "RS256", "ES256", "hs256", ""] {
        check_refused(&with_header(&json!({ "alg": alg, "typ": "JWT" }).to_string()), wrong);
    }
    check_refused(&sign_with(KEY, Algorithm::HS384, &claims), wrong);
    check_refused(&sign_with(KEY, Algorithm::HS512, &claims), wrong);
    check_refused(&with_header("{}"), wrong);
    check_refused(&with_header(r#"{"alg": ["HS256"]}"#), wrong);
    let unsigned = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims.to_string()));
    check_refused(&Token::new(&unsigned).unwrap(), wrong);
    let stripped = format!("{}.{}.", part(r#"{"alg":"HS256"}"#), part(&claims.to_string()));
    check_refused(&Token::new(&stripped).unwrap(), AuthError::BadSignature);
}

#[test]
fn a_header_may_say_more_but_no_critical_extension() {
    assert!(authority().verify(&with_header(r#"{"alg":"HS256","kid":"k1","x":1}"#), NOW).is_ok());
    check_refused(&with_header(r#"{"alg":"HS256","crit":["exp"]}"#), AuthError::CriticalExtension);
}

#[test]
fn another_key_or_a_changed_token_is_refused() {
    let claims_now = claims(json!({}));
    check_refused(
        &sign_with("another key of thirty-two bytes!", Algorithm::HS256, &claims_now),
        AuthError::BadSignature,
    );
    let good = sign_with(KEY, Algorithm::HS256, &claims_now);
    let mut parts: Vec<&str> = good.expose().split('.').collect();
    let forged = part(&claims(json!({"scope": "document:admin"})).to_string());
    parts[1] = &forged;
    check_refused(&Token::new(&parts.join(".")).unwrap(), AuthError::BadSignature);
}

#[test]
fn garbage_is_malformed() {
    let header = part(r#"{"alg":"HS256"}"#);
    for text in ["..", "a.b.c", "e30.e30", &format!("{}.e30.e30", part("[]"))] {
        assert!(
            matches!(Token::new(text).and_then(|token| authority().verify(&token, NOW)), Err(AuthError::Malformed)),
            "{text}"
        );
    }
    let payload = |text: &str| {
        let message = format!("{header}.{}", part(text));
        let key = EncodingKey::from_secret(KEY.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        Token::new(&format!("{message}.{signature}")).unwrap()
    };
    for text in ["", "[]", "null", "\"x\"", "{\"sub\":", "{\"exp\":1e999}"] {
        check_refused(&payload(text), AuthError::Malformed);
    }
}

#[test]
fn times_have_a_leeway_and_no_more() {
    let check = |changes: Value, expected: Result<(), AuthError>| {
        assert_eq!(verify(&authority(), changes.clone()).map(|_| ()), expected, "{changes}");
    };
    check(json!({"exp": NOW - 29}), Ok(()));
    check(json!({"exp": NOW - 30}), Err(AuthError::Expired));
    check(json!({"exp": 0}), Err(AuthError::Expired));
    check(json!({"exp": -5}), Err(AuthError::Expired));
    check(json!({"exp": NOW as f64 + 0.5}), Ok(()));
    check(json!({"exp": u64::MAX}), Ok(()));
    check(json!({"exp": 1e300}), Ok(()));
    check(json!({"exp": null}), Err(AuthError::MissingClaim("exp")));
    check(json!({"nbf": NOW + 30}), Ok(()));
    check(json!({"nbf": NOW + 31}), Err(AuthError::NotYetValid));
    check(json!({"nbf": NOW - 1000}), Ok(()));
    for claim in ["exp", "nbf"] {
        for value in [json!("1758458730"), json!([]), json!(true), json!({})] {
            let expected = "a number of seconds since 1970";
            check(json!({ claim: value }), Err(AuthError::InvalidClaim { claim, expected }));
        }
    }
}

#[test]
fn the_leeway_is_a_setting() {
    let strict = authority_with(|auth| auth.leeway_seconds = 0);
    assert_eq!(verify(&strict, json!({"exp": NOW})), Err(AuthError::Expired));
    assert_eq!(verify(&strict, json!({"exp": NOW + 1})).unwrap().expires_at, NOW + 1);
    assert_eq!(verify(&strict, json!({"nbf": NOW + 1})), Err(AuthError::NotYetValid));
}

#[test]
fn audience_and_issuer_count_where_configured() {
    let strict = authority_with(|auth| {
        auth.audience = Some("jddb".to_owned());
        auth.issuer = Some("https://id".to_owned());
    });
    let check = |aud: Value, iss: Value, expected: Result<(), AuthError>| {
        let changes = json!({"aud": aud, "iss": iss});
        assert_eq!(verify(&strict, changes.clone()).map(|_| ()), expected, "{changes}");
        assert!(verify(&authority(), changes).is_ok(), "unchecked where not configured");
    };
    check(json!("jddb"), json!("https://id"), Ok(()));
    check(json!(["x", "jddb"]), json!("https://id"), Ok(()));
    check(json!("other"), json!("https://id"), Err(AuthError::WrongAudience));
    check(json!(["x"]), json!("https://id"), Err(AuthError::WrongAudience));
    check(json!([]), json!("https://id"), Err(AuthError::WrongAudience));
    check(json!(7), json!("https://id"), Err(AuthError::WrongAudience));
    check(json!(null), json!("https://id"), Err(AuthError::MissingClaim("aud")));
    check(json!("jddb"), json!("https://id/"), Err(AuthError::WrongIssuer));
    check(json!("jddb"), json!(["https://id"]), Err(AuthError::WrongIssuer));
    check(json!("jddb"), json!(null), Err(AuthError::MissingClaim("iss")));
}

#[test]
fn scopes_may_be_spelled_four_ways() {
    let check = |changes: Value, expected: &str| {
        assert_eq!(verify(&authority(), changes.clone()).unwrap().scopes.to_string(), expected, "{changes}");
    };
    let both = "document:read presence:read";
    check(json!({"scope": "document:read presence:read"}), both);
    check(json!({"scope": " document:read  presence:read "}), both);
    check(json!({"scope": ["document:read", "presence:read"]}), both);
    check(json!({"scope": null, "scopes": ["document:read", "presence:read"]}), both);
    check(json!({"scope": null, "scopes": "document:read presence:read"}), both);
    check(json!({"scope": "document:read", "scopes": ["presence:read"]}), both);
    check(json!({"scope": null}), "");
    check(json!({"scope": ""}), "");
    check(json!({"scope": ["document:read presence:read"]}), "");
}

#[test]
fn claims_of_the_wrong_form_are_named() {
    let check = |claim: &str, value: Value| match verify(&authority(), json!({ claim: value })) {
        Err(AuthError::InvalidClaim { claim: named, .. }) => {
            assert_eq!(named, claim, "{value}")
        }
        other => panic!("{claim} = {value}: {other:?}"),
    };
    for claim in ["sub", "name", "sid"] {
        for value in [
            json!(""),
            json!("a\nb"),
            json!("a\u{85}b"),
            json!("x".repeat(129)),
            json!("é".repeat(65)),
            json!(7),
            json!(["a"]),
        ] {
            check(claim, value);
        }
        assert!(verify(&authority(), json!({ claim: "x".repeat(128) })).is_ok());
    }
    for value in [json!(7), json!([1]), json!({}), json!(["document:read", null])] {
        check("scope", value.clone());
        check("scopes", value);
    }
    for value in [json!("jd_1"), json!([""]), json!([1]), json!(["x".repeat(129)]), json!({})] {
        check("documents", value);
    }
    for value in [
        "http://a/b",
        "https://",
        "javascript:x",
        "https://a b",
        "https://a\"b",
        &format!("https://{}", "a".repeat(505)),
    ] {
        check("picture", json!(value));
    }
    for value in ["red", "#fff", "#gggggg", "#51cf6é", "51cf66", "#51cf66ff"] {
        check("color", json!(value));
    }
    for value in [
        json!(5),
        json!([]),
        json!({"connections": 0}),
        json!({"connections": -1}),
        json!({"connections": "5"}),
        json!({"requests_per_minute": 4_294_967_296_u64}),
        json!({"burst_per_second": 1.5}),
        json!({"messages_per_minute": true}),
    ] {
        check("limits", value);
    }
}

#[test]
fn sub_is_needed() {
    assert_eq!(verify(&authority(), json!({"sub": null})), Err(AuthError::MissingClaim("sub")));
}

#[test]
fn errors_hold_nothing_of_the_token() {
    let claims = claims(json!({"sub": "needle-sub\n", "exp": NOW + 60}));
    let token = sign_with(KEY, Algorithm::HS256, &claims);
    let error = authority().verify(&token, NOW).unwrap_err();
    let shown = format!("{error} {error:?} {:?} {token:?}", authority());
    for secret in ["needle", KEY, token.expose()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn grant() -> Grant {
    Grant {
        user_id: "alice".to_owned(),
        scopes: ScopeSet::from_iter([Scope::DocumentWrite]),
        documents: vec!["jd_*".to_owned()],
        display_name: Some("Alice".to_owned()),
        limits: Some(json!({"connections": 100})),
        expires_in_seconds: 10,
    }
}

#[test]
fn what_is_issued_is_accepted_until_it_expires() {
    let strict = authority_with(|auth| {
        auth.audience = Some("jddb".to_owned());
        auth.issuer = Some("https://id".to_owned());
    });
    let token = strict.issue(&grant(), NOW).unwrap();
    let identity = strict.verify(&token, NOW + 39).unwrap();
    assert_eq!(identity.user_id, "alice");
    assert_eq!(identity.scopes.to_string(), "document:read document:write");
    assert_eq!(identity.limits.connections, Some(100));
    assert!(identity.covers("jd_1") && !identity.covers("x"));
    assert_eq!(strict.verify(&token, NOW + 40), Err(AuthError::Expired));
}

#[test]
fn what_would_be_refused_is_not_issued() {
    let check = |change: &dyn Fn(&mut Grant), expected: AuthError| {
        let mut grant = grant();
        change(&mut grant);
        match authority().issue(&grant, NOW) {
            Err(IssueError::Refused(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    };
    let expected = "a text of 1 to 128 bytes without control characters";
    check(&|grant| grant.user_id.clear(), AuthError::InvalidClaim { claim: "sub", expected });
    check(&|grant| grant.documents = vec!["x".repeat(128); 100], AuthError::TooLong);
}

#[test]
fn the_configured_key_comes_before_the_directorys() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config { data: directory.path().to_owned(), ..Config::default() };
    let own = Authority::open(&config).unwrap().issue(&grant(), NOW).unwrap();
    assert!(Authority::open(&config).unwrap().verify(&own, NOW).is_ok(), "kept across starts");

    let file = directory.path().join("shared");
    std::fs::write(&file, KEY).unwrap();
    config.auth.key_file = Some(file);
    let by_file = Authority::open(&config).unwrap();
    assert_eq!(by_file.verify(&own, NOW), Err(AuthError::BadSignature));
    let shared = authority().issue(&grant(), NOW).unwrap();
    assert!(by_file.verify(&shared, NOW).is_ok());
}

/// What a refresh token says that is good at that time.
fn read_refresh(authority: &Authority, token: &Token, now: u64) -> RefreshToken {
    authority.read(token, now).and_then(Shown::for_refresh).unwrap()
}

#[test]
fn what_is_given_for_a_refresh_token_is_of_its_family() {
    let authority = authority_with(|auth| auth.access_token_seconds = 100);
    let grant = Grant { expires_in_seconds: 1_000, ..grant() };
    let first = read_refresh(&authority, &authority.issue_refresh(&grant, "f", NOW).unwrap(), NOW);
    assert_eq!(first.generation, 0);
    let pair = authority.renew(&first, NOW + 10).unwrap();
    assert_eq!(pair.expires_in, 100);
    let identity = authority.verify(&pair.access, NOW + 10).unwrap();
    assert_eq!(
        identity,
        Identity { exp: NOW + 110, expires_at: NOW + 140, pass: identity.pass, ..first.identity.clone() }
    );
    assert_eq!((identity.pass.login, identity.pass.issued_at), (first.identity.pass.login, NOW + 10));
    let said = pair.access.expose().split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok()).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert!(said.get("jti").is_none() && said.get("gen").is_none(), "it is none of them: {said}");
    let second = read_refresh(&authority, &pair.refresh, NOW + 10);
    assert_eq!((second.generation, &second.identity), (1, &first.identity), "they end together, and began together");
    // None is good for longer than its family, and no refresh token has a leeway.
    let last = authority.renew(&second, NOW + 950).unwrap();
    assert_eq!((last.expires_in, authority.verify(&last.access, NOW + 950).unwrap().exp), (50, NOW + 1_000));
    assert_eq!(authority.read(&last.refresh, NOW + 1_000), Err(AuthError::Expired));
    let other = read_refresh(&authority, &authority.issue_refresh(&grant, "g", NOW).unwrap(), NOW);
    assert_ne!(other.identity.pass.login, first.identity.pass.login);
}

#[test]
fn of_a_family_there_is_a_last_one() {
    let authority = authority();
    let of = |generation: u32| {
        let claims = json!({"sub": "u", "scope": "document:read", "exp": NOW + 60, "jti": "f", "gen": generation});
        authority.signed(Kind::Refresh, claims.as_object().unwrap(), NOW)
    };
    let last = read_refresh(&authority, &of(u32::MAX - 1).unwrap(), NOW);
    let is_gen = |error: &AuthError| matches!(error, AuthError::InvalidClaim { claim: "gen", .. });
    assert!(matches!(authority.renew(&last, NOW), Err(IssueError::Refused(error)) if is_gen(&error)));
    assert!(matches!(of(u32::MAX), Err(IssueError::Refused(error)) if is_gen(&error)), "none comes after it");
}

#[test]
fn a_token_is_what_it_says_and_no_other() {
    let authority = authority();
    let access = authority.issue(&grant(), NOW).unwrap();
    let refresh = authority.issue_refresh(&grant(), "f", NOW).unwrap();
    assert_eq!(authority.verify(&refresh, NOW), Err(AuthError::NotForAccess));
    let shown = authority.read(&access, NOW).unwrap();
    assert_eq!(shown.for_refresh(), Err(AuthError::NotForRefresh));
    assert!(!format!("{:?}", authority.read(&refresh, NOW)).contains("jti"), "what it says is told to nobody");
    for header in [r#"{"alg":"HS256","typ":7}"#, r#"{"alg":"HS256","typ":null}"#, r#"{"alg":"HS256","typ":["JWT"]}"#] {
        check_refused(&with_header(header), AuthError::Malformed);
    }
    check_refused(&with_header(r#"{"alg":"HS256","typ":"application/Refresh+JWT"}"#), AuthError::MissingClaim("jti"));
}

#[test]
fn nothing_is_given_that_would_be_refused() {
    let authority = authority();
    // The longest there is: its successor says of which generation it is, and is longer.
    let long = (0..600).map(|count| {
        let patterns = vec!["x".repeat(128); 40].into_iter().chain(vec!["x".to_owned(); count]).collect();
        authority.issue_refresh(&Grant { documents: patterns, ..grant() }, "f", NOW)
    });
    let longest = long.map_while(Result::ok).last().unwrap();
    let first = read_refresh(&authority, &longest, NOW);
    assert!(matches!(authority.renew(&first, NOW), Err(IssueError::Refused(AuthError::TooLong))));
    let unsigned = Authority { signing: None, ..authority };
    assert!(matches!(unsigned.renew(&first, NOW), Err(IssueError::NoKey)));
}

#[test]
fn a_token_of_a_family_goes_by_that_and_any_other_by_itself() {
    let authority = authority();
    let pass = |changes: Value| verify(&authority, changes).unwrap().pass;
    let plain = pass(json!({}));
    assert_eq!(plain.issued_at, 0);
    assert_eq!(plain, pass(json!({})), "whatever its signature is");
    assert_ne!(plain.login, pass(json!({"name": "A"})).login);
    assert_eq!(plain.user, pass(json!({"iat": 5})).user);
    assert_eq!(pass(json!({"family": "f"})).login, pass(json!({"family": "f", "name": "A"})).login);
    assert_ne!(pass(json!({"family": "f"})).login, pass(json!({"family": "f", "sub": "bob"})).login);
    assert_ne!(pass(json!({"sub": "bob"})).user, plain.user);
    assert_eq!(pass(json!({"iat": 5.9})).issued_at, 5);
}

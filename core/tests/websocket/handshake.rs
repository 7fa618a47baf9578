//! The opening handshake.

use jddb_core::websocket::{
    HandshakeError, SubprotocolOffer, UpgradeHeaders, accept_key, accept_upgrade, read_subprotocols,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const GOOD: UpgradeHeaders<'_> =
    UpgradeHeaders { upgrade: &["websocket"], connection: &["Upgrade"], version: &["13"], key: &[KEY] };

fn check(headers: UpgradeHeaders<'_>, expected: Result<&str, HandshakeError>) {
    assert_eq!(accept_upgrade(&headers).as_deref().map_err(|error| *error), expected, "{headers:?}");
}

#[test]
fn rfc_example() {
    assert_eq!(accept_key(KEY), ACCEPT);
    check(GOOD, Ok(ACCEPT));
}

#[test]
fn lists_and_letter_case() {
    check(UpgradeHeaders { upgrade: &["h2c, WebSocket"], ..GOOD }, Ok(ACCEPT));
    check(UpgradeHeaders { connection: &["keep-alive, upgrade"], ..GOOD }, Ok(ACCEPT));
    check(UpgradeHeaders { connection: &["keep-alive", "\tUPGRADE ,"], ..GOOD }, Ok(ACCEPT));
    check(UpgradeHeaders { version: &[" 13"], key: &[" dGhlIHNhbXBsZSBub25jZQ== "], ..GOOD }, Ok(ACCEPT));
}

#[test]
fn no_upgrade() {
    for upgrade in [&[][..], &[""], &["h2c"], &["websocket2"], &["web socket"]] {
        check(UpgradeHeaders { upgrade, ..GOOD }, Err(HandshakeError::Upgrade));
    }
    for connection in [&[][..], &["keep-alive"], &["upgrades"]] {
        check(UpgradeHeaders { connection, ..GOOD }, Err(HandshakeError::Connection));
    }
}

#[test]
fn other_versions() {
    for version in [&[][..], &["8"], &["13, 8"], &["13", "13"], &["013"]] {
        check(UpgradeHeaders { version, ..GOOD }, Err(HandshakeError::Version));
    }
}

#[test]
fn bad_keys() {
    let too_short = "SGVsbG8sIHdvcmxkIQ==";
    let too_long = "AAAAAAAAAAAAAAAAAAAAAAA=";
    let unpadded = "dGhlIHNhbXBsZSBub25jZQ";
    let not_base64 = "dGhlIHNhbXBsZSBub25jZ?==";
    for key in [&[][..], &[""], &[too_short], &[too_long], &[unpadded], &[not_base64], &[KEY, KEY]] {
        check(UpgradeHeaders { key, ..GOOD }, Err(HandshakeError::Key));
    }
}

#[test]
fn key_whose_last_character_has_spare_bits() {
    let key = "dGhlIHNhbXBsZSBub25jZR==";
    check(UpgradeHeaders { key: &[key], ..GOOD }, Ok(&accept_key(key)));
}

#[test]
fn statuses() {
    assert_eq!(HandshakeError::Version.http_status(), 426);
    for error in [HandshakeError::Upgrade, HandshakeError::Connection, HandshakeError::Key] {
        assert_eq!(error.http_status(), 400);
    }
}

fn check_offer(lines: &[&str], selected: bool, bearer: Option<&str>) {
    let selected = selected.then_some("jddb.v1");
    assert_eq!(read_subprotocols(lines), SubprotocolOffer { selected, bearer }, "{lines:?}");
}

#[test]
fn subprotocols() {
    check_offer(&[], false, None);
    check_offer(&["chat, JDDB.v1"], false, None);
    check_offer(&["jddb.v1"], true, None);
    check_offer(&["chat,jddb.v1 , bearer.a.b-c_d"], true, Some("a.b-c_d"));
    check_offer(&["bearer.token", "jddb.v1"], true, Some("token"));
    check_offer(&["bearer.token"], false, Some("token"));
    check_offer(&["jddb.v1, bearer."], true, None);
    check_offer(&["jddb.v1, bearer.first, bearer.second"], true, Some("first"));
}

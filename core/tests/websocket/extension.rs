//! Negotiating permessage-deflate.

use jddb_core::websocket::{Compression, DEFLATE_BYTES_MAX, DEFLATE_BYTES_MIN, HandshakeError};

const TAKEN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The answer to these lines, or none.
#[track_caller]
fn check(lines: &[&str], expected: Option<&str>) {
    let taken = Compression::negotiate(lines).unwrap();
    assert_eq!(taken.map(|taken| taken.to_string()).as_deref(), expected, "{lines:?}");
}

#[track_caller]
fn check_taken(offer: &str) {
    check(&[offer], Some(TAKEN));
}

#[track_caller]
fn check_window(offer: &str, bits: u8) {
    check(&[offer], Some(&format!("{TAKEN}; server_max_window_bits={bits}")));
}

#[track_caller]
fn check_declined(parameters: &str) {
    check(&[&format!("permessage-deflate; {parameters}")], None);
    // The next offer is looked at.
    check(&[&format!("permessage-deflate; {parameters}, permessage-deflate")], Some(TAKEN));
}

#[test]
fn what_browsers_and_libraries_offer() {
    check_taken("permessage-deflate; client_max_window_bits");
    check_taken("permessage-deflate");
    check_taken("permessage-deflate; client_no_context_takeover; server_no_context_takeover");
    check_taken("permessage-deflate; client_max_window_bits=15");
    check_taken("permessage-deflate;client_max_window_bits=8");
    check_window("permessage-deflate; server_max_window_bits=15; client_max_window_bits=15", 15);
    check_window("permessage-deflate; server_max_window_bits=8", 8);
    check_window("permessage-deflate; client_max_window_bits; server_max_window_bits=10", 10);
}

#[test]
fn white_space_letter_case_and_quotes() {
    check_taken(" \tPermessage-Deflate ; CLIENT_MAX_WINDOW_BITS\t");
    check_window("permessage-deflate;server_max_window_bits = 12", 12);
    check_window(r#"permessage-deflate; server_max_window_bits="9""#, 9);
    check_window(r#"permessage-deflate; server_max_window_bits="1\0""#, 10);
}

#[test]
fn nothing_to_take() {
    check(&[], None);
    check(&[""], None);
    check(&[" , ,"], None);
    check(&["x-webkit-deflate-frame"], None);
    check(&["permessage-deflate2; client_max_window_bits", "permessage-bzip2"], None);
}

#[test]
fn the_first_offer_that_can_be_taken_is() {
    let window = |bits: u8| format!("permessage-deflate; server_max_window_bits={bits}");
    check(&[&format!("{}, permessage-deflate", window(9))], Some(&format!("{TAKEN}; server_max_window_bits=9")));
    check(
        &[&format!("foo; a=\"b\"; c, {}", window(16)), &window(10)],
        Some(&format!("{TAKEN}; server_max_window_bits=10")),
    );
    check(&["permessage-deflate; server_max_window_bits, ,permessage-deflate,"], Some(TAKEN));
}

#[test]
fn values_out_of_range_or_out_of_place() {
    for bits in ["", "7", "16", "08", "+9", "9.0", "1e1", "-9", "x", "99999999999999999999"] {
        if bits.is_empty() {
            check_declined("server_max_window_bits");
        } else {
            check_declined(&format!("server_max_window_bits={bits}"));
            check_declined(&format!("client_max_window_bits={bits}"));
        }
    }
    check_declined("server_no_context_takeover=1");
    check_declined("client_no_context_takeover=true");
}

#[test]
fn unknown_and_doubled_parameters() {
    check_declined("max_window_bits=10");
    check_declined("server_no_context_takeover; server_no_context_takeover");
    check_declined("client_no_context_takeover; client_max_window_bits; client_no_context_takeover");
    check_declined("client_max_window_bits; client_max_window_bits");
    check_declined("client_max_window_bits=10; client_max_window_bits=10");
    check_declined("server_max_window_bits=10; server_max_window_bits=11");
}

#[test]
fn what_is_no_list_of_extensions() {
    let wrong = [
        ";",
        "permessage-deflate;",
        "permessage-deflate; ;client_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; =10",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; server_max_window_bits=\"10\"x",
        "permessage-deflate; server_max_window_bits=\"1 0\"",
        "permessage-deflate; server_max_window_bits=\"10\\",
        "permessage-deflate, @",
        "permessage-déflate",
        "\"permessage-deflate\"",
    ];
    for line in wrong {
        assert_eq!(Compression::negotiate(&[line]), Err(HandshakeError::Extensions), "{line}");
        // However good what comes before it is.
        assert_eq!(Compression::negotiate(&["permessage-deflate", line]), Err(HandshakeError::Extensions), "{line}");
    }
    assert_eq!(HandshakeError::Extensions.http_status(), 400);
}

#[test]
fn what_is_sent_compressed() {
    let negotiated = |offer: &str| Compression::negotiate(&[offer]).unwrap().unwrap();
    let any = negotiated("permessage-deflate");
    let whole = negotiated("permessage-deflate; server_max_window_bits=15");
    for compression in [any, whole] {
        assert!(!compression.covers(DEFLATE_BYTES_MIN) && compression.covers(DEFLATE_BYTES_MIN + 1));
        assert!(compression.covers(DEFLATE_BYTES_MAX) && !compression.covers(DEFLATE_BYTES_MAX + 1));
    }
    for bits in 8..15 {
        let narrow = negotiated(&format!("permessage-deflate; server_max_window_bits={bits}"));
        let window = 1 << bits;
        assert_eq!(narrow.covers(window), window > DEFLATE_BYTES_MIN, "{bits}");
        assert!(!narrow.covers(window + 1), "{bits}");
    }
}

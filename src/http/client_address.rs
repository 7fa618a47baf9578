//! Where a request comes from: the other end of the connection, or what a trusted proxy there says.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};

use crate::config::{ClientAddressHeader, Http};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: of the hops that are named the last that is no trusted proxy. Each proxy adds to the right
/// whom it serves, so what stands further left may be anybody's invention.
pub(super) fn of(peer: IpAddr, headers: &HeaderMap, config: &Http) -> IpAddr {
    let Some(proxies) = config.trusted_proxies.as_ref().filter(|proxies| proxies.include(peer)) else { return peer };
    let name = match config.client_address_header {
        ClientAddressHeader::XForwardedFor => X_FORWARDED_FOR,
        ClientAddressHeader::Forwarded => FORWARDED,
    };
    // Split at every comma, quoted or not: a quote that a client leaves open must not swallow what a proxy adds.
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let hops = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut client = peer;
    for hop in hops {
        let Some(address) = address(hop, config.client_address_header) else { break };
        client = address;
        if !proxies.include(address) {
            break;
        }
    }
    client
}

/// The address of a hop; `None` if it hides it, or is no hop at all.
fn address(hop: &[u8], header: ClientAddressHeader) -> Option<IpAddr> {
    let hop = str::from_utf8(hop).ok()?;
    let node = match header {
        ClientAddressHeader::XForwardedFor => hop,
        ClientAddressHeader::Forwarded => {
            let mut pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?.1
        }
    };
    let node = node.trim().trim_matches('"');
    let in_brackets = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(node);
    let with_port = || node.parse::<SocketAddr>().map(|socket| socket.ip());
    in_brackets.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Proxies;

    fn check(header: ClientAddressHeader, peer: &str, lines: &[&str], expected: &str) {
        let config = Http {
            trusted_proxies: Some(Proxies::new("10.0.0.0/8 fd00::/8").unwrap()),
            client_address_header: header,
            ..Http::default()
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let client = of(peer.parse().unwrap(), &headers, &config);
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_is_the_client() {
        let check = |peer, lines: &[&str], expected| check(ClientAddressHeader::XForwardedFor, peer, lines, expected);
        check("10.0.0.1", &["X-Forwarded-For: 192.0.2.1"], "192.0.2.1");
        check("10.0.0.1", &["X-Forwarded-For: 203.0.113.9, 192.0.2.1 , 10.0.0.2,10.9.9.9"], "192.0.2.1");
        check("10.0.0.1", &["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"], "192.0.2.1");
        check("fd00::1", &["X-Forwarded-For: 2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &["X-Forwarded-For: 192.0.2.1:4711"], "192.0.2.1");
        check("10.0.0.1", &["X-Forwarded-For: [2001:db8::1]:4711"], "2001:db8::1");
        check("::ffff:10.0.0.1", &["X-Forwarded-For: 192.0.2.1"], "192.0.2.1");
        // All are proxies: the first of them.
        check("10.0.0.1", &["X-Forwarded-For: 10.0.0.3, 10.0.0.2"], "10.0.0.3");
    }

    #[test]
    fn nobody_but_a_proxy_is_believed() {
        let check = |peer, lines: &[&str], expected| check(ClientAddressHeader::XForwardedFor, peer, lines, expected);
        check("192.0.2.1", &["X-Forwarded-For: 203.0.113.9"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["Forwarded: for=203.0.113.9"], "10.0.0.1");
        // Where a hop says nothing, what is left of it is not believed either.
        for nothing in ["", "unknown", "_hidden", "1.2.3", "é", "\"", "192.0.2.1:x", "[::1", "192.0.2.1 evil"] {
            check("10.0.0.1", &[&format!("X-Forwarded-For: 203.0.113.9, {nothing}, 10.0.0.2")], "10.0.0.2");
        }
    }

    #[test]
    fn the_standards_own_header_is_read_as_well() {
        let check = |lines: &[&str], expected| check(ClientAddressHeader::Forwarded, "10.0.0.1", lines, expected);
        check(&["Forwarded: for=192.0.2.43, for=10.0.0.7;proto=http;by=203.0.113.43"], "192.0.2.43");
        check(&["Forwarded: proto=https; For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17");
        check(&["Forwarded: for=\"[2001:db8::1]\""], "2001:db8::1");
        check(&["Forwarded: for=203.0.113.9, for=_hidden"], "10.0.0.1");
        check(&["Forwarded: by=203.0.113.9"], "10.0.0.1");
        // A client cannot hide what the proxy adds behind an open quote.
        check(&["Forwarded: for=\"203.0.113.9;x=\", for=192.0.2.1"], "192.0.2.1");
        check(&["X-Forwarded-For: 203.0.113.9"], "10.0.0.1");
    }
}

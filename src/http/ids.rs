//! Names that nobody can guess.

use hyper::HeaderMap;

/// The header that carries a request's name, both ways.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// Random characters of a name: 60 bits.
const RANDOM_CHARS: usize = 12;
/// 32 characters that are hard to confuse, so that five random bits are one.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// The longest name that is taken over from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// A new connection's name, `conn_…`.
pub(super) fn connection_id() -> Box<str> {
    random("conn_")
}

/// A new session's name, `sess_…`.
pub(super) fn session_id() -> Box<str> {
    random("sess_")
}

/// A new request's name, `req_…`.
pub(super) fn request_id() -> Box<str> {
    random("req_")
}

/// The name the client gave its request, if it is one that can stand in a header and a log; else a new one.
pub(super) fn request_id_of(headers: &HeaderMap) -> Box<str> {
    let given = headers.get(REQUEST_ID).map_or(b"".as_slice(), |value| value.as_bytes());
    let fits = (1..=REQUEST_ID_BYTES_MAX).contains(&given.len()) && given.iter().all(u8::is_ascii_graphic);
    match str::from_utf8(given) {
        Ok(given) if fits => given.into(),
        Ok(_) | Err(_) => request_id(),
    }
}

fn random(prefix: &str) -> Box<str> {
    let mut bytes = [0; RANDOM_CHARS];
    getrandom::fill(&mut bytes).expect("the kernel never refuses random bytes once it has booted");
    let chars = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    prefix.chars().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_can_stand_in_a_url() {
        let (first, second) = (connection_id(), connection_id());
        assert_ne!(first, second);
        assert_eq!(first.len(), "conn_".len() + RANDOM_CHARS);
        assert!(first.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        assert!(session_id().starts_with("sess_"));
    }

    #[test]
    fn a_clients_name_is_taken_over_if_it_is_harmless() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, value.parse().unwrap());
            request_id_of(&headers)
        };
        assert_eq!(&*of("my-request/1"), "my-request/1");
        for bad in ["", "a b", "é", &"x".repeat(129)] {
            assert!(of(bad).starts_with("req_"), "{bad:?}");
        }
        assert!(request_id_of(&HeaderMap::new()).starts_with("req_"));
    }
}

//! Names that nobody can guess.

use std::cell::RefCell;

use hyper::HeaderMap;

/// The header that carries a request's name, both ways.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// Random characters of a name: 60 bits.
const RANDOM_CHARS: usize = 12;
/// Random bytes that a thread gets at once.
const STOCK_BYTES: usize = 32 * RANDOM_CHARS;
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
    let bytes = STOCK.with_borrow_mut(Stock::take);
    let mut name = String::with_capacity(prefix.len() + RANDOM_CHARS);
    name.push_str(prefix);
    name.extend(bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
    name.into()
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK_BYTES], left: 0 }) };
}

/// Random bytes of the kernel's, of which a thread gets some beforehand: a call for each name would be felt.
struct Stock {
    bytes: [u8; STOCK_BYTES],
    left: usize,
}

impl Stock {
    fn take(&mut self) -> [u8; RANDOM_CHARS] {
        if self.left == 0 {
            getrandom::fill(&mut self.bytes).expect("the kernel never refuses random bytes once it has booted");
            self.left = STOCK_BYTES;
        }
        let (_, rest) = self.bytes.split_at(STOCK_BYTES - self.left);
        self.left -= RANDOM_CHARS;
        std::array::from_fn(|index| rest[index])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_differ_and_can_stand_in_a_url() {
        let (first, second) = (connection_id(), connection_id());
        // More than are had at once, from two threads.
        let many = || (0..100).map(|_| connection_id()).collect::<Vec<_>>();
        let all: HashSet<_> = std::thread::spawn(many).join().unwrap().into_iter().chain(many()).collect();
        assert_eq!(all.len(), 200);
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

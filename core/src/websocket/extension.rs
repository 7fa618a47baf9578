//! Negotiating permessage-deflate (RFC 7692 section 7.1) out of `Sec-WebSocket-Extensions`.
//!
//! Both sides compress each message by itself: the answer always says `server_no_context_takeover` and
//! `client_no_context_takeover`. So no connection keeps a compressor or an inflater, and a broadcast is
//! compressed once for all.

use std::fmt;

use super::handshake::HandshakeError;

/// The only extension there is.
const NAME: &str = "permessage-deflate";

/// A message whose frame is larger than this, in bytes, is sent compressed where that was negotiated. Below, it would
/// save no packet.
pub const DEFLATE_BYTES_MIN: usize = 1024;
/// Larger messages are sent as they are: a core that compresses one serves nobody else meanwhile (about 16 ms a MiB).
pub const DEFLATE_BYTES_MAX: usize = 1 << 20;

/// What a client and the server have agreed on. Displays as the value of `Sec-WebSocket-Extensions` in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The largest window, as a power of two, that the client inflates with; `None` if it set no bound.
    server_max_window_bits: Option<u8>,
}

impl Compression {
    /// Reads the lines of `Sec-WebSocket-Extensions` and takes the first offer that can be taken; `None` if there is
    /// none. One with a parameter that is unknown, doubled or out of its range is passed over.
    ///
    /// `client_max_window_bits` is taken and not answered: messages are inflated with the largest window there is,
    /// which serves every client.
    ///
    /// # Errors
    /// A line is no list of extensions (RFC 6455 section 9.1).
    pub fn negotiate(lines: &[&str]) -> Result<Option<Self>, HandshakeError> {
        let mut taken = None;
        for line in lines {
            let mut scanner = Scanner { rest: line };
            // The rest is read on, since what breaks the grammar fails the connection wherever it stands.
            while scanner.has_more() {
                let offered = scanner.extension()?;
                taken = taken.or(offered);
            }
        }
        Ok(taken)
    }

    /// Whether a message with a frame of so many bytes is sent compressed. A client that inflates with a smaller window
    /// than the compressor's gets so what fits into it, and the rest as it is: nothing within a message can refer
    /// further back than to its beginning.
    #[must_use]
    pub fn covers(self, frame_bytes: usize) -> bool {
        let fits = |bits: u8| bits == WINDOW_BITS.1 || frame_bytes <= 1 << bits;
        let is_worth_it = frame_bytes > DEFLATE_BYTES_MIN && frame_bytes <= DEFLATE_BYTES_MAX;
        is_worth_it && self.server_max_window_bits.is_none_or(fits)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}; server_no_context_takeover; client_no_context_takeover")?;
        self.server_max_window_bits.map_or(Ok(()), |bits| write!(f, "; server_max_window_bits={bits}"))
    }
}

/// The least and the most that the window parameters may say.
const WINDOW_BITS: (u8, u8) = (8, 15);

/// The parameters of one offer, each at most once.
#[derive(Debug, Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: bool,
}

impl Offer {
    /// `None`: such an offer is to be declined.
    fn add(&mut self, name: &str, value: Option<&str>) -> Option<()> {
        let once = |seen: &mut bool| (!std::mem::replace(seen, true)).then_some(());
        match (name, value) {
            ("server_no_context_takeover", None) => once(&mut self.server_no_context_takeover),
            ("client_no_context_takeover", None) => once(&mut self.client_no_context_takeover),
            ("client_max_window_bits", None) => once(&mut self.client_max_window_bits),
            ("client_max_window_bits", Some(bits)) => {
                window_bits(bits).and_then(|_| once(&mut self.client_max_window_bits))
            }
            ("server_max_window_bits", Some(bits)) => {
                let bits = window_bits(bits)?;
                self.server_max_window_bits.replace(bits).is_none().then_some(())
            }
            _ => None,
        }
    }
}

/// A decimal number from 8 to 15 without leading zeros.
fn window_bits(text: &str) -> Option<u8> {
    let bits = text.parse().ok().filter(|bits| (WINDOW_BITS.0..=WINDOW_BITS.1).contains(bits))?;
    // `parse` takes "+8" and "08" too.
    (text.len() == if bits < 10 { 1 } else { 2 }).then_some(bits)
}

/// Reads one line by the grammar of RFC 6455 section 9.1, with the empty list members of RFC 9110 section 5.6.1.
struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn has_more(&mut self) -> bool {
        while self.skip(',') {}
        !self.rest.is_empty()
    }

    /// The next member of the list: what is agreed on if it can be taken.
    fn extension(&mut self) -> Result<Option<Compression>, HandshakeError> {
        let mut offer = self.token()?.eq_ignore_ascii_case(NAME).then(Offer::default);
        while self.skip(';') {
            let name = self.token()?.to_ascii_lowercase();
            let value = if self.skip('=') { Some(self.value()?) } else { None };
            offer = offer.and_then(|mut offer| offer.add(&name, value.as_deref()).map(|()| offer));
        }
        if !self.rest.is_empty() && !self.skip(',') {
            return Err(HandshakeError::Extensions);
        }
        Ok(offer.map(|offer| Compression { server_max_window_bits: offer.server_max_window_bits }))
    }

    /// Passes over `separator` with the white space around it, if it comes next.
    fn skip(&mut self, separator: char) -> bool {
        let white_space = [' ', '\t'];
        self.rest = self.rest.trim_start_matches(white_space);
        let Some(rest) = self.rest.strip_prefix(separator) else { return false };
        self.rest = rest.trim_start_matches(white_space);
        true
    }

    fn token(&mut self) -> Result<&str, HandshakeError> {
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        if token.is_empty() { Err(HandshakeError::Extensions) } else { Ok(token) }
    }

    /// A token, or a quoted string that holds one.
    fn value(&mut self) -> Result<String, HandshakeError> {
        let Some(quoted) = self.rest.strip_prefix('"') else { return self.token().map(str::to_owned) };
        let mut value = String::new();
        let mut chars = quoted.chars();
        loop {
            let c = match chars.next() {
                Some('"') if !value.is_empty() => break,
                Some('\\') => chars.next(),
                c => c,
            };
            value.push(c.filter(|&c| is_token(c)).ok_or(HandshakeError::Extensions)?);
        }
        self.rest = chars.as_str();
        Ok(value)
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

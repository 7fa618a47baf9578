//! How a client says without TLS which HTTP it speaks: by the first bytes of its connection (RFC 9113, section 3.4).

/// What a client of HTTP/2 sends first. No request of HTTP/1.1 begins like that.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection's first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Nothing yet: they are a beginning of the preface, or there are none. Whoever reads the connection has not seen them.
    Undecided(Box<[u8]>),
    /// It speaks HTTP/2.
    Http2,
    /// It speaks HTTP/1.1, or nothing that we know.
    Http1,
}

impl Opening {
    /// What these say, which are all that came.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(PREFACE) {
            Self::Http2
        } else if PREFACE.starts_with(bytes) {
            Self::Undecided(bytes.into())
        } else {
            Self::Http1
        }
    }

    /// Before anything came.
    pub(super) fn new() -> Self {
        Self::Undecided(Box::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_of_the_preface_decides_nothing() {
        for length in 0..PREFACE.len() {
            assert_eq!(Opening::of(&PREFACE[..length]), Opening::Undecided(PREFACE[..length].into()));
            let other = [&PREFACE[..length], b"x"].concat();
            assert_eq!(Opening::of(&other), Opening::Http1, "{length}");
        }
        assert_eq!(Opening::of(PREFACE), Opening::Http2);
        assert_eq!(Opening::of(&[PREFACE, b"\0\0\0"].concat()), Opening::Http2);
        assert_eq!(Opening::of(b"POST / HTTP/1.1\r\n"), Opening::Http1);
    }
}

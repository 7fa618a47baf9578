//! The correlation id of a measured change carries its origin and its intended time, so that a receiver needs no table.

use crate::clock::Nanos;
use crate::scan::digits;

/// What one run is known by, so that leftovers of another are not measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunTag(String);

impl RunTag {
    /// Eight random hexadecimal digits.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("{:08x}", getrandom::u32()?)))
    }

    /// The tag as it is written into ids.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The correlation id of the change that `editor` meant to send at `intended`. At most 40 bytes.
    pub(crate) fn stamp(&self, editor: usize, intended: Nanos) -> String {
        format!("{}-{editor}-{}", self.0, intended.0)
    }

    /// When the change with this correlation id was meant to be sent; `None` for ids that are not of this run.
    pub(crate) fn intended(&self, correlation_id: &[u8]) -> Option<Nanos> {
        let rest = correlation_id.strip_prefix(self.0.as_bytes())?.strip_prefix(b"-")?;
        let dash = memchr::memchr(b'-', rest)?;
        digits(rest.get(dash + 1..)?).map(Nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_by_its_own_run_only() {
        let run = RunTag("00c0ffee".into());
        let stamp = run.stamp(12, Nanos(345_678));
        assert_eq!(stamp, "00c0ffee-12-345678");
        assert_eq!(run.intended(stamp.as_bytes()), Some(Nanos(345_678)));
        assert_eq!(RunTag("00c0ffef".into()).intended(stamp.as_bytes()), None);
        assert_eq!(run.intended(b"00c0ffee-12"), None);
        assert_eq!(run.intended(b""), None);
    }

    #[test]
    fn runs_differ_and_stamps_are_short() {
        let (one, two) = (RunTag::random().unwrap(), RunTag::random().unwrap());
        assert_ne!(one, two);
        assert!(one.stamp(9_999_999, Nanos(u64::MAX)).len() <= 40);
    }
}

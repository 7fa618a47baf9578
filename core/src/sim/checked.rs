//! What the simulator finds.

/// What is wrong, in a sentence.
#[derive(Clone, Debug)]
pub(super) struct Broken(pub(super) String);

/// What was checked, or what is wrong with it.
pub(super) type Checked<T = ()> = Result<T, Broken>;

/// Goes on only if the condition holds; a [`Broken`] with the text otherwise.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::sim::checked::Broken(format!($($text)+)));
        }
    };
}
pub(super) use ensure;

/// What has to be there.
pub(super) fn there<T>(value: Option<T>, what: &str) -> Checked<T> {
    value.ok_or_else(|| Broken(format!("{what} is missing")))
}

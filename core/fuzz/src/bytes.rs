//! An input as a program: bytes that are taken one by one, few of which already say much.

/// What texts are made of: of one to four bytes, one and two units, and what is often handled badly.
const PIECES: [&str; 16] = [
    "a",
    "b",
    "c",
    "é",
    "\u{301}",
    "€",
    "😀",
    "\u{10ffff}",
    "\r\n",
    "\0",
    " ",
    "👩\u{200d}👧",
    "ÿ",
    "Ā",
    "\u{d7ff}",
    "\u{feff}",
];
/// What is left of an input.
#[derive(Debug)]
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
    repeats_max: usize,
}

impl<'a> Bytes<'a> {
    /// An input; a piece of text is repeated up to `repeats_max` times, never if that is 0.
    pub(crate) const fn new(rest: &'a [u8], repeats_max: usize) -> Self {
        Self { rest, repeats_max }
    }

    /// From here on a piece of text is repeated up to so many times.
    pub(crate) const fn repeat(&mut self, repeats_max: usize) {
        self.repeats_max = repeats_max;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte; 0 behind the end.
    pub(crate) fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.next()) % end
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// At most `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (front, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        front
    }

    /// Up to three pieces of text; now and then one of them many times.
    pub(crate) fn text(&mut self) -> String {
        let first = self.next();
        let piece = |byte: u8| PIECES[usize::from(byte & 15)];
        if first & 0x30 == 0x30 && self.repeats_max > 0 {
            return piece(first).repeat(1 + self.repeats_max * usize::from(first >> 6) / 3);
        }
        let mut text = String::new();
        for index in 0..first >> 6 {
            text.push_str(piece(if index == 0 { first } else { self.next() }));
        }
        text
    }
}

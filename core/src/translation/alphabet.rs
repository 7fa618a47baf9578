//! Characters as single bytes: what the index keeps of a text, and the kernels read.
//!
//! What English and French are written with after folding has a class of its own, so that for nearly all
//! texts comparing classes is comparing characters. All other characters share 64 classes. Texts with such
//! are closer by their classes than they are, never farther; so every bound holds for them, and only
//! what passes is compared character by character.

/// The class of a character of a folded text.
#[expect(clippy::cast_possible_truncation, reason = "what is cast is below 256, as its arm says")]
pub(super) const fn class(c: char) -> u8 {
    match c as u32 {
        code @ (0x20..=0x40 | 0x5B..=0x7E | 0xA0..=0xBF | 0xD7 | 0xDF..=0xFF) => code as u8,
        0x153 => LIGATURE_OE,
        code => {
            let hash = code.wrapping_mul(0x9E37_79B1) >> 26;
            if hash < 32 { hash as u8 } else { (hash + 0x60) as u8 }
        }
    }
}

/// Appends the classes of a folded text.
pub(super) fn push_classes(text: &str, classes: &mut Vec<u8>) {
    // What most texts of English are made of has the class of its number.
    let is_plain = |byte: u8| matches!(byte, 0x20..=0x40 | 0x5B..=0x7E);
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        classes.extend_from_slice(text.as_bytes());
    } else {
        classes.extend(text.chars().map(class));
    }
}

/// œ, the only letter of French beyond Latin-1.
const LIGATURE_OE: u8 = 0x7F;

/// Whether only one character has this class.
pub(super) const fn is_own(class: u8) -> bool {
    !matches!(class, 0..=0x1F | 0x80..=0x9F)
}

/// The only character of a class of its own.
pub(super) const fn character(class: u8) -> char {
    match class {
        LIGATURE_OE => 'œ',
        class => class as char,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn no_two_characters_share_a_class_of_ones_own() {
        let mut found = HashMap::new();
        for c in '\0'..=char::MAX {
            if is_own(class(c)) {
                assert_eq!(found.insert(class(c), c), None, "{c:?}");
                assert_eq!(character(class(c)), c);
            }
        }
        for c in "abcdefghijklmnopqrstuvwxyz0123456789 .,;:!?()'\"-/%$&àâçéèêëîïôùûüÿœæ°§".chars() {
            assert!(found.values().any(|&found| found == c), "{c:?} shares its class");
        }
    }
}

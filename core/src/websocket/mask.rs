//! Masking (RFC 6455 section 5.3): byte `i` of a payload is XORed with byte `i mod 4` of the key.

/// Masks or unmasks `payload` in place; doing it twice gives the original.
///
/// `phase` is the index of the first byte of `payload` in the frame's whole payload, for a payload
/// that arrives in pieces.
pub fn apply_mask(payload: &mut [u8], key: [u8; 4], phase: usize) {
    let mut key = key;
    key.rotate_left(phase % 4);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // Words of a fixed size and no bounds check: the compiler makes vector instructions of this
    // loop.
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

//! Masking against its definition, byte by byte.

use jddb_core::websocket::apply_mask;

use crate::support::Rng;

fn check(payload: &[u8], key: [u8; 4], phase: usize) {
    let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[(phase + i) % 4]).collect();
    let mut masked = payload.to_vec();
    apply_mask(&mut masked, key, phase);
    assert_eq!(masked, expected, "{} bytes, key {key:?}, phase {phase}", payload.len());
}

#[test]
fn every_short_length_at_every_phase() {
    let payload: Vec<u8> = (0..130).collect();
    for len in 0..=payload.len() {
        for phase in 0..9 {
            check(&payload[..len], [0x11, 0x22, 0x44, 0x88], phase);
        }
    }
}

#[test]
fn random_payloads_in_pieces() {
    let mut rng = Rng::from_env(1);
    for _ in 0..2_000 {
        let len = rng.below(2_000);
        let (payload, key) = (rng.bytes(len), rng.mask());
        let phase = rng.below(1_000);
        check(&payload, key, phase);
        let mut pieces = payload.clone();
        let cut = rng.below(len + 1);
        apply_mask(&mut pieces[..cut], key, phase);
        apply_mask(&mut pieces[cut..], key, phase + cut);
        apply_mask(&mut pieces, key, phase);
        assert_eq!(pieces, payload, "cut at {cut}");
    }
}

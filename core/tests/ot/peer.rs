//! The same operations in `operational-transform`, which counts code points.

use jddb_core::ot::{Operation, Order, compose, transform};
use operational_transform::OperationSeq;

use super::draft::{Case, Shape};
use super::model::{applied, characters, units};
use super::search::{check, same};

/// An operation on `base` as the peer has it; what it puts behind a deletion it moves before that.
fn to_peer(base: &[u16], operation: &Operation) -> OperationSeq {
    let count = |from: u32, to: u32| characters(&base[from as usize..to as usize]).len() as u64;
    let mut peer = OperationSeq::default();
    let mut at = 0;
    for (edit, text) in operation.iter() {
        peer.retain(count(at, edit.position));
        peer.insert(text);
        peer.delete(count(edit.position, edit.end()));
        at = edit.end();
    }
    peer.retain(count(at, u32::try_from(base.len()).unwrap()));
    peer
}

/// Whether the peer can express it: no text directly behind a deletion of its own.
fn expressible(operation: &Operation) -> bool {
    operation.edits().windows(2).all(|pair| pair[0].end() < pair[1].position)
}

#[test]
fn the_peer_transforms_to_the_same() {
    check(200_000, Shape::dense(2), |case: &Case| {
        let base = units(&case.base);
        let (first, second) = (case.drafts[0].on(&case.base), case.drafts[1].on(&case.base));
        if !expressible(&first) || !expressible(&second) {
            return Ok(());
        }
        let (after_first, after_second) = (applied(&base, &first), applied(&base, &second));
        let (first_moved, second_moved) = to_peer(&base, &first).transform(&to_peer(&base, &second)).unwrap();
        let ours = transform(&second, &first, Order::Second);
        same("the second one", &to_peer(&after_first, &ours), &second_moved)?;
        let text = second_moved.apply(&String::from_utf16(&after_first).unwrap()).unwrap();
        same("the text", applied(&after_first, &ours), text.encode_utf16().collect())?;
        same("the first one", to_peer(&after_second, &transform(&first, &second, Order::First)), first_moved)
    });
}

#[test]
fn the_peer_composes_to_the_same() {
    check(100_000, Shape::dense(2), |case: &Case| {
        let base = units(&case.base);
        let first = case.drafts[0].on(&case.base);
        let between = applied(&base, &first);
        let second = case.drafts[1].on(&characters(&between));
        let theirs = to_peer(&base, &first).compose(&to_peer(&between, &second)).unwrap();
        same("composed", to_peer(&base, &compose(&first, &second)), theirs)
    });
}

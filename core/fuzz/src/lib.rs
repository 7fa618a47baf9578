//! What a hostile peer or a damaged record may bring into the core: a function from bytes for each target, which
//! panics when something that must hold does not.
//!
//! The fuzzer calls them through `fuzz_targets`; an ordinary test includes this file and replays `corpus` through
//! them, so nothing here may need the fuzzer. In reading order: `bytes` is how an input is read, `naive` is an
//! operation unit by unit, `naive_decoder` the WebSocket protocol with `naive_inflate` for what is compressed, `model` a document; then a file for each target.

mod bytes;
mod document;
mod frames;
mod messages;
#[path = "../../tests/document/model.rs"]
mod model;
pub mod naive;
mod naive_decoder;
mod naive_inflate;
mod operations;
mod script;
mod translation_messages;

pub use document::document;
pub use frames::frames;
pub use messages::messages;
pub use operations::operations;

/// A target's name, which is its directory's in `corpus` too, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 4] =
    [("frames", frames), ("messages", messages), ("operations", operations), ("document", document)];

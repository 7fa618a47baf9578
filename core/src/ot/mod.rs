//! Operations on one section's text, and their transformation against one another.
//!
//! An [`Operation`] is a sorted list of [`Edit`]s whose positions all refer to the text before it.
//! [`transform`] moves an operation over another that was made against the same text and was
//! ordered before or after it (Ellis and Gibbs, *Concurrency control in groupware systems*, 1989;
//! with TP1 only, since one server orders everything). The rules, from the protocol:
//!
//! - of two inserts at one position the one that was ordered first stays left;
//! - a delete never removes text that was inserted concurrently inside its range;
//! - the text of a replace stands where its range begins.
//!
//! What is transformed is never composed before: composing forgets where a text stood among deleted ones,
//! so that [`compose`] and then [`transform`] may give another text than one by one.

mod compose;
mod list;
mod operation;
mod position;
mod transform;

pub use compose::{compose, compose_all};
pub use list::transform_lists;
pub(crate) use operation::split_utf16;
pub use operation::{Edit, InvalidOperation, Operation, OperationBuilder, OperationRef};
pub(crate) use position::map_positions;
pub use position::{Selection, map_position};
pub use transform::{Order, transform, transform_through};
pub(crate) use transform::{move_edit, move_over};

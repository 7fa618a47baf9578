//! Reading the fields of a JSON object from simd-json's tape, with errors that name the field.

use simd_json::{Node, StaticNode};

use super::message::InboundError;

/// The most keys of one object; none of ours has a quarter as many.
const KEYS_MAX: usize = 64;

/// An object's fields, as they stand on the tape.
#[derive(Clone, Copy)]
pub(super) struct Fields<'t, 'i> {
    nodes: &'t [Node<'i>],
    /// The object's own name for errors, like `payload`; empty for the envelope itself.
    path: &'t str,
}

/// One JSON value on the tape: its node, and all those inside it.
pub(super) type Value<'t, 'i> = &'t [Node<'i>];

/// Splits the first value off.
fn split_value<'t, 'i>(nodes: Value<'t, 'i>) -> Option<(Value<'t, 'i>, Value<'t, 'i>)> {
    let inner = match nodes.first()? {
        Node::Object { count, .. } | Node::Array { count, .. } => *count,
        Node::String(_) | Node::Static(_) => 0,
    };
    nodes.split_at_checked(inner + 1)
}

/// The values of an array, or `None` if it is something else.
pub(super) fn elements<'t, 'i>(value: Value<'t, 'i>) -> Option<(usize, impl Iterator<Item = Value<'t, 'i>>)> {
    let (Node::Array { len, .. }, mut rest) = value.split_first()? else { return None };
    let next = move || {
        let (element, after) = split_value(rest)?;
        rest = after;
        Some(element)
    };
    Some((*len, std::iter::from_fn(next)))
}

impl<'t, 'i> Fields<'t, 'i> {
    /// The fields of `value`, which has to be an object without duplicate keys.
    pub(super) fn of(value: Value<'t, 'i>, path: &'t str) -> Result<Self, InboundError> {
        Self::of_at_most(value, path, KEYS_MAX)
    }

    /// The same, of at most so many keys.
    pub(super) fn of_at_most(value: Value<'t, 'i>, path: &'t str, keys_max: usize) -> Result<Self, InboundError> {
        let Some((Node::Object { len, .. }, nodes)) = value.split_first() else {
            return Err(InboundError::invalid(path.to_owned(), "an object"));
        };
        let fields = Self { nodes, path };
        if *len > keys_max {
            return Err(InboundError::invalid(path.to_owned(), format!("an object of at most {keys_max} keys")));
        }
        for (index, (key, _)) in fields.iter().enumerate() {
            if fields.iter().take(index).any(|(earlier, _)| earlier == key) {
                return Err(InboundError::invalid(fields.name(key), "a key that occurs once"));
            }
        }
        Ok(fields)
    }

    /// All of them, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'i str, Value<'t, 'i>)> {
        let mut rest = self.nodes;
        std::iter::from_fn(move || {
            let (Node::String(key), values) = rest.split_first()? else { return None };
            let (value, after) = split_value(values)?;
            rest = after;
            Some((*key, value))
        })
    }

    /// The object's own name.
    pub(super) const fn path(self) -> &'t str {
        self.path
    }

    /// The full name of a field, for an error. It is not empty even if the key is: that would mean the whole message.
    pub(super) fn name(self, key: &str) -> String {
        let key = if key.is_empty() { "\"\"" } else { key };
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The field's value; `null` counts as absent.
    pub(super) fn get(self, key: &str) -> Option<Value<'t, 'i>> {
        let (_, value) = self.iter().find(|(name, _)| *name == key)?;
        (!matches!(value, [Node::Static(StaticNode::Null)])).then_some(value)
    }

    /// A string.
    pub(super) fn text(self, key: &str) -> Result<Option<&'i str>, InboundError> {
        match self.get(key) {
            None => Ok(None),
            Some([Node::String(text)]) => Ok(Some(text)),
            Some(_) => Err(InboundError::invalid(self.name(key), "a string")),
        }
    }

    /// A non-negative integer.
    pub(super) fn unsigned(self, key: &str) -> Result<Option<u64>, InboundError> {
        let wrong = || InboundError::invalid(self.name(key), "a non-negative integer");
        match self.get(key) {
            None => Ok(None),
            Some([Node::Static(StaticNode::U64(number))]) => Ok(Some(*number)),
            Some([Node::Static(StaticNode::I64(number))]) => u64::try_from(*number).map(Some).map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(self, key: &str) -> Result<Option<bool>, InboundError> {
        match self.get(key) {
            None => Ok(None),
            Some([Node::Static(StaticNode::Bool(value))]) => Ok(Some(*value)),
            Some(_) => Err(InboundError::invalid(self.name(key), "true or false")),
        }
    }

    /// What has to be there.
    pub(super) fn required<T>(self, key: &str, value: Option<T>, expected: &str) -> Result<T, InboundError> {
        value.ok_or_else(|| InboundError::missing(self.name(key), expected))
    }
}

//! What goes out, against what serde_json makes of the same values.

use jddb_core::protocol::outbound::write_json;
use jddb_core::text::Text;
use proptest::prelude::*;
use serde::Serialize;

/// All kinds of values that messages are made of.
#[derive(Debug, Serialize)]
struct Everything<'a> {
    text: &'a str,
    #[serde(flatten)]
    flat: Flat<'a>,
    list: Vec<Option<&'a str>>,
    numbers: (u8, u64, i64, usize, bool),
    character: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    none: Option<u64>,
    null: Option<()>,
    nothing: [(); 0],
    kind: Kind<'a>,
}

#[derive(Debug, Serialize)]
struct Flat<'a> {
    name: &'a str,
    map: std::collections::BTreeMap<&'a str, u64>,
}

#[derive(Debug, Serialize)]
enum Kind<'a> {
    Unit,
    Newtype(&'a str),
    Struct { field: &'a str },
}

/// Texts in which nearly everything has to be escaped, or nothing, about as long as what is looked at together.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a\"\\\\\\n\\x00\\x1f\\x7fé€😀]{0,40}",
        "[a-zé]{0,200}",
        "[a-z]{28,36}[\"\\n\\x01/<\u{2028}][a-z]{0,70}",
        "[\\x00-\\x20]{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn is_the_same(text in texts(), other in texts(), number in any::<u64>(), kind in 0..3, character in any::<char>()) {
        let value = Everything {
            text: &text,
            flat: Flat { name: &other, map: [(text.as_str(), number), (other.as_str(), 0)].into() },
            list: vec![Some(&other), None, Some(&text)],
            numbers: (number.to_le_bytes()[0], number, number.cast_signed(), usize::MAX, number % 2 == 0),
            character,
            none: None,
            null: None,
            nothing: [],
            kind: match kind {
                0 => Kind::Unit,
                1 => Kind::Newtype(&text),
                _ => Kind::Struct { field: &other },
            },
        };
        let mut written = b"before".to_vec();
        write_json(&mut written, &value);
        prop_assert_eq!(str::from_utf8(&written[6..]).unwrap(), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn of_a_documents_text_is_the_same(texts in prop::collection::vec(texts(), 0..60)) {
        let text = texts.concat();
        let mut written = Vec::new();
        write_json(&mut written, &Text::from(text.as_str()));
        prop_assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&text).unwrap());
    }
}

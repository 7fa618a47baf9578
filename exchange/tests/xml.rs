//! XML files that are broken or hostile: each is refused with its line, and nothing of it is held beyond the bounds.

use std::io::{BufReader, Read};

use jddb_exchange::ReadError;
use jddb_exchange::xml::{ATTRIBUTES_MAX, DEPTH_MAX, Node, PIECE_BYTES_MAX, XmlReader};

/// All parts as text, one after the other.
fn read(file: impl Read) -> Result<String, ReadError> {
    let mut xml = XmlReader::new(BufReader::with_capacity(7, file))?;
    let mut all = String::new();
    loop {
        match xml.next_node()? {
            Node::Start(tag) => {
                all += &format!("<{}", tag.name());
                for attribute in tag.attributes() {
                    let (name, value) = attribute?;
                    all += &format!(" {name}={value:?}");
                }
                all += ">";
            }
            Node::End => all += "</>",
            Node::Text(text) => all += &text,
            Node::Nothing => {}
            Node::Eof => return Ok(all),
        }
    }
}

fn check(file: &str, expected: &str) {
    let all = read(file.as_bytes()).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(all, expected, "{file}");
}

fn check_refused(file: &str, line: u64, reason: &str) {
    check_bytes_refused(file.as_bytes(), line, reason);
}

fn check_bytes_refused(file: &[u8], line: u64, reason: &str) {
    let shown = String::from_utf8_lossy(&file[..file.len().min(200)]);
    let error = read(file).map(|all| panic!("{shown}: {all}")).unwrap_err();
    assert!(error.to_string().contains(reason), "{shown}: {error}, expected {reason}");
    match error {
        ReadError::Malformed { line: found, .. } => assert_eq!(found, line, "{shown}: {error}"),
        ReadError::Io(_) => panic!("{error}"),
    }
}

#[test]
fn what_is_well_formed_is_read() {
    check("<a/>", "<a></>");
    check(
        "<?xml version='1.0' encoding='utf-8'?>\n<!-- a -- --><a x='1' y=\"&lt;&#233;\n\">b</a >\n<!--c-->",
        "<a x=\"1\" y=\"<é \">b</>",
    );
    check("<!DOCTYPE a SYSTEM \"a.dtd\"><a>&amp;&#x1F600;&gt;<![CDATA[<b>&]]></a>", "<a>&😀><b>&</>");
    check("<a>1\r\n2\r3\n</a>", "<a>1\n2\n3\n</>");
    check("<é:a.b-c_1/>", "<é:a.b-c_1></>");
    check("<a><?pi <b> ?></a>", "<a></>");
}

#[test]
fn what_is_not_is_refused_with_its_line() {
    check_refused("<a>\n<b>\n</a>", 3, "</a>: expected </b>");
    check_refused("<a>\n", 2, "expected the end of this element");
    check_refused("<a></a>\n<b/>", 2, "after the end of the root");
    check_refused("<a/>\nb", 2, "outside of the root");
    check_refused("b<a/>", 1, "outside of the root");
    check_refused("<a/>\n&amp;", 2, "outside of the root");
    check_refused("\n</a>", 2, "without a beginning");
    check_refused("<a>\n<b", 2, "tag not closed");
    check_refused("<a>\n\n<b x=1/></a>", 3, "not in quotes");
    check_refused("<a x='1' x='2'/>", 1, "twice");
    check_refused("<a x/>", 1, "without a value");
    check_refused("<a x='<'/>", 1, "&lt;");
    check_refused("<a>\n & b</a>", 2, "expected &amp;");
    check_refused("<a>1 < 2</a>", 1, "is no name");
    check_refused("<a>\n<!-- ", 2, "-->");
    check_refused("<a><![CDATA[", 1, "CDATA");
    check_refused("<a>\x0B</a>", 1, "U+000B");
    check_refused("<a>\n\n\n \x07</a>", 4, "U+0007");
    check_refused("<a>&#0;</a>", 1, "&#0;");
    check_refused("<a>&#7;</a>", 1, "U+0007");
    check_refused("<a>&#xD800;</a>", 1, "no character");
    check_refused("<a x='&#8;'/>", 1, "U+0008");
    check_refused("<a>\u{FFFE}</a>", 1, "U+FFFE");
    check_refused("<a/><?xml version='1.0'?>", 1, "beginning only");
    check_refused("", 1, "empty");
    check_refused("<!-- a -->", 1, "expected an element");
    check_refused("<?xml version='1.0' encoding='windows-1252'?><a/>", 1, "\"windows-1252\": expected UTF-8 or UTF-16");
    check_refused("<?xml version='1.0' encoding='UTF-16'?><a/>", 1, "the bytes are another");
    check_bytes_refused(b"<a>\n\xE9t\xE9</a>", 1, "no UTF-8");
    let utf_16: Vec<u8> =
        "<?xml version='1.0' encoding='UTF-8'?><a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_bytes_refused(&utf_16, 1, "the bytes are another");
}

#[test]
fn entities_are_refused_and_never_expanded() {
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>\n<a>&c;</a>";
    check_refused(bomb, 1, "refused");
    check_refused(
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd' [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        1,
        "refused",
    );
    check_refused("<a>\n&b;</a>", 2, "&b;");
    check_refused("<a x='&b;'/>", 1, "&b;");
    check_refused("<a/><!DOCTYPE a>", 1, "after the root element");
}

/// A file that never ends, of which no more than a bound is read.
struct Endless {
    head: &'static [u8],
    again: &'static [u8],
    at: usize,
    given: usize,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        assert!(self.given < 64 << 20, "it reads on and on");
        for byte in into.iter_mut() {
            *byte = match self.head.get(self.at) {
                Some(byte) => *byte,
                None => self.again[(self.at - self.head.len()) % self.again.len()],
            };
            self.at += 1;
        }
        self.given += into.len();
        Ok(into.len())
    }
}

#[test]
fn what_never_ends_is_refused_at_its_bound() {
    let check = |head: &'static str, again: &'static str, expected: &str| {
        let mut file = Endless { head: head.as_bytes(), again: again.as_bytes(), at: 0, given: 0 };
        let error = read(&mut file).unwrap_err();
        assert!(error.to_string().contains(expected), "{head}: {error}");
        assert!(file.given <= 2 * PIECE_BYTES_MAX, "{head}: {} bytes were read", file.given);
    };
    let bytes = PIECE_BYTES_MAX.to_string();
    for (head, again) in [
        ("<", "a"),
        ("<a x='", "b"),
        ("<a ", "b='1' "),
        ("<a>", "text "),
        ("<a>&", "b"),
        ("<!--", " "),
        ("<a><![CDATA[", "b"),
        ("<?", "b"),
        ("<!DOCTYPE ", "b "),
        ("<?xml version='1.0' ", " "),
        ("</", "a"),
    ] {
        check(head, again, &bytes);
    }
    check("", "<a>", &format!("more than {DEPTH_MAX} elements"));
}

#[test]
fn attributes_are_bounded_before_they_are_compared() {
    let attributes = |count: usize| (0..count).map(|number| format!(" a{number}=''")).collect::<String>();
    assert!(read(format!("<a{}/>", attributes(ATTRIBUTES_MAX)).as_bytes()).is_ok());
    let many = format!("<a{}/>", attributes(ATTRIBUTES_MAX + 1));
    check_refused(&many, 1, &format!("more than {ATTRIBUTES_MAX} attributes"));
}

#[test]
fn elements_may_be_so_deep_and_no_deeper() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok());
    check_refused(&nested(DEPTH_MAX + 1), 1, "elements within one another");
}

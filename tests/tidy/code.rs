//! Tells code from comments, strings and tests, and finds the paths that code names.

/// The text with comments and the contents of strings and characters replaced by blanks; every
/// byte and every line keeps its place.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(out).expect("only whole comments and literals were replaced")
}

/// The end of the comment or literal that begins here; `at` itself where none does.
fn skipped(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + position(rest, b"\n").unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment(rest);
    }
    let inside_word = at > 0 && is_word(bytes[at - 1]);
    match rest[0] {
        b'"' => at + string(rest),
        b'r' if !inside_word || bytes[at - 1] == b'b' => at + raw_string(rest).unwrap_or(0),
        b'\'' => at + character(rest),
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = 2 + hashes;
    Some(position(&rest[body..], &close).map_or(rest.len(), |end| body + end + close.len()))
}

/// The length of a character literal, 0 for a lifetime.
fn character(rest: &[u8]) -> usize {
    let body = match rest.get(1) {
        Some(b'\\') => 3, // the quote, the backslash, and one that cannot be the closing quote
        Some(&first) => 1 + utf8_len(first),
        None => return 0,
    };
    if rest.get(1) != Some(&b'\\') && rest.get(body) != Some(&b'\'') {
        return 0;
    }
    let close = rest.get(body..).and_then(|tail| position(tail, b"'"));
    close.map_or(0, |end| body + end + 1)
}

fn utf8_len(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The code (as from [`code`]) with its `#[cfg(test)]` modules blanked too.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let marker = "#[cfg(test)]";
    let mut from = 0;
    while let Some(start) = out[from..].find(marker).map(|found| from + found) {
        let end = item_end(&out, start + marker.len());
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        // A character of more than one byte makes the blank shorter, so go on behind the blank.
        from = start + blank.len();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Where the item that begins here ends: at its `;`, or at the brace that closes its first one.
fn item_end(code: &str, start: usize) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_isize);
    for (offset, byte) in code[start..].bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b'{' => braces += 1,
            b'}' if braces <= 1 => return start + offset + 1,
            b'}' => braces -= 1,
            b';' if braces == 0 && brackets == 0 => return start + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// The line of a byte, from 1.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte].iter().filter(|&&b| b == b'\n').count()
}

/// Where the word stands in the code as a whole word.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).filter_map(move |(at, _)| {
        let before = at.checked_sub(1).map(|i| code.as_bytes()[i]);
        let after = code.as_bytes().get(at + word.len()).copied();
        let whole = !before.is_some_and(is_word) && !after.is_some_and(is_word);
        whole.then_some(at)
    })
}

/// Every path in the code (as from [`code`]) that begins with `root::`, without the root, its
/// `{…}` lists expanded: `std::{fs, time::{self, Instant}}` names `fs`, `time::self` and
/// `time::Instant`.
pub(crate) fn paths(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, root) {
        // `other::std::…` is not a path from `std`, `::std::…` is.
        if let Some(outer) = code[..at].strip_suffix("::")
            && outer.bytes().next_back().is_some_and(is_word)
        {
            continue;
        }
        let rest = code[at + root.len()..].trim_start();
        if let Some(tree) = rest.strip_prefix("::") {
            let mut names = Vec::new();
            expand(tree, "", &mut names);
            let line = line_of(code, at);
            found.extend(names.into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// Reads one use-tree, adds the paths it names, and returns what follows it.
fn expand<'a>(tree: &'a str, prefix: &str, names: &mut Vec<String>) -> &'a str {
    let tree = tree.trim_start();
    if let Some(mut rest) = tree.strip_prefix('{') {
        loop {
            rest = expand(rest, prefix, names).trim_start();
            match rest.chars().next() {
                Some(',') => rest = &rest[1..],
                Some('}') => return &rest[1..],
                _ => return rest, // not a use-tree after all
            }
        }
    }
    let end = tree.find(|c: char| c != '_' && c != '*' && !c.is_alphanumeric()).unwrap_or(tree.len());
    if end == 0 {
        return tree; // after a trailing comma
    }
    let name = format!("{prefix}{}", &tree[..end]);
    let rest = tree[end..].trim_start();
    match rest.strip_prefix("::") {
        Some(more) if !more.starts_with('<') => expand(more, &format!("{name}::"), names),
        _ => {
            names.push(name);
            alias(rest)
        }
    }
}

/// What follows `as name`.
fn alias(rest: &str) -> &str {
    let Some(name) = rest.strip_prefix("as ") else {
        return rest;
    };
    name.trim_start().trim_start_matches(|c: char| c == '_' || c.is_alphanumeric())
}

#[test]
fn comments_and_literals_are_no_code() {
    let check = |text: &str, expected: &str| {
        let blank = code(text);
        let seen: Vec<&str> = blank.split_whitespace().collect();
        assert_eq!(seen.join(" "), expected, "{text}");
        assert_eq!(blank.len(), text.len(), "{text}");
    };
    check("a // b\nc", "a c");
    check("a /* b /* c */ d */ e", "a e");
    check(r#"a "b \" c" d"#, "a d");
    check(r##"a r#"b " c"# d"##, "a d");
    check(r#"a br"b\" d"#, "a b d");
    check(r"a 'b' '\'' '\u{1F600}' '\\' c", "a c");
    check("a '→' c", "a c");
    check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
    check("for r in x {}", "for r in x {}");
}

#[test]
fn tests_are_cut_out() {
    let text = "a\n#[cfg(test)]\nmod tests { fn f() { g(); } }\nb\n#[cfg(test)]\nmod t;\nc";
    let rest = without_tests(text);
    assert_eq!(rest.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(rest.lines().count(), text.lines().count());
}

#[test]
fn use_trees_are_expanded() {
    let check = |text: &str, expected: &[&str]| {
        let found = paths(text, "std");
        let names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, expected, "{text}");
    };
    check("use std::fs;", &["fs"]);
    check("use std::{fs, time::{self, Instant as I}, net::*,};", &["fs", "time::self", "time::Instant", "net::*"]);
    check("let x = std::time::Instant::now();", &["time::Instant::now"]);
    check("let x = ::std::fs::read(p);", &["fs::read"]);
    check("let x = std::mem::size_of::<u8>();", &["mem::size_of"]);
    check("use other::std::fs; let std = my_std::fs;", &[]);
}

//! What must not stay behind in any file.

use crate::code::code;
use crate::tree::{Finding, Source, found_at, none, sources};

/// Unfinished work. The needles are put together here so that this file is not found itself.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("db", "g!("),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
    concat!("#[ig", "nore"),
    concat!("not impl", "emented"),
];

/// Where a machine keeps its things; a path of the product is relative or configured.
const MACHINE: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Where packages come from; that is the business of each machine's configuration.
const REGISTRIES: &[&str] = &[
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("files.python", "hosted.org"),
    concat!("pypi", ".org"),
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("\"reso", "lved\":"),
];

/// Files whose text is somebody else's and stays as it is.
const VERBATIM: &[&str] = &["Cargo.lock", "LICENSE"];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the needle stands in the line as a word of its own, not within a longer one.
fn has_word(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + needle.len()..].chars().next();
        let open =
            |edge: Option<char>, outside: Option<char>| !(edge.is_some_and(is_word) && outside.is_some_and(is_word));
        open(needle.chars().next(), before) && open(needle.chars().next_back(), after)
    })
}

fn unfinished(source: &Source) -> Vec<Finding> {
    lines_with(source, UNFINISHED, has_word, "unfinished work: finish it or delete it")
}

fn machine_paths(source: &Source) -> Vec<Finding> {
    // Part of a URL or of a longer path is no path of a machine.
    let begins = |line: &str, needle: &str| {
        line.match_indices(needle).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| is_word(c) || ".$})~*-".contains(c))
        })
    };
    lines_with(source, MACHINE, begins, "a path of one machine: make it relative, or a setting")
}

fn registries(source: &Source) -> Vec<Finding> {
    let contains = |line: &str, needle: &str| line.contains(needle);
    lines_with(source, REGISTRIES, contains, "a registry's host: leave it to the machine's configuration")
}

fn lines_with(source: &Source, needles: &[&str], matches: impl Fn(&str, &str) -> bool, advice: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for needle in needles {
            if matches(line, needle) {
                found.push(source.finding(index + 1, format!("`{needle}` is {advice}")));
            }
        }
    }
    found
}

/// No tabs where they are not the syntax, no blanks at a line's end, one newline at the end.
fn whitespace(source: &Source) -> Vec<Finding> {
    let tabs_belong = source.name() == "Makefile" || source.path.ends_with(".tsv");
    let mut found = Vec::new();
    for (index, line) in source.text.split('\n').enumerate() {
        let mut say = |what: &str| found.push(source.finding(index + 1, what));
        if line.ends_with('\r') {
            say("a carriage return: use plain line feeds");
        } else if line.ends_with([' ', '\t']) {
            say("blanks at the end of the line: delete them");
        }
        if line.contains('\t') && !tabs_belong {
            say("a tab: use spaces");
        }
    }
    let last = source.text.lines().count();
    if !source.text.is_empty() && !source.text.ends_with('\n') {
        found.push(source.finding(last, "no newline at the end of the file: add one"));
    } else if source.text.ends_with("\n\n") {
        found.push(source.finding(last, "empty lines at the end of the file: delete them"));
    }
    found
}

/// Code that was commented out instead of deleted: plain comments that end like a statement.
fn dead_code(source: &Source) -> Vec<Finding> {
    let code = code(&source.text);
    let mut found = Vec::new();
    for (index, (line, code)) in source.text.lines().zip(code.lines()).enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("// ") else {
            continue;
        };
        let statement = ["let ", "use ", "fn ", "pub ", "if ", "for ", "return ", "self."];
        let like_code = statement.iter().any(|start| comment.starts_with(start)) && comment.ends_with([';', '{']);
        if code.trim().is_empty() && like_code {
            found.push(source.finding(index + 1, "code in a comment: delete it, git remembers"));
        }
    }
    found
}

fn written_here() -> Vec<Source> {
    let mut all = sources();
    all.retain(|source| !VERBATIM.contains(&source.name()));
    all
}

#[test]
fn nothing_unfinished() {
    none(&written_here().iter().flat_map(unfinished).collect::<Vec<_>>());
}

#[test]
fn unfinished_work_is_found() {
    for needle in UNFINISHED {
        let text = format!("fine\n    {needle} later\n");
        found_at(&unfinished(&Source::new("a.rs", &text)), &[2]);
    }
    let fine = format!("mktemp {}{}\nmy_{}\n", UNFINISHED[5], "XX", UNFINISHED[0]);
    found_at(&unfinished(&Source::new("a.sh", &fine)), &[]);
}

#[test]
fn nothing_of_one_machine() {
    none(&written_here().iter().flat_map(machine_paths).collect::<Vec<_>>());
}

#[test]
fn machine_paths_are_found() {
    for needle in MACHINE {
        let text = format!("cd {needle}x\nhttps://host{needle}x\nlet p = \"{needle}\";\n");
        found_at(&machine_paths(&Source::new("a.md", &text)), &[1, 3]);
    }
}

#[test]
fn no_registry_hosts() {
    none(&written_here().iter().flat_map(registries).collect::<Vec<_>>());
}

#[test]
fn registry_hosts_are_found() {
    for needle in REGISTRIES {
        let text = format!("{{\n  \"x\": https://{needle}/ws\n}}\n");
        found_at(&registries(&Source::new("package-lock.json", &text)), &[2]);
    }
}

#[test]
fn whitespace_is_plain() {
    none(&written_here().iter().flat_map(whitespace).collect::<Vec<_>>());
}

#[test]
fn odd_whitespace_is_found() {
    let check = |path: &str, text: &str, lines: &[usize]| {
        found_at(&whitespace(&Source::new(path, text)), lines);
    };
    check("a.rs", "a\n\tb\n", &[2]);
    check("Makefile", "a:\n\tb\n", &[]);
    check("a.rs", "a \nb\r\nc", &[1, 2, 3]);
    check("a.rs", "a\n\n", &[2]);
    check("a.rs", "", &[]);
}

#[test]
fn no_code_in_comments() {
    let rust = written_here().into_iter().filter(Source::is_rust);
    none(&rust.flat_map(|source| dead_code(&source)).collect::<Vec<_>>());
}

#[test]
fn code_in_comments_is_found() {
    let text = "// let x = 1;\n// use it while it lasts;\n/// let x = 1;\nlet s = \"\n// let y;\n\";\n// if this is so, then that\n";
    found_at(&dead_code(&Source::new("a.rs", text)), &[1, 2, 5]);
}

//! How files and attributes look: lengths, reachability, documentation, `unsafe`, silenced lints.

use std::collections::HashSet;

use crate::code::{code, line_of, words};
use crate::tree::{Finding, Source, found_at, none, sources};

/// The longest a Rust file may be without a word in [`LONG_FILES`], in lines.
const LINES_MAX: usize = 600;

/// Longer files with their longest allowed length and why they stay whole. Lengths here only
/// ever go down.
const LONG_FILES: &[(&str, usize, &str)] = &[];

/// The only files with `unsafe` in them, and why it is needed there.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("core/tests/memory/main.rs", "an allocator that counts"),
    ("loadtest/src/clock.rs", "registers a timer's descriptor with tokio, which cannot know that it stays open"),
];

/// Besides files of the name `clock.rs`, who may silence the lint against clocks and the like.
const DISALLOWED_FILES: &[(&str, &str)] = &[];

fn lengths(source: &Source, long: &[(&str, usize, &str)]) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let exception = long.iter().find(|(path, ..)| *path == source.path);
    let what = match exception {
        None if lines > LINES_MAX => {
            format!("{lines} lines, {LINES_MAX} allowed: split the file by its nouns")
        }
        Some((_, max, _)) if lines > *max => {
            format!("{lines} lines, LONG_FILES allows {max}: split the file")
        }
        Some(_) if lines <= LINES_MAX => "no longer a long file: take it out of LONG_FILES".to_owned(),
        _ => return Vec::new(),
    };
    vec![source.finding(lines, what)]
}

/// Whether cargo compiles this file by itself.
fn is_root(path: &str, manifests: &[&Source]) -> bool {
    let named = manifests.iter().any(|manifest| {
        let directory = manifest.path.trim_end_matches("Cargo.toml");
        manifest.text.lines().any(|line| {
            let file = line.trim().strip_prefix("path = ").map(|file| file.trim_matches('"'));
            file.is_some_and(|file| path.strip_prefix(directory) == Some(file))
        })
    });
    let parts: Vec<&str> = path.split('/').collect();
    let found = matches!(
        parts.as_slice(),
        [.., "src", "lib.rs" | "main.rs"]
            | [.., "src", "bin", _]
            | [.., "build.rs"]
            | [.., "tests" | "benches" | "examples", _, "main.rs"]
            | [.., "tests" | "benches" | "examples", _]
    );
    named || found
}

/// The files that a file's `mod name;` declarations may stand for.
fn children(source: &Source) -> Vec<String> {
    let (directory, name) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = name.trim_end_matches(".rs");
    let in_tests =
        ["tests", "benches", "examples"].iter().any(|d| directory == *d || directory.ends_with(&format!("/{d}")));
    let own = ["lib", "main", "mod"].contains(&stem) || in_tests;
    let base = if own { directory.to_owned() } else { format!("{directory}/{stem}") };
    let blank = code(&source.text);
    let mut found = Vec::new();
    for at in words(&blank, "mod") {
        let Some(end) = blank[at..].find([';', '{']).filter(|end| blank[at + end..].starts_with(';')) else {
            continue;
        };
        let child = blank[at + 3..at + end].trim();
        let line = line_of(&blank, at);
        let above = source.text.lines().nth(line.saturating_sub(2)).unwrap_or_default();
        if let Some(file) = above.trim().strip_prefix("#[path = \"") {
            found.push(format!("{directory}/{}", file.trim_end_matches("\"]")));
        }
        found.push(format!("{base}/{child}.rs"));
        found.push(format!("{base}/{child}/mod.rs"));
    }
    found
}

/// Every Rust file is compiled: cargo knows it, or a `mod` leads to it.
fn dead_files(all: &[Source]) -> Vec<Finding> {
    let manifests: Vec<&Source> = all.iter().filter(|s| s.name() == "Cargo.toml").collect();
    let rust: Vec<&Source> = all.iter().filter(|source| source.is_rust()).collect();
    let (mut open, mut waiting): (Vec<&Source>, Vec<&Source>) =
        rust.into_iter().partition(|source| is_root(&source.path, &manifests));
    while let Some(source) = open.pop() {
        let named: HashSet<String> = children(source).into_iter().collect();
        let (reached, rest) = waiting.into_iter().partition(|s| named.contains(&s.path));
        open.extend::<Vec<&Source>>(reached);
        waiting = rest;
    }
    let what = "no `mod` leads to this file, so it is never compiled: declare it or delete it";
    waiting.iter().map(|source| source.finding(1, what)).collect()
}

/// Every file says first what it is.
fn undocumented(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.finding(1, "begin the file with `//!` and a sentence on what it is")]
}

fn unsafe_code(source: &Source, allowed: &[(&str, &str)]) -> Vec<Finding> {
    let code = code(&source.text);
    let listed = allowed.iter().any(|(path, _)| *path == source.path);
    let mut places = words(&code, "unsafe").peekable();
    if listed && places.peek().is_none() {
        return vec![source.finding(1, "no `unsafe` here any more: take the file out of UNSAFE_FILES")];
    }
    places
        .filter(|_| !listed)
        .map(|at| {
            source.finding(
                line_of(&code, at),
                "`unsafe` outside of UNSAFE_FILES: do without, or say there why it is needed",
            )
        })
        .collect()
}

/// Lints are silenced at the line, with a reason, and only while there is something to silence.
fn silenced(source: &Source, disallowed: &[(&str, &str)]) -> Vec<Finding> {
    let code = code(&source.text);
    let mut found = Vec::new();
    for lint in ["allow", "expect"] {
        for at in words(&code, lint) {
            let attribute = ["#[", "#!["].iter().any(|start| code[..at].ends_with(start));
            if !attribute {
                continue;
            }
            let line = line_of(&code, at);
            let end = code[at..].find(']').map_or(code.len(), |end| at + end);
            let body = &code[at..end];
            if lint == "allow" {
                found.push(
                    source.finding(line, "use `#[expect(…, reason = \"…\")]`: it tells when it is no longer needed"),
                );
            } else if words(body, "reason").next().is_none() {
                found.push(source.finding(line, "an `#[expect]` without `reason = \"…\"`: say why"));
            }
            let clock = source.name() == "clock.rs" || disallowed.iter().any(|(path, _)| *path == source.path);
            if body.contains("disallowed_methods") && !clock {
                found.push(
                    source.finding(
                        line,
                        "only `clock.rs` reads the clock: take the time as an argument, or ask the clock",
                    ),
                );
            }
        }
    }
    found.sort_by_key(ToString::to_string);
    found
}

fn rust() -> Vec<Source> {
    let mut all = sources();
    all.retain(Source::is_rust);
    all
}

/// The paths of a table's entries that exist no longer.
fn stale<'a>(table: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let all = sources();
    table.into_iter().filter(|path| all.iter().all(|s| s.path != *path)).collect()
}

#[test]
fn files_are_short() {
    none(&rust().iter().flat_map(|s| lengths(s, LONG_FILES)).collect::<Vec<_>>());
}

#[test]
fn long_files_are_found() {
    let long = [("long.rs", 700, "one table"), ("short.rs", 700, "was long")];
    let check = |path: &str, lines: usize, expected: &[usize]| {
        found_at(&lengths(&Source::new(path, &"x\n".repeat(lines)), &long), expected);
    };
    check("a.rs", 600, &[]);
    check("a.rs", 601, &[601]);
    check("long.rs", 700, &[]);
    check("long.rs", 701, &[701]);
    check("short.rs", 600, &[600]);
}

#[test]
fn tables_name_files_that_exist() {
    let paths = LONG_FILES.iter().map(|(path, ..)| *path);
    let paths = paths.chain(UNSAFE_FILES.iter().map(|(path, _)| *path));
    let gone = stale(paths.chain(DISALLOWED_FILES.iter().map(|(path, _)| *path)));
    assert!(gone.is_empty(), "take out of the tables of tests/tidy/shape.rs: {gone:?}");
    assert_eq!(stale(["tests/tidy/shape.rs", "gone.rs"]), ["gone.rs"]);
}

#[test]
fn every_file_is_compiled() {
    none(&dead_files(&sources()));
}

#[test]
fn dead_files_are_found() {
    let tree = [
        Source::new("Cargo.toml", "[[bench]]\npath = \"odd/place.rs\"\n"),
        Source::new("src/lib.rs", "pub mod a;\nmod inline { }\n// mod dead;\n#[path = \"other.rs\"]\nmod named;\n"),
        Source::new("src/a.rs", "mod b;"),
        Source::new("src/a/b/mod.rs", "mod c;"),
        Source::new("src/a/b/c.rs", ""),
        Source::new("src/other.rs", ""),
        Source::new("src/dead.rs", ""),
        Source::new("src/inline.rs", ""),
        Source::new("tests/t.rs", "mod support;"),
        Source::new("tests/support/mod.rs", ""),
        Source::new("tests/support/dead.rs", ""),
        Source::new("tests/many/main.rs", "mod one;"),
        Source::new("tests/many/one.rs", ""),
        Source::new("odd/place.rs", ""),
    ];
    let found: Vec<String> = dead_files(&tree).iter().map(ToString::to_string).collect();
    let paths: Vec<&str> = found.iter().filter_map(|f| f.split(':').next()).collect();
    assert_eq!(paths, ["src/dead.rs", "src/inline.rs", "tests/support/dead.rs"]);
}

#[test]
fn every_file_is_documented() {
    none(&rust().iter().flat_map(undocumented).collect::<Vec<_>>());
}

#[test]
fn undocumented_files_are_found() {
    found_at(&undocumented(&Source::new("a.rs", "//! What it is.\nfn f() {}\n")), &[]);
    found_at(&undocumented(&Source::new("a.rs", "use std::fmt;\n//! Late.\n")), &[1]);
    found_at(&undocumented(&Source::new("a.rs", "")), &[1]);
}

#[test]
fn unsafe_is_confined() {
    none(&rust().iter().flat_map(|s| unsafe_code(s, UNSAFE_FILES)).collect::<Vec<_>>());
    let core = sources().into_iter().find(|s| s.path == "core/src/lib.rs");
    let core = core.expect("the core has a lib.rs");
    assert!(core.text.contains("#![forbid(unsafe_code)]"), "core/src/lib.rs: add #![forbid(unsafe_code)]");
}

#[test]
fn unsafe_elsewhere_is_found() {
    let allowed = [("ffi.rs", "calls C")];
    let text = "// unsafe\nlet s = \"unsafe\";\n#![forbid(unsafe_code)]\nunsafe { f() }\n";
    found_at(&unsafe_code(&Source::new("a.rs", text), &allowed), &[4]);
    found_at(&unsafe_code(&Source::new("ffi.rs", text), &allowed), &[]);
    found_at(&unsafe_code(&Source::new("ffi.rs", "fn f() {}\n"), &allowed), &[1]);
}

#[test]
fn lints_are_silenced_with_reasons() {
    none(&rust().iter().flat_map(|s| silenced(s, DISALLOWED_FILES)).collect::<Vec<_>>());
}

#[test]
fn silenced_lints_are_found() {
    let text = "#[allow(dead_code)]\nfn f() {}\n#[expect(dead_code)]\nfn g() {}\n#[expect(\n    clippy::disallowed_methods,\n    reason = \"x\"\n)]\nfn h() { x.expect(\"y\") }\n";
    found_at(&silenced(&Source::new("a.rs", text), &[]), &[1, 3, 5]);
    found_at(&silenced(&Source::new("src/clock.rs", text), &[]), &[1, 3]);
    found_at(&silenced(&Source::new("a.rs", text), &[("a.rs", "times a test")]), &[1, 3]);
}

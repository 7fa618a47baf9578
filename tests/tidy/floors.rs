//! The floors of the house: which package and which module may use which.

use crate::code::{code, line_of, paths, without_tests, words};
use crate::tree::{Finding, Source, found_at, none, sources};

/// Each package's directory with the packages of ours that it may use. The server itself, which
/// is on top, is not listed.
const FLOORS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("exchange", &["jddb-core"]),
    ("storage", &["jddb-core"]),
    ("loadtest", &["jddb-core"]),
    ("benches", &["jddb-core", "jddb-storage"]),
];

const OURS: &[&str] = &["jddb-core", "jddb-exchange", "jddb-storage", "jddb-realtime", "jddb-loadtest"];

/// What the core may use besides the standard library. Another one is welcome if it does no I/O,
/// reads no clock, starts no thread and draws no random numbers.
const CORE_USES: &[&str] = &[
    "aho-corasick",
    "base64",
    "bytes",
    "crc32fast",
    "flate2",
    "gix-imara-diff",
    "hashbrown",
    "jiff",
    "memchr",
    "multiversion",
    "serde",
    "serde_json",
    "sha1",
    "simd-json",
    "simdutf8",
    "slab",
    "smallvec",
    "thiserror",
    "unicode-normalization",
    "unicode-segmentation",
    "xxhash-rust",
];

/// The modules of the core from the lowest to the highest; each may use those before it.
const CORE_MODULES: &[&str] = &[
    "websocket", // independent of all the others
    "ids",
    "translation",
    "limits",
    "text",
    "ot",
    "document",
    "protocol",
    "room",
    "sim",
];

/// Parts of the standard library that the core may not name, and what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("env", "take the setting as an argument"),
    ("fs", "return what is to be stored"),
    ("io", "take bytes and return bytes"),
    ("net", "return what is to be sent"),
    ("os", "let the shell talk to the system"),
    ("process", "return an error"),
    ("thread", "let the shell start threads"),
    ("time::Instant", "take the time as an argument"),
    ("time::SystemTime", "take the time as an argument"),
];

/// `name` and its line for each entry of the manifest's tables whose header ends so.
fn entries(manifest: &str, table: &str) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header == table || header.ends_with(&format!(".{table}"));
            // `[dependencies.tokio]`
            if let Some((_, name)) = header.split_once(&format!("{table}."))
                && header.find(table).is_none_or(|at| !header[..at].ends_with('-'))
            {
                found.push((index + 1, name.to_owned()));
            }
        } else if inside
            && let Some((key, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            let name = key.trim().split('.').next().unwrap_or(key);
            found.push((index + 1, name.to_owned()));
        }
    }
    found
}

/// A package depends only on packages of the floors below it; its tests may depend on itself, with its features.
fn package_floors(directory: &str, allowed: &[&str], manifest: &Source) -> Vec<Finding> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables
        .iter()
        .flat_map(|table| entries(&manifest.text, table).into_iter().map(move |entry| (*table, entry)))
        .filter(|(table, (_, name))| *table != "dev-dependencies" || name.strip_prefix("jddb-") != Some(directory))
        .map(|(_, entry)| entry)
        .filter(|(_, name)| OURS.contains(&name.as_str()) && !allowed.contains(&name.as_str()))
        .map(|(line, name)| {
            let what = format!(
                "`{directory}` may not depend on `{name}`, which is above or beside it: move the shared part down"
            );
            manifest.finding(line, what)
        })
        .collect()
}

/// A source names no package that its own package may not use.
fn source_floors(directory: &str, allowed: &[&str], source: &Source) -> Vec<Finding> {
    let code = code(&source.text);
    let mut found = Vec::new();
    for name in OURS {
        let own = name.strip_prefix("jddb-") == Some(directory);
        if own || allowed.contains(name) {
            continue;
        }
        let word = name.replace('-', "_");
        for at in words(&code, &word) {
            let what = format!("`{directory}` may not use `{word}`: move the shared part down");
            found.push(source.finding(line_of(&code, at), what));
        }
    }
    found
}

/// The core depends only on what has been found to be pure.
fn core_uses(manifest: &Source) -> Vec<Finding> {
    entries(&manifest.text, "dependencies")
        .into_iter()
        .filter(|(_, name)| !CORE_USES.contains(&name.as_str()))
        .map(|(line, name)| {
            let what = format!("`{name}` is new in the core: if it does no I/O, reads no clock, starts no thread and draws no random numbers, add it to CORE_USES, else use it in `src`");
            manifest.finding(line, what)
        })
        .collect()
}

/// The core does no I/O, starts no thread, reads no clock and draws no random numbers.
fn core_is_pure(source: &Source) -> Vec<Finding> {
    let code = without_tests(&code(&source.text));
    let mut found = Vec::new();
    for (line, path) in paths(&code, "std") {
        for (impure, instead) in IMPURE {
            if path == *impure || path.starts_with(&format!("{impure}::")) {
                found.push(source.finding(line, format!("the core may not use std::{impure}: {instead}")));
            }
        }
    }
    for word in ["rand", "getrandom", "fastrand", "RandomState"] {
        for at in words(&code, word) {
            let what = format!("the core may not use `{word}`: take the seed or the number as an argument");
            found.push(source.finding(line_of(&code, at), what));
        }
    }
    for clock in ["Timestamp::now", "Zoned::now"] {
        for (at, _) in code.match_indices(clock) {
            found.push(
                source.finding(line_of(&code, at), "the core may not read the clock: take the time as an argument"),
            );
        }
    }
    found
}

/// `ot` for `core/src/ot.rs` and for all below `core/src/ot/`; none for the crate's root.
fn core_module(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("core/src/")?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    (name != "lib").then_some(name)
}

/// A module of the core uses only those below it.
fn core_floors(source: &Source) -> Vec<Finding> {
    let Some(module) = core_module(&source.path) else {
        return Vec::new();
    };
    let level = |name: &str| CORE_MODULES.iter().position(|&known| known == name);
    let Some(own) = level(module) else {
        let what = format!("`{module}` is no module of CORE_MODULES: add it there, on its floor");
        return vec![source.finding(1, what)];
    };
    let mut found = Vec::new();
    for (line, path) in paths(&without_tests(&code(&source.text)), "crate") {
        let used = path.split("::").next().unwrap_or_default();
        match level(used) {
            Some(below) if below <= own => {}
            Some(_) => found.push(
                source.finding(line, format!("`{module}` may not use `{used}`, which is above it: see CORE_MODULES")),
            ),
            None => {
                found.push(source.finding(
                    line,
                    format!("name the module of `{used}`, not the crate's root, so that its floor shows"),
                ))
            }
        }
    }
    found
}

fn manifest(directory: &str) -> Source {
    let path = format!("{directory}/Cargo.toml");
    sources()
        .into_iter()
        .find(|source| source.path == path)
        .unwrap_or_else(|| panic!("{path} is in FLOORS and does not exist"))
}

#[test]
fn packages_use_only_what_is_below() {
    for (directory, allowed) in FLOORS {
        none(&package_floors(directory, allowed, &manifest(directory)));
        for source in sources() {
            if source.is_rust() && source.path.starts_with(&format!("{directory}/")) {
                none(&source_floors(directory, allowed, &source));
            }
        }
    }
}

#[test]
fn packages_above_are_found() {
    let text = "[dependencies]\njddb-core.workspace = true\n[dev-dependencies]\njddb-realtime = { path = \"..\" }\n[target.x.dependencies.jddb-loadtest]\n";
    let sample = Source::new("storage/Cargo.toml", text);
    found_at(&package_floors("storage", &["jddb-core"], &sample), &[5, 4]);
    let text = "//! Not `jddb_realtime`.\nuse jddb_core::text;\nuse jddb_realtime::x;\nfn f() { jddb_loadtest::g() }\n";
    let sample = Source::new("storage/src/lib.rs", text);
    found_at(&source_floors("storage", &["jddb-core"], &sample), &[3, 4]);
}

#[test]
fn core_is_without_io() {
    none(&core_uses(&manifest("core")));
    for source in sources() {
        if source.is_rust() && source.path.starts_with("core/src/") {
            none(&core_is_pure(&source));
        }
    }
}

#[test]
fn io_in_the_core_is_found() {
    let text = "[dependencies]\nbytes.workspace = true\ntokio.workspace = true\n# rocksdb = \"1\"\n[dev-dependencies]\ntokio = \"1\"\n[target.unix.dependencies.hyper]\nversion = \"1\"\n";
    found_at(&core_uses(&Source::new("core/Cargo.toml", text)), &[3, 7]);
    let text = "// std::fs\nuse std::fs;\nuse std::{fmt, time::{Duration, Instant}};\nlet t = std::time::SystemTime::now();\nlet n = rand::random();\nlet s = Timestamp::now();\n#[cfg(test)]\nmod tests { use std::thread; }\n";
    found_at(&core_is_pure(&Source::new("core/src/text.rs", text)), &[2, 3, 4, 5, 6]);
}

#[test]
fn core_modules_use_only_those_below() {
    for source in sources() {
        if source.is_rust() {
            none(&core_floors(&source));
        }
    }
}

#[test]
fn core_modules_above_are_found() {
    let text = "use crate::text::Text;\nuse crate::{ids, room::Room};\nfn f() { crate::protocol::g() }\nuse crate::Text;\n#[cfg(test)]\nmod tests { use crate::room; }\n";
    found_at(&core_floors(&Source::new("core/src/ot/a.rs", text)), &[2, 3, 4]);
    found_at(&core_floors(&Source::new("core/src/new.rs", "")), &[1]);
    found_at(&core_floors(&Source::new("core/src/lib.rs", "use crate::room;")), &[]);
}

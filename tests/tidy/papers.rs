//! What must be written down: the changelog, the two commands, the licence, the lints.

use crate::tree::{Finding, Source, found_at, none, sources};

/// The changelog has a section for what is not released yet, and it says something.
fn changelog(source: &Source) -> Vec<Finding> {
    let mut lines = source.text.lines().enumerate();
    let Some((line, _)) = lines.find(|(_, line)| *line == "## [Unreleased]") else {
        return vec![source.finding(1, "no section `## [Unreleased]`: add it on top")];
    };
    let section = lines.take_while(|(_, line)| !line.starts_with("## "));
    if section.into_iter().any(|(_, line)| line.starts_with("- ")) {
        return Vec::new();
    }
    vec![source.finding(line + 1, "`## [Unreleased]` is empty: say what changed")]
}

/// The readme shows how to run and how to test.
fn readme(source: &Source) -> Vec<Finding> {
    ["make run", "make test"]
        .iter()
        .filter(|command| !source.text.contains(*command))
        .map(|command| source.finding(1, format!("`{command}` is not mentioned: show it")))
        .collect()
}

/// Each package takes the workspace's lints and licence.
fn manifest(source: &Source) -> Vec<Finding> {
    if !source.text.contains("[package]") {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    if !lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"]) {
        found.push(source.finding(1, "add `[lints]` with `workspace = true`"));
    }
    for key in ["license", "rust-version", "edition"] {
        if !lines.contains(&format!("{key}.workspace = true").as_str()) {
            found.push(source.finding(1, format!("add `{key}.workspace = true`")));
        }
    }
    found
}

/// The text of a file that the repository must have.
fn paper(path: &str) -> Source {
    let found = sources().into_iter().find(|source| source.path == path);
    found.unwrap_or_else(|| panic!("{path}: missing, write it"))
}

#[test]
fn changelog_has_an_unreleased_section() {
    none(&changelog(&paper("CHANGELOG.md")));
}

#[test]
fn a_changelog_without_one_is_found() {
    let check = |text: &str, lines: &[usize]| {
        found_at(&changelog(&Source::new("CHANGELOG.md", text)), lines);
    };
    check("# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n", &[]);
    check("# Changelog\n\n## [Unreleased]\n\n## 0.1.0\n\n- A thing.\n", &[3]);
    check("# Changelog\n\n## 0.1.0\n\n- A thing.\n", &[1]);
}

#[test]
fn readme_shows_the_commands() {
    none(&readme(&paper("README.md")));
}

#[test]
fn a_readme_without_them_is_found() {
    found_at(&readme(&Source::new("README.md", "make run\nmake test\n")), &[]);
    found_at(&readme(&Source::new("README.md", "make run\n")), &[1]);
    found_at(&readme(&Source::new("README.md", "")), &[1, 1]);
}

#[test]
fn packages_share_lints_and_licence() {
    let all = sources();
    let manifests = all.iter().filter(|source| source.name() == "Cargo.toml");
    none(&manifests.flat_map(manifest).collect::<Vec<_>>());
}

#[test]
fn a_package_that_does_not_is_found() {
    let good = "[package]\nlicense.workspace = true\nrust-version.workspace = true\nedition.workspace = true\n[lints]\nworkspace = true\n";
    found_at(&manifest(&Source::new("Cargo.toml", good)), &[]);
    let bad = good.replace("[lints]\n", "").replace("license.", "licence.");
    found_at(&manifest(&Source::new("Cargo.toml", &bad)), &[1, 1]);
    found_at(&manifest(&Source::new("Cargo.toml", "[workspace]\n")), &[]);
}

#[test]
fn both_licences_are_here() {
    let licence = paper("LICENSE").text;
    for title in ["MIT License", "Apache License"] {
        assert!(licence.contains(title), "LICENSE: the text of the {title} is missing");
    }
}

//! Files of translations, in and out: by the command line, and over HTTP (`served`), whatever ends it in the middle.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod served;
#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;
mod terms;
mod terms_killed;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{Context, EntryId};
use jddb_exchange::tmx::{Defaults, TmxReader, TmxWriter};
use serde_json::json;
use support::home::{Home, program};
use support::http;
use support::rng::Rng;
use support::server::Server;

const BOTH: &str = "translation:read translation:write";

fn memory(home: &Home, arguments: &[&str]) -> Output {
    let mut command = program(&home.path("."));
    command.arg("memory").args(arguments).arg("--data").arg(home.data());
    command.output().expect("the program starts")
}

/// What it prints, when all went well.
fn done(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{stdout}{stderr}");
    stdout
}

/// What it says, when it ends with that code.
fn refused(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

fn write(home: &Home, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = home.path(name);
    std::fs::write(&path, text).expect("a file is written");
    path
}

fn import(home: &Home, path: &Path, more: &[&str]) -> Output {
    memory(home, &[&["import", path.to_str().expect("UTF-8")], more].concat())
}

fn export(home: &Home, more: &[&str]) -> String {
    done(&memory(home, &[&["export"], more].concat()))
}

/// Of each entry of a file what there is but its number, which another memory gives anew.
fn entries(file: &str) -> BTreeSet<String> {
    let mut tmx = TmxReader::new(file.as_bytes()).expect("a TMX file");
    let mut all = BTreeSet::new();
    while let Some(unit) = tmx.next_unit().expect("well-formed") {
        let (imported, skipped) = unit.imported(&Defaults::default());
        assert!(skipped.is_empty(), "{skipped:?}");
        all.extend(imported.into_iter().map(|one| format!("{one:?}")));
    }
    all
}

fn file(units: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<tmx version=\"1.4\">\n<header creationtool=\"T\" creationtoolversion=\"1\" \
         segtype=\"sentence\" o-tmf=\"T\" adminlang=\"en\" srclang=\"en\" datatype=\"plaintext\"/>\n<body>\n{units}</body>\n\
         </tmx>\n"
    )
}

fn unit(attributes: &str, english: &str, french: &str) -> String {
    format!(
        "<tu{attributes}><tuv xml:lang=\"en-CA\"><seg>{english}</seg></tuv><tuv xml:lang=\"fr-CA\"><seg>{french}</seg></tuv></tu>\n"
    )
}

async fn suggestions(server: &Server, token: &str, text: &str) -> Vec<serde_json::Value> {
    let body = json!({"source_text": text, "source_language": "en", "target_language": "fr", "min_confidence": 0.5});
    let answer = http::post(server.port(), "/api/translation/suggestions", token, &body).await.ok();
    answer["suggestions"].as_array().expect("suggestions").clone()
}

#[tokio::test]
async fn what_was_imported_is_suggested_and_goes_back_as_it_came() {
    let home = Home::in_memory();
    let dates =
        " usagecount=\"15\" creationdate=\"20240301T120000Z\" lastusagedate=\"20250921T124530Z\" creationid=\"ann\"";
    let units = [
        unit(dates, "The incumbent reports to the <hi>director</hi>.", "Le titulaire relève du directeur."),
        unit("", "Save", " "),
        unit("", "The incumbent travels.", "Le titulaire voyage."),
        unit(" srclang=\"de\"", "Other", "Autre"),
    ];
    let path = write(&home, "memory.tmx", file(&units.concat()));
    let summary = done(&import(&home, &path, &["--reviewed"]));
    assert!(summary.contains("memory.tmx: 4 units: 2 created, 0 updated, 0 unchanged, 2 skipped"), "{summary}");
    assert!(summary.contains("skipped 1: a text is empty (line 6)"), "{summary}");
    assert!(summary.contains("source language") && summary.contains("(line 8)"), "{summary}");
    let summary = done(&import(&home, &path, &["--reviewed"]));
    assert!(summary.contains("4 units: 0 created, 0 updated, 2 unchanged, 2 skipped"), "{summary}");

    let server = home.start().ready().await;
    let token = home.token_with("ann", BOTH, &[]);
    let found = suggestions(&server, &token, "The incumbent reports to the director.").await;
    assert_eq!(found[0]["translated_text"], "Le titulaire relève du directeur.");
    assert_eq!((&found[0]["match_type"], &found[0]["usage_count"]), (&json!("exact"), &json!(15)));
    assert_eq!(
        (&found[0]["contributors"], &found[0]["last_used"]),
        (&json!(["ann"]), &json!("2025-09-21T12:45:30.000Z"))
    );
    server.kill_nine();

    let exported = export(&home, &[]);
    assert!(exported.contains("the <hi>director</hi>."), "{exported}");
    // Into another memory, and out of it: the same.
    let other = Home::in_memory();
    done(&import(&other, &write(&home, "exported.tmx", &exported), &[]));
    assert_eq!(entries(&export(&other, &[])), entries(&exported));
    assert_eq!(entries(&exported).len(), 2);
}

#[test]
fn more_is_learnt_of_what_is_known() {
    let home = Home::in_memory();
    let used = |count: u32, date: &str| {
        file(&unit(
            &format!(" usagecount=\"{count}\" lastusagedate=\"{date}T000000Z\""),
            "The incumbent",
            "Le titulaire",
        ))
    };
    let import_used = |count, date| done(&import(&home, &write(&home, "a.tmx", used(count, date)), &[]));
    assert!(import_used(3, "20250101").contains("1 created"));
    assert!(import_used(5, "20240101").contains("1 updated"));
    assert!(import_used(4, "20250101").contains("1 unchanged"));
    // Within one file, and into a project, where it is another.
    let twice = file(
        &[unit("", "The incumbent", "Le titulaire"), unit(" usagecount=\"9\"", "The incumbent", "Le titulaire")]
            .concat(),
    );
    let path = write(&home, "b.tmx", twice);
    assert!(done(&import(&home, &path, &["--project", "hr"])).contains("1 created, 1 updated, 0 unchanged"));
    let all = export(&home, &[]);
    assert!(all.contains("usagecount=\"5\"") && all.contains("lastusagedate=\"20250101T000000Z\""), "{all}");
    assert_eq!(entries(&all).len(), 2);
    let of_project = export(&home, &["--project", "hr", "--format", "tmx"]);
    assert!(of_project.contains("usagecount=\"9\"") && of_project.contains("<prop type=\"x-project\">hr</prop>"));
    assert_eq!(entries(&of_project).len(), 1);
}

#[test]
fn a_malformed_file_leaves_what_was_there() {
    let home = Home::in_memory();
    let good = write(&home, "good.tmx", file(&unit("", "The incumbent", "Le titulaire")));
    done(&import(&home, &good, &[]));
    let before = export(&home, &[]);
    let many: String = (0..1_000).map(|number| unit("", &format!("Text {number}"), "Texte")).collect();
    let broken = write(&home, "broken.tmx", file(&format!("{many}<tu>\n<tuv></tu>")));
    let other = write(&home, "other.tmx", file(&many));
    let stderr = refused(&memory(&home, &["import", other.to_str().unwrap(), broken.to_str().unwrap()]), 1);
    assert!(stderr.contains("broken.tmx: line 1006, in <tuv>: no xml:lang: expected a language"), "{stderr}");
    // The head of a file says when it was made.
    assert_eq!(entries(&export(&home, &[])), entries(&before));
    let summary = done(&import(&home, &other, &[]));
    assert!(summary.contains("1000 created"), "{summary}");
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    let home = Home::in_memory();
    let path = write(&home, "a.tmx", file(&unit("", "a", "b")));
    let stderr = refused(&memory(&home, &["export"]), 2);
    assert!(stderr.contains("no such directory"), "{stderr}");
    let stderr = refused(&import(&home, &home.path("none.tmx"), &[]), 1);
    assert!(stderr.contains("none.tmx: No such file"), "{stderr}");
    let stderr = refused(&import(&home, &path, &["--project", "a/b"]), 2);
    assert!(stderr.contains("^[A-Za-z0-9]"), "{stderr}");
    let server = home.start().ready().await;
    let stderr = refused(&import(&home, &path, &[]), 1);
    assert!(
        stderr.contains("in use by another server") && stderr.contains("/api/translation/memory/import"),
        "{stderr}"
    );
    let stderr = refused(&memory(&home, &["export"]), 1);
    assert!(stderr.contains("/api/translation/memory/export"), "{stderr}");
    server.kill_nine();
    let mut full = program(&home.path("."));
    full.env("JDDB_TRANSLATION__ENTRIES", "2").args(["memory", "import"]).arg(write(
        &home,
        "b.tmx",
        file(&(0..5).map(|number| unit("", &number.to_string(), "b")).collect::<String>()),
    ));
    let summary = done(&full.arg("--data").arg(home.data()).output().expect("the program starts"));
    assert!(
        summary.contains("2 created") && summary.contains("skipped 3: the translation memory is full"),
        "{summary}"
    );
}

#[test]
fn an_export_to_a_file_is_there_when_it_is_complete() {
    let home = Home::in_memory();
    done(&import(&home, &write(&home, "a.tmx", file(&unit("", "a", "b"))), &[]));
    let out = home.path("out.tmx");
    done(&memory(&home, &["export", "-o", out.to_str().unwrap()]));
    // Its head says when it was made.
    let whole = |text: &str| {
        let (head, body): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("<header "));
        assert_eq!(head.len(), 1, "{text}");
        body.join("\n")
    };
    assert_eq!(whole(&std::fs::read_to_string(&out).unwrap()), whole(&export(&home, &[])));
    let missing = home.path("no/out.tmx");
    assert!(refused(&memory(&home, &["export", "-o", missing.to_str().unwrap()]), 1).contains("out.tmx"));
}

/// Whenever an import is killed, all that was there before is there, and nothing else that is not of the file; and importing
/// it once more makes it whole.
#[test]
fn an_import_that_is_killed_leaves_what_was_there() {
    let home = Home::new();
    let mut rng = Rng::from_environment("an_import_that_is_killed_leaves_what_was_there");
    done(&import(
        &home,
        &write(&home, "a.tmx", file(&unit(" usagecount=\"7\"", "The incumbent", "Le titulaire"))),
        &[],
    ));
    let before = entries(&export(&home, &[]));
    let many: String =
        (0..30_000).map(|number| unit("", &format!("Text {number}"), &format!("Texte {number}"))).collect();
    let path = write(&home, "many.tmx", file(&many));
    let mut killed = 0;
    for _ in 0..8 {
        let mut command = program(&home.path("."));
        command.args(["memory", "import"]).arg(&path).arg("--data").arg(home.data());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        // Somewhere in it: which step it has come to is what its files say.
        let wanted = rng.below(3);
        while child.try_wait().expect("it can be waited for").is_none() {
            let has_come = match wanted {
                0 => home.data().join("lock").exists(),
                1 => home.data().join("ingest/translations.sst").exists(),
                _ => std::fs::read_dir(home.data().join("ingest")).is_ok_and(|mut files| files.next().is_none()),
            };
            if has_come {
                break;
            }
            std::thread::yield_now();
        }
        killed += usize::from(child.try_wait().expect("it can be waited for").is_none());
        let _ = child.kill();
        child.wait().expect("it ends");
        let after = entries(&export(&home, &[]));
        assert!(after.is_superset(&before), "{} entries, and not what was there", after.len());
        assert!(after.len() == before.len() || after.len() == before.len() + 30_000, "{} entries", after.len());
    }
    done(&import(&home, &path, &[]));
    assert_eq!(entries(&export(&home, &[])).len(), before.len() + 30_000);
    eprintln!("{killed} of 8 imports were killed");
}

/// All of the shared memory, by the way of a user: the pairs as a file, in, out, and in again.
#[test]
fn real_pairs_go_in_and_out() {
    let shared = std::env::var_os("JDDB_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let Ok(packed) = std::fs::File::open(shared.join("tm/tm.tsv.gz")) else {
        eprintln!("skipped: no translations in {}", shared.display());
        return;
    };
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed), &mut lines).expect("lines in UTF-8");
    let home = Home::in_memory();
    let path = write(&home, "real.tmx", real_file(&lines));
    let summary = done(&import(&home, &path, &[]));
    let first = export(&home, &[]);
    let again = done(&import(&home, &path, &[]));
    assert!(again.contains(" 0 created, 0 updated,"), "{again}");
    let other = Home::in_memory();
    done(&import(&other, &write(&home, "exported.tmx", &first), &[]));
    assert_eq!(entries(&export(&other, &[])), entries(&first));
    eprintln!("{}{again}", summary.trim());
}

fn real_file(lines: &str) -> Vec<u8> {
    let mut tmx = TmxWriter::new(Vec::new(), UnixMillis(0)).expect("a vector takes all");
    let (imported, _) = {
        let template = file(&unit(" creationdate=\"20250101T000000Z\"", "a", "b"));
        let mut reader = TmxReader::new(template.as_bytes()).expect("a TMX file");
        reader.next_unit().expect("well-formed").expect("a unit").imported(&Defaults::default())
    };
    let template = imported[0].clone().into_entry(EntryId(1), UnixMillis(0));
    for line in lines.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let mut entry = template.clone();
        (entry.source_text, entry.translated_text) = (fields[0].into(), fields[1].into());
        entry.context = Context { document_id: Some(fields[2].into()), ..Context::default() }.into();
        entry.usage_count = fields[4].parse().expect("a count");
        tmx.write(&entry).expect("a vector takes all");
    }
    tmx.finish().expect("a vector takes all")
}

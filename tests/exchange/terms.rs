//! Files of terms, in and out: by the command line, and over HTTP, whatever ends it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use jddb_exchange::terms::{Format, TermDefaults, TermsReader};
use serde_json::{Value, json};

use super::served::{counts, import_as, token, whole};
use super::support::home::{EDIT, Home, program};
use super::support::http::{self, Answer};
use super::support::server::Server;
use super::{BOTH, done, refused, write};

pub(super) const IMPORT: &str = "/api/translation/glossary/import";
const EXPORT: &str = "/api/translation/glossary/export";
pub(super) const HEAD: &str = "term,translation,source_language,target_language,mandatory,domain\n";

fn glossary(home: &Home, arguments: &[&str]) -> Output {
    let mut command = program(&home.path("."));
    command.arg("glossary").args(arguments).arg("--data").arg(home.data());
    command.output().expect("the program starts")
}

fn import_file(home: &Home, path: &Path, more: &[&str]) -> Output {
    glossary(home, &[&["import", path.to_str().expect("UTF-8")], more].concat())
}

pub(super) fn export_file(home: &Home, more: &[&str]) -> String {
    done(&glossary(home, &[&["export"], more].concat()))
}

/// Of each term of a file what there is but its number, which another glossary gives anew.
fn terms(file: &str, format: Format) -> BTreeSet<String> {
    let mut reader = TermsReader::new(file.as_bytes(), format, TermDefaults::default()).expect("a file of terms");
    let mut all = BTreeSet::new();
    while let Some(entry) = reader.next_entry().expect("well-formed") {
        assert!(entry.skipped.is_empty(), "{:?}", entry.skipped);
        all.extend(entry.terms.into_iter().map(|term| format!("{term:?}")));
    }
    all
}

pub(super) fn csv(file: &str) -> BTreeSet<String> {
    terms(file, Format::Csv)
}

pub(super) fn row(term: &str, translation: &str, more: &str) -> String {
    format!("{term},{translation},en,fr,{more}\n")
}

fn numbered(count: usize) -> String {
    let rows = (0..count).map(|number| row(&format!("term number {number}"), "terme", ","));
    HEAD.to_owned() + &rows.collect::<String>()
}

pub(super) async fn import(server: &Server, query: &str, token: &str, kind: &str, file: impl AsRef<[u8]>) -> Answer {
    let path = format!("{IMPORT}{query}");
    import_as(server.port(), &path, token, kind, file.as_ref()).await.expect("an answer")
}

pub(super) async fn import_csv(server: &Server, query: &str, token: &str, file: impl AsRef<[u8]>) -> Answer {
    import(server, query, token, "text/csv", file).await
}

/// What `GET …/export` gives, once no more exports are under way than may be: the one before is over when its thread is.
async fn exported(server: &Server, token: &str, query: &str) -> String {
    loop {
        let answer = http::get(server.port(), &format!("{EXPORT}{query}"), token).await;
        if answer.status == 503 {
            continue;
        }
        assert_eq!(answer.status, 200);
        let kind =
            if query.contains("tbx") { "application/x-tbx+xml" } else { "text/csv; charset=utf-8; header=present" };
        assert_eq!(answer.header("content-type"), Some(kind));
        return String::from_utf8(whole(&answer.body)).expect("UTF-8");
    }
}

pub(super) async fn found(server: &Server, token: &str, text: &str) -> Vec<Value> {
    let body = json!({"source_text": text, "source_language": "en", "target_language": "fr"});
    let answer = http::post(server.port(), "/api/translation/suggestions", token, &body).await.ok();
    answer["glossary_terms"].as_array().expect("terms").iter().map(|term| term["translation"].clone()).collect()
}

#[tokio::test]
async fn what_was_imported_by_command_is_found_and_goes_back_as_it_came() {
    let home = Home::in_memory();
    let rows = [
        row("incumbent", "titulaire", "yes,hr"),
        row("-", "x", ","),
        row("Incumbent", "occupant", ",hr"),
        row("order in council", "décret", ","),
    ];
    let path = write(&home, "terms.csv", HEAD.to_owned() + &rows.concat());
    let summary = done(&import_file(&home, &path, &["--user", "ann"]));
    assert!(summary.contains("terms.csv: 4 units: 2 created, 0 updated, 0 unchanged, 2 skipped"), "{summary}");
    assert!(
        summary.contains("skipped 1: term: expected 1 to 200 characters") && summary.contains("(line 3)"),
        "{summary}"
    );
    assert!(summary.contains("came before in the file, and said something else (line 4)"), "{summary}");
    let changed = HEAD.replace("domain", "Domain,mandatroy")
        + "incumbent,occupant,en,fr,,hr,yes\norder in council,décret,en,fr,,,\n";
    let summary = done(&import_file(&home, &write(&home, "changed.csv", changed), &[]));
    assert!(summary.contains("2 units: 0 created, 1 updated, 1 unchanged, 0 skipped"), "{summary}");
    assert!(summary.contains("columns that say nothing here (mandatroy)"), "{summary}");

    let server = home.start().ready().await;
    let token = token(&home, BOTH);
    assert_eq!(found(&server, &token, "An order in council for incumbents").await, ["décret", "occupant"]);
    server.kill_nine();
    let all = export_file(&home, &[]);
    assert_eq!(csv(&all).len(), 2);
    assert!(all.contains("\"ann\"") && all.contains("\"import\""), "{all}");
    // Into another glossary as either format, and out of it: the same.
    for name in ["all.csv", "all.tbx"] {
        let other = Home::in_memory();
        let out = home.path(name);
        done(&glossary(&home, &["export", "-o", out.to_str().expect("UTF-8")]));
        done(&import_file(&other, &out, &[]));
        assert_eq!(csv(&export_file(&other, &["--format", "csv"])), csv(&all), "{name}");
        assert_eq!(terms(&export_file(&other, &["--format", "tbx"]), Format::Tbx), csv(&all), "{name}");
    }
    let into_project = done(&import_file(&home, &path, &["--project", "hr"]));
    assert!(into_project.contains("2 created"), "{into_project}");
    assert_eq!(csv(&export_file(&home, &["--project", "hr"])).len(), 2);
    let back = ["--source-language", "fr", "--target-language", "en"];
    assert_eq!(csv(&export_file(&home, &back)).len(), 0);
}

#[tokio::test]
async fn what_the_command_cannot_do_is_told_and_changes_nothing() {
    let home = Home::in_memory();
    let good = write(&home, "good.csv", HEAD.to_owned() + &row("a", "b", ","));
    assert!(refused(&glossary(&home, &["export"]), 2).contains("no such directory"));
    let broken = write(&home, "broken.csv", HEAD.to_owned() + &row("a", "b", ",") + &row("c", "d", "perhaps,"));
    let both = ["import", good.to_str().expect("UTF-8"), broken.to_str().expect("UTF-8")];
    let stderr = refused(&glossary(&home, &both), 1);
    assert!(stderr.contains("broken.csv: line 3: mandatory is \"perhaps\": expected true or false"), "{stderr}");
    let stderr = refused(&import_file(&home, &write(&home, "terms.xlsx", "PK\x03\x04"), &[]), 2);
    assert!(stderr.contains("terms.xlsx: the name says nothing of its kind: expected --format"), "{stderr}");
    let stderr = refused(&import_file(&home, &home.path("terms.xlsx"), &["--format", "csv"]), 1);
    assert!(stderr.contains("archive (zip)"), "{stderr}");
    let no_languages = write(&home, "plain.csv", "term,translation\na,b\n");
    assert!(refused(&import_file(&home, &no_languages, &[]), 1).contains("line 2: no source_language"));
    for (languages, expected) in [
        (&["--source-language", "en"][..], "--target-language"),
        (&["--source-language", "en", "--target-language", "en-CA"], "expected another"),
        (&["--source-language", "de", "--target-language", "en"], "expected one of en, fr"),
    ] {
        let stderr = refused(&import_file(&home, &no_languages, languages), 2);
        assert!(stderr.contains(expected), "{stderr}");
    }
    assert!(!home.data().join("documents").exists(), "nothing was there to change");
    let fitting = ["--source-language", "en", "--target-language", "fr"];
    assert!(done(&import_file(&home, &no_languages, &fitting)).contains("1 created"));
    let server = home.start().ready().await;
    let stderr = refused(&import_file(&home, &good, &[]), 1);
    assert!(stderr.contains("in use") && stderr.contains(IMPORT), "{stderr}");
    assert!(refused(&glossary(&home, &["export"]), 1).contains(EXPORT));
    server.kill_nine();
    let mut full = program(&home.path("."));
    full.env("JDDB_TRANSLATION__TERMS", "3").args(["glossary", "import"]).arg(write(&home, "b.csv", numbered(5)));
    let summary = done(&full.arg("--data").arg(home.data()).output().expect("the program starts"));
    assert!(summary.contains("2 created") && summary.contains("skipped 3: the glossary is full"), "{summary}");
}

#[tokio::test]
async fn a_file_is_found_by_all_and_goes_back_as_it_came() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, BOTH);
    let file =
        HEAD.to_owned() + &row("incumbent", "titulaire", "1,") + &row("-", "x", ",") + &row("order", "ordre", ",");
    let first = import_csv(&server, "", &token, &file).await.ok();
    assert_eq!(counts(&first), [3, 2, 0, 0, 1], "{first}");
    assert_eq!((&first["skipped"][0]["reason"], &first["skipped"][0]["lines"]), (&json!("invalid_term"), &json!([3])));
    assert_eq!(found(&server, &token, "Orders of the incumbent").await, ["ordre", "titulaire"]);
    assert_eq!(counts(&import_csv(&server, "", &token, &file).await.ok()), [3, 0, 0, 2, 1]);
    // As one that was added by hand, and one that is changed by the file keeps its number.
    let path = "/api/translation/glossary?q=incumbent";
    let before = http::get(server.port(), path, &token).await.ok()["terms"][0].clone();
    assert_eq!(before["created_by"], "ann");
    let changed = file.replace("titulaire", "occupant");
    assert_eq!(counts(&import_csv(&server, "", &token, &changed).await.ok()), [3, 0, 1, 1, 1]);
    let after = http::get(server.port(), path, &token).await.ok()["terms"][0].clone();
    assert_eq!((&after["term_id"], &after["translation"]), (&before["term_id"], &json!("occupant")));
    assert_eq!(counts(&import_csv(&server, "?project_id=hr", &token, &file).await.ok()), [3, 2, 0, 0, 1]);

    let all = exported(&server, &token, "").await;
    assert_eq!(csv(&all).len(), 4);
    let of_project = "?project_id=hr&source_language=en&target_language=fr";
    assert_eq!(csv(&exported(&server, &token, of_project).await).len(), 2);
    assert_eq!(csv(&exported(&server, &token, "?source_language=fr&target_language=en").await).len(), 0);
    let tbx = exported(&server, &token, "?format=tbx").await;
    assert_eq!(terms(&tbx, Format::Tbx), csv(&all));
    // Another server, and what is on disk: the same.
    let other_home = Home::in_memory();
    let other = other_home.start().ready().await;
    let other_token = self::token(&other_home, BOTH);
    assert_eq!(counts(&import(&other, "", &other_token, "application/xml", &tbx).await.ok()), [4, 4, 0, 0, 0]);
    assert_eq!(csv(&exported(&other, &other_token, "?format=csv").await), csv(&all));
    server.kill_nine();
    assert_eq!(csv(&export_file(&home, &[])), csv(&all));
}

const CONCEPT: &str = "<tbx type=\"TBX-Basic\" style=\"dca\" xml:lang=\"en\"><text><body>\n<conceptEntry>\n\
    <langSec xml:lang=\"en\"><termSec><term>incumbent</term></termSec></langSec>\
    <langSec xml:lang=\"fr\"><termSec><term>titulaire</term></termSec></langSec></conceptEntry></body></text></tbx>";

#[tokio::test]
async fn bad_files_and_requests_are_told_and_change_nothing() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_TRANSLATION__IMPORT_BYTES", "1048576").ready().await;
    let [both, reader, writer, editor] =
        [BOTH, "translation:read", "translation:write", EDIT].map(|scope| token(&home, scope));
    let good = HEAD.to_owned() + &row("a", "b", ",");
    // What is before the wrong row, more than a batch, is not taken.
    let broken = numbered(20_000) + &row("c", "d", "perhaps,");
    let error = import_csv(&server, "", &both, &broken).await.error(400, "VALIDATION_ERROR");
    assert_eq!(error["details"]["field"], "body", "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("line 20002: mandatory is \"perhaps\""), "{error}");
    assert!(error["details"]["expected"].as_str().unwrap().contains("CSV"), "{error}");
    for length in 0..CONCEPT.len() {
        let cut = &CONCEPT.as_bytes()[..length];
        import(&server, "", &both, "application/x-tbx+xml", cut).await.error(400, "VALIDATION_ERROR");
    }
    let bomb = "<!DOCTYPE tbx [<!ENTITY a \"aa\">]><tbx><text><body/></text></tbx>";
    import(&server, "", &both, "text/xml", bomb).await.error(400, "VALIDATION_ERROR");
    let long = format!("{HEAD}\"{}", "x".repeat(900_000));
    for wrong in ["", "word\na\n", "term,translation\na,b\n", &long] {
        import_csv(&server, "", &both, wrong).await.error(400, "VALIDATION_ERROR");
    }
    let error = import_csv(&server, "", &both, numbered(40_000)).await.error(413, "MESSAGE_TOO_LARGE");
    assert!(error["message"].as_str().unwrap().contains("translation.import_bytes"), "{error}");
    for kind in ["application/json", "text/plain", "text/csvx", "application/x-tmx+xml"] {
        import(&server, "", &both, kind, &good).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    import_csv(&server, "", &reader, &good).await.error(403, "FORBIDDEN");
    import_csv(&server, "", &editor, &good).await.error(403, "FORBIDDEN");
    import_csv(&server, "", "nonsense", &good).await.error(401, "UNAUTHENTICATED");
    for query in ["?project_id=a%2Fb", "?format=tmx", "?source_language=en", "?source_language=de&target_language=en"] {
        import_csv(&server, query, &both, &good).await.error(400, "VALIDATION_ERROR");
    }
    let port = server.port();
    http::get(port, EXPORT, &writer).await.error(403, "FORBIDDEN");
    for query in ["?project_id=", "?format=", "?source_language=en", "?source_language=en&target_language=en"] {
        http::get(port, &format!("{EXPORT}{query}"), &reader).await.error(400, "VALIDATION_ERROR");
    }
    // The path of files takes no other methods, though terms do.
    let gone = http::exchange(port, &http::request("DELETE", IMPORT, Some(&both), None)).await;
    gone.error(405, "METHOD_NOT_ALLOWED");
    assert_eq!(csv(&exported(&server, &both, "").await).len(), 0);
    // What is asked for holds, whatever the type.
    import(&server, "?format=csv", &both, "text/plain", &good).await.ok();
    import(
        &server,
        "?source_language=en&target_language=fr",
        &both,
        "text/tab-separated-values",
        "term\ttranslation\nc\td\n",
    )
    .await
    .ok();
    import(&server, "?format=tbx", &both, "application/octet-stream", CONCEPT).await.ok();
    assert_eq!(csv(&exported(&server, &both, "").await).len(), 3);
}

/// The shared terms as a file, where they are.
pub(super) fn real_terms() -> Option<String> {
    let shared = std::env::var_os("JDDB_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let file = std::fs::read_to_string(shared.join("tm/glossary.tsv"));
    file.map_err(|_| eprintln!("skipped: no terms in {}", shared.display())).ok()
}

/// All of the shared terms, by the ways of a user.
#[tokio::test]
async fn real_terms_go_in_and_out() {
    let Some(file) = real_terms() else { return };
    let home = Home::in_memory();
    let path = write(&home, "real.tsv", &file);
    let languages = ["--source-language", "en", "--target-language", "fr"];
    let summary = done(&import_file(&home, &path, &languages));
    assert!(summary.contains("16242 units") && summary.contains("columns that say nothing here (docs)"), "{summary}");
    let all = export_file(&home, &[]);
    let again = done(&import_file(&home, &path, &languages));
    assert!(again.contains(" 0 created, 0 updated,"), "{again}");
    let server = Home::in_memory();
    let token = token(&server, BOTH);
    let running = server.start().ready().await;
    let tbx = export_file(&home, &["--format", "tbx"]);
    let imported = import(&running, "", &token, "application/x-tbx+xml", tbx).await.ok();
    assert_eq!(counts(&imported)[1], csv(&all).len() as u64, "{imported}");
    assert_eq!(csv(&exported(&running, &token, "").await), csv(&all));
    eprintln!("{}", summary.trim());
}

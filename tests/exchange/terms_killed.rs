//! Files of terms whose server is killed in the middle of it.

use std::path::Path;

use tokio::task::{JoinHandle, yield_now};

use super::BOTH;
use super::served::{counts, import_as, token};
use super::support::home::Home;
use super::support::http;
use super::support::rng::Rng;
use super::support::server::Server;
use super::terms::{HEAD, IMPORT, csv, export_file, found, import_csv, real_terms, row};

const GLOSSARY: &str = "/api/translation/glossary";
/// As large as what is taken at once.
const BATCH_BYTES: usize = 16 << 20;

/// Sends a file; whether it was answered that it is there.
fn send(server: &Server, path: String, kind: &'static str, file: String, token: &str) -> JoinHandle<bool> {
    let (port, token) = (server.port(), token.to_owned());
    tokio::spawn(async move {
        let answer = import_as(port, &path, &token, kind, file.as_bytes()).await;
        answer.is_ok_and(|answer| answer.status == 200)
    })
}

/// How much is in the logs of what was written.
fn logged(data: &Path) -> usize {
    let files = std::fs::read_dir(data.join("documents")).expect("a database").filter_map(Result::ok);
    let logs = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
    // One may be gone meanwhile.
    logs.filter_map(|log| log.metadata().ok()).map(|log| usize::try_from(log.len()).expect("a size")).sum()
}

/// What is larger than a batch is there as whole batches, and may be sent again.
#[tokio::test]
async fn of_a_huge_file_whole_batches_are_there_after_a_kill_and_it_goes_on() {
    let home = Home::new();
    let token = token(&home, BOTH);
    let server = home.start().ready().await;
    let small = HEAD.to_owned() + &row("incumbent", "titulaire", "yes,");
    assert_eq!(counts(&import_csv(&server, "", &token, &small).await.ok()), [1, 1, 0, 0, 0]);
    // Terms with notes that are as long as may be, and a few more than fit into a batch.
    let term = |number: usize| format!("term number {number}");
    let note = "𝄞".repeat(1_000);
    let bytes_of = |number: usize| term(number).len() + "terme".len() + note.len();
    let (mut first, mut bytes) = (0, 0);
    while bytes < BATCH_BYTES {
        bytes += bytes_of(first);
        first += 1;
    }
    let count = first + 100;
    let rows: String = (0..count).map(|number| format!("{},terme,en,fr,{note}\n", term(number))).collect();
    // What was said in one batch is not said otherwise in the next.
    let again = format!("{},autre,en,fr,\n", term(0));
    let file = format!("term,translation,source_language,target_language,note\n{rows}{again}");
    let importing = send(&server, IMPORT.to_owned(), "text/csv", file.clone(), &token);
    let path = format!("{GLOSSARY}?q=term%20number%200");
    while http::get(server.port(), &path, &token).await.ok()["pagination"]["total"] == 0 {}
    server.kill_nine();
    let answered = importing.await.expect("no panic");
    let there = csv(&export_file(&home, &[]));
    assert!(there.iter().any(|term| term.contains("\"incumbent\"")), "what was answered is gone");
    assert!(there.len() == 1 + first || there.len() == 1 + count, "{} terms", there.len());
    let server = home.start().ready().await;
    assert_eq!(found(&server, &token, "the incumbent").await, ["titulaire"]);
    let [units, created, updated, unchanged, skipped] = counts(&import_csv(&server, "", &token, &file).await.ok());
    assert_eq!((units, created + unchanged, updated, skipped), (count as u64 + 1, count as u64, 0, 1));
    assert_eq!(unchanged + 1, there.len() as u64);
    eprintln!("{unchanged} of {count} were there after the kill, answered: {answered}");
}

/// A file of the usual size is there as a whole or not at all, whenever its server is killed: before it is written, while it is,
/// and after that.
#[tokio::test]
async fn real_terms_are_all_there_or_none_after_a_kill() {
    let Some(file) = real_terms() else { return };
    let mut rng = Rng::from_environment("real_terms_are_all_there_or_none_after_a_kill");
    let path = format!("{IMPORT}?source_language=en&target_language=fr");
    let kind = "text/tab-separated-values";
    let home = Home::new();
    let server = home.start().ready().await;
    let before = logged(&home.data());
    assert!(send(&server, path.clone(), kind, file.clone(), &token(&home, BOTH)).await.expect("no panic"));
    let size = logged(&home.data()) - before;
    server.kill_nine();
    let whole = csv(&export_file(&home, &[])).len();
    let (mut killed, mut nothing) = (0, 0);
    for _ in 0..8 {
        let home = Home::new();
        let token = token(&home, BOTH);
        let server = home.start().ready().await;
        let end = logged(&home.data()) + rng.below(size);
        let importing = send(&server, path.clone(), kind, file.clone(), &token);
        while logged(&home.data()) < end && !importing.is_finished() {
            yield_now().await;
        }
        server.kill_nine();
        let answered = importing.await.expect("no panic");
        let there = csv(&export_file(&home, &[])).len();
        assert!(there == whole || there == 0 && !answered, "{there} of {whole} terms, answered: {answered}");
        killed += usize::from(!answered);
        nothing += usize::from(there == 0);
    }
    eprintln!("{killed} of 8 imports were killed before their answer, {nothing} left nothing");
}

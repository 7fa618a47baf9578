//! A real history of three people who wrote one text at the same time, typed again by one client each.
//!
//! Each transaction of the trace names its parents: what its author had seen. A client types it at the
//! moment when it has taken in exactly that, no more and no less; what has arrived too early waits in
//! its connection, what has not arrived yet is waited for. Its own edits go out one at a time, as its
//! base moves on, so the server has to transform what the authors' clients once had to.
//!
//! A prefix of what a client receives always suffices, because the server's order respects causality and
//! never more than two of the three write at the same time; if it did not, the test would say so.
//!
//! Trace: `clownschool` of "Editing traces (c) Joseph Gentle and contributors, CC BY 4.0".

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use serde_json::Value;
use support::editor::Editor;
use support::faults::shared;
use support::home::Home;
use support::http;
use support::socket::{Received, Socket};

const DOCUMENT: &str = "clownschool";
const SECTION: &str = "body";

/// Who took part, and what each of them typed.
struct Trace {
    authors: Vec<Vec<Transaction>>,
    end_content: String,
}

/// What one author typed at one moment.
struct Transaction {
    /// How many patches of each author had been seen.
    seen: Vec<usize>,
    /// Position, deleted units, inserted text; each applies to what the one before it left.
    patches: Vec<(usize, usize, String)>,
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("a small one")
}

impl Trace {
    fn read(path: &Path) -> Self {
        let file = std::fs::File::open(path).expect("the trace can be opened");
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).expect("the trace can be unpacked");
        let trace: Value = serde_json::from_str(&text).expect("the trace is JSON");
        let count = number(&trace["numAgents"]);
        let mut authors: Vec<Vec<Transaction>> = (0..count).map(|_| Vec::new()).collect();
        let mut typed = vec![0; count];
        // What is seen by somebody who has seen that transaction.
        let mut histories: Vec<Vec<usize>> = Vec::new();
        for transaction in trace["txns"].as_array().expect("transactions") {
            let author = number(&transaction["agent"]);
            let mut seen = vec![0; count];
            for parent in transaction["parents"].as_array().expect("parents") {
                let history = &histories[number(parent)];
                seen.iter_mut().zip(history).for_each(|(seen, there)| *seen = (*seen).max(*there));
            }
            assert_eq!(seen[author], typed[author], "an author has seen all that is their own");
            let patches: Vec<_> = transaction["patches"].as_array().expect("patches").iter().map(patch).collect();
            typed[author] += patches.len();
            let mut history = seen.clone();
            history[author] = typed[author];
            histories.push(history);
            authors[author].push(Transaction { seen, patches });
        }
        let end_content = trace["endContent"].as_str().expect("a text").to_owned();
        Self { authors, end_content }
    }

    fn patches(&self) -> Vec<usize> {
        let count = |transactions: &Vec<Transaction>| transactions.iter().map(|typed| typed.patches.len()).sum();
        self.authors.iter().map(count).collect()
    }
}

fn patch(patch: &Value) -> (usize, usize, String) {
    (number(&patch[0]), number(&patch[1]), patch[2].as_str().expect("a text").to_owned())
}

/// One author's client.
struct Author {
    index: usize,
    editor: Editor,
    socket: Socket,
    /// How many patches of each author it has taken in; its own count when it types them.
    taken: Vec<usize>,
}

impl Author {
    /// Types everything, each transaction once what it had seen is here, and no sooner.
    async fn type_all(&mut self, trace: &Trace) {
        for transaction in &trace.authors[self.index] {
            self.take_until(&transaction.seen).await;
            for (position, deleted, inserted) in &transaction.patches {
                self.editor.edit(SECTION, *position, *deleted, inserted);
                self.taken[self.index] += 1;
            }
            self.push();
        }
        self.take_until(&trace.patches()).await;
        while self.editor.pending() > 0 {
            self.take_next(&trace.patches()).await;
        }
    }

    async fn take_until(&mut self, wanted: &[usize]) {
        while self.taken != wanted {
            self.take_next(wanted).await;
        }
        // Acknowledgements bring no text, so none has to wait.
        while self.next_is_no_change() {
            self.take_next(wanted).await;
        }
    }

    fn next_is_no_change(&mut self) -> bool {
        matches!(self.socket.peek(), Some(Received::Message(message)) if message["type"] != "document.change")
    }

    async fn take_next(&mut self, wanted: &[usize]) {
        let message = self.socket.message().await;
        if message["type"] == "document.change" && message["payload"]["part"] == message["payload"]["parts"] {
            let name = message["metadata"]["client_id"].as_str().expect("a change has its author's client");
            let author: usize = name.strip_prefix("author-").and_then(|index| index.parse().ok()).expect("an index");
            self.taken[author] += 1;
            let enough = self.taken[author] <= wanted[author];
            assert!(enough, "author {} has {:?}, wants {wanted:?}, and next is {message}", self.index, self.taken);
        }
        self.editor.take(&message);
        self.push();
    }

    fn push(&mut self) {
        if let Some(message) = self.editor.next_message() {
            self.socket.send(&message);
        }
    }
}

#[tokio::test]
async fn three_people_writing_at_the_same_time() {
    let Some(path) = shared("traces/concurrent/clownschool.json.gz") else {
        return support::skipped(
            "concurrent_trace",
            "the editing traces are not here; set JDDB_SHARED to their directory",
        );
    };
    let trace = Arc::new(Trace::read(&path));
    // In memory: each of the 23,182 patches waits for the disk, which other tests are about.
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut authors = Vec::new();
    for index in 0..trace.authors.len() {
        let token = home.token(&format!("author-{index}"));
        let (socket, state) = Socket::joined(server.port(), DOCUMENT, &token).await;
        let editor = Editor::new(&format!("author-{index}"), &state);
        authors.push(Author { index, editor, socket, taken: vec![0; trace.authors.len()] });
    }
    // All are there before anybody begins: whoever came later would be sent what they must not see yet.
    let type_all = |mut author: Author| {
        let trace = Arc::clone(&trace);
        tokio::spawn(async move {
            author.type_all(&trace).await;
            author
        })
    };
    let typing: Vec<_> = authors.into_iter().map(type_all).collect();
    let mut transformed = 0;
    for author in typing {
        let author = author.await.expect("an author gets to the end");
        assert!(author.editor.text(SECTION) == trace.end_content, "author {} ends with another text", author.index);
        transformed += author.editor.transformed;
    }
    let (version, sections) = http::state(server.port(), DOCUMENT, &home.token("reader")).await;
    assert_eq!(version, trace.patches().iter().sum::<usize>() as u64);
    assert!(sections[SECTION] == trace.end_content.as_str(), "the server ends with another text");
    // How many depends on who is faster; that few are is not possible where 10,218 transactions met others.
    assert!(transformed > 100, "only {transformed} changes were transformed: the authors did not write at once");
    eprintln!("{version} changes, {transformed} of them transformed by the server");
}

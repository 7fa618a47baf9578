//! A server that is killed while many people type in documents that are deleted: all that anybody was told holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::admin;
use crate::support::home::Home;
use crate::support::http;
use crate::support::rng::Rng;
use crate::support::socket::{Received, Socket};
use crate::support::within;

const KILLS: usize = 8;
const DOCUMENTS: [&str; 3] = ["jd_1", "jd_2", "jd_3"];
const PEOPLE: usize = 15;
/// Acknowledgements from one deletion to the next.
const CHANGES_PER_DELETION: usize = 25;

/// What the test is told.
enum Told {
    /// Somebody's change became that version.
    Changed { document: &'static str, name: String, version: u64 },
    /// A deletion is asked for.
    Deleting(&'static str),
    /// It is answered: the version that it was, if there was something to delete.
    Deleted(&'static str, Option<u64>),
}

/// Types until the connection is lost; whose document is deleted opens the next one of that name.
async fn type_on(port: u16, document: &'static str, token: String, person: String, tell: UnboundedSender<Told>) {
    let target = format!("/ws/document/{document}?token={token}");
    let mut number = 0;
    while let Ok(mut socket) = Socket::try_open(port, &target, "").await {
        loop {
            number += 1;
            let name = format!("<{person}.{number}>");
            socket.send(&json!({
                "type": "document.change",
                "payload": {"operation": "insert", "position": 0, "content": name, "section": "body"},
                "metadata": {"client_id": person, "correlation_id": name},
            }));
            let acknowledged = loop {
                match socket.receive_any().await {
                    Received::Message(message) if message["type"] == "document.ack" => break Some(message),
                    Received::Message(_) => {}
                    Received::Closed(4004, _) => break None,
                    Received::Closed(code, reason) => panic!("{person} is closed with {code} {reason}"),
                    Received::Lost => return,
                }
            };
            let Some(acknowledged) = acknowledged else { break };
            let version = acknowledged["payload"]["version"].as_u64().expect("a version");
            // The test may have failed already.
            let _ = tell.send(Told::Changed { document, name, version });
        }
    }
}

/// Deletes what it is told to.
async fn delete_on(port: u16, token: String, mut orders: UnboundedReceiver<&'static str>, tell: UnboundedSender<Told>) {
    while let Some(document) = orders.recv().await {
        let _ = tell.send(Told::Deleting(document));
        let request = http::request("DELETE", &format!("/api/documents/{document}"), Some(&token), None);
        let Ok(answer) = http::try_exchange(port, &request).await else { return };
        let version = match answer.status {
            200 => Some(answer.json()["version"].as_u64().expect("a version")),
            _ => {
                answer.error(404, "DOCUMENT_NOT_FOUND");
                None
            }
        };
        let _ = tell.send(Told::Deleted(document, version));
    }
}

/// What is known of a document by what was told.
#[derive(Debug, Default)]
struct Known {
    /// The versions that anybody was told, of changes and deletions.
    told: BTreeSet<u64>,
    /// No version up to that is used any more.
    floor: u64,
    /// The last deletion.
    deleted: u64,
    /// What was acknowledged and not deleted since, as far as is known.
    kept: BTreeMap<u64, String>,
    /// What was deleted.
    gone: Vec<String>,
    /// A deletion is asked for, and not answered.
    is_open: bool,
}

impl Known {
    fn note(&mut self, version: u64) {
        assert!(version > self.floor, "{version} is no newer than what was told before the kill, {}", self.floor);
        assert!(self.told.insert(version), "{version} is two things");
    }

    fn changed(&mut self, version: u64, name: String) {
        self.note(version);
        // What is acknowledged and what is deleted may be heard of in another order.
        if version < self.deleted {
            self.gone.push(name);
        } else {
            self.kept.insert(version, name);
        }
    }

    fn deleted(&mut self, version: u64) {
        self.note(version);
        self.forget_up_to(version);
    }

    fn forget_up_to(&mut self, version: u64) {
        self.deleted = self.deleted.max(version);
        let kept = self.kept.split_off(&version);
        self.gone.extend(std::mem::replace(&mut self.kept, kept).into_values());
    }

    /// Whether a text may be what is left, and what it tells of a deletion that was not answered.
    fn check(&mut self, document: &str, text: &str) {
        let times = |name: &String| text.matches(name.as_str()).count();
        for name in &self.gone {
            assert_eq!(times(name), 0, "{document}: {name} was deleted");
        }
        let missing = self.kept.iter().filter(|(_, name)| times(name) == 0).map(|(version, _)| *version).max();
        if let Some(missing) = missing {
            assert!(self.is_open, "{document}: version {missing} is lost, and nobody has deleted it");
            self.forget_up_to(missing + 1);
        }
        for (version, name) in &self.kept {
            assert_eq!(times(name), 1, "{document}: {name}, version {version}, of which {missing:?} is missing");
        }
        self.floor = self.told.last().copied().unwrap_or(0);
        self.is_open = false;
    }
}

#[tokio::test]
async fn what_many_were_told_survives_kill_nine() {
    let mut rng = Rng::from_environment("documents_kills");
    let home = Home::new();
    let admin = admin(&home, "root");
    let tokens: Vec<String> = (0..PEOPLE).map(|person| home.token(&format!("user_{person}"))).collect();
    let mut known: BTreeMap<&str, Known> = DOCUMENTS.map(|document| (document, Known::default())).into();
    let (mut changes, mut deletions) = (0, 0);
    for round in 0..=KILLS {
        let server = home.start().ready().await;
        for document in DOCUMENTS {
            let state = http::try_state(server.port(), document, &admin).await;
            let text = state.map_or_else(String::new, |(_, sections)| sections.to_string());
            known.entry(document).or_default().check(document, &text);
        }
        if round == KILLS {
            break;
        }
        let (tell, mut news) = unbounded_channel();
        let (order, orders) = unbounded_channel();
        let mut tasks = JoinSet::new();
        for (person, token) in tokens.iter().enumerate() {
            let document = DOCUMENTS[person % DOCUMENTS.len()];
            tasks.spawn(type_on(server.port(), document, token.clone(), format!("{round}.{person}"), tell.clone()));
        }
        tasks.spawn(delete_on(server.port(), admin.clone(), orders, tell));
        let mut left = 100 + rng.below(300);
        let mut running = Some((server, order));
        // Until everybody has lost their connection, and all that they were told is heard.
        while let Some(told) = within("news", news.recv()).await {
            match told {
                Told::Changed { document, name, version } => {
                    known.entry(document).or_default().changed(version, name);
                    changes += 1;
                }
                Told::Deleting(document) => known.entry(document).or_default().is_open = true,
                Told::Deleted(document, version) => {
                    let known = known.entry(document).or_default();
                    known.is_open = false;
                    version.into_iter().for_each(|version| known.deleted(version));
                    deletions += usize::from(version.is_some());
                }
            }
            left = left.saturating_sub(1);
            if let Some((_, order)) = &running
                && left % CHANGES_PER_DELETION == 1
            {
                order.send(DOCUMENTS[rng.below(DOCUMENTS.len())]).expect("somebody deletes");
            }
            if left == 0 {
                running.take().into_iter().for_each(|(server, _)| server.kill_nine());
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no promise was broken");
        }
    }
    assert!(deletions > KILLS, "{deletions} deletions");
    eprintln!("{changes} changes and {deletions} deletions through {KILLS} kills");
}

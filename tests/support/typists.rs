//! People who type whatever happens to the server, and what is left of their work: all of it, once.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::client::{Client, Lost};
use super::editor::Editor;
use super::home::Home;
use super::rng::Rng;
use super::{http, within};

/// Documents that are edited, by as many people each.
const DOCUMENTS: usize = 3;
/// Edits that a client lets wait.
const WAITING_MAX: usize = 4;
/// Characters at the text's start where half of all edits happen.
const CROWD_CHARACTERS: usize = 20;
/// Versions of each document whose text is looked at in the end.
const VERSIONS_LOOKED_AT: usize = 60;
/// So long that what a client missed is shorter, and it is sent that instead of the whole text.
const SEED_REPEATS: usize = 1_500;
const SEED_TEXT: &str = "Manages the overall planning, rédige les rapports 📎 and reports to the Deputy Minister.\n";
const SECTION: &str = "general_accountability";

/// Many people in a few documents.
#[derive(Debug)]
pub(crate) struct Typists {
    token: String,
    rng: Rng,
    phase: watch::Sender<Phase>,
    news: mpsc::UnboundedReceiver<News>,
    typing: Vec<(String, JoinHandle<Client>)>,
    /// What they were told is kept, by document.
    acknowledged: BTreeMap<String, Vec<String>>,
}

/// What a typist tells the test.
#[derive(Debug)]
enum News {
    /// It has a connection and has caught up.
    Connected,
    /// A change is acknowledged: its document and its name.
    Acknowledged(String, String),
    /// Its connection ended like this.
    Ended(Lost),
}

impl Typists {
    /// So many people, in documents with a text in them.
    pub(crate) async fn sit_down(home: &Home, port: u16, count: usize, mut rng: Rng) -> Self {
        let (phase, follow) = watch::channel(Phase::Wait);
        let (tell, news) = mpsc::unbounded_channel();
        let token = home.token("reader");
        let mut typing = Vec::new();
        for index in 0..count {
            let document = format!("typed_{}", index % DOCUMENTS);
            if index < DOCUMENTS {
                seed(port, &document, &token).await;
            }
            // A user has few connections, whatever a token permits.
            let client = Client::new(&document, &home.token(&format!("user-{index}")), &format!("c{index}"));
            let typist = Typist {
                document: document.clone(),
                client,
                rng: rng.fork(),
                phase: follow.clone(),
                tell: tell.clone(),
            };
            typing.push((document, tokio::spawn(typist.type_through_it_all())));
        }
        Self { token, rng, phase, news, typing, acknowledged: BTreeMap::new() }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.typing.len()
    }

    /// Has them type on a server until all are connected and so many changes were acknowledged, in the middle of it.
    pub(crate) async fn type_on(&mut self, port: u16, acknowledgements: usize) {
        self.phase.send_replace(Phase::Type(port));
        self.go_on(self.count(), acknowledgements).await;
    }

    /// Waits until so many are connected anew and so many more changes are acknowledged; nobody is to be disturbed.
    pub(crate) async fn go_on(&mut self, connections: usize, acknowledgements: usize) {
        let (mut connected, mut acknowledged) = (0, 0);
        while connected < connections || acknowledged < acknowledgements {
            match within("a typist", self.news.recv()).await.expect("somebody types") {
                News::Connected => connected += 1,
                News::Acknowledged(document, name) => {
                    acknowledged += 1;
                    self.note(document, name);
                }
                News::Ended(end) => panic!("a connection ended by itself: {end:?}"),
            }
        }
    }

    /// The server is gone, or going: how each of their connections ended.
    pub(crate) async fn wait(&mut self) -> Vec<Lost> {
        self.phase.send_replace(Phase::Wait);
        let mut ends = Vec::new();
        while ends.len() < self.count() {
            match within("an end", self.news.recv()).await.expect("all are told") {
                News::Ended(end) => ends.push(end),
                News::Acknowledged(document, name) => self.note(document, name),
                News::Connected => {}
            }
        }
        ends
    }

    fn note(&mut self, document: String, name: String) {
        self.acknowledged.entry(document).or_default().push(name);
    }

    /// How much they were told is kept.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.values().map(Vec::len).sum()
    }

    /// What they were told is kept and is not there once, on a server that nobody types on.
    pub(crate) async fn losses(&self, port: u16) -> Vec<String> {
        let mut losses = Vec::new();
        for (document, names) in &self.acknowledged {
            let (version, sections) = http::try_state(port, document, &self.token).await.unwrap_or_default();
            let text = sections[SECTION].as_str().unwrap_or_default();
            let lost = names.iter().filter(|name| text.matches(&format!("<{name}>")).count() != 1);
            losses.extend(lost.map(|name| format!("{name} in {document}, which is at version {version}")));
        }
        losses
    }

    /// Has them send on the last server what still waits, and checks that nothing acknowledged is lost, nothing is there
    /// twice, and all texts are equal. Returns the number of changes.
    ///
    /// # Panics
    /// If not.
    pub(crate) async fn finish(mut self, port: u16) -> usize {
        self.phase.send_replace(Phase::Finish(port));
        let mut documents: BTreeMap<String, Vec<Client>> = BTreeMap::new();
        for (document, typist) in self.typing {
            documents.entry(document).or_default().push(within("a typist", typist).await.expect("it gets to the end"));
        }
        let mut changes = 0;
        for (document, clients) in &mut documents {
            changes += check(port, &self.token, document, clients, &mut self.rng).await;
        }
        changes
    }
}

/// What all clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The server listens on this port.
    Type(u16),
    /// It is dead, or dying.
    Wait,
    /// The last server: send what waits, then stop.
    Finish(u16),
}

/// A person at a keyboard, who types whatever happens to the server.
struct Typist {
    document: String,
    client: Client,
    rng: Rng,
    phase: watch::Receiver<Phase>,
    tell: mpsc::UnboundedSender<News>,
}

impl Typist {
    async fn type_through_it_all(mut self) -> Client {
        loop {
            let phase = *within("a server", self.phase.wait_for(|phase| *phase != Phase::Wait)).await.expect("a phase");
            let (port, last) = match phase {
                Phase::Type(port) => (port, false),
                Phase::Finish(port) => (port, true),
                Phase::Wait => continue,
            };
            match self.work(port).await {
                Ok(()) => return self.client,
                Err(end) => {
                    assert!(!last, "the last server ended a connection: {end:?}");
                    self.report(News::Ended(end));
                }
            }
            // The next thing to hear is that the server is gone, or that there is another one.
            within("a new phase", self.phase.wait_for(|now| *now != phase)).await.expect("a phase");
        }
    }

    /// Types on one connection, until it ends or all is done.
    async fn work(&mut self, port: u16) -> Result<(), Lost> {
        let again = self.client.connect(port).await?;
        self.report(News::Connected);
        again.into_iter().for_each(|name| self.report_acknowledged(name));
        loop {
            let finish = matches!(*self.phase.borrow(), Phase::Finish(_));
            if finish && self.client.editor().pending() == 0 {
                return Ok(());
            }
            while !finish && self.client.editor().pending() < 1 + self.rng.below(WAITING_MAX) {
                type_something(self.client.editor(), &mut self.rng);
            }
            self.client.push();
            tokio::select! {
                acknowledged = self.client.step() => {
                    if let Some(name) = acknowledged? {
                        self.report_acknowledged(name);
                    }
                }
                changed = self.phase.changed() => changed.expect("a phase"),
            }
        }
    }

    fn report_acknowledged(&self, name: String) {
        self.report(News::Acknowledged(self.document.clone(), name));
    }

    fn report(&self, news: News) {
        // The test may have ended already, in failure.
        let _ = self.tell.send(news);
    }
}

/// Inserts `<name>` somewhere, in place of some of the seed's text. No `<name>` is ever split or deleted,
/// so that each has to be there exactly once in the end.
fn type_something(editor: &mut Editor, rng: &mut Rng) {
    let text = editor.text(SECTION);
    let mut places = Vec::new();
    let (mut position, mut inside) = (0, false);
    for character in text.chars() {
        inside |= character == '<';
        places.push((position, character.len_utf16(), inside));
        inside &= character != '>';
        position += character.len_utf16();
    }
    // Half of it where everybody types, so that they often meet at one place.
    let crowded = rng.below(2) == 0;
    let mut index = rng.below(if crowded { CROWD_CHARACTERS } else { places.len() + 1 });
    while index > 0 && places[index - 1].2 && text_goes_on(&places, index) {
        index -= 1;
    }
    let at = places.get(index).map_or(position, |place| place.0);
    let wanted = rng.below(4);
    let deleted = places[index..].iter().take(wanted).take_while(|(_, _, inside)| !inside);
    let length = deleted.map(|(_, units, _)| units).sum();
    let name = editor.next_name();
    editor.edit(SECTION, at, length, &format!("<{name}>"));
}

/// Whether the place before `index` and the one at it belong to one `<name>`.
fn text_goes_on(places: &[(usize, usize, bool)], index: usize) -> bool {
    places.get(index).is_some_and(|place| place.2)
}

async fn seed(port: u16, document: &str, token: &str) {
    let change = serde_json::json!({
        "operation": "insert", "position": 0, "content": SEED_TEXT.repeat(SEED_REPEATS), "section": SECTION,
    });
    let body = serde_json::json!({"changes": [change], "base_version": 0});
    let answer = http::post(port, &format!("/api/documents/{document}/changes"), token, &body).await;
    assert_eq!(answer.ok()["new_version"], 1);
}

/// Every acknowledged change is in the text once, all agree on who made which version, and the history
/// shows each change from its version on.
async fn check(port: u16, token: &str, document: &str, clients: &mut [Client], rng: &mut Rng) -> usize {
    let (version, sections) = http::state(port, document, token).await;
    let text = sections[SECTION].as_str().expect("a text").to_owned();
    let mut authors: BTreeMap<u64, String> = BTreeMap::new();
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for client in clients {
        client.reach(version).await;
        let editor = client.editor();
        assert!(editor.sections() == sections, "{document}: a client's text is not the server's");
        for (version, author) in &editor.seen {
            let known = authors.entry(*version).or_insert_with(|| author.clone());
            assert_eq!(known, author, "{document}: who made version {version}");
        }
        acknowledged.extend(editor.acknowledged.iter().map(|(name, version)| (*version, name.clone())));
    }
    for (version, name) in &acknowledged {
        assert_eq!(text.matches(&format!("<{name}>")).count(), 1, "{document}: {name}, version {version}");
    }
    assert_eq!(text.matches('<').count(), acknowledged.len(), "{document}: something was applied that nobody knows of");
    assert_eq!(version, 1 + acknowledged.len() as u64, "{document}: versions and acknowledgements");
    acknowledged.sort();
    let versions = acknowledged.iter().map(|(version, _)| *version);
    assert!(versions.eq(2..=version), "{document}: each version is one change");
    for _ in 0..VERSIONS_LOOKED_AT.min(acknowledged.len()) {
        let (version, name) = &acknowledged[rng.below(acknowledged.len())];
        for (version, there) in [(version - 1, false), (*version, true)] {
            let path = format!("/api/documents/{document}/state?version={version}");
            let state = http::get(port, &path, token).await.ok();
            let text = state["content"]["sections"][SECTION].as_str().unwrap_or_default().to_owned();
            assert_eq!(state["version"], Value::from(version));
            assert_eq!(text.contains(&format!("<{name}>")), there, "{document}: {name} at version {version}");
        }
    }
    acknowledged.len()
}

//! What a translator waits for: looking texts up among 121,000 real ones and a million made of them, beside
//! rapidfuzz over all of them, with how many of the true answers are found.

mod clock;
mod data;

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    Folded, Glossary, Hit, ImportedTerm, Index, Language, LanguagePair, Mode, PreparedTerms, Query, Scope, Scratch,
    Search, SourceId, TermContent, TermDraft, TermPlace,
};
use rapidfuzz::distance::levenshtein::{Args, BatchComparator};

use clock::{Durations, timed};
use data::{Asked, directory, queries, sources, splice};

/// What the server is built with, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WANTED: usize = 5;
const MIN_SIMILARITY: f64 = 0.7;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(directory) = directory() else {
        println!("skipped: the translation data is not here; set JDDB_SHARED to its directory");
        return Ok(());
    };
    // Without the flag of `cargo bench` it only has to run at all.
    let whole = std::env::args().any(|argument| argument == "--bench");
    glossary(&directory)?;
    memory(&directory, whole)
}

/// All terms of the glossary, in the queries of 100 to 160 characters.
fn glossary(directory: &Path) -> Result<(), Box<dyn Error>> {
    let lines = std::fs::read_to_string(directory.join("glossary.tsv"))?;
    let pair = LanguagePair::new(Language::ENGLISH, Language::FRENCH).ok_or("two languages")?;
    let mut terms = Vec::new();
    for line in lines.lines().skip(1) {
        let mut columns = line.split('\t');
        let mut column = || columns.next().ok_or("four columns");
        let (term, translation, domain) = (column()?, column()?, column()?);
        let draft = TermDraft { term, translation, domain: Some(domain), ..TermDraft::default() };
        terms.push(TermContent::new(&draft)?);
    }
    let glossary = imported(&TermPlace { scope: Scope::Shared, pair }, terms)?;
    let (mut durations, mut found) = (Vec::new(), 0);
    for asked in queries(directory)?.iter().filter(|asked| (100..160).contains(&asked.text.chars().count())) {
        let (terms, duration) = timed(|| glossary.inquire(None, pair).find(&asked.text));
        found += terms?.len();
        durations.push(duration);
    }
    let count = durations.len();
    let durations = Durations::new(durations);
    let [half, nearly_all] = [50, 99].map(|percent| durations.percentile(percent) * 1e3);
    println!(
        "translation_glossary: {} terms; p50 {half:.1} us, p99 {nearly_all:.1} us ({count} texts, {found} terms found)",
        glossary.len(),
    );
    Ok(())
}

/// A glossary of a file's terms, imported as a server does but for the disk: the automaton is made beside all else, what is decided
/// on holds up other changes, and look-ups wait while it is installed.
fn imported(place: &TermPlace, terms: Vec<TermContent>) -> Result<Glossary, Box<dyn Error>> {
    let of = |content| ImportedTerm {
        place: place.clone(),
        content,
        created_by: None,
        created_at: None,
        updated_by: None,
        updated_at: None,
    };
    let batch: Vec<ImportedTerm> = terms.into_iter().map(of).collect();
    let (count, mut glossary) = (batch.len(), Glossary::new(batch.len()));
    let (prepared, preparing) = timed(|| PreparedTerms::new(place, &glossary.at(place), &batch));
    let prepared = prepared.into_iter().collect();
    let (staged, deciding) = timed(|| glossary.stage_imports(batch, prepared, &mut HashSet::new(), "", UnixMillis(0)));
    let (staged, _) = staged?;
    let ((), installing) = timed(|| glossary.install(&staged));
    let [preparing, deciding, installing] =
        [preparing, deciding, installing].map(|duration| duration.as_secs_f64() * 1e3);
    println!(
        "translation_terms: {count} terms imported, {:.0} a second: prepared in {preparing:.1} ms, decided in {deciding:.1} ms, installed in \
         {installing:.1} ms",
        count as f64 / (preparing + deciding + installing) * 1e3
    );
    Ok(glossary)
}

fn memory(directory: &Path, whole: bool) -> Result<(), Box<dyn Error>> {
    let mut sources = sources(directory)?;
    let asked = queries(directory)?;
    if !whole {
        sources.truncate(2_000);
        Bench::new("2k", &sources)?.look_up(Mode::Fast, &asked[..20], &mut Scratch::default())?;
        return Ok(());
    }
    let mut scratch = Scratch::default();
    let real = Bench::new("121k", &sources)?;
    for mode in [Mode::Fast, Mode::Exhaustive] {
        let found = real.look_up(mode, &asked, &mut scratch)?;
        let truth: Vec<Vec<f64>> =
            asked.iter().map(|asked| asked.top5.iter().map(|best| best.similarity).collect()).collect();
        recall("of the answers of queries.jsonl", &truth, &found);
    }
    real.brute_force(&asked[..60])?;
    splice(&mut sources, 1_000_000);
    let million = Bench::new("1m", &sources)?;
    let fast = million.look_up(Mode::Fast, &asked, &mut scratch)?;
    let every = |from: &[Vec<f64>], step: usize| from.iter().step_by(step).cloned().collect::<Vec<_>>();
    let some: Vec<Asked> = asked.into_iter().step_by(4).collect();
    let exhaustive = million.look_up(Mode::Exhaustive, &some, &mut scratch)?;
    recall("of what exhaustive finds, by fast", &exhaustive, &every(&fast, 4));
    let few: Vec<Asked> = some.into_iter().step_by(12).collect();
    let truth = million.brute_force(&few)?;
    recall("of what rapidfuzz finds, by exhaustive", &truth, &every(&exhaustive, 12));
    recall("of what rapidfuzz finds, by fast", &truth, &every(&fast, 48));
    Ok(())
}

/// An index of some texts.
struct Bench {
    name: &'static str,
    folded: Vec<Folded>,
    index: Index,
}

impl Bench {
    /// Folds and indexes, as a server does that starts.
    fn new(name: &'static str, sources: &[String]) -> Result<Self, Box<dyn Error>> {
        let (built, duration) = timed(|| -> Result<_, Box<dyn Error>> {
            let folded = sources.iter().map(|source| Folded::new(source)).collect::<Result<Vec<_>, _>>()?;
            let index = Index::build((0..).map(SourceId).zip(&folded))?;
            Ok((folded, index))
        });
        let (folded, index) = built?;
        let bytes = index.bytes() / sources.len().max(1);
        println!(
            "translation_{name}_build: {} texts in {:.2} s, {bytes} bytes each besides the text",
            sources.len(),
            duration.as_secs_f64()
        );
        Ok(Self { name, folded, index })
    }

    /// The similarities that are found for each; the time is from the text as it was written.
    fn look_up(&self, mode: Mode, asked: &[Asked], scratch: &mut Scratch) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
        let search = Search::new(mode, MIN_SIMILARITY, WANTED)?;
        let mut durations = Vec::new();
        let mut found = Vec::new();
        for asked in asked {
            let (hits, duration) = timed(|| -> Result<_, Box<dyn Error>> {
                let query = Query::new(Folded::new(&asked.text)?);
                Ok(self.index.search(&query, &search, scratch))
            });
            found.push(hits?.iter().map(Hit::similarity).collect());
            durations.push(duration);
        }
        self.report(&format!("{mode:?}").to_lowercase(), durations);
        Ok(found)
    }

    /// rapidfuzz over all texts, with a threshold that rises as ours does.
    fn brute_force(&self, asked: &[Asked]) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
        let texts: Vec<Vec<char>> = self.folded.iter().map(|text| text.as_str().chars().collect()).collect();
        let mut durations = Vec::new();
        let mut found = Vec::new();
        for asked in asked {
            let folded = Folded::new(&asked.text)?;
            let (best, duration) = timed(|| {
                let comparator = BatchComparator::new(folded.as_str().chars());
                let mut best: Vec<f64> = Vec::new();
                for text in &texts {
                    let threshold = if best.len() < WANTED { MIN_SIMILARITY } else { best[WANTED - 1] };
                    let args = Args::default().score_cutoff(threshold);
                    let similarity = comparator.normalized_similarity_with_args(text.iter().copied(), &args);
                    if let Some(similarity) = similarity {
                        best.insert(best.partition_point(|&other| other >= similarity), similarity);
                        best.truncate(WANTED);
                    }
                }
                best
            });
            found.push(best);
            durations.push(duration);
        }
        self.report("rapidfuzz", durations);
        Ok(found)
    }

    fn report(&self, what: &str, durations: Vec<std::time::Duration>) {
        let count = durations.len();
        let durations = Durations::new(durations);
        let [half, nearly_all] = [50, 99].map(|percent| durations.percentile(percent));
        println!("translation_{}_{what}: p50 {half:.3} ms, p99 {nearly_all:.3} ms ({count} texts)", self.name);
    }
}

/// How many of the true answers are found, place by place; equal similarities may be exchanged.
fn recall(what: &str, truth: &[Vec<f64>], found: &[Vec<f64>]) {
    let answers = truth.iter().map(Vec::len).sum::<usize>();
    let places = truth.iter().zip(found).flat_map(|(truth, found)| truth.iter().zip(found));
    // The truth is written with six digits.
    let right = places.filter(|(truth, found)| **found > **truth - 1e-6).count();
    println!("  {right} of {answers} {what}: recall {:.4}", ratio(right, answers));
}

#[expect(clippy::cast_precision_loss, reason = "counts of answers")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

//! A sample of real queries with the answers of brute force, where the data is.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::translation::{Folded, Hit, Index, Mode, Query, Scratch, Search, SourceId};

/// Every so many of the queries are asked; all of them are in the bench.
const STEP: usize = 23;

struct Asked {
    text: String,
    folded: String,
    similarities: Vec<f64>,
}

fn read(directory: &Path) -> Option<(Vec<Folded>, Vec<Asked>)> {
    let mut pairs = String::new();
    let file = std::fs::File::open(directory.join("tm.tsv.gz")).ok()?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut pairs).unwrap();
    let sources = pairs.lines().skip(1).filter_map(|line| line.split('\t').next());
    let mut sources: Vec<Folded> = sources.map(|source| Folded::new(source).unwrap()).collect();
    sources.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    sources.dedup();
    let queries = std::fs::read_to_string(directory.join("queries.jsonl")).ok()?;
    let asked = queries.lines().step_by(STEP).map(|line| {
        let query: serde_json::Value = serde_json::from_str(line).unwrap();
        let best = query["top5"].as_array().unwrap();
        Asked {
            text: query["text"].as_str().unwrap().to_owned(),
            folded: query["folded"].as_str().unwrap().to_owned(),
            similarities: best.iter().map(|hit| hit["similarity"].as_f64().unwrap()).collect(),
        }
    });
    let asked = asked.collect();
    Some((sources, asked))
}

#[test]
fn the_truth_is_found() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from);
    let Some((sources, queries)) = read(&root.join("tm")) else {
        println!("skipped: no tm/tm.tsv.gz and queries.jsonl; JDDB_SHARED says where they are");
        return;
    };
    let index = Index::build((0..).map(SourceId).zip(&sources)).unwrap();
    let mut scratch = Scratch::default();
    let (mut expected, mut found) = (0, 0);
    for asked in &queries {
        let text = Folded::new(&asked.text).unwrap();
        // The truth leaves primes as they are, and so do we.
        assert_eq!(text.as_str(), asked.folded);
        let query = Query::new(text);
        let mut similarities = |mode| {
            let hits = index.search(&query, &Search::new(mode, 0.7, 5).unwrap(), &mut scratch);
            hits.iter().map(Hit::similarity).collect::<Vec<f64>>()
        };
        let all = similarities(Mode::Exhaustive);
        assert_eq!(all.len(), asked.similarities.len(), "{}", asked.text);
        for (one, other) in all.iter().zip(&asked.similarities) {
            // It is written with six digits.
            assert!((one - other).abs() < 1e-6, "{one} instead of {other}: {}", asked.text);
        }
        let fast = similarities(Mode::Fast);
        expected += all.len();
        found += fast.iter().zip(&all).filter(|(fast, all)| fast == all).count();
    }
    assert!(expected > 50 && found * 1000 >= expected * 995, "{found} of {expected} were found");
}

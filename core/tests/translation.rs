//! A sample of real queries with the answers of brute force, where the data is.

use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};

use jddb_core::translation::{Folded, Hit, Index, Mode, Query, Scratch, Search, SourceId};

/// Every so many of the queries are asked; all of them are in the bench.
const STEP: usize = 23;

#[derive(serde::Deserialize)]
struct Asked {
    text: String,
    folded: String,
    top5: Vec<Best>,
}

#[derive(serde::Deserialize)]
struct Best {
    similarity: f64,
}

/// The different sources, folded, and some of the queries.
fn read(directory: &Path) -> Result<(Vec<Folded>, Vec<Asked>), Box<dyn Error>> {
    let mut pairs = String::new();
    let file = std::fs::File::open(directory.join("tm.tsv.gz"))?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut pairs)?;
    let sources = pairs.lines().skip(1).filter_map(|line| line.split('\t').next());
    let mut sources = sources.map(Folded::new).collect::<Result<Vec<Folded>, _>>()?;
    sources.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    sources.dedup();
    let queries = std::fs::read_to_string(directory.join("queries.jsonl"))?;
    let asked = queries.lines().step_by(STEP).map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok((sources, asked))
}

#[test]
fn the_truth_is_found() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let directory = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from).join("tm");
    if !directory.join("tm.tsv.gz").exists() {
        println!("skipped: no tm/tm.tsv.gz and queries.jsonl; JDDB_SHARED says where they are");
        return;
    }
    let (sources, queries) = read(&directory).unwrap();
    let index = Index::build((0..).map(SourceId).zip(&sources)).unwrap();
    let mut scratch = Scratch::default();
    let (mut expected, mut found) = (0, 0);
    for asked in &queries {
        let text = Folded::new(&asked.text).unwrap();
        assert_eq!(text.as_str(), asked.folded);
        let query = Query::new(text);
        let mut similarities = |mode| {
            let hits = index.search(&query, &Search::new(mode, 0.7, 5).unwrap(), &mut scratch);
            hits.iter().map(Hit::similarity).collect::<Vec<f64>>()
        };
        let all = similarities(Mode::Exhaustive);
        assert_eq!(all.len(), asked.top5.len(), "{}", asked.text);
        for (one, other) in all.iter().zip(&asked.top5) {
            // It is written with six digits.
            assert!((one - other.similarity).abs() < 1e-6, "{one}, not {}: {}", other.similarity, asked.text);
        }
        let fast = similarities(Mode::Fast);
        expected += all.len();
        found += fast.iter().zip(&all).filter(|(fast, all)| fast == all).count();
    }
    assert!(expected > 50 && found * 1000 >= expected * 995, "{found} of {expected} were found");
}

//! The real texts, and as many more as are wanted, made of them.

use std::collections::HashSet;
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};

use jddb_core::translation::Folded;

#[derive(serde::Deserialize)]
pub(crate) struct Asked {
    pub(crate) text: String,
    pub(crate) top5: Vec<Best>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Best {
    pub(crate) similarity: f64,
}

/// The directory of the translation data, if it is here.
pub(crate) fn directory() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from);
    Some(root.join("tm")).filter(|path| path.exists())
}

/// The different sources, as they were written first.
pub(crate) fn sources(directory: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut pairs = String::new();
    let file = std::fs::File::open(directory.join("tm.tsv.gz"))?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut pairs)?;
    let mut seen = HashSet::new();
    let sources = pairs.lines().skip(1).filter_map(|line| line.split('\t').next());
    let new = sources.filter(|source| Folded::new(source).is_ok_and(|folded| seen.insert(folded)));
    Ok(new.map(str::to_owned).collect())
}

pub(crate) fn queries(directory: &Path) -> Result<Vec<Asked>, Box<dyn Error>> {
    let lines = std::fs::read_to_string(directory.join("queries.jsonl"))?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Adds texts until there are so many: the beginning of one and the end of another, a quarter to three
/// quarters of each.
pub(crate) fn splice(sources: &mut Vec<String>, count: usize) {
    let real = sources.len();
    let mut seen: HashSet<Folded> = sources.iter().filter_map(|source| Folded::new(source).ok()).collect();
    let mut seed = 1_u64;
    let mut below = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or(0) % bound
    };
    while sources.len() < count {
        let [head, tail]: [Vec<&str>; 2] = std::array::from_fn(|_| sources[below(real)].split(' ').collect());
        let head = &head[..head.len() * (1 + below(3)) / 4];
        let tail = &tail[tail.len() * (1 + below(3)) / 4..];
        let spliced = [head, tail].concat().join(" ");
        if Folded::new(&spliced).is_ok_and(|folded| seen.insert(folded)) {
            sources.push(spliced);
        }
    }
}

//! Real editing sessions, for tests that replay them.
//!
//! They are github.com/josephg/editing-traces, CC BY 4.0: "Editing traces (c) Joseph Gentle and contributors,
//! CC BY 4.0". They are not part of this repository: `JDDB_SHARED` says where they are, else they are looked
//! for beside the checkout.

use std::io::Read;
use std::path::{Path, PathBuf};

/// Every sequential trace, with its number of patches.
const TRACES: [(&str, usize); 5] = [
    ("automerge-paper", 259_778),
    ("clownschool_flat", 23_182),
    ("rustcode", 40_173),
    ("seph-blog1", 137_993),
    ("sveltecomponent", 19_749),
];

pub(crate) struct Trace {
    pub(crate) name: &'static str,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) patches: Vec<Patch>,
}

/// One replacement; positions and lengths are code points.
pub(crate) struct Patch {
    pub(crate) position: usize,
    pub(crate) deleted: usize,
    pub(crate) inserted: String,
}

impl Trace {
    fn read(name: &'static str, path: &Path) -> Self {
        let mut json = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut json).unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let number = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let patch = |patch: &serde_json::Value| Patch {
            position: number(&patch[0]),
            deleted: number(&patch[1]),
            inserted: text(&patch[2]),
        };
        let transactions = trace["txns"].as_array().unwrap().iter();
        let patches = transactions.flat_map(|transaction| transaction["patches"].as_array().unwrap()).map(patch);
        let (start, end) = (text(&trace["startContent"]), text(&trace["endContent"]));
        Self { name, start, end, patches: patches.collect() }
    }
}

/// The traces of these names that are here; says which are not.
pub(crate) fn read(names: &[&str]) -> Vec<Trace> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from);
    let wanted = TRACES.into_iter().filter(|(name, _)| names.contains(name));
    let read = |(name, patches)| {
        let path = root.join(format!("traces/sequential/{name}.json.gz"));
        if !path.exists() {
            println!("skipped: the trace {name} is not here; set JDDB_SHARED to the directory that has traces/");
            return None;
        }
        let trace = Trace::read(name, &path);
        assert_eq!(trace.patches.len(), patches, "{name}");
        Some(trace)
    };
    wanted.filter_map(read).collect()
}

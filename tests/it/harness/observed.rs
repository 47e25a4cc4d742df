//! What the gateway sent in all tests together, kept for `tests/clients/validate.mjs`, which holds it against the
//! published schema after the run.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, OnceLock};

/// Names the file; `tests/run` sets it.
const FILE: &str = "TAILCLAW_TEST_FRAMES";
/// Frames kept of each method and of each event: the thousandth `tick` says nothing new.
const KEPT_OF_EACH: u32 = 40;

struct Observed {
    file: File,
    kept: HashMap<String, u32>,
}

/// Keeps a frame; `method` is what a response answers.
pub fn note(method: Option<&String>, frame: &Value) {
    static OBSERVED: OnceLock<Option<Mutex<Observed>>> = OnceLock::new();
    let observed = OBSERVED.get_or_init(|| {
        let path = std::env::var_os(FILE)?;
        let file = File::options().create(true).append(true).open(path).expect("the file of frames opens");
        Some(Mutex::new(Observed { file, kept: HashMap::new() }))
    });
    let Some(observed) = observed else { return };
    let kind = format!("{}{}{}", method.map_or("", String::as_str), frame["event"], frame["ok"]);
    let mut observed = observed.lock().unwrap();
    let kept = observed.kept.entry(kind).or_default();
    *kept += 1;
    if *kept <= KEPT_OF_EACH {
        let line = format!("{}\n", json!({"method": method, "frame": frame}));
        observed.file.write_all(line.as_bytes()).expect("the frame is kept");
    }
}

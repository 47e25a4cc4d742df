//! `$include`: parts of the configuration in files of their own.
//!
//! `{ $include: "a.json5" }` stands for the file's content, a list for all of them merged in order, and keys beside it
//! go on top. Paths are relative to the including file and stay inside the folder of the configuration, links
//! included: who may write there may write the configuration anyway.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use super::check::join;
use super::{ConfigError, issue};
use crate::protocol::config::Issue;

const KEY: &str = "$include";
const MAX_DEPTH: usize = 10;
const MAX_FILES: usize = 64;
const MAX_BYTES: u64 = 2 * 1024 * 1024;
const MAX_PATH: usize = 4096;

/// A configuration with its includes in place.
#[derive(Debug, Clone, Default)]
pub(super) struct Expanded {
    pub(super) value: Value,
    /// Each file that was read, once, in the order of reading, with its text.
    pub(super) files: Vec<(PathBuf, String)>,
    /// Key paths that hold an `$include`; the root is the empty path.
    pub(super) places: Vec<String>,
}

/// Replaces every `$include` of the file at `path`.
///
/// # Errors
/// All includes that cannot be used, each under the key that it stands at.
pub(super) fn expand(path: &Path, value: Value) -> Result<Expanded, ConfigError> {
    let mut reading = Reading { root: folder_of(path), expanded: Expanded::default(), issues: Vec::new() };
    let chain = vec![normal(path)];
    let value = reading.value(value, "", path, &chain);
    if !reading.issues.is_empty() {
        return Err(ConfigError { issues: reading.issues });
    }
    Ok(Expanded { value, ..reading.expanded })
}

struct Reading {
    /// The folder of the configuration file.
    root: PathBuf,
    expanded: Expanded,
    issues: Vec<Issue>,
}

impl Reading {
    /// `file` is the one that `value` stands in, `chain` the files from the configuration down to it.
    fn value(&mut self, value: Value, key: &str, file: &Path, chain: &[PathBuf]) -> Value {
        match value {
            Value::Array(entries) => {
                let numbered = entries.into_iter().enumerate();
                numbered.map(|(index, entry)| self.value(entry, &join(key, &index.to_string()), file, chain)).collect()
            }
            Value::Object(mut entries) => {
                let include = entries.shift_remove(KEY);
                let rest: Map<String, Value> = entries
                    .into_iter()
                    .map(|(name, entry)| {
                        let entry = self.value(entry, &join(key, &name), file, chain);
                        (name, entry)
                    })
                    .collect();
                match include {
                    None => Value::Object(rest),
                    Some(include) => {
                        self.expanded.places.push(key.to_owned());
                        self.with_include(&include, rest, key, file, chain)
                    }
                }
            }
            value => value,
        }
    }

    fn with_include(
        &mut self,
        include: &Value,
        rest: Map<String, Value>,
        key: &str,
        file: &Path,
        chain: &[PathBuf],
    ) -> Value {
        let here = join(key, KEY);
        let included = match include {
            Value::String(name) => self.file(name, key, file, chain),
            Value::Array(names) => {
                let mut merged = Value::Object(Map::new());
                for name in names {
                    match name.as_str() {
                        Some(name) => {
                            let part = self.file(name, key, file, chain);
                            merge(&mut merged, part);
                        }
                        None => self.issues.push(issue(&here, "every entry of the list must be a file's path")),
                    }
                }
                merged
            }
            _ => {
                self.issues.push(issue(&here, "must be a file's path or a list of them, as in \"./models.json5\""));
                Value::Object(Map::new())
            }
        };
        if rest.is_empty() {
            return included;
        }
        if !included.is_object() {
            self.issues.push(issue(&here, "has keys beside it, so the file must hold an object"));
            return Value::Object(rest);
        }
        let mut merged = included;
        merge(&mut merged, Value::Object(rest));
        merged
    }

    /// The content of one file; after a mistake an empty object.
    fn file(&mut self, name: &str, key: &str, including: &Path, chain: &[PathBuf]) -> Value {
        match self.read(name, including, chain) {
            Ok((path, value)) => {
                let chain = [chain, std::slice::from_ref(&path)].concat();
                self.value(value, key, &path, &chain)
            }
            Err(problem) => {
                self.issues.push(issue(join(key, KEY), problem));
                Value::Object(Map::new())
            }
        }
    }

    fn read(&mut self, name: &str, including: &Path, chain: &[PathBuf]) -> Result<(PathBuf, Value), String> {
        if name.is_empty() || name.len() >= MAX_PATH || name.contains('\0') {
            return Err("is no usable path: write one relative to this file, as in \"./models.json5\"".to_owned());
        }
        let path = normal(&folder_of(including).join(name));
        self.stays_inside(name, &path)?;
        if let Some(at) = chain.iter().position(|file| *file == path) {
            let names = chain.iter().skip(at).chain([&path]).map(|file| self.shown(file));
            return Err(format!("goes in a circle: {}", names.collect::<Vec<_>>().join(" -> ")));
        }
        if chain.len() > MAX_DEPTH {
            return Err(format!("{name:?} is the {MAX_DEPTH}th include within an include: put the files closer"));
        }
        let text = match self.expanded.files.iter().find(|(known, _)| *known == path) {
            Some((_, text)) => text.clone(),
            None => {
                if self.expanded.files.len() >= MAX_FILES {
                    return Err(format!("{name:?} is more than {MAX_FILES} files: join some of them"));
                }
                let text = read_bounded(&path).map_err(|problem| format!("{name:?} {problem}"))?;
                self.expanded.files.push((path.clone(), text.clone()));
                text
            }
        };
        let value = super::document::parse(&text).map_err(|problem| format!("{name:?} is no json5: {problem}"))?;
        Ok((path, value))
    }

    /// By its name and by where links lead.
    fn stays_inside(&self, name: &str, path: &Path) -> Result<(), String> {
        let outside = || {
            Err(format!("{name:?} leads out of the configuration's folder: put the file into it, or into one below it"))
        };
        if !path.starts_with(normal(&self.root)) {
            return outside();
        }
        match (fs::canonicalize(path), fs::canonicalize(&self.root)) {
            (Ok(real), Ok(root)) if !real.starts_with(&root) => outside(),
            // A file that is not there says so when it is read.
            _ => Ok(()),
        }
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(normal(&self.root)).unwrap_or(path).display().to_string()
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let refused = |error: std::io::Error| format!("cannot be read: {error}");
    let file = fs::File::open(path).map_err(refused)?;
    let facts = file.metadata().map_err(refused)?;
    if !facts.is_file() {
        return Err("is no regular file".to_owned());
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(refused)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    Ok(text)
}

/// Objects merge, lists follow each other, anything else is replaced.
fn merge(base: &mut Value, more: Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                match base.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(more)) => base.extend(more),
        (base, more) => *base = more,
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Without `.` and `..`, by the names alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn files(entries: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in entries {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn expanded(folder: &tempfile::TempDir) -> Result<Expanded, ConfigError> {
        let path = folder.path().join("tailclaw.json");
        let text = fs::read_to_string(&path).unwrap();
        expand(&path, json5::from_str(&text).unwrap())
    }

    #[test]
    fn one_file_a_list_and_keys_on_top() {
        let folder = files(&[
            ("tailclaw.json", r#"{ $include: ["a.json5", "parts/b.json5"], gateway: { port: 3 } }"#),
            ("a.json5", "{ gateway: { port: 1, bind: 'lan' }, list: [1] } // a"),
            ("parts/b.json5", r#"{ list: [2], models: { $include: "./c.json" } }"#),
            ("parts/c.json", r#"{"deep": true}"#),
        ]);
        let expanded = expanded(&folder).unwrap();
        let expected = json!({ "gateway": { "port": 3, "bind": "lan" }, "list": [1, 2], "models": { "deep": true } });
        assert_eq!(expanded.value, expected);
        assert_eq!(expanded.files.len(), 3);
        assert_eq!(expanded.places, ["", "models"]);
    }

    #[test]
    fn what_cannot_be_included_is_told_under_its_key() {
        let folder = files(&[
            (
                "tailclaw.json",
                r#"{ a: { $include: "/etc/passwd" }, b: { $include: "../up.json" }, c: { $include: "circle.json" },
                     d: { $include: "none.json" }, e: { $include: 5 }, f: { $include: "link.json" },
                     g: { $include: "broken.json" } }"#,
            ),
            ("circle.json", r#"{ x: { $include: "tailclaw.json" } }"#),
            ("broken.json", "{ nope"),
        ]);
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.json")).unwrap();
        let issues = expanded(&folder).unwrap_err().issues;
        let told: Vec<(&str, &str)> =
            issues.iter().map(|issue| (issue.path.as_str(), issue.message.as_str())).collect();
        let about =
            |key: &str| told.iter().find(|(path, _)| *path == key).unwrap_or_else(|| panic!("{key}: {told:?}")).1;
        for outside in ["a.$include", "b.$include", "f.$include"] {
            assert!(about(outside).contains("leads out of the configuration's folder"), "{told:?}");
        }
        assert_eq!(about("c.x.$include"), "goes in a circle: tailclaw.json -> circle.json -> tailclaw.json");
        assert!(about("d.$include").contains("cannot be read"));
        assert!(about("e.$include").contains("must be a file's path"));
        assert!(about("g.$include").contains("is no json5"));
    }

    #[test]
    fn depth_is_bounded() {
        let names: Vec<(String, String)> =
            (0..20).map(|n| (format!("{n}.json"), format!(r#"{{ $include: "{}.json" }}"#, n + 1))).collect();
        let mut entries: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        entries.push(("tailclaw.json", r#"{ $include: "0.json" }"#));
        let error = expanded(&files(&entries)).unwrap_err();
        assert!(error.to_string().contains("include within an include"), "{error}");
    }

    /// Whatever an include names, nothing outside of the folder is read.
    #[test]
    fn fuzz_includes() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.json5"), "{secret: 'outside'}").unwrap();
        let up = format!("../{}/secret.json5", outside.path().file_name().unwrap().to_string_lossy());
        let absolute = outside.path().join("secret.json5").to_string_lossy().into_owned();
        let folder = files(&[
            ("a.json5", "{x: 1}"),
            ("b.json5", "{$include: './a.json5', y: 2}"),
            ("loop.json5", "{$include: 'loop.json5'}"),
        ]);
        let seeds = [
            serde_json::json!({"gateway": {"$include": "./a.json5"}, "k": {"$include": ["b.json5", up]}}).to_string(),
            serde_json::json!({"$include": ["loop.json5", absolute]}).to_string(),
        ];
        crate::fuzz::fuzz_json(&[&seeds[0], &seeds[1]], |value| {
            if let Ok(expanded) = expand(&folder.path().join("main.json5"), value.clone()) {
                assert!(!expanded.value.to_string().contains("outside"), "{value}");
            }
        });
    }
}

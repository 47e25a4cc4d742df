//! The configuration file itself: read with its includes, shown without its secrets, changed as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::include::{self, Expanded};
use super::layers::{self, Missing};
use super::schema::{self, Kind};
use super::{ConfigError, Environment, check, issue, search, shown};
use crate::protocol::config::Issue;
use crate::store;

/// Deeper than any key lies; a reader that recurses stays within its stack.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone)]
pub struct Document {
    path: PathBuf,
    /// `None`: there is no file.
    text: Option<String>,
    /// As it stands in the file.
    value: Value,
    expanded: Expanded,
}

/// What a write did beside writing.
#[derive(Debug)]
pub struct Replaced {
    /// The file as it was before.
    pub backup: Option<PathBuf>,
    /// It had comments, which are only in the backup now.
    pub lost_comments: bool,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Somebody else wrote it in between.
    #[error("the file has changed since it was read")]
    Changed,
    #[error("{path} cannot be written: {cause}")]
    Io { path: PathBuf, cause: io::Error },
}

impl Document {
    /// A missing file is an empty configuration.
    ///
    /// # Errors
    /// A file that cannot be read or is no json5, with line and column; an include that cannot be used.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let value = match text.as_deref().map(str::trim) {
            None | Some("") => Value::Object(serde_json::Map::new()),
            Some(_) => parse(text.as_deref().unwrap_or_default()).map_err(|problem| {
                ConfigError::one(path.display().to_string(), format!("is no json5: {problem}; mend the file there"))
            })?,
        };
        let expanded = include::expand(path, value.clone())?;
        Ok(Self { path: path.to_owned(), text, value, expanded })
    }

    /// In place of a file that cannot be used: empty, but with its text.
    pub(super) fn broken(path: &Path) -> Self {
        let value = Value::Object(serde_json::Map::new());
        let expanded = Expanded { value: value.clone(), ..Expanded::default() };
        Self { path: path.to_owned(), text: read_text(path).ok().flatten(), value, expanded }
    }

    /// As it stands in the file, includes not in place.
    #[must_use]
    pub const fn authored(&self) -> &Value {
        &self.value
    }

    /// With its includes.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.expanded.value
    }

    #[must_use]
    pub const fn exists(&self) -> bool {
        self.text.is_some()
    }

    pub(super) fn included(&self) -> impl Iterator<Item = &Path> {
        self.expanded.files.iter().map(|(path, _)| path.as_path())
    }

    /// Everything that was read, for a hash of it.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.text.as_deref().into_iter().chain(self.expanded.files.iter().map(|(_, text)| text.as_str()))
    }

    /// What stands at a dotted path, secrets replaced.
    ///
    /// # Errors
    /// A path that is no key of the configuration.
    pub fn at(&self, path: &str) -> Result<Option<Value>, ConfigError> {
        let (keys, _) = locate(path)?;
        let redacted = self.redacted();
        let mut here = Some(&redacted);
        for key in &keys {
            here = here.and_then(|value| match value {
                Value::Array(rows) => key.parse::<usize>().ok().and_then(|index| rows.get(index)),
                _ => value.get(key),
            });
        }
        Ok(here.cloned())
    }

    /// The whole, secrets replaced. Keys outside the table could hold anything and are replaced too.
    #[must_use]
    pub fn redacted(&self) -> Value {
        shown::redact(Kind::Table(schema::ROOT), self.value())
    }

    /// Everything wrong with keys and values, environment references left as they stand.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let mut value = self.value().clone();
        layers::substitute(&mut value, "", &Environment::default(), Missing::Leave, &mut issues);
        check::root(value, &mut issues);
        issues
    }

    /// The content with one value set, if the value is right for its key.
    ///
    /// # Errors
    /// A path that is no key, or a value that is wrong there.
    pub fn with(&self, path: &str, value: Value) -> Result<Value, ConfigError> {
        let (keys, kind) = locate(path)?;
        let mut issues = Vec::new();
        let mut candidate = value.clone();
        layers::substitute(&mut candidate, path, &Environment::default(), Missing::Leave, &mut issues);
        check::single(kind, candidate, path, &mut issues);
        if !issues.is_empty() {
            return Err(ConfigError { issues });
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut content = self.value().clone();
        place(&mut content, &keys, path, value)?;
        Ok(content)
    }

    /// The content without what stands at the path; `None` when nothing does.
    ///
    /// # Errors
    /// A path that cannot be read. One that is no key may be removed: it is a mistake that is there.
    pub fn without(&self, path: &str) -> Result<Option<Value>, ConfigError> {
        let keys = keys_of(path);
        let Some((last, parents)) = keys.split_last() else {
            return Err(ConfigError::one(path, "names no key"));
        };
        let mut content = self.value().clone();
        let pointer: String =
            parents.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
        let removed = match content.pointer_mut(&pointer) {
            Some(Value::Object(entries)) => entries.shift_remove(last),
            Some(Value::Array(rows)) => {
                last.parse::<usize>().ok().filter(|index| *index < rows.len()).map(|index| rows.remove(index))
            }
            _ => None,
        };
        Ok(removed.map(|_| content))
    }

    /// The file that would hold this content: what an include brings in stays there.
    ///
    /// # Errors
    /// The change is to something that only an included file can change.
    pub fn changed_to(&self, content: &Value) -> Result<Self, ConfigError> {
        let value = graft(&self.value, self.value(), content);
        let expanded = include::expand(&self.path, value.clone())?;
        // The content may bring includes of its own.
        if expanded.value != include::expand(&self.path, content.clone())?.value {
            let places: Vec<&str> =
                self.expanded.places.iter().map(|place| if place.is_empty() { "<root>" } else { place }).collect();
            let fix = format!("edit the included file, or remove $include at {} first", places.join(", "));
            return Err(ConfigError::one("$include", format!("holds something that this would change: {fix}")));
        }
        Ok(Self { path: self.path.clone(), text: self.text.clone(), value, expanded })
    }

    /// Writes the file whole or not at all, the text that it replaces kept beside it.
    ///
    /// # Errors
    /// The file is as it was.
    pub fn replace(&mut self) -> Result<Replaced, ReplaceError> {
        let failed = |cause: io::Error| ReplaceError::Io { path: self.path.clone(), cause };
        let text = serde_json::to_string_pretty(&self.value).map_err(|error| failed(io::Error::other(error)))? + "\n";
        let target = follow(&self.path);
        let on_disk = match fs::read_to_string(&target) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if on_disk != self.text {
            return Err(ReplaceError::Changed);
        }
        let mut replaced = Replaced { backup: None, lost_comments: false };
        if let Some(before) = on_disk.filter(|before| *before != text) {
            let backup = beside(&self.path, ".bak");
            store::write_private_file(&backup, before.as_bytes()).map_err(failed)?;
            replaced = Replaced { backup: Some(backup), lost_comments: has_comments(&before) };
        }
        store::write_private_file(&target, text.as_bytes()).map_err(failed)?;
        self.text = Some(text);
        Ok(replaced)
    }
}

fn read_text(path: &Path) -> Result<Option<String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::one(path.display().to_string(), format!("cannot be read: {error}"))),
    }
}

/// Reads json5.
///
/// # Errors
/// Where and why it is none, or that it is nested without end.
pub fn parse(text: &str) -> Result<Value, String> {
    if depth(text) > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    json5::from_str(text).map_err(|error| error.to_string())
}

/// How deep brackets are open at once. Inside of texts and comments they do not count.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for_each_outside(text, |letter| {
        match letter {
            '{' | '[' => open += 1,
            '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    });
    deepest
}

/// `authored` with what differs between `old` and `new`; the rest, order and includes among it, stays.
fn graft(authored: &Value, old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut entries = authored.as_object().cloned().unwrap_or_default();
    entries.retain(|key, _| new.contains_key(key) || !old.contains_key(key));
    for (key, value) in new {
        match old.get(key) {
            Some(known) if known == value => {}
            Some(known) => {
                let inner = graft(entries.get(key).unwrap_or(&Value::Null), known, value);
                entries.insert(key.clone(), inner);
            }
            None => {
                entries.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(entries)
}

fn keys_of(path: &str) -> Vec<String> {
    let dotted = path.replace('[', ".").replace(']', "");
    dotted.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

/// `a.b[0].c` as keys, and what may stand there.
fn locate(path: &str) -> Result<(Vec<String>, Kind), ConfigError> {
    let keys = keys_of(path);
    let parts: Vec<&str> = keys.iter().map(String::as_str).collect();
    if let (false, Some(kind)) = (parts.is_empty(), search::find(&parts)) {
        return Ok((keys, kind));
    }
    let near = parts.last().and_then(|last| search::elsewhere(last)).or_else(|| search::nearest(&parts));
    let fix = near.map_or("see `config get` for the keys in use".to_owned(), |near| format!("did you mean {near}?"));
    Err(ConfigError { issues: vec![issue(path, format!("is no known key: {fix}"))] })
}

fn place(root: &mut Value, keys: &[&str], path: &str, value: Value) -> Result<(), ConfigError> {
    // Lists are edited whole or by an index that exists; objects are made on the way.
    let through_list = keys.iter().any(|key| key.parse::<usize>().is_ok());
    if !through_list {
        layers::insert(root, keys, value);
        return Ok(());
    }
    let pointer: String = keys.iter().map(|key| format!("/{key}")).collect();
    let Some(spot) = root.pointer_mut(&pointer) else {
        return Err(ConfigError::one(path, "there is no such entry: set the whole list instead"));
    };
    *spot = value;
    Ok(())
}

/// Whether `//` or `/*` stands outside of texts.
fn has_comments(text: &str) -> bool {
    for_each_outside(text, |_| {})
}

/// Calls `visit` for every letter outside of texts and comments, and returns whether there were comments.
fn for_each_outside(text: &str, mut visit: impl FnMut(char)) -> bool {
    let mut has_comments = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('"' | '\'', _) => {
                while let Some(inside) = letters.next() {
                    match inside {
                        '\\' => drop(letters.next()),
                        end if end == letter => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => {
                has_comments = true;
                letters.by_ref().find(|inside| matches!(inside, '\n' | '\r' | '\u{2028}' | '\u{2029}'));
            }
            ('/', Some('*')) => {
                has_comments = true;
                letters.next();
                let mut previous = ' ';
                letters.by_ref().find(|inside| std::mem::replace(&mut previous, *inside) == '*' && *inside == '/');
            }
            _ => visit(letter),
        }
    }
    has_comments
}

/// The file that a link leads to, also when it is not there yet: a link stays a link.
fn follow(path: &Path) -> PathBuf {
    const MAX_LINKS: usize = 16;
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&path) else { break };
        path = path.parent().map_or(next.clone(), |folder| folder.join(&next));
    }
    path
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::protocol::config::REDACTED;

    fn document(text: &str) -> (tempfile::TempDir, Document) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tailclaw.json");
        fs::write(&path, text).unwrap();
        let document = Document::read(&path).unwrap();
        (folder, document)
    }

    fn set(document: &Document, path: &str, value: Value) -> Result<Document, ConfigError> {
        document.changed_to(&document.with(path, value)?)
    }

    #[test]
    fn values_are_found_and_secrets_not_shown() {
        let (_folder, document) = document(r#"{ gateway: { auth: { token: "hunter2" }, port: 1 } }"#);
        assert_eq!(document.at("gateway.port").unwrap(), Some(json!(1)));
        assert_eq!(document.at("gateway.auth.token").unwrap(), Some(json!(REDACTED)));
        assert_eq!(document.at("gateway.bind").unwrap(), None);
        assert!(document.at("gateway.prot").unwrap_err().to_string().contains("gateway.port"));
    }

    #[test]
    fn an_edit_is_checked_first_and_keeps_what_was_there() {
        let text = "{ gateway: { port: 1 } // mine\n}";
        let (folder, document) = document(text);
        assert!(document.with("gateway.port", json!("x")).is_err());
        let mut edited = set(&document, "gateway.auth.token", json!("${T}")).unwrap();
        let replaced = edited.replace().unwrap();
        assert!(replaced.lost_comments);
        assert_eq!(fs::read_to_string(replaced.backup.unwrap()).unwrap(), text);
        let path = folder.path().join("tailclaw.json");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Document::read(&path).unwrap();
        assert_eq!(again.value(), &json!({ "gateway": { "port": 1, "auth": { "token": "${T}" } } }));
        // Based on a text that is no longer there.
        let mut late = set(&document, "gateway.port", json!(2)).unwrap();
        assert!(matches!(late.replace(), Err(ReplaceError::Changed)));
        let removed = again.without("gateway.auth").unwrap().unwrap();
        assert_eq!(removed, json!({ "gateway": { "port": 1 } }));
        assert!(again.without("gateway.bind").unwrap().is_none());
    }

    #[test]
    fn a_link_stays_a_link_also_to_a_file_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tailclaw.json");
        fs::create_dir(folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere/real.json", &path).unwrap();
        for port in [1, 2] {
            let mut edited = set(&Document::read(&path).unwrap(), "gateway.port", json!(port)).unwrap();
            edited.replace().unwrap();
            assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
            assert!(fs::read_to_string(folder.path().join("elsewhere/real.json")).unwrap().contains(&port.to_string()));
        }
    }

    #[test]
    fn lists_are_edited_by_index_or_whole() {
        let (_folder, document) = document(r#"{ models: { providers: { a: { models: [{ id: "x" }] } } } }"#);
        let edited = set(&document, "models.providers.a.models[0].id", json!("y")).unwrap();
        assert_eq!(edited.at("models.providers.a.models[0].id").unwrap(), Some(json!("y")));
        assert!(document.with("models.providers.a.models[3].id", json!("y")).is_err());
    }

    #[test]
    fn what_is_included_stays_in_its_file() {
        let (folder, _) = document("{}");
        fs::write(folder.path().join("g.json5"), "{ port: 1, auth: { token: 'a' } }").unwrap();
        let path = folder.path().join("tailclaw.json");
        fs::write(&path, "{ gateway: { $include: 'g.json5' }, logging: { level: 'info' } }").unwrap();
        let document = Document::read(&path).unwrap();
        assert_eq!(document.at("gateway.port").unwrap(), Some(json!(1)));
        let edited = set(&document, "logging.level", json!("warn")).unwrap();
        let expected = json!({ "gateway": { "$include": "g.json5" }, "logging": { "level": "warn" } });
        assert_eq!(edited.authored(), &expected);
        // A key on top of the include has the last word.
        let edited = set(&document, "gateway.port", json!(2)).unwrap();
        assert_eq!(edited.authored()["gateway"], json!({ "$include": "g.json5", "port": 2 }));
        // Removing what the other file says is only possible there.
        let removed = document.without("gateway.auth").unwrap().unwrap();
        assert!(document.changed_to(&removed).unwrap_err().to_string().contains("edit the included file"));
    }

    #[test]
    fn endless_nesting_is_refused_before_it_is_read() {
        assert!(parse(&"[".repeat(100_000)).unwrap_err().contains("nested"));
        assert!(parse("{ a: [{ b: 1 }] }").is_ok());
    }

    #[test]
    fn slashes_inside_of_texts_are_no_comments() {
        assert!(!has_comments(r#"{ a: "http://x", b: 'it\'s //' }"#));
        assert!(has_comments("{ a: 1, /* b */ }"));
    }

    #[test]
    fn fuzz_texts() {
        let seeds = [
            "{gateway: {port: 1, /* x */ auth: {token: 'a\\u0041'}}}",
            "// c\n{a: [1, +2, .5, 0xF, Infinity]}",
            "[[[[",
        ];
        crate::fuzz::fuzz_text(&seeds, |text| {
            let _ = has_comments(text);
            let read = parse(text);
            assert!(read.is_err() || depth(text) > 0 || !text.contains('{'), "{text:?}");
        });
    }
}

//! The configuration file itself: read, shown without its secrets, edited by key path.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::layers::{self, Missing};
use super::schema::{self, Kind};
use super::{ConfigError, Environment, check, issue, search, shown};
use crate::protocol::config::Issue;
use crate::store;

#[derive(Debug, Clone)]
pub struct Document {
    path: PathBuf,
    /// `None`: there is no file.
    text: Option<String>,
    value: Value,
}

/// Why an edit was not made. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The value is wrong for the key: mend the value.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    #[error("{path} cannot be written: {cause}")]
    Io { path: PathBuf, cause: io::Error },
}

/// What an edit did beside setting the value.
#[derive(Debug)]
pub struct Written {
    /// The file before the edit, kept because it had comments, which do not survive.
    pub backup: Option<PathBuf>,
}

impl Document {
    /// A missing file is an empty configuration.
    ///
    /// # Errors
    /// A file that cannot be read, or is no json5: with line and column.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = || path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(ConfigError::one(shown(), format!("cannot be read: {error}"))),
        };
        let value = match text.as_deref().map(str::trim) {
            None | Some("") => Value::Object(serde_json::Map::new()),
            Some(_) => json5::from_str(text.as_deref().unwrap_or_default())
                .map_err(|error| ConfigError::one(shown(), format!("is no json5: {error}; mend the file there")))?,
        };
        Ok(Self { path: path.to_owned(), text, value })
    }

    /// An empty configuration in place of a file that cannot be used.
    pub(super) fn missing(path: &Path) -> Self {
        Self { path: path.to_owned(), text: None, value: Value::Object(serde_json::Map::new()) }
    }

    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    #[must_use]
    pub const fn exists(&self) -> bool {
        self.text.is_some()
    }

    /// Hex SHA-256 of the file's text; of nothing if there is none.
    #[must_use]
    pub fn hash(&self) -> String {
        crate::secret::hex(&Sha256::digest(self.text.as_deref().unwrap_or_default().as_bytes()))
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

    /// The whole file, secrets replaced. Keys outside the table could hold anything and are replaced too.
    #[must_use]
    pub fn redacted(&self) -> Value {
        shown::redact(Kind::Table(schema::ROOT), &self.value)
    }

    /// Everything wrong with keys and values, environment references left as they stand.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let mut value = self.value.clone();
        layers::substitute(&mut value, "", &Environment::default(), Missing::Leave, &mut issues);
        check::root(value, &mut issues);
        issues
    }

    /// Sets one value and writes the file, if the value is right for its key.
    ///
    /// # Errors
    /// Nothing was written: [`WriteError`] says why.
    pub fn set(&mut self, path: &str, value: Value) -> Result<Written, WriteError> {
        let (keys, kind) = locate(path)?;
        let mut issues = Vec::new();
        let mut candidate = value.clone();
        layers::substitute(&mut candidate, path, &Environment::default(), Missing::Leave, &mut issues);
        check::single(kind, candidate, path, &mut issues);
        if !issues.is_empty() {
            return Err(ConfigError { issues }.into());
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        place(&mut self.value, &keys, path, value)?;
        self.write()
    }

    fn write(&mut self) -> Result<Written, WriteError> {
        let text = serde_json::to_string_pretty(&self.value).map_err(io::Error::other);
        let outcome = text.and_then(|text| {
            let backup = self.back_up_comments()?;
            replace(&self.path, format!("{text}\n").as_bytes())?;
            self.text = Some(format!("{text}\n"));
            Ok(Written { backup })
        });
        outcome.map_err(|cause| WriteError::Io { path: self.path.clone(), cause })
    }

    /// Writing back loses comments: the file as it was is kept beside it.
    fn back_up_comments(&self) -> io::Result<Option<PathBuf>> {
        let Some(text) = self.text.as_deref().filter(|text| has_comments(text)) else { return Ok(None) };
        let mut name = self.path.clone().into_os_string();
        name.push(".bak");
        let backup = PathBuf::from(name);
        replace(&backup, text.as_bytes())?;
        Ok(Some(backup))
    }
}

/// `a.b[0].c` as keys, and what may stand there.
fn locate(path: &str) -> Result<(Vec<String>, Kind), ConfigError> {
    let dotted = path.replace('[', ".").replace(']', "");
    let keys: Vec<String> = dotted.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
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
    let mut quote = None;
    let mut previous = '\0';
    let mut is_escaped = false;
    for letter in text.chars() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if letter == '\\' => is_escaped = true,
            Some(mark) if letter == mark => quote = None,
            Some(_) => {}
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if previous == '/' && matches!(letter, '/' | '*') => return true,
            None => {}
        }
        previous = letter;
    }
    false
}

/// Replaces a file so that a crash leaves the old or the new one, never a part.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Through a link the file behind it is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    store::write_private_file(&path, bytes)
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

    #[test]
    fn secrets_are_not_shown() {
        let (_folder, document) = document(
            r#"{ gateway: { auth: { token: "hunter2" }, port: 1 }, channels: { telegram: "hunter2" },
                 models: { providers: { a: { apiKey: "hunter2", baseUrl: "http://x" } } } }"#,
        );
        let shown = document.redacted().to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(document.at("gateway.port").unwrap(), Some(json!(1)));
        assert_eq!(document.at("gateway.auth.token").unwrap(), Some(json!(REDACTED)));
        assert_eq!(document.at("gateway.bind").unwrap(), None);
        assert!(document.at("gateway.prot").unwrap_err().to_string().contains("gateway.port"));
    }

    #[test]
    fn an_edit_is_checked_first_and_keeps_what_was_there() {
        let (folder, mut document) = document("{ gateway: { port: 1 } // mine\n}");
        let before = document.hash();
        assert!(matches!(document.set("gateway.port", json!("x")), Err(WriteError::Invalid(_))));
        assert_eq!(document.hash(), before);
        let written = document.set("gateway.auth.token", json!("${T}")).unwrap();
        assert_eq!(fs::read_to_string(written.backup.unwrap()).unwrap(), "{ gateway: { port: 1 } // mine\n}");
        let path = folder.path().join("tailclaw.json");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Document::read(&path).unwrap();
        assert_eq!(again.value(), &json!({ "gateway": { "port": 1, "auth": { "token": "${T}" } } }));
        assert_eq!(again.hash(), document.hash());
        assert_ne!(again.hash(), before);
    }

    #[test]
    fn lists_are_edited_by_index_or_whole() {
        let (_folder, mut document) = document(r#"{ models: { providers: { a: { models: [{ id: "x" }] } } } }"#);
        document.set("models.providers.a.models[0].id", json!("y")).unwrap();
        assert_eq!(document.at("models.providers.a.models[0].id").unwrap(), Some(json!("y")));
        assert!(document.set("models.providers.a.models[3].id", json!("y")).is_err());
    }

    #[test]
    fn slashes_inside_of_texts_are_no_comments() {
        assert!(!has_comments(r#"{ a: "http://x", b: 'it\'s //' }"#));
        assert!(has_comments("{ a: 1, /* b */ }"));
    }
}

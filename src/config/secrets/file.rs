//! Secrets in a file that only its owner can read: a JSON object, or one secret alone.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Found, Provider};

/// The id of the one secret of a file that is nothing else.
pub(super) const WHOLE: &str = "value";
const DEFAULT_MAX_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Mode {
    #[default]
    Json,
    SingleValue,
}

pub(super) fn look_up(name: &str, provider: &Provider, ids: &[&str]) -> Result<Found, String> {
    let Some(path) = provider.path.as_deref() else {
        return Err(format!("secrets.providers.{name}.path is needed: write where the file is"));
    };
    let text = read(path, provider.max_bytes.unwrap_or(DEFAULT_MAX_BYTES))
        .map_err(|problem| format!("the file of secrets.providers.{name} {problem}"))?;
    if provider.mode == Mode::SingleValue {
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        let of = |id: &str| match id {
            WHOLE => Ok(secret.to_owned()),
            _ => Err(format!("secrets.providers.{name} holds one secret: write the id \"{WHOLE}\"")),
        };
        return Ok(ids.iter().map(|id| ((*id).to_owned(), of(id))).collect());
    }
    // What does not parse is not shown: it is full of secrets.
    let root: Value = serde_json::from_str(&text)
        .map_err(|_| format!("the file of secrets.providers.{name} is no JSON: mend it, or set its mode"))?;
    let of = |id: &str| match root.pointer(id) {
        Some(Value::String(secret)) => Ok(secret.clone()),
        Some(_) => Err("there is something else than text: refer to a text".to_owned()),
        None => Err("there is nothing at this place of the file: check the id".to_owned()),
    };
    Ok(ids.iter().map(|id| ((*id).to_owned(), of(id))).collect())
}

fn read(path: &Path, most: u64) -> Result<Zeroizing<String>, String> {
    if !path.is_absolute() {
        return Err("must be named by an absolute path".to_owned());
    }
    let refused = |error: std::io::Error| format!("cannot be read: {error}");
    // A pipe put in its place must not hold up the start.
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let mut file = fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path).map_err(refused)?;
    // Asked of what is open, not of the name.
    let facts = file.metadata().map_err(refused)?;
    if !facts.is_file() {
        return Err("is no regular file".to_owned());
    }
    if facts.mode() & 0o077 != 0 {
        return Err(format!("can be read by other users: run chmod 600 {}", path.display()));
    }
    if facts.uid() != 0 && facts.uid() != rustix::process::geteuid().as_raw() {
        return Err("belongs to another user: make it yours".to_owned());
    }
    let mut text = Zeroizing::new(String::new());
    file.by_ref().take(most + 1).read_to_string(&mut text).map_err(refused)?;
    if text.len() as u64 > most {
        return Err(format!("is larger than {most} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn provider(json: Value) -> Provider {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_a_private_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        fs::write(&path, r#"{"models": {"key": "hunter2", "number": 5}}"#).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let place = provider(serde_json::json!({ "source": "file", "path": path }));
        let error = look_up("f", &place, &["/models/key"]).unwrap_err();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let found = look_up("f", &place, &["/models/key", "/models/number", "/none"]).unwrap();
        assert_eq!(found["/models/key"].as_deref(), Ok("hunter2"));
        assert!(found["/models/number"].is_err() && found["/none"].is_err());
        let tiny = provider(serde_json::json!({ "source": "file", "path": path, "maxBytes": 4 }));
        assert!(look_up("f", &tiny, &["/models/key"]).unwrap_err().contains("larger than 4 bytes"));
        let single = provider(serde_json::json!({ "source": "file", "path": path, "mode": "singleValue" }));
        fs::write(&path, "hunter3\n").unwrap();
        let found = look_up("f", &single, &["value", "/x"]).unwrap();
        assert_eq!(found["value"].as_deref(), Ok("hunter3"));
        assert!(found["/x"].is_err());
        // What is no JSON is not repeated.
        assert!(!look_up("f", &place, &["/x"]).unwrap_err().contains("hunter3"));
    }
}

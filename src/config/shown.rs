//! What others may see of the configuration: everything but its secrets.

use serde_json::Value;

use super::schema::Kind;
use super::{Document, Environment, Overrides, Paths, resolve};
use crate::protocol::config::{GetReply, REDACTED};

/// The reply of `config.get`: the file as it stands now, and what is wrong with it.
#[must_use]
pub fn snapshot(paths: &Paths, environment: &Environment) -> GetReply {
    let (document, mut issues) = match Document::read(&paths.config_file) {
        Ok(document) => (document, Vec::new()),
        Err(error) => (Document::missing(&paths.config_file), error.issues),
    };
    if let Err(error) = resolve::draft(&document, paths.clone(), environment, &Overrides::default()) {
        issues.extend(error.issues);
    }
    let redacted = document.redacted();
    GetReply {
        path: paths.config_file.display().to_string(),
        exists: paths.config_file.exists(),
        raw: None,
        parsed: redacted.clone(),
        source_config: redacted.clone(),
        resolved: redacted.clone(),
        config: redacted,
        valid: issues.is_empty(),
        hash: document.hash(),
        issues,
        warnings: Vec::new(),
        legacy_issues: Vec::new(),
    }
}

/// The value with secrets replaced, and with them whatever stands where the table expects something else.
pub(super) fn redact(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Secret, Value::Null) => Value::Null,
        (Kind::Secret, _) => Value::from(REDACTED),
        (Kind::Table(fields) | Kind::TextOrTable(fields), Value::Object(entries)) => {
            let shown = entries.iter().map(|(key, value)| {
                let field = fields.iter().find(|field| field.name == key);
                (key.clone(), field.map_or_else(|| Value::from(REDACTED), |field| redact(field.kind, value)))
            });
            Value::Object(shown.collect())
        }
        (Kind::Named(fields), Value::Object(entries)) => {
            let shown = entries.iter().map(|(key, value)| (key.clone(), redact(Kind::Table(fields), value)));
            Value::Object(shown.collect())
        }
        (Kind::Map(inner), Value::Object(entries)) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), redact(*inner, value))).collect())
        }
        (Kind::Rows(fields), Value::Array(rows)) => {
            Value::Array(rows.iter().map(|row| redact(Kind::Table(fields), row)).collect())
        }
        // A scalar where an object belongs may be a secret in the wrong place.
        (Kind::Table(_) | Kind::Named(_) | Kind::Map(_) | Kind::Rows(_), _) => Value::from(REDACTED),
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_still_answers() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { state_dir: folder.path().into(), config_file: folder.path().join("tailclaw.json") };
        std::fs::write(&paths.config_file, "{}").unwrap();
        assert!(snapshot(&paths, &Environment::default()).valid);
        std::fs::write(&paths.config_file, "{ gateway: ").unwrap();
        let reply = snapshot(&paths, &Environment::default());
        assert!(!reply.valid && reply.exists && reply.issues.len() == 1);
    }
}

//! What others may see of the configuration: everything but its secrets.

use serde_json::{Value, json};

use super::layers;
use super::schema::Kind;
use super::secrets::Reference;
use crate::protocol::config::REDACTED;

/// The value with secrets replaced, and with them whatever stands where the table expects something else.
pub(super) fn redact(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        // The name of a variable is no secret.
        (Kind::Secret | Kind::Hidden, Value::String(text)) if layers::is_reference(text) => value.clone(),
        (Kind::Secret, Value::Object(_)) => match Reference::parse(value) {
            Ok(reference) => json!({ "source": reference.source, "provider": reference.provider, "id": REDACTED }),
            Err(_) => Value::from(REDACTED),
        },
        (Kind::Secret | Kind::Hidden, _) => Value::from(REDACTED),
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
        (Kind::Text | Kind::TextOrTable(_), Value::String(text)) if has_userinfo(text) => Value::from(REDACTED),
        (Kind::TextList | Kind::EveryOrList, Value::Array(texts)) => {
            Value::Array(texts.iter().map(|text| redact(Kind::Text, text)).collect())
        }
        // Something else where an object or a list belongs may be a secret in the wrong place.
        (Kind::Table(_) | Kind::Named(_) | Kind::Map(_) | Kind::Rows(_) | Kind::TextList, _) => Value::from(REDACTED),
        (_, Value::Object(_) | Value::Array(_)) => Value::from(REDACTED),
        (_, value) => value.clone(),
    }
}

/// `https://name:secret@host`.
fn has_userinfo(text: &str) -> bool {
    let authority = text.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest));
    authority.is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::ROOT;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let shown = redact(
            Kind::Table(ROOT),
            &json!({
                "gateway": { "auth": { "token": "hunter2", "password": "${PASSWORD}" }, "port": 1, "bind": ["hunter2"] },
                "channels": { "telegram": "hunter2" },
                "models": { "providers": {
                    "a": { "apiKey": { "source": "env", "provider": "default", "id": "KEY" }, "baseUrl": "http://u:hunter2@h/v1" },
                    "b": "hunter2",
                    "c": { "apiKey": ["hunter2"], "models": "hunter2" } } },
                "secrets": { "providers": { "v": { "env": { "X": "hunter2" } } } }
            }),
        );
        assert!(!shown.to_string().contains("hunter2"), "{shown:#}");
        assert_eq!(shown["gateway"]["port"], 1);
        assert_eq!(shown["gateway"]["auth"]["password"], "${PASSWORD}");
        let reference = json!({ "source": "env", "provider": "default", "id": REDACTED });
        assert_eq!(shown["models"]["providers"]["a"]["apiKey"], reference);
    }
}

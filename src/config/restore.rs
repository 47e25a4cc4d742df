//! The way back from what was shown: the sentinel stands for the secret that is stored.

use serde_json::Value;

use super::check::join;
use super::schema::Kind;
use super::secrets::Reference;
use crate::protocol::config::REDACTED;

/// Puts stored secrets in place of the sentinel.
///
/// # Errors
/// A sentence about a sentinel that nothing is stored for: it would become the secret itself.
pub(super) fn restore(kind: Kind, incoming: Value, stored: Option<&Value>) -> Result<Value, String> {
    at(kind, incoming, stored, "")
}

fn at(kind: Kind, incoming: Value, stored: Option<&Value>, path: &str) -> Result<Value, String> {
    match (kind, incoming) {
        (Kind::Secret | Kind::Hidden | Kind::Text | Kind::TextOrTable(_), Value::String(text)) if text == REDACTED => {
            stored
                .filter(|stored| !stored.is_null())
                .cloned()
                .ok_or_else(|| format!("Sentinel value \"{REDACTED}\" in key {path} is not valid as real data"))
        }
        (Kind::Secret, incoming @ Value::Object(_)) => reference(incoming, stored, path),
        (Kind::Table(fields) | Kind::TextOrTable(fields), Value::Object(entries)) => {
            let restored = entries.into_iter().map(|(key, value)| {
                let kind = fields.iter().find(|field| field.name == key).map_or(Kind::Flag, |field| field.kind);
                let value = at(kind, value, child(stored, &key), &join(path, &key))?;
                Ok((key, value))
            });
            restored.collect::<Result<_, String>>().map(Value::Object)
        }
        (Kind::Named(_) | Kind::Map(_), Value::Object(entries)) => {
            let inner = match kind {
                Kind::Named(fields) => Kind::Table(fields),
                Kind::Map(inner) => *inner,
                _ => Kind::Flag,
            };
            let restored = entries.into_iter().map(|(key, value)| {
                let value = at(inner, value, child(stored, &key), &join(path, "*"))?;
                Ok((key, value))
            });
            restored.collect::<Result<_, String>>().map(Value::Object)
        }
        (Kind::Rows(_) | Kind::TextList | Kind::EveryOrList, Value::Array(rows)) => {
            let inner = if let Kind::Rows(fields) = kind { Kind::Table(fields) } else { Kind::Text };
            let here = format!("{path}[]");
            let restored = rows.into_iter().enumerate().map(|(index, row)| {
                let stored = counterpart(stored, index, &row);
                at(inner, row, stored, &here)
            });
            restored.collect::<Result<_, String>>().map(Value::Array)
        }
        (_, incoming) if holds_sentinel(&incoming) => {
            Err(format!("Reserved redaction sentinel \"{REDACTED}\" is not valid config data ({path})."))
        }
        (_, incoming) => Ok(incoming),
    }
}

fn child<'a>(stored: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    stored?.get(key)
}

/// The stored row of the same id; without ids, that at the same place.
fn counterpart<'a>(stored: Option<&'a Value>, index: usize, row: &Value) -> Option<&'a Value> {
    let stored = stored?.as_array()?;
    match row.get("id") {
        Some(id) => stored.iter().find(|known| known.get("id") == Some(id)),
        None => stored.get(index),
    }
}

fn reference(incoming: Value, stored: Option<&Value>, path: &str) -> Result<Value, String> {
    let is_hidden = incoming.get("id").and_then(Value::as_str) == Some(REDACTED);
    if !is_hidden {
        return Ok(incoming);
    }
    let Some(Ok(known)) = stored.filter(|stored| stored.is_object()).map(Reference::parse) else {
        return Err(format!("SecretRef at {path} contains a redacted id placeholder with no matching original value."));
    };
    let same = |key: &str, known: &str| incoming.get(key).and_then(Value::as_str) == Some(known);
    if same("source", known.source.as_str()) && same("provider", &known.provider) {
        return Ok(stored.cloned().unwrap_or(incoming));
    }
    Err(format!(
        "SecretRef at {path} changed source/provider while id is redacted. Provide an explicit id when changing \
         source/provider."
    ))
}

fn holds_sentinel(value: &Value) -> bool {
    match value {
        Value::String(text) => text == REDACTED,
        Value::Array(entries) => entries.iter().any(holds_sentinel),
        Value::Object(entries) => entries.values().any(holds_sentinel),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::schema::ROOT;
    use crate::config::shown::redact;

    fn back(incoming: Value, stored: &Value) -> Result<Value, String> {
        restore(Kind::Table(ROOT), incoming, Some(stored))
    }

    #[test]
    fn what_was_shown_comes_back_whole() {
        let stored = json!({
            "gateway": { "auth": { "token": "hunter2" } },
            "models": { "providers": {
                "a": { "apiKey": { "source": "file", "provider": "v", "id": "/a" }, "baseUrl": "http://u:p@h" },
                "b": { "apiKey": "${KEY}" } } },
            "secrets": { "providers": { "v": { "env": { "X": "hunter2" } } } }
        });
        let shown = redact(Kind::Table(ROOT), &stored);
        assert_ne!(shown, stored);
        assert_eq!(back(shown, &stored).unwrap(), stored);
    }

    #[test]
    fn a_sentinel_without_a_secret_is_refused() {
        let stored = json!({ "models": { "providers": { "a": { "apiKey": "k" } } } });
        let provider = |provider: Value| json!({ "models": { "providers": { "b": provider } } });
        assert_eq!(
            back(provider(json!({ "apiKey": REDACTED })), &stored).unwrap_err(),
            "Sentinel value \"__OPENCLAW_REDACTED__\" in key models.providers.*.apiKey is not valid as real data"
        );
        let reference = json!({ "apiKey": { "source": "env", "provider": "default", "id": REDACTED } });
        assert!(back(provider(reference), &stored).unwrap_err().contains("no matching original value"));
        let elsewhere = json!({ "gateway": { "port": REDACTED } });
        assert!(back(elsewhere, &stored).unwrap_err().contains("Reserved redaction sentinel"));
    }
}

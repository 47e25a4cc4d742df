//! Secrets that the file only refers to: `{ source: "env" | "file" | "exec", provider, id }`, as OpenClaw has them.
//!
//! `secrets.providers` names the places. They are looked up at the start and at a reload, each place once for all its
//! references, before anything else of the configuration is used. What is found goes into the value under its key and
//! nowhere else; messages name keys, places and ids, never what was found.

mod exec;
mod file;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::check::join;
use super::schema::{Kind, ROOT};
use super::{Environment, issue};
use crate::protocol::config::Issue;

/// The place that needs no entry: the variables of the gateway itself.
const DEFAULT_PROVIDER: &str = "default";
/// As OpenClaw has it.
const MAX_REFERENCES_OF_A_PROVIDER: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Source {
    Env,
    File,
    Exec,
}

impl Source {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
            Self::Exec => "exec",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) source: Source,
    pub(super) provider: String,
    pub(super) id: String,
}

impl Reference {
    /// What is wrong with it is said as a check says it: after the key.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let fix = "for example { source: \"env\", provider: \"default\", id: \"MODELS_API_KEY\" }";
        let Value::Object(entries) = value else { return Err(format!("must be a reference; {fix}")) };
        if let Some(other) = entries.keys().find(|key| !matches!(key.as_str(), "source" | "provider" | "id")) {
            return Err(format!("has {other:?}, which no reference has; {fix}"));
        }
        let text = |key: &str| entries.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let source = match text("source") {
            Some("env") => Source::Env,
            Some("file") => Source::File,
            Some("exec") => Source::Exec,
            _ => return Err(format!("needs a source: \"env\", \"file\" or \"exec\"; {fix}")),
        };
        let provider = match (entries.get("provider"), text("provider")) {
            (None, _) => DEFAULT_PROVIDER,
            (_, Some(name)) if is_provider_name(name) => name,
            _ => return Err(format!("names its provider by lowercase letters, digits, - and _; {fix}")),
        };
        let Some(id) = text("id").filter(|id| is_id(source, id)) else {
            let wanted = match source {
                Source::Env => "a variable's name in capitals",
                Source::File => "a JSON pointer as in \"/models/key\", or \"value\"",
                Source::Exec => "letters, digits and . _ : / # - without a segment \"..\"",
            };
            return Err(format!("needs an id: {wanted}; {fix}"));
        };
        Ok(Self { source, provider: provider.to_owned(), id: id.to_owned() })
    }
}

fn is_provider_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '_' | '-'))
}

fn is_id(source: Source, id: &str) -> bool {
    match source {
        Source::Env => is_variable(id),
        Source::File => id == file::WHOLE || id.starts_with('/'),
        Source::Exec => {
            id.len() <= 256
                && id.starts_with(|first: char| first.is_ascii_alphanumeric())
                && id.chars().all(|letter| letter.is_ascii_alphanumeric() || "._:/#-".contains(letter))
                && !id.split('/').any(|segment| matches!(segment, "." | ".."))
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
}

/// A reference as a JSON Schema.
pub(super) fn schema() -> Value {
    let of = |source: &str, id: Value| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["source", "id"],
            "properties": {
                "source": { "type": "string", "const": source },
                "provider": { "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$" },
                "id": id,
            },
        })
    };
    json!({ "oneOf": [
        of("env", json!({ "type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,127}$" })),
        of("file", json!({ "type": "string" })),
        of("exec", json!({ "type": "string" })),
    ] })
}

/// An entry of `secrets.providers`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    source: Option<Source>,
    allowlist: Option<Vec<String>>,
    path: Option<PathBuf>,
    #[serde(default)]
    mode: file::Mode,
    max_bytes: Option<u64>,
    command: Option<PathBuf>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    pass_env: Vec<String>,
    trusted_dirs: Option<Vec<PathBuf>>,
    timeout_ms: Option<u64>,
    max_output_bytes: Option<u64>,
    json_only: Option<bool>,
}

/// A reference and the key that it stands under.
struct Wanted {
    key: String,
    pointer: String,
    reference: Reference,
}

/// Puts the secret in place of every reference. One that cannot be had is an issue under its key, and is taken out.
pub(super) fn resolve(value: &mut Value, environment: &Environment, issues: &mut Vec<Issue>) {
    let mut wanted = Vec::new();
    collect(Kind::Table(ROOT), value, "", "", &mut wanted);
    let mut by_provider: BTreeMap<(Source, String), Vec<Wanted>> = BTreeMap::new();
    for one in wanted {
        by_provider.entry((one.reference.source, one.reference.provider.clone())).or_default().push(one);
    }
    for ((source, name), wanted) in by_provider {
        let found = provider_of(value, source, &name).and_then(|provider| {
            if wanted.len() > MAX_REFERENCES_OF_A_PROVIDER {
                return Err(format!("the provider {name:?} has more than {MAX_REFERENCES_OF_A_PROVIDER} references"));
            }
            look_up(source, &name, &provider, &wanted, environment)
        });
        for one in &wanted {
            let secret = match &found {
                Ok(found) => match found.get(one.reference.id.as_str()) {
                    Some(Ok(secret)) if !secret.is_empty() => Ok(secret),
                    Some(Ok(_)) => Err("is empty there: store the secret first".to_owned()),
                    Some(Err(problem)) => Err(problem.clone()),
                    None => Err("was not found there: check the id".to_owned()),
                },
                Err(problem) => Err(problem.clone()),
            };
            let Some(place) = value.pointer_mut(&one.pointer) else { continue };
            match secret {
                Ok(secret) => *place = Value::from(secret.as_str()),
                Err(problem) => {
                    *place = Value::Null;
                    let reference = &one.reference;
                    let what = format!("{}:{}:{}", reference.source.as_str(), reference.provider, reference.id);
                    issues.push(issue(&one.key, format!("refers to {what}, but {problem}")));
                }
            }
        }
    }
}

type Found = BTreeMap<String, Result<String, String>>;

fn look_up(
    source: Source,
    name: &str,
    provider: &Provider,
    wanted: &[Wanted],
    environment: &Environment,
) -> Result<Found, String> {
    let mut ids: Vec<&str> = wanted.iter().map(|one| one.reference.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    match source {
        Source::Env => {
            Ok(ids.into_iter().map(|id| (id.to_owned(), variable(name, id, provider, environment))).collect())
        }
        Source::File => file::look_up(name, provider, &ids),
        Source::Exec => exec::look_up(name, provider, &ids, environment),
    }
}

fn variable(name: &str, id: &str, provider: &Provider, environment: &Environment) -> Result<String, String> {
    if provider.allowlist.as_ref().is_some_and(|allowed| !allowed.iter().any(|known| known == id)) {
        return Err(format!("the variable is not in secrets.providers.{name}.allowlist: add it there"));
    }
    match environment.variable(id) {
        Some(value) => Ok(value.to_owned()),
        None => Err(format!("the environment variable {id} is not set: set it for the gateway")),
    }
}

fn provider_of(root: &Value, source: Source, name: &str) -> Result<Provider, String> {
    let entry = root.get("secrets").and_then(|secrets| secrets.get("providers")?.get(name));
    let entry = match entry {
        Some(entry) => entry.clone(),
        None if source == Source::Env && name == DEFAULT_PROVIDER => json!({ "source": "env" }),
        None => return Err(format!("there is no provider {name:?}: describe it under secrets.providers.{name}")),
    };
    let provider: Provider =
        serde_json::from_value(entry).map_err(|error| format!("secrets.providers.{name} cannot be read: {error}"))?;
    match provider.source {
        Some(known) if known == source => Ok(provider),
        Some(known) => Err(format!("secrets.providers.{name} is of source {:?}: name that source", known.as_str())),
        None => Err(format!("secrets.providers.{name}.source is needed: write {:?} there", source.as_str())),
    }
}

fn collect(kind: Kind, value: &Value, key: &str, pointer: &str, wanted: &mut Vec<Wanted>) {
    let mut inner = |kind: Kind, name: &str, value: &Value| {
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        collect(kind, value, &join(key, name), &pointer, wanted);
    };
    match (kind, value) {
        (Kind::Secret, Value::Object(_)) => {
            if let Ok(reference) = Reference::parse(value) {
                wanted.push(Wanted { key: key.to_owned(), pointer: pointer.to_owned(), reference });
            }
        }
        (Kind::Table(fields) | Kind::TextOrTable(fields), Value::Object(entries)) => {
            for (name, value) in entries {
                if let Some(field) = fields.iter().find(|field| field.name == name) {
                    inner(field.kind, name, value);
                }
            }
        }
        (Kind::Named(fields), Value::Object(entries)) => {
            entries.iter().for_each(|(name, value)| inner(Kind::Table(fields), name, value));
        }
        (Kind::Map(kind), Value::Object(entries)) => {
            entries.iter().for_each(|(name, value)| inner(*kind, name, value));
        }
        (Kind::Rows(fields), Value::Array(rows)) => {
            rows.iter().enumerate().for_each(|(index, row)| inner(Kind::Table(fields), &index.to_string(), row));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_three_parts_of_the_right_form() {
        let parse = |value: Value| Reference::parse(&value);
        let reference = parse(json!({ "source": "env", "id": "KEY" })).unwrap();
        assert_eq!((reference.provider.as_str(), reference.id.as_str()), ("default", "KEY"));
        for wrong in [
            json!({ "source": "env", "id": "lower" }),
            json!({ "source": "vault", "id": "KEY" }),
            json!({ "source": "file", "provider": "f", "id": "no-pointer" }),
            json!({ "source": "exec", "provider": "e", "id": "a/../b" }),
            json!({ "source": "exec", "provider": "E!", "id": "a" }),
            json!({ "source": "env", "id": "KEY", "more": 1 }),
            json!("KEY"),
        ] {
            assert!(parse(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn variables_are_found_and_misses_are_told_under_their_keys() {
        let reference = |provider: &str, id: &str| json!({ "source": "env", "provider": provider, "id": id });
        let mut value = json!({
            "gateway": { "auth": { "token": reference("default", "TOKEN"), "password": reference("few", "OTHER") } },
            "models": { "providers": {
                "a/b": { "apiKey": reference("few", "KEY") },
                "c": { "apiKey": reference("default", "NOT_SET") },
                "d": { "apiKey": reference("nowhere", "KEY") } } },
            "secrets": { "providers": { "few": { "source": "env", "allowlist": ["KEY"] } } }
        });
        let environment = Environment::from([("TOKEN", "t"), ("KEY", "k"), ("OTHER", "o")]);
        let mut issues = Vec::new();
        resolve(&mut value, &environment, &mut issues);
        assert_eq!(value["gateway"]["auth"]["token"], "t");
        assert_eq!(value["models"]["providers"]["a/b"]["apiKey"], "k");
        let mut keys: Vec<&str> = issues.iter().map(|issue| issue.path.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["gateway.auth.password", "models.providers.c.apiKey", "models.providers.d.apiKey"]);
        assert!(issues.iter().any(|issue| issue.message.contains("NOT_SET is not set")), "{issues:?}");
    }
}

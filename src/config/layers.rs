//! File, environment and flags, one on top of the other. What comes from outside the file is checked by the same
//! table, under the name it came by.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::schema::Kind;
use super::{Environment, check, issue, search};
use crate::protocol::config::Issue;

/// Values from the command line, each under its key path.
#[derive(Clone, Default)]
pub struct Overrides {
    entries: Vec<(&'static str, &'static str, Value)>,
}

impl Overrides {
    /// `key` is a path of the configuration, `flag` the name that mistakes are reported under.
    pub fn set(&mut self, key: &'static str, flag: &'static str, value: impl Into<Value>) {
        self.entries.push((key, flag, value.into()));
    }

    /// The same for a flag that may be absent.
    pub fn set_some(&mut self, key: &'static str, flag: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, flag, value);
        }
    }
}

/// Some of the values are secrets.
impl fmt::Debug for Overrides {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.entries.iter().map(|(_, flag, _)| flag)).finish()
    }
}

/// Where a value came from, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    File,
    /// The variable's name.
    Environment(String),
    Flag(&'static str),
}

impl Source {
    const fn rank(&self) -> u8 {
        match self {
            Self::File => 0,
            Self::Environment(_) => 1,
            Self::Flag(_) => 2,
        }
    }

    /// Whether `self` has more say than `other`; the file has more than nothing.
    pub(super) fn outranks(&self, other: Option<&Self>) -> bool {
        other.is_none_or(|other| self.rank() > other.rank())
    }
}

#[derive(Clone)]
pub(super) struct Layers {
    pub(super) value: Value,
    overlays: BTreeMap<&'static str, Source>,
}

/// The value is full of secrets.
impl fmt::Debug for Layers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Layers").field("overlays", &self.overlays).finish_non_exhaustive()
    }
}

impl Layers {
    /// Where the value at this path came from; `None` when there is none.
    pub(super) fn source(&self, key: &str) -> Option<Source> {
        let is_set = self.value.pointer(&format!("/{}", key.replace('.', "/"))).is_some();
        is_set.then(|| self.overlays.get(key).cloned().unwrap_or(Source::File))
    }

    /// The name to report a mistake about this key under.
    pub(super) fn name(&self, key: &str) -> String {
        match self.overlays.get(key) {
            Some(Source::Environment(name)) => name.clone(),
            Some(Source::Flag(name)) => (*name).to_owned(),
            Some(Source::File) | None => key.to_owned(),
        }
    }

    fn overlay(&mut self, key: &'static str, source: Source, value: Value, issues: &mut Vec<Issue>) {
        let path: Vec<&str> = key.split('.').collect();
        let Some(kind) = search::find(&path) else { return };
        let name = match &source {
            Source::Environment(name) => name.as_str(),
            Source::Flag(name) => name,
            Source::File => key,
        };
        if let Some(value) = check::single(kind, from_text(kind, value), name, issues) {
            insert(&mut self.value, &path, value);
            self.overlays.insert(key, source);
        }
    }
}

const VARIABLES: [(&str, &str); 5] = [
    ("GATEWAY_PORT", "gateway.port"),
    ("GATEWAY_TOKEN", "gateway.auth.token"),
    ("GATEWAY_PASSWORD", "gateway.auth.password"),
    ("HANDSHAKE_TIMEOUT_MS", "gateway.handshakeTimeoutMs"),
    ("LOG_LEVEL", "logging.level"),
];

/// The names that Tailscale's own programs read.
const TAILSCALE_VARIABLES: [(&str, &[&str]); 3] = [
    ("gateway.tailscale.authKey", &["TS_AUTHKEY", "TS_AUTH_KEY"]),
    ("gateway.tailscale.clientId", &["TS_CLIENT_ID"]),
    ("gateway.tailscale.clientSecret", &["TS_CLIENT_SECRET"]),
];

/// Lays environment and flags over a file that was checked already.
pub(super) fn merge(file: Value, environment: &Environment, overrides: &Overrides, issues: &mut Vec<Issue>) -> Layers {
    let mut layers = Layers { value: file, overlays: BTreeMap::new() };
    for (suffix, key) in VARIABLES {
        if let Some((name, text)) = environment.ours_or_openclaw(suffix) {
            layers.overlay(key, Source::Environment(name), Value::from(text), issues);
        }
    }
    for (key, names) in TAILSCALE_VARIABLES {
        if let Some((name, text)) = names.iter().find_map(|name| environment.variable(name).map(|text| (*name, text))) {
            layers.overlay(key, Source::Environment(name.to_owned()), Value::from(text), issues);
        }
    }
    for (key, flag, value) in &overrides.entries {
        layers.overlay(key, Source::Flag(flag), value.clone(), issues);
    }
    layers
}

/// Variables and flags are text; where a number is wanted, text that is one counts.
fn from_text(kind: Kind, value: Value) -> Value {
    match (kind, &value) {
        (Kind::Integer { .. }, Value::String(text)) => text.trim().parse::<i64>().map_or(value, Value::from),
        (Kind::Choice(_), Value::String(text)) => Value::from(text.trim()),
        _ => value,
    }
}

/// Sets a value at a path, making the objects on the way.
pub(super) fn insert(root: &mut Value, path: &[&str], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut here = root;
    for key in parents {
        if !here.is_object() {
            *here = Value::Object(serde_json::Map::new());
        }
        let Value::Object(entries) = here else { return };
        here = entries.entry(*key).or_insert(Value::Null);
    }
    if !here.is_object() {
        *here = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(entries) = here {
        entries.insert((*last).to_owned(), value);
    }
}

/// Makes the value at a dotted path of `to` what it is in `from`, or absent as there.
pub(super) fn copy(from: &Value, to: &mut Value, path: &str) {
    let keys: Vec<&str> = path.split('.').collect();
    let there = keys.iter().try_fold(from, |value, key| value.get(key));
    if let Some(value) = there {
        insert(to, &keys, value.clone());
        return;
    }
    let Some((last, parents)) = keys.split_last() else { return };
    let holder = parents.iter().try_fold(to, |value, key| value.get_mut(key));
    if let Some(Value::Object(entries)) = holder {
        entries.shift_remove(*last);
    }
}

/// What to do with a `${NAME}` whose variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Mistake,
    /// The file is being edited; the gateway may run with other variables.
    Leave,
}

/// Replaces `${NAME}` in every text; `$${NAME}` stands for itself.
pub(super) fn substitute(
    value: &mut Value,
    path: &str,
    environment: &Environment,
    missing: Missing,
    issues: &mut Vec<Issue>,
) {
    match value {
        Value::String(text) if text.contains("${") => *text = replaced(text, path, environment, missing, issues),
        Value::Array(entries) => {
            for (index, entry) in entries.iter_mut().enumerate() {
                substitute(entry, &check::join(path, &index.to_string()), environment, missing, issues);
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries.iter_mut() {
                substitute(entry, &check::join(path, key), environment, missing, issues);
            }
        }
        _ => {}
    }
}

fn replaced(text: &str, path: &str, environment: &Environment, missing: Missing, issues: &mut Vec<Issue>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = next_reference(rest) {
        if let Some(escaped) = before.strip_suffix('$') {
            result.push_str(&format!("{escaped}${{{name}}}"));
        } else {
            result.push_str(before);
            match environment.variable(name) {
                Some(value) => result.push_str(value),
                None if missing == Missing::Mistake => issues.push(issue(
                    path,
                    format!("names the environment variable {name}, which is not set: set it, or write the value here"),
                )),
                None => result.push_str(&format!("${{{name}}}")),
            }
        }
        rest = after;
    }
    result + rest
}

/// Whether a text is one `${NAME}` and nothing else.
pub(super) fn is_reference(text: &str) -> bool {
    matches!(next_reference(text), Some(("", _, "")))
}

/// Text before the next `${NAME}`, its name, and what follows.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(offset) = text.get(from..)?.find("${") {
        let start = from + offset;
        let inside = text.get(start + 2..)?;
        if let Some((name, after)) = inside.split_once('}')
            && is_variable_name(name)
        {
            return Some((text.get(..start)?, name, after));
        }
        from = start + 2;
    }
    None
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flag_over_ours_over_openclaw_over_file() {
        let file = json!({ "gateway": { "port": 1, "auth": { "token": "file" } } });
        let environment = Environment::from([
            ("OPENCLAW_GATEWAY_PORT", "2"),
            ("TAILCLAW_GATEWAY_PORT", "3"),
            ("OPENCLAW_GATEWAY_TOKEN", "openclaw"),
        ]);
        let mut issues = Vec::new();
        let mut overrides = Overrides::default();
        let layers = merge(file.clone(), &environment, &overrides, &mut issues);
        assert_eq!(layers.value["gateway"]["port"], 3);
        assert_eq!(layers.value["gateway"]["auth"]["token"], "openclaw");
        assert_eq!(layers.name("gateway.auth.token"), "OPENCLAW_GATEWAY_TOKEN");
        overrides.set("gateway.port", "--port", "4");
        let layers = merge(file, &environment, &overrides, &mut issues);
        assert_eq!(layers.value["gateway"]["port"], 4);
        assert_eq!(layers.source("gateway.port"), Some(Source::Flag("--port")));
        assert_eq!(layers.source("gateway.bind"), None);
        assert!(issues.is_empty());
    }

    #[test]
    fn a_bad_variable_is_reported_by_its_name() {
        let mut issues = Vec::new();
        let environment = Environment::from([("OPENCLAW_GATEWAY_PORT", "many")]);
        let layers = merge(json!({ "gateway": { "port": 7 } }), &environment, &Overrides::default(), &mut issues);
        assert_eq!(issues[0].path, "OPENCLAW_GATEWAY_PORT");
        assert_eq!(layers.value["gateway"]["port"], 7);
    }

    #[test]
    fn references_are_replaced_escaped_and_missed() {
        let environment = Environment::from([("KEY", "k"), ("B_2", "b")]);
        let mut issues = Vec::new();
        let mut value = json!({ "a": { "b": ["x${KEY}-${B_2}", "$${KEY}", "${lower}", "${NOPE}", "${KEY"] } });
        substitute(&mut value, "", &environment, Missing::Mistake, &mut issues);
        assert_eq!(value["a"]["b"], json!(["xk-b", "${KEY}", "${lower}", "", "${KEY"]));
        assert_eq!(issues.len(), 1);
        assert_eq!(issues[0].path, "a.b.3");
        assert!(issues[0].message.contains("NOPE"));
    }

    #[test]
    fn inserting_makes_the_objects_on_the_way() {
        let mut root = json!({ "gateway": 3 });
        insert(&mut root, &["gateway", "auth", "token"], json!("t"));
        assert_eq!(root, json!({ "gateway": { "auth": { "token": "t" } } }));
    }
}

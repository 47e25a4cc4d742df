//! Compares a configuration with the table of keys. Everything wrong is noted and taken out, so that the rest can
//! still be resolved and its own mistakes come in the same report.

use serde_json::Value;

use super::schema::{self, Field, Kind};
use super::{issue, search, secrets};
use crate::protocol::config::Issue;

/// Notes what is wrong with `value` and returns what remains of it.
pub(super) fn root(value: Value, issues: &mut Vec<Issue>) -> Value {
    if !value.is_object() {
        issues.push(issue(
            "(file)",
            format!("must be an object, but is {}: write {{ gateway: {{ … }} }}", name_of(&value)),
        ));
        return Value::Object(serde_json::Map::new());
    }
    table(schema::ROOT, value, "", issues)
}

/// Checks one value that came from elsewhere than a file: an environment variable, a flag, `config set`.
pub(super) fn single(kind: Kind, value: Value, source: &str, issues: &mut Vec<Issue>) -> Option<Value> {
    any(kind, "", value, source, issues)
}

fn table(fields: &'static [Field], value: Value, path: &str, issues: &mut Vec<Issue>) -> Value {
    let Value::Object(entries) = value else { return value };
    let mut kept = serde_json::Map::new();
    for (key, value) in entries {
        let here = join(path, &key);
        match fields.iter().find(|field| field.name == key) {
            Some(field) => {
                if let Some(value) = any(field.kind, field.example, value, &here, issues) {
                    kept.insert(key, value);
                }
            }
            None => issues.push(issue(&here, unknown(&key, path, fields))),
        }
    }
    Value::Object(kept)
}

fn any(kind: Kind, example: &str, value: Value, path: &str, issues: &mut Vec<Issue>) -> Option<Value> {
    // `null` unsets a key, as deleting the line does.
    if value.is_null() {
        return None;
    }
    let expected = match (kind, &value) {
        (Kind::Secret, Value::Object(_)) => match secrets::Reference::parse(&value) {
            Ok(_) => return Some(value),
            Err(problem) => problem,
        },
        (Kind::Hidden, Value::String(_)) => return Some(value),
        (Kind::Text | Kind::Secret, Value::String(text)) if !text.trim().is_empty() => return Some(value),
        (Kind::TextOrTable(_), Value::String(text)) if !text.trim().is_empty() => return Some(value),
        (Kind::Text | Kind::Secret | Kind::TextOrTable(_), Value::String(_)) => "must not be empty".to_owned(),
        (Kind::Flag, Value::Bool(_)) => return Some(value),
        (Kind::Choice(allowed), Value::String(text)) => {
            if allowed.contains(&text.as_str()) {
                return Some(value);
            }
            issues.push(issue(path, not_a_choice(text, allowed)));
            return None;
        }
        (Kind::Integer { least, most }, _) => match whole(&value) {
            Some(number) if (least..=most).contains(&number) => return Some(Value::from(number)),
            Some(number) if most == i64::MAX => format!("must be at least {least}, but is {number}"),
            Some(number) => format!("must be from {least} to {most}, but is {number}"),
            None => format!("must be a whole number, but is {}", name_of(&value)),
        },
        (Kind::Table(fields) | Kind::TextOrTable(fields), Value::Object(_)) => {
            return Some(table(fields, value, path, issues));
        }
        (Kind::Named(fields), Value::Object(_)) => return Some(named(fields, value, path, issues)),
        (Kind::Map(inner), Value::Object(_)) => return Some(map(*inner, value, path, issues)),
        (Kind::Rows(fields), Value::Array(_)) => return Some(rows(fields, value, path, issues)),
        (Kind::EveryOrList, Value::String(text)) if text == "*" => return Some(value),
        (Kind::TextList | Kind::EveryOrList, Value::Array(_)) => return Some(texts(value, path, issues)),
        (kind, value) => format!("must be {}, but is {}", wanted(kind), name_of(value)),
    };
    let fix = if example.is_empty() { String::new() } else { format!("; for example {example}") };
    issues.push(issue(path, expected + &fix));
    None
}

fn named(fields: &'static [Field], value: Value, path: &str, issues: &mut Vec<Issue>) -> Value {
    let Value::Object(entries) = value else { return value };
    let checked = entries.into_iter().filter_map(|(name, value)| {
        let value = any(Kind::Table(fields), "{}", value, &join(path, &name), issues)?;
        Some((name, value))
    });
    Value::Object(checked.collect())
}

fn map(inner: Kind, value: Value, path: &str, issues: &mut Vec<Issue>) -> Value {
    let Value::Object(entries) = value else { return value };
    let checked = entries.into_iter().filter_map(|(name, value)| {
        let value = any(inner, "", value, &join(path, &name), issues)?;
        Some((name, value))
    });
    Value::Object(checked.collect())
}

fn rows(fields: &'static [Field], value: Value, path: &str, issues: &mut Vec<Issue>) -> Value {
    let Value::Array(entries) = value else { return value };
    let numbered = entries.into_iter().enumerate();
    let checked = numbered
        .filter_map(|(index, value)| any(Kind::Table(fields), "{}", value, &join(path, &index.to_string()), issues));
    Value::Array(checked.collect())
}

fn texts(value: Value, path: &str, issues: &mut Vec<Issue>) -> Value {
    let Value::Array(entries) = value else { return value };
    let numbered = entries.into_iter().enumerate();
    let checked =
        numbered.filter_map(|(index, value)| any(Kind::Text, "", value, &join(path, &index.to_string()), issues));
    Value::Array(checked.collect())
}

fn unknown(key: &str, path: &str, fields: &[Field]) -> String {
    if let Some(near) = closest(key, fields.iter().map(|field| field.name)) {
        return format!("is no known key: did you mean {}?", join(path, near));
    }
    if path.is_empty() && search::is_openclaw_section(key) {
        return "is a section of OpenClaw that this version does not have yet: remove it here".to_owned();
    }
    match search::elsewhere(key) {
        Some(place) => format!("is no known key here: did you mean {place}?"),
        None => {
            let known: Vec<&str> =
                fields.iter().map(|field| field.name).filter(|name| !name.starts_with('$')).collect();
            format!("is no known key: remove it, or use one of {}", known.join(", "))
        }
    }
}

fn not_a_choice(text: &str, allowed: &[&'static str]) -> String {
    let suggestion =
        closest(text, allowed.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    format!("{text:?} is not one of {}{suggestion}", allowed.join(", "))
}

/// json5 reads `18789` and `1.8789e4` alike; both are whole.
#[expect(clippy::cast_possible_truncation, reason = "the range is compared first")]
fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT).map(|number| number as i64)
    })
}

const fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Hidden | Kind::Choice(_) => "text",
        Kind::Secret => "text or { source, provider, id }",
        Kind::Flag => "true or false",
        Kind::Integer { .. } => "a whole number",
        Kind::TextList => "a list of texts",
        Kind::EveryOrList => "\"*\" or a list of texts",
        Kind::Rows(_) => "a list of objects",
        Kind::Table(_) | Kind::Named(_) | Kind::Map(_) => "an object",
        Kind::TextOrTable(_) => "text or an object",
    }
}

const fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The candidate that a slip of the fingers would turn into `word`.
pub(super) fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: insertions, deletions, changes and swaps of neighbours.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous_letter = None;
    for (row, letter) in one.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, candidate) in other.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let change = at(&last, column) + usize::from(letter != *candidate);
            let mut best = change.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let is_swap = column > 0 && previous_letter == Some(*candidate) && other.get(column - 1) == Some(&letter);
            if is_swap {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_letter = Some(letter);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issues_of(text: &str) -> Vec<String> {
        let mut issues = Vec::new();
        root(json5::from_str(text).unwrap(), &mut issues);
        issues.into_iter().map(|issue| format!("{}: {}", issue.path, issue.message)).collect()
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let found = issues_of(
            r#"{ gateway: { prot: 1, port: "x", bind: "lann", auth: { allowTailscale: "yes", token: "" },
                            tailscale: { tags: ["tag:a", 3] }, handshakeTimeoutMs: 5 },
                 models: { providers: { mine: { models: [{ idd: "m" }] } } },
                 port: 5, channels: {}, nonsense: 1 }"#,
        );
        let names = schema::ROOT.iter().map(|field| field.name);
        let sections: Vec<&str> = names.filter(|name| !name.starts_with('$')).collect();
        let expected = [
            "gateway.prot: is no known key: did you mean gateway.port?",
            "gateway.port: must be a whole number, but is text; for example 18789",
            "gateway.bind: \"lann\" is not one of loopback, lan, tailnet, custom, auto; did you mean \"lan\"?",
            "gateway.auth.allowTailscale: must be true or false, but is text; for example true",
            "gateway.auth.token: must not be empty; for example \"${GATEWAY_TOKEN}\"",
            "gateway.tailscale.tags.1: must be text, but is a number",
            "gateway.handshakeTimeoutMs: must be from 100 to 600000, but is 5; for example 15000",
            "models.providers.mine.models.0.idd: is no known key: did you mean models.providers.mine.models.0.id?",
            "port: is no known key here: did you mean gateway.port?",
            "channels: is a section of OpenClaw that this version does not have yet: remove it here",
            &format!("nonsense: is no known key: remove it, or use one of {}", sections.join(", ")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_right_is_kept() {
        let mut issues = Vec::new();
        let kept =
            root(serde_json::json!({ "gateway": { "port": 1.8e4, "bind": "nowhere", "mode": null } }), &mut issues);
        assert_eq!(kept, serde_json::json!({ "gateway": { "port": 18000 } }));
        assert_eq!(issues.len(), 1);
    }

    #[test]
    fn swapped_letters_are_one_slip() {
        assert_eq!(distance("prot", "port"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(closest("allowtailscale", ["allowTailscale"].into_iter()), Some("allowTailscale"));
        assert_eq!(closest("zzz", ["port"].into_iter()), None);
    }

    /// What is kept of a value is right: checked again, nothing is found.
    #[test]
    fn fuzz_values() {
        let seeds = [
            r#"{"gateway":{"port":18789,"auth":{"mode":"token","token":"${X}"},"trustedProxies":["10.0.0.0/8"],
                "http":{"endpoints":{"responses":{"enabled":true}}}},"logging":{"level":"info"}}"#,
            r#"{"models":{"providers":{"a":{"baseUrl":"http://x","models":[{"id":"m"}]}}},"agents":{"defaults":{
                "model":{"primary":"a/m"}}},"hooks":{"enabled":true,"token":{"source":"env","id":"X"}}}"#,
        ];
        crate::fuzz::fuzz_json(&seeds, |value| {
            let kept = root(value.clone(), &mut Vec::new());
            let mut issues = Vec::new();
            root(kept, &mut issues);
            assert!(issues.is_empty(), "{issues:?}");
        });
    }
}

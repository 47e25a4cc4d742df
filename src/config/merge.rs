//! What a patch makes of a configuration: RFC 7396, with lists of objects that have ids merged by id, as OpenClaw has
//! it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::check::join;

/// Lists that may lose entries, as `models.providers.mine.models` or, inside of a list, `a[].b`.
#[derive(Debug, Default)]
pub struct ReplacePaths(HashSet<String>);

impl ReplacePaths {
    #[must_use]
    pub fn new(paths: &[String]) -> Self {
        let normal = |path: &String| {
            let path = path.trim();
            let path = path.strip_suffix("[]").unwrap_or(path);
            // `a[3].b` names the same list as `a[].b`.
            let mut normal = String::with_capacity(path.len());
            let mut rest = path;
            while let Some((before, inside)) = rest.split_once('[') {
                let Some((index, after)) = inside.split_once(']') else { break };
                normal.push_str(before);
                let is_index = index.chars().all(|letter| letter.is_ascii_digit());
                normal.push_str(if is_index { "[]" } else { "[?]" });
                rest = after;
            }
            normal + rest
        };
        Self(paths.iter().map(normal).filter(|path| !path.is_empty()).collect())
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

/// Why a patch is not clear enough to be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error(
        "Cannot ID-merge array at {path}: current config contains duplicate ID {id}; use replacePaths for an explicit \
         replacement."
    )]
    DuplicateInConfig { path: String, id: String },
    #[error("Ambiguous duplicate ID {id} in array at {path}.")]
    DuplicateInPatch { path: String, id: String },
    #[error(
        "config.patch would remove entries from array path(s): {}. Pass replacePaths with the exact path(s) when this \
         is intentional, or use config.apply for full-config replacement.", .0.join(", ")
    )]
    LosesEntries(Vec<String>),
}

/// Merges `patch` into `base`.
///
/// # Errors
/// An id that stands twice, or a list that would lose entries without being named in `replace`.
pub fn patch(base: &Value, patch: &Value, replace: &ReplacePaths) -> Result<Value, PatchError> {
    refuse_duplicates(base, patch, replace, "")?;
    let merged = merge(base, patch, replace, "");
    let mut losing = Vec::new();
    losses(base, patch, &merged, "", &mut losing);
    losing.retain(|path| !replace.has(path));
    if losing.is_empty() { Ok(merged) } else { Err(PatchError::LosesEntries(losing)) }
}

fn merge(base: &Value, patch: &Value, replace: &ReplacePaths, path: &str) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut merged = base.as_object().cloned().unwrap_or_default();
    for (key, change) in changes {
        let here = join(path, key);
        let value = match (merged.get(key), change) {
            (_, Value::Null) => {
                merged.shift_remove(key);
                continue;
            }
            (Some(Value::Array(old)), Value::Array(new)) if !replace.has(&here) && are_by_id(old) => {
                Value::Array(merge_by_id(old, new, replace, &here))
            }
            (old, Value::Object(_)) => merge(old.unwrap_or(&Value::Null), change, replace, &here),
            (_, change) => change.clone(),
        };
        merged.insert(key.clone(), value);
    }
    Value::Object(merged)
}

fn merge_by_id(old: &[Value], new: &[Value], replace: &ReplacePaths, path: &str) -> Vec<Value> {
    let mut merged = old.to_vec();
    for entry in new {
        let same = merged.iter_mut().find(|known| id_of(known).is_some() && id_of(known) == id_of(entry));
        match same {
            Some(known) => *known = merge(known, entry, replace, &format!("{path}[]")),
            None => merged.push(entry.clone()),
        }
    }
    merged
}

fn id_of(value: &Value) -> Option<&str> {
    value.get("id")?.as_str().filter(|id| !id.is_empty())
}

fn are_by_id(list: &[Value]) -> bool {
    list.iter().all(|entry| id_of(entry).is_some())
}

fn refuse_duplicates(base: &Value, patch: &Value, replace: &ReplacePaths, path: &str) -> Result<(), PatchError> {
    match (base, patch) {
        (Value::Array(old), Value::Array(new)) if !replace.has(path) && are_by_id(old) => {
            let twice = |list: &[Value]| {
                let mut seen = HashSet::new();
                list.iter().filter_map(id_of).find(|id| !seen.insert(*id)).map(str::to_owned)
            };
            let path = path.to_owned();
            if let Some(id) = twice(old) {
                return Err(PatchError::DuplicateInConfig { path, id });
            }
            if let Some(id) = twice(new) {
                return Err(PatchError::DuplicateInPatch { path, id });
            }
            for entry in new {
                if let Some(known) = old.iter().find(|known| id_of(known) == id_of(entry)) {
                    refuse_duplicates(known, entry, replace, &format!("{path}[]"))?;
                }
            }
            Ok(())
        }
        (Value::Object(old), Value::Object(new)) => new.iter().try_for_each(|(key, change)| {
            refuse_duplicates(old.get(key).unwrap_or(&Value::Null), change, replace, &join(path, key))
        }),
        _ => Ok(()),
    }
}

/// The lists of `base` that lack something in `merged`, as far as the patch touches them.
fn losses(base: &Value, patch: &Value, merged: &Value, path: &str, losing: &mut Vec<String>) {
    let (Value::Object(base), Value::Object(patch)) = (base, patch) else { return };
    for (key, change) in patch {
        let here = join(path, key);
        let Some(old) = base.get(key) else { continue };
        let new = merged.get(key).unwrap_or(&Value::Null);
        match (old, change) {
            (Value::Array(old), Value::Array(changes)) => {
                let Value::Array(new) = new else { continue };
                let is_kept = if are_by_id(old) {
                    old.iter().all(|entry| new.iter().any(|kept| id_of(kept) == id_of(entry)))
                } else {
                    holds_all(new, old)
                };
                if !is_kept {
                    losing.push(here);
                } else if are_by_id(old) {
                    for change in changes {
                        let same = |list: &[Value]| list.iter().find(|entry| id_of(entry) == id_of(change)).cloned();
                        if let (Some(old), Some(new)) = (same(old), same(new)) {
                            losses(&old, change, &new, &format!("{here}[]"), losing);
                        }
                    }
                }
            }
            (Value::Array(_), _) => losing.push(here),
            (Value::Object(_), Value::Object(_)) => losses(old, change, new, &here, losing),
            (Value::Object(old), _) => lists_in(old, &here, losing),
            _ => {}
        }
    }
}

fn holds_all(list: &[Value], wanted: &[Value]) -> bool {
    let mut left: Vec<&Value> = list.iter().collect();
    wanted.iter().all(|entry| {
        let place = left.iter().position(|candidate| *candidate == entry);
        place.map(|place| left.swap_remove(place)).is_some()
    })
}

fn lists_in(entries: &Map<String, Value>, path: &str, lists: &mut Vec<String>) {
    for (key, value) in entries {
        match value {
            Value::Array(_) => lists.push(join(path, key)),
            Value::Object(inner) => lists_in(inner, &join(path, key), lists),
            _ => {}
        }
    }
}

/// The dotted paths at which two configurations differ; a list counts as one value.
pub(super) fn changed_paths(old: &Value, new: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    differences(Some(old), Some(new), "", &mut paths);
    paths
}

fn differences(old: Option<&Value>, new: Option<&Value>, path: &str, paths: &mut Vec<String>) {
    let table = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
    if old == new {
        return;
    }
    match (table(old), table(new)) {
        (None, None) => paths.push(path.to_owned()),
        (old, new) => {
            let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
            if old.is_empty() && new.is_empty() {
                paths.push(path.to_owned());
            }
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                differences(old.get(key), new.get(key), &join(path, key), paths);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn models(list: Value) -> Value {
        json!({ "models": { "providers": { "p": { "models": list } } } })
    }

    fn replace(path: &str) -> ReplacePaths {
        ReplacePaths::new(&[path.to_owned()])
    }

    #[test]
    fn objects_merge_null_deletes_and_the_rest_is_replaced() {
        let base = json!({ "a": { "b": 1, "c": 2 }, "d": "x" });
        let merged = patch(&base, &json!({ "a": { "b": null, "e": 3 }, "d": { "f": 1 } }), &ReplacePaths::default());
        assert_eq!(merged.unwrap(), json!({ "a": { "c": 2, "e": 3 }, "d": { "f": 1 } }));
    }

    #[test]
    fn lists_with_ids_merge_by_id() {
        let base = models(json!([{ "id": "one", "name": "One", "window": 5 }]));
        let change = models(json!([{ "id": "one", "name": "Uno" }, { "id": "two" }]));
        let merged = patch(&base, &change, &ReplacePaths::default()).unwrap();
        assert_eq!(merged, models(json!([{ "id": "one", "name": "Uno", "window": 5 }, { "id": "two" }])));
        assert_eq!(patch(&base, &models(json!([])), &ReplacePaths::default()).unwrap(), base);
        let twice = models(json!([{ "id": "two" }, { "id": "two" }]));
        let error = patch(&base, &twice, &ReplacePaths::default()).unwrap_err();
        assert_eq!(error.to_string(), "Ambiguous duplicate ID two in array at models.providers.p.models.");
        let replaced = patch(&base, &models(json!([{ "id": "x" }])), &replace("models.providers.p.models[]")).unwrap();
        assert_eq!(replaced, models(json!([{ "id": "x" }])));
    }

    #[test]
    fn entries_are_not_lost_by_accident() {
        let base = json!({ "ui": { "origins": ["a", "b"] } });
        let accident = |change: Value| patch(&base, &change, &ReplacePaths::default()).unwrap_err();
        let expected = PatchError::LosesEntries(vec!["ui.origins".to_owned()]);
        assert_eq!(accident(json!({ "ui": { "origins": ["a"] } })), expected);
        assert_eq!(accident(json!({ "ui": { "origins": null } })), expected);
        assert_eq!(accident(json!({ "ui": null })), expected);
        assert!(expected.to_string().starts_with("config.patch would remove entries from array path(s): ui.origins. "));
        let meant = patch(&base, &json!({ "ui": { "origins": ["a"] } }), &replace("ui.origins")).unwrap();
        assert_eq!(meant, json!({ "ui": { "origins": ["a"] } }));
        patch(&base, &json!({ "ui": { "origins": ["a", "b", "c"] } }), &ReplacePaths::default()).unwrap();
    }

    #[test]
    fn changes_are_told_by_their_leaves() {
        let old = json!({ "a": { "b": 1, "c": [1] }, "d": {} });
        let new = json!({ "a": { "b": 2, "c": [1, 2] }, "e": { "f": 1 } });
        assert_eq!(changed_paths(&old, &new), ["a.b", "a.c", "d", "e.f"]);
        assert!(changed_paths(&old, &old).is_empty());
    }

    /// Nothing changes by nothing, and a change that was made changes nothing more.
    #[test]
    fn fuzz_patches() {
        let seeds = [
            r#"{"a":{"b":1,"c":null},"list":[{"id":"x","v":1},{"id":"y"}],"plain":[1,2]}"#,
            r#"{"list":[{"id":"y","v":null}],"a":null,"plain":[]}"#,
        ];
        let base: Value = serde_json::from_str(seeds[0]).unwrap();
        crate::fuzz::fuzz_json(&seeds, |change| {
            assert_eq!(changed_paths(change, change), Vec::<String>::new());
            if let Ok(merged) = patch(&base, change, &ReplacePaths::new(&["list".to_owned(), "plain".to_owned()])) {
                let _ = changed_paths(&base, &merged);
            }
            let _ = patch(change, &base, &ReplacePaths::new(&[]));
        });
    }
}

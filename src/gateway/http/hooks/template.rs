//! Templates of hook mappings: `{{payload.title}}`, `{{headers.x-event}}`, `{{query.id}}`, `{{items[0].name}}`,
//! `{{path}}`. What is not there is empty; what is no text is told as JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a template may name. Nothing of the gateway's own is in it, and what is filled in is not read again.
pub(super) struct Source<'a> {
    pub(super) payload: &'a Value,
    pub(super) headers: &'a BTreeMap<String, String>,
    pub(super) query: &'a BTreeMap<String, String>,
    pub(super) path: &'a str,
}

pub(super) fn render(template: &str, source: &Source<'_>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        match after.split_once("}}") {
            Some((name, after)) if !name.contains('}') => {
                text.push_str(&source.value(name.trim()));
                rest = after;
            }
            _ => {
                text.push_str("{{");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

impl Source<'_> {
    fn value(&self, name: &str) -> String {
        if name == "path" {
            return self.path.to_owned();
        }
        if let Some(name) = name.strip_prefix("headers.") {
            return self.headers.get(name).cloned().unwrap_or_default();
        }
        if let Some(name) = name.strip_prefix("query.") {
            return self.query.get(name).cloned().unwrap_or_default();
        }
        match find(self.payload, name.strip_prefix("payload.").unwrap_or(name)) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// `a.b[0].c`
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split(['.', '[', ']']).filter(|part| !part.is_empty()).try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        Value::Object(fields) => fields.get(part),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_replaced_once() {
        let payload = json!({"title": "a {{path}}", "items": [{"n": 1}], "ok": true, "none": null});
        let headers = BTreeMap::from([("x-event".to_owned(), "push".to_owned())]);
        let query = BTreeMap::from([("id".to_owned(), "7".to_owned())]);
        let source = Source { payload: &payload, headers: &headers, query: &query, path: "build" };
        for (template, text) in [
            ("{{title}}!", "a {{path}}!"),
            ("{{ payload.items[0].n }}", "1"),
            ("{{items}}", "[{\"n\":1}]"),
            ("{{ok}} {{none}}{{missing.deep}}{{items[9]}}", "true "),
            ("{{headers.x-event}} {{query.id}} {{path}}", "push 7 build"),
            ("{{", "{{"),
            ("{{title", "{{title"),
            ("plain", "plain"),
        ] {
            assert_eq!(render(template, &source), text, "{template}");
        }
    }

    #[test]
    fn fuzz_templates() {
        let payload = json!({"title": "a {{path}}", "items": [{"n": 1}], "{{": "}}"});
        let (headers, query) = (BTreeMap::new(), BTreeMap::from([("id".to_owned(), "7".to_owned())]));
        let source = Source { payload: &payload, headers: &headers, query: &query, path: "build" };
        let seeds =
            ["{{title}} {{items[0].n}}", "{{ payload.items[99999999999999999999] }}", "{{query.id}}{{", "{{now}}"];
        crate::fuzz::fuzz_text(&seeds, |template| {
            // Each name is at least five bytes long and stands for no more than the payload.
            assert!(render(template, &source).len() <= template.len() * 32 + 64);
        });
    }
}

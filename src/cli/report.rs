//! Parts of the gateway's answers as text, for the verbs that show them. Answers are read leniently: another gateway
//! of the same protocol leaves some of them out.

use std::time::Duration;

use serde_json::Value;

use super::output::{alarming, now_ms, plain, span};

static NOTHING: Value = Value::Null;

/// Reading an answer that may lack anything.
pub(super) trait At {
    /// What stands at a dotted path; `null` where there is nothing.
    fn at(&self, path: &str) -> &Value;
}

impl At for Value {
    fn at(&self, path: &str) -> &Value {
        self.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&NOTHING)
    }
}

/// Sets a key of an object.
pub(super) fn put(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = object {
        fields.insert(key.to_owned(), value.into());
    }
}

/// A text of an answer, safe for a terminal; `-` where there is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().filter(|text| !text.is_empty()).map_or_else(|| "-".to_owned(), plain)
}

pub(super) fn channels(health: &Value) -> String {
    let names: Vec<String> = health.at("channelOrder").as_array().into_iter().flatten().map(text).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The node's state on one line, then addresses, the login link and warnings; `None` where there is no node.
pub(super) fn tailnet(tailnet: &Value) -> Option<String> {
    let state = tailnet.at("state").as_str()?;
    let mut lines = vec![match tailnet.at("name").as_str() {
        Some(name) => format!("{}, {}", plain(state), plain(name)),
        None => plain(state),
    }];
    let addresses: Vec<String> = list(tailnet.at("addresses"));
    if !addresses.is_empty() {
        lines.push(addresses.join(", "));
    }
    if let Some(url) = tailnet.at("loginUrl").as_str() {
        lines.push(format!("to log in, open {}", plain(url)));
    }
    if let Some(reason) = tailnet.at("reason").as_str() {
        lines.push(alarming(&plain(reason)));
    }
    for url in [tailnet.at("https.url"), tailnet.at("serve.url"), tailnet.at("serve.publicUrl")]
        .into_iter()
        .filter_map(Value::as_str)
    {
        lines.push(plain(url));
    }
    for problem in [tailnet.at("https.problem"), tailnet.at("serve.problem")].into_iter().filter_map(Value::as_str) {
        lines.push(alarming(&plain(problem)));
    }
    lines.extend(list(tailnet.at("warnings")).iter().map(|warning| alarming(&format!("warning: {warning}"))));
    Some(lines.join("\n"))
}

/// Who the gateway takes us for, by `/whoami`.
pub(super) fn whoami(whoami: &Value) -> String {
    let tags = list(whoami.at("tags"));
    let who = match whoami.at("login").as_str() {
        Some(login) => plain(login),
        None if !tags.is_empty() => tags.join(", "),
        None => "nobody in particular".to_owned(),
    };
    let node = whoami.at("node").as_str().map_or(String::new(), |node| format!(" on {}", plain(node)));
    let mut lines = vec![format!("{who}{node}, over {}", text(whoami.at("path")))];
    let rights = match whoami.at("role").as_str() {
        Some(role) => format!("{} by {}", plain(role), text(whoami.at("method"))),
        None => alarming("not let in"),
    };
    lines.push(match whoami.at("reason").as_str() {
        Some(reason) => format!("{rights}: {}", plain(reason)),
        None => rights,
    });
    lines.join("\n")
}

pub(super) fn uptime(milliseconds: &Value) -> Option<String> {
    Some(span(Duration::from_millis(milliseconds.as_u64()?)))
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// The texts of a list on one line.
pub(super) fn joined(texts: &Value) -> String {
    list(texts).join(", ")
}

/// How long ago a time in milliseconds was.
pub(super) fn ago(time: &Value) -> String {
    span(Duration::from_millis(now_ms().saturating_sub(time.as_u64().unwrap_or(0))))
}

/// What the scopes of a connection amount to, in OpenClaw's words.
pub(super) fn capability(scopes: &[String]) -> &'static str {
    let has = |scope: &str| scopes.iter().any(|held| held == scope);
    if has("operator.admin") {
        "admin_capable"
    } else if has("operator.write") {
        "write_capable"
    } else if has("operator.read") {
        "read_only"
    } else {
        "connected_no_operator_scope"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_who_and_by_which_path() {
        let shown =
            whoami(&json!({ "path": "tailnet", "login": "ada@example.com", "node": "laptop.ts.net", "tags": [],
                                    "role": "operator", "method": "tailscale", "reason": "a login of this tailnet" }));
        assert_eq!(
            shown,
            "ada@example.com on laptop.ts.net, over tailnet\noperator by tailscale: a login of this tailnet"
        );
        let tagged = whoami(&json!({ "path": "tailnet", "tags": ["tag:camera"], "reason": "no grant" }));
        assert_eq!(tagged, "tag:camera, over tailnet\nnot let in: no grant");
    }

    #[test]
    fn a_node_that_waits_shows_its_link() {
        let shown = tailnet(&json!({ "state": "NeedsLogin", "loginUrl": "https://x/a" })).unwrap();
        assert_eq!(shown, "NeedsLogin\nto log in, open https://x/a");
        assert!(tailnet(&Value::Null).is_none());
    }

    #[test]
    fn the_strongest_scope_names_the_capability() {
        assert_eq!(capability(&["operator.read".into(), "operator.write".into()]), "write_capable");
        assert_eq!(capability(&[]), "connected_no_operator_scope");
    }
}

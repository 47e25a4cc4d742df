//! `gateway.http.*` and `gateway.controlUi.*`: what is served over plain HTTP.

use std::path::PathBuf;

use super::super::paths::expand;
use super::super::raw::{ControlUi as RawControlUi, Raw};
use super::super::{Environment, issue};
use super::hooks::{self, HookSettings};
use crate::protocol::config::Issue;
use crate::secret::Secret;

#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `/v1/chat/completions`, `/v1/models` and `/v1/embeddings`.
    pub chat_completions: bool,
    /// `/v1/responses`.
    pub responses: bool,
    pub control_ui: ControlUiSettings,
    /// `None`: off.
    pub hooks: Option<HookSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlUiSettings {
    pub enabled: bool,
    /// Instead of the page in the binary.
    pub root: Option<PathBuf>,
    /// Empty, or `/name` without a slash at its end.
    pub base_path: String,
}

pub(super) fn resolve(
    raw: &Raw,
    gateway_secret: Option<&Secret<String>>,
    environment: &Environment,
    issues: &mut Vec<Issue>,
) -> HttpSettings {
    let gateway = &raw.gateway;
    HttpSettings {
        chat_completions: gateway.http.endpoints.chat_completions.enabled,
        responses: gateway.http.endpoints.responses.enabled,
        control_ui: control_ui(&gateway.control_ui, environment, issues),
        hooks: hooks::resolve(&raw.hooks, gateway_secret, issues),
    }
}

fn control_ui(raw: &RawControlUi, environment: &Environment, issues: &mut Vec<Issue>) -> ControlUiSettings {
    let root = raw.root.as_deref().and_then(|text| match expand("gateway.controlUi.root", text, environment) {
        Ok(root) => Some(root),
        Err(mut error) => {
            issues.append(&mut error.issues);
            None
        }
    });
    if let Some(root) = root.as_deref().filter(|root| !root.join("index.html").is_file()) {
        let fix = "name the folder of a built page, or remove the key to serve the gateway's own";
        issues.push(issue("gateway.controlUi.root", format!("{} holds no index.html: {fix}", root.display())));
    }
    let base_path = base_path(raw.base_path.as_deref().unwrap_or_default());
    if base_path.is_none() {
        let fix = "use letters, digits, - and _ between slashes; for example \"/openclaw\"";
        issues.push(issue("gateway.controlUi.basePath", format!("is no path that a page can be served under: {fix}")));
    }
    ControlUiSettings { enabled: raw.enabled.unwrap_or(true), root, base_path: base_path.unwrap_or_default() }
}

/// As OpenClaw writes it: one slash before, none behind, `/` for none.
fn base_path(text: &str) -> Option<String> {
    let inner = text.trim().trim_matches('/');
    if inner.is_empty() {
        return Some(String::new());
    }
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    inner.split('/').all(is_plain).then(|| format!("/{inner}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_has_one_form() {
        for (text, path) in [("", ""), ("/", ""), ("ui", "/ui"), ("/ui/", "/ui"), (" /a/b-c ", "/a/b-c")] {
            assert_eq!(base_path(text).as_deref(), Some(path), "{text}");
        }
        for wrong in ["/a b", "/..", "/a//b", "/a?b", "/%2e"] {
            assert_eq!(base_path(wrong), None, "{wrong}");
        }
    }
}

//! Finding one's way in the table of keys.

use super::check;
use super::schema::{Field, Kind, ROOT};

/// What may stand at a dotted path, with the field that describes it. `None`: there is no such key.
pub(super) fn find(path: &[&str]) -> Option<Kind> {
    let mut kind = Kind::Table(ROOT);
    for key in path {
        kind = match kind {
            Kind::Table(fields) | Kind::TextOrTable(fields) => {
                fields.iter().find(|field| field.name == *key).map(|field| field.kind)?
            }
            Kind::Named(fields) => Kind::Table(fields),
            Kind::Map(inner) => *inner,
            Kind::Rows(fields) => key.parse::<usize>().ok().map(|_| Kind::Table(fields))?,
            Kind::TextList | Kind::EveryOrList => key.parse::<usize>().ok().map(|_| Kind::Text)?,
            _ => return None,
        };
    }
    Some(kind)
}

/// Where else in the table a key of this name exists: `port` is found as `gateway.port`.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    fn search(fields: &'static [Field], prefix: &str, name: &str) -> Option<String> {
        let at =
            |field: &Field| if prefix.is_empty() { field.name.to_owned() } else { format!("{prefix}.{}", field.name) };
        fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(at).or_else(|| {
            fields.iter().find_map(|field| field.kind.fields().and_then(|inner| search(inner, &at(field), name)))
        })
    }
    search(ROOT, "", name)
}

/// The key that a path with one slip in it was meant to be.
pub(super) fn nearest(path: &[&str]) -> Option<String> {
    let mut fields = ROOT;
    let mut found: Vec<&str> = Vec::new();
    for key in path {
        let field = fields.iter().find(|field| field.name == *key).or_else(|| {
            let near = check::closest(key, fields.iter().map(|field| field.name))?;
            fields.iter().find(|field| field.name == near)
        })?;
        found.push(field.name);
        fields = field.kind.fields().unwrap_or(&[]);
    }
    Some(found.join("."))
}

/// Top-level sections of OpenClaw's configuration that have no counterpart yet: the person made no typing mistake.
pub(super) fn is_openclaw_section(name: &str) -> bool {
    const SECTIONS: &[&str] = &[
        "acp",
        "approvals",
        "audio",
        "auth",
        "bindings",
        "broadcast",
        "browser",
        "channels",
        "commands",
        "cron",
        "diagnostics",
        "discovery",
        "env",
        "media",
        "memory",
        "messages",
        "meta",
        "nodeHost",
        "plugins",
        "secrets",
        "security",
        "session",
        "skills",
        "talk",
        "tools",
        "tts",
        "ui",
        "update",
        "web",
        "wizard",
    ];
    SECTIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_keys_in_tables_named_tables_and_rows() {
        assert!(matches!(find(&["gateway", "port"]), Some(Kind::Integer { .. })));
        assert!(matches!(find(&["models", "providers", "mine", "apiKey"]), Some(Kind::Secret)));
        assert!(matches!(find(&["models", "providers", "mine", "models", "0", "id"]), Some(Kind::Text)));
        assert!(find(&["gateway", "prot"]).is_none());
        assert!(find(&["gateway", "port", "x"]).is_none());
    }

    #[test]
    fn knows_where_a_key_belongs() {
        assert_eq!(elsewhere("hostname").as_deref(), Some("gateway.tailscale.hostname"));
        assert_eq!(elsewhere("port").as_deref(), Some("gateway.port"));
    }
}

//! The table of keys as others want to see it: a JSON Schema, hints for a form, one node of both.

use serde_json::{Map, Value, json};

use super::check::join;
use super::schema::{Field, Kind, ROOT, Reload};
use super::secrets;
use crate::protocol::config::{Hint, LookupChild, LookupReply, ReloadKind, SchemaReply};

/// Deeper than any key lies.
const MAX_SEGMENTS: usize = 32;
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The whole: `config.schema`.
#[must_use]
pub fn schema() -> SchemaReply {
    let mut ui_hints = Map::new();
    collect_hints(Kind::Table(ROOT), "", &mut ui_hints);
    SchemaReply {
        schema: root(),
        ui_hints,
        version: crate::VERSION.to_owned(),
        generated_at: crate::clock::rfc3339(crate::clock::now_ms()),
    }
}

/// One node: `config.schema.lookup`. `None` when there is no such key.
#[must_use]
pub fn lookup(path: &str) -> Option<LookupReply> {
    if path.trim() == "." {
        let mut schema = root();
        strip(&mut schema);
        return Some(LookupReply {
            path: ".".to_owned(),
            schema,
            reload_kind: reload_of(Kind::Table(ROOT), Reload::Live),
            hint: None,
            hint_path: None,
            children: children(Kind::Table(ROOT), "", "", Reload::Live),
        });
    }
    let node = Node::find(&segments(path)?)?;
    let mut schema = node.field.map_or_else(|| of_kind(node.kind), of_field);
    strip(&mut schema);
    Some(LookupReply {
        schema,
        reload_kind: reload_of(node.kind, node.reload),
        hint: node.field.map(|field| hint(field, node.order)),
        hint_path: node.field.map(|_| node.pattern.clone()),
        children: children(node.kind, &node.path, &node.pattern, node.reload),
        path: node.path,
    })
}

/// The key of the table that a dotted path leads to.
struct Node {
    kind: Kind,
    /// `None` for an entry of a list or of a table with free names.
    field: Option<&'static Field>,
    order: u32,
    reload: Reload,
    path: String,
    /// The path with `*` for names and indices.
    pattern: String,
}

impl Node {
    fn find(path: &[String]) -> Option<Self> {
        let mut node = Self {
            kind: Kind::Table(ROOT),
            field: None,
            order: 0,
            reload: Reload::Live,
            path: String::new(),
            pattern: String::new(),
        };
        for key in path {
            let mut is_free = true;
            let entry = match node.kind {
                Kind::Table(fields) | Kind::TextOrTable(fields) => {
                    let (order, field) = fields.iter().enumerate().find(|(_, field)| field.name == *key)?;
                    node.field = Some(field);
                    node.order = u32::try_from(order).unwrap_or(u32::MAX);
                    node.reload = field.reload;
                    is_free = false;
                    field.kind
                }
                Kind::Named(fields) => Kind::Table(fields),
                Kind::Map(inner) => *inner,
                Kind::Rows(fields) => is_index(key).then_some(Kind::Table(fields))?,
                Kind::TextList | Kind::EveryOrList => is_index(key).then_some(Kind::Text)?,
                _ => return None,
            };
            if is_free {
                node.field = None;
            }
            node.kind = entry;
            node.path = join(&node.path, key);
            node.pattern = join(&node.pattern, if is_free { "*" } else { key });
        }
        Some(node)
    }
}

fn is_index(key: &str) -> bool {
    key == "*" || key.parse::<usize>().is_ok()
}

/// `a.b[0].c`, `a.b[].c` and `a/b` as keys.
fn segments(path: &str) -> Option<Vec<String>> {
    let dotted = path.trim().replace("[]", ".*").replace('[', ".").replace([']', '/'], ".");
    let keys: Vec<String> = dotted.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
    (!keys.is_empty() && keys.len() <= MAX_SEGMENTS).then_some(keys)
}

fn root() -> Value {
    let mut schema = of_kind(Kind::Table(ROOT));
    let mut whole = Map::from_iter([("$schema".to_owned(), json!(DRAFT))]);
    if let Value::Object(entries) = &mut schema {
        whole.append(entries);
    }
    whole.insert("title".to_owned(), json!("TailclawConfig"));
    Value::Object(whole)
}

fn of_field(field: &Field) -> Value {
    let mut schema = of_kind(field.kind);
    if let Value::Object(entries) = &mut schema {
        entries.insert("title".to_owned(), json!(label(field.name)));
        entries.insert("description".to_owned(), json!(field.help));
    }
    schema
}

fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Secret => json!({ "anyOf": [{ "type": "string", "minLength": 1 }, secrets::schema()] }),
        Kind::Hidden => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer { least, most: i64::MAX } => json!({ "type": "integer", "minimum": least }),
        Kind::Integer { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Choice(allowed) => json!({ "type": "string", "enum": allowed }),
        Kind::TextList => json!({ "type": "array", "items": { "type": "string", "minLength": 1 } }),
        Kind::EveryOrList => json!({ "anyOf": [{ "const": "*" }, of_kind(Kind::TextList)] }),
        Kind::Table(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|field| (field.name.to_owned(), of_field(field))).collect();
            json!({ "type": "object", "additionalProperties": false, "properties": properties })
        }
        Kind::Named(fields) => {
            json!({ "type": "object", "additionalProperties": of_kind(Kind::Table(fields)) })
        }
        Kind::Map(inner) => json!({ "type": "object", "additionalProperties": of_kind(*inner) }),
        Kind::Rows(fields) => json!({ "type": "array", "items": of_kind(Kind::Table(fields)) }),
        Kind::TextOrTable(fields) => {
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, of_kind(Kind::Table(fields))] })
        }
    }
}

/// What has children shows them there.
fn strip(schema: &mut Value) {
    if let Value::Object(entries) = schema {
        entries.shift_remove("properties");
    }
}

fn children(kind: Kind, path: &str, pattern: &str, reload: Reload) -> Vec<LookupChild> {
    match kind {
        Kind::Table(fields) => fields
            .iter()
            .enumerate()
            .map(|(order, field)| LookupChild {
                key: field.name.to_owned(),
                path: join(path, field.name),
                kind: type_of(field.kind),
                required: false,
                has_children: has_children(field.kind),
                reload_kind: reload_of(field.kind, field.reload),
                hint: Some(hint(field, u32::try_from(order).unwrap_or(u32::MAX))),
                hint_path: Some(join(pattern, field.name)),
            })
            .collect(),
        Kind::Named(_) | Kind::Map(_) | Kind::Rows(_) | Kind::TextList => {
            let entry = match kind {
                Kind::Named(fields) | Kind::Rows(fields) => Kind::Table(fields),
                Kind::Map(inner) => *inner,
                _ => Kind::Text,
            };
            vec![LookupChild {
                key: "*".to_owned(),
                path: join(path, "*"),
                kind: type_of(entry),
                required: false,
                has_children: has_children(entry),
                reload_kind: reload_of(entry, reload),
                hint: None,
                hint_path: None,
            }]
        }
        // As OpenClaw has it: what may be text shows its other form in the schema.
        _ => Vec::new(),
    }
}

const fn has_children(kind: Kind) -> bool {
    matches!(kind, Kind::Table(_) | Kind::Named(_) | Kind::Map(_) | Kind::Rows(_) | Kind::TextList)
}

const fn type_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Text | Kind::Hidden | Kind::Choice(_) => "string",
        Kind::Flag => "boolean",
        Kind::Integer { .. } => "integer",
        Kind::TextList | Kind::Rows(_) => "array",
        Kind::Table(_) | Kind::Named(_) | Kind::Map(_) => "object",
        Kind::Secret | Kind::EveryOrList | Kind::TextOrTable(_) => return None,
    })
}

/// A table needs a restart as soon as one of its keys does.
fn reload_of(kind: Kind, own: Reload) -> ReloadKind {
    let fields = match kind {
        Kind::Table(fields) | Kind::Named(fields) | Kind::Rows(fields) | Kind::TextOrTable(fields) => fields,
        _ if own == Reload::Restart => return ReloadKind::Restart,
        _ => return ReloadKind::Hot,
    };
    let restarts = |field: &Field| reload_of(field.kind, field.reload) == ReloadKind::Restart;
    if fields.iter().any(restarts) { ReloadKind::Restart } else { ReloadKind::Hot }
}

/// What a change at a path takes. A path that leads nowhere needs nothing: the check speaks of it.
pub(super) fn reload_at(path: &str) -> ReloadKind {
    let node = segments(path).and_then(|keys| Node::find(&keys));
    node.map_or(ReloadKind::Hot, |node| reload_of(node.kind, node.reload))
}

fn collect_hints(kind: Kind, path: &str, hints: &mut Map<String, Value>) {
    match kind {
        Kind::Table(fields) | Kind::TextOrTable(fields) => {
            for (order, field) in fields.iter().enumerate() {
                let here = join(path, field.name);
                let hint = hint(field, u32::try_from(order).unwrap_or(u32::MAX));
                hints.insert(here.clone(), json!(hint));
                collect_hints(field.kind, &here, hints);
            }
        }
        Kind::Named(fields) | Kind::Rows(fields) => collect_hints(Kind::Table(fields), &join(path, "*"), hints),
        _ => {}
    }
}

fn hint(field: &Field, order: u32) -> Hint {
    let is_text = matches!(field.kind, Kind::Text);
    let is_secret = |kind: Kind| matches!(kind, Kind::Secret | Kind::Hidden);
    Hint {
        label: label(field.name),
        help: field.help.to_owned(),
        order: Some(order),
        sensitive: is_secret(field.kind) || matches!(field.kind, Kind::Map(inner) if is_secret(*inner)),
        placeholder: is_text.then(|| field.example.trim_matches('"').to_owned()),
        advanced: false,
    }
}

/// `handshakeTimeoutMs` as `Handshake Timeout Ms`.
fn label(name: &str) -> String {
    let mut label = String::with_capacity(name.len() + 4);
    for letter in name.trim_start_matches('$').chars() {
        if label.is_empty() {
            label.extend(letter.to_uppercase());
        } else {
            if letter.is_uppercase() {
                label.push(' ');
            }
            label.push(letter);
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_key_and_no_other() {
        let reply = schema();
        let gateway = &reply.schema["properties"]["gateway"];
        assert_eq!(gateway["properties"]["port"]["maximum"], 65_535);
        assert_eq!(gateway["additionalProperties"], false);
        assert_eq!(reply.ui_hints["models.providers.*.apiKey"]["sensitive"], true);
        assert!(reply.ui_hints["gateway.port"].get("sensitive").is_none());
        assert!(reply.ui_hints.contains_key("models.providers.*.models.*.id"));
    }

    #[test]
    fn a_node_is_found_however_it_is_written() {
        for path in
            ["models.providers.x.models.0.id", "models.providers.x.models[].id", "models/providers/*/models[3].id"]
        {
            let node = lookup(path).unwrap();
            assert_eq!(node.hint_path.as_deref(), Some("models.providers.*.models.*.id"), "{path}");
            assert_eq!((node.schema["type"].as_str(), node.children.len()), (Some("string"), 0));
        }
        assert_eq!(lookup("models.providers.x.models[].id").unwrap().path, "models.providers.x.models.*.id");
        let root = lookup(".").unwrap();
        assert_eq!(root.children.len(), ROOT.len());
        assert!(root.schema.get("properties").is_none());
        assert_eq!(
            lookup("gateway.controlUi.allowedOrigins").unwrap().children[0].path,
            "gateway.controlUi.allowedOrigins.*"
        );
        for nowhere in ["gateway.nope", "gateway.port.x", "models.providers.x.models.first", ".."] {
            assert!(lookup(nowhere).is_none(), "{nowhere}");
        }
    }

    #[test]
    fn a_table_restarts_when_one_of_its_keys_does() {
        assert_eq!(reload_at("gateway"), ReloadKind::Restart);
        assert_eq!(reload_at("gateway.port"), ReloadKind::Restart);
        assert_eq!(reload_at("gateway.auth.token"), ReloadKind::Hot);
        assert_eq!(reload_at("secrets.providers.x.args"), ReloadKind::Hot);
        for live in
            ["models.providers.x", "models.providers.x.models", "agents", "hooks", "gateway.http", "gateway.nodes"]
        {
            assert_eq!(reload_at(live), ReloadKind::Hot, "{live}");
        }
        assert_eq!(reload_at("gateway.tailscale"), ReloadKind::Restart);
    }
}

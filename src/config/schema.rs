//! The keys of the configuration: one table from which files are checked, values are found and secrets are known.

/// What may stand under a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text that is never shown.
    Secret,
    Flag,
    Integer {
        least: i64,
        most: i64,
    },
    Choice(&'static [&'static str]),
    TextList,
    Table(&'static [Field]),
    /// A table whose keys the person chooses; each value is a table of these.
    Named(&'static [Field]),
    /// A list of such tables.
    Rows(&'static [Field]),
    /// Plain text in place of the table.
    TextOrTable(&'static [Field]),
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// A value that would be right, for the message that says what was wrong.
    pub(super) example: &'static str,
}

const fn field(name: &'static str, kind: Kind, example: &'static str) -> Field {
    Field { name, kind, example }
}

pub(super) const ROOT: &[Field] = &[
    field("$schema", Kind::Text, "\"tailclaw.schema.json\""),
    field("gateway", Kind::Table(GATEWAY), "{ port: 18789 }"),
    field("logging", Kind::Table(LOGGING), "{ level: \"info\" }"),
    field("models", Kind::Table(MODELS), "{ providers: {} }"),
    field("agents", Kind::Table(AGENTS), "{ defaults: {} }"),
];

const GATEWAY: &[Field] = &[
    field("mode", Kind::Choice(&["local", "remote"]), "\"local\""),
    field("port", Kind::Integer { least: 1, most: 65_535 }, "18789"),
    field("bind", Kind::Choice(&["loopback", "lan", "tailnet", "custom", "auto"]), "\"loopback\""),
    field("customBindHost", Kind::Text, "\"192.0.2.10\""),
    field("handshakeTimeoutMs", Kind::Integer { least: 100, most: 600_000 }, "15000"),
    field("auth", Kind::Table(AUTH), "{ mode: \"token\" }"),
    field("tailscale", Kind::Table(TAILSCALE), "{ node: \"embedded\" }"),
    field("controlUi", Kind::Table(CONTROL_UI), "{ enabled: true }"),
];

const AUTH: &[Field] = &[
    field("mode", Kind::Choice(&["none", "token", "password"]), "\"token\""),
    field("token", Kind::Secret, "\"${GATEWAY_TOKEN}\""),
    field("password", Kind::Secret, "\"${GATEWAY_PASSWORD}\""),
    field("allowTailscale", Kind::Flag, "true"),
    field("tailscale", Kind::Table(AUTH_TAILSCALE), "{ require: \"login\" }"),
];

const AUTH_TAILSCALE: &[Field] = &[
    field("require", Kind::Choice(&["login", "grant"]), "\"login\""),
    field("capability", Kind::Text, "\"tailclaw.dev/cap/gateway\""),
];

const TAILSCALE: &[Field] = &[
    field("node", Kind::Choice(&["embedded", "host", "off"]), "\"embedded\""),
    field("mode", Kind::Choice(&["off", "serve", "funnel"]), "\"off\""),
    field("hostname", Kind::Text, "\"tailclaw\""),
    field("controlUrl", Kind::Text, "\"https://headscale.example.com\""),
    field("authKey", Kind::Secret, "\"${TS_AUTHKEY}\""),
    field("tags", Kind::TextList, "[\"tag:tailclaw\"]"),
    field("ephemeral", Kind::Flag, "false"),
    field("stateDir", Kind::Text, "\"/var/lib/tailclaw/tailnet\""),
];

const CONTROL_UI: &[Field] = &[
    field("enabled", Kind::Flag, "true"),
    field("allowedOrigins", Kind::TextList, "[\"https://control.example.com\"]"),
];

const LOGGING: &[Field] =
    &[field("level", Kind::Choice(&["silent", "fatal", "error", "warn", "info", "debug", "trace"]), "\"info\"")];

const MODELS: &[Field] = &[field("providers", Kind::Named(PROVIDER), "{ ollama: {} }")];

const PROVIDER: &[Field] = &[
    field("baseUrl", Kind::Text, "\"https://models.example.com/v1\""),
    field("apiKey", Kind::Secret, "\"${MODELS_API_KEY}\""),
    field("api", Kind::Choice(&["openai-completions", "anthropic-messages", "ollama"]), "\"openai-completions\""),
    field("models", Kind::Rows(MODEL), "[{ id: \"model-id\" }]"),
];

const MODEL: &[Field] = &[
    field("id", Kind::Text, "\"model-id\""),
    field("name", Kind::Text, "\"A name to show\""),
    field("contextWindow", Kind::Integer { least: 1, most: i64::MAX }, "200000"),
];

const AGENTS: &[Field] = &[field("defaults", Kind::Table(DEFAULTS), "{ model: \"provider/model\" }")];

const DEFAULTS: &[Field] = &[
    field("model", Kind::TextOrTable(PRIMARY), "\"provider/model\""),
    field("instructions", Kind::Text, "\"Answer briefly.\""),
];

const PRIMARY: &[Field] = &[field("primary", Kind::Text, "\"provider/model\"")];

impl Kind {
    /// The fields of the table that stands under the key `name` of this kind.
    pub(super) const fn fields(self) -> Option<&'static [Field]> {
        match self {
            Self::Table(fields) | Self::TextOrTable(fields) => Some(fields),
            _ => None,
        }
    }
}

/// What may stand at a dotted path, with the field that describes it. `None`: there is no such key.
pub(super) fn find(path: &[&str]) -> Option<Kind> {
    let mut kind = Kind::Table(ROOT);
    for key in path {
        kind = match kind {
            Kind::Table(fields) | Kind::TextOrTable(fields) => {
                fields.iter().find(|field| field.name == *key).map(|field| field.kind)?
            }
            Kind::Named(fields) => Kind::Table(fields),
            Kind::Rows(fields) => key.parse::<usize>().ok().map(|_| Kind::Table(fields))?,
            Kind::TextList => key.parse::<usize>().ok().map(|_| Kind::Text)?,
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
            let near = super::check::closest(key, fields.iter().map(|field| field.name))?;
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
        "hooks",
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

//! The keys of the configuration: one table from which files are checked, values are found, secrets are known, the JSON
//! Schema is made and the reload decides what it can do.
//!
//! **To add a key**, add its row here, a field of the same name in `raw.rs`, and its use in `resolve/`:
//!
//! ```text
//! key("port", Kind::Integer { least: 1, most: 65_535 }, "18789").restart("The TCP port that is listened on."),
//! ```
//!
//! That is its name, what may stand there, a value that would be right, and in one sentence what it is for. The last
//! word also says what a change of it takes: `live` if whoever uses the value sees the new one while the gateway runs,
//! `restart` if not. For a table its own keys decide. A secret is [`Kind::Secret`], never [`Kind::Text`]: only then it is
//! redacted, and may come from the environment, a file or a program. A new section is a `const` of rows and a
//! [`Kind::Table`] of it in the table above it.

/// What may stand under a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text that is never shown: as it is, as `${NAME}`, or as a reference to where it lies (`secrets`).
    Secret,
    /// Text that is never shown and can be no reference, because references are resolved with it.
    Hidden,
    Flag,
    Integer {
        least: i64,
        most: i64,
    },
    Choice(&'static [&'static str]),
    TextList,
    /// `"*"`, or a list of texts.
    EveryOrList,
    Table(&'static [Field]),
    /// A table whose keys the person chooses; each value is a table of these.
    Named(&'static [Field]),
    /// A table whose keys the person chooses; each value is of this kind.
    Map(&'static Kind),
    /// A list of tables of these.
    Rows(&'static [Field]),
    /// Plain text in place of the table.
    TextOrTable(&'static [Field]),
}

/// What it takes until a changed value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reload {
    /// Nothing: it is seen while the gateway runs.
    Live,
    /// The gateway has to be started anew.
    Restart,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// A value that would be right, for the message that says what was wrong.
    pub(super) example: &'static str,
    /// One sentence for the person who fills in a form.
    pub(super) help: &'static str,
    pub(super) reload: Reload,
}

/// A row without its last word.
struct Key {
    name: &'static str,
    kind: Kind,
    example: &'static str,
}

const fn key(name: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { name, kind, example }
}

impl Key {
    const fn live(self, help: &'static str) -> Field {
        Field { name: self.name, kind: self.kind, example: self.example, help, reload: Reload::Live }
    }

    const fn restart(self, help: &'static str) -> Field {
        Field { name: self.name, kind: self.kind, example: self.example, help, reload: Reload::Restart }
    }
}

pub(super) const ROOT: &[Field] = &[
    key("$schema", Kind::Text, "\"tailclaw.schema.json\"")
        .live("For editors: where the JSON Schema of this file is. Nothing reads it."),
    key("gateway", Kind::Table(GATEWAY), "{ port: 18789 }").live("How the gateway is reached, and by whom."),
    key("logging", Kind::Table(LOGGING), "{ level: \"info\" }")
        .live("What the gateway writes down about its own work."),
    key("models", Kind::Table(MODELS), "{ providers: {} }").live("The model providers and their models."),
    key("secrets", Kind::Table(SECRETS), "{ providers: {} }")
        .live("Where secrets are kept that the file only refers to."),
    key("agents", Kind::Table(AGENTS), "{ defaults: {} }").live("The agents and what they answer with."),
    key("discovery", Kind::Table(DISCOVERY), "{ mdns: { mode: \"minimal\" } }")
        .live("How gateways are found in the local network."),
    key("hooks", Kind::Table(HOOKS), "{ enabled: true, token: \"${HOOKS_TOKEN}\" }")
        .live("What other services may set off over HTTP."),
];

const DISCOVERY: &[Field] =
    &[key("mdns", Kind::Table(MDNS), "{ mode: \"minimal\" }").live("What is announced by multicast DNS.")];

const MDNS: &[Field] = &[key("mode", Kind::Choice(&["off", "minimal", "full"]), "\"minimal\"").live(
    "What a gateway that the local network reaches tells it: nothing, that it is there, or its names and SSH port, too.",
)];

/// What is listened on is bound once, at the start: who waits at the old address could not be told of the new one.
const GATEWAY: &[Field] = &[
    key("mode", Kind::Choice(&["local", "remote"]), "\"local\"")
        .restart("\"local\": this machine runs the gateway. \"remote\": it only calls one elsewhere."),
    key("port", Kind::Integer { least: 1, most: 65_535 }, "18789").restart("The TCP port that is listened on."),
    key("bind", Kind::Choice(&["loopback", "lan", "tailnet", "custom", "auto"]), "\"loopback\"")
        .restart("Which addresses are listened on; loopback is reached from this machine only."),
    key("customBindHost", Kind::Text, "\"192.0.2.10\"").restart("The address for bind \"custom\"."),
    key("handshakeTimeoutMs", Kind::Integer { least: 100, most: 600_000 }, "15000")
        .live("How long a client may take from connecting to a finished handshake."),
    key("writeTimeoutMs", Kind::Integer { least: 100, most: 600_000 }, "30000")
        .live("How long a client may take nothing of what is sent to it before its connection is ended."),
    key("pingIntervalMs", Kind::Integer { least: 100, most: 600_000 }, "25000")
        .live("How often a WebSocket is pinged; a client that gives no sign of life for as long is gone."),
    key("reload", Kind::Table(RELOAD), "{ mode: \"hybrid\" }").live("What becomes of a change of this file."),
    key("auth", Kind::Table(AUTH), "{ mode: \"token\" }").live("What callers have to show."),
    key("roles", Kind::Table(ROLES), "{ default: \"guest\", definitions: {} }").live(
        "Named operator roles for people whom the tailnet or a trusted proxy names; without them nobody has one.",
    ),
    key("trustedProxies", Kind::TextList, "[\"192.0.2.1\", \"10.0.0.0/8\"]")
        .live("Addresses and networks of proxies whose X-Forwarded-For says where a request comes from."),
    key("allowRealIpFallback", Kind::Flag, "false")
        .live("Whether X-Real-IP counts where a trusted proxy sends no X-Forwarded-For."),
    key("tailscale", Kind::Table(TAILSCALE), "{ node: \"embedded\" }").live("The gateway's own place in a tailnet."),
    key("tls", Kind::Table(TLS), "{ enabled: true }")
        .restart("Encryption where no tailnet provides it: the port then speaks https and wss, and nothing else."),
    key("remote", Kind::Table(REMOTE), "{ url: \"wss://gateway.example.com\" }")
        .live("The gateway elsewhere that mode \"remote\" is about, for the commands of this machine."),
    key("nodes", Kind::Table(NODES), "{ pairing: {} }").live("The devices that serve the agent."),
    key("controlUi", Kind::Table(CONTROL_UI), "{ enabled: true }").live("The web page that the gateway serves."),
    key("http", Kind::Table(HTTP), "{ endpoints: { chatCompletions: { enabled: true } } }")
        .live("What programs may ask for over plain HTTP."),
];

const RELOAD: &[Field] = &[key("mode", Kind::Choice(&["hybrid", "off"]), "\"hybrid\"").live(
    "\"hybrid\": what can change while the gateway runs does, the rest waits for its next start. \"off\": all waits.",
)];

const AUTH: &[Field] = &[
    key("mode", Kind::Choice(&["none", "token", "password", "trusted-proxy"]), "\"token\"").live(
        "What callers show: a shared secret, or a trusted proxy's word. Without it, the secret that is set decides.",
    ),
    key("token", Kind::Secret, "\"${GATEWAY_TOKEN}\"").live("The shared secret of mode \"token\"."),
    key("password", Kind::Secret, "\"${GATEWAY_PASSWORD}\"").live("The shared secret of mode \"password\"."),
    key("allowTailscale", Kind::Flag, "true")
        .live("Whether a caller's tailnet identity is enough, without the shared secret."),
    key("trustedProxy", Kind::Table(TRUSTED_PROXY), "{ userHeader: \"x-forwarded-user\" }")
        .live("Where a proxy has asked for a login: whose word counts, in mode \"trusted-proxy\"."),
    key("rateLimit", Kind::Table(RATE_LIMIT), "{ maxAttempts: 10 }").live("When wrong guesses lock their sender out."),
    key("bindTokens", Kind::Flag, "true")
        .live("Whether a device token that was issued on a tailnet node works from that node alone."),
    key("identityScopes", Kind::Map(&Kind::TextList), "{ \"alice@example.com\": [\"operator.read\"] }").live(
        "What a login may do that the tailnet or a trusted proxy verifies; without an entry here it may nothing.",
    ),
    key("tailscale", Kind::Table(AUTH_TAILSCALE), "{ require: \"login\" }")
        .live("What a tailnet identity has to have."),
];

const ROLES: &[Field] = &[
    key("default", Kind::Text, "\"guest\"").live("The role of everybody to whom none was assigned (users.setRole)."),
    key("definitions", Kind::Named(ROLE), "{ guest: { sessions: { others: \"view\" }, agents: [], scopes: [] } }")
        .live("The roles by their names."),
];

const ROLE: &[Field] = &[
    key("sessions", Kind::Table(ROLE_SESSIONS), "{ others: \"view\" }")
        .live("What is left of other people's sessions."),
    key("agents", Kind::EveryOrList, "\"*\"").live("The agents that may be worked with: \"*\" or a list of ids."),
    key("scopes", Kind::TextList, "[\"operator.read\", \"operator.write\"]")
        .live("The most that a holder may do, whatever else speaks for them."),
    key("sandbox", Kind::Choice(&["inherit", "required"]), "\"inherit\"")
        .live("\"required\": what a holder begins has to run in a sandbox; without one here, they begin nothing."),
    key("accessPolicyPlugin", Kind::Text, "\"visitor-access\"")
        .live("The plugin that has to agree to each holder; there are none here, so a holder does not come in."),
];

const ROLE_SESSIONS: &[Field] = &[key("others", Kind::Choice(&["none", "view", "suggest", "write"]), "\"view\"")
    .live("\"none\" hides them, \"view\" and \"suggest\" let them be read, \"write\" lets the holder take part.")];

const TRUSTED_PROXY: &[Field] = &[
    key("userHeader", Kind::Text, "\"x-forwarded-user\"")
        .live("The header in which the proxy names the user; it has to overwrite what the client sends there."),
    key("requiredHeaders", Kind::TextList, "[\"x-forwarded-proto\"]")
        .live("Headers that have to be there for the proxy's word to count."),
    key("allowUsers", Kind::TextList, "[\"alice@example.com\"]")
        .live("The users who may come in; without it, everyone whom the proxy names."),
    key("allowLoopback", Kind::Flag, "false")
        .live("Whether a proxy on this machine is believed; then every program here can claim to be anybody."),
];

const RATE_LIMIT: &[Field] = &[
    key("maxAttempts", Kind::Integer { least: 1, most: 1_000 }, "10")
        .live("So many failures within the window lock their sender out."),
    key("windowMs", Kind::Integer { least: 1_000, most: 86_400_000 }, "60000")
        .live("How long a failure counts, in milliseconds."),
    key("lockoutMs", Kind::Integer { least: 1_000, most: 86_400_000 }, "300000")
        .live("How long a lockout lasts, in milliseconds."),
    key("exemptLoopback", Kind::Flag, "true").live("Whether this machine is only slowed down, and never locked out."),
];

/// Read by each command anew; a running gateway has no use for it.
const REMOTE: &[Field] = &[
    key("url", Kind::Text, "\"wss://gateway.example.com\"")
        .live("Where the gateway is: wss://, or ws:// in a network of one's own."),
    key("transport", Kind::Choice(&["direct", "ssh", "tailnet"]), "\"direct\"")
        .live("How it is reached: at its address, through SSH, or by a tailnet node that a command brings along."),
    key("token", Kind::Secret, "\"${REMOTE_GATEWAY_TOKEN}\"")
        .live("The token that is shown there; never this machine's own."),
    key("password", Kind::Secret, "\"${REMOTE_GATEWAY_PASSWORD}\"")
        .live("The password that is shown there; never this machine's own."),
    key("tlsFingerprint", Kind::Text, "\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"")
        .live("SHA-256 of the gateway's certificate: that one is taken, whoever signed it, and no other."),
    key("edgeAuth", Kind::Map(&Kind::Secret), "{ \"Cf-Access-Token\": \"${CF_ACCESS_TOKEN}\" }")
        .live("Headers that a proxy in front asks for; they are sent to exactly this url, and only over wss."),
    key("sshTarget", Kind::Text, "\"user@gateway-host\"")
        .live("Transport \"ssh\": user@host or user@host:port, as ssh takes it."),
    key("sshIdentity", Kind::Text, "\"~/.ssh/id_ed25519\"")
        .live("Transport \"ssh\": the key file, where it is not ssh's own choice."),
    key("remotePort", Kind::Integer { least: 1, most: 65_535 }, "18789")
        .live("Transport \"ssh\": the gateway's port on its machine; without it, the port of url, else 18789."),
    key("sshHostKeyPolicy", Kind::Choice(&["strict", "openssh"]), "\"strict\"").live(
        "Transport \"ssh\": \"strict\" takes known host keys alone, \"openssh\" goes by ssh's own configuration.",
    ),
    key("tailnet", Kind::Table(REMOTE_TAILNET), "{ authKey: \"${TS_AUTHKEY}\" }")
        .live("Transport \"tailnet\": the node that a command brings along."),
];

const REMOTE_TAILNET: &[Field] = &[
    key("authKey", Kind::Secret, "\"${TS_AUTHKEY}\"")
        .live("The key with which the node joins; without one, a person is given a link."),
    key("controlUrl", Kind::Text, "\"https://headscale.example.com\"")
        .live("The control server, where it is not Tailscale's own."),
    key("hostname", Kind::Text, "\"tailclaw-cli\"").live("The node's name in the tailnet."),
];

const NODES: &[Field] = &[
    key("pairing", Kind::Table(NODES_PAIRING), "{ autoApproveLocal: true }").live("Which devices need no approval."),
    key("commands", Kind::Table(NODES_COMMANDS), "{ deny: [\"system.run\"] }").live("What nodes may be asked to do."),
];

const NODES_COMMANDS: &[Field] = &[
    key("allow", Kind::TextList, "[\"camera.snap\"]")
        .live("Commands beside the usual ones of a node's platform; sensitive ones run only if they are named here."),
    key("deny", Kind::TextList, "[\"system.run\"]").live("Commands that no node is ever asked for."),
];

const NODES_PAIRING: &[Field] = &[
    key("autoApproveLocal", Kind::Flag, "true")
        .live("Whether a program of this machine is paired without anybody's approval."),
    key("autoApproveCidrs", Kind::TextList, "[\"192.168.1.0/24\"]")
        .live("Networks from which a node that comes for the first time is paired without an approval."),
];

const AUTH_TAILSCALE: &[Field] = &[
    key("require", Kind::Choice(&["login", "grant"]), "\"login\"")
        .live("\"login\": anyone whom the tailnet lets through. \"grant\": only who was granted the capability."),
    key("capability", Kind::Text, "\"tailclaw.dev/cap/gateway\"")
        .live("The capability that grants in the tailnet's policy name."),
    key("allow", Kind::TextList, "[\"alice@example.com\", \"tag:laptop\"]")
        .live("Who may have rights by a tailnet identity at all; \"*@example.com\" is a whole domain."),
    key("deny", Kind::TextList, "[\"*@example.com\"]")
        .live("Who is shut out, written in the same way: it wins over grants, and over the shared secret."),
];

/// The node joins once, at the start: another key or control server makes it another node.
const TAILSCALE: &[Field] = &[
    key("node", Kind::Choice(&["embedded", "host", "off"]), "\"embedded\"")
        .restart("\"embedded\": the gateway joins the tailnet as a node of its own."),
    key("mode", Kind::Choice(&["off", "serve", "funnel"]), "\"off\"").restart(
        "Whether the gateway is offered over HTTPS to the tailnet (\"serve\") or to everyone (\"funnel\", which needs a \
         password).",
    ),
    key("publicPaths", Kind::TextList, "[\"/hooks\"]").restart(
        "Paths of hooks that everyone on the internet may call, by Funnel on a port of their own where nothing else is.",
    ),
    key("publicPort", Kind::Integer { least: 443, most: 10_000 }, "8443")
        .restart("The port of publicPaths; Funnel has 443, 8443 and 10000."),
    key("socket", Kind::Text, "\"/var/run/tailscale/tailscaled.sock\"")
        .restart("Where this machine's tailscaled takes commands, with node \"host\"."),
    key("hostname", Kind::Text, "\"tailclaw\"").live("The node's name in the tailnet."),
    key("controlUrl", Kind::Text, "\"https://headscale.example.com\"")
        .restart("The control server, where it is not Tailscale's own."),
    key("authKey", Kind::Secret, "\"${TS_AUTHKEY}\"")
        .restart("The key with which the node joins without a person; file:/path names a file that holds it."),
    key("clientId", Kind::Text, "\"kAbC1dEf2CNTRL\"")
        .restart("The OAuth client's id; Tailscale itself knows the client by its secret."),
    key("clientSecret", Kind::Secret, "\"${TS_CLIENT_SECRET}\"").restart(
        "An OAuth client's secret, or file:/path: it makes a key for the tags whenever the node has to log in.",
    ),
    key("apiUrl", Kind::Text, "\"https://api.tailscale.com\"")
        .restart("Where keys are made with the OAuth client, if not by Tailscale's own API."),
    key("tags", Kind::TextList, "[\"tag:tailclaw\"]").restart("The tags that the node asks for."),
    key("ephemeral", Kind::Flag, "false").restart("Whether the tailnet forgets the node soon after it has gone."),
    key("stateDir", Kind::Text, "\"/var/lib/tailclaw/tailnet\"").restart("Where the node keeps its keys."),
];

/// The files may be replaced while the gateway runs; other files, or none, are for its next start.
const TLS: &[Field] = &[
    key("enabled", Kind::Flag, "true").restart("Whether the gateway's port speaks TLS."),
    key("autoGenerate", Kind::Flag, "true").restart(
        "Whether a certificate that vouches for itself is made where there is none; clients pin its fingerprint.",
    ),
    key("certPath", Kind::Text, "\"/etc/tailclaw/tls/server.crt\"")
        .restart("The certificate and its chain in PEM; replaced files are taken over while the gateway runs."),
    key("keyPath", Kind::Text, "\"/etc/tailclaw/tls/server.key\"").restart("The certificate's private key in PEM."),
    key("caPath", Kind::Text, "\"/etc/tailclaw/tls/ca-bundle.crt\"").restart(
        "Certificates of authorities that complete the chain; clients are not asked for certificates of their own.",
    ),
];

const CONTROL_UI: &[Field] = &[
    key("enabled", Kind::Flag, "true").live("Whether the page is served."),
    key("allowedOrigins", Kind::TextList, "[\"https://control.example.com\"]")
        .live("Origins of other pages that may connect."),
    key("dangerouslyAllowHostHeaderOriginFallback", Kind::Flag, "false")
        .live("Whether any page may connect whose origin is the Host it asks for; opens the door to DNS rebinding."),
    key("root", Kind::Text, "\"/srv/control-ui\"")
        .live("A folder with another built page to serve instead of the gateway's own."),
    key("basePath", Kind::Text, "\"/openclaw\"").live("The path under which the page is served."),
];

const HTTP: &[Field] = &[key("endpoints", Kind::Table(ENDPOINTS), "{ responses: { enabled: true } }")
    .live("Endpoints that are off unless switched on.")];

const ENDPOINTS: &[Field] = &[
    key("chatCompletions", Kind::Table(ENDPOINT), "{ enabled: true }")
        .live("/v1/chat/completions, /v1/models and /v1/embeddings."),
    key("responses", Kind::Table(ENDPOINT), "{ enabled: true }").live("/v1/responses."),
];

const ENDPOINT: &[Field] = &[key("enabled", Kind::Flag, "true").live("Whether it is served.")];

const HOOKS: &[Field] = &[
    key("enabled", Kind::Flag, "true").live("Whether hooks are served."),
    key("token", Kind::Secret, "\"${HOOKS_TOKEN}\"").live("What a service shows; never the gateway's own secret."),
    key("path", Kind::Text, "\"/hooks\"").live("The path under which hooks are served."),
    key("defaultSessionKey", Kind::Text, "\"hook:inbox\"")
        .live("The session that hooks speak in; without it, each call has one of its own."),
    key("allowRequestSessionKey", Kind::Flag, "false").live("Whether a call may name its session."),
    key("allowedSessionKeyPrefixes", Kind::TextList, "[\"hook:\"]").live("What the names of such sessions begin with."),
    key("allowedAgentIds", Kind::TextList, "[\"main\"]").live("Which agents may be named; \"*\" for all."),
    key("mappings", Kind::Rows(MAPPING), "[{ match: { path: \"build\" }, messageTemplate: \"{{title}}\" }]")
        .live("How other services' own messages are told to the agent; the first that fits counts."),
];

const MAPPING: &[Field] = &[
    key("id", Kind::Text, "\"build\"").live("A name for people."),
    key("match", Kind::Table(MATCH), "{ path: \"build\" }").live("Which calls it is for."),
    key("action", Kind::Choice(&["wake", "agent"]), "\"agent\"")
        .live("\"agent\": a run of its own. \"wake\": an event for the main session."),
    key("wakeMode", Kind::Choice(&["now", "next-heartbeat"]), "\"now\"").live("When a wake is told to the agent."),
    key("name", Kind::Text, "\"Build\"").live("Who speaks, for the agent; a template."),
    key("agentId", Kind::Text, "\"main\"").live("The agent that is told."),
    key("sessionKey", Kind::Text, "\"hook:build\"").live("The session that it speaks in; a template."),
    key("messageTemplate", Kind::Text, "\"{{payload.title}}\"").live("What the agent is told; a template."),
    key("textTemplate", Kind::Text, "\"{{payload.title}}\"").live("The text of a wake; a template."),
    key("timeoutSeconds", Kind::Integer { least: 1, most: 86_400 }, "600").live("How long the run may take."),
];

const MATCH: &[Field] = &[
    key("path", Kind::Text, "\"build\"").live("The rest of the path after hooks.path."),
    key("source", Kind::Text, "\"ci\"").live("The value of source in what is sent."),
];

const LOGGING: &[Field] =
    &[key("level", Kind::Choice(&["silent", "fatal", "error", "warn", "info", "debug", "trace"]), "\"info\"")
        .live("The least important lines that are still written.")];

const MODELS: &[Field] = &[key("providers", Kind::Named(PROVIDER), "{ ollama: {} }")
    .live("Providers by the name that model references begin with.")];

const PROVIDER: &[Field] = &[
    key("baseUrl", Kind::Text, "\"https://models.example.com/v1\"").live("Where the provider's API is."),
    key("apiKey", Kind::Secret, "\"${MODELS_API_KEY}\"").live("The key that the provider asks for."),
    key("api", Kind::Choice(&["openai-completions", "anthropic-messages", "ollama"]), "\"openai-completions\"")
        .live("How the provider is spoken to."),
    key("models", Kind::Rows(MODEL), "[{ id: \"model-id\" }]")
        .live("The provider's models; the first is used where none is chosen."),
];

const MODEL: &[Field] = &[
    key("id", Kind::Text, "\"model-id\"").live("The provider's name for the model."),
    key("name", Kind::Text, "\"A name to show\"").live("The name that people see."),
    key("contextWindow", Kind::Integer { least: 1, most: i64::MAX }, "200000")
        .live("How many tokens the model takes in at once."),
    key("input", Kind::TextList, "[\"text\", \"image\"]").live("What the model can be given, besides text: \"image\"."),
];

const SECRETS: &[Field] = &[key("providers", Kind::Named(SECRET_PROVIDER), "{ vault: { source: \"env\" } }")
    .live("Places by the name that a reference {source, provider, id} gives; \"default\" of \"env\" is always there.")];

const SECRET_PROVIDER: &[Field] = &[
    key("source", Kind::Choice(&["env", "file", "exec"]), "\"file\"").live("What kind of place it is."),
    key("allowlist", Kind::TextList, "[\"MODELS_API_KEY\"]").live("env: the only variables that may be read."),
    key("path", Kind::Text, "\"/etc/tailclaw/secrets.json\"").live("file: where it is. Only its owner may read it."),
    key("mode", Kind::Choice(&["json", "singleValue"]), "\"json\"")
        .live("file: ids are JSON pointers into an object, or the file is one secret and the id is \"value\"."),
    key("maxBytes", Kind::Integer { least: 1, most: 20_971_520 }, "1048576").live("file: the largest that is read."),
    key("command", Kind::Text, "\"/usr/local/bin/vault-read\"").live("exec: the program, by its absolute path."),
    key("args", Kind::TextList, "[\"--json\"]").live("exec: its arguments. No shell sees them."),
    key("env", Kind::Map(&Kind::Hidden), "{ VAULT: \"main\" }").live("exec: variables that it is given."),
    key("passEnv", Kind::TextList, "[\"VAULT_TOKEN\"]")
        .live("exec: variables of the gateway that it is given; no others."),
    key("trustedDirs", Kind::TextList, "[\"/usr/local/bin\"]")
        .live("exec: the only folders that the program may lie in."),
    key("timeoutMs", Kind::Integer { least: 1, most: 120_000 }, "5000").live("exec: how long it may take."),
    key("maxOutputBytes", Kind::Integer { least: 1, most: 20_971_520 }, "1048576")
        .live("exec: the most that it may print."),
    key("jsonOnly", Kind::Flag, "true").live("exec: false takes plain text as the one secret that was asked for."),
];

const AGENTS: &[Field] =
    &[key("defaults", Kind::Table(DEFAULTS), "{ model: \"provider/model\" }").live("What holds for every agent.")];

const DEFAULTS: &[Field] = &[
    key("model", Kind::TextOrTable(PRIMARY), "\"provider/model\"").live("The model that answers: provider/model."),
    key("instructions", Kind::Text, "\"Answer briefly.\"").live("What the model is told before every conversation."),
];

const PRIMARY: &[Field] =
    &[key("primary", Kind::Text, "\"provider/model\"").live("The model that answers: provider/model.")];

impl Kind {
    /// The fields of the table that stands under the key `name` of this kind.
    pub(super) const fn fields(self) -> Option<&'static [Field]> {
        match self {
            Self::Table(fields) | Self::TextOrTable(fields) => Some(fields),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_sentence_with_an_example_that_is_right() {
        fn walk(fields: &[Field], path: &str) {
            for field in fields {
                let here = format!("{path}.{}", field.name);
                assert!(field.help.ends_with('.') && field.help.len() > 10, "{here} says what it is for");
                let example = json5::from_str(field.example).unwrap_or_else(|error| panic!("{here}: {error}"));
                let mut issues = Vec::new();
                super::super::check::single(field.kind, example, &here, &mut issues);
                assert!(issues.is_empty(), "{here}: {issues:?}");
                match field.kind {
                    Kind::Table(inner) | Kind::TextOrTable(inner) | Kind::Named(inner) | Kind::Rows(inner) => {
                        walk(inner, &here);
                    }
                    _ => {}
                }
            }
        }
        walk(ROOT, "");
    }
}

//! What a configuration comes out as, from the whole of file, environment and flags.

use std::path::Path;

use super::*;
use crate::agent::ModelApi;
use crate::auth::{Mode, Who};
use crate::config::load;
use crate::net::bind::BindMode;
use crate::protocol::Scope;

struct Case {
    folder: tempfile::TempDir,
    environment: Environment,
    overrides: Overrides,
}

impl Case {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tailclaw.json"), file).unwrap();
        Self { folder, environment: Environment::default(), overrides: Overrides::default() }
    }

    fn paths(&self) -> Paths {
        Paths { state_dir: self.folder.path().join("state"), config_file: self.folder.path().join("tailclaw.json") }
    }

    fn draft(&self) -> Result<Draft, ConfigError> {
        load(self.paths(), &self.environment, &self.overrides)
    }

    fn resolved(&self) -> Resolved {
        self.draft().unwrap().complete().unwrap()
    }

    /// Key paths of all mistakes.
    fn mistakes(&self) -> Vec<String> {
        self.draft().unwrap_err().issues.into_iter().map(|issue| issue.path).collect()
    }
}

#[test]
fn nothing_configured_is_loopback_with_a_token_of_our_own() {
    let case = Case::new("");
    assert!(case.draft().unwrap().secret().unwrap().is_none());
    assert!(!case.paths().state_dir.exists(), "looking writes nothing");
    let resolved = case.resolved();
    assert_eq!((resolved.bind.mode, resolved.bind.port), (BindMode::Loopback, 18_789));
    assert!(resolved.tailnet.is_none());
    assert!(!resolved.auth.allow_tailscale);
    assert!(matches!(resolved.agent.model.api, ModelApi::Echo));
    assert_eq!(resolved.secret_origin, SecretOrigin::TokenFile(case.paths().token_file()));
    let Mode::Token(token) = resolved.auth.mode else { panic!("a token") };
    assert_eq!(case.draft().unwrap().secret().unwrap(), Some(token.clone()));
    let Mode::Token(again) = case.resolved().auth.mode else { panic!("a token") };
    assert_eq!(again, token);
}

#[test]
fn a_missing_file_is_no_mistake() {
    let case = Case::new("");
    std::fs::remove_file(case.paths().config_file).unwrap();
    case.draft().unwrap();
}

#[test]
fn syntax_is_reported_with_line_and_column() {
    let error = Case::new("{\n  gateway: { port: 1 ]\n}").draft().unwrap_err();
    assert_eq!(error.issues.len(), 1);
    assert!(error.issues[0].message.contains("line 2"), "{error}");
}

#[test]
fn mistakes_of_all_stages_come_in_one_report() {
    let mut case = Case::new(
        r#"{ gateway: { port: "x", bind: "custom", auth: { mode: "password", token: "${NOT_SET}" },
                        tailscale: { mode: "serve", node: "host", hostname: "a_b", tags: ["x"], controlUrl: "hs" } },
             agents: { defaults: { model: "nobody/x" } },
             models: { providers: { anthropic: {}, mine: { models: [{ name: "n" }] } } } }"#,
    );
    case.environment = Environment::from([("OPENCLAW_GATEWAY_PORT", "0")]);
    case.overrides.set("logging.level", "--log-level", "loud");
    let expected = [
        "gateway.auth.token",
        "gateway.port",
        "OPENCLAW_GATEWAY_PORT",
        "--log-level",
        "gateway.tailscale.tags",
        "gateway.tailscale.hostname",
        "gateway.tailscale.controlUrl",
        "gateway.customBindHost",
        "gateway.auth.password",
        "models.providers.anthropic.apiKey",
        "models.providers.mine.models.0.id",
        "models.providers.mine.baseUrl",
        "agents.defaults.model",
    ];
    assert_eq!(case.mistakes(), expected);
}

#[test]
fn who_is_let_in_by_the_tailnet_is_read_with_every_mistake() {
    let settings = Case::new(
        r#"{ gateway: { auth: { identityScopes: { "Alice@Example.com": ["operator.read"] },
                                tailscale: { allow: ["*@example.com", "tag:laptop"], deny: ["bob@example.com"] } } } }"#,
    )
    .resolved()
    .auth;
    assert_eq!(settings.identity_scopes.of("alice@example.com"), Some(&[Scope::Read][..]));
    let written = |people: &[Who]| people.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(written(&settings.allow), ["*@example.com", "tag:laptop"]);
    assert_eq!(written(&settings.deny), ["bob@example.com"]);
    let error = Case::new(
        r#"{ gateway: { auth: { identityScopes: { "a@b": ["operator.king"], "tag:x": [] },
                                tailscale: { allow: ["a*"], deny: ["tag:"] } } } }"#,
    )
    .draft()
    .unwrap_err();
    let told: Vec<(&str, &str)> =
        error.issues.iter().map(|issue| (issue.path.as_str(), issue.message.as_str())).collect();
    let expected = [
        ("gateway.auth.tailscale.allow", "\"a*\" names nobody: write \"alice@example.com\""),
        ("gateway.auth.tailscale.deny", "\"tag:\" names nobody"),
        ("gateway.auth.identityScopes.a@b", "\"operator.king\" is no scope: there are operator.admin"),
        ("gateway.auth.identityScopes", "\"tag:x\" is no login: write a login"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((path, message), (key, says)) in told.into_iter().zip(expected) {
        assert_eq!(path, key);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_role_that_is_half_written_is_no_role() {
    let role =
        |more: &str| format!("{{ sessions: {{ others: 'view' }}, agents: '*', scopes: ['operator.read'], {more} }}");
    let read = |default: &str, definition: &str| {
        Case::new(&format!("{{ gateway: {{ roles: {{ {default} definitions: {{ guest: {definition} }} }} }} }}"))
    };
    let roles = read("default: 'guest',", &role("sandbox: 'required'")).resolved().auth.roles.expect("roles");
    assert!(roles.defines("guest") && !roles.defines("staff"));
    let mistakes = [
        ("", role(""), vec!["gateway.roles.default"]),
        ("default: 'staff',", role(""), vec!["gateway.roles.default"]),
        ("default: 'guest',", role("sandbox: 'maybe'"), vec!["gateway.roles.definitions.guest.sandbox"]),
        (
            "default: 'guest',",
            "{ agents: 'main' }".into(),
            vec![
                "gateway.roles.definitions.guest.agents",
                "gateway.roles.definitions.guest.sessions.others",
                "gateway.roles.definitions.guest.agents",
                "gateway.roles.definitions.guest.scopes",
            ],
        ),
        ("default: 'guest',", role("scopes: ['operator.king']"), vec!["gateway.roles.definitions.guest.scopes"]),
    ];
    for (default, definition, expected) in mistakes {
        assert_eq!(read(default, &definition).mistakes(), expected, "{definition}");
    }
}

#[test]
fn exposed_without_auth_is_refused_and_says_what_to_do() {
    for refused in [
        r#"{ gateway: { bind: "lan", auth: { mode: "none" } } }"#,
        r#"{ gateway: { bind: "tailnet", auth: { mode: "none", allowTailscale: false } } }"#,
    ] {
        let case = Case::new(refused);
        let error = case.draft().unwrap_err();
        assert_eq!(error.issues[0].path, "gateway.auth.mode");
        assert!(error.issues[0].message.contains("gateway.auth.token or gateway.auth.password, or bind to loopback"));
    }
    Case::new(r#"{ gateway: { auth: { mode: "none" } } }"#).draft().unwrap();
    // The tailnet names its callers: that is authentication.
    Case::new(r#"{ gateway: { bind: "tailnet", auth: { mode: "none" } } }"#).draft().unwrap();
    assert!(matches!(Case::new(r#"{ gateway: { bind: "lan" } }"#).resolved().auth.mode, Mode::Token(_)));
}

#[test]
fn a_trusted_proxy_has_to_be_described_whole() {
    let mistakes = Case::new(
        r#"{ gateway: { trustedProxies: ["10.0.0.0/8", "proxy.example.com"],
             auth: { mode: "trusted-proxy", token: "t", trustedProxy: { requiredHeaders: ["no header"] } } } }"#,
    )
    .mistakes();
    for named in [
        "gateway.trustedProxies",
        "gateway.auth.token",
        "gateway.auth.trustedProxy.userHeader",
        "gateway.auth.trustedProxy.requiredHeaders",
    ] {
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(named)), "{named} in {mistakes:#?}");
    }
    let case = Case::new(
        r#"{ gateway: { bind: "lan", trustedProxies: ["10.0.0.0/8", " ::ffff:192.0.2.1 "],
             auth: { mode: "trusted-proxy", password: "p", trustedProxy: { userHeader: "X-User" } } } }"#,
    );
    let auth = case.resolved().auth;
    let Mode::TrustedProxy(proxy) = auth.mode else { panic!("a proxy") };
    assert!(proxy.user_header == "X-User" && proxy.password.is_some() && !proxy.allow_loopback);
    assert!(auth.proxies.trusts("192.0.2.1".parse().unwrap()) && !auth.proxies.trusts("192.0.2.2".parse().unwrap()));
    assert!(!auth.allow_tailscale);
}

#[test]
fn the_node_starts_only_when_asked_for() {
    for asks in [
        r#"{ gateway: { bind: "tailnet" } }"#,
        r#"{ gateway: { tailscale: { node: "embedded" } } }"#,
        r#"{ gateway: { tailscale: { hostname: "Claw" } } }"#,
        r#"{ gateway: { tailscale: { authKey: "tskey" } } }"#,
    ] {
        let resolved = Case::new(asks).resolved();
        assert_eq!(resolved.bind.mode, BindMode::Tailnet, "{asks}");
        assert!(resolved.tailnet.is_some() && resolved.auth.allow_tailscale, "{asks}");
    }
    for keeps_quiet in [
        r#"{ gateway: { bind: "auto" } }"#,
        r#"{ gateway: { tailscale: { controlUrl: "https://hs.example.com" } } }"#,
        r#"{ gateway: { tailscale: { node: "off", hostname: "claw", authKey: "file:/nowhere" } } }"#,
    ] {
        let resolved = Case::new(keeps_quiet).resolved();
        assert_eq!(resolved.bind.mode, BindMode::Loopback, "{keeps_quiet}");
        assert!(resolved.tailnet.is_none(), "{keeps_quiet}");
    }
    let contradiction = Case::new(r#"{ gateway: { bind: "tailnet", tailscale: { node: "off" } } }"#);
    assert_eq!(contradiction.mistakes(), ["gateway.bind"]);
}

#[test]
fn the_key_comes_from_the_environment_or_a_file() {
    let mut case = Case::new(r#"{ gateway: { tailscale: { authKey: "from-file" } } }"#);
    case.environment = Environment::from([("TS_AUTH_KEY", "second"), ("TS_AUTHKEY", "first")]);
    let key = |case: &Case| case.resolved().tailnet.unwrap().auth_key.unwrap().expose().clone();
    assert_eq!(key(&case), "first");
    let path = case.folder.path().join("key");
    std::fs::write(&path, "kept\n").unwrap();
    case.environment = Environment::from([("TS_AUTHKEY", format!("file:{}", path.display()).as_str())]);
    assert_eq!(key(&case), "kept");
    case.environment = Environment::from([("TS_AUTHKEY", "file:/does/not/exist")]);
    assert_eq!(case.mistakes(), ["TS_AUTHKEY"]);
}

#[test]
fn an_oauth_client_takes_tags_and_the_place_of_a_key() {
    let with = |rest: &str| Case::new(&format!("{{ gateway: {{ tailscale: {{ {rest} }} }} }}"));
    let own = with(r#"clientSecret: "tskey-client-a", tags: ["tag:gateway"]"#).resolved().tailnet.unwrap();
    let in_place_of_a_key = with(r#"authKey: "tskey-client-a", tags: ["tag:gateway"]"#).resolved().tailnet.unwrap();
    assert_eq!((&own.oauth, own.auth_key.is_none()), (&in_place_of_a_key.oauth, in_place_of_a_key.auth_key.is_none()));
    let client = own.oauth.unwrap();
    assert_eq!((client.api_url.as_str(), client.preauthorized), ("https://api.tailscale.com", true));
    let mistakes = |rest: &str| with(rest).mistakes();
    assert_eq!(mistakes(r#"clientSecret: "tskey-client-a""#), ["gateway.tailscale.clientSecret"]);
    assert_eq!(mistakes(r#"authKey: "tskey-client-a""#), ["gateway.tailscale.authKey"]);
    let both = r#"clientSecret: "tskey-client-a", authKey: "tskey-auth-b", tags: ["tag:a"]"#;
    assert_eq!(mistakes(both), ["gateway.tailscale.clientSecret"]);
    assert_eq!(mistakes(r#"apiUrl: "https://api.example.com""#), ["gateway.tailscale.apiUrl"]);
    let plain = r#"clientSecret: "s", tags: ["tag:a"], apiUrl: "http://api.example.com""#;
    assert_eq!(mistakes(plain), ["gateway.tailscale.apiUrl"]);
    let mut by_variable = with(r#"tags: ["tag:a"]"#);
    by_variable.environment = Environment::from([("TS_CLIENT_SECRET", "tskey-client-a")]);
    assert!(by_variable.resolved().tailnet.unwrap().oauth.is_some());
}

#[test]
fn a_password_closes_the_tailnet_way_in_unless_told() {
    let resolved = Case::new(r#"{ gateway: { bind: "tailnet", auth: { password: "p" } } }"#).resolved();
    assert_eq!(resolved.auth.mode.name(), "password");
    assert!(!resolved.auth.allow_tailscale);
    let told = r#"{ gateway: { bind: "tailnet", auth: { password: "p", allowTailscale: true } } }"#;
    assert!(Case::new(told).resolved().auth.allow_tailscale);
}

#[test]
fn the_secret_nearest_to_the_command_line_decides_the_mode() {
    let mut case = Case::new(r#"{ gateway: { auth: { password: "p", token: "t" } } }"#);
    assert_eq!(case.resolved().auth.mode.name(), "password");
    case.environment = Environment::from([("OPENCLAW_GATEWAY_TOKEN", "e")]);
    let resolved = case.resolved();
    assert_eq!(resolved.auth.mode, Mode::Token(Secret::new("e".to_owned())));
    assert_eq!(resolved.secret_origin, SecretOrigin::Environment("OPENCLAW_GATEWAY_TOKEN".to_owned()));
    case.overrides.set("gateway.auth.password", "--password", "f");
    assert_eq!(case.resolved().auth.mode, Mode::Password(Secret::new("f".to_owned())));
    case.overrides.set("gateway.auth.mode", "--auth", "none");
    assert_eq!(case.resolved().auth.mode, Mode::None);
}

#[test]
fn models_are_found_by_reference() {
    let file = r#"{ models: { providers: {
            local: { baseUrl: "http://127.0.0.1:1234/v1", models: [{ id: "org/small", contextWindow: 4096 }, { id: "big" }] },
            ollama: {} } },
        agents: { defaults: { model: { primary: "local/org/small" } } } }"#;
    let agent = Case::new(file).resolved().agent;
    assert_eq!((agent.model.id.as_str(), agent.model.context_window), ("org/small", Some(4096)));
    assert!(matches!(agent.model.api, ModelApi::OpenAiCompletions { api_key: None, .. }));
    assert_eq!(agent.catalog.len(), 2);
    let first =
        Case::new(&file.replace("agents: { defaults: { model: { primary: \"local/org/small\" } } }", "")).resolved();
    assert_eq!(first.agent.model.id, "org/small", "without a choice the first one answers");
    let missing = Case::new(&file.replace("local/org/small", "local/huge"));
    assert_eq!(missing.mistakes(), ["agents.defaults.model.primary"]);
}

#[test]
fn a_known_vendor_needs_only_its_key() {
    let mut case = Case::new(r#"{ agents: { defaults: { model: "anthropic/some-model" } } }"#);
    assert_eq!(case.mistakes(), ["models.providers.anthropic.apiKey"]);
    case.environment = Environment::from([("ANTHROPIC_API_KEY", "k")]);
    let model = case.resolved().agent.model;
    assert!(matches!(&model.api, ModelApi::Anthropic { base_url: None, api_key } if api_key.matches("k")));
    let echo = Case::new(r#"{ agents: { defaults: { model: "tailclaw/echo" } } }"#).resolved();
    assert!(matches!(echo.agent.model.api, ModelApi::Echo));
}

#[test]
fn a_state_folder_that_cannot_be_made_names_the_variable() {
    let case = Case::new("");
    std::fs::write(case.folder.path().join("state"), "a file").unwrap();
    let error = case.draft().unwrap().complete().unwrap_err();
    assert!(error.to_string().contains("TAILCLAW_STATE_DIR"), "{error}");
    assert!(Path::new(&error.issues[0].path).ends_with("state"));
}

//! The auth matrix: who is let in, with what, and how each refusal reads. It is written as the reference writes it, one
//! row a line, and every row is tried against a running gateway.
//! Reference: OpenClaw Gateway protocol 4, server authentication. Callers of the tailnet are in `identity`.

use std::collections::HashMap;

use crate::harness::{Device, GatewayBuilder, LAN_ADDRESS, LanHost, RawClient, gateway};
use serde_json::{Value, json};

/// mode | client | device | from | shows | outcome
///
/// **client** asks for operator.admin and operator.read; `node` for the role node.
/// **device** `-`: none. `new`: never seen. `known`: paired for all that is asked. `narrow`: paired for reading.
/// **from** `here`: loopback. `lan`: another address. `proxy`: loopback, by way of a trusted proxy that gives a client's
/// address. Behind a `+` the page's origin: `own`, `listed` in the configuration, `local`, `evil`, `null`, `extension`.
/// **shows** `right`, `wrong`, `padded` or `blank` in the mode's own field, `elsewhere` in the other one; `token` is the
/// device's own, `setup` a setup code; a name is what the proxy says of its user.
/// **outcome** the method and the scopes that are left, or the code, and behind it the hint.
const MATRIX: &str = "
    # nothing that is right
    token         | cli     | -      | here         | nothing               | DEVICE_IDENTITY_REQUIRED
    token         | backend | -      | here         | nothing               | DEVICE_IDENTITY_REQUIRED
    token         | cli     | -      | lan          | nothing               | DEVICE_IDENTITY_REQUIRED
    token         | cli     | -      | here         | blank                 | AUTH_TOKEN_MISSING: use this gateway's gateway.auth.token or pair the device
    token         | cli     | new    | here         | nothing               | AUTH_TOKEN_MISSING: use this gateway's gateway.auth.token or pair the device
    token         | cli     | new    | lan          | nothing               | AUTH_TOKEN_MISSING: set gateway.remote.token to match gateway.auth.token
    token         | ui      | new    | here+own     | nothing               | AUTH_TOKEN_MISSING: paste in Control UI settings or openclaw doctor --generate-gateway-token; restart
    token         | webchat | new    | here+own     | nothing               | AUTH_TOKEN_MISSING: paste in Control UI settings or openclaw doctor --generate-gateway-token; restart
    token         | backend | new    | here         | nothing               | AUTH_TOKEN_MISSING: provide gateway auth token
    token         | cli     | -      | here         | wrong                 | AUTH_TOKEN_MISMATCH: use this gateway's gateway.auth.token or pair the device
    token         | cli     | -      | lan          | wrong                 | AUTH_TOKEN_MISMATCH: set gateway.remote.token to match gateway.auth.token
    token         | cli     | -      | here         | wrong elsewhere       | AUTH_TOKEN_MISMATCH: use this gateway's gateway.auth.token or pair the device
    token         | cli     | -      | here         | wrong, right elsewhere | AUTH_TOKEN_MISMATCH: use this gateway's gateway.auth.token or pair the device
    token         | webchat | -      | here+own     | wrong                 | AUTH_TOKEN_MISMATCH: open the dashboard URL and paste the token in Control UI settings
    token         | backend | -      | here         | wrong                 | AUTH_TOKEN_MISMATCH: provide gateway auth token
    token         | node    | -      | here         | wrong                 | AUTH_TOKEN_MISMATCH: provide gateway auth token
    token         | ui      | -      | here+own     | wrong                 | CONTROL_UI_DEVICE_IDENTITY_REQUIRED
    token         | cli     | new    | here         | wrong                 | AUTH_TOKEN_MISMATCH, retry_with_device_token: use this gateway's gateway.auth.token or pair the device
    token         | cli     | new    | here         | wrong elsewhere       | AUTH_TOKEN_MISMATCH: use this gateway's gateway.auth.token or pair the device
    password      | cli     | -      | here         | nothing               | DEVICE_IDENTITY_REQUIRED
    password      | cli     | new    | here         | nothing               | AUTH_PASSWORD_MISSING: use this gateway's gateway.auth.password
    password      | cli     | new    | lan          | nothing               | AUTH_PASSWORD_MISSING: set gateway.remote.password to match gateway.auth.password
    password      | ui      | new    | here+own     | nothing               | AUTH_PASSWORD_MISSING: enter the password in Control UI settings
    password      | backend | new    | here         | nothing               | AUTH_PASSWORD_MISSING: provide gateway auth password
    password      | cli     | -      | here         | wrong                 | AUTH_PASSWORD_MISMATCH: use this gateway's gateway.auth.password
    password      | cli     | -      | lan          | wrong                 | AUTH_PASSWORD_MISMATCH: set gateway.remote.password to match gateway.auth.password
    password      | ui      | new    | here+own     | wrong                 | AUTH_PASSWORD_MISMATCH: enter the password in Control UI settings
    password      | cli     | new    | here         | wrong elsewhere       | AUTH_PASSWORD_MISMATCH: use this gateway's gateway.auth.password
    password      | backend | -      | here         | wrong                 | AUTH_PASSWORD_MISMATCH: provide gateway auth password

    # the shared secret, and no device
    token         | cli     | -      | here         | right                 | token, all
    token         | cli     | -      | here         | right elsewhere       | token, all
    token         | cli     | -      | here         | right, wrong elsewhere | token, all
    token         | cli     | -      | here         | padded                | token, all
    token         | backend | -      | here         | right                 | token, all
    token         | cli     | -      | here+local   | right                 | token, none
    token         | backend | -      | here+local   | right                 | token, none
    token         | probe   | -      | here         | right                 | token, none
    token         | test    | -      | here         | right                 | token, none
    token         | app     | -      | here         | right                 | token, none
    token         | webchat | -      | here+own     | right                 | token, none
    token         | cli     | -      | lan          | right                 | token, none
    token         | backend | -      | lan          | right                 | token, none
    token         | probe   | -      | lan          | right                 | token, none
    token         | cli     | -      | proxy        | right                 | token, none
    token         | ui      | -      | here+own     | right                 | CONTROL_UI_DEVICE_IDENTITY_REQUIRED
    token         | tui     | -      | here         | right                 | CONTROL_UI_DEVICE_IDENTITY_REQUIRED
    token         | tui     | -      | lan          | right                 | CONTROL_UI_DEVICE_IDENTITY_REQUIRED
    token         | node    | -      | here         | right                 | DEVICE_IDENTITY_REQUIRED
    token         | node    | -      | lan          | right                 | DEVICE_IDENTITY_REQUIRED
    password      | cli     | -      | here         | right                 | password, all
    password      | cli     | -      | here         | right elsewhere       | password, all
    password      | cli     | -      | lan          | right                 | password, none

    # the shared secret, and a device
    token         | cli     | new    | here         | right                 | token, all, and a device token
    token         | probe   | new    | here         | right                 | token, all, and a device token
    token         | ui      | new    | here+own     | right                 | token, all, and a device token
    token         | tui     | new    | here         | right                 | token, all, and a device token
    token         | node    | new    | here         | right                 | token, none, and a device token
    token         | backend | new    | here         | right                 | token, all
    token         | cli     | new    | here+local   | right                 | PAIRING_REQUIRED, not-paired
    token         | cli     | new    | lan          | right                 | PAIRING_REQUIRED, not-paired
    token         | ui      | new    | lan+own      | right                 | PAIRING_REQUIRED, not-paired
    token         | node    | new    | lan          | right                 | PAIRING_REQUIRED, not-paired
    token         | cli     | new    | proxy        | right                 | PAIRING_REQUIRED, not-paired
    token         | cli     | known  | lan          | right                 | token, all, and a device token
    password      | cli     | new    | here         | right                 | password, all, and a device token

    # what a device itself holds
    token         | cli     | known  | here         | token                 | device-token, all, and a device token
    token         | cli     | known  | lan          | token                 | device-token, all, and a device token
    token         | cli     | known  | here         | token as secret       | device-token, all, and a device token
    token         | cli     | known  | here         | wrong, token          | device-token, all, and a device token
    token         | cli     | narrow | here         | token                 | AUTH_SCOPE_MISMATCH
    token         | cli     | known  | here         | wrong token           | AUTH_DEVICE_TOKEN_MISMATCH
    token         | cli     | known  | here         | wrong, wrong token    | AUTH_DEVICE_TOKEN_MISMATCH
    token         | cli     | new    | here         | token                 | AUTH_DEVICE_TOKEN_MISMATCH
    token         | cli     | -      | here         | token                 | DEVICE_IDENTITY_REQUIRED
    token         | cli     | -      | here         | token as secret       | AUTH_TOKEN_MISMATCH: use this gateway's gateway.auth.token or pair the device
    token         | cli     | new    | here         | setup                 | AUTH_BOOTSTRAP_TOKEN_INVALID
    token         | cli     | -      | here         | setup                 | DEVICE_IDENTITY_REQUIRED
    password      | cli     | known  | lan          | token                 | device-token, all, and a device token

    # mode none is for this machine
    none          | backend | -      | here         | nothing               | none, all
    none          | backend | -      | here         | wrong                 | none, all
    none          | backend | -      | here+local   | nothing               | DEVICE_IDENTITY_REQUIRED
    none          | cli     | -      | here         | nothing               | DEVICE_IDENTITY_REQUIRED
    none          | cli     | -      | here         | wrong                 | DEVICE_IDENTITY_REQUIRED
    none          | probe   | -      | here         | nothing               | DEVICE_IDENTITY_REQUIRED
    none          | ui      | -      | here+own     | nothing               | CONTROL_UI_DEVICE_IDENTITY_REQUIRED
    none          | node    | -      | here         | nothing               | DEVICE_IDENTITY_REQUIRED
    none          | cli     | new    | here         | nothing               | none, all, and a device token
    none          | cli     | new    | here         | wrong                 | none, all, and a device token
    none          | backend | new    | here         | nothing               | none, all
    none          | ui      | new    | here+own     | nothing               | none, all
    none          | tui     | new    | here         | nothing               | none, all
    none          | node    | new    | here         | nothing               | none, none, and a device token
    none          | cli     | -      | proxy        | nothing               | DEVICE_IDENTITY_REQUIRED
    # OpenClaw lets these two in: whoever reaches the proxy would be the owner
    none          | ui      | new    | proxy+listed | nothing               | AUTH_UNAUTHORIZED, gateway_auth_required
    none          | cli     | new    | proxy        | nothing               | AUTH_UNAUTHORIZED, gateway_auth_required

    # a trusted proxy's word, and on this machine the password
    trusted-proxy | cli     | -      | proxy        | alice                 | trusted-proxy, none
    trusted-proxy | backend | -      | proxy        | alice                 | trusted-proxy, none
    trusted-proxy | ui      | -      | proxy+listed | alice                 | trusted-proxy, none
    trusted-proxy | tui     | -      | proxy        | alice                 | trusted-proxy, none
    trusted-proxy | node    | -      | proxy        | alice                 | DEVICE_IDENTITY_REQUIRED
    trusted-proxy | ui      | new    | proxy+listed | alice                 | PAIRING_REQUIRED, not-paired
    trusted-proxy | ui      | known  | proxy+listed | alice                 | trusted-proxy, all
    trusted-proxy | cli     | new    | proxy        | alice                 | PAIRING_REQUIRED, not-paired
    trusted-proxy | cli     | known  | proxy        | alice                 | trusted-proxy, all, and a device token
    trusted-proxy | cli     | -      | proxy        | nobody                | DEVICE_IDENTITY_REQUIRED
    trusted-proxy | cli     | new    | proxy        | nobody                | AUTH_UNAUTHORIZED, trusted_proxy_user_missing
    trusted-proxy | cli     | new    | proxy        | mallory               | AUTH_UNAUTHORIZED, trusted_proxy_user_not_allowed
    trusted-proxy | cli     | new    | proxy        | alice unproven        | AUTH_IDENTITY_HEADER_REQUIRED, trusted_proxy_missing_header_X-Proof
    trusted-proxy | cli     | new    | here         | alice                 | AUTH_UNAUTHORIZED, proxy_attribution_required
    trusted-proxy | cli     | new    | lan          | alice                 | AUTH_UNAUTHORIZED, trusted_proxy_untrusted_source
    trusted-proxy | cli     | -      | here         | right                 | password, all
    trusted-proxy | cli     | -      | here         | right elsewhere       | AUTH_IDENTITY_HEADER_REQUIRED, trusted_proxy_missing_header_X-Proof
    trusted-proxy | cli     | -      | here         | wrong                 | AUTH_PASSWORD_MISMATCH: use this gateway's gateway.auth.password
    trusted-proxy | cli     | -      | lan          | right                 | AUTH_UNAUTHORIZED, trusted_proxy_untrusted_source
    trusted-proxy | cli     | known  | here         | token                 | device-token, all, and a device token
    trusted-proxy | cli     | known  | proxy        | token                 | device-token, all, and a device token

    # pages
    token         | cli     | -      | here+evil    | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, origin not allowed
    token         | cli     | -      | here+null    | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, origin missing or invalid
    token         | ui      | new    | here         | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, origin missing or invalid
    token         | webchat | -      | here         | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, origin missing or invalid
    token         | ui      | new    | here+evil    | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, origin not allowed
    token         | ui      | new    | here+listed  | right                 | token, all, and a device token
    token         | ui      | new    | here+local   | right                 | token, all, and a device token
    token         | ui      | new    | lan+local    | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, origin not allowed
    token         | ui      | new    | lan+evil     | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, origin not allowed
    token         | copilot | new    | here+own     | right                 | CONTROL_UI_ORIGIN_NOT_ALLOWED, invalid browser copilot origin
    token         | copilot | new    | here+extension | right               | PAIRING_REQUIRED, not-paired
";

const RIGHT: &str = "correct horse battery staple";
const LISTED_ORIGIN: &str = "https://claw.example.org";
const EXTENSION: &str = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";
const CLIENT_BEHIND_PROXY: &str = "203.0.113.9";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_let_in_or_refused_as_the_table_says() {
    let rows: Vec<Row> = MATRIX.lines().filter_map(Row::parse).collect();
    assert!(rows.len() >= 60, "the table has {} rows", rows.len());
    let mut wrong = Vec::new();
    for mode in ["token", "password", "none", "trusted-proxy"] {
        let mut place = Place::open(mode).await;
        for row in rows.iter().filter(|row| row.mode == mode) {
            if let Err(seen) = place.check(row).await {
                wrong.push(format!("{}\n    but: {seen}", row.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_trusted_proxy_is_answered_for_its_client_and_another_not_at_all() {
    let trusting = json!({"gateway": {"trustedProxies": ["127.0.0.0/8"]}});
    let gateway = gateway().config(trusting).start().await;
    let proxied = [("x-forwarded-for", "198.51.100.1, 203.0.113.9, 127.0.0.1")];
    let ready = gateway.get_with("/readyz", &proxied).await;
    assert_eq!((ready.status, ready.json()), (200, json!({"ready": true})), "what is local is not told to others");
    let whoami = gateway.get_with("/whoami", &proxied).await.json();
    assert_eq!((&whoami["path"], &whoami["address"]), (&json!("proxy"), &json!("203.0.113.9")), "{whoami}");
    for silent in [("x-forwarded-proto", "https"), ("x-real-ip", "203.0.113.9"), ("x-forwarded-for", "127.0.0.1")] {
        let refused = gateway.get_with("/readyz", &[silent]).await;
        assert_eq!(refused.status, 403, "{silent:?}");
        assert_eq!(refused.json()["error"]["type"], "proxy_attribution_required", "{silent:?}");
        assert_eq!(gateway.get_with("/healthz", &[silent]).await.status, 200, "{silent:?}");
        let upgrade = RawClient::upgrade(Box::new(gateway.dial().await), &gateway.url(), &[silent]).await;
        let Err(tokio_tungstenite::tungstenite::Error::Http(answer)) = upgrade else {
            panic!("{silent:?} is refused before the upgrade")
        };
        assert_eq!(answer.status(), 403, "{silent:?}");
    }
}

#[tokio::test]
async fn a_proxys_user_is_a_person() {
    let trusting = json!({"gateway": {"trustedProxies": ["127.0.0.1"], "auth": {
        "mode": "trusted-proxy", "trustedProxy": {"userHeader": "x-user", "allowLoopback": true},
    }}});
    let gateway = gateway().config(trusting).start().await;
    let headers = [("x-forwarded-for", CLIENT_BEHIND_PROXY), ("x-user", "alice@example.org")];
    let whoami = gateway.get_with("/whoami", &headers).await.json();
    assert_eq!((&whoami["method"], &whoami["login"]), (&json!("trusted-proxy"), &json!("alice@example.org")));
    // A second name means that somebody wrote one of them.
    let twice = [headers[0], headers[1], ("x-user", "mallory@example.org")];
    assert_eq!(gateway.get_with("/whoami", &twice).await.json()["method"], Value::Null);
}

struct Row {
    text: &'static str,
    mode: &'static str,
    client: &'static str,
    device: &'static str,
    from: &'static str,
    origin: &'static str,
    shows: &'static str,
    outcome: &'static str,
}

impl Row {
    fn parse(line: &'static str) -> Option<Row> {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let columns: Vec<&str> = text.split('|').map(str::trim).collect();
        let [mode, client, device, from, shows, outcome] = columns[..] else { panic!("six columns in {text}") };
        let (from, origin) = from.split_once('+').unwrap_or((from, ""));
        Some(Row { text, mode, client, device, from, origin, shows, outcome })
    }
}

/// A gateway in one of the modes, on a machine with a LAN address.
struct Place {
    mode: &'static str,
    host: LanHost,
    /// Paired devices by what they are paired for, with their tokens.
    paired: HashMap<&'static str, (Device, String)>,
}

impl Place {
    async fn open(mode: &'static str) -> Place {
        let host = LanHost::start(configured(mode)).await;
        let mut place = Place { mode, host, paired: HashMap::new() };
        for (name, scopes) in [("known", json!(["operator.admin"])), ("narrow", json!(["operator.read"]))] {
            let device = Device::new();
            let mut client = place.host.socket("127.0.0.1", &[]).await;
            let (nonce, clock) = client.challenge().await;
            let mut params = place.params("cli");
            params["scopes"] = scopes;
            params["auth"] = place.secret("right");
            let params = device.sign(3, params, &nonce, clock);
            let hello = client.connect(params).await.expect("a device on this machine is paired without a click");
            let token = hello["auth"]["deviceToken"].as_str().expect("it gets a token").to_owned();
            place.paired.insert(name, (device, token));
        }
        place
    }

    async fn check(&mut self, row: &Row) -> Result<(), String> {
        let headers = self.headers(row);
        let borrowed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let address = if row.from == "lan" { LAN_ADDRESS } else { "127.0.0.1" };
        let mut client = self.host.socket(address, &borrowed).await;
        let (nonce, clock) = client.challenge().await;
        let mut params = self.params(row.client);
        params["auth"] = self.shown(row);
        let fresh = Device::new();
        let device = match row.device {
            "-" => None,
            "new" => Some(&fresh),
            paired => Some(&self.paired[paired].0),
        };
        if let Some(device) = device {
            params = device.sign(3, params, &nonce, clock);
        }
        match client.connect(params).await {
            Ok(hello) => same(&admitted(&hello), row.outcome),
            Err(error) => {
                let closed = client.closed().await;
                let message = error["message"].as_str().unwrap_or_default();
                if closed.code != 1008 || !closed.reason.starts_with(message.get(..60).unwrap_or(message)) {
                    return Err(format!("closed with {closed:?} after {error}"));
                }
                self.forget_failures(row).await;
                refused(&error, row.outcome)
            }
        }
    }

    /// What is right is not locked out, and resets the count: so the rows do not slow each other down.
    async fn forget_failures(&self, row: &Row) {
        if !row.shows.starts_with("wrong") && !row.shows.contains("as secret") || self.mode == "none" {
            return;
        }
        let headers = self.headers(row);
        let origin: Vec<(&str, &str)> =
            headers.iter().filter(|(name, _)| *name == "origin").map(|(name, value)| (*name, value.as_str())).collect();
        let address = if row.from == "lan" { LAN_ADDRESS } else { "127.0.0.1" };
        let mut client = self.host.socket(address, &origin).await;
        client.challenge().await;
        let mut params = self.params("cli");
        params["auth"] = self.secret("right");
        client.connect(params).await.expect("the right secret is taken");
    }

    fn params(&self, client: &str) -> Value {
        let (id, mode) = match client {
            "cli" => ("cli", "cli"),
            "backend" => ("gateway-client", "backend"),
            "probe" => ("cli", "probe"),
            "test" => ("test", "test"),
            "ui" => ("openclaw-control-ui", "webchat"),
            "tui" => ("openclaw-tui", "ui"),
            "webchat" => ("webchat", "webchat"),
            "copilot" => ("openclaw-browser-copilot", "ui"),
            "app" => ("openclaw-macos", "ui"),
            "node" => ("node-host", "node"),
            other => panic!("no client {other}"),
        };
        let (role, scopes) = match client {
            "node" => ("node", json!([])),
            _ => ("operator", json!(["operator.admin", "operator.read"])),
        };
        json!({
            "minProtocol": 4, "maxProtocol": 4, "role": role, "scopes": scopes,
            "client": {"id": id, "version": "test", "platform": "linux", "mode": mode},
            "caps": ["run-tool-bindings", "session-scoped-events"],
        })
    }

    /// The secret in the field that the mode asks for.
    fn secret(&self, what: &str) -> Value {
        let (field, other) = if self.mode == "token" { ("token", "password") } else { ("password", "token") };
        match what {
            "right" => json!({field: RIGHT}),
            "wrong" => json!({field: "a guess"}),
            "padded" => json!({field: format!(" {RIGHT}\t")}),
            "blank" => json!({field: "  "}),
            "right elsewhere" => json!({other: RIGHT}),
            "wrong elsewhere" => json!({other: "a guess"}),
            other => panic!("no secret {other}"),
        }
    }

    fn shown(&self, row: &Row) -> Value {
        let own = || {
            let owner = if self.paired.contains_key(row.device) { row.device } else { "known" };
            self.paired[owner].1.clone()
        };
        let mut all = json!({});
        for part in row.shows.split(", ") {
            let part = match part {
                "token" => json!({"deviceToken": own()}),
                "token as secret" => json!({"token": own()}),
                "wrong token" => json!({"deviceToken": "a guess"}),
                "setup" => json!({"bootstrapToken": "a guess"}),
                "nothing" | "nobody" | "alice" | "alice unproven" | "mallory" => json!({}),
                secret => self.secret(secret),
            };
            all.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        all
    }

    fn headers(&self, row: &Row) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let port = self.host.gateway.port;
        let origin = match (row.origin, row.from) {
            ("", _) => None,
            ("own", "lan") => Some(format!("http://{LAN_ADDRESS}:{port}")),
            ("own", _) => Some(format!("http://127.0.0.1:{port}")),
            ("local", _) => Some("http://localhost:5173".to_owned()),
            ("listed", _) => Some(LISTED_ORIGIN.to_owned()),
            ("evil", _) => Some("https://evil.example".to_owned()),
            ("null", _) => Some("null".to_owned()),
            ("extension", _) => Some(EXTENSION.to_owned()),
            (other, _) => panic!("no origin {other}"),
        };
        headers.extend(origin.map(|origin| ("origin", origin)));
        if row.from == "proxy" {
            headers.push(("x-forwarded-for", CLIENT_BEHIND_PROXY.to_owned()));
        }
        if let Some(user) = row.shows.split(' ').next().filter(|user| ["alice", "mallory"].contains(user)) {
            headers.push(("x-user", format!("{user}@example.org")));
        }
        if self.mode == "trusted-proxy" && ["alice", "mallory", "nobody"].contains(&row.shows) {
            headers.push(("x-proof", "yes".to_owned()));
        }
        headers
    }
}

fn configured(mode: &str) -> GatewayBuilder {
    let auth = match mode {
        "none" => json!({"mode": "none"}),
        "trusted-proxy" => json!({
            "mode": "trusted-proxy", "password": RIGHT,
            "trustedProxy": {
                "userHeader": "X-User", "requiredHeaders": ["X-Proof"], "allowUsers": ["alice@example.org"],
                "allowLoopback": true,
            },
        }),
        secret => json!({"mode": secret, secret: RIGHT}),
    };
    let bind = if mode == "none" { "loopback" } else { "lan" };
    gateway().config(json!({"gateway": {
        "bind": bind, "auth": auth, "trustedProxies": ["127.0.0.1"],
        "controlUi": {"allowedOrigins": [LISTED_ORIGIN]},
    }}))
}

fn admitted(hello: &Value) -> String {
    let auth = &hello["auth"];
    let scopes = match auth["scopes"].as_array().map(Vec::len) {
        Some(0) => "none",
        Some(2) => "all",
        _ => "some",
    };
    let token = if auth["deviceToken"].is_string() { ", and a device token" } else { "" };
    format!("{}, {scopes}{token}", auth["method"].as_str().unwrap_or("no method"))
}

fn same(seen: &str, expected: &str) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(seen.to_owned()) }
}

/// A refusal against `CODE`, `CODE, reason` or `CODE: hint`; what always goes with a code is looked up.
fn refused(error: &Value, expected: &str) -> Result<(), String> {
    let (expected, hint) = expected.split_once(": ").unwrap_or((expected, ""));
    let (code, more) = expected.split_once(", ").unwrap_or((expected, ""));
    let retry = more == "retry_with_device_token";
    let details = &error["details"];
    let top =
        if ["DEVICE_IDENTITY_REQUIRED", "PAIRING_REQUIRED"].contains(&code) { "NOT_PAIRED" } else { "INVALID_REQUEST" };
    let mut is_right = error["code"] == top && details["code"] == code;
    match (reason_and_step(code), code) {
        (Some((reason, step)), _) => {
            is_right &= details["authReason"] == if more.is_empty() || retry { reason } else { more };
            is_right &= details["recommendedNextStep"] == if retry { more } else { step };
            is_right &= details["canRetryWithDeviceToken"] == retry;
        }
        (None, "PAIRING_REQUIRED" | "CONTROL_UI_ORIGIN_NOT_ALLOWED") => is_right &= details["reason"] == more,
        (None, _) => is_right &= *details == json!({"code": code}),
    }
    let message = error["message"].as_str().unwrap_or_default();
    let is_hinted = hint.is_empty() || message.ends_with(&format!("({hint})"));
    if is_right && is_hinted && !message.is_empty() { Ok(()) } else { Err(error.to_string()) }
}

/// code | authReason | recommendedNextStep
fn reason_and_step(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "AUTH_TOKEN_MISSING" => ("token_missing", "update_auth_configuration"),
        "AUTH_PASSWORD_MISSING" => ("password_missing", "update_auth_configuration"),
        "AUTH_TOKEN_MISMATCH" => ("token_mismatch", "update_auth_credentials"),
        "AUTH_PASSWORD_MISMATCH" => ("password_mismatch", "update_auth_credentials"),
        "AUTH_DEVICE_TOKEN_MISMATCH" => ("device_token_mismatch", "update_auth_credentials"),
        "AUTH_SCOPE_MISMATCH" => ("scope_mismatch", "review_auth_configuration"),
        "AUTH_BOOTSTRAP_TOKEN_INVALID" => ("bootstrap_token_invalid", "review_auth_configuration"),
        "AUTH_IDENTITY_HEADER_REQUIRED" | "AUTH_UNAUTHORIZED" => ("", "review_auth_configuration"),
        _ => return None,
    })
}

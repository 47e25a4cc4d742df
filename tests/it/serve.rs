//! Serve and Funnel, by a real tailscaled as this machine's own and by the gateway's own node: names, identities, and
//! who else tries.

use crate::harness::{
    Authority, Browser, Gateway, GatewayBuilder, Pebble, RawClient, Response, TEST_DOMAIN, TailscalePeer, TestControl,
    connect_params, eventually, gateway, request, seconds, send, tailnet, tls, with_tailnet_env,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NAME: &str = "box.tail-test.ts.net";
/// An address of the internet, kept for documentation.
const STRANGER: &str = "203.0.113.7:4711";
const HOOK_BEARER: (&str, &str) = ("authorization", "Bearer the-token-of-the-hooks");

/// A tailnet with a node that has a certificate, and a phone.
struct Home {
    control: TestControl,
    authority: Authority,
    /// Where the node is not the gateway's own.
    daemon: Option<TailscalePeer>,
    phone: TailscalePeer,
}

impl Home {
    async fn with_daemon() -> Home {
        let home = Home::with_own_node().await;
        let machine = home.control.certified_peer("box", &home.authority).await;
        Home { daemon: Some(machine), ..home }
    }

    async fn with_own_node() -> Home {
        let control = TestControl::start(&[]).await;
        let phone = control.peer("phone").await;
        Home { control, authority: Authority::new(), daemon: None, phone }
    }

    fn machine(&self) -> &TailscalePeer {
        self.daemon.as_ref().expect("a home with a daemon")
    }

    /// A gateway by the name of the node, whosever that is.
    fn gateway(&self, tailscale: Value) -> GatewayBuilder {
        let builder = match &self.daemon {
            Some(machine) => {
                let socket = machine.socket().to_str().expect("a path of text");
                let host = json!({ "gateway": { "tailscale": { "node": "host", "socket": socket } } });
                self.control.with_environment(gateway()).config(host)
            }
            None => {
                let own = json!({ "gateway": { "tailscale": { "hostname": "box", "authKey": "any" } } });
                self.control.certified(self.control.gateway().config(own), &self.authority)
            }
        };
        builder.config(json!({ "gateway": { "tailscale": tailscale } }))
    }

    /// How `whoami` calls the way from the tailnet.
    fn path(&self) -> &'static str {
        if self.daemon.is_some() { "serve" } else { "tailnet" }
    }

    async fn dial(&self, port: u16) -> Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + use<>, String> {
        let stream = self.phone.dial(NAME, port).await.map_err(|error| error.to_string())?;
        tls(Box::new(stream), NAME, self.authority.roots()).await.map_err(|error| error.to_string())
    }

    /// From the internet.
    async fn dial_by_funnel(
        &self,
        port: u16,
    ) -> Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + use<>, String> {
        let stream = self.phone.by_funnel(NAME, port, STRANGER).await.map_err(|error| error.to_string())?;
        tls(Box::new(stream), NAME, self.authority.roots()).await.map_err(|error| error.to_string())
    }

    /// `GET https://box…` from the phone.
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response, String> {
        request(Box::new(self.dial(443).await?), "GET", NAME, path, headers).await
    }

    async fn get_by_funnel(&self, port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Response, String> {
        request(Box::new(self.dial_by_funnel(port).await?), "GET", NAME, path, headers).await
    }

    /// Waits until the phone gets through.
    async fn served(&self) -> Value {
        eventually("the gateway is served", seconds(40), || async {
            let answer = self.get("/whoami", &[]).await?;
            if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
        })
        .await
    }
}

/// The path by which tailscaled asks our back end, as every user of the machine can read it.
async fn backend(machine: &TailscalePeer) -> (u16, String) {
    let served = machine.served().await;
    let (_, session) = served["Foreground"].as_object().and_then(|all| all.iter().next()).expect("our session");
    let target = session["Web"][format!("{NAME}:443")]["Handlers"]["/"]["Proxy"].as_str().expect("our route");
    let (address, prefix) = target.trim_start_matches("http://").split_once('/').expect("a path");
    let (_, port) = address.split_once(':').expect("a port");
    (port.parse().expect("a number"), format!("/{prefix}"))
}

async fn tailnet_of(gateway: &Gateway) -> Value {
    gateway.status().await["status"]["tailnet"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machines_tailscaled_serves_the_gateway_by_name_and_identity() {
    let home = Home::with_daemon().await;
    let gateway = home.gateway(json!({ "mode": "serve" })).start().await;
    callers_are_known_by_name(&home).await;
    let tailnet = tailnet_of(&gateway).await;
    assert_eq!((&tailnet["node"], &tailnet["serve"]["url"]), (&json!("host"), &json!(format!("https://{NAME}/"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_node_serves_the_gateway_by_name_and_identity() {
    let home = Home::with_own_node().await;
    let gateway = home.gateway(json!({ "mode": "serve" })).start().await;
    callers_are_known_by_name(&home).await;
    let tailnet = tailnet_of(&gateway).await;
    assert_eq!(tailnet["serve"]["url"], format!("https://{NAME}/"), "{tailnet}");
    // The gateway itself stays on loopback.
    let address = home.control.address("box").await;
    assert!(home.phone.get(&address, gateway.port, "/healthz").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_opens_over_https_by_either_node_and_knows_its_reader() {
    for home in [Home::with_own_node().await, Home::with_daemon().await] {
        let _gateway = home.gateway(json!({ "mode": "serve" })).start().await;
        home.served().await;
        let mut browser = Browser::trusting(&home.phone, &home.authority).await;
        browser.open(&format!("https://{NAME}/")).await;
        browser.text("[data-testid=connection][data-state=connected]").await;
        let whoami = browser.text("[data-testid=whoami]").await;
        assert!(whoami.contains("user-"), "{whoami}");
        browser.fill("[data-testid=composer]", "over a certificate").await;
        browser.click("[data-testid=send]").await;
        let answer = browser.text("[data-testid=message][data-role=assistant][data-state=final]").await;
        assert!(answer.contains("over a certificate"), "{answer}");
        assert_eq!(browser.errors().await, Vec::<String>::new());
    }
}

async fn callers_are_known_by_name(home: &Home) {
    let whoami = home.served().await;
    assert_eq!((&whoami["path"], &whoami["method"]), (&json!(home.path()), &json!("tailscale")), "{whoami}");
    assert_eq!(whoami["node"], format!("phone.{TEST_DOMAIN}"), "{whoami}");
    assert!(whoami["login"].as_str().is_some_and(|login| login.starts_with("user-")), "{whoami}");

    // What the caller says of itself changes nothing, and a proxy's marks do not refuse it either.
    let forged = [
        ("tailscale-user-login", "root@example.com"),
        ("tailscale-app-capabilities", r#"{"tailclaw.dev/cap/gateway":[{"scopes":["operator.admin"]}]}"#),
        ("x-forwarded-for", "100.64.0.1"),
        ("forwarded", "for=100.64.0.1"),
        ("x-real-ip", "100.64.0.1"),
        ("tailscale-funnel-request", "?1"),
    ];
    assert_eq!(home.get("/whoami", &forged).await.unwrap().json(), whoami);

    // The page's own connection: no secret, and an origin that is the gateway's own name.
    let stream = home.dial(443).await.unwrap();
    let origin = format!("https://{NAME}");
    let mut phone =
        RawClient::upgrade(Box::new(stream), &format!("ws://{NAME}/"), &[("origin", &origin)]).await.unwrap();
    phone.challenge().await;
    let mut params = connect_params("");
    params.as_object_mut().unwrap().remove("auth");
    let hello = phone.connect(params).await.expect("a verified login is let in");
    assert_eq!(hello["auth"]["role"], "operator", "{hello}");
    assert!(phone.request("health", json!({})).await.is_ok());

    // A tagged machine has no login and, without a grant, no rights.
    home.control.admin("/node", json!({ "node": "phone", "tags": ["tag:camera"] })).await;
    eventually("the tag is known", seconds(20), || async {
        let whoami = home.get("/whoami", &[]).await?.json();
        if whoami["tags"] == json!(["tag:camera"]) && whoami["role"].is_null() && whoami["login"].is_null() {
            Ok(())
        } else {
            Err(whoami.to_string())
        }
    })
    .await;
}

/// By either node: what the policy grants is asked again while a connection through Serve lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_by_serve_follow_the_policy_while_a_session_lasts() {
    for home in [Home::with_own_node().await, Home::with_daemon().await] {
        let grants = |scope: &str| json!({"tailclaw.dev/cap/gateway": [{"scopes": [scope]}]});
        home.control.admin("/grants", grants("operator.admin")).await;
        let by_grant = json!({"gateway": {"auth": {"tailscale": {"require": "grant"}}}});
        let gateway = home.gateway(json!({ "mode": "serve" })).config(by_grant).start().await;
        home.served().await;
        eventually("the grant counts", seconds(20), || async {
            let whoami = home.get("/whoami", &[]).await?.json();
            if whoami["scopes"] == json!(["operator.admin"]) { Ok(()) } else { Err(whoami.to_string()) }
        })
        .await;
        let stream = home.dial(443).await.unwrap();
        let mut phone = RawClient::upgrade(Box::new(stream), &format!("ws://{NAME}/"), &[]).await.unwrap();
        phone.challenge().await;
        let mut params = connect_params("");
        params.as_object_mut().unwrap().remove("auth");
        phone.connect(params).await.expect("the grant lets it in");
        phone.request("device.pair.list", json!({})).await.expect("an admin may");

        home.control.admin("/grants", grants("operator.read")).await;
        let phone = tokio::sync::Mutex::new(phone);
        eventually("the session is narrowed", seconds(5), || async {
            match phone.lock().await.request("device.pair.list", json!({})).await {
                Err(error) if error["details"]["missingScope"] == "operator.pairing" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        let mut phone = phone.into_inner();
        phone.request("sessions.list", json!({})).await.expect("to read is still granted");
        home.control.admin("/grants", json!({})).await;
        let closed = phone.closed().await;
        assert_eq!(closed.code, 4001, "{closed:?}");
        assert!(gateway.log().contains("a connection was put out"), "{}", gateway.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_by_the_machines_tailscaled_shows_paths_and_what_is_lacking() {
    let home = Home::with_daemon().await;
    let gateway = home.gateway(json!({ "mode": "serve" })).start().await;
    home.served().await;
    let mut here = gateway.operator().await;
    let reply = here.request("tailnet.status", json!({})).await.expect("a reply");
    let phone = format!("phone.{TEST_DOMAIN}");
    assert!(reply["peers"].as_array().unwrap().iter().any(|peer| peer["name"] == phone.as_str()), "{reply}");
    assert!(reply["version"].is_string(), "{reply}");
    let shown = gateway.cli(&["status", "--deep"]).await.success().stdout;
    for part in ["peers", phone.as_str(), &format!("https://{NAME}/")] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let report = gateway.cli(&["doctor", "--json", "--only", "serve", "--only", "public"]).await.json();
    let checks: Vec<(&str, &str)> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (check["id"].as_str().unwrap(), check["status"].as_str().unwrap()))
        .collect();
    assert_eq!(checks, [("serve", "ok")], "nothing is public: {report}");
    // It is not the gateway's to log in or out.
    for (method, params) in [("tailnet.login", json!({})), ("tailnet.logout", json!({}))] {
        let error = here.request(method, params).await.expect_err("it is the machine's");
        assert!(error["message"].as_str().unwrap().contains("`tailscale up`"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_tailscaled_gets_to_the_back_end_of_serve() {
    let home = Home::with_daemon().await;
    let gateway = home.gateway(json!({ "mode": "serve" })).start().await;
    home.served().await;
    let (port, prefix) = backend(home.machine()).await;
    let alice = home.control.address("phone").await;
    let whole = format!(
        "GET {prefix}/whoami HTTP/1.1\r\nHost: {NAME}\r\nX-Forwarded-For: {alice}\r\n\
         Tailscale-User-Login: root@example.com\r\n\r\n"
    );
    let proxied = format!("PROXY TCP4 {alice} 127.0.0.1 40000 {port}\r\n{whole}");
    // A program of the same user, which has read the path in tailscaled's configuration.
    for attempt in [whole.as_str(), &proxied, &proxied[..20], "\r\n\r\n\0\r\nQUIT\n", ""] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = stream.write_all(attempt.as_bytes()).await;
        let mut answer = Vec::new();
        let end = tokio::time::timeout(seconds(20), stream.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "{attempt:?}: the connection is ended");
        assert_eq!(answer, b"", "{attempt:?}");
    }
    assert!(gateway.log().contains("it is not tailscaled"), "{}", gateway.log());
    // And through Serve itself the prefix is not to be guessed or left: these all are paths below it.
    for path in ["/../whoami", "//whoami", &prefix, "/%2e%2e/x"] {
        let answer = home.get(path, &[]).await.unwrap();
        assert_ne!(answer.status, 403, "{path}: {answer:?}");
    }
    // Methods and targets that are no paths end in an answer, and tailscaled goes on.
    for line in ["GET * HTTP/1.1", "CONNECT box.tail-test.ts.net:443 HTTP/1.1", "GET http://127.0.0.1:1/ HTTP/1.1"] {
        let mut stream = home.dial(443).await.unwrap();
        stream.write_all(format!("{line}\r\nHost: {NAME}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(seconds(20), stream.read_to_end(&mut answer)).await.expect("it is answered");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.contains("\"operator\""), "{line}: {answer}");
    }
    home.served().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_of_others_stay_and_ours_go_with_the_gateway() {
    let home = Home::with_daemon().await;
    home.machine().run(&["serve", "--bg", "--https=8443", "http://127.0.0.1:9"]).await;
    let before = home.machine().served().await;
    let mut gateway = home.gateway(json!({ "mode": "serve" })).start().await;
    home.served().await;
    assert_eq!(home.machine().served().await["Web"], before["Web"]);
    let restored = async || {
        eventually("tailscaled serves what it did before", seconds(20), || async {
            let now = home.machine().served().await;
            if now == before { Ok(()) } else { Err(now.to_string()) }
        })
        .await;
    };
    gateway.stop().await;
    restored().await;
    gateway.restart().await;
    home.served().await;
    gateway.kill9().await;
    restored().await;

    // A port that somebody else has is not ours to take; once it is free, it is.
    home.machine().run(&["serve", "--bg", "--https=443", "http://127.0.0.1:9"]).await;
    gateway.restart().await;
    let problem = eventually("the gateway says why it is not served", seconds(20), || async {
        let tailnet = tailnet_of(&gateway).await;
        tailnet["serve"]["problem"].as_str().map(str::to_owned).ok_or_else(|| tailnet.to_string())
    })
    .await;
    assert!(problem.contains("443") && problem.contains("tailscale serve status"), "{problem}");
    assert_eq!(gateway.get("/healthz").await.status, 200);
    home.machine().run(&["serve", "--https=443", "off"]).await;
    home.served().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tailscaled_that_is_not_there_is_said_and_waited_for() {
    let control = TestControl::start(&[]).await;
    let missing = control.socket_of_nobody();
    let settings = json!({ "gateway": { "tailscale": { "node": "host", "mode": "serve", "socket": missing } } });
    let gateway = control.with_environment(gateway()).config(settings).start().await;
    let reason = eventually("the gateway says what is missing", seconds(20), || async {
        let tailnet = tailnet_of(&gateway).await;
        tailnet["reason"].as_str().map(str::to_owned).ok_or_else(|| tailnet.to_string())
    })
    .await;
    assert!(reason.contains(&missing) && reason.contains("start it"), "{reason}");
    assert_eq!(gateway.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn funnel_of_the_machines_tailscaled_asks_strangers_for_the_password() {
    strangers_are_asked_for_the_password(&Home::with_daemon().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn funnel_of_its_own_node_asks_strangers_for_the_password() {
    strangers_are_asked_for_the_password(&Home::with_own_node().await).await;
}

async fn strangers_are_asked_for_the_password(home: &Home) {
    let refused = home.gateway(json!({ "mode": "funnel" })).run().await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.all().contains("gateway.auth.mode to \"password\""), "{refused:?}");

    let password = json!({ "gateway": { "auth": { "mode": "password", "password": "correct horse" } } });
    let gateway = home.gateway(json!({ "mode": "funnel" })).config(password).start().await;
    let whoami = eventually("the gateway is published", seconds(40), || async {
        let answer = home.get_by_funnel(443, "/whoami", &[]).await?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!((&whoami["path"], &whoami["role"], &whoami["login"]), (&json!("funnel"), &Value::Null, &Value::Null));
    let report = gateway.cli(&["doctor", "--json", "--only", "public"]).await.json();
    assert_eq!(report["checks"][0]["status"], "ok", "{report}");
    // A stranger cannot say that it came from the tailnet.
    let address = home.control.address("phone").await;
    let forged = [("tailscale-user-login", "user-2@fake-control.example.net"), ("x-forwarded-for", address.as_str())];
    assert_eq!(home.get_by_funnel(443, "/whoami", &forged).await.unwrap().json()["path"], "funnel");
    for (sent, is_in) in [(None, false), (Some("wrong"), false), (Some("correct horse"), true)] {
        let stream = home.dial_by_funnel(443).await.unwrap();
        let mut client = RawClient::upgrade(Box::new(stream), &format!("ws://{NAME}/"), &[]).await.unwrap();
        client.challenge().await;
        let mut params = connect_params("");
        params["auth"] = sent.map_or(json!({}), |password| json!({ "password": password }));
        let outcome = client.connect(params).await;
        assert_eq!(outcome.is_ok(), is_in, "{sent:?}: {outcome:?}");
    }
    // Who comes by the tailnet is still known by name.
    assert_eq!(home.served().await["path"], home.path());
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_paths_by_the_machines_tailscaled_show_hooks_and_nothing_else() {
    public_paths_show_hooks_alone(&Home::with_daemon().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_paths_by_its_own_node_show_hooks_and_nothing_else() {
    public_paths_show_hooks_alone(&Home::with_own_node().await).await;
}

async fn public_paths_show_hooks_alone(home: &Home) {
    let hooks = json!({
        "gateway": { "auth": { "token": "the-gateway-token" } },
        "hooks": { "enabled": true, "token": "the-token-of-the-hooks" },
    });
    let gateway = home.gateway(json!({ "publicPaths": ["/hooks"] })).config(hooks).start().await;
    let wake = async |headers: &[(&str, &str)]| {
        let stream = home.dial_by_funnel(8443).await?;
        send(Box::new(stream), "POST", NAME, "/hooks/wake", headers, r#"{"text":"the post is here"}"#).await
    };
    eventually("the hook is published", seconds(40), || async {
        let answer = wake(&[HOOK_BEARER]).await?;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    let operator = ("authorization", "Bearer the-gateway-token");
    assert_eq!(wake(&[operator]).await.unwrap().status, 401);
    for path in
        ["/", "/whoami", "/healthz", "/readyz", "/v1/models", "/tools/invoke", "/hooksx", "/sessions/main/history"]
    {
        let answer = home.get_by_funnel(8443, path, &[operator]).await.unwrap();
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    for path in ["/", "/hooks/wake"] {
        let stream = home.dial_by_funnel(8443).await.unwrap();
        let refused = RawClient::upgrade(Box::new(stream), &format!("ws://{NAME}{path}"), &[operator]).await;
        assert!(refused.is_err(), "{path}: no socket opens there");
    }
    // From the tailnet that port shows no more.
    if let Ok(stream) = home.dial(8443).await {
        assert_eq!(request(Box::new(stream), "GET", NAME, "/whoami", &[operator]).await.unwrap().status, 404);
    }
    drop(gateway);
}

/// By either node: the order, the proof by DNS and the certificate are real.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_comes_from_an_authority_by_acme() {
    let folder = tempfile::tempdir().unwrap();
    let pebble = Pebble::start(folder.path()).await;
    let control = TestControl::start(&["-dns", &pebble.dns]).await;
    let environment: Vec<(&str, &str)> =
        pebble.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let machine = control.peer_with("box", &environment).await;
    let phone = control.peer("phone").await;
    let socket = machine.socket().to_str().expect("a path of text");
    let by_daemon = json!({ "node": "host", "mode": "serve", "socket": socket });
    let own = json!({ "node": "embedded", "mode": "serve", "hostname": "own", "controlUrl": control.url });
    for (name, tailscale, path) in [("box", by_daemon, "serve"), ("own", own, "tailnet")] {
        let builder = control.with_environment(gateway()).config(json!({ "gateway": { "tailscale": tailscale } }));
        let builder = environment.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        let gateway = builder.start().await;
        let name = format!("{name}.{TEST_DOMAIN}");
        let answer = eventually("the name is certified", seconds(60), || async {
            let stream = phone.dial(&name, 443).await.map_err(|error| error.to_string())?;
            let stream = tls(Box::new(stream), &name, pebble.roots().await).await.map_err(|error| error.to_string())?;
            request(Box::new(stream), "GET", &name, "/whoami", &[]).await
        })
        .await;
        assert_eq!(answer.json()["path"], path, "{answer:?}");
        drop(gateway);
    }
}

/// Half a request each, and then silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_strangers_are_let_go_and_hold_up_nobody() {
    let home = Home::with_own_node().await;
    let password = json!({ "gateway": { "auth": { "mode": "password", "password": "correct horse" } } });
    let gateway = home.gateway(json!({ "mode": "funnel" })).config(password).start().await;
    let whoami = async || home.get_by_funnel(443, "/whoami", &[]).await;
    eventually("the gateway is published", seconds(40), whoami).await;
    let mut slow = Vec::new();
    for number in 0..60 {
        // Some do not even begin their TLS session.
        if number % 3 == 0 {
            let stream = home.phone.by_funnel(NAME, 443, STRANGER).await.unwrap();
            slow.push(Box::new(stream) as Box<dyn crate::harness::Io>);
            continue;
        }
        let mut stream = home.dial_by_funnel(443).await.unwrap();
        stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-").await.unwrap();
        slow.push(Box::new(stream));
    }
    assert_eq!(whoami().await.unwrap().status, 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(seconds(40), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "a stranger who says nothing is let go");
    }
    drop(gateway);
}

/// headscale's tailnets have none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_certificates_serve_speaks_http_on_port_80() {
    let tailnet = tailnet().await;
    let served = async |name: &str, path: &str| {
        let whoami = eventually("the gateway is served", seconds(60), || async {
            let answer = tailnet.bob.get(name, 80, "/whoami").await?;
            if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
        })
        .await;
        assert_eq!(whoami["path"], path, "{whoami}");
        assert!(whoami["node"].as_str().is_some_and(|node| node.starts_with("bob-phone")), "{whoami}");
    };
    let off_the_tailnet = json!({ "gateway": { "bind": "loopback", "tailscale": { "mode": "serve" } } });
    let own = tailnet.gateway().await.config(off_the_tailnet).start().await;
    let name = own.setting("/gateway/tailscale/hostname").as_str().expect("a host name").to_owned();
    served(&format!("{name}.claw.test"), "tailnet").await;
    assert_eq!(tailnet_of(&own).await["serve"]["url"], format!("http://{name}.claw.test/"));

    let socket = tailnet.alice.socket().to_str().expect("a path of text");
    let behind = json!({ "gateway": { "tailscale": { "node": "host", "mode": "serve", "socket": socket } } });
    let behind = with_tailnet_env(gateway()).config(behind).start().await;
    served("alice-laptop.claw.test", "serve").await;
    assert_eq!(tailnet_of(&behind).await["serve"]["url"], "http://alice-laptop.claw.test/");
}

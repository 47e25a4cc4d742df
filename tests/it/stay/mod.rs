//! Joining a tailnet and staying in it: keys made by an OAuth client, renewal while the gateway runs, leaving, renaming,
//! several gateways on one machine.

mod api;

use crate::harness::{
    Authority, Gateway, GatewayBuilder, RawClient, TailscalePeer, TestControl, connect_params, eventually, gateway,
    request, seconds, tailnet, tls, unique_name, with_tailnet_env,
};
use api::{CLIENT_SECRET, KeyAnswer, TailscaleApi};
use serde_json::{Value, json};

/// What `status` says of the node, once it is as wanted.
async fn node_when(gateway: &Gateway, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let client = tokio::sync::Mutex::new(gateway.operator().await);
    eventually(what, seconds(60), || async {
        let status = client.lock().await.request("status", json!({})).await.expect("the status");
        let node = status["tailnet"].clone();
        if wanted(&node) { Ok(node) } else { Err(node.to_string()) }
    })
    .await
}

async fn running(gateway: &Gateway) -> Value {
    node_when(gateway, "the node runs", |node| node["state"] == "Running").await
}

fn warned(node: &Value, word: &str) -> bool {
    node["warnings"].as_array().into_iter().flatten().any(|warning| warning.as_str().unwrap().contains(word))
}

/// Everything that the gateway has written, to its log and to its folder.
fn all_that_is_written(gateway: &Gateway) -> String {
    fn read(folder: &std::path::Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                read(&path, into);
            } else if path.file_name().is_some_and(|name| name != "tailclaw.json") {
                into.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
            }
        }
    }
    let mut all = gateway.log();
    read(gateway.state_folder(), &mut all);
    all
}

async fn with_oauth(api: &TailscaleApi) -> GatewayBuilder {
    let control = &tailnet().await.headscale.url;
    let settings = json!({
        "node": "embedded", "hostname": unique_name(), "controlUrl": control, "clientSecret": CLIENT_SECRET,
        "apiUrl": api.url, "tags": ["tag:gateway"],
    });
    with_tailnet_env(gateway()).config(json!({"gateway": {"bind": "tailnet", "tailscale": settings}}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_client_makes_one_key_for_one_login() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.one_use_key("tag:gateway").await;
    let api = TailscaleApi::start([KeyAnswer::Key(key.clone())]).await;
    let mut gateway = with_oauth(&api).await.start().await;
    let node = running(&gateway).await;
    assert_eq!(node["tags"], json!(["tag:gateway"]), "{node}");

    let asked = api.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let create = &asked[0]["capabilities"]["devices"]["create"];
    let wanted = json!({"reusable": false, "ephemeral": false, "preauthorized": true, "tags": ["tag:gateway"]});
    assert_eq!(*create, wanted);
    assert!(asked[0]["expirySeconds"].as_u64().is_some_and(|seconds| seconds <= 600), "{asked:?}");

    let written = all_that_is_written(&gateway);
    for secret in [CLIENT_SECRET, key.as_str(), "tskey-access-"] {
        assert!(!written.contains(secret), "{secret} is written down");
    }
    // The login is in the folder now: the next start asks nobody for a key.
    gateway.stop().await;
    gateway.restart().await;
    let again = running(&gateway).await;
    assert_eq!(again["addresses"], node["addresses"]);
    assert_eq!(api.asked().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_secret_in_place_of_a_key_is_one() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.one_use_key("tag:gateway").await;
    let api = TailscaleApi::start([KeyAnswer::Key(key)]).await;
    let settings = json!({
        "node": "embedded", "hostname": unique_name(), "controlUrl": tailnet.headscale.url, "tags": ["tag:gateway"],
    });
    let builder = with_tailnet_env(gateway()).config(json!({"gateway": {"tailscale": settings}}));
    // Also by the variable that tsnet would take for an auth key, and send to the control server.
    let secret = format!("{CLIENT_SECRET}?baseURL={}", api.url);
    let mut gateway = builder.env("TS_AUTHKEY", &secret).start().await;
    running(&gateway).await;
    assert_eq!(api.asked().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_oauth_client_is_told_what_it_lacks() {
    let cases = [
        (
            KeyAnswer::Refusal(403, "calling actor does not have enough permissions to perform this function"),
            "scope auth_keys",
        ),
        (KeyAnswer::Refusal(403, "requested tags [tag:gateway] are invalid or not permitted"), "tagOwners"),
        (KeyAnswer::Refusal(400, "requested tags [tag:gateway] are invalid or not permitted"), "tag:gateway"),
        (KeyAnswer::Refusal(500, "internal error"), "500: internal error"),
    ];
    for (answer, told) in cases {
        let api = TailscaleApi::start([answer.clone()]).await;
        let mut gateway = with_oauth(&api).await.start().await;
        let node = node_when(&gateway, "the refusal is told", |node| warned(node, told)).await;
        assert_eq!(node["state"], "NeedsLogin", "{answer:?}: {node}");
        assert_eq!(gateway.get("/healthz").await.status, 200);
        assert!(!all_that_is_written(&gateway).contains(CLIENT_SECRET));
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_client_secret_is_told() {
    let api = TailscaleApi::start([]).await;
    let wrong = json!({"gateway": {"tailscale": {"clientSecret": "tskey-client-wrong"}}});
    let mut gateway = with_oauth(&api).await.config(wrong).start().await;
    let node =
        node_when(&gateway, "the refusal is told", |node| warned(node, "does not take the OAuth client secret")).await;
    assert!(warned(&node, "401") && !node.to_string().contains("tskey-client-wrong"), "{node}");
    assert_eq!((api.tokens(), api.asked().len()), (0, 0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_or_silent_api_is_asked_again() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.one_use_key("tag:gateway").await;
    let api =
        TailscaleApi::start([KeyAnswer::Slower(2), KeyAnswer::Refusal(500, "try later"), KeyAnswer::Key(key)]).await;
    let mut gateway = with_oauth(&api).await.start().await;
    node_when(&gateway, "it is told", |node| warned(node, "429") || node["state"] == "Running").await;
    running(&gateway).await;
    assert_eq!(api.asked().len(), 3);
    gateway.stop().await;

    let silent = TailscaleApi::start([KeyAnswer::Silence]).await;
    let mut gateway = with_oauth(&silent).await.start().await;
    node_when(&gateway, "the silence is told", |node| warned(node, "no answer within")).await;
    assert_eq!(gateway.get("/healthz").await.status, 200);
    gateway.stop().await;
}

/// The link that `tailclaw login --link` gives.
async fn login_link(gateway: &Gateway) -> String {
    let reply = gateway.cli(&["login", "--link", "--json"]).await.success().json();
    assert_eq!(reply["outcome"], "link", "{reply}");
    reply["loginUrl"].as_str().expect("a link").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_renewed_by_a_link_while_connections_stay() {
    let control = TestControl::start(&["-interactive", "-same-user"]).await;
    let mut gateway = control.gateway().config(json!({"gateway": {"bind": "tailnet"}})).start().await;
    let link = node_when(&gateway, "a first link", |node| node["loginUrl"].is_string()).await["loginUrl"].clone();
    assert_eq!(control.admin("/complete-login", json!({"url": link})).await, json!(true));
    let node = running(&gateway).await;
    let address = node["addresses"][0].as_str().expect("an address").to_owned();

    let mut here = gateway.operator().await;
    let folder = tempfile::Builder::new().prefix("tc-").tempdir().expect("a temporary folder");
    let peer = peer_by_link(&control, folder.path()).await;
    let mut there = connected(&gateway, &peer, &address).await;

    let link = login_link(&gateway).await;
    let waiting = node_when(&gateway, "the link is shown", |node| node["loginUrl"] == link.as_str()).await;
    assert_eq!(waiting["state"], "Running", "the old key is good meanwhile: {waiting}");
    there.request("health", json!({})).await.expect("the tailnet goes on while the link waits");
    assert_eq!(control.admin("/complete-login", json!({"url": link})).await, json!(true));
    let renewed = node_when(&gateway, "renewed", |node| node["state"] == "Running" && node["loginUrl"].is_null()).await;
    assert_eq!(renewed["addresses"], node["addresses"], "it is the same node");
    here.request("health", json!({})).await.expect("loopback connections stay");
    there.request("health", json!({})).await.expect("tailnet connections stay");
    gateway.stop().await;
}

/// Another machine, where a person has to open the link of each login.
async fn peer_by_link(control: &TestControl, folder: &std::path::Path) -> TailscalePeer {
    const QUIET: [(&str, &str); 4] = [
        ("TS_NO_LOGS_NO_SUPPORT", "true"),
        ("TS_DISABLE_PORTMAPPER", "1"),
        ("TS_PANIC_IF_HIT_MAIN_CONTROL", "1"),
        ("TS_ASSUME_NETWORK_UP_FOR_TEST", "1"),
    ];
    let peer = TailscalePeer::start(folder, "peer", &QUIET).await;
    let opened = async {
        let link = eventually("the peer has a link", seconds(30), || async {
            let status = peer.status().await;
            status["AuthURL"].as_str().filter(|link| !link.is_empty()).map(str::to_owned).ok_or(status.to_string())
        })
        .await;
        assert_eq!(control.admin("/complete-login", json!({ "url": link })).await, json!(true));
    };
    tokio::join!(peer.up(&control.url, None), opened);
    peer
}

/// An operator who comes over the tailnet.
async fn connected(gateway: &Gateway, peer: &TailscalePeer, address: &str) -> RawClient {
    let stream = eventually("the peer reaches the gateway", seconds(60), || async {
        match peer.get(address, gateway.port, "/healthz").await {
            Ok(answer) if answer.status == 200 => {
                peer.dial(address, gateway.port).await.map_err(|error| error.to_string())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let url = format!("ws://{address}:{}/", gateway.port);
    let mut client = RawClient::upgrade(Box::new(stream), &url, &[]).await.expect("it upgrades");
    client.challenge().await;
    let hello = client.connect(connect_params(&gateway.token())).await.expect("the token is right");
    assert_eq!(hello["type"], "hello-ok", "{hello}");
    client
}

/// RFC 3339, in so many hours from now.
fn hours_from_now(hours: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    let then = i64::try_from(now.as_secs()).unwrap() + hours * 3_600;
    let (days, second) = (then.div_euclid(86_400), then.rem_euclid(86_400));
    // Days to a date, by the era of 400 years that it lies in.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn hostname(gateway: &Gateway) -> String {
    gateway.setting("/gateway/tailscale/hostname").as_str().expect("a host name").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_login_is_told_at_each_step() {
    let control = TestControl::start(&["-same-user"]).await;
    let mut gateway = control.gateway().start().await;
    running(&gateway).await;
    let name = hostname(&gateway);
    for (hours, notice) in [(13 * 24, "14d"), (2 * 24, "3d"), (12, "1d")] {
        control.admin("/node", json!({"node": name, "keyExpiry": hours_from_now(hours)})).await;
        let node = node_when(&gateway, notice, |node| node["keyExpiryNotice"] == notice).await;
        assert!(warned(&node, "renew it with `tailclaw login`"), "{node}");
        assert!(node["keyExpiry"].is_string(), "{node}");
        let health = gateway.operator().await.request("health", json!({})).await.expect("health");
        assert_eq!(health["tailnet"]["keyExpiryNotice"], notice, "{health}");
        let told = gateway.log().matches(&format!("notice=\"{notice}\"")).count();
        assert_eq!(told, 1, "once in the log: {}", gateway.log());
    }
    let mut browser = crate::harness::Browser::here().await;
    browser.open(&format!("{}/#token={}", gateway.http(), gateway.token())).await;
    let banner = browser.text("[data-testid=tailnet-notice]").await;
    assert!(banner.contains("login in its tailnet ends on"), "{banner}");

    let doctor = gateway.cli(&["doctor", "--json", "--only", "key-expiry"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let check = &doctor.json()["checks"][0];
    assert_eq!((&check["status"], &check["fix"]), (&json!("fail"), &json!("tailclaw login")), "{check}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_servers_clock_decides() {
    let control = TestControl::start(&["-same-user"]).await;
    let mut gateway = control.gateway().start().await;
    running(&gateway).await;
    let name = hostname(&gateway);
    control.admin("/node", json!({"node": name, "keyExpiry": hours_from_now(4 * 24 - 1)})).await;
    node_when(&gateway, "far by our clock", |node| node["keyExpiryNotice"] == "14d").await;
    assert_eq!(control.admin("/clock", json!({"node": name, "aheadSeconds": 86_400})).await, json!(true));
    let node = node_when(&gateway, "the skew is told", |node| node["clockOffsetMs"].is_i64()).await;
    assert_eq!(node["keyExpiryNotice"], "3d", "{node}");
    assert!(warned(&node, "behind the control server's") && warned(&node, "by the control server's clock"), "{node}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_login_is_renewed_by_its_link_without_a_restart() {
    let control = TestControl::start(&["-interactive", "-same-user"]).await;
    let mut gateway = control.gateway().start().await;
    let has_link = |node: &Value| node["loginUrl"].is_string();
    let first = node_when(&gateway, "a first link", has_link).await["loginUrl"].clone();
    assert_eq!(control.admin("/complete-login", json!({"url": first})).await, json!(true));
    running(&gateway).await;
    let mut here = gateway.operator().await;
    control.admin("/node", json!({"node": hostname(&gateway), "keyExpiry": hours_from_now(1)})).await;
    node_when(&gateway, "its last day", |node| node["keyExpiryNotice"] == "1d").await;
    control.admin("/node", json!({"node": hostname(&gateway), "keyExpiry": hours_from_now(-1)})).await;
    let ended = node_when(&gateway, "a new link", |node| node["state"] == "NeedsLogin" && has_link(node)).await;
    assert_ne!(ended["loginUrl"], first);
    assert_eq!(control.admin("/complete-login", json!({"url": ended["loginUrl"]})).await, json!(true));
    running(&gateway).await;
    here.request("health", json!({})).await.expect("this machine was served all along");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_login_is_renewed_by_the_key_or_the_oauth_client() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.auth_key(crate::harness::Owner::User("alice")).await;
    let settings = json!({"hostname": unique_name(), "controlUrl": tailnet.headscale.url, "authKey": key.clone()});
    let builder = with_tailnet_env(gateway()).config(json!({"gateway": {"tailscale": settings}}));
    let by_key = builder.start().await;

    // headscale does not take an expired node with tags back by a key, so alice's keys stand for the minted ones.
    let api = TailscaleApi::start([KeyAnswer::Key(key.clone())]).await;
    let by_oauth = with_oauth(&api).await.start().await;
    for mut gateway in [by_key, by_oauth] {
        running(&gateway).await;
        let name = hostname(&gateway);
        let node = tailnet.headscale.node(&name).await;
        let logins = || gateway.log().matches("running name=").count();
        let before = logins();
        tailnet.headscale.expire(&node).await;
        eventually("it has logged in anew", seconds(60), || async {
            if logins() > before { Ok(()) } else { Err(gateway.log()) }
        })
        .await;
        running(&gateway).await;
        gateway.stop().await;
    }
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_waits_for_approval_is_told_and_goes_on() {
    let control = TestControl::start(&["-approval", "-same-user"]).await;
    let mut gateway = control.gateway().start().await;
    node_when(&gateway, "it waits", |node| node["state"] == "NeedsMachineAuth").await;
    let doctor = gateway.cli(&["doctor", "--only", "tailnet"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("approve the device"), "{doctor:?}");
    assert_eq!(control.admin("/approve", json!({"node": hostname(&gateway)})).await, json!(true));
    running(&gateway).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_leaves_the_tailnet_and_a_login_joins_anew() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.auth_key(crate::harness::Owner::User("alice")).await;
    let settings = json!({"hostname": unique_name(), "controlUrl": tailnet.headscale.url, "authKey": key});
    let builder = with_tailnet_env(gateway()).config(json!({"gateway": {"bind": "tailnet", "tailscale": settings}}));
    let mut here = tailnet.start_gateway(builder).await;
    let asked = here.gateway.cli(&["logout"]).await;
    assert_eq!(asked.code, Some(2), "nobody is there to be asked: {asked:?}");
    let left = here.gateway.cli(&["logout", "--yes"]).await.success();
    assert!(left.stdout.contains("the next start of the gateway joins anew"), "{left:?}");
    let node = node_when(&here.gateway, "it has left", |node| node["state"] == "Stopped").await;
    assert!(node["reason"].as_str().is_some_and(|reason| reason.contains("logged out")), "{node}");
    let state = std::fs::read_to_string(here.gateway.state_folder().join("tailnet/tailscaled.state")).unwrap();
    assert!(!state.contains("PrivateNodeKey"), "the login is deleted");

    let again = here.gateway.cli(&["login", "--json"]).await.success().json();
    assert_eq!(again["outcome"], "done", "by the configured key: {again}");
    running(&here.gateway).await;
    // `up` on a gateway that runs changes nothing.
    let up = here.gateway.cli(&["up", "--yes"]).await.success();
    assert!(up.stdout.contains("has joined as"), "{up:?}");
    here.gateway.stop().await;
    // The same without a gateway: a node is started to say so.
    let offline = here.gateway.cli(&["logout", "--yes", "--json"]).await.success().json();
    assert_eq!(offline["rejoins"], true, "{offline}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_is_renamed_while_it_runs() {
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    let mut there = here.socket_from(&tailnet.alice).await;
    let name = unique_name();
    here.gateway.cli(&["config", "set", "gateway.tailscale.hostname", &name]).await.success();
    let full = format!("{name}.claw.test");
    node_when(&here.gateway, "the new name", |node| node["name"] == full.as_str()).await;
    there.challenge().await;
    let by_name =
        eventually("the name leads there", seconds(30), || tailnet.alice.get(&full, here.gateway.port, "/whoami"));
    assert_eq!(by_name.await.json()["path"], "tailnet");
    here.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_profiles_of_one_machine_are_two_nodes_each_on_443() {
    let control = TestControl::start(&["-same-user"]).await;
    let (authority, phone) = (Authority::new(), control.peer("phone").await);
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut started = Vec::new();
    for profile in ["work", "home"] {
        let folder = home.path().join(format!(".tailclaw-{profile}"));
        let settings = json!({"node": "embedded", "mode": "serve", "controlUrl": control.url});
        let builder = gateway().config(json!({"gateway": {"tailscale": settings}}));
        let builder = control.with_environment(builder.profile(home.path(), profile, &folder));
        let builder = control.certified_as(&format!("tailclaw-{profile}"), builder, &authority);
        started.push((profile, builder.start().await));
    }
    let mut addresses = Vec::new();
    for (profile, gateway) in &started {
        let node = running(gateway).await;
        let name = node["name"].as_str().expect("a name");
        assert!(name.starts_with(&format!("tailclaw-{profile}.")), "{node}");
        let served = eventually("it serves on 443", seconds(40), || async {
            let stream = phone.dial(name, 443).await.map_err(|error| error.to_string())?;
            let stream = tls(Box::new(stream), name, authority.roots()).await.map_err(|error| error.to_string())?;
            request(Box::new(stream), "GET", name, "/whoami", &[]).await
        })
        .await;
        assert_eq!(served.json()["path"], "tailnet", "{served:?}");
        addresses.push(node["addresses"][0].clone());
    }
    assert_ne!(addresses[0], addresses[1]);
    for (_, mut gateway) in started {
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_server_that_is_gone_is_told_and_peers_go_on() {
    let mut control = TestControl::start(&["-same-user"]).await;
    let mut gateway = control.gateway().config(json!({"gateway": {"bind": "tailnet"}})).start().await;
    let address = running(&gateway).await["addresses"][0].as_str().expect("an address").to_owned();
    let peer = control.peer("peer").await;
    let there = tokio::sync::Mutex::new(connected(&gateway, &peer, &address).await);
    control.stop().await;
    // Tailscale says so itself once it has waited long enough for the server to come back.
    let node = eventually("it is told", seconds(150), || async {
        there.lock().await.request("health", json!({})).await.expect("who is in stays in");
        let status = gateway.status().await["status"]["tailnet"].clone();
        if status["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()) {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
    .await;
    assert_eq!(node["state"], "Running", "{node}");
    there.lock().await.request("health", json!({})).await.expect("who is in stays in");
    connected(&gateway, &peer, &address).await;
    assert_eq!(gateway.get("/healthz").await.status, 200);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_shows_the_paths_and_what_is_lacking() {
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    let reply = eventually("alice's path", seconds(60), || async {
        let mut there = here.socket_from(&tailnet.alice).await;
        there.challenge().await;
        let mut params = connect_params("");
        params.as_object_mut().unwrap().remove("auth");
        there.connect(params).await.expect("alice is granted everything");
        let reply = there.request("tailnet.status", json!({})).await.expect("a reply");
        if reply["caller"]["path"].is_object() { Ok(reply) } else { Err(reply.to_string()) }
    })
    .await;
    let path = &reply["caller"]["path"];
    assert!(["direct", "relay"].contains(&path["kind"].as_str().unwrap()), "{reply}");
    assert!(path["latencyMs"].as_f64().is_some_and(|latency| latency > 0.0), "{reply}");
    assert!(path["endpoint"].is_string() || path["region"].is_string(), "{reply}");
    assert!(reply["peers"].as_array().is_some_and(|peers| peers.len() >= 3), "{reply}");
    let lacks: Vec<&str> =
        reply["lacks"].as_array().unwrap().iter().map(|lack| lack["what"].as_str().unwrap()).collect();
    assert_eq!(lacks, ["https", "funnel"], "headscale gives neither, and alice has a grant: {reply}");

    let shown = here.gateway.cli(&["status", "--deep"]).await.success().stdout;
    for part in ["peers", "alice-laptop.claw.test", "lacking", "https: ", "login"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    here.gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_without_a_tailnet_says_so() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let reply = client.request("tailnet.status", json!({})).await.expect("a reply");
    assert_eq!((&reply["tailnet"], &reply["peers"]), (&Value::Null, &json!([])), "{reply}");
    for (method, params) in [("tailnet.login", json!({})), ("tailnet.logout", json!({}))] {
        let error = client.request(method, params).await.expect_err("there is no node");
        assert!(error["message"].as_str().unwrap().contains("tailclaw up"), "{error}");
    }
    let both = client.request("tailnet.login", json!({"authKey": "k", "link": true})).await.expect_err("not both");
    assert_eq!(both["code"], "INVALID_REQUEST", "{both}");
    let empty = client.request("tailnet.login", json!({"authKey": " "})).await.expect_err("no key");
    assert_eq!(empty["code"], "INVALID_REQUEST", "{empty}");
    gateway.stop().await;
}

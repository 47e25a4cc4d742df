//! Gateways that are found in the local network: what one announces, to whom, and how much of itself.

use crate::harness::{LAN_ADDRESS, LanHost, any_tls, eventually, gateway, seconds};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

async fn discover(host: &LanHost) -> Value {
    host.cli(&["gateway", "discover", "--json", "--timeout", "1500"]).await.success().json()
}

/// Writes the file as an editor does.
fn set_mode(host: &LanHost, mode: &str) {
    let path = host.gateway.state_folder().join("tailclaw.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["discovery"]["mdns"]["mode"] = json!(mode);
    std::fs::write(&path, config.to_string()).unwrap();
}

/// The one gateway there is, once it fits.
async fn found(host: &LanHost, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(what, seconds(30), || async {
        let report = discover(host).await;
        assert_eq!(report["domains"], json!(["local."]), "{report}");
        if report["count"] == 1 && fits(&report["beacons"][0]) { Ok(report["beacons"][0].clone()) } else { Err(report) }
    })
    .await
}

#[tokio::test]
async fn a_gateway_on_the_lan_is_found_and_says_no_more_than_it_was_told_to() {
    let settings = json!({
        "gateway": {"bind": "custom", "customBindHost": LAN_ADDRESS, "tls": {"enabled": true}},
        "discovery": {"mdns": {"mode": "minimal"}},
    });
    let host = LanHost::start(gateway().config(settings)).await;
    let (_, certificate) = any_tls(host.dial(LAN_ADDRESS)).await.expect("a handshake");
    let fingerprint: String = Sha256::digest(&certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    let machine = rustix::system::uname().nodename().to_string_lossy().to_lowercase();

    let beacon = found(&host, "the gateway is found", |_| true).await;
    assert_eq!(beacon["port"], host.gateway.port, "{beacon}");
    assert_eq!(beacon["gatewayPort"], host.gateway.port, "{beacon}");
    assert_eq!((&beacon["gatewayTls"], &beacon["gatewayTlsFingerprintSha256"]), (&json!(true), &json!(fingerprint)));
    assert_eq!((&beacon["role"], &beacon["transport"]), (&json!("gateway"), &json!("gateway")), "{beacon}");
    assert_eq!(beacon["addresses"], json!([LAN_ADDRESS]), "{beacon}");
    let name = beacon["displayName"].as_str().unwrap();
    assert!(name.starts_with("tailclaw-"), "{beacon}");
    assert_eq!(beacon["wsUrl"], format!("wss://{name}.local:{}", host.gateway.port), "{beacon}");
    // "vm" may be part of anything; a beacon without names has it nowhere as a word.
    let text = beacon.to_string().to_lowercase();
    assert!(
        !text.split(|letter: char| !letter.is_alphanumeric() && letter != '-').any(|word| word == machine),
        "{text}"
    );
    for private in ["sshPort", "cliPath", "tailnetDns"] {
        assert!(beacon.get(private).is_none(), "{private}: {beacon}");
    }
    let shown = host.cli(&["gateway", "discover"]).await.success().stdout;
    assert!(shown.contains("Found 1 gateway(s)") && shown.contains(&fingerprint), "{shown}");

    set_mode(&host, "full");
    let beacon = found(&host, "it says more", |beacon| beacon["sshPort"] == 22).await;
    assert!(beacon["displayName"].as_str().is_some_and(|name| !name.starts_with("tailclaw-")), "{beacon}");
    assert!(beacon["cliPath"].is_string(), "{beacon}");
    set_mode(&host, "off");
    eventually("it is silent", seconds(30), || async {
        let report = discover(&host).await;
        if report["count"] == 0 { Ok(()) } else { Err(report) }
    })
    .await;
}

#[tokio::test]
async fn a_gateway_on_loopback_tells_nobody() {
    let host = LanHost::start(gateway().config(json!({"discovery": {"mdns": {"mode": "full"}}}))).await;
    assert_eq!(discover(&host).await["count"], 0);
    let endless = host.cli(&["gateway", "discover", "--timeout", "86400000"]).await;
    assert_eq!(endless.code, Some(2), "{endless:?}");
}

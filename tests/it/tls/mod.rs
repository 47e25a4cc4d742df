//! The gateway's port with TLS: by a certificate of its own or the person's, for clients that are not ours (curl,
//! OpenSSL, OpenClaw), while files are replaced and while strangers try what they can. HTTPS on the tailnet is in
//! `direct`.

mod direct;

use crate::harness::{
    Authority, Gateway, GatewayBuilder, LAN_ADDRESS, LanHost, OpenClaw, Output, RawClient, any_tls, connect_params,
    eventually, gateway, guarded, request, seconds, tls, within,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

fn secured() -> GatewayBuilder {
    gateway().config(json!({"gateway": {"tls": {"enabled": true}}}))
}

fn fingerprint(certificate: &[u8]) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fingerprint of what a handshake shows now.
async fn shown(gateway: &Gateway) -> String {
    let (_, certificate) = any_tls(Box::new(gateway.dial().await)).await.expect("a handshake");
    fingerprint(&certificate)
}

/// An operator over TLS.
async fn operator(gateway: &Gateway) -> RawClient {
    let (stream, _) = any_tls(Box::new(gateway.dial().await)).await.expect("a handshake");
    let mut client = RawClient::upgrade(Box::new(stream), &gateway.url(), &[]).await.expect("the gateway upgrades");
    client.challenge().await;
    client.connect(connect_params(&gateway.token())).await.expect("the token is accepted");
    client
}

/// Whether a connection still serves.
async fn answers(client: &mut RawClient) {
    client.request("health", json!({})).await.expect("the connection goes on");
}

async fn program(name: &str, arguments: &[&str]) -> Output {
    let mut command = guarded(name);
    command.args(arguments);
    Output::of(command, seconds(20)).await
}

/// Files of a pair, and the settings that name them.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Files {
        Files { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, pair: &(String, String)) {
        std::fs::write(self.path("cert.pem"), &pair.0).unwrap();
        std::fs::write(self.path("key.pem"), &pair.1).unwrap();
    }

    fn settings(&self) -> Value {
        json!({"gateway": {"tls": {"enabled": true, "certPath": self.path("cert.pem"), "keyPath": self.path("key.pem")}}})
    }
}

fn leaf(pair: &(String, String)) -> String {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    fingerprint(&CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap())
}

#[tokio::test]
async fn the_port_speaks_wss_by_a_certificate_of_its_own() {
    let mut gateway = secured().start().await;
    let first = shown(&gateway).await;
    let log = gateway.log();
    assert!(log.contains(&format!("https://127.0.0.1:{}/", gateway.port)), "{log}");
    assert!(log.contains(&format!("wss://127.0.0.1:{}", gateway.port)), "{log}");
    assert!(log.contains(&first), "{first} in {log}");
    answers(&mut operator(&gateway).await).await;

    let told = gateway.cli(&["gateway", "fingerprint", "--json"]).await.success().json();
    assert_eq!(told["tlsFingerprint"], first, "{told}");
    let text = gateway.cli(&["gateway", "fingerprint"]).await.success().stdout;
    assert!(text.contains(&first) && text.contains('█'), "{text}");

    let certificate = PathBuf::from(told["certPath"].as_str().unwrap());
    let key = certificate.with_file_name("gateway-key.pem");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(key.parent().unwrap())), (0o600, 0o700));

    // It names this machine: clients that verify take it as the authority that it is for itself.
    let url = format!("https://localhost:{}/readyz", gateway.port);
    let trusting = program("curl", &["-sS", "--cacert", certificate.to_str().unwrap(), &url]).await.success();
    assert_eq!(trusting.json()["ready"], true);
    let strict = program("curl", &["-sS", &url]).await;
    assert_eq!(strict.code, Some(60), "curl trusts nobody's own word: {strict:?}");

    let address = format!("127.0.0.1:{}", gateway.port);
    let session = program("openssl", &["s_client", "-connect", &address, "-alpn", "h2,http/1.1"]).await;
    assert!(session.stdout.contains("TLSv1.3") && session.stdout.contains("ALPN protocol: http/1.1"), "{session:?}");
    let old = program("openssl", &["s_client", "-connect", &address, "-tls1_2"]).await;
    assert_ne!(old.code, Some(0), "{old:?}");

    gateway.stop().await;
    gateway.restart().await;
    assert_eq!(shown(&gateway).await, first, "the certificate outlives a start");
}

#[tokio::test]
async fn who_speaks_the_other_language_is_told_so() {
    let gateway = secured().start().await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("https://") && answer.body.contains("wss://"), "{answer:?}");
    let upgrade = RawClient::upgrade(Box::new(gateway.dial().await), &gateway.url(), &[]).await;
    assert!(upgrade.is_err());
    // A body behind the request does not take the answer away.
    let answer = gateway.send("POST", "/v1/chat/completions", &[], &"x".repeat(10_000)).await;
    assert_eq!(answer.status, 400, "{answer:?}");

    let plain = crate::harness::gateway().start().await;
    let handshake =
        within("a handshake with plain HTTP ends", seconds(10), any_tls(Box::new(plain.dial().await))).await;
    assert!(handshake.is_err());
    assert_eq!(plain.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_replaced_pair_is_shown_and_a_bad_one_is_not() {
    let (authority, files) = (Authority::new(), Files::new());
    let first = authority.issue(&["localhost"]);
    files.write(&first);
    let gateway = gateway().config(files.settings()).start().await;
    assert_eq!(shown(&gateway).await, leaf(&first));
    let mut before = operator(&gateway).await;
    let swapped = async |pair: &(String, String)| {
        eventually("the new certificate is shown", seconds(10), || async {
            let now = shown(&gateway).await;
            if now == leaf(pair) { Ok(()) } else { Err(now) }
        })
        .await;
    };

    let second = authority.issue(&["localhost"]);
    files.write(&second);
    swapped(&second).await;
    answers(&mut before).await;

    let complaints = || gateway.log().matches("the new certificate cannot be used").count();
    let other = authority.issue(&["localhost"]);
    let bad = [
        (other.0.clone(), second.1.clone(), "the key is not that of the certificate"),
        (other.0[..other.0.len() / 2].to_owned(), other.1.clone(), "cut short"),
        (other.0.clone(), String::new(), "no private key"),
        ("nonsense".to_owned(), other.1.clone(), "no certificate"),
    ];
    let expired = authority.issue_expired(&["localhost"]);
    let bad = bad.into_iter().chain([(expired.0, expired.1, "expired on 2021-01-01")]);
    for (count, (certificate, key, reason)) in bad.enumerate() {
        files.write(&(certificate, key));
        eventually(&format!("it is told: {reason}"), seconds(10), || async {
            let log = gateway.log();
            if complaints() > count && log.contains(reason) { Ok(()) } else { Err(log) }
        })
        .await;
        assert_eq!(complaints(), count + 1, "{}", gateway.log());
        assert_eq!(shown(&gateway).await, leaf(&second), "the old one goes on: {reason}");
    }
    let told = complaints();
    std::fs::remove_file(files.path("key.pem")).unwrap();
    eventually("a missing file is told", seconds(10), || async {
        if complaints() > told { Ok(()) } else { Err(gateway.log()) }
    })
    .await;
    // Renamed into place, as those who renew certificates do it.
    let last = authority.issue(&["localhost"]);
    std::fs::write(files.path("new"), &last.1).unwrap();
    std::fs::rename(files.path("new"), files.path("key.pem")).unwrap();
    std::fs::write(files.path("new"), &last.0).unwrap();
    std::fs::rename(files.path("new"), files.path("cert.pem")).unwrap();
    swapped(&last).await;
    assert_eq!(complaints(), told + 1, "each is told once: {}", gateway.log());
    answers(&mut before).await;
    answers(&mut operator(&gateway).await).await;
}

#[tokio::test]
async fn without_reload_no_certificate_changes() {
    let (authority, files) = (Authority::new(), Files::new());
    let (first, second) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    files.write(&first);
    let held = json!({"gateway": {"reload": {"mode": "off"}}});
    let gateway = gateway().config(files.settings()).config(held).start().await;
    files.write(&second);
    // Turned on again, it looks at once: what it shows then was there before.
    let path = gateway.state_folder().join("tailclaw.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(shown(&gateway).await, leaf(&first));
    config["gateway"]["reload"]["mode"] = json!("hybrid");
    std::fs::write(&path, config.to_string()).unwrap();
    eventually("the new certificate is shown", seconds(10), || async {
        let now = shown(&gateway).await;
        if now == leaf(&second) { Ok(()) } else { Err(now) }
    })
    .await;
}

#[tokio::test]
async fn clients_that_verify_see_the_names_and_the_chain() {
    let (authority, files) = (Authority::new(), Files::new());
    files.write(&authority.issue(&["claw.example"]));
    let gateway = gateway().config(files.settings()).start().await;
    let dial = async || Box::new(gateway.dial().await);
    let stream = tls(dial().await, "claw.example", authority.roots()).await.expect("its name");
    let answer = request(Box::new(stream), "GET", "claw.example", "/readyz", &[]).await.unwrap();
    assert_eq!(answer.status, 200);
    let error = tls(dial().await, "localhost", authority.roots()).await.map(drop).expect_err("another name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let error =
        tls(dial().await, "claw.example", Authority::new().roots()).await.map(drop).expect_err("another authority");
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_gateway_without_a_usable_pair_does_not_start_in_the_clear() {
    let (authority, files) = (Authority::new(), Files::new());
    let refused = async |settings: Value, reason: &str| {
        let output = gateway().config(settings).run().await;
        assert_eq!(output.code, Some(1), "{reason}: {output:?}");
        assert!(output.stderr.contains(reason), "{reason}: {}", output.stderr);
    };
    let (first, second) = (authority.issue(&["a.example"]), authority.issue(&["b.example"]));
    files.write(&(first.0, second.1));
    refused(files.settings(), "the key is not that of the certificate").await;
    std::fs::remove_file(files.path("key.pem")).unwrap();
    refused(files.settings(), "put the missing half there").await;
    assert!(!files.path("key.pem").exists(), "nothing is made beside somebody's certificate");
    std::fs::remove_file(files.path("cert.pem")).unwrap();
    let mut settings = files.settings();
    settings["gateway"]["tls"]["autoGenerate"] = json!(false);
    refused(settings.clone(), "gateway.tls.autoGenerate").await;
    settings["gateway"]["tls"].as_object_mut().unwrap().remove("keyPath");
    let output = gateway().config(settings).run().await;
    assert!(output.all().contains("gateway.tls.keyPath: is needed beside gateway.tls.certPath"), "{output:?}");
}

#[tokio::test]
async fn silent_handshakes_take_no_more_than_their_place() {
    let patience = json!({"gateway": {"handshakeTimeoutMs": 3_000}});
    let gateway = secured().config(patience).start().await;
    let silent = tokio::sync::Mutex::new(Vec::new());
    // Whoever asked before whether the gateway is there may have a place for another moment.
    eventually("the address has no place left", seconds(3), || async {
        let mut silent = silent.lock().await;
        for _ in 0..32 {
            let mut stream = gateway.dial().await;
            // Some are turned away before they can say it.
            let _ = stream.write_all(&[22]).await;
            silent.push(stream);
        }
        match any_tls(Box::new(gateway.dial().await)).await {
            Err(_) => Ok(()),
            Ok(_) => Err("it still has one"),
        }
    })
    .await;
    // Somebody else is let in meanwhile.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let elsewhere = socket.connect(format!("127.0.0.1:{}", gateway.port).parse().unwrap()).await.unwrap();
    any_tls(Box::new(elsewhere)).await.expect("another address has places of its own");
    for mut stream in silent.into_inner() {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = within("the gateway gives the handshake up", seconds(15), stream.read_to_end(&mut rest)).await;
    }
    answers(&mut operator(&gateway).await).await;
}

#[tokio::test]
async fn noise_in_place_of_a_handshake_ends_at_once() {
    let gateway = secured().start().await;
    let noise: [&[u8]; 4] = [&[22, 3, 1, 0xff, 0xff], &[22; 20_000], b"\x16\x03\x01\x00\x05hello", &[0x80, 0x2e, 1, 3]];
    for bytes in noise {
        let mut stream: TcpStream = gateway.dial().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = within("it ends", seconds(10), stream.read_to_end(&mut rest)).await;
    }
    // Whoever leaves in the middle.
    for _ in 0..50 {
        drop(gateway.dial().await);
    }
    answers(&mut operator(&gateway).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaw_pins_the_certificate() {
    let gateway = secured().start().await;
    let url = format!("wss://127.0.0.1:{}", gateway.port);
    let known = shown(&gateway).await;
    let openclaw = OpenClaw::pinned(&url, &gateway.token(), &known);
    let health = openclaw.run(&["gateway", "call", "health"]).await.success();
    assert!(health.all().contains("\"ok\": true"), "{}", health.all());
    let other = OpenClaw::pinned(&url, &gateway.token(), &fingerprint(b"another"));
    let refused = other.run(&["gateway", "call", "health"]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.all().contains("fingerprint mismatch"), "{}", refused.all());
}

#[tokio::test]
async fn a_setup_code_brings_the_fingerprint_along() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let settings = json!({"gateway": {"bind": "custom", "customBindHost": LAN_ADDRESS}});
    let host = LanHost::start(secured().config(settings)).await;
    let (stream, certificate) = any_tls(host.dial("127.0.0.1")).await.expect("a handshake");
    let mut owner = RawClient::upgrade(Box::new(stream), &host.gateway.url(), &[]).await.expect("the gateway upgrades");
    owner.challenge().await;
    let token = host.gateway.token();
    owner.connect(connect_params(&token)).await.expect("the token is accepted");
    let payload = |reply: &Value| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(reply["setupCode"].as_str().unwrap()).unwrap()).unwrap()
    };
    let reply =
        owner.request("device.pair.setupCode", json!({"joinUrl": true, "bootstrapProfile": "node"})).await.unwrap();
    let url = format!("wss://{LAN_ADDRESS}:{}", host.gateway.port);
    assert_eq!(reply["gatewayUrl"], url, "{reply}");
    assert_eq!(payload(&reply)["tlsFingerprint"], fingerprint(&certificate), "{reply}");
    let (_, code) = reply["joinUrl"].as_str().unwrap().split_once("/j/").unwrap();
    let (stream, _) = any_tls(host.dial(LAN_ADDRESS)).await.unwrap();
    let joined = request(Box::new(stream), "GET", LAN_ADDRESS, &format!("/j/{code}"), &[]).await.unwrap().json();
    assert_eq!(
        (&joined["tlsFingerprint"], &joined["url"]),
        (&json!(fingerprint(&certificate)), &json!(url)),
        "{joined}"
    );
    // With TLS, what is bound is private enough for everything.
    let full = owner.request("device.pair.setupCode", json!({})).await.unwrap();
    assert_eq!(full["access"], "full", "{full}");
    // What ends TLS elsewhere shows a certificate of its own.
    let elsewhere = json!({"publicUrl": "wss://claw.example"});
    let reply = owner.request("device.pair.setupCode", elsewhere).await.unwrap();
    assert!(payload(&reply).get("tlsFingerprint").is_none(), "{reply}");
}

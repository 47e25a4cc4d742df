//! HTTPS on the tailnet by the gateway's own node and the certificate of its name.

use crate::harness::{
    Authority, Gateway, GatewayBuilder, RawClient, TEST_DOMAIN, TailscalePeer, TestControl, connect_params, eventually,
    request, seconds, tls,
};
use serde_json::{Value, json};
use std::path::PathBuf;

struct Direct {
    /// Goes on as long as the tailnet is used.
    _control: TestControl,
    authority: Authority,
    gateway: Gateway,
    peer: TailscalePeer,
    name: String,
}

/// The host name that the gateway asks for.
fn host(builder: &GatewayBuilder) -> String {
    builder.setting("/gateway/tailscale/hostname").as_str().expect("a host name").to_owned()
}

impl Direct {
    async fn start() -> Direct {
        let (control, authority) = (TestControl::start(&[]).await, Authority::new());
        let builder = control.gateway().config(json!({"gateway": {"bind": "tailnet"}}));
        let name = format!("{}.{TEST_DOMAIN}", host(&builder));
        let gateway = control.certified(builder, &authority).start().await;
        let peer = control.peer("direct").await;
        let direct = Direct { _control: control, authority, gateway, peer, name };
        direct.https().await;
        direct
    }

    /// What `status` says of it, once it is served.
    async fn https(&self) -> Value {
        eventually("HTTPS is served", seconds(60), || async {
            let status = self.gateway.status().await;
            let https = status.pointer("/status/tailnet/https").or(status.pointer("/tailnet/https")).cloned();
            https.filter(|https| https["url"].is_string()).ok_or_else(|| status.to_string())
        })
        .await
    }

    async fn handshake(&self) -> std::io::Result<tokio_rustls::client::TlsStream<Box<dyn crate::harness::Io>>> {
        let stream = self.peer.dial(&self.name, 443).await?;
        tls(Box::new(stream), &self.name, self.authority.roots()).await
    }

    fn certificate(&self) -> PathBuf {
        self.gateway.state_folder().join(format!("tailnet/certs/{}.crt", self.name))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_answers_https_by_its_own_name() {
    let direct = Direct::start().await;
    let https = direct.https().await;
    assert_eq!(https["url"], format!("https://{}", direct.name), "{https}");
    assert!(https["expiresAtMs"].as_u64().is_some() && https.get("problem").is_none(), "{https}");
    let report = direct.gateway.cli(&["doctor", "--json", "--only", "certificate"]).await.json();
    assert_eq!(report["checks"][0]["status"], "ok", "{report}");
    let stream = direct.handshake().await.expect("the certificate is that of the name");
    let whoami = request(Box::new(stream), "GET", &direct.name, "/whoami", &[]).await.unwrap().json();
    assert_eq!(whoami["path"], "tailnet", "{whoami}");
    assert!(whoami["login"].as_str().is_some_and(|login| login.ends_with("@fake-control.example.net")), "{whoami}");

    // 80 leads there, whatever host was asked for.
    for (host, path, to) in [
        (direct.name.as_str(), "/chat?session=main", "/chat?session=main"),
        ("evil.example", "//evil.example/", "//evil.example/"),
        ("evil.example", "http://evil.example/x", "/x"),
    ] {
        let stream = direct.peer.dial(&direct.name, 80).await.expect("port 80");
        let answer = request(Box::new(stream), "GET", host, path, &[]).await.unwrap();
        assert_eq!(answer.status, 308, "{answer:?}");
        assert_eq!(answer.header("location"), format!("https://{}{to}", direct.name));
    }
    // The configured port goes on as it was.
    let answer = direct.peer.get(&direct.name, direct.gateway.port, "/readyz").await.unwrap();
    assert_eq!(answer.status, 200);
    let another = direct.peer.dial(&direct.name, 443).await.unwrap();
    let error = tls(Box::new(another), "other.tail-test.ts.net", direct.authority.roots())
        .await
        .map(drop)
        .expect_err("another name");
    assert!(error.to_string().contains("not valid for name"), "{error}");

    renewal_keeps_connections(&direct).await;
}

/// The node writes another certificate, as it does when it renews one.
async fn renewal_keeps_connections(direct: &Direct) {
    let stream = direct.handshake().await.unwrap();
    let url = format!("ws://{}/", direct.name);
    let mut client = RawClient::upgrade(Box::new(stream), &url, &[]).await.expect("the gateway upgrades");
    client.challenge().await;
    client.connect(connect_params("")).await.expect("the tailnet identity is enough");
    let leaf = async || {
        let stream = direct.handshake().await.map_err(|error| error.to_string())?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first().cloned());
        shown.map(|certificate| certificate.to_vec()).ok_or_else(|| "no certificate".to_owned())
    };
    let before = leaf().await.unwrap();
    direct.authority.certify(direct.certificate().parent().unwrap(), &direct.name);
    eventually("the renewed certificate is shown", seconds(30), || async {
        match leaf().await {
            Ok(now) if now != before => Ok(()),
            Ok(_) => Err("still the old one".to_owned()),
            Err(error) => Err(error),
        }
    })
    .await;
    client.request("health", json!({})).await.expect("the connection goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tailnet_without_certificates_is_told_and_served_all_the_same() {
    let control = TestControl::start(&["-domain", ""]).await;
    let gateway = control.gateway().config(json!({"gateway": {"bind": "tailnet"}})).start().await;
    let problem = eventually("status says what is missing", seconds(60), || async {
        let status = gateway.status().await;
        let https = status.pointer("/status/tailnet/https").or(status.pointer("/tailnet/https")).cloned();
        https.and_then(|https| https["problem"].as_str().map(str::to_owned)).ok_or_else(|| status.to_string())
    })
    .await;
    assert!(problem.contains("MagicDNS and HTTPS"), "{problem}");
}

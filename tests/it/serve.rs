//! Serve and Funnel by a real tailscaled as this machine's own: its routes, its identities, and who else tries.

use crate::harness::{
    Authority, GatewayBuilder, TEST_DOMAIN, TailscalePeer, TestControl, eventually, gateway, seconds, tls,
};
use serde_json::{Value, json};

/// A gateway behind the tailscaled of `machine`.
fn behind(control: &TestControl, machine: &TailscalePeer, mode: &str) -> GatewayBuilder {
    let socket = machine.socket().to_str().expect("a path of text");
    control.with_environment(gateway()).config(json!({ "gateway": {
        "tailscale": { "node": "host", "mode": mode, "socket": socket },
    } }))
}

/// A tailnet with a machine whose tailscaled has a certificate, and a phone.
struct Home {
    control: TestControl,
    authority: Authority,
    machine: TailscalePeer,
    phone: TailscalePeer,
}

impl Home {
    async fn start(arguments: &[&str]) -> Home {
        let control = TestControl::start(arguments).await;
        let authority = Authority::new();
        let machine = control.certified_peer("box", &authority).await;
        let phone = control.peer("phone").await;
        Home { control, authority, machine, phone }
    }

    /// `GET https://box…` from the phone, verified.
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<crate::harness::Response, String> {
        let name = format!("box.{TEST_DOMAIN}");
        let stream = self.phone.dial(&name, 443).await.map_err(|error| error.to_string())?;
        let stream = tls(Box::new(stream), &name, &self.authority).await.map_err(|error| error.to_string())?;
        crate::harness::request(Box::new(stream), "GET", &name, path, headers).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machines_tailscaled_serves_the_gateway_by_name_and_identity() {
    let home = Home::start(&[]).await;
    let gateway = behind(&home.control, &home.machine, "serve").start().await;
    let whoami: Value = eventually("the gateway is served", seconds(40), || async {
        let answer = home.get("/whoami", &[]).await?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(whoami["path"], "serve", "{whoami}");
    assert_eq!(whoami["node"], format!("phone.{TEST_DOMAIN}"), "{whoami}");
    drop(gateway);
}

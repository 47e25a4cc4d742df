//! Tailscale's own test control server (`tests/tailnet/control`), a tailnet of one test: certificates, Funnel, login
//! links, approval and expiry, which headscale does not have.

use super::authority::Authority;
use super::client::Io;
use super::peer::LOOPBACK_ONLY;
use super::process::{Process, guarded};
use super::tailnet::{run_folder, unique_name};
use super::{GatewayBuilder, TailscalePeer, eventually, gateway, http, seconds, tools};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::net::TcpStream;

pub const TEST_DOMAIN: &str = "tail-test.ts.net";

pub struct TestControl {
    process: Process,
    folder: PathBuf,
    pub url: String,
    admin: String,
}

impl TestControl {
    /// `arguments` as in `tailclaw-test-control -help`.
    pub async fn start(arguments: &[&str]) -> TestControl {
        let folder = run_folder().join(unique_name());
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = guarded(tools().test_control());
        command.args(arguments);
        let process = Process::spawn("tailclaw-test-control", command, &folder.join("control.log"));
        let addresses = eventually("the test control server serves", seconds(20), || async {
            serde_json::from_str::<Value>(process.log().lines().next().unwrap_or_default())
        })
        .await;
        let text = |key: &str| addresses[key].as_str().expect("an address").to_owned();
        TestControl { url: text("control"), admin: text("admin"), process, folder }
    }

    /// Every node belongs to a user of its own, `user-N@fake-control.example.net`.
    pub async fn peer(&self, name: &str) -> TailscalePeer {
        TailscalePeer::join(&self.folder.join(name), name, &self.url, "any", &LOOPBACK_ONLY).await
    }

    /// The same, with a certificate for its name.
    pub async fn certified_peer(&self, name: &str, authority: &Authority) -> TailscalePeer {
        let root = authority.write_root(&self.folder);
        authority.certify(&self.folder.join(name).join("certs"), &format!("{name}.{TEST_DOMAIN}"));
        self.peer_with(name, &[("SSL_CERT_FILE", root.to_str().expect("a path of text"))]).await
    }

    /// The same, with more in its environment.
    pub async fn peer_with(&self, name: &str, environment: &[(&str, &str)]) -> TailscalePeer {
        let environment = [&LOOPBACK_ONLY[..], environment].concat();
        TailscalePeer::join(&self.folder.join(name), name, &self.url, "any", &environment).await
    }

    /// A gateway that joins under a name nobody else has.
    pub fn gateway(&self) -> GatewayBuilder {
        let settings = json!({ "node": "embedded", "hostname": unique_name(), "controlUrl": self.url });
        self.with_environment(gateway()).config(json!({ "gateway": { "tailscale": settings } }))
    }

    pub fn with_environment(&self, builder: GatewayBuilder) -> GatewayBuilder {
        LOOPBACK_ONLY.iter().fold(builder, |builder, (name, value)| builder.env(name, value))
    }

    /// Puts a certificate for the gateway's name where its node looks first, and makes it trust who has signed it.
    pub fn certified(&self, builder: GatewayBuilder, authority: &Authority) -> GatewayBuilder {
        let host = builder.setting("/gateway/tailscale/hostname").as_str().expect("a host name").to_owned();
        self.certified_as(&host, builder, authority)
    }

    /// The same, where the gateway chooses its name by itself.
    pub fn certified_as(&self, host: &str, builder: GatewayBuilder, authority: &Authority) -> GatewayBuilder {
        let folder = builder.state_folder().join("tailnet");
        let root = authority.write_root(&self.folder);
        authority.certify(&folder.join("certs"), &format!("{host}.{TEST_DOMAIN}"));
        for private in [&folder, &folder.join("certs")] {
            make_private(private);
        }
        builder.env("SSL_CERT_FILE", root.to_str().expect("a path of text"))
    }

    /// Where no daemon takes commands.
    pub fn socket_of_nobody(&self) -> String {
        self.folder.join("nobody.sock").display().to_string()
    }

    /// What an administrator, the policy or time would do: see `tests/tailnet/control/admin.go`.
    pub async fn admin(&self, path: &str, body: Value) -> Value {
        let host = self.admin.trim_start_matches("http://");
        let stream: Box<dyn Io> = Box::new(TcpStream::connect(host).await.expect("the admin port answers"));
        let method = if body.is_null() { "GET" } else { "POST" };
        let answer = http::send(stream, method, host, path, &[], &body.to_string()).await.expect("an answer");
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.body);
        answer.json()
    }

    /// The node with that host name, once it has joined.
    pub async fn node(&self, name: &str) -> Value {
        eventually(&format!("{name} joins"), seconds(30), || async {
            let nodes = self.admin("/nodes", Value::Null).await;
            let full = format!("{name}.{TEST_DOMAIN}.");
            let found = nodes.as_array().into_iter().flatten().find(|node| node["name"] == full).cloned();
            found.ok_or_else(|| nodes.to_string())
        })
        .await
    }

    /// The tailnet's address of a node.
    pub async fn address(&self, name: &str) -> String {
        self.node(name).await["addresses"][0].as_str().expect("an address").to_owned()
    }

    /// Ends the control server; its nodes go on with what they know.
    pub async fn stop(&mut self) {
        self.process.kill9().await;
    }
}

fn make_private(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).expect("a folder of ours");
}

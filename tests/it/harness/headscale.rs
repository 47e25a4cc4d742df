//! A real control server on loopback: headscale with two users, two tags and a policy that grants rights on the
//! gateway.

use super::peer::LOOPBACK_ONLY;
use super::process::{Process, Signal, free_port, guarded, run};
use super::{eventually, get, seconds, tools};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub const DOMAIN: &str = "claw.test";
const CONFIG: &str = include_str!("headscale.yaml");

/// For every node of this tailnet: its relay speaks plain HTTP, as headscale itself does here.
pub fn environment() -> Vec<(&'static str, &'static str)> {
    [&LOOPBACK_ONLY[..], &[("TS_DEBUG_USE_DERP_HTTP", "1")]].concat()
}

pub enum Owner {
    User(&'static str),
    Tag(&'static str),
}

pub struct Headscale {
    process: Process,
    folder: PathBuf,
    pub url: String,
    /// What tests have added to the policy, by test.
    grants: Mutex<BTreeMap<&'static str, Vec<Value>>>,
}

/// A node as the control server knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub id: u64,
    pub name: String,
    pub address: IpAddr,
    pub machine_key: String,
}

impl Headscale {
    pub async fn start(folder: &Path) -> Headscale {
        std::fs::create_dir_all(folder).unwrap();
        let port = free_port();
        let config = CONFIG
            .replace("@PORT@", &port.to_string())
            .replace("@STUN@", &free_port().to_string())
            .replace("@DOMAIN@", DOMAIN)
            .replace("@DIR@", folder.to_str().unwrap());
        std::fs::write(folder.join("config.yaml"), config).unwrap();
        std::fs::write(folder.join("policy.json"), policy().to_string()).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let headscale = Headscale { process: serve(folder), folder: folder.into(), url, grants: Mutex::default() };
        headscale.answers().await;
        for user in ["alice", "bob"] {
            headscale.command(&["users", "create", user]).await;
        }
        headscale
    }

    async fn answers(&self) {
        eventually("headscale answers /health", seconds(30), || async {
            match get(&self.url, "/health").await {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}; its log:\n{}", self.process.log())),
            }
        })
        .await;
    }

    pub async fn stop(&mut self) {
        self.process.kill9().await;
    }

    /// On the same address with the same memory, after `stop`.
    pub async fn start_again(&mut self) {
        self.process = serve(&self.folder);
        self.answers().await;
    }

    /// A key that any number of nodes can join with.
    pub async fn auth_key(&self, owner: Owner) -> String {
        self.auth_key_valid_for(owner, "24h").await
    }

    pub async fn auth_key_valid_for(&self, owner: Owner, time: &str) -> String {
        let create = ["preauthkeys", "create", "--reusable", "--expiration", time];
        let answer = match owner {
            Owner::User(name) => {
                let id = self.user(name).await.to_string();
                self.command(&[&create[..], &["--user", &id]].concat()).await
            }
            Owner::Tag(tag) => self.command(&[&create[..], &["--tags", tag]].concat()).await,
        };
        answer["key"].as_str().expect("headscale gives a key").to_owned()
    }

    /// A key for one node, as a careful person makes it.
    pub async fn one_use_key(&self, tag: &str) -> String {
        let answer = self.command(&["preauthkeys", "create", "--expiration", "1h", "--tags", tag]).await;
        answer["key"].as_str().expect("headscale gives a key").to_owned()
    }

    /// A key for nodes that are forgotten as soon as they go.
    pub async fn brief_key(&self, user: &str) -> String {
        let id = self.user(user).await.to_string();
        let create = ["preauthkeys", "create", "--reusable", "--ephemeral", "--expiration", "1h", "--user", &id];
        let answer = self.command(&create).await;
        answer["key"].as_str().expect("headscale gives a key").to_owned()
    }

    /// Waits until headscale itself says that the key's time is over.
    pub async fn auth_key_expired(&self, key: &str) {
        let prefix: String = key.chars().take(18).collect();
        eventually("the key expires", seconds(20), || async {
            let keys = self.command(&["preauthkeys", "list"]).await;
            let all = keys.as_array().cloned().unwrap_or_default();
            let shown = |key: &&Value| key["key"].as_str().is_some_and(|shown| shown.starts_with(&prefix));
            let Some(key) = all.iter().find(shown) else { return Err(format!("{prefix} is not in {keys}")) };
            let ends = key["expiration"]["seconds"].as_u64().unwrap_or(u64::MAX);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
            if now.as_secs() > ends { Ok(()) } else { Err(format!("it ends at {ends}")) }
        })
        .await;
    }

    async fn user(&self, name: &str) -> u64 {
        let users = self.command(&["users", "list"]).await;
        let found = users.as_array().expect("a list of users").iter().find(|user| user["name"] == name);
        found.unwrap_or_else(|| panic!("headscale has no user {name}"))["id"].as_u64().expect("a user has an id")
    }

    pub async fn nodes(&self, name: &str) -> Vec<Node> {
        let list = self.command(&["nodes", "list"]).await;
        let all = list.as_array().cloned().unwrap_or_default();
        all.iter().filter(|node| node["name"] == name).map(parse_node).collect()
    }

    /// The one node with that host name, once it has joined.
    pub async fn node(&self, name: &str) -> Node {
        eventually(&format!("{name} joins the tailnet"), seconds(60), || async {
            match self.nodes(name).await.as_slice() {
                [node] => Ok(node.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    pub async fn expire(&self, node: &Node) {
        self.command(&["nodes", "expire", "--identifier", &node.id.to_string()]).await;
    }

    pub async fn delete(&self, node: &Node) {
        self.command(&["nodes", "delete", "--force", "--identifier", &node.id.to_string()]).await;
    }

    /// Takes the node from its person, or from its other tags.
    pub async fn retag(&self, node: &Node, tag: &str) {
        self.command(&["nodes", "tag", "--identifier", &node.id.to_string(), "--tags", tag]).await;
    }

    /// Adds grants to the policy, in the place of those that were set under this name before, and makes headscale read
    /// it. Tests share the policy: each has a tag of its own that its grants lead to.
    pub fn grant(&self, name: &'static str, grants: Vec<Value>) {
        let mut all = self.grants.lock().unwrap();
        all.insert(name, grants);
        let mut policy = policy();
        policy["grants"].as_array_mut().expect("a list of grants").extend(all.values().flatten().cloned());
        // Renamed into its place: headscale never reads half of it.
        let (new, place) = (self.folder.join("policy.new"), self.folder.join("policy.json"));
        std::fs::write(&new, policy.to_string()).unwrap();
        std::fs::rename(new, place).unwrap();
        self.process.signal(Signal::HUP);
    }

    async fn command(&self, arguments: &[&str]) -> Value {
        let mut command = guarded(tools().headscale());
        command.arg("-c").arg(self.folder.join("config.yaml")).args(arguments).args(["-o", "json"]);
        let (code, out, err) = run(command, seconds(30)).await;
        assert_eq!(code, Some(0), "headscale {arguments:?}: {err}{out}");
        serde_json::from_str(&out).unwrap_or(Value::Null)
    }
}

fn serve(folder: &Path) -> Process {
    let mut command = guarded(tools().headscale());
    command.args(["serve", "-c"]).arg(folder.join("config.yaml")).env("HOME", folder);
    Process::spawn("headscale", command, &folder.join("headscale.log")).quiet()
}

fn parse_node(node: &Value) -> Node {
    let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
    let address = node["ip_addresses"][0].as_str().and_then(|text| text.parse().ok());
    Node {
        id: node["id"].as_u64().expect("a node has an id"),
        name: text("name"),
        address: address.expect("a node has an address"),
        machine_key: text("machine_key"),
    }
}

/// Gateways whose grants a test changes have a tag of the test's own.
const ANNEXES: [&str; 8] = ["narrow", "close", "nodes", "midway", "roaming", "adding", "agents", "lists"];

/// Everybody reaches everything; alice may do all on a gateway, a camera is a node, bob has no grant.
fn policy() -> Value {
    let capability = "tailclaw.dev/cap/gateway";
    let tags = ["gateway", "annex", "camera", "roamer"].into_iter().chain(ANNEXES);
    let owners: serde_json::Map<String, Value> = tags.map(|tag| (format!("tag:{tag}"), json!(["alice@"]))).collect();
    json!({
        "tagOwners": owners,
        "grants": [
            {"src": ["*"], "dst": ["*"], "ip": ["*"]},
            {"src": ["alice@"], "dst": ["tag:gateway"],
             "app": {capability: [{"role": "operator", "scopes": ["operator.admin"]}]}},
            {"src": ["tag:camera"], "dst": ["tag:gateway"], "app": {capability: [{"role": "node"}]}},
        ]
    })
}

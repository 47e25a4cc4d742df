//! A gateway on a machine with a LAN address: a network namespace of its own, so that the test needs no real network
//! and sends nothing into one.

use super::client::{Io, RawClient};
use super::{Gateway, GatewayBuilder, Output, Response, eventually, request, seconds};
use std::process::Stdio;

pub const LAN_ADDRESS: &str = "192.168.77.7";

/// Gives the new namespace a loopback and a second address, then becomes the program.
const ENTER: &str = r#"set -e
ip link set lo up
ip link add lan0 type dummy 2>/dev/null || ip link add lan0 type veth peer name lan1 2>/dev/null || true
ip link set lan0 multicast on 2>/dev/null || true
ip link set lan1 up 2>/dev/null || true
if ip link set lan0 up 2>/dev/null; then ip addr add 192.168.77.7/24 dev lan0; else ip addr add 192.168.77.7/32 dev lo; fi
exec "$@""#;

pub struct LanHost {
    pub gateway: Gateway,
}

impl LanHost {
    pub async fn start(builder: GatewayBuilder) -> LanHost {
        let unshare: &[&str] =
            if is_root() { &["unshare", "--net"] } else { &["unshare", "--user", "--map-root-user", "--net"] };
        let wrapper = [unshare, &["sh", "-c", ENTER, "enter"]].concat();
        let mut host = LanHost { gateway: builder.wrapped(&wrapper).start_unready() };
        let gateway = std::sync::Mutex::new(&mut host.gateway);
        eventually("the gateway answers in its network namespace", seconds(30), || async {
            let (pid, port) = {
                let mut gateway = gateway.lock().unwrap();
                gateway.assert_running();
                (gateway.pid(), gateway.port)
            };
            let stream = dial(pid, "127.0.0.1", port);
            match request(stream, "GET", "127.0.0.1", "/readyz", &[]).await {
                Ok(answer) if answer.is_served() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        host
    }

    /// A connection from within that machine to one of its own addresses.
    pub fn dial(&self, address: &str) -> Box<dyn Io> {
        dial(self.gateway.pid(), address, self.gateway.port)
    }

    /// The product's own command line on that machine.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        let pid = self.gateway.pid().to_string();
        let user: &[&str] = if is_root() { &[] } else { &["--user", "--preserve-credentials"] };
        let wrapper = [&["nsenter"], user, &["--net", "--target", &pid]].concat();
        self.gateway.cli_by(&wrapper, arguments).await
    }

    pub async fn get(&self, address: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let host = format!("{address}:{}", self.gateway.port);
        request(self.dial(address), "GET", &host, path, headers).await.expect("the gateway answers")
    }

    pub async fn try_get(&self, address: &str, path: &str) -> Result<Response, String> {
        let host = format!("{address}:{}", self.gateway.port);
        request(self.dial(address), "GET", &host, path, &[]).await
    }

    pub async fn socket(&self, address: &str, headers: &[(&str, &str)]) -> RawClient {
        let url = format!("ws://{address}:{}/", self.gateway.port);
        RawClient::upgrade(self.dial(address), &url, headers).await.expect("the gateway upgrades")
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A TCP connection made inside the namespace of process `pid`, carried here over the helper's stdin and stdout.
fn dial(pid: u32, address: &str, port: u16) -> Box<dyn Io> {
    let mut command = tokio::process::Command::new("nsenter");
    if !is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    let relay = format!("exec 3<>/dev/tcp/{address}/{port} || exit 1; cat <&3 & exec cat >&3");
    command.args(["--net", "--target", &pid.to_string(), "bash", "-c", &relay]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().expect("nsenter starts (package util-linux)");
    let streams = (child.stdout.take().expect("a pipe"), child.stdin.take().expect("a pipe"));
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        // Dropped, and thus ended, when either side has closed.
        let _child = child;
        let _ = tokio::io::copy_bidirectional(&mut far, &mut tokio::io::join(streams.0, streams.1)).await;
    });
    Box::new(near)
}

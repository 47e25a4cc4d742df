//! Other machines of the tailnet: Tailscale's own `tailscaled` without a network interface, reached by SOCKS5.

use super::client::Io;
use super::http::{Response, request};
use super::process::{Process, free_port, guarded, run};
use super::{eventually, seconds, tools};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub struct TailscalePeer {
    process: Process,
    socket: PathBuf,
    pub name: String,
    pub socks_port: u16,
}

impl TailscalePeer {
    /// `environment` is that of the control server that it joins (`headscale::ENVIRONMENT` or `TestControl`'s).
    pub async fn join(
        folder: &Path,
        name: &str,
        control: &str,
        auth_key: &str,
        environment: &[(&str, &str)],
    ) -> TailscalePeer {
        let peer = TailscalePeer::start(folder, name, environment).await;
        peer.up(control, Some(auth_key)).await;
        peer
    }

    /// The daemon, in no tailnet yet.
    pub async fn start(folder: &Path, name: &str, environment: &[(&str, &str)]) -> TailscalePeer {
        std::fs::create_dir_all(folder).unwrap();
        let (socks_port, socket) = (free_port(), folder.join("s"));
        let mut command = guarded(tools().tailscaled());
        command.envs(environment.iter().copied());
        command.env("HOME", folder).args(["--tun=userspace-networking", "--no-logs-no-support", "--port=0"]);
        command.arg(format!("--statedir={}", folder.display())).arg(format!("--socket={}", socket.display()));
        command.arg(format!("--socks5-server=127.0.0.1:{socks_port}"));
        let process = Process::spawn(name, command, &folder.join("tailscaled.log")).quiet();
        let peer = TailscalePeer { process, socket, name: name.into(), socks_port };
        eventually(&format!("{name}'s tailscaled answers"), seconds(20), || async {
            if peer.socket.exists() { Ok(()) } else { Err(peer.process.log()) }
        })
        .await;
        peer
    }

    /// Joins; without a key somebody has to open the link that the status shows meanwhile.
    pub async fn up(&self, control: &str, auth_key: Option<&str>) {
        let name = &self.name;
        let mut up = self.tailscale();
        up.args(["up", "--reset", "--accept-dns=false", "--timeout=60s"]);
        up.args([format!("--login-server={control}"), format!("--hostname={name}")]);
        up.args(auth_key.map(|key| format!("--auth-key={key}")));
        let (code, out, err) = run(up, seconds(70)).await;
        assert_eq!(code, Some(0), "{name} joins: {out}{err}{}", self.process.log());
    }

    /// Tailscale's own command line, speaking to this daemon.
    pub fn tailscale(&self) -> Command {
        let mut command = guarded(tools().tailscale());
        command.arg(format!("--socket={}", self.socket.display()));
        command
    }

    /// Where the daemon takes commands.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs Tailscale's own command line to its end, and gives its output.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let mut command = self.tailscale();
        command.args(arguments);
        let (code, out, err) = run(command, seconds(30)).await;
        assert_eq!(code, Some(0), "{} {arguments:?}: {out}{err}", self.name);
        out
    }

    /// What its daemon serves, as `tailscale serve status` has it.
    pub async fn served(&self) -> Value {
        serde_json::from_str(&self.run(&["serve", "status", "--json"]).await).expect("tailscale prints JSON")
    }

    /// What this peer knows of the tailnet (`tailscale status --json`).
    pub async fn status(&self) -> Value {
        let mut command = self.tailscale();
        command.args(["status", "--json"]);
        let (code, out, err) = run(command, seconds(20)).await;
        assert_eq!(code, Some(0), "{}: {err}", self.name);
        serde_json::from_str(&out).expect("tailscale prints JSON")
    }

    /// A connection to a tailnet address or name, as a program on this peer would open it.
    pub async fn dial(&self, host: &str, port: u16) -> std::io::Result<TcpStream> {
        socks_connect(self.socks_port, host, port).await
    }

    /// A connection that Tailscale's Funnel servers would hand to `name:port`, from `source` on the internet, with what the
    /// client sends (TLS) still to come: this peer takes their place.
    pub async fn by_funnel(&self, name: &str, port: u16, source: &str) -> std::io::Result<TcpStream> {
        let status = self.status().await;
        let wanted = format!("{name}.");
        let found =
            status["Peer"].as_object().into_iter().flatten().find(|(_, peer)| peer["DNSName"] == wanted.as_str());
        let api = found.and_then(|(_, peer)| peer["PeerAPIURL"][0].as_str()).unwrap_or_default();
        let address: SocketAddr = api.trim_start_matches("http://").parse().map_err(std::io::Error::other)?;
        let mut stream = self.dial(&address.ip().to_string(), address.port()).await?;
        let request = format!(
            "POST /v0/ingress HTTP/1.1\r\nHost: {address}\r\nTailscale-Ingress-Src: {source}\r\n\
             Tailscale-Ingress-Target: {name}:{port}\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.starts_with("HTTP/1.1 101") { Ok(stream) } else { Err(std::io::Error::other(head)) }
    }

    /// `GET` from this peer.
    pub async fn get(&self, host: &str, port: u16, path: &str) -> Result<Response, String> {
        self.get_with(host, port, path, &[]).await
    }

    pub async fn get_with(
        &self,
        host: &str,
        port: u16,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, String> {
        let stream = self.dial(host, port).await.map_err(|error| format!("{} to {host}: {error}", self.name))?;
        let stream: Box<dyn Io> = Box::new(stream);
        request(stream, "GET", &format!("{host}:{port}"), path, headers).await
    }

    /// A loopback port whose connections come out of this peer and go to `host:port` on the tailnet. It serves as long
    /// as the runtime of the test.
    pub async fn forward(&self, host: &str, port: u16) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (socks_port, host) = (self.socks_port, host.to_owned());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let host = host.clone();
                tokio::spawn(async move {
                    if let Ok(mut far) = socks_connect(socks_port, &host, port).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        address
    }
}

/// Keeps Tailscale's programs on this machine: no uploads of logs, no port mapping.
pub const LOOPBACK_ONLY: [(&str, &str); 4] = [
    ("TS_NO_LOGS_NO_SUPPORT", "true"),
    ("TS_DISABLE_PORTMAPPER", "1"),
    ("TS_PANIC_IF_HIT_MAIN_CONTROL", "1"),
    ("TS_ASSUME_NETWORK_UP_FOR_TEST", "1"),
];

/// RFC 1928, no authentication, target by name (which takes addresses too).
async fn socks_connect(socks_port: u16, host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, socks_port)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&[5, 1, 0]).await?;
    let mut choice = [0u8; 2];
    stream.read_exact(&mut choice).await?;
    let mut ask = vec![5, 1, 0, 3, u8::try_from(host.len()).expect("a host name is short")];
    ask.extend_from_slice(host.as_bytes());
    ask.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&ask).await?;
    let mut head = [0u8; 4];
    stream.read_exact(&mut head).await?;
    if head[1] != 0 {
        return Err(std::io::Error::other(format!("SOCKS5 answered {}", head[1])));
    }
    let bound = match head[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await?),
    };
    let mut rest = vec![0u8; bound + 2];
    stream.read_exact(&mut rest).await?;
    Ok(stream)
}

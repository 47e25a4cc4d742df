//! OpenClaw's published command line, with a home of its own.

use super::process::{Process, guarded, run};
use super::{Output, seconds, tools};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// Each run is a whole Node.js program that takes seconds of processor time.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

pub struct OpenClaw {
    home: TempDir,
    url: String,
    token: String,
}

impl OpenClaw {
    /// A fresh installation set up for a gateway on this machine: `url` names a loopback address.
    pub fn local(port: u16, token: &str) -> OpenClaw {
        let config = serde_json::json!({
            "gateway": {"mode": "local", "port": port, "auth": {"mode": "token", "token": token}},
        });
        OpenClaw::with_config(&config.to_string(), &format!("ws://127.0.0.1:{port}"), token)
    }

    /// A fresh installation that is not set up for any gateway.
    pub fn bare() -> OpenClaw {
        OpenClaw::with_config("{}", "", "")
    }

    /// A fresh installation set up for a gateway elsewhere.
    pub fn remote(url: &str, token: &str) -> OpenClaw {
        let config = serde_json::json!({"gateway": {"mode": "remote", "remote": {"url": url, "token": token}}});
        OpenClaw::with_config(&config.to_string(), url, token)
    }

    /// The same for one whose certificate is known by its fingerprint.
    pub fn pinned(url: &str, token: &str, fingerprint: &str) -> OpenClaw {
        let remote = serde_json::json!({"url": url, "token": token, "tlsFingerprint": fingerprint});
        let config = serde_json::json!({"gateway": {"mode": "remote", "remote": remote}});
        OpenClaw::with_config(&config.to_string(), url, token)
    }

    /// The same, with all that `gateway.remote` can say.
    pub fn with_remote(remote: &serde_json::Value) -> OpenClaw {
        let config = serde_json::json!({"gateway": {"mode": "remote", "remote": remote}});
        OpenClaw::with_config(&config.to_string(), "", "")
    }

    fn with_config(config: &str, url: &str, token: &str) -> OpenClaw {
        let home = tempfile::Builder::new().prefix("openclaw-home-").tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join("state")).expect("the state folder is made");
        std::fs::write(home.path().join("state/openclaw.json"), config).expect("the configuration is written");
        OpenClaw { home, url: url.into(), token: token.into() }
    }

    pub fn state_folder(&self) -> std::path::PathBuf {
        self.home.path().join("state")
    }

    /// Runs `openclaw ARGUMENTS` to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_env(&[], arguments).await
    }

    pub async fn run_with_env(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        let _turn = AT_ONCE.acquire().await.expect("the semaphore is never closed");
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let (code, stdout, stderr) = run(command, seconds(90)).await;
        Output { code, stdout, stderr }
    }

    /// Starts `openclaw ARGUMENTS`, which goes on until it is dropped. With a token it has it from its environment.
    pub fn start(&self, arguments: &[&str], token: Option<&str>) -> Process {
        let mut command = self.command(arguments);
        command.envs(token.map(|token| ("OPENCLAW_GATEWAY_TOKEN", token)));
        Process::spawn(&format!("openclaw {}", arguments.join(" ")), command, &self.home.path().join("log"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = guarded(tools().node());
        command.arg(tools().openclaw()).args(arguments).current_dir(self.home.path());
        let path = std::env::var("PATH").unwrap_or_default();
        let node = tools().node().parent().map(Path::to_path_buf).expect("a program lies in a folder");
        command.env("PATH", format!("{}:{path}", node.display()));
        command.env("HOME", self.home.path()).env("OPENCLAW_STATE_DIR", self.state_folder());
        command.env("NO_COLOR", "1").env("CI", "1").env("TZ", "UTC");
        command
    }

    /// Runs a command that takes `--url` and `--token`.
    pub async fn run_with_url(&self, arguments: &[&str]) -> Output {
        self.run(&[arguments, &["--url", &self.url, "--token", &self.token]].concat()).await
    }
}

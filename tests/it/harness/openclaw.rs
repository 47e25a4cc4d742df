//! OpenClaw's published command line, with a home of its own.

use super::process::{guarded, run};
use super::{Output, seconds, tools};
use std::path::Path;
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

    /// A fresh installation set up for a gateway elsewhere.
    pub fn remote(url: &str, token: &str) -> OpenClaw {
        let config = serde_json::json!({"gateway": {"mode": "remote", "remote": {"url": url, "token": token}}});
        OpenClaw::with_config(&config.to_string(), url, token)
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
        let _turn = AT_ONCE.acquire().await.expect("the semaphore is never closed");
        let mut command = guarded(tools().node());
        command.arg(tools().openclaw()).args(arguments).current_dir(self.home.path());
        let path = std::env::var("PATH").unwrap_or_default();
        let node = tools().node().parent().map(Path::to_path_buf).expect("a program lies in a folder");
        command.env("PATH", format!("{}:{path}", node.display()));
        command.env("HOME", self.home.path()).env("OPENCLAW_STATE_DIR", self.state_folder());
        command.env("NO_COLOR", "1").env("CI", "1").env("TZ", "UTC");
        let (code, stdout, stderr) = run(command, seconds(90)).await;
        Output { code, stdout, stderr }
    }

    /// Runs a command that takes `--url` and `--token`.
    pub async fn run_with_url(&self, arguments: &[&str]) -> Output {
        self.run(&[arguments, &["--url", &self.url, "--token", &self.token]].concat()).await
    }
}

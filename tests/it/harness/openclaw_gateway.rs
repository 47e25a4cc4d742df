//! OpenClaw's own published gateway, and the stand-in for a hosted model that it and ours are set up with.

use super::process::{Process, free_port, guarded};
use super::{eventually, get, seconds, tools};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A model behind OpenAI's chat completions; `tests/clients/standin_model.mjs` says what it answers.
pub struct StandinModel {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl StandinModel {
    pub async fn start() -> StandinModel {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let mut command = guarded(tools().node());
        command.arg(tools().client_script("standin_model.mjs")).arg(port.to_string());
        let process = Process::spawn("the stand-in model", command, &folder.path().join("log"));
        let url = format!("http://127.0.0.1:{port}");
        eventually("the stand-in model answers", seconds(30), || async { get(&url, "/v1/models").await.map(|_| ()) })
            .await;
        StandinModel { port, _process: process, _folder: folder }
    }

    /// The part of a configuration that names it, the same for either gateway.
    pub fn config(&self) -> Value {
        json!({
            "models": {"providers": {"standin": {
                "baseUrl": format!("http://127.0.0.1:{}/v1", self.port),
                "apiKey": "stand-in",
                "api": "openai-completions",
                "models": [{"id": "echo", "name": "Echo", "contextWindow": 32_000}],
            }}},
            "agents": {"defaults": {"model": {"primary": "standin/echo"}}},
        })
    }
}

pub struct OpenClawGateway {
    pub port: u16,
    _process: Process,
    _home: TempDir,
}

impl OpenClawGateway {
    /// Starts one on a fresh state folder; `config` is the whole of its configuration but for the port.
    pub async fn start(mut config: Value) -> OpenClawGateway {
        let home = tempfile::Builder::new().prefix("openclaw-gateway-").tempdir().expect("a temporary folder");
        let state = home.path().join("state");
        std::fs::create_dir(&state).expect("the state folder is made");
        let port = free_port();
        config["gateway"]["port"] = port.into();
        std::fs::write(state.join("openclaw.json"), config.to_string()).expect("the configuration is written");
        let mut command = guarded(tools().node());
        command.arg(tools().openclaw()).args(["gateway", "run", "--port", &port.to_string()]);
        let path = std::env::var("PATH").unwrap_or_default();
        let node = tools().node().parent().map(Path::to_path_buf).expect("a program lies in a folder");
        command.env("PATH", format!("{}:{path}", node.display())).current_dir(home.path());
        command.env("HOME", home.path()).env("OPENCLAW_STATE_DIR", &state).env("NO_COLOR", "1").env("TZ", "UTC");
        let mut process = Process::spawn("OpenClaw's gateway", command, &home.path().join("log"));
        let url = format!("http://127.0.0.1:{port}");
        let running = std::sync::Mutex::new(&mut process);
        eventually("OpenClaw's gateway is ready", seconds(120), || async {
            running.lock().unwrap().assert_running();
            match get(&url, "/readyz").await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{answer:?}")),
                Err(error) => Err(error),
            }
        })
        .await;
        OpenClawGateway { port, _process: process, _home: home }
    }
}

//! Chromium on a machine of the tailnet, driven over a script of `tests/clients` that takes one JSON command a line.

use super::process::guarded;
use super::{TailscalePeer, seconds, tools, within};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

pub struct Browser {
    _driver: Child,
    /// The browser's profile, cleared away with it.
    _folder: TempDir,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    /// A browser whose every connection comes out of that peer.
    pub async fn on(peer: &TailscalePeer) -> Browser {
        Browser::launch(Some(peer.socks_port)).await
    }

    /// A browser on the gateway's own machine.
    pub async fn here() -> Browser {
        Browser::launch(None).await
    }

    async fn launch(socks_port: Option<u16>) -> Browser {
        let mut command = tokio::process::Command::from(guarded(tools().node()));
        command.arg(tools().client_script("browser.mjs")).arg(tools().chromium());
        command.args(socks_port.map(|port| format!("socks5://127.0.0.1:{port}")));
        let folder = tempfile::Builder::new().prefix("browser-").tempdir().expect("a temporary folder");
        command.env("HOME", folder.path()).env("TMPDIR", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut driver = command.spawn().expect("the browser's driver starts");
        let commands = driver.stdin.take().expect("a pipe");
        let answers = BufReader::new(driver.stdout.take().expect("a pipe")).lines();
        let mut browser = Browser { _driver: driver, _folder: folder, commands, answers };
        assert_eq!(browser.answer("launch").await, json!("ready"));
        browser
    }

    pub async fn open(&mut self, url: &str) {
        self.ask(json!({"do": "open", "url": url})).await;
    }

    pub async fn reload(&mut self) {
        self.ask(json!({"do": "reload"})).await;
    }

    /// Waits until an element fits this CSS selector and is visible; gives its text.
    pub async fn text(&mut self, selector: &str) -> String {
        let text = self.ask(json!({"do": "text", "selector": selector})).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    pub async fn fill(&mut self, selector: &str, text: &str) {
        self.ask(json!({"do": "fill", "selector": selector, "text": text})).await;
    }

    pub async fn click(&mut self, selector: &str) {
        self.ask(json!({"do": "click", "selector": selector})).await;
    }

    pub async fn count(&mut self, selector: &str) -> u64 {
        self.ask(json!({"do": "count", "selector": selector})).await.as_u64().unwrap_or_default()
    }

    /// The lengths of an element's text each time it changed, from when it contains `beginning` until an element fits
    /// `until`.
    pub async fn growth(&mut self, selector: &str, beginning: &str, until: &str) -> Vec<u64> {
        let command = json!({"do": "growth", "selector": selector, "beginning": beginning, "until": until});
        let lengths = self.ask(command).await;
        lengths.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    }

    /// Errors of the page so far: uncaught exceptions, console errors, refused loads.
    pub async fn errors(&mut self) -> Vec<String> {
        let errors = self.ask(json!({"do": "errors"})).await;
        errors.as_array().into_iter().flatten().filter_map(|error| Some(error.as_str()?.to_owned())).collect()
    }

    async fn ask(&mut self, command: Value) -> Value {
        let line = format!("{command}\n");
        self.commands.write_all(line.as_bytes()).await.expect("the browser's driver listens");
        let answer = self.answer(&line).await;
        if let Some(error) = answer.get("error") {
            let picture = picture_path();
            let shot = json!({"do": "screenshot", "path": picture});
            let _ = self.commands.write_all(format!("{shot}\n").as_bytes()).await;
            let _ = self.answer("screenshot").await;
            panic!("browser: {}: {}; picture: {}", line.trim(), error.as_str().unwrap_or_default(), picture.display());
        }
        answer["ok"].clone()
    }

    async fn answer(&mut self, what: &str) -> Value {
        let line = within(what, seconds(60), self.answers.next_line()).await.expect("the driver's output is readable");
        let line = line.unwrap_or_else(|| panic!("the browser's driver ended at: {what}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the driver said {line:?}: {error}"))
    }
}

fn picture_path() -> PathBuf {
    let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.png"))
}

//! A script of `tests/clients` that takes one JSON command a line and answers each with one.

use super::process::guarded;
use super::{seconds, tools, within};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

pub struct Driver {
    _process: Child,
    /// Its home, cleared away with it.
    _folder: TempDir,
    script: &'static str,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// Starts the script and waits until it says that it is ready.
    pub async fn start<A: AsRef<OsStr>>(script: &'static str, arguments: impl IntoIterator<Item = A>) -> Driver {
        let mut command = tokio::process::Command::from(guarded(tools().node()));
        command.arg(tools().client_script(script)).args(arguments);
        let folder = tempfile::Builder::new().prefix("driver-").tempdir().expect("a temporary folder");
        command.env("HOME", folder.path()).env("TMPDIR", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{script} does not start: {error}"));
        let commands = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut driver = Driver { _process: process, _folder: folder, script, commands, answers };
        assert_eq!(driver.answer("its start").await, json!("ready"));
        driver
    }

    /// What the script answers, or its complaint.
    pub async fn ask(&mut self, command: &Value) -> Result<Value, String> {
        let line = format!("{command}\n");
        self.commands.write_all(line.as_bytes()).await.unwrap_or_else(|error| panic!("{}: {error}", self.script));
        let answer = self.answer(line.trim()).await;
        match answer.get("error") {
            Some(complaint) => Err(complaint.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["ok"].clone()),
        }
    }

    async fn answer(&mut self, to: &str) -> Value {
        let what: String = format!("{}, asked {to}", self.script).chars().take(300).collect();
        let line = within(&what, seconds(60), self.answers.next_line()).await.expect("its output is readable");
        let line = line.unwrap_or_else(|| panic!("{what}: it ended"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{what}: it said {line:?}: {error}"))
    }
}

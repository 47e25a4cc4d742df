//! Another machine's command line: the product with a state folder of its own and no gateway.

use super::Output;
use super::process::{Process, guarded};
use super::seconds;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tailclaw");

pub struct Machine {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Machine {
    pub fn new(config: &Value) -> Machine {
        let folder = tempfile::Builder::new().prefix("machine-").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("state")).expect("the state folder is made");
        let machine = Machine { folder, environment: Vec::new() };
        machine.configure(config);
        machine
    }

    pub fn configure(&self, config: &Value) {
        std::fs::write(self.state_folder().join("tailclaw.json"), config.to_string()).expect("the file is written");
    }

    pub fn env(mut self, name: &str, value: &str) -> Machine {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn state_folder(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Runs `tailclaw ARGUMENTS` to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        Output::of(self.command(arguments), seconds(60)).await
    }

    /// Starts `tailclaw ARGUMENTS`, which goes on until it is dropped.
    pub fn start(&self, arguments: &[&str]) -> Process {
        let name = format!("tailclaw {}", arguments.join(" "));
        Process::spawn(&name, self.command(arguments), &self.folder.path().join("log"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = guarded(PROGRAM);
        command.args(arguments).current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).env("TAILCLAW_STATE_DIR", self.state_folder());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

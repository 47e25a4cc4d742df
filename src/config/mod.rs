//! From json5, environment and flags to resolved types: after this module nothing is "unset" and no mode is a string.
//!
//! `schema` is the table of keys, `check` compares a file with it, `layers` puts environment and flags on top, and
//! `resolve` fills the `Settings` of each module, one function a section. Every mistake of all of them is reported in
//! one run, with its key path and the fix. `document` reads and edits the file itself. Modules never import this one:
//! they declare their `Settings` and are handed them. Called by `app`, by `cli` and by the handlers of `config.*`.

mod check;
mod configuration;
mod describe;
mod document;
mod environment;
mod include;
mod layers;
mod merge;
mod paths;
mod raw;
mod resolve;
mod restore;
mod schema;
mod search;
mod secrets;
mod shown;
mod token;

use std::fmt;

pub use configuration::{Applied, Apply, Configuration, WriteError, Written};
pub use describe::{lookup, schema};
pub use document::{Document, ReplaceError, parse};
pub use environment::Environment;
pub use layers::Overrides;
pub use merge::{PatchError, ReplacePaths, patch as merge};
pub use paths::Paths;
pub use resolve::{
    AccessDraft, ControlUiSettings, Draft, HookMapping, HookSettings, HttpSettings, RemoteNode, RemoteSettings,
    Resolved, SecretOrigin, SshHostKeys, Transport, default_hostname,
};

use crate::protocol::config::Issue;

/// The process's exit code for a configuration that cannot be used (`EX_CONFIG` of sysexits).
pub const EXIT_CODE: u8 = 78;

/// Everything that is wrong with the configuration, in one value. The person has to mend the named keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub issues: Vec<Issue>,
}

impl ConfigError {
    pub(crate) fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { issues: vec![issue(path, message)] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(formatter, "{line_break}{}: {}", issue.path, issue.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

pub(crate) fn issue(path: impl Into<String>, message: impl Into<String>) -> Issue {
    Issue { path: path.into(), message: message.into() }
}

/// Reads the file and puts environment and flags on top. Nothing is written: [`Draft::complete`] does that, where a
/// gateway is to start.
///
/// # Errors
/// All mistakes of file, environment and flags.
pub fn load(paths: Paths, environment: &Environment, overrides: &Overrides) -> Result<Draft, ConfigError> {
    let document = Document::read(&paths.config_file)?;
    resolve::draft(&document, paths, environment, overrides)
}

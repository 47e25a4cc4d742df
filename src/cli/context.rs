//! What every verb starts from: the global flags and the environment.

use std::io::IsTerminal;

use super::connect::Roads;
use crate::app::Reader;
use crate::config::{self, ConfigError, Draft, Environment, Overrides, Paths};

#[derive(Debug)]
pub(super) struct Context {
    pub(super) json: bool,
    pub(super) environment: Environment,
    /// What was opened to reach a gateway; closed when the command ends.
    pub(super) roads: Roads,
    profile: Option<String>,
    log_level: Option<String>,
}

impl Context {
    pub(super) fn new(profile: Option<String>, log_level: Option<String>, json: bool) -> Self {
        Self { json, environment: Environment::of_process(), roads: Roads::default(), profile, log_level }
    }

    pub(super) fn paths(&self) -> Result<Paths, ConfigError> {
        Paths::resolve(self.profile.as_deref(), &self.environment)
    }

    /// The configuration as it stands, with the verb's own flags on top. Writes nothing.
    pub(super) fn draft(&self, mut overrides: Overrides) -> Result<Draft, ConfigError> {
        overrides.set_some("logging.level", "--log-level", self.log_level.as_deref());
        config::load(self.paths()?, &self.environment, &overrides)
    }

    /// Whether a person watches what goes to stdout.
    pub(super) fn is_interactive(&self) -> bool {
        self.reader() == Reader::Person
    }

    pub(super) fn reader(&self) -> Reader {
        match (self.json, std::io::stdout().is_terminal()) {
            (true, _) => Reader::Program,
            (false, true) => Reader::Person,
            (false, false) => Reader::Log,
        }
    }
}

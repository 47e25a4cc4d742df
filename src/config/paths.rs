//! Where things are kept. One folder holds all state of one gateway; a profile is another folder.

use std::io;
use std::path::PathBuf;

use super::{ConfigError, Environment};
use crate::store;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    pub state_dir: PathBuf,
    pub config_file: PathBuf,
}

impl Paths {
    /// `profile` is the flag's value. The state folder is, in this order: that of the profile, `TAILCLAW_STATE_DIR`,
    /// `OPENCLAW_STATE_DIR`, `~/.tailclaw`.
    ///
    /// # Errors
    /// A profile name that is no plain word, or a home folder that cannot be found.
    pub fn resolve(profile: Option<&str>, environment: &Environment) -> Result<Self, ConfigError> {
        let state_dir = match (profile, environment.ours_or_openclaw("STATE_DIR")) {
            (Some(name), _) => profile_dir("--profile", name, environment)?,
            (None, Some((name, value))) => expand(&name, value, environment)?,
            (None, None) => match environment.ours_or_openclaw("PROFILE") {
                Some((variable, name)) => profile_dir(&variable, name, environment)?,
                None => home(environment)?.join(".tailclaw"),
            },
        };
        let config_file = match environment.ours_or_openclaw("CONFIG_PATH") {
            Some((name, value)) => expand(&name, value, environment)?,
            None => state_dir.join("tailclaw.json"),
        };
        Ok(Self { state_dir, config_file })
    }

    /// The token that was made because nothing was configured.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.state_dir.join("gateway-token")
    }

    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("tailclaw.db")
    }

    #[must_use]
    pub fn logs_dir(&self) -> PathBuf {
        self.state_dir.join("logs")
    }

    #[must_use]
    pub fn tailnet_dir(&self) -> PathBuf {
        self.state_dir.join("tailnet")
    }

    /// A certificate that the gateway made itself, and its key.
    #[must_use]
    pub fn tls_dir(&self) -> PathBuf {
        self.state_dir.join("gateway").join("tls")
    }

    /// The key pair with which this machine's command line presents itself to gateways elsewhere.
    #[must_use]
    pub fn device_identity(&self) -> PathBuf {
        self.state_dir.join("identity").join("device.json")
    }

    /// Certificates of gateways elsewhere that were trusted at first sight, by host and port.
    #[must_use]
    pub fn known_gateways(&self) -> PathBuf {
        self.state_dir.join("known-gateways.json")
    }

    /// Held open and locked by the running gateway; its text is the process id.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.state_dir.join("gateway.lock")
    }

    /// The profile's name, where the folder is that of one.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.state_dir.file_name()?.to_str()?.strip_prefix(".tailclaw-").filter(|name| !name.is_empty())
    }

    /// Creates the state folder for its owner alone.
    ///
    /// # Errors
    /// As `mkdir(2)`.
    pub fn create_state_dir(&self) -> io::Result<()> {
        store::create_private_folder(&self.state_dir)
    }
}

fn profile_dir(source: &str, name: &str, environment: &Environment) -> Result<PathBuf, ConfigError> {
    let is_plain = name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
    if !is_plain {
        return Err(ConfigError::one(
            source,
            format!("{name:?} is no profile name: use letters, digits, - and _, at most 64, as in {source} work"),
        ));
    }
    let folder = if name == "default" { ".tailclaw".to_owned() } else { format!(".tailclaw-{name}") };
    Ok(home(environment)?.join(folder))
}

pub(super) fn expand(source: &str, value: &str, environment: &Environment) -> Result<PathBuf, ConfigError> {
    let path = match value.strip_prefix("~/") {
        Some(rest) => home(environment)?.join(rest),
        None if value == "~" => home(environment)?,
        None => PathBuf::from(value),
    };
    std::path::absolute(&path).map_err(|error| ConfigError::one(source, format!("is no usable path: {error}")))
}

fn home(environment: &Environment) -> Result<PathBuf, ConfigError> {
    environment.home().or_else(std::env::home_dir).filter(|path| path.is_absolute()).ok_or_else(|| {
        ConfigError::one("HOME", "the home folder is not known: set HOME, or TAILCLAW_STATE_DIR to the state folder")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn state_dir(profile: Option<&str>, environment: &Environment) -> String {
        Paths::resolve(profile, environment).unwrap().state_dir.display().to_string()
    }

    #[test]
    fn flag_then_ours_then_openclaw_then_home() {
        let nothing = Environment::from([("HOME", "/home/ada")]);
        assert_eq!(state_dir(None, &nothing), "/home/ada/.tailclaw");
        assert_eq!(state_dir(Some("work"), &nothing), "/home/ada/.tailclaw-work");
        let openclaw = Environment::from([("HOME", "/home/ada"), ("OPENCLAW_STATE_DIR", "~/oc")]);
        assert_eq!(state_dir(None, &openclaw), "/home/ada/oc");
        let both = Environment::from([("HOME", "/h"), ("OPENCLAW_STATE_DIR", "/oc"), ("TAILCLAW_STATE_DIR", "/tc")]);
        assert_eq!(state_dir(None, &both), "/tc");
        assert_eq!(state_dir(Some("work"), &both), "/h/.tailclaw-work");
    }

    #[test]
    fn the_config_file_can_live_elsewhere() {
        let environment = Environment::from([("HOME", "/h"), ("OPENCLAW_CONFIG_PATH", "/etc/claw.json")]);
        let paths = Paths::resolve(None, &environment).unwrap();
        assert_eq!(paths.config_file, Path::new("/etc/claw.json"));
        assert_eq!(paths.token_file(), Path::new("/h/.tailclaw/gateway-token"));
    }

    #[test]
    fn a_profile_is_no_path() {
        let error = Paths::resolve(Some("../x"), &Environment::from([("HOME", "/h")])).unwrap_err();
        assert_eq!(error.issues[0].path, "--profile");
    }
}

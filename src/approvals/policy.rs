//! The file that says what may run without asking. It is one setting of the database, in the shape of OpenClaw's file.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Error;
use crate::clock::now_ms;
use crate::protocol::approvals::{PolicyFile, PolicyReply, PolicySetParams, ResolvedDefaults};
use crate::store::Database;

const SETTING: &str = "exec.approvals";
/// Largest file, in bytes.
const MAX_FILE: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub struct Policy {
    database: Database,
    path: String,
}

impl Policy {
    /// `path` is what admins are shown of the place.
    #[must_use]
    pub const fn new(database: Database, path: String) -> Self {
        Self { database, path }
    }

    /// # Errors
    /// The database could not be read.
    pub async fn current(&self) -> Result<PolicyReply, Error> {
        self.reply(self.database.setting(SETTING).await?.as_ref())
    }

    /// Stores the file over the one that was read.
    ///
    /// # Errors
    /// It is no policy, there is another one meanwhile, or nothing was stored.
    pub async fn replace(&self, params: PolicySetParams) -> Result<PolicyReply, Error> {
        let fault = |problem: String| Error::Policy(format!("invalid exec.approvals.set params: at /file{problem}"));
        if params.file.version != 1 {
            return Err(fault("/version: must be equal to constant".to_owned()));
        }
        let file = serde_json::to_value(&params.file).map_err(|error| fault(format!(": {error}")))?;
        if file.to_string().len() > MAX_FILE {
            return Err(fault(format!(": must not be larger than {MAX_FILE} bytes")));
        }
        let base = params.base_hash.ok_or(Error::HashRequired)?;
        let stored = self.database.setting(SETTING).await?;
        if self.reply(stored.as_ref())?.hash != base {
            return Err(Error::Changed);
        }
        if !self.database.replace_setting(SETTING, stored.as_ref(), &file, now_ms()).await? {
            return Err(Error::Changed);
        }
        self.reply(Some(&file))
    }

    fn reply(&self, stored: Option<&Value>) -> Result<PolicyReply, Error> {
        let file = match stored {
            Some(stored) => serde_json::from_value(stored.clone()).map_err(|_| super::CORRUPT)?,
            None => PolicyFile {
                version: 1,
                socket: Default::default(),
                defaults: Default::default(),
                agents: Default::default(),
            },
        };
        let or = |value: &Option<String>, known: &[&str], default: &str| {
            value.clone().filter(|value| known.contains(&value.as_str())).unwrap_or_else(|| default.to_owned())
        };
        let levels = ["deny", "allowlist", "full"];
        let resolved_defaults = ResolvedDefaults {
            security: or(&file.defaults.security, &levels, "full"),
            ask: or(&file.defaults.ask, &["off", "on-miss", "always"], "off"),
            ask_fallback: or(&file.defaults.ask_fallback, &levels, "deny"),
            auto_allow_skills: file.defaults.auto_allow_skills.unwrap_or(false),
        };
        let text = stored.map_or_else(String::new, Value::to_string);
        let hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PolicyReply { path: self.path.clone(), exists: stored.is_some(), file, hash, resolved_defaults })
    }
}

//! The configuration of a running gateway: read for clients, written for them, and taken over when the file changes.
//!
//! Everything here blocks (files, programs that hold secrets): callers run it beside the runtime. One lock holds what
//! is known; reading, writing and reloading take turns on it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::document::{self, Document, ReplaceError};
use super::merge::{self, PatchError, ReplacePaths};
use super::resolve::{self, Draft, ReloadMode, Resolved};
use super::schema::{Kind, ROOT};
use super::{ConfigError, Paths, describe, issue, layers, restore, shown};
use crate::clock::now_ms;
use crate::protocol::config::{Changed, GetReply, Issue, ReloadKind};

/// What a new configuration is handed to. Implemented where all parts of the gateway are known.
pub trait Apply: Send + Sync {
    /// Lets the parts go by `new`. Nothing has changed when it fails, with a sentence that says why.
    ///
    /// # Errors
    /// As above.
    fn apply(&self, old: &Resolved, new: &Resolved) -> Result<(), String>;

    /// The file has changed, whether or not it was taken over.
    fn changed(&self, changed: Changed);
}

#[derive(Clone)]
pub struct Configuration(Arc<Inner>);

struct Inner {
    paths: Paths,
    /// Hashes are keyed: the text holds secrets, and some are short enough to be guessed from a plain hash. The key
    /// lasts as long as the process, which is as long as a client may hold a hash.
    key: [u8; 32],
    state: Mutex<State>,
    applier: OnceLock<Box<dyn Apply>>,
    /// Beside the lock, which may be held for as long as a program with secrets takes.
    is_live: AtomicBool,
}

struct State {
    running: Resolved,
    /// Hash of the content that `running` came from.
    applied: Option<String>,
    /// The text that was looked at last, by its hash, and what was wrong with it.
    seen: Option<(String, Vec<Issue>)>,
    /// Keys that have changed and wait for the next start.
    waiting: Vec<String>,
}

/// What became of a change of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The gateway goes by it, apart from the keys that wait for the next start.
    Yes { waiting: Vec<String> },
    /// `gateway.reload.mode` is `off`: everything waits for the next start.
    Off,
    /// The gateway goes on by what it had.
    Failed(String),
}

/// A write that was made.
#[derive(Debug)]
pub struct Written {
    /// Dotted paths. Empty: nothing was to change, and nothing was written.
    pub changed: Vec<String>,
    pub hash: String,
    /// Redacted.
    pub config: Value,
    pub applied: Applied,
    pub backup: Option<PathBuf>,
    pub lost_comments: bool,
}

/// Why nothing was written. The texts are the wire's (protocol §6, "Config").
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("config base hash required; re-run config.get and retry")]
    BaseRequired,
    #[error("config base hash required for {}; re-run config.get and retry with baseHash", .0.join(", "))]
    BaseRequiredFor(Vec<String>),
    #[error("config changed since last load; re-run config.get and retry")]
    Stale,
    #[error("SyntaxError: JSON5: {0}")]
    NotJson5(String),
    #[error("config.patch raw must be an object")]
    NotAnObject,
    #[error("{0}")]
    Sentinel(String),
    #[error(transparent)]
    Patch(#[from] PatchError),
    #[error("{}", summary(.0))]
    Invalid(Vec<Issue>),
    #[error("{}; fix (tailclaw config validate) before patching", summary(.0))]
    InvalidBase(Vec<Issue>),
    #[error("the configuration could not be written; see the gateway's log")]
    Io { path: PathBuf, cause: std::io::Error },
}

/// As many mistakes as fit into a sentence.
fn summary(issues: &[Issue]) -> String {
    const SHOWN: usize = 3;
    let lines = issues.iter().take(SHOWN).map(|issue| {
        let path = if issue.path.is_empty() { "<root>" } else { &issue.path };
        format!("{path}: {}", issue.message)
    });
    let lines = lines.collect::<Vec<_>>().join("; ");
    match issues.len().saturating_sub(SHOWN) {
        0 => format!("invalid config: {lines}"),
        more => format!("invalid config: {lines} (+{more} more issue{})", if more == 1 { "" } else { "s" }),
    }
}

impl Configuration {
    /// `running` is what the gateway was started with.
    ///
    /// # Panics
    /// If the operating system has no randomness to give.
    #[must_use]
    pub fn new(running: Resolved) -> Self {
        let mut key = [0_u8; 32];
        getrandom::fill(&mut key).expect("the operating system provides randomness");
        let paths = running.paths.clone();
        let is_live = AtomicBool::new(running.reload == ReloadMode::Hybrid);
        let state = State { running, applied: None, seen: None, waiting: Vec::new() };
        let configuration =
            Self(Arc::new(Inner { paths, key, state: Mutex::new(state), applier: OnceLock::new(), is_live }));
        // The start has read the same file a moment ago; if it has changed since, the reload will see that.
        if let Ok(document) = Document::read(&configuration.0.paths.config_file) {
            let mut state = configuration.state();
            state.seen = Some((configuration.hash(&document), Vec::new()));
            state.applied = Some(configuration.hash_of(document.value().to_string().as_bytes()));
        }
        configuration
    }

    /// Says whom changes are handed to. Before that they are only noted.
    pub fn hand_to(&self, applier: Box<dyn Apply>) {
        // Called once, at the start.
        let _ = self.0.applier.set(applier);
    }

    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.0.paths
    }

    /// Whether changes count while the gateway runs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.0.is_live.load(Ordering::Relaxed)
    }

    /// Whether a node of a tailnet that has left it would join anew at the next start, without a person.
    #[must_use]
    pub fn joins_by_itself(&self) -> bool {
        let state = self.state();
        state.running.tailnet.as_ref().is_some_and(|node| node.auth_key.is_some() || node.oauth.is_some())
    }

    /// The folder of the node that was started.
    #[must_use]
    pub fn tailnet_dir(&self) -> Option<PathBuf> {
        self.state().running.tailnet.as_ref().map(|node| node.state_dir.clone())
    }

    /// The files that the configuration lies in: itself and what it includes.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let path = &self.0.paths.config_file;
        let included = Document::read(path).map(|document| document.included().map(PathBuf::from).collect());
        let included: Vec<PathBuf> = included.unwrap_or_default();
        std::iter::once(path.clone()).chain(included).collect()
    }

    /// The reply of `config.get`.
    #[must_use]
    pub fn snapshot(&self) -> GetReply {
        let path = &self.0.paths.config_file;
        let mut state = self.state();
        let (document, issues) = self.look(&mut state);
        let overlaid = {
            let basis = &state.running.basis;
            let mut ignored = Vec::new();
            layers::merge(document.value().clone(), &basis.environment, &basis.overrides, &mut ignored).value
        };
        let redacted = |value: &Value| shown::redact(Kind::Table(ROOT), value);
        let source = redacted(document.value());
        let config = redacted(&overlaid);
        let waiting = state.waiting.iter().map(|key| issue(key.as_str(), WAITS));
        GetReply {
            path: path.display().to_string(),
            included_paths: document.included().map(|path| path.display().to_string()).collect(),
            exists: document.exists(),
            raw: None,
            parsed: redacted(document.authored()),
            source_config: source.clone(),
            // References to variables are left as they stand: what they hold may be a secret wherever it is used.
            resolved: source,
            valid: issues.is_empty(),
            runtime_config: config.clone(),
            config,
            hash: self.hash(&document),
            config_revision_hash: issues.is_empty().then(|| self.hash_of(document.value().to_string().as_bytes())),
            applied_config_hash: state.applied.clone(),
            issues,
            warnings: waiting.collect(),
            legacy_issues: Vec::new(),
        }
    }

    /// Replaces the whole by a text that was edited from what `config.get` showed.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn set(&self, raw: &str, base_hash: Option<&str>) -> Result<Written, WriteError> {
        let mut state = self.state();
        let (document, _) = self.look(&mut state);
        self.compare(&document, base_hash)?;
        let incoming = document::parse(raw).map_err(WriteError::NotJson5)?;
        if !incoming.is_object() {
            return Err(WriteError::Invalid(vec![issue("", "must be an object: write { gateway: { … } }")]));
        }
        let restored = restore::restore(Kind::Table(ROOT), incoming, Some(document.value()));
        self.write(&mut state, &document, restored.map_err(WriteError::Sentinel)?)
    }

    /// Merges a text into what there is. Without a base hash it may only repeat what is there.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn patch(&self, raw: &str, base_hash: Option<&str>, replace: &ReplacePaths) -> Result<Written, WriteError> {
        let mut state = self.state();
        let (document, issues) = self.look(&mut state);
        if base_hash.is_some() {
            self.compare(&document, base_hash)?;
        }
        if !issues.is_empty() {
            return Err(WriteError::InvalidBase(issues));
        }
        let patch = document::parse(raw).map_err(WriteError::NotJson5)?;
        if !patch.is_object() {
            return Err(WriteError::NotAnObject);
        }
        let merged = merge::patch(document.value(), &patch, replace)?;
        let restored = restore::restore(Kind::Table(ROOT), merged, Some(document.value()));
        let content = restored.map_err(WriteError::Sentinel)?;
        let changed = merge::changed_paths(document.value(), &content);
        if base_hash.is_none() && document.exists() && !changed.is_empty() {
            return Err(WriteError::BaseRequiredFor(changed));
        }
        self.write(&mut state, &document, content)
    }

    /// Looks whether the file has changed, and takes it over if it is right. `None`: nothing has changed.
    pub fn reload(&self) -> Option<Applied> {
        let mut state = self.state();
        let before = state.seen.as_ref().map(|(hash, _)| hash.clone());
        let document = self.read();
        let hash = match &document {
            Ok(document) => self.hash(document),
            Err(_) => self.hash(&Document::broken(&self.0.paths.config_file)),
        };
        if before.as_ref() == Some(&hash) {
            return None;
        }
        let applied = match document.and_then(|document| Ok((self.draft(&state, &document)?, document))) {
            Ok((draft, document)) => {
                state.seen = Some((hash.clone(), Vec::new()));
                self.take_over(&mut state, draft, &document)
            }
            Err(error) => {
                let told = Applied::Failed(error.to_string());
                state.seen = Some((hash.clone(), root_named(error.issues)));
                told
            }
        };
        drop(state);
        self.tell(hash);
        Some(applied)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves it whole: each field is set at once.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Document, ConfigError> {
        Document::read(&self.0.paths.config_file)
    }

    /// The file as it stands, and what is wrong with it. A text that was checked before is not checked again: that
    /// may run programs.
    fn look(&self, state: &mut State) -> (Document, Vec<Issue>) {
        let document = match self.read() {
            Ok(document) => document,
            Err(error) => return (Document::broken(&self.0.paths.config_file), root_named(error.issues)),
        };
        let hash = self.hash(&document);
        if let Some((_, issues)) = state.seen.as_ref().filter(|(seen, _)| *seen == hash) {
            return (document, issues.clone());
        }
        // Not noted as seen: the reload has yet to take it over.
        let issues = self.draft(state, &document).err().map(|error| root_named(error.issues));
        (document, issues.unwrap_or_default())
    }

    fn draft(&self, state: &State, document: &Document) -> Result<Draft, ConfigError> {
        let basis = &state.running.basis;
        resolve::draft(document, self.0.paths.clone(), &basis.environment, &basis.overrides)
    }

    fn compare(&self, document: &Document, base_hash: Option<&str>) -> Result<(), WriteError> {
        match base_hash {
            _ if !document.exists() => Ok(()),
            None => Err(WriteError::BaseRequired),
            Some(base) if base != self.hash(document) => Err(WriteError::Stale),
            Some(_) => Ok(()),
        }
    }

    fn write(&self, state: &mut State, document: &Document, content: Value) -> Result<Written, WriteError> {
        let changed = merge::changed_paths(document.value(), &content);
        let invalid = |error: ConfigError| WriteError::Invalid(root_named(error.issues));
        let mut next = document.changed_to(&content).map_err(invalid)?;
        let draft = self.draft(state, &next).map_err(invalid)?;
        let config = shown::redact(Kind::Table(ROOT), &content);
        // A file that cannot be used compares as empty: it is written whatever is in it.
        if changed.is_empty() && self.read().is_ok() && document.exists() {
            let hash = self.hash(document);
            let applied = Applied::Yes { waiting: state.waiting.clone() };
            return Ok(Written { changed, hash, config, applied, backup: None, lost_comments: false });
        }
        let replaced = next.replace().map_err(|error| match error {
            ReplaceError::Changed => WriteError::Stale,
            ReplaceError::Io { path, cause } => WriteError::Io { path, cause },
        })?;
        let hash = self.hash(&next);
        state.seen = Some((hash.clone(), Vec::new()));
        let applied = self.take_over(state, draft, &next);
        self.tell(hash.clone());
        Ok(Written { changed, hash, config, applied, backup: replaced.backup, lost_comments: replaced.lost_comments })
    }

    /// Hands the gateway what it can take while it runs. What needs a start stays as it is running, also where both
    /// have changed together: the new values are checked beside those that stay, so that, say, authentication cannot
    /// go off while the address that made that safe has not changed yet.
    fn take_over(&self, state: &mut State, draft: Draft, document: &Document) -> Applied {
        let old = &state.running.basis.layers.value;
        let changed = merge::changed_paths(old, &draft.basis.layers.value);
        let (live, waiting): (Vec<String>, Vec<String>) =
            changed.into_iter().partition(|path| describe::reload_at(path) == ReloadKind::Hot);
        self.0.is_live.store(draft.reload == ReloadMode::Hybrid, Ordering::Relaxed);
        if draft.reload == ReloadMode::Off {
            state.waiting = live.into_iter().chain(waiting).collect();
            state.running.reload = ReloadMode::Off;
            return Applied::Off;
        }
        let mut basis = draft.basis.clone();
        let waiting_keys: HashSet<&str> = waiting.iter().map(String::as_str).collect();
        for path in &waiting_keys {
            layers::copy(old, &mut basis.layers.value, path);
        }
        let next = match resolve::settle(basis, self.0.paths.clone(), Vec::new()).and_then(Draft::complete) {
            Ok(next) => next,
            Err(error) => {
                state.waiting = live.into_iter().chain(waiting).collect();
                return Applied::Failed(format!("it only fits together after a restart: {error}"));
            }
        };
        let outcome = match self.0.applier.get() {
            Some(applier) if !live.is_empty() => applier.apply(&state.running, &next),
            _ => Ok(()),
        };
        match outcome {
            Ok(()) => {
                state.running = next;
                state.applied = Some(self.hash_of(document.value().to_string().as_bytes()));
                state.waiting.clone_from(&waiting);
                Applied::Yes { waiting }
            }
            Err(problem) => Applied::Failed(problem),
        }
    }

    fn tell(&self, hash: String) {
        if let Some(applier) = self.0.applier.get() {
            let path = self.0.paths.config_file.display().to_string();
            applier.changed(Changed { path, hash, ts: now_ms() });
        }
    }

    fn hash(&self, document: &Document) -> String {
        let mut whole = Vec::new();
        for text in document.texts() {
            whole.extend_from_slice(text.as_bytes());
            whole.push(0);
        }
        self.hash_of(&whole)
    }

    fn hash_of(&self, bytes: &[u8]) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0.key).expect("HMAC takes a key of any length");
        mac.update(bytes);
        format!("hmac-sha256:v1:{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

const WAITS: &str = "has changed: it counts from the gateway's next start";

/// On the wire the whole is the empty path.
fn root_named(mut issues: Vec<Issue>) -> Vec<Issue> {
    for issue in &mut issues {
        if issue.path == "(file)" {
            issue.path.clear();
        }
    }
    issues
}

impl std::fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Configuration").field(&self.0.paths.config_file).finish()
    }
}

#[cfg(test)]
mod tests;

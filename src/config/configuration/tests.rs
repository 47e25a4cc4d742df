//! Reading, writing and reloading, with somebody who notes what is handed over.

use serde_json::json;

use super::*;
use crate::config::{Environment, Overrides, load};
use crate::protocol::config::REDACTED;

/// Notes what it is handed.
#[derive(Default, Clone)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Apply for Notes {
    fn apply(&self, old: &Resolved, new: &Resolved) -> Result<(), String> {
        if new.log_level == "trace" {
            return Err("not that".to_owned());
        }
        let ports = (old.bind.port, new.bind.port);
        self.0.lock().unwrap().push(format!("{} {} {ports:?}", new.log_level, new.auth.mode.name()));
        Ok(())
    }

    fn changed(&self, _: Changed) {
        self.0.lock().unwrap().push("changed".to_owned());
    }
}

struct Case {
    folder: tempfile::TempDir,
    configuration: Configuration,
    notes: Notes,
}

impl Case {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { state_dir: folder.path().join("state"), config_file: folder.path().join("tailclaw.json") };
        std::fs::write(&paths.config_file, text).unwrap();
        let environment = Environment::from([("KEY", "from-environment")]);
        let running = load(paths, &environment, &Overrides::default()).unwrap().complete().unwrap();
        let configuration = Configuration::new(running);
        let notes = Notes::default();
        configuration.hand_to(Box::new(notes.clone()));
        Self { folder, configuration, notes }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("tailclaw.json")).unwrap()
    }

    fn edit(&self, text: &str) -> Option<Applied> {
        std::fs::write(self.folder.path().join("tailclaw.json"), text).unwrap();
        self.configuration.reload()
    }

    fn patch(&self, raw: &str) -> Result<Written, WriteError> {
        let hash = self.configuration.snapshot().hash;
        self.configuration.patch(raw, Some(&hash), &ReplacePaths::default())
    }
}

#[test]
fn a_write_names_the_text_that_it_is_based_on() {
    let case = Case::new("{ logging: { level: 'info' } }");
    let before = case.text();
    let hash = case.configuration.snapshot().hash;
    let refused = |error: Result<Written, WriteError>| error.unwrap_err().to_string();
    assert_eq!(refused(case.configuration.set("{}", None)), "config base hash required; re-run config.get and retry");
    let stale = "config changed since last load; re-run config.get and retry";
    assert_eq!(refused(case.configuration.set("{}", Some("x"))), stale);
    let patch = case.configuration.patch("{logging:{level:'warn'}}", None, &ReplacePaths::default());
    let expected = "config base hash required for logging.level; re-run config.get and retry with baseHash";
    assert_eq!(refused(patch), expected);
    assert_eq!(case.text(), before);
    case.configuration.set("{ logging: { level: 'warn' } }", Some(&hash)).unwrap();
    assert_eq!(refused(case.configuration.set("{}", Some(&hash))), stale);
    assert_eq!(case.notes.taken(), ["warn token (18789, 18789)", "changed"]);
}

#[test]
fn a_wrong_write_changes_nothing_and_names_the_keys() {
    let case = Case::new("{ gateway: { auth: { token: 'hunter2' } } }");
    let (before, hash) = (case.text(), case.configuration.snapshot().hash);
    for (raw, expected) in [
        ("{ bad", "SyntaxError: JSON5: "),
        ("[]", "invalid config: <root>: must be an object"),
        ("{ gateway: { port: 'x' } }", "invalid config: gateway.port: must be a whole number, but is text"),
        ("{ gateway: { bind: 'lan', auth: { mode: 'none' } } }", "invalid config: gateway.auth.mode: "),
        ("{ a: 1, b: 2, c: 3, d: 4, e: 5 }", "(+2 more issues)"),
        ("{ gateway: { auth: { password: '__OPENCLAW_REDACTED__' } } }", "Sentinel value \"__OPENCLAW_REDACTED__\""),
    ] {
        let error = case.configuration.set(raw, Some(&hash)).unwrap_err().to_string();
        assert!(error.contains(expected), "{raw}: {error}");
    }
    assert!(matches!(case.patch("[1]"), Err(WriteError::NotAnObject)));
    assert_eq!(case.text(), before);
    assert_eq!(case.notes.taken(), [""; 0]);
}

#[test]
fn secrets_survive_the_way_out_and_back() {
    let text = "{ gateway: { auth: { token: 'hunter2' } }, models: { providers: { p: { baseUrl: 'http://h/v1',
                  apiKey: '${KEY}', models: [{ id: 'm' }] } } } }";
    let case = Case::new(text);
    let shown = case.configuration.snapshot();
    let everything = serde_json::to_string(&shown).unwrap();
    assert!(!everything.contains("hunter2") && !everything.contains("from-environment"), "{everything}");
    assert_eq!(shown.config["gateway"]["auth"]["token"], REDACTED);
    let mut edited = shown.source_config;
    edited["logging"] = json!({ "level": "debug" });
    let written = case.configuration.set(&edited.to_string(), Some(&shown.hash)).unwrap();
    assert_eq!(written.changed, ["logging.level"]);
    assert!(case.text().contains("hunter2") && case.text().contains("${KEY}"), "{}", case.text());
    assert!(!written.config.to_string().contains("hunter2"));
    let again = case.configuration.snapshot();
    assert_eq!(again.hash, written.hash);
    assert_eq!(again.config_revision_hash, again.applied_config_hash);
}

#[test]
fn a_patch_that_changes_nothing_writes_nothing() {
    let case = Case::new("{ logging: { level: 'info' } } // mine");
    let written = case.patch("{ logging: { level: 'info' } }").unwrap();
    assert!(written.changed.is_empty());
    assert!(case.text().ends_with("// mine"));
    let written = case.patch("{ logging: { level: 'warn' } }").unwrap();
    assert!(written.lost_comments);
    assert!(std::fs::read_to_string(written.backup.unwrap()).unwrap().ends_with("// mine"));
}

#[test]
fn a_changed_file_is_taken_over_and_a_wrong_one_is_not() {
    let case = Case::new("{ logging: { level: 'info' } }");
    assert_eq!(case.configuration.reload(), None);
    assert_eq!(case.edit("{ logging: { level: 'debug' } }"), Some(Applied::Yes { waiting: Vec::new() }));
    assert_eq!(case.notes.taken(), ["debug token (18789, 18789)", "changed"]);
    let Some(Applied::Failed(problem)) = case.edit("{ logging: { level: 'loud' } }") else { panic!("taken over") };
    assert!(problem.contains("logging.level"), "{problem}");
    let shown = case.configuration.snapshot();
    assert!(!shown.valid && shown.config_revision_hash.is_none());
    assert_eq!(shown.issues[0].path, "logging.level");
    assert!(matches!(case.edit("{ logging: "), Some(Applied::Failed(_))));
    assert_eq!(case.configuration.reload(), None, "told once");
    assert_eq!(case.notes.taken(), ["changed", "changed"]);
    // A file that cannot be read is replaced as a whole only.
    assert!(matches!(case.patch("{}"), Err(WriteError::InvalidBase(_))));
    let hash = case.configuration.snapshot().hash;
    case.configuration.set("{}", Some(&hash)).unwrap();
    assert!(case.configuration.snapshot().valid);
}

#[test]
fn what_needs_a_start_waits_for_it() {
    let case = Case::new("{}");
    let written = case.patch("{ gateway: { port: 5 }, logging: { level: 'warn' } }").unwrap();
    assert_eq!(written.applied, Applied::Yes { waiting: vec!["gateway.port".to_owned()] });
    assert_eq!(case.notes.taken(), ["warn token (18789, 18789)", "changed"]);
    assert_eq!(case.configuration.snapshot().warnings[0].path, "gateway.port");
    let written = case.patch("{ gateway: { port: 18789 } }").unwrap();
    assert_eq!(written.applied, Applied::Yes { waiting: vec!["gateway.port".to_owned()] }, "set, if to the default");
}

#[test]
fn authentication_does_not_go_off_on_an_address_that_is_still_open() {
    let case = Case::new("{ gateway: { bind: 'lan', auth: { token: 't' } } }");
    let outcome = case.edit("{ gateway: { bind: 'loopback', auth: { mode: 'none' } } }");
    let Some(Applied::Failed(problem)) = outcome else { panic!("{outcome:?}") };
    assert!(problem.contains("after a restart") && problem.contains("gateway.auth.mode"), "{problem}");
    assert_eq!(case.notes.taken(), ["changed"], "nothing was handed over");
}

#[test]
fn off_means_that_everything_waits() {
    let case = Case::new("{ gateway: { reload: { mode: 'off' } } }");
    assert!(!case.configuration.is_live());
    assert_eq!(case.edit("{ gateway: { reload: { mode: 'off' } }, logging: { level: 'debug' } }"), Some(Applied::Off));
    assert_eq!(case.notes.taken(), ["changed"]);
    assert_eq!(case.configuration.snapshot().warnings[0].path, "logging.level");
}

#[test]
fn a_part_that_cannot_follow_keeps_everything_as_it_was() {
    let case = Case::new("{}");
    assert_eq!(case.edit("{ logging: { level: 'trace' } }"), Some(Applied::Failed("not that".to_owned())));
    let shown = case.configuration.snapshot();
    assert_ne!(shown.config_revision_hash, shown.applied_config_hash);
}

//! Sessions that somebody else began, for callers whose operator role limits what is left of them (`gateway.roles`).
//!
//! Asked before a method is dispatched, as [`super::reach`] is for agents, and as closed: to whom foreign sessions do not
//! exist, a method is open only if it is known to show none, or says by its params which session it is about.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::auth::{Caller, Others};
use crate::protocol::access::Scope;
use crate::protocol::{ErrorCode, ErrorShape};
use crate::sessions::SessionKey;
use crate::store::{Database, SessionFilter};

/// Methods, and families by their dot, that show nothing of sessions, or leave those out that the caller does not see.
const SHOW_NONE: [&str; 25] = [
    "agent.identity.get",
    "agents.list",
    "channels.",
    "chat.metadata",
    "commands.",
    "config.",
    "device.",
    "gateway.",
    "health",
    "models.",
    "node.",
    "projects.",
    "sessions.create",
    "sessions.list",
    "sessions.resolve",
    "sessions.subscribe",
    "sessions.usage",
    "skills.",
    "status",
    "system-presence",
    "system.info",
    "tailnet.",
    "talk.",
    "users.",
    "voicewake.",
];
/// Methods that act in a session, the main one where their params name none.
const IN_A_SESSION: [&str; 4] = ["agent", "chat.", "sessions.", "tools.invoke"];

/// Params under these names are the sessions that a call is about. What a new one is made from is not: nothing of it is
/// shown or changed by that.
const KEYS: [&str; 3] = ["key", "keys", "sessionKey"];

/// What has to be looked up before a call may be made.
#[derive(Debug)]
pub(super) struct Question {
    person: String,
    others: Others,
    meant: Meant,
}

/// The sessions that params are about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Meant {
    /// Canonical.
    keys: BTreeSet<String>,
    session_ids: BTreeSet<String>,
    runs: BTreeSet<String>,
}

impl Question {
    /// `None`: nothing stands against the call.
    ///
    /// # Errors
    /// `FORBIDDEN`: it would show what others do.
    pub(super) fn about(
        caller: &Caller,
        scope: Scope,
        method: &str,
        params: Option<&RawValue>,
        own: &str,
    ) -> Result<Option<Self>, ErrorShape> {
        let others = caller.others();
        let hides = others == Others::Nothing;
        let acts = scope.satisfies(Scope::Write);
        let Some(person) = caller.profile().filter(|_| hides || (acts && others < Others::Write)) else {
            return Ok(None);
        };
        let params = params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or(Value::Null);
        let mut meant = Meant::default();
        meant.gather(&params, own);
        if meant == Meant::default() {
            // Found among the caller's own alone.
            if is_one_of(method, &SHOW_NONE) || (method == "chat.startup" && params.get("shortId").is_some()) {
                return Ok(None);
            }
            if is_one_of(method, &IN_A_SESSION) {
                meant.keys.insert(unnamed(method, &params, own).to_string());
            } else if hides {
                let message = format!("{method} shows what others do, and your operator role hides that");
                return Err(ErrorShape::new(ErrorCode::Forbidden, message));
            }
        }
        Ok(Some(Self { person: person.id, others, meant }))
    }

    /// # Errors
    /// One of the sessions is somebody else's.
    pub(super) async fn ask(self, database: &Database) -> Result<(), ErrorShape> {
        let Self { person, others, meant: Meant { mut keys, session_ids, runs } } = self;
        for run in &runs {
            keys.extend(database.run(run).await?.map(|run| run.session_key));
        }
        for id in session_ids {
            let filter = SessionFilter { session_id: Some(id), limit: 2, ..SessionFilter::default() };
            keys.extend(database.sessions(&filter).await?.0.into_iter().map(|session| session.key));
        }
        for key in &keys {
            if database.creators().of(key).as_deref() != Some(&person) && database.session(key).await?.is_some() {
                return Err(refusal(others, key));
            }
        }
        Ok(())
    }
}

/// A name that ends with a dot stands for its family.
fn is_one_of(method: &str, names: &[&str]) -> bool {
    names.iter().any(|name| *name == method || (name.ends_with('.') && method.starts_with(name)))
}

/// Where a method acts that was not told where: `agent` in a session that is as new as its idempotency key.
fn unnamed(method: &str, params: &Value, own: &str) -> SessionKey {
    let text = |name: &str| params.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    match text("idempotencyKey") {
        Some(key) if method == "agent" && text("agentId").or(text("to")).is_none() => SessionKey::explicit(own, key),
        _ => SessionKey::main_of(own),
    }
}

/// In OpenClaw's words, which do not say that there is such a session to whom it does not exist.
fn refusal(others: Others, key: &str) -> ErrorShape {
    if others == Others::Nothing {
        return ErrorShape::invalid(format!("Session \"{key}\" was not found."));
    }
    let details = json!({ "code": "SESSION_PARTICIPATION_REQUIRED", "sessionKey": key, "visibility": "shared" });
    ErrorShape::invalid("session is shared for this connection").with_details(details)
}

impl Meant {
    fn gather(&mut self, value: &Value, own: &str) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.gather(value, own)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) => self.add(name, text, own),
                        Value::Array(texts) if KEYS.contains(&name.as_str()) => {
                            texts.iter().filter_map(Value::as_str).for_each(|text| self.add(name, text, own));
                            texts.iter().for_each(|value| self.gather(value, own));
                        }
                        _ => self.gather(value, own),
                    }
                }
            }
            _ => {}
        }
    }

    /// What is no key is refused later, by whoever reads it.
    fn add(&mut self, name: &str, text: &str, own: &str) {
        match name {
            "runId" => drop(self.runs.insert(text.to_owned())),
            "sessionId" => drop(self.session_ids.insert(text.to_owned())),
            name if KEYS.contains(&name) => {
                self.keys.extend(SessionKey::parse(text, own).ok().map(|key| key.to_string()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(params: &Value) -> Meant {
        let mut meant = Meant::default();
        meant.gather(params, "main");
        meant
    }

    #[test]
    fn params_name_sessions_by_keys_ids_and_runs() {
        let all = meant(&json!({ "sessionKey": "notes", "keys": ["main", "agent:b:x"], "deep": [{ "runId": "r" }] }));
        assert_eq!(all.keys, ["agent:b:x", "agent:main:main", "agent:main:notes"].map(str::to_owned).into());
        assert_eq!(all.runs, ["r".to_owned()].into());
        assert_eq!(meant(&json!({ "sessionId": "s" })).session_ids, ["s".to_owned()].into());
        assert_eq!(meant(&json!({ "message": "main", "key": "agent:" })), Meant::default());
    }

    #[test]
    fn what_is_unnamed_is_the_main_session_or_a_new_one() {
        let of = |params: &Value| unnamed("agent", params, "main").to_string();
        assert_eq!(of(&json!({ "idempotencyKey": "k" })), "agent:main:explicit:k");
        assert_eq!(of(&json!({ "idempotencyKey": "k", "to": "+1" })), "agent:main:main");
        assert_eq!(unnamed("chat.abort", &json!({ "idempotencyKey": "k" }), "main").to_string(), "agent:main:main");
        assert!(is_one_of("sessions.preview", &IN_A_SESSION) && !is_one_of("agents.list", &IN_A_SESSION));
    }

    #[test]
    fn fuzz_params() {
        crate::fuzz::fuzz_json(&[r#"{"sessionKey":"agent:b:x","keys":["main"],"job":{"runId":"c"}}"#], |params| {
            assert!(meant(params).keys.iter().all(|key| key.starts_with("agent:")));
        });
    }
}

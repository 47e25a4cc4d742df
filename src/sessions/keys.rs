//! Session keys: `agent:<agent>:<rest>` is canonical, `main` and bare names are short for it (protocol §6).

use std::fmt;

/// Longest key, in bytes, as it is stored: a short one that was taken can be asked for by its whole name.
const MAX_LENGTH: usize = 512;
/// Of a run id in a key, in characters: with the longest agent's name before it, it is a key in any script.
const MAX_RUN_ID: usize = 100;
pub const MAIN: &str = "main";

/// A canonical key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("session key must not be empty")]
    Empty,
    #[error("session key is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("session key holds a control character")]
    ControlCharacter,
    #[error("session key names no agent: want agent:<agent>:<rest>")]
    NoAgent,
}

impl SessionKey {
    /// # Errors
    /// The text is no key.
    pub fn parse(text: &str, default_agent: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(KeyError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(KeyError::ControlCharacter);
        }
        let Some(rest) = text.strip_prefix("agent:") else {
            let key = Self::of(default_agent, text);
            return if key.0.len() > MAX_LENGTH { Err(KeyError::TooLong) } else { Ok(key) };
        };
        match rest.split_once(':') {
            Some((agent, rest)) if !agent.is_empty() && !rest.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(KeyError::NoAgent),
        }
    }

    /// A part that is known to be good, under an agent.
    pub(super) fn of(agent: &str, rest: &str) -> Self {
        Self(format!("agent:{agent}:{rest}"))
    }

    /// A conversation of its own for one run of an agent that was given none.
    #[must_use]
    pub fn explicit(agent: &str, run_id: &str) -> Self {
        // The run id is the client's own word; a key is short and on one line.
        let rest: String = run_id.chars().filter(|sign| !sign.is_control()).take(MAX_RUN_ID).collect();
        Self(format!("agent:{agent}:explicit:{}", rest.trim_end()))
    }

    /// The main conversation of an agent.
    #[must_use]
    pub fn main_of(agent: &str) -> Self {
        Self(format!("agent:{agent}:{MAIN}"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn agent(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    #[must_use]
    pub fn is_main(&self) -> bool {
        self.0.splitn(3, ':').nth(2) == Some(MAIN)
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_become_canonical() {
        let key = |text: &str| SessionKey::parse(text, "main").map(|key| key.0);
        assert_eq!(key("main").unwrap(), "agent:main:main");
        assert_eq!(key(" work ").unwrap(), "agent:main:work");
        assert_eq!(key("agent:other:x:y").unwrap(), "agent:other:x:y");
        assert_eq!(key("agent:other").unwrap_err(), KeyError::NoAgent);
        assert_eq!(key("  ").unwrap_err(), KeyError::Empty);
        assert_eq!(key("a\u{0}b").unwrap_err(), KeyError::ControlCharacter);
        assert_eq!(key(&"x".repeat(600)).unwrap_err(), KeyError::TooLong);
        let longest = "x".repeat(MAX_LENGTH - "agent:main:".len());
        assert_eq!(key(&longest).and_then(|canonical| key(&canonical)).unwrap().len(), MAX_LENGTH);
        assert_eq!(key(&format!("{longest}x")).unwrap_err(), KeyError::TooLong);
        assert!(SessionKey::parse("main", "main").unwrap().is_main());
    }

    /// A key that was made canonical stays as it is.
    #[test]
    fn fuzz_keys() {
        crate::fuzz::fuzz_text(&["main", " work ", "agent:other:x:y", "agent:MAIN:Main", "openai-user:ann"], |text| {
            if let Ok(key) = SessionKey::parse(text, "main") {
                assert_eq!(SessionKey::parse(key.as_str(), "main").as_ref(), Ok(&key), "{text:?}");
                assert!(!key.as_str().contains(char::is_control) && !key.agent().is_empty());
            }
            if !text.trim().is_empty() {
                let key = SessionKey::explicit(&"a".repeat(64), text);
                assert_eq!(SessionKey::parse(key.as_str(), "main").as_ref(), Ok(&key), "a run of {text:?}");
            }
        });
    }
}

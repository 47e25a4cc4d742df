//! Which model a session is answered by, as far as names go; `agent` opens them.

use crate::protocol::sessions::SessionSettings;
use crate::protocol::system::ModelDefaults;

/// The names of what can answer.
#[derive(Debug, Clone)]
pub struct Models {
    defaults: ModelDefaults,
    /// Provider, model, context window.
    catalog: Vec<(String, String, Option<u64>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    pub provider: String,
    pub model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("Unknown provider \"{0}\". Use /models to list providers.")]
    UnknownProvider(String),
    #[error("invalid model: use provider/model")]
    Malformed,
}

impl Models {
    #[must_use]
    pub const fn new(defaults: ModelDefaults, catalog: Vec<(String, String, Option<u64>)>) -> Self {
        Self { defaults, catalog }
    }

    #[must_use]
    pub const fn defaults(&self) -> &ModelDefaults {
        &self.defaults
    }

    /// `provider/model`, or a model of the default provider. A model that the configuration does not list is the
    /// provider's to know.
    ///
    /// # Errors
    /// No such provider is configured.
    pub fn choose(&self, text: &str) -> Result<ModelChoice, ModelError> {
        let text = text.trim();
        let (provider, model) = match text.split_once('/') {
            Some((provider, model)) if self.knows(provider) => (provider, model),
            // Some models have a slash in their own name.
            Some(_) if self.catalog.iter().any(|(provider, model, _)| self.is_default(provider) && model == text) => {
                (self.defaults.model_provider.as_str(), text)
            }
            Some((provider, _)) => return Err(ModelError::UnknownProvider(provider.to_owned())),
            None => (self.defaults.model_provider.as_str(), text),
        };
        if model.is_empty() || model.chars().any(char::is_control) || model.len() > 256 {
            return Err(ModelError::Malformed);
        }
        Ok(ModelChoice { provider: provider.to_owned(), model: model.to_owned() })
    }

    /// What answers in a session with these settings.
    #[must_use]
    pub fn of(&self, settings: &SessionSettings) -> ModelChoice {
        match (&settings.provider_override, &settings.model_override) {
            // Also one that has left the configuration since: what a person chose is not exchanged behind their back.
            (Some(provider), Some(model)) => ModelChoice { provider: provider.clone(), model: model.clone() },
            _ => self.default_choice(),
        }
    }

    #[must_use]
    pub fn default_choice(&self) -> ModelChoice {
        ModelChoice { provider: self.defaults.model_provider.clone(), model: self.defaults.model.clone() }
    }

    pub(super) fn context_tokens(&self, choice: &ModelChoice) -> Option<u64> {
        let listed = |entry: &&(String, String, _)| entry.0 == choice.provider && entry.1 == choice.model;
        self.catalog.iter().find(listed).and_then(|entry| entry.2)
    }

    fn knows(&self, provider: &str) -> bool {
        self.is_default(provider) || self.catalog.iter().any(|(known, ..)| known == provider)
    }

    fn is_default(&self, provider: &str) -> bool {
        self.defaults.model_provider == provider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Models {
        let defaults = ModelDefaults { model_provider: "a".into(), model: "one".into(), context_tokens: None };
        let entry = |provider: &str, model: &str| (provider.to_owned(), model.to_owned(), Some(7));
        Models::new(defaults, vec![entry("a", "one"), entry("a", "org/two"), entry("b", "three")])
    }

    #[test]
    fn a_model_is_found_by_its_provider() {
        let chosen = |text| models().choose(text).map(|choice| (choice.provider, choice.model));
        assert_eq!(chosen("b/three").unwrap(), ("b".into(), "three".into()));
        assert_eq!(chosen("one").unwrap(), ("a".into(), "one".into()));
        assert_eq!(chosen("org/two").unwrap(), ("a".into(), "org/two".into()));
        assert_eq!(chosen("a/unlisted").unwrap(), ("a".into(), "unlisted".into()));
        assert_eq!(chosen("nobody/x").unwrap_err(), ModelError::UnknownProvider("nobody".into()));
        assert_eq!(chosen("b/").unwrap_err(), ModelError::Malformed);
    }

    #[test]
    fn a_choice_stays_when_its_provider_has_gone() {
        let settings = SessionSettings {
            provider_override: Some("gone".into()),
            model_override: Some("x".into()),
            ..SessionSettings::default()
        };
        assert_eq!(models().of(&settings).provider, "gone");
        assert_eq!(models().of(&SessionSettings::default()), models().default_choice());
    }
}

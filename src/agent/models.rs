//! The models that sessions are answered by, opened when they are first asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::providers::{self, Model, ModelError};
use super::settings::{ModelSettings, Settings};
use crate::protocol::system::ModelDefaults;
use crate::sessions::{ModelChoice, Models};

/// Sessions may name any model of a provider; what is not asked for any more is opened anew.
const MAX_OPEN: usize = 32;

/// The names alone, for `sessions`.
#[must_use]
pub fn model_names(settings: &Settings) -> Models {
    let model = &settings.model;
    let defaults = ModelDefaults {
        model_provider: model.provider.clone(),
        model: model.id.clone(),
        context_tokens: model.context_window,
    };
    let entry = |model: &ModelSettings| (model.provider.clone(), model.id.clone(), model.context_window);
    Models::new(defaults, settings.catalog.iter().chain([model]).map(entry).collect())
}

/// What runs go by. A configuration that changes is another value: a run that has begun keeps the one it began with.
pub(super) struct OpenModels {
    pub(super) settings: Arc<Settings>,
    pub(super) names: Arc<Models>,
    open: Mutex<HashMap<String, Opened>>,
}

/// A model and what is known of it.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) settings: ModelSettings,
    pub(super) model: Arc<dyn Model>,
}

impl OpenModels {
    /// With the default model opened.
    pub(super) fn new(settings: Settings, names: Arc<Models>) -> Result<Self, ModelError> {
        let models = Self { settings: Arc::new(settings), names, open: Mutex::default() };
        models.open(&models.names.default_choice())?;
        Ok(models)
    }

    /// Those of changed settings: the default one, and one of each provider, so that what cannot work is known before
    /// anything relies on it. What is as it was stays open, with the connections that it may have.
    pub(super) fn changed_to(&self, settings: Settings) -> Result<Self, ModelError> {
        let names = Arc::new(model_names(&settings));
        let next = Self { settings: Arc::new(settings), names, open: Mutex::default() };
        let kept = self.opened().clone().into_iter().filter(|(_, known)| {
            let choice = ModelChoice { provider: known.settings.provider.clone(), model: known.settings.id.clone() };
            next.find(&choice).is_some_and(|settings| settings == known.settings)
        });
        next.opened().extend(kept);
        next.open(&next.names.default_choice())?;
        let mut checked: Vec<&str> = Vec::new();
        for model in &next.settings.catalog {
            if !checked.contains(&model.provider.as_str()) {
                checked.push(&model.provider);
                next.open(&ModelChoice { provider: model.provider.clone(), model: model.id.clone() })?;
            }
        }
        Ok(next)
    }

    pub(super) fn open(&self, choice: &ModelChoice) -> Result<Opened, ModelError> {
        let settings = self.find(choice).ok_or_else(|| ModelError::Unconfigured {
            provider: choice.provider.clone(),
            model: choice.model.clone(),
        })?;
        let reference = settings.reference();
        let mut open = self.opened();
        if let Some(known) = open.get(&reference) {
            return Ok(known.clone());
        }
        let model: Arc<dyn Model> = providers::open(&settings)?.into();
        if open.len() >= MAX_OPEN {
            let default = self.settings.model.reference();
            open.retain(|reference, _| *reference == default);
        }
        let opened = Opened { settings, model };
        open.insert(reference, opened.clone());
        Ok(opened)
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<String, Opened>> {
        // A panic elsewhere leaves it whole: each change is one insert or one removal.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the catalogue; of a model that is not listed, its provider's. `None`: there is no such provider.
    fn find(&self, choice: &ModelChoice) -> Option<ModelSettings> {
        let known = || [&self.settings.model].into_iter().chain(&self.settings.catalog);
        let exact = known().find(|model| model.provider == choice.provider && model.id == choice.model);
        if let Some(exact) = exact {
            return Some(exact.clone());
        }
        let echo = ModelSettings::echo();
        if echo.provider == choice.provider && echo.id == choice.model {
            // Built in, whatever is configured.
            return Some(echo);
        }
        let sibling = known().find(|model| model.provider == choice.provider)?;
        Some(ModelSettings {
            id: choice.model.clone(),
            name: choice.model.clone(),
            context_window: None,
            ..sibling.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::settings::ModelApi;
    use super::*;

    fn model(provider: &str, id: &str, base_url: &str) -> ModelSettings {
        let api = ModelApi::OpenAiCompletions { base_url: base_url.to_owned(), api_key: None };
        ModelSettings { provider: provider.to_owned(), id: id.to_owned(), api, ..ModelSettings::echo() }
    }

    fn settings(model: ModelSettings, more: &[ModelSettings]) -> Settings {
        Settings {
            agent_id: "main".to_owned(),
            instructions: String::new(),
            catalog: [std::slice::from_ref(&model), more].concat(),
            model,
            run_timeout: Duration::from_secs(1),
            history_messages: 1,
        }
    }

    fn open(settings: Settings) -> OpenModels {
        let names = Arc::new(model_names(&settings));
        OpenModels::new(settings, names).unwrap()
    }

    fn choice(provider: &str, model: &str) -> ModelChoice {
        ModelChoice { provider: provider.to_owned(), model: model.to_owned() }
    }

    #[test]
    fn what_has_not_changed_stays_open() {
        let (one, two) = (model("a", "one", "http://127.0.0.1:1"), model("b", "two", "http://127.0.0.1:1"));
        let before = open(settings(one.clone(), std::slice::from_ref(&two)));
        let opened = |models: &OpenModels, provider, id| models.open(&choice(provider, id)).unwrap().model;
        let (first, second) = (opened(&before, "a", "one"), opened(&before, "b", "two"));
        let moved = model("b", "two", "http://127.0.0.1:2");
        let after = before.changed_to(settings(moved, &[one])).unwrap();
        assert!(Arc::ptr_eq(&first, &opened(&after, "a", "one")));
        assert!(!Arc::ptr_eq(&second, &opened(&after, "b", "two")));
        assert!(Arc::ptr_eq(&second, &opened(&before, "b", "two")), "who began with the old one keeps it");
    }

    #[test]
    fn a_provider_that_cannot_work_fails_the_whole() {
        let before = open(settings(ModelSettings::echo(), &[]));
        let broken = model("b", "two", "no address");
        assert!(before.changed_to(settings(ModelSettings::echo(), &[broken])).is_err());
    }

    #[test]
    fn a_model_of_no_provider_is_none() {
        let models = open(settings(model("a", "one", "http://127.0.0.1:1"), &[]));
        assert_eq!(models.open(&choice("a", "unlisted")).unwrap().settings.id, "unlisted");
        assert!(models.open(&choice("tailclaw", "echo")).is_ok());
        let error = models.open(&choice("gone", "x")).err().unwrap().to_string();
        assert!(error.starts_with("Unknown model: gone/x. "), "{error}");
    }
}

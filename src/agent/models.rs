//! The models that sessions are answered by, opened when they are first asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::providers::{self, Model, ModelError};
use super::settings::{ModelSettings, Settings};
use crate::protocol::system::ModelDefaults;
use crate::sessions::{ModelChoice, Models};

/// Beyond the configured one. Sessions may name any model of a provider; what is not asked for any more is opened anew.
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

pub(super) struct OpenModels {
    configured: ModelSettings,
    catalog: Vec<ModelSettings>,
    first: Arc<dyn Model>,
    others: Mutex<HashMap<String, Arc<dyn Model>>>,
}

impl OpenModels {
    pub(super) fn new(settings: &Settings) -> Result<Self, ModelError> {
        Ok(Self {
            configured: settings.model.clone(),
            catalog: settings.catalog.clone(),
            first: providers::open(&settings.model)?.into(),
            others: Mutex::default(),
        })
    }

    /// The model and what is known of it.
    pub(super) fn open(&self, choice: &ModelChoice) -> Result<(Arc<dyn Model>, ModelSettings), ModelError> {
        let settings = self.settings(choice);
        let reference = settings.reference();
        if reference == self.configured.reference() {
            return Ok((Arc::clone(&self.first), settings));
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = others.get(&reference) {
            return Ok((Arc::clone(model), settings));
        }
        let model: Arc<dyn Model> = providers::open(&settings)?.into();
        if others.len() >= MAX_OPEN {
            others.clear();
        }
        others.insert(reference, Arc::clone(&model));
        Ok((model, settings))
    }

    /// Those of the catalogue; of a model that is not listed, its provider's.
    fn settings(&self, choice: &ModelChoice) -> ModelSettings {
        let known = || [&self.configured].into_iter().chain(&self.catalog);
        let exact = known().find(|model| model.provider == choice.provider && model.id == choice.model);
        let provider = || known().find(|model| model.provider == choice.provider).unwrap_or(&self.configured);
        exact.cloned().unwrap_or_else(|| ModelSettings {
            id: choice.model.clone(),
            name: choice.model.clone(),
            context_window: None,
            ..provider().clone()
        })
    }
}

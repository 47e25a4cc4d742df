//! Which model answers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::protocol::models::{KeySource, ModelRow, THINKING_LEVELS};
use crate::secret::Secret;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The agent's id; OpenClaw's default agent is `main`.
    pub agent_id: String,
    /// What the model is told before the conversation.
    pub instructions: String,
    pub model: ModelSettings,
    /// Every model of the configuration, the one in use among them.
    pub catalog: Vec<ModelSettings>,
    /// A run longer than this is aborted.
    pub run_timeout: Duration,
    /// Newest messages of a conversation that the model is given.
    pub history_messages: u32,
}

impl Settings {
    /// The providers that have a key, and where it is from, each once.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<&str, KeySource> {
        self.catalog.iter().filter_map(|model| Some((model.provider.as_str(), model.key?))).collect()
    }

    /// The catalogue as `models.list` shows it.
    #[must_use]
    pub fn rows(&self) -> Vec<ModelRow> {
        let default = self.model.reference();
        let row = |model: &ModelSettings| ModelRow {
            id: model.id.clone(),
            name: model.name.clone(),
            provider: model.provider.clone(),
            context_window: model.context_window,
            reasoning: false,
            tags: if model.reference() == default { &["default"] } else { &[] },
            thinking_levels: THINKING_LEVELS,
            thinking_default: "off",
            input: None,
            available: true,
        };
        self.catalog.iter().map(row).collect()
    }

    /// Whether a model is configured. If not, the built-in echo answers.
    #[must_use]
    pub const fn has_model(&self) -> bool {
        !matches!(self.model.api, ModelApi::Echo)
    }
}

/// One model and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSettings {
    /// The provider's name in the configuration: the part before the slash of `provider/model`.
    pub provider: String,
    pub id: String,
    pub name: String,
    pub context_window: Option<u64>,
    /// Whether it can be shown a picture.
    pub takes_images: bool,
    pub api: ModelApi,
    /// Where its provider's key is from, if there is one.
    pub key: Option<KeySource>,
}

/// The protocol that the provider speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelApi {
    /// Built in: says what it was told. It needs no key and no network.
    Echo,
    /// OpenAI's chat completions, and everything compatible with them.
    OpenAiCompletions {
        base_url: String,
        api_key: Option<Secret<String>>,
    },
    Anthropic {
        base_url: Option<String>,
        api_key: Secret<String>,
    },
    Ollama {
        base_url: String,
    },
}

impl ModelSettings {
    #[must_use]
    pub fn echo() -> Self {
        Self {
            provider: "tailclaw".to_owned(),
            id: "echo".to_owned(),
            name: "Echo (built in, no model configured)".to_owned(),
            context_window: None,
            takes_images: false,
            api: ModelApi::Echo,
            key: None,
        }
    }

    /// `provider/model`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}/{}", self.provider, self.id)
    }
}

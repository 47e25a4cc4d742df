//! The models that can answer, behind one trait. `echo` is built in; `rig` speaks to everything else through rig-core.

mod echo;
mod rig;

use futures_util::stream::BoxStream;

use super::settings::{ModelApi, ModelSettings};
use crate::protocol::chat::{MessageRole, Usage};

/// What a model is given: instructions, then the conversation, oldest first, ending with the user's message.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub instructions: String,
    pub turns: Vec<Turn>,
}

#[derive(Debug, Clone)]
pub struct Turn {
    pub role: MessageRole,
    pub text: String,
    /// Only for a model that takes them.
    pub images: Vec<Picture>,
}

/// A picture that came with a message.
#[derive(Debug, Clone)]
pub struct Picture {
    /// As in `image/png`.
    pub mime_type: String,
    pub base64: String,
}

impl Turn {
    #[must_use]
    pub fn text(role: MessageRole, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), images: Vec::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    Text(String),
    /// Comes at most once, at the end.
    Usage(Usage),
}

/// Why a model did not answer. The text is for the person who asked: it names the provider and says what to do, and
/// holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{provider} refused the key: set models.providers.{provider}.apiKey to one that is valid")]
    Unauthorized { provider: String },
    #[error(
        "{provider} does not know the model {model}: see the provider's list and set agents.defaults.model.primary"
    )]
    UnknownModel { provider: String, model: String },
    #[error(
        "Unknown model: {provider}/{model}. Nothing of that provider is configured: choose another model for this \
         session, or describe the provider under models.providers.{provider}"
    )]
    Unconfigured { provider: String, model: String },
    #[error("{provider} is busy or over its limit; try again later")]
    RateLimited { provider: String },
    #[error("{provider} cannot be reached at {address}: {cause}")]
    Unreachable { provider: String, address: String, cause: String },
    #[error("{provider} failed: {cause}")]
    Failed { provider: String, cause: String },
}

impl ModelError {
    /// In the protocol's words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limit",
            Self::Unauthorized { .. }
            | Self::UnknownModel { .. }
            | Self::Unconfigured { .. }
            | Self::Unreachable { .. }
            | Self::Failed { .. } => "unknown",
        }
    }
}

/// A language model. Dropping the stream cancels the request.
pub trait Model: Send + Sync + 'static {
    fn answer(&self, prompt: Prompt) -> BoxStream<'static, Result<Chunk, ModelError>>;
}

/// The model that the settings name.
///
/// # Errors
/// The provider's client could not be made (a base URL that is none, say).
pub fn open(settings: &ModelSettings) -> Result<Box<dyn Model>, ModelError> {
    match &settings.api {
        ModelApi::Echo => Ok(Box::new(echo::Echo)),
        ModelApi::OpenAiCompletions { .. } | ModelApi::Anthropic { .. } | ModelApi::Ollama { .. } => {
            rig::open(settings)
        }
    }
}

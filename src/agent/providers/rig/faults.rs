//! What went wrong, told to the person who asked.

use std::error::Error as StdError;

use rig_core::error::ProviderError;
use rig_core::http_client::Error as HttpError;
use rig_core::{ProviderResponseError, serde_json};
use rig_reqwest::reqwest::{self, Url};
use serde_json::Value;

use super::ModelError;
use crate::agent::settings::ModelSettings;
use crate::secret::Secret;

/// Longest cause, in characters.
const MAX_CAUSE: usize = 300;

/// One provider's failures in our words. What the provider says is passed on, without the key and not at length.
pub(super) struct Faults {
    provider: String,
    model: String,
    address: String,
    key: Option<Secret<String>>,
}

impl Faults {
    pub(super) fn new(settings: &ModelSettings, base_url: &str, key: Option<Secret<String>>) -> Self {
        let mut faults =
            Self { provider: settings.provider.clone(), model: settings.id.clone(), address: String::new(), key };
        faults.address = faults.clean(&address(base_url));
        faults
    }

    pub(super) fn failed(&self, cause: &str) -> ModelError {
        ModelError::Failed { provider: self.provider.clone(), cause: self.clean(cause) }
    }

    /// The HTTP client could not be made.
    pub(super) fn client(&self, error: &reqwest::Error) -> ModelError {
        self.failed(&format!("this machine cannot make TLS connections: {}", root(error)))
    }

    pub(super) fn explain(&self, error: &ProviderError) -> ModelError {
        match error {
            ProviderError::Http(error) => self.transport(error),
            ProviderError::Json(error) => self.failed(&format!("its answer cannot be read: {error}")),
            ProviderError::Truncated => self.failed("its answer broke off before the end"),
            other => match other.provider_response() {
                Some(response) => self.refused(response),
                None => self.failed(&other.to_string()),
            },
        }
    }

    fn transport(&self, error: &HttpError) -> ModelError {
        let reqwest = match error {
            HttpError::Instance(inner) => inner.downcast_ref::<reqwest::Error>(),
            HttpError::InvalidContentType(kind) => {
                let kind = kind.to_str().ok().filter(|kind| !kind.is_empty()).unwrap_or("something unnamed");
                return self
                    .failed(&format!("it sent {kind} where a stream of events belongs; is the base URL right?"));
            }
            _ => None,
        };
        match reqwest {
            Some(error) if error.is_connect() => self.unreachable(error),
            Some(error) if error.is_timeout() => self.failed("it fell silent in the middle of the request"),
            // The connection was made and went away before an answer began.
            Some(error) if error.is_request() => self.unreachable(error),
            Some(error) => self.failed(&format!("the connection broke: {}", root(error))),
            None => self.failed(&root(error)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ModelError {
        let cause = if error.is_timeout() { "it does not answer".to_owned() } else { self.clean(&root(error)) };
        ModelError::Unreachable { provider: self.provider.clone(), address: self.address.clone(), cause }
    }

    /// The provider answered, and the answer is no. Errors inside a stream have no status, but a name or a number.
    fn refused(&self, response: &ProviderResponseError) -> ModelError {
        let body: Value = serde_json::from_str(&response.body).unwrap_or(Value::Null);
        let number = body.pointer("/error/code").and_then(Value::as_u64);
        let status = response.status.map(|status| u64::from(status.as_u16())).or(number);
        let said = message(&body).unwrap_or(&response.body);
        let name = response.machine_code().unwrap_or_default();
        let provider = self.provider.clone();
        match (status, name.as_str()) {
            (Some(401 | 403), _) | (_, "authentication_error" | "permission_error" | "invalid_api_key") => {
                ModelError::Unauthorized { provider }
            }
            (Some(404), _) | (_, "not_found_error" | "model_not_found") => self.unknown_model(),
            (Some(429 | 529), _) | (_, "rate_limit_error" | "rate_limit_exceeded" | "overloaded_error") => {
                ModelError::RateLimited { provider }
            }
            (None | Some(400..500), _) if denies_the_model(said) => self.unknown_model(),
            (Some(status), _) => self.failed(&format!("HTTP {status}: {said}")),
            (None, _) => self.failed(said),
        }
    }

    fn unknown_model(&self) -> ModelError {
        ModelError::UnknownModel { provider: self.provider.clone(), model: self.model.clone() }
    }

    /// On one line, without the key, and cut.
    fn clean(&self, text: &str) -> String {
        let key = self.key.as_ref().map(|key| key.expose().trim()).filter(|key| !key.is_empty());
        let text = key.map_or_else(|| text.to_owned(), |key| text.replace(key, "…"));
        let words: Vec<&str> = text.split(|char: char| char.is_whitespace() || char.is_control()).collect();
        let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MAX_CAUSE) {
            Some(_) => line.chars().take(MAX_CAUSE - 1).chain(['…']).collect(),
            None => line,
        }
    }
}

/// Where providers put the sentence that is meant for people.
fn message(body: &Value) -> Option<&str> {
    ["/error/message", "/error", "/message", "/detail"]
        .iter()
        .find_map(|place| body.pointer(place).and_then(Value::as_str))
        .filter(|said| !said.trim().is_empty())
}

fn denies_the_model(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("model") && ["not found", "does not exist", "not exist"].iter().any(|denial| said.contains(denial))
}

/// The base URL as it may be shown: credentials can be in front of the host and in the query.
fn address(base_url: &str) -> String {
    let Ok(mut url) = Url::parse(base_url) else { return "its base URL".to_owned() };
    // They fail for addresses that have no place for them, and then there is nothing to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// The innermost cause: the outer ones repeat the whole URL.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

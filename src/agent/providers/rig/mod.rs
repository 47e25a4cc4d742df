//! The models that are reached over HTTP, through rig-core.

mod faults;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use rig_core::DynModel;
use rig_core::completion::message::{ImageMediaType, MimeType, StopReason, UserContent};
use rig_core::completion::{CompletionRequest, CompletionResponse, Message};
use rig_core::operation::Completion;
use rig_core::providers::anthropic::AnthropicConfig;
use rig_core::providers::anthropic::wire::ANTHROPIC;
use rig_core::providers::ollama::OllamaConfig;
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::wire::{BodyRewrite, Dialect, OPENAI};
use rig_core::streaming::{CompletionStream, Item, StreamEvent};
use rig_reqwest::ReqwestClient;
use rig_reqwest::reqwest::{Client, ClientBuilder, Url, redirect};

use self::faults::Faults;
use super::{Chunk, Model, ModelError, Picture, Prompt, Turn};
use crate::agent::settings::{ModelApi, ModelSettings};
use crate::protocol::chat::{MessageRole, Usage};

/// Anthropic wants a limit with every request; rig knows those of the models it knows.
const ANTHROPIC_MAX_TOKENS: u64 = 8192;
/// Servers on one's own machine need no key, but some want the header.
const NO_KEY: &str = "none";
/// OpenAI's, as the servers that copy it take it.
const COMPATIBLE: Dialect = {
    // They may leave out why they stopped, and then `[DONE]` is the end.
    let mut quirks = OPENAI.quirks.done_without_finish_reason();
    // Some take a message's text only as one string. The rewrite that does it is named after the first such provider.
    quirks.rewrite = BodyRewrite::Perplexity;
    OPENAI.with_quirks(quirks)
};

struct Limits {
    /// For the connection, TLS included.
    connect: Duration,
    /// Without a byte of the answer.
    idle: Duration,
}

const LIMITS: Limits = Limits { connect: Duration::from_secs(10), idle: Duration::from_secs(120) };

struct Remote {
    model: DynModel<Completion>,
    faults: Arc<Faults>,
}

/// The model of a provider that is reached over HTTP.
///
/// # Errors
/// The base URL is none, or this machine cannot make TLS connections.
pub(super) fn open(settings: &ModelSettings) -> Result<Box<dyn Model>, ModelError> {
    Ok(Box::new(Remote::new(settings, &LIMITS)?))
}

impl Remote {
    fn new(settings: &ModelSettings, limits: &Limits) -> Result<Self, ModelError> {
        let (base_url, key) = match &settings.api {
            ModelApi::OpenAiCompletions { base_url, api_key } => (base_url.as_str(), api_key.as_ref()),
            ModelApi::Anthropic { base_url, api_key } => {
                (base_url.as_deref().unwrap_or(ANTHROPIC.base_url), Some(api_key))
            }
            ModelApi::Ollama { base_url } => (base_url.as_str(), None),
            ModelApi::Echo => ("", None),
        };
        let faults = Faults::new(settings, base_url, key.cloned());
        let url = Url::parse(base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| faults.failed("its base URL is not an http:// or https:// address"))?;
        let http = client(&url, limits).map_err(|error| faults.client(&error))?;
        let key = key.map(|key| key.expose().trim()).filter(|key| !key.is_empty()).unwrap_or(NO_KEY);
        let model = match &settings.api {
            ModelApi::Anthropic { .. } => {
                let config = AnthropicConfig::new(key).with_base_url(base_url);
                let mut model = config.connect(http).completion(&settings.id);
                model.wire.default_max_tokens.get_or_insert(ANTHROPIC_MAX_TOKENS);
                model.erase()
            }
            ModelApi::Ollama { .. } => {
                OllamaConfig::new().with_base_url(base_url).connect(http).native_completion(&settings.id).erase()
            }
            ModelApi::OpenAiCompletions { .. } | ModelApi::Echo => {
                let config = OpenAIConfig::with_key(&COMPATIBLE, key).with_base_url(base_url);
                config.connect(http).chat(&settings.id).erase()
            }
        };
        Ok(Self { model, faults: Arc::new(faults) })
    }
}

impl Model for Remote {
    fn answer(&self, prompt: Prompt) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let faults = Arc::clone(&self.faults);
        let reply = request(prompt)
            .ok_or_else(|| faults.failed("there is no message to answer"))
            .and_then(|request| self.model.stream(request).map_err(|error| faults.explain(&error)));
        stream::once(async move { reply }).map_ok(move |reply| follow(reply, Arc::clone(&faults))).try_flatten().boxed()
    }
}

fn client(url: &Url, limits: &Limits) -> Result<ReqwestClient, rig_reqwest::reqwest::Error> {
    let builder = || {
        let builder: ClientBuilder = Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .read_timeout(limits.idle)
            // A redirect would carry Anthropic's key header to wherever it points.
            .redirect(redirect::Policy::none());
        // This machine's own servers are not behind the proxy that the environment may name.
        if is_loopback(url) { builder.no_proxy() } else { builder }
    };
    let built = builder().build();
    // Without a store of certificates no client is made, but plain HTTP needs none.
    let built = if url.scheme() == "http" { built.or_else(|_| builder().tls_certs_only([]).build()) } else { built };
    built.map(ReqwestClient::from)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Nothing when no turn has text.
fn request(prompt: Prompt) -> Option<CompletionRequest> {
    let mut turns: Vec<Turn> = Vec::new();
    for turn in prompt.turns.into_iter().filter(|turn| !turn.text.trim().is_empty() || !turn.images.is_empty()) {
        match turns.last_mut() {
            // Some servers' templates insist that the two take turns; a question whose run was aborted breaks that.
            Some(last) if last.role == turn.role => {
                last.text = format!("{}\n\n{}", last.text, turn.text);
                last.images.extend(turn.images);
            }
            // Anthropic refuses a conversation that begins with an answer, as one cut to its newest messages may.
            None if turn.role == MessageRole::Assistant => {}
            _ => turns.push(turn),
        }
    }
    let mut messages = turns.into_iter().map(|turn| match turn.role {
        MessageRole::Assistant => Message::assistant(turn.text),
        MessageRole::User | MessageRole::System if turn.images.is_empty() => Message::user(turn.text),
        MessageRole::User | MessageRole::System => with_pictures(turn.text, turn.images),
    });
    let mut request = CompletionRequest::new(messages.next()?).accept_unknown_finish_reasons(true);
    request.chat_history.extend(messages);
    if prompt.instructions.trim().is_empty() { Some(request) } else { Some(request.preamble(prompt.instructions)) }
}

/// The pictures come before the words about them.
fn with_pictures(text: String, pictures: Vec<Picture>) -> Message {
    let shown = pictures.into_iter().map(|picture| {
        let media_type = ImageMediaType::from_mime_type(&picture.mime_type);
        UserContent::image_base64(picture.base64, media_type, None)
    });
    let words = Some(text).filter(|text| !text.trim().is_empty()).map(UserContent::text);
    Message::User { content: shown.chain(words).collect() }
}

/// The reply lives in the stream's state: dropping the stream drops the connection.
fn follow(reply: CompletionStream, faults: Arc<Faults>) -> BoxStream<'static, Result<Chunk, ModelError>> {
    stream::try_unfold(Some(reply), move |reply| {
        let faults = Arc::clone(&faults);
        async move {
            let Some(mut reply) = reply else { return Ok(None) };
            while let Some(item) = reply.next().await {
                match item.map_err(|error| faults.explain(&error))? {
                    Item::Event(StreamEvent::Text { text, .. }) if !text.is_empty() => {
                        return Ok(Some((Chunk::Text(text), Some(reply))));
                    }
                    _ => {}
                }
            }
            end(&reply.partial(), &faults).map(|usage| usage.map(|usage| (Chunk::Usage(usage), None)))
        }
    })
    .boxed()
}

/// What remains to be said once the provider has ended its reply.
fn end(reply: &CompletionResponse, faults: &Faults) -> Result<Option<Usage>, ModelError> {
    if let StopReason::Error(cause) = reply.stop() {
        return Err(faults.failed(&cause));
    }
    let (input, output) = (reply.usage.input_tokens, reply.usage.output_tokens);
    Ok(input.or(output).map(|_| Usage::of(input.unwrap_or(0), output.unwrap_or(0))))
}

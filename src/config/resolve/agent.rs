//! `models.*` and `agents.defaults.*`: which model answers, and how it is reached.

use std::time::Duration;

use super::super::raw::{Api, Model, Provider, Raw};
use super::super::{Environment, check, issue};
use crate::agent::{ModelApi, ModelSettings, Settings};
use crate::protocol::config::Issue;
use crate::protocol::models::KeySource;
use crate::secret::Secret;

/// OpenClaw's default agent.
const AGENT_ID: &str = "main";
const RUN_TIMEOUT: Duration = Duration::from_secs(600);
const HISTORY_MESSAGES: u32 = 200;
const INSTRUCTIONS: &str = "You are the personal assistant of the person you are talking to. \
    Answer in their language, plainly and to the point. Say so when you do not know.";

/// The address of the vendor's own service, of the variable with its key, where a provider bears a known name.
struct Vendor {
    name: &'static str,
    api: Api,
    base_url: Option<&'static str>,
    key_variable: Option<&'static str>,
}

const VENDORS: [Vendor; 3] = [
    Vendor {
        name: "openai",
        api: Api::OpenaiCompletions,
        base_url: Some("https://api.openai.com/v1"),
        key_variable: Some("OPENAI_API_KEY"),
    },
    Vendor { name: "anthropic", api: Api::AnthropicMessages, base_url: None, key_variable: Some("ANTHROPIC_API_KEY") },
    Vendor { name: "ollama", api: Api::Ollama, base_url: Some("http://127.0.0.1:11434"), key_variable: None },
];

pub(super) fn resolve(raw: &Raw, environment: &Environment, issues: &mut Vec<Issue>) -> Settings {
    let providers = providers(raw, environment, issues);
    let mut catalog: Vec<ModelSettings> = providers.iter().flat_map(Connected::models).collect();
    let model = match raw.agents.defaults.primary() {
        Some((key, reference)) => chosen(key, reference, &providers, environment, issues),
        None => catalog.first().cloned().unwrap_or_else(ModelSettings::echo),
    };
    if !catalog.iter().any(|known| known.reference() == model.reference()) {
        catalog.insert(0, model.clone());
    }
    Settings {
        agent_id: AGENT_ID.to_owned(),
        instructions: raw.agents.defaults.instructions.clone().unwrap_or_else(|| INSTRUCTIONS.to_owned()),
        model,
        catalog,
        run_timeout: RUN_TIMEOUT,
        history_messages: HISTORY_MESSAGES,
    }
}

/// A provider that can be spoken to.
struct Connected {
    name: String,
    api: ModelApi,
    key: Option<KeySource>,
    models: Vec<Model>,
}

impl Connected {
    fn models(&self) -> impl Iterator<Item = ModelSettings> {
        self.models.iter().filter_map(|model| Some(self.model(model.id.as_deref()?, Some(model))))
    }

    fn model(&self, id: &str, entry: Option<&Model>) -> ModelSettings {
        ModelSettings {
            provider: self.name.clone(),
            id: id.to_owned(),
            name: entry.and_then(|entry| entry.name.clone()).unwrap_or_else(|| id.to_owned()),
            context_window: entry.and_then(|entry| entry.context_window),
            takes_images: entry.is_some_and(|entry| entry.input.iter().any(|input| input == "image")),
            api: self.api.clone(),
            key: self.key,
        }
    }
}

fn providers(raw: &Raw, environment: &Environment, issues: &mut Vec<Issue>) -> Vec<Connected> {
    let mut connected = Vec::new();
    for (name, value) in &raw.models.providers {
        let path = format!("models.providers.{name}");
        if name.is_empty() || name.contains('/') {
            issues.push(issue(&path, "a provider's name must not be empty or contain a slash: rename it"));
            continue;
        }
        match serde_json::from_value::<Provider>(value.clone()) {
            Ok(provider) => {
                for (index, _) in provider.models.iter().enumerate().filter(|(_, model)| model.id.is_none()) {
                    issues.push(issue(format!("{path}.models.{index}.id"), "is needed: write the model's id"));
                }
                connected.extend(connect(name, provider, &path, environment, issues));
            }
            Err(error) => issues.push(issue(path, format!("cannot be read: {error}"))),
        }
    }
    connected
}

fn connect(
    name: &str,
    provider: Provider,
    path: &str,
    environment: &Environment,
    issues: &mut Vec<Issue>,
) -> Option<Connected> {
    let vendor = VENDORS.iter().find(|vendor| vendor.name == name);
    let kind = provider.api.or(vendor.map(|vendor| vendor.api)).unwrap_or(Api::OpenaiCompletions);
    if let Some(url) = &provider.base_url
        && !super::is_http_url(url)
    {
        let fix = "write it as in \"https://models.example.com/v1\"";
        issues.push(issue(format!("{path}.baseUrl"), format!("is no http(s) address: {fix}")));
        return None;
    }
    let is_vendors_own = provider.base_url.is_none();
    let base_url = provider.base_url.or_else(|| vendor.and_then(|vendor| vendor.base_url.map(str::to_owned)));
    let variable = vendor.and_then(|vendor| vendor.key_variable);
    let from_environment = || variable.and_then(|name| environment.variable(name));
    let written = provider.api_key.map(|key| (key, KeySource::Config));
    let found = written.or_else(|| from_environment().map(|key| (Secret::new(key.to_owned()), KeySource::Env)));
    let (key, source) = found.unzip();
    let needs_key = kind == Api::AnthropicMessages || (is_vendors_own && variable.is_some());
    if needs_key && key.is_none() {
        let or_variable = variable.map_or(String::new(), |name| format!(", or {name} in the environment"));
        issues.push(issue(format!("{path}.apiKey"), format!("is needed: set it{or_variable}")));
        return None;
    }
    let api = match (kind, base_url, key) {
        (Api::OpenaiCompletions, Some(base_url), api_key) => ModelApi::OpenAiCompletions { base_url, api_key },
        (Api::AnthropicMessages, base_url, Some(api_key)) => ModelApi::Anthropic { base_url, api_key },
        (Api::Ollama, Some(base_url), _) => ModelApi::Ollama { base_url },
        _ => {
            issues.push(issue(format!("{path}.baseUrl"), "is needed: write the provider's address"));
            return None;
        }
    };
    Some(Connected { name: name.to_owned(), api, key: source, models: provider.models })
}

/// `provider/model`; the model's own id may contain slashes.
fn chosen(
    key: &str,
    reference: &str,
    providers: &[Connected],
    environment: &Environment,
    issues: &mut Vec<Issue>,
) -> ModelSettings {
    let echo = ModelSettings::echo();
    if reference == echo.reference() {
        return echo;
    }
    let Some((name, id)) = reference.split_once('/').filter(|(name, id)| !name.is_empty() && !id.is_empty()) else {
        let fix = format!("write provider/model, as in \"anthropic/model-id\", or {:?}", echo.reference());
        issues.push(issue(key, format!("{reference:?} names no provider: {fix}")));
        return echo;
    };
    if let Some(provider) = providers.iter().find(|provider| provider.name == name) {
        return listed(key, provider, id, issues);
    }
    // A provider whose own entry is wrong was reported there.
    let is_reported = issues.iter().any(|issue| issue.path.starts_with(&format!("models.providers.{name}")));
    if VENDORS.iter().any(|vendor| vendor.name == name) && !is_reported {
        let path = format!("models.providers.{name}");
        let provider = connect(name, Provider::default(), &path, environment, issues);
        return provider.map_or(echo, |provider| provider.model(id, None));
    }
    if !is_reported {
        let names = providers.iter().map(|provider| provider.name.as_str());
        let near = check::closest(name, names.chain(VENDORS.iter().map(|vendor| vendor.name)));
        let suggestion = near.map_or(String::new(), |near| format!("did you mean {near:?}? Else "));
        issues.push(issue(
            key,
            format!("there is no provider {name:?}: {suggestion}describe it under models.providers.{name}"),
        ));
    }
    echo
}

fn listed(key: &str, provider: &Connected, id: &str, issues: &mut Vec<Issue>) -> ModelSettings {
    let entry = provider.models.iter().find(|model| model.id.as_deref() == Some(id));
    if entry.is_none() && !provider.models.is_empty() {
        let known: Vec<&str> = provider.models.iter().filter_map(|model| model.id.as_deref()).collect();
        let fix = format!("add it to models.providers.{}.models, or use one of {}", provider.name, known.join(", "));
        issues.push(issue(key, format!("the provider {:?} lists no model {id:?}: {fix}", provider.name)));
    }
    provider.model(id, entry)
}

//! `models.list`, `models.authStatus`.

use serde_json::json;

use super::agents::named;
use super::{Context, Table};
use crate::agent::Agent;
use crate::clock::now_ms;
use crate::protocol::ErrorShape;
use crate::protocol::models::{
    AuthStatusParams, AuthStatusReply, DefaultModels, KeyOrigin, KeySource, ListParams, ListReply, ModelsAuthStatus,
    ModelsList, ProviderAuth, View,
};

pub(super) fn register(table: &mut Table, agent: &Agent) {
    table.on(ModelsList, agent, list);
    table.on(ModelsAuthStatus, agent, auth_status);
}

async fn list(agent: Agent, _: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    named(&agent, params.agent_id)?;
    let settings = agent.settings();
    let mut models = settings.rows();
    if params.view == Some(View::ProviderConfig) {
        for (row, model) in models.iter_mut().zip(&settings.catalog) {
            row.input = Some(if model.takes_images { &["text", "image"] } else { &["text"] });
        }
    }
    if let Some(provider) = params.provider {
        models.retain(|model| model.provider == provider);
    }
    let default_models = (params.view == Some(View::Configured)).then(DefaultModels::default);
    Ok(ListReply { models, default_models })
}

async fn auth_status(agent: Agent, _: Context, params: AuthStatusParams) -> Result<AuthStatusReply, ErrorShape> {
    if let Err(refusal) = named(&agent, params.agent_id.clone()) {
        let details = json!({ "code": "UNKNOWN_AGENT_ID", "agentId": params.agent_id });
        return Err(refusal.with_details(details));
    }
    let auth = |(provider, source): (&str, KeySource)| ProviderAuth {
        provider: provider.to_owned(),
        auth_provider: provider.to_owned(),
        display_name: provider.to_owned(),
        status: "static",
        profiles: [],
        api_key: KeyOrigin { source },
    };
    let providers = agent.settings().keys().into_iter().map(auth).collect();
    Ok(AuthStatusReply { ts: now_ms(), providers, provider_capabilities: [] })
}

//! `tools.*`.

use super::agents::named;
use super::chat::Chat;
use super::{Context, Table};
use crate::agent::Agent;
use crate::protocol::ErrorShape;
use crate::protocol::tools::{
    CatalogParams, CatalogReply, EffectiveParams, EffectiveReply, InvokeError, InvokeParams, InvokeReply, PROFILES,
    ToolsCatalog, ToolsEffective, ToolsInvoke,
};

pub(super) fn register(table: &mut Table, chat: &Chat) {
    table.on(ToolsCatalog, &chat.agent, catalog);
    table.on(ToolsEffective, chat, effective);
    table.on(ToolsInvoke, &chat.agent, invoke);
}

async fn catalog(agent: Agent, _: Context, params: CatalogParams) -> Result<CatalogReply, ErrorShape> {
    Ok(CatalogReply { agent_id: named(&agent, params.agent_id)?, profiles: PROFILES, groups: [] })
}

async fn effective(chat: Chat, _: Context, params: EffectiveParams) -> Result<EffectiveReply, ErrorShape> {
    let agent_id = named(&chat.agent, params.agent_id)?;
    let key = chat.sessions.key(&params.session_key)?;
    if chat.sessions.stored(&key).await?.is_none() {
        return Err(ErrorShape::invalid(format!("unknown session key \"{}\"", params.session_key)));
    }
    Ok(EffectiveReply { agent_id, profile: "full", groups: [] })
}

async fn invoke(agent: Agent, _: Context, params: InvokeParams) -> Result<InvokeReply, ErrorShape> {
    let name = params.name.trim();
    if name.is_empty() {
        return Err(ErrorShape::invalid("invalid tools.invoke params: name required"));
    }
    let why = agent.refuse_tool(name, params.agent_id.as_deref());
    let error = InvokeError { code: why.code(), message: why.to_string() };
    Ok(InvokeReply { ok: false, tool_name: name.to_owned(), error })
}

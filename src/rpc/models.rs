//! `models.list`.

use super::{Context, Table};
use crate::agent::Agent;
use crate::protocol::ErrorShape;
use crate::protocol::models::{ListParams, ListReply, ModelsList};

pub(super) fn register(table: &mut Table, agent: &Agent) {
    table.on(ModelsList, agent, list);
}

async fn list(agent: Agent, _: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    let mut models = agent.models();
    if let Some(provider) = params.provider {
        models.retain(|model| model.provider == provider);
    }
    Ok(ListReply { models })
}

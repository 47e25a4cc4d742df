//! `commands.list`.

use super::agents::named;
use super::{Context, Table, chat};
use crate::agent::Agent;
use crate::protocol::ErrorShape;
use crate::protocol::commands::{CommandsList, ListParams, ListReply, Surface};

pub(super) fn register(table: &mut Table, agent: &Agent) {
    table.on(CommandsList, agent, list);
}

async fn list(agent: Agent, _: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    named(&agent, params.agent_id)?;
    let mut commands = chat::commands();
    if let Some(asked @ (Surface::Text | Surface::Native)) = params.scope {
        commands.retain(|command| command.scope == asked || command.scope == Surface::Both);
    }
    Ok(ListReply { commands })
}

//! `skills.status`.

use super::agents::named;
use super::{Context, Table};
use crate::agent::Agent;
use crate::protocol::ErrorShape;
use crate::protocol::skills::{SkillsStatus, StatusParams, StatusReply};

pub(super) fn register(table: &mut Table, agent: &Agent) {
    table.on(SkillsStatus, agent, status);
}

async fn status(agent: Agent, _: Context, params: StatusParams) -> Result<StatusReply, ErrorShape> {
    let agent_id = named(&agent, params.agent_id)?;
    Ok(StatusReply { workspace_dir: "", managed_skills_dir: "", agent_id, skills: [] })
}

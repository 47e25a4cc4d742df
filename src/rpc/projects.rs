//! `projects.list`.

use super::{Context, Table};
use crate::protocol::ErrorShape;
use crate::protocol::access::Scope;
use crate::protocol::projects::{ListParams, ListReply, ProjectsList};

pub(super) fn register(table: &mut Table) {
    table.on(ProjectsList, &(), list);
}

async fn list((): (), context: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    let observed_projects = (params.include_observed && context.caller.may(Scope::Write)).then_some([]);
    Ok(ListReply { projects: [], observed_projects })
}

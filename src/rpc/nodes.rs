//! `node.*`.

use serde_json::Value;
use serde_json::value::RawValue;

use super::approvals::requester;
use super::devices::by;
use super::{Context, Table};
use crate::auth::Caller;
use crate::bus::Closing;
use crate::clock::now_ms;
use crate::nodes::{Error, Invocation, Nodes, Reach};
use crate::pairing::Pairing;
use crate::protocol::access::permits;
use crate::protocol::nodes::{
    DescribeParams, DescribeReply, EventParams, EventReply, InvokeParams, InvokeProgressParams, InvokeReply,
    InvokeResultParams, ListReply, NodeDescribe, NodeEvent, NodeInvoke, NodeInvokeProgress, NodeInvokeResult, NodeList,
    NodePairApprove, NodePairList, NodePairReject, NodePairRemove, NodeRename, PairApproveReply, PairListReply,
    PairRejectReply, PairRemoveParams, PairRemoveReply, PairRequestParams, PluginToolsParams, PluginToolsReply,
    PluginToolsUpdate, RenameParams, RenameReply, RunnerInventoryParams, RunnerInventoryReply, RunnerInventoryUpdate,
    SkillsParams, SkillsReply, SkillsUpdate, TakenReply,
};
use crate::protocol::{ErrorShape, NoParams, Scope};

/// Most skills that a node may publish at a time.
const MAX_SKILLS: usize = 64;
/// The longest name, in characters. The real gateway has no limit.
const MAX_NAME: usize = 256;
/// Most tools.
const MAX_TOOLS: usize = 1024;

type Service = (Nodes, Pairing);

pub(super) fn register(table: &mut Table, nodes: &Nodes, pairing: &Pairing) {
    table.on(NodeList, nodes, list);
    table.on(NodeDescribe, nodes, describe);
    table.on(NodePairList, nodes, pair_list);
    table.on(NodePairApprove, nodes, approve);
    table.on(NodePairReject, nodes, reject);
    table.on_closing(NodePairRemove, &(nodes.clone(), pairing.clone()), remove);
    table.on(NodeRename, nodes, rename);
    table.on(NodeInvoke, nodes, invoke);
    table.on(NodeInvokeResult, nodes, result);
    table.on(NodeInvokeProgress, nodes, progress);
    table.on(NodeEvent, nodes, event);
    table.on(RunnerInventoryUpdate, nodes, runner_inventory);
    table.on(SkillsUpdate, nodes, skills);
    table.on(PluginToolsUpdate, nodes, plugin_tools);
}

/// Whom a device token let in decides about its own device, unless it is an admin's.
fn reach(caller: &Caller) -> Reach<'_> {
    let by = by(caller);
    Reach(by.device.filter(|_| !by.scopes.contains(&Scope::Admin)))
}

/// What waits for an approval is for those who can approve; everyone else sees that of their own device.
fn sees(caller: &Caller) -> Option<Reach<'_>> {
    let approves = permits(caller.scopes(), Scope::Pairing);
    if approves { Some(Reach(None)) } else { caller.device_id().map(|own| Reach(Some(own))) }
}

async fn list(nodes: Nodes, context: Context, _: NoParams) -> Result<ListReply, ErrorShape> {
    Ok(ListReply { ts: now_ms(), nodes: nodes.list(sees(&context.caller)).await? })
}

async fn describe(nodes: Nodes, context: Context, params: DescribeParams) -> Result<DescribeReply, ErrorShape> {
    let node_id = params.node_id.trim();
    if node_id.is_empty() {
        return Err(ErrorShape::invalid("nodeId required"));
    }
    Ok(DescribeReply { ts: now_ms(), node: nodes.describe(node_id, sees(&context.caller)).await? })
}

async fn pair_list(nodes: Nodes, context: Context, _: NoParams) -> Result<PairListReply, ErrorShape> {
    let (pending, paired) = nodes.pairings(reach(&context.caller)).await?;
    Ok(PairListReply { pending, paired })
}

async fn approve(nodes: Nodes, context: Context, params: PairRequestParams) -> Result<PairApproveReply, ErrorShape> {
    let caller = &context.caller;
    let node = nodes.approve(&params.request_id, caller.scopes(), reach(caller)).await?;
    Ok(PairApproveReply { request_id: params.request_id, node })
}

async fn reject(nodes: Nodes, context: Context, params: PairRequestParams) -> Result<PairRejectReply, ErrorShape> {
    let node_id = nodes.reject(&params.request_id, reach(&context.caller)).await?;
    Ok(PairRejectReply { request_id: params.request_id, node_id })
}

async fn remove(
    (nodes, pairing): Service,
    context: Context,
    params: PairRemoveParams,
) -> Result<(PairRemoveReply, Closing), ErrorShape> {
    let node_id = params.node_id.trim();
    let closing = pairing.remove_node(node_id, by(&context.caller)).await?;
    nodes.tell_removed(node_id);
    Ok((PairRemoveReply { node_id: node_id.to_owned() }, closing))
}

async fn rename(nodes: Nodes, context: Context, params: RenameParams) -> Result<RenameReply, ErrorShape> {
    let node_id = params.node_id.trim();
    if params.display_name.chars().count() > MAX_NAME {
        let problem = format!("at /displayName: must not have more than {MAX_NAME} characters");
        return Err(ErrorShape::invalid(format!("invalid node.rename params: {problem}")));
    }
    let display_name = nodes.rename(node_id, &params.display_name, reach(&context.caller)).await?;
    Ok(RenameReply { node_id: node_id.to_owned(), display_name })
}

async fn invoke(nodes: Nodes, context: Context, params: InvokeParams) -> Result<InvokeReply, ErrorShape> {
    let node_id = params.node_id.trim().to_owned();
    let invocation = Invocation {
        node_id: params.node_id,
        command: params.command,
        params: params.params,
        timeout_ms: params.timeout_ms,
        idempotency_key: params.idempotency_key,
        session_key: params.session_key,
        by: requester(&context),
        is_admin: permits(context.caller.scopes(), Scope::Admin),
    };
    let answered = nodes.invoke(invocation).await?;
    Ok(InvokeReply {
        ok: true,
        node_id,
        command: answered.command,
        payload: answered.payload,
        payload_json: answered.payload_json,
    })
}

/// Who a node is, here: its device. A node without one is nobody's to ask for.
fn own_id(context: &Context) -> Result<&str, ErrorShape> {
    context.caller.device_id().ok_or_else(|| Error::UnknownNode.into())
}

async fn result(nodes: Nodes, context: Context, params: InvokeResultParams) -> Result<TakenReply, ErrorShape> {
    let was_waited_for = nodes.answer(own_id(&context)?, &context.connection, params)?;
    Ok(TakenReply { ok: true, ignored: (!was_waited_for).then_some(true) })
}

async fn progress(nodes: Nodes, context: Context, params: InvokeProgressParams) -> Result<TakenReply, ErrorShape> {
    let of = (params.invoke_id.as_str(), params.node_id.as_str());
    nodes.progress(own_id(&context)?, &context.connection, of, &params.chunk)?;
    Ok(TakenReply { ok: true, ignored: Some(true) })
}

async fn event(nodes: Nodes, context: Context, params: EventParams) -> Result<EventReply, ErrorShape> {
    let payload = params.payload_json.as_deref().or(params.payload.as_deref().map(RawValue::get));
    Ok(nodes.report(own_id(&context)?, &context.connection, params.event, payload)?)
}

async fn runner_inventory(
    nodes: Nodes,
    context: Context,
    params: RunnerInventoryParams,
) -> Result<RunnerInventoryReply, ErrorShape> {
    if !is_inventory(&params) {
        return Err(ErrorShape::invalid("invalid node runner inventory"));
    }
    let node_id = own_id(&context)?;
    nodes.check_approved(node_id, &context.connection).await?;
    Ok(RunnerInventoryReply { node_id: node_id.to_owned() })
}

fn is_inventory(params: &RunnerInventoryParams) -> bool {
    let Some(features) = params.protocol_features.as_array() else { return false };
    match (features.as_slice(), &params.worker_host) {
        ([], None) => true,
        ([Value::String(_)], Some(host)) => host.get("enabled").is_some_and(Value::is_boolean),
        _ => false,
    }
}

async fn skills(nodes: Nodes, context: Context, params: SkillsParams) -> Result<SkillsReply, ErrorShape> {
    at_most("node.skills.update", "skills", params.skills.len(), MAX_SKILLS)?;
    let node_id = own_id(&context)?;
    nodes.check_speaks(node_id, &context.connection)?;
    Ok(SkillsReply { node_id: node_id.to_owned(), skills: Vec::new() })
}

async fn plugin_tools(
    nodes: Nodes,
    context: Context,
    params: PluginToolsParams,
) -> Result<PluginToolsReply, ErrorShape> {
    at_most("node.pluginTools.update", "tools", params.tools.len(), MAX_TOOLS)?;
    let node_id = own_id(&context)?;
    nodes.check_speaks(node_id, &context.connection)?;
    Ok(PluginToolsReply { node_id: node_id.to_owned(), tools: Vec::new() })
}

fn at_most(method: &str, field: &str, count: usize, most: usize) -> Result<(), ErrorShape> {
    if count > most {
        let problem = format!("at /{field}: must not have more than {most} items");
        return Err(ErrorShape::invalid(format!("invalid {method} params: {problem}")));
    }
    Ok(())
}

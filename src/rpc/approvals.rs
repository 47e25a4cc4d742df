//! `exec.approval.*`, `exec.approvals.*`, `approval.*`, and the lists of approvals that nothing here asks for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::table::TwoReplies;
use super::{Context, Table};
use crate::approvals::{Approvals, Error, Policy, Requester, Taken};
use crate::protocol::approvals::{
    AcceptedReply, ApprovalGet, ApprovalHistory, ApprovalReply, ApprovalResolve, ApprovalResolveParams,
    ApprovalResolveReply, Decision, DecisionReply, ExecApprovalGet, ExecApprovalList, ExecApprovalRequest,
    ExecApprovalResolve, ExecApprovalWaitDecision, ExecApprovalsGet, ExecApprovalsSet, GetParams, GetReply,
    HistoryParams, HistoryReply, Kind, OpenclawApprovalList, Pending, PluginApprovalList, PolicyReply, PolicySetParams,
    QuestionList, QuestionsReply, Reason, RequestParams, ResolveParams, ResolveReply, Resolver, WaitParams,
};
use crate::protocol::{ErrorShape, NoParams};

const DEFAULT_HISTORY: u64 = 50;
const MAX_HISTORY: u64 = 100;

pub(super) fn register(table: &mut Table, approvals: &Approvals, policy: &Policy) {
    table.on_twice(ExecApprovalRequest, approvals, request);
    table.on(ExecApprovalWaitDecision, approvals, wait);
    table.on(ExecApprovalResolve, approvals, resolve);
    table.on(ExecApprovalList, approvals, list);
    table.on(ExecApprovalGet, approvals, pending);
    table.on(ApprovalGet, approvals, snapshot);
    table.on(ApprovalResolve, approvals, resolve_any);
    table.on(ApprovalHistory, approvals, history);
    table.on(ExecApprovalsGet, policy, policy_file);
    table.on(ExecApprovalsSet, policy, set_policy_file);
    table.on(PluginApprovalList, &(), nothing);
    table.on(OpenclawApprovalList, &(), nothing);
    table.on(QuestionList, &(), no_questions);
}

async fn request(
    approvals: Approvals,
    context: Context,
    params: RequestParams,
) -> Result<TwoReplies<AcceptedReply, DecisionReply>, ErrorShape> {
    if params.command.as_deref() == Some("") {
        let problem = "at /command: must not have fewer than 1 characters";
        return Err(ErrorShape::invalid(format!("invalid exec.approval.request params: {problem}")));
    }
    let two_phase = params.two_phase;
    let is_kept = params.require_delivery_route == Some(false);
    let taken = approvals.request(params, requester(&context)).await?;
    let accepted = AcceptedReply {
        status: "accepted",
        id: taken.id.clone(),
        delivery_route: if taken.has_route { "approval-client" } else { "none" },
        created_at_ms: taken.created_at,
        expires_at_ms: taken.expires_at,
    };
    let first = (two_phase && (taken.has_route || is_kept)).then_some(accepted);
    let second = async move { decided(taken).await.map(|reply| DecisionReply { terminal_reason: None, ..reply }) };
    Ok(TwoReplies { first, second: second.boxed() })
}

/// Who asks, as the claim of a command that was approved has to be by the same.
pub(super) fn requester(context: &Context) -> Requester {
    Requester { device: context.caller.device_id().map(str::to_owned), connection: context.connection.to_string() }
}

async fn wait(approvals: Approvals, _: Context, params: WaitParams) -> Result<DecisionReply, ErrorShape> {
    let id = params.id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| ErrorShape::invalid("id is required"))?;
    match approvals.watch(id).await {
        Ok(taken) => decided(taken).await,
        Err(Error::Unknown) => Err(ErrorShape::invalid("approval expired or not found")),
        Err(other) => Err(other.into()),
    }
}

/// The end, when it comes. Nobody's decision is no decision.
async fn decided(mut taken: Taken) -> Result<DecisionReply, ErrorShape> {
    let verdict = taken.outcome.wait_for(Option::is_some).await.ok().and_then(|verdict| verdict.clone());
    let Some(verdict) = verdict else {
        return Err(ErrorShape::unavailable("the gateway is stopping", 1_000));
    };
    Ok(DecisionReply {
        id: taken.id,
        decision: verdict.decision.filter(|_| verdict.reason == Reason::User),
        created_at_ms: taken.created_at,
        expires_at_ms: taken.expires_at,
        terminal_reason: Some(verdict.reason),
    })
}

async fn resolve(approvals: Approvals, context: Context, params: ResolveParams) -> Result<ResolveReply, ErrorShape> {
    let decision: Decision =
        serde_json::from_value(Value::String(params.decision)).map_err(|_| ErrorShape::invalid("invalid decision"))?;
    approvals.resolve(&params.id, decision, resolver(&context), &context.client).await?;
    Ok(ResolveReply { ok: true })
}

fn resolver(context: &Context) -> Resolver {
    match context.caller.device_id() {
        Some(device) => Resolver { kind: "device".to_owned(), id: Some(device.to_owned()) },
        None => Resolver { kind: "runtime".to_owned(), id: Some(context.client.to_string()) },
    }
}

async fn list(approvals: Approvals, _: Context, _: NoParams) -> Result<Vec<Pending>, ErrorShape> {
    Ok(approvals.pending_list().await?)
}

async fn pending(approvals: Approvals, _: Context, params: GetParams) -> Result<GetReply, ErrorShape> {
    Ok(approvals.pending_one(&params.id).await?)
}

async fn snapshot(approvals: Approvals, _: Context, params: GetParams) -> Result<ApprovalReply, ErrorShape> {
    let approval = approvals.snapshot(&params.id).await.map_err(not_found)?;
    Ok(ApprovalReply { approval })
}

async fn resolve_any(
    approvals: Approvals,
    context: Context,
    params: ApprovalResolveParams,
) -> Result<ApprovalResolveReply, ErrorShape> {
    if params.kind != Kind::Exec {
        return Err(not_found(Error::Unknown));
    }
    let before = approvals.snapshot(&params.id).await.map_err(not_found)?;
    let applied = before.resolved_at_ms.is_none()
        && match approvals.resolve(&params.id, params.decision, resolver(&context), &context.client).await {
            Ok(()) => true,
            Err(Error::AlreadyResolved) => false,
            Err(other) => return Err(other.into()),
        };
    let approval = approvals.snapshot(&params.id).await.map_err(not_found)?;
    Ok(ApprovalResolveReply { applied, approval })
}

fn not_found(error: Error) -> ErrorShape {
    match error {
        Error::Unknown => {
            ErrorShape::invalid("approval not found").with_details(json!({ "reason": "APPROVAL_NOT_FOUND" }))
        }
        other => other.into(),
    }
}

async fn history(approvals: Approvals, _: Context, params: HistoryParams) -> Result<HistoryReply, ErrorShape> {
    let invalid = || ErrorShape::invalid("invalid approval.history params");
    let limit = params.limit.unwrap_or(DEFAULT_HISTORY);
    if limit == 0 || limit > MAX_HISTORY {
        return Err(invalid());
    }
    let before = params.cursor.as_deref().map(|cursor| read_cursor(cursor).ok_or_else(invalid)).transpose()?;
    if params.kind.is_some_and(|kind| kind != Kind::Exec) {
        return Ok(HistoryReply { items: Vec::new(), next_cursor: None });
    }
    // One more tells whether there are more.
    let mut items = approvals.history(before, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|last| {
        let cursor = json!({ "v": 1, "resolvedAtMs": last.resolved_at_ms, "id": last.id });
        URL_SAFE_NO_PAD.encode(cursor.to_string())
    });
    Ok(HistoryReply { items, next_cursor })
}

fn read_cursor(cursor: &str) -> Option<(u64, String)> {
    let cursor: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    Some((cursor.get("resolvedAtMs")?.as_u64()?, cursor.get("id")?.as_str()?.to_owned()))
}

async fn policy_file(policy: Policy, _: Context, _: NoParams) -> Result<PolicyReply, ErrorShape> {
    Ok(policy.current().await?)
}

async fn set_policy_file(policy: Policy, _: Context, params: PolicySetParams) -> Result<PolicyReply, ErrorShape> {
    Ok(policy.replace(params).await?)
}

/// There are no plugins, and the gateway proposes no changes to itself: nothing of the kind is ever asked. Clients
/// need the empty lists to paint.
async fn nothing((): (), _: Context, _: NoParams) -> Result<Vec<Value>, ErrorShape> {
    Ok(Vec::new())
}

/// The agent has no tool to ask with yet.
async fn no_questions((): (), _: Context, _: NoParams) -> Result<QuestionsReply, ErrorShape> {
    Ok(QuestionsReply { questions: Vec::new() })
}

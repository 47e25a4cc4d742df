//! `sessions.*`.

mod edit;
mod run;
mod usage;

use serde_json::Value;

use super::chat::Chat;
use super::error::{at_least, missing};
use super::{Context, Table};
use crate::auth::Agents;
use crate::clock::now_ms;
use crate::protocol::ErrorShape;
use crate::protocol::access::Scope;
use crate::protocol::sessions::{
    BranchesParams, BranchesReply, DescribeParams, DescribeReply, GetParams, GetReply, KeyParams, ListParams,
    ListReply, MessagesSubscribeReply, PreviewParams, PreviewReply, ResolveParams, ResolveReply, SessionsBranchesList,
    SessionsDescribe, SessionsGet, SessionsList, SessionsMessagesSubscribe, SessionsMessagesUnsubscribe,
    SessionsPreview, SessionsResolve, SessionsSubscribe, SubscribeReply,
};
use crate::sessions::{Among, Reference, ResolveError, Sessions};

/// Sessions that one `sessions.preview` may ask for; what is more is passed over.
const MAX_PREVIEWS: usize = 64;

pub(super) fn register(table: &mut Table, chat: &Chat) {
    let sessions = &chat.sessions;
    table.on(SessionsList, sessions, list);
    table.on(SessionsPreview, sessions, preview);
    table.on(SessionsDescribe, sessions, describe);
    table.on(SessionsResolve, sessions, resolve);
    table.on(SessionsGet, sessions, get);
    table.on(SessionsBranchesList, sessions, branches);
    table.on(SessionsSubscribe, sessions, subscribe);
    table.on(SessionsMessagesSubscribe, sessions, messages_subscribe);
    table.on(SessionsMessagesUnsubscribe, sessions, messages_unsubscribe);
    edit::register(table, chat);
    run::register(table, chat);
    usage::register(table, chat);
}

async fn list(sessions: Sessions, context: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    at_least("sessions.list", "limit", params.limit, 1)?;
    let params = if *context.caller.agents() == Agents::Every {
        params
    } else {
        // It may speak with this one, or it would not have come here. Others are of agents that went before.
        ListParams {
            agent_id: Some(params.agent_id.unwrap_or_else(|| sessions.settings().default_agent.clone())),
            ..params
        }
    };
    let creator_id = params.creator_id.clone();
    let params = match context.only_own() {
        None => params,
        Some(own) if creator_id.as_ref().is_none_or(|asked| *asked == own) => {
            ListParams { creator_id: Some(own), ..params }
        }
        // Somebody else's: there are none.
        Some(_) => ListParams { owner_id: creator_id, ..params },
    };
    let mut reply = sessions.list(&params).await?;
    if !context.caller.may(Scope::Admin) {
        reply.path.clear();
    }
    Ok(reply)
}

async fn preview(sessions: Sessions, _: Context, params: PreviewParams) -> Result<PreviewReply, ErrorShape> {
    const METHOD: &str = "sessions.preview";
    if params.keys.is_empty() {
        return Err(ErrorShape::invalid(format!(
            "invalid {METHOD} params: at /keys: must not have fewer than 1 items"
        )));
    }
    at_least(METHOD, "limit", params.limit, 1)?;
    at_least(METHOD, "maxChars", params.max_chars, 20)?;
    let mut previews = Vec::new();
    for shown in params.keys.into_iter().take(MAX_PREVIEWS) {
        let key = sessions.key(&shown)?;
        previews.push(sessions.preview(&key, shown, params.limit, params.max_chars).await?);
    }
    Ok(PreviewReply { ts: now_ms(), previews })
}

async fn describe(sessions: Sessions, _: Context, params: DescribeParams) -> Result<DescribeReply, ErrorShape> {
    let key = sessions.key(&params.key)?;
    let session = sessions.describe(&key, params.include_derived_titles, params.include_last_message).await?;
    Ok(DescribeReply { session })
}

async fn resolve(sessions: Sessions, context: Context, params: ResolveParams) -> Result<ResolveReply, ErrorShape> {
    let ResolveParams { key, session_id, label, short_id, agent_id, spawned_by, allow_missing } = params;
    let references = [
        key.map(Reference::Key),
        session_id.map(Reference::SessionId),
        label.map(Reference::Label),
        short_id.map(Reference::ShortId),
    ];
    let mut references = references.into_iter().flatten();
    let Some(reference) = references.next() else {
        return Err(ErrorShape::invalid("Either key, sessionId, label, shortId, or reference is required"));
    };
    if references.next().is_some() {
        let text = "Provide either key, sessionId, label, shortId, or reference (not multiple)";
        return Err(ErrorShape::invalid(text));
    }
    let own = (*context.caller.agents() != Agents::Every).then(|| sessions.settings().default_agent.clone());
    match sessions
        .resolve(
            &reference,
            Among { agent_id: agent_id.or(own), parent_key: spawned_by, created_by: context.only_own() },
        )
        .await
    {
        Ok(session) => Ok(ResolveReply { ok: true, key: Some(session.key), agent_id: Some(session.agent_id) }),
        Err(ResolveError::Unknown(_) | ResolveError::UnknownLabel(_)) if allow_missing => {
            Ok(ResolveReply { ok: false, key: None, agent_id: None })
        }
        Err(error) => Err(error.into()),
    }
}

async fn get(sessions: Sessions, _: Context, params: GetParams) -> Result<GetReply, ErrorShape> {
    let key = params.key.or(params.session_key).filter(|key| !key.trim().is_empty());
    let key = sessions.key(&key.ok_or_else(|| ErrorShape::invalid("key required"))?)?;
    Ok(GetReply { messages: sessions.newest(&key, params.limit).await? })
}

async fn branches(sessions: Sessions, _: Context, params: BranchesParams) -> Result<BranchesReply, ErrorShape> {
    if let Some(agent) = params.agent_id.filter(|agent| *agent != sessions.settings().default_agent) {
        return Err(ErrorShape::invalid(format!("Unknown agent id \"{agent}\"")));
    }
    let key = sessions.key(&params.session_key)?;
    Ok(BranchesReply { branches: sessions.branches(&key).await? })
}

async fn subscribe(sessions: Sessions, context: Context, params: Value) -> Result<SubscribeReply, ErrorShape> {
    context.subscriptions.follow_session_list();
    let asks_for_a_list = params.as_object().is_some_and(|fields| !fields.is_empty());
    let list = if asks_for_a_list {
        let params = serde_json::from_value(params)
            .map_err(|error| ErrorShape::invalid(format!("invalid sessions.subscribe params: {error}")))?;
        Some(list(sessions, context, params).await?)
    } else {
        None
    };
    Ok(SubscribeReply { subscribed: true, list })
}

async fn messages_subscribe(
    sessions: Sessions,
    context: Context,
    params: KeyParams,
) -> Result<MessagesSubscribeReply, ErrorShape> {
    let key = sessions.key(&params.key)?.to_string();
    if !context.subscriptions.follow_messages(&key) {
        return Err(ErrorShape::invalid("this connection follows too many sessions; unsubscribe from some"));
    }
    Ok(MessagesSubscribeReply { subscribed: true, key })
}

async fn messages_unsubscribe(
    sessions: Sessions,
    context: Context,
    params: KeyParams,
) -> Result<MessagesSubscribeReply, ErrorShape> {
    let key = sessions.key(&params.key)?.to_string();
    context.subscriptions.unfollow_messages(&key);
    Ok(MessagesSubscribeReply { subscribed: false, key })
}

/// A key that a method cannot do without, where its params are read leniently.
fn required(method: &str, key: Option<String>) -> Result<String, ErrorShape> {
    key.filter(|key| !key.is_empty()).ok_or_else(|| missing(method, "key"))
}

//! `sessions.*`.

use serde_json::Value;

use super::{Context, Table};
use crate::protocol::ErrorShape;
use crate::protocol::access::Scope;
use crate::protocol::sessions::{
    DescribeParams, DescribeReply, KeyParams, ListParams, ListReply, MessagesSubscribeReply, SessionsDescribe,
    SessionsList, SessionsMessagesSubscribe, SessionsMessagesUnsubscribe, SessionsSubscribe, SubscribeReply,
};
use crate::sessions::Sessions;

pub(super) fn register(table: &mut Table, sessions: &Sessions) {
    table.on(SessionsList, sessions, list);
    table.on(SessionsDescribe, sessions, describe);
    table.on(SessionsSubscribe, sessions, subscribe);
    table.on(SessionsMessagesSubscribe, sessions, messages_subscribe);
    table.on(SessionsMessagesUnsubscribe, sessions, messages_unsubscribe);
}

async fn list(sessions: Sessions, context: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    let mut reply = sessions.list(&params).await?;
    if !context.caller.may(Scope::Admin) {
        reply.path.clear();
    }
    Ok(reply)
}

async fn describe(sessions: Sessions, _: Context, params: DescribeParams) -> Result<DescribeReply, ErrorShape> {
    let key = sessions.key(&params.key)?;
    let session = sessions.describe(&key, params.include_derived_titles, params.include_last_message).await?;
    Ok(DescribeReply { session })
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

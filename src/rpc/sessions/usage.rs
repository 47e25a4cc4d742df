//! `sessions.usage`, `.timeseries`, `.logs`.

use crate::protocol::ErrorShape;
use crate::protocol::sessions::{
    SessionsUsage, SessionsUsageLogs, SessionsUsageTimeseries, TimeseriesReply, UsageLogsReply, UsageOfParams,
    UsageParams, UsageReply,
};
use crate::rpc::chat::Chat;
use crate::rpc::error::at_least;
use crate::rpc::{Context, Table};
use crate::sessions::Sessions;

pub(super) fn register(table: &mut Table, chat: &Chat) {
    table.on(SessionsUsage, &chat.sessions, usage);
    table.on(SessionsUsageTimeseries, &chat.sessions, timeseries);
    table.on(SessionsUsageLogs, &chat.sessions, logs);
}

async fn usage(sessions: Sessions, context: Context, params: UsageParams) -> Result<UsageReply, ErrorShape> {
    at_least("sessions.usage", "limit", params.limit, 1)?;
    let key = params.key.as_deref().map(|key| sessions.key(key)).transpose()?;
    Ok(sessions.usage(key, params, context.only_own()).await?)
}

async fn timeseries(sessions: Sessions, _: Context, params: UsageOfParams) -> Result<TimeseriesReply, ErrorShape> {
    let key = sessions.key(&params.key)?;
    Ok(sessions.usage_points(&key, params.limit).await?)
}

async fn logs(sessions: Sessions, _: Context, params: UsageOfParams) -> Result<UsageLogsReply, ErrorShape> {
    let key = sessions.key(&params.key)?;
    Ok(sessions.usage_logs(&key, params.limit).await?)
}

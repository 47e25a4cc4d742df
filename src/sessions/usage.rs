//! What sessions took of their models: by session, by model, by day.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate};

use super::rows::shorten;
use super::{SessionKey, Sessions};
use crate::clock::now_ms;
use crate::protocol::chat::Usage;
use crate::protocol::sessions::{
    AgentUsage, DayUsage, MessageCounts, ModelUsage, SessionUsage, TimeseriesReply, ToolCounts, UsageAggregates,
    UsageLog, UsageLogsReply, UsageParams, UsagePoint, UsageRange, UsageReply, UsageTotals,
};
use crate::store::{
    self, MessageFilter, MessageKind, SessionFilter, StoredMessage, StoredSession, UsageFilter, UsageSum,
};

const DAY_MS: u64 = 86_400_000;
const DEFAULT_SESSIONS: u32 = 50;
const DEFAULT_ENTRIES: u32 = 200;
const MOST: u32 = 1_000;
/// Of one message in the logs.
const LOG_CHARACTERS: usize = 2_000;

#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("at /{0}: must match pattern \"^\\d{{4}}-\\d{{2}}-\\d{{2}}$\"")]
    Date(&'static str),
    #[error("No session found: {0}")]
    Unknown(String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Sessions {
    /// Of the sessions that one person began, where one is told.
    ///
    /// # Errors
    /// A date that is none, or the database could not be read.
    pub async fn usage(
        &self,
        key: Option<SessionKey>,
        params: UsageParams,
        created_by: Option<String>,
    ) -> Result<UsageReply, UsageError> {
        let (first, last) = dates(&params)?;
        let filter = UsageFilter {
            session_key: key.as_ref().map(ToString::to_string),
            agent_id: params.agent_id.clone(),
            created_by: created_by.clone(),
            from: start_of(first),
            until: start_of(last).saturating_add(DAY_MS),
        };
        let sums = self.0.database.usage(&filter).await?;
        let inputs = self.0.database.count_inputs(&filter).await?;
        let stored = match &key {
            Some(key) => self.stored(key).await?.into_iter().collect(),
            None => {
                let limit = params.limit.unwrap_or(DEFAULT_SESSIONS).min(MOST);
                let agent_id = params.agent_id;
                let filter = SessionFilter { agent_id, created_by, limit, ..SessionFilter::default() };
                self.0.database.sessions(&filter).await?.0
            }
        };
        let mut totals = UsageTotals::default();
        sums.iter().for_each(|sum| add(&mut totals, sum));
        Ok(UsageReply {
            updated_at: now_ms(),
            start_date: first.to_string(),
            end_date: last.to_string(),
            sessions: stored.iter().map(|session| self.usage_of(session, &sums)).collect(),
            totals,
            aggregates: aggregates(&sums, inputs),
        })
    }

    fn usage_of(&self, session: &StoredSession, sums: &[UsageSum]) -> SessionUsage {
        let mut totals = UsageTotals::default();
        sums.iter().filter(|sum| sum.session_key == session.key).for_each(|sum| add(&mut totals, sum));
        let chosen = self.models().of(&session.settings);
        SessionUsage {
            key: session.key.clone(),
            label: session.label.clone(),
            session_id: session.session_id.clone(),
            scope: "instance",
            updated_at: session.updated_at,
            agent_id: session.agent_id.clone(),
            model_provider: chosen.provider,
            model: chosen.model,
            usage: Some(totals).filter(|totals| totals.missing_cost_entries > 0),
            has_context_weight: false,
        }
    }

    /// One point an answer.
    ///
    /// # Errors
    /// There is no such session, or the database could not be read.
    pub async fn usage_points(&self, key: &SessionKey, limit: Option<u32>) -> Result<TimeseriesReply, UsageError> {
        let (session, messages) = self.all_of(key, limit).await?;
        let mut so_far = 0;
        let point = |message: &StoredMessage| {
            let Usage { input, output, total_tokens } = message.source.as_ref()?.usage;
            so_far += total_tokens;
            Some(UsagePoint {
                timestamp: message.created_at,
                input,
                output,
                cache_read: 0,
                cache_write: 0,
                total_tokens,
                cost: 0,
                cumulative_tokens: so_far,
                cumulative_cost: 0,
            })
        };
        let answers = messages.iter().filter(|message| message.kind == MessageKind::Turn);
        Ok(TimeseriesReply { session_id: session.session_id, points: answers.filter_map(point).collect() })
    }

    /// One entry a message.
    ///
    /// # Errors
    /// There is no such session, or the database could not be read.
    pub async fn usage_logs(&self, key: &SessionKey, limit: Option<u32>) -> Result<UsageLogsReply, UsageError> {
        let (_, messages) = self.all_of(key, limit).await?;
        let said = messages.iter().filter(|message| message.kind != MessageKind::Reset);
        let logs = said.map(|message| UsageLog {
            timestamp: message.created_at,
            role: message.role,
            content: shorten(&message.text, LOG_CHARACTERS),
            tokens: message.source.as_ref().map(|source| source.usage.total_tokens),
        });
        Ok(UsageLogsReply { logs: logs.collect() })
    }

    /// The newest messages, what resets have put away included: it was paid for.
    async fn all_of(
        &self,
        key: &SessionKey,
        limit: Option<u32>,
    ) -> Result<(StoredSession, Vec<StoredMessage>), UsageError> {
        let session = self.stored(key).await?.ok_or_else(|| UsageError::Unknown(key.to_string()))?;
        let limit = limit.unwrap_or(DEFAULT_ENTRIES).clamp(1, MOST);
        let filter = MessageFilter::Newest { floor: 0, limit, offset: 0 };
        Ok((session, self.0.database.messages(key.as_str(), filter).await?.0))
    }
}

fn dates(params: &UsageParams) -> Result<(NaiveDate, NaiveDate), UsageError> {
    let date = |field: &'static str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Some).map_err(|_| UsageError::Date(field)),
    };
    let today = DateTime::from_timestamp_millis(i64::try_from(now_ms()).unwrap_or(i64::MAX))
        .map_or(NaiveDate::default(), |now| now.date_naive());
    let days = match params.range {
        Some(UsageRange::Week) => 7,
        Some(UsageRange::Month) | None => 30,
        Some(UsageRange::Quarter) => 90,
        Some(UsageRange::Year) => 365,
        Some(UsageRange::All) => return Ok((NaiveDate::default(), today)),
    };
    let last = date("endDate", &params.end_date)?.unwrap_or(today);
    let first = date("startDate", &params.start_date)?;
    Ok((first.unwrap_or_else(|| last.checked_sub_days(Days::new(days - 1)).unwrap_or(last)), last))
}

/// Unix milliseconds.
fn start_of(day: NaiveDate) -> u64 {
    let since = day.signed_duration_since(NaiveDate::default()).num_days();
    u64::try_from(since).unwrap_or(0).saturating_mul(DAY_MS)
}

fn add(totals: &mut UsageTotals, sum: &UsageSum) {
    totals.input += sum.usage.input;
    totals.output += sum.usage.output;
    totals.total_tokens += sum.usage.total_tokens;
    totals.missing_cost_entries += sum.answers;
}

fn aggregates(sums: &[UsageSum], inputs: u64) -> UsageAggregates {
    let mut sessions: Vec<&str> = sums.iter().map(|sum| sum.session_key.as_str()).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let mut models: BTreeMap<(&str, &str), (u64, UsageTotals)> = BTreeMap::new();
    let mut agents: BTreeMap<&str, UsageTotals> = BTreeMap::new();
    let mut days: BTreeMap<i64, DayUsage> = BTreeMap::new();
    let mut messages = MessageCounts { user: inputs, total: inputs, ..MessageCounts::default() };
    for sum in sums {
        let model = models.entry((&sum.provider, &sum.model)).or_default();
        model.0 += sum.answers;
        add(&mut model.1, sum);
        add(agents.entry(sum.session_key.split(':').nth(1).unwrap_or_default()).or_default(), sum);
        let date = DateTime::from_timestamp(sum.day.saturating_mul(86_400), 0).map(|day| day.date_naive().to_string());
        let day = days.entry(sum.day).or_insert_with(|| DayUsage {
            date: date.unwrap_or_default(),
            tokens: 0,
            messages: 0,
            errors: 0,
        });
        day.tokens += sum.usage.total_tokens;
        day.messages += sum.answers;
        day.errors += sum.errors;
        messages.assistant += sum.answers;
        messages.total += sum.answers;
        messages.errors += sum.errors;
    }
    UsageAggregates {
        session_count: sessions.len(),
        messages,
        tools: ToolCounts::default(),
        by_model: models
            .into_iter()
            .map(|((provider, model), (count, totals))| ModelUsage {
                provider: provider.to_owned(),
                model: model.to_owned(),
                count,
                totals,
            })
            .collect(),
        by_agent: agents
            .into_iter()
            .map(|(agent_id, totals)| AgentUsage { agent_id: agent_id.to_owned(), totals })
            .collect(),
        daily: days.into_values().collect(),
        by_channel: [],
        by_creator: [],
        cost_daily: [],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_whole_days_and_both_within() {
        let params = UsageParams {
            start_date: Some("1970-01-02".into()),
            end_date: Some("1970-01-03".into()),
            ..UsageParams::default()
        };
        let (first, last) = dates(&params).unwrap();
        assert_eq!((start_of(first), start_of(last)), (DAY_MS, 2 * DAY_MS));
        let week = UsageParams { range: Some(UsageRange::Week), end_date: params.end_date, ..UsageParams::default() };
        assert_eq!(dates(&week).unwrap().0.to_string(), "1969-12-28");
        let bad = UsageParams { start_date: Some("yesterday".into()), ..UsageParams::default() };
        assert!(matches!(dates(&bad), Err(UsageError::Date("startDate"))));
    }
}

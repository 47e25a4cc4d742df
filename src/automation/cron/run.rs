//! One run of a job, from its beginning to its stored end.

use std::time::Duration;

use super::{Cron, NO_CHANNEL, stored};
use crate::agent::{Input, Outcome, Started};
use crate::automation::Error;
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::cron::{
    CompletionStatus, CronAction, CronEvent, Definition, DeliveryMode, DeliveryStatus, Job, JobWakeMode, Payload,
    RunEntry, RunStatus, Schedule,
};
use crate::sessions::SessionKey;
use crate::store;

/// Letters of the answer that a run keeps; all of it is in its session.
const MAX_SUMMARY: usize = 2_000;

/// What a run came to.
struct End {
    completion: CompletionStatus,
    summary: Option<String>,
    error: Option<String>,
    session_key: Option<String>,
}

impl End {
    fn failed(error: String) -> Self {
        Self { completion: CompletionStatus::Failed, summary: None, error: Some(error), session_key: None }
    }
}

impl Cron {
    pub(super) async fn perform(&self, run: store::BegunRun) {
        let outcome = match self.job(&run.job_id).await {
            Ok(job) => {
                self.tell(&job, CronAction::Started, Some(run.started_at));
                let end = match &job.definition.payload {
                    Payload::SystemEvent { text } => self.tell_agent(&job.definition, text).await,
                    Payload::AgentTurn { message, timeout_seconds, .. } => {
                        self.ask_agent(&job, &run.run_id, message, *timeout_seconds).await
                    }
                };
                self.record(&run, end).await
            }
            Err(error) => Err(error),
        };
        self.end(&run.job_id);
        match outcome {
            Ok(()) => {}
            Err(Error::UnknownJob(id)) => tracing::info!(cron.job = %id, "a job was removed while it ran"),
            Err(error) => tracing::error!(cron.job = %run.job_id, %error, "the end of a job's run was not stored"),
        }
    }

    async fn tell_agent(&self, definition: &Definition, text: &str) -> End {
        let told = async {
            let key = match definition.session_key.as_deref() {
                Some(key) => SessionKey::parse(key, self.agent_id()).map_err(|error| error.to_string())?,
                None => SessionKey::main_of(self.agent_id()),
            };
            let heartbeats = &self.0.heartbeats;
            heartbeats.queue(&key, text).await.map_err(|error| error.to_string())?;
            if definition.wake_mode == JobWakeMode::Now {
                heartbeats.beat(key).await.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        };
        match told.await {
            Ok(()) => End {
                completion: CompletionStatus::Succeeded,
                summary: Some(shortened(text)),
                error: None,
                session_key: None,
            },
            Err(error) => End::failed(error),
        }
    }

    async fn ask_agent(&self, job: &Job, run_id: &str, message: &str, timeout_seconds: Option<f64>) -> End {
        // The agent may have been given another model since the job was made.
        if let Err(error) = self.check_model(&job.definition) {
            return End::failed(error.to_string());
        }
        let key = match self.session_of(job) {
            Ok(key) => key,
            Err(error) => return End::failed(error.to_string()),
        };
        let timeout = timeout_seconds.filter(|seconds| *seconds > 0.0);
        let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let run_id = format!("cron:{run_id}");
        let input = Input { timeout, ..Input::new(key.clone(), message.to_owned(), run_id) };
        let mut outcome = match self.0.agent.start(input).await {
            Ok(Started::New(outcome) | Started::InFlight(outcome)) => outcome,
            Ok(Started::Ended(_)) => return End::failed("the run was known already".to_owned()),
            Err(error) => return End::failed(error.to_string()),
        };
        let Some(outcome) = outcome.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()) else {
            return End { completion: CompletionStatus::Unknown, ..End::failed("the run was cut off".to_owned()) };
        };
        End { session_key: Some(key.to_string()), ..of_turn(&outcome) }
    }

    /// Isolated runs have a session each.
    fn session_of(&self, job: &Job) -> Result<SessionKey, crate::sessions::KeyError> {
        let agent = self.agent_id();
        match job.definition.session_target.strip_prefix("session:") {
            Some(key) => SessionKey::parse(key, agent),
            None => SessionKey::parse(&format!("cron:{}:run:{}", job.id, uuid::Uuid::new_v4()), agent),
        }
    }

    /// A run that the last end of the gateway cut off.
    pub(super) async fn record_cut_off(&self, run: &store::BegunRun) -> Result<(), Error> {
        let error = "the gateway ended while this job ran".to_owned();
        match self.record(run, End { completion: CompletionStatus::Unknown, ..End::failed(error) }).await {
            Err(Error::UnknownJob(_)) => Ok(()),
            other => other,
        }
    }

    async fn record(&self, run: &store::BegunRun, end: End) -> Result<(), Error> {
        let _changing = self.0.changing.lock().await;
        // Anew: it may have been changed while it ran.
        let mut job = self.job(&run.job_id).await?;
        let now = now_ms();
        let entry = entry(&job, run, end, now);
        job.state.running_at_ms = None;
        job.state.last_run_at_ms = Some(run.started_at);
        job.state.last_run_status = Some(entry.status);
        job.state.last_status = Some(entry.status);
        job.state.last_error.clone_from(&entry.error);
        job.state.last_duration_ms = Some(entry.duration_ms);
        job.state.last_delivered = entry.delivered;
        job.state.last_delivery_status = Some(entry.delivery_status);
        job.state.last_delivery_error.clone_from(&entry.delivery_error);
        let is_well = entry.status == RunStatus::Ok;
        let before = job.state.consecutive_errors.unwrap_or(0);
        job.state.consecutive_errors = Some(if is_well { 0 } else { before + 1 });
        let is_once = matches!(job.definition.schedule, Schedule::At { .. });
        job.definition.enabled &= !is_once;
        job.updated_at_ms = now;
        self.reschedule(&mut job, now);
        let entry = RunEntry { next_run_at_ms: job.next_run_at_ms, ..entry };
        let text = serde_json::to_string(&entry).map_err(|_| store::Error::Corrupt("a cron run"))?;
        self.0.database.end_cron_run(&run.run_id, &text, &stored(&job)?, now).await?;
        self.0.bus.publish(&Event::Cron(Box::new(CronEvent::Finished { entry, job: job.clone() })));
        if is_once && is_well && job.definition.delete_after_run == Some(true) {
            self.0.database.remove_cron_job(&job.id).await?;
            self.tell(&job, CronAction::Removed, None);
        }
        Ok(())
    }
}

fn of_turn(outcome: &Outcome) -> End {
    let summary = Some(shortened(&outcome.text)).filter(|text| !text.is_empty());
    match outcome.status {
        store::RunStatus::Ok => {
            End { completion: CompletionStatus::Succeeded, summary, error: None, session_key: None }
        }
        _ => End { summary, ..End::failed(outcome.error.clone().unwrap_or_else(|| "the run was stopped".to_owned())) },
    }
}

fn entry(job: &Job, run: &store::BegunRun, end: End, now: u64) -> RunEntry {
    let delivery = job.definition.delivery.as_ref();
    let wants = end.error.is_none() && delivery.is_some_and(|delivery| delivery.mode != DeliveryMode::None);
    let may_fail = delivery.is_some_and(|delivery| delivery.best_effort == Some(true));
    let delivery_error = wants.then(|| NO_CHANNEL.to_owned());
    // An answer that did not get where it was wanted is an error, unless somebody said otherwise.
    let error = end.error.or_else(|| delivery_error.clone().filter(|_| !may_fail));
    RunEntry {
        ts: now,
        job_id: job.id.clone(),
        action: "finished".to_owned(),
        status: if error.is_none() { RunStatus::Ok } else { RunStatus::Error },
        completion_status: if error.is_some() && end.completion == CompletionStatus::Succeeded {
            CompletionStatus::Failed
        } else {
            end.completion
        },
        error,
        summary: end.summary,
        run_id: run.run_id.clone(),
        run_at_ms: run.started_at,
        duration_ms: now.saturating_sub(run.started_at),
        next_run_at_ms: None,
        delivered: wants.then_some(false),
        delivery_status: if wants { DeliveryStatus::NotDelivered } else { DeliveryStatus::NotRequested },
        delivery_error,
        session_key: end.session_key,
        job_name: None,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_SUMMARY).collect()
}

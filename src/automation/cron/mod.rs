//! Cron jobs: kept, changed, and run when asked.
//!
//! `definition` is what a job may say, `schedule` when it is due, `run` what happens when it runs. There is no
//! scheduler yet: `nextRunAtMs` says when a job is due, and [`Cron::status`] that nothing runs it then.

mod definition;
mod listing;
mod run;
mod schedule;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::{Error, Heartbeats};
use crate::agent::Agent;
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::cron::{
    AddReply, AddedReply, CronAction, CronEvent, DeclaredReply, Definition, Job, JobState, ListParams, ListReply,
    Payload, RunMode, RunReply, RunsParams, RunsReply, StatusReply,
};
use crate::shutdown::Shutdown;
use crate::store::{BegunRun, Database, StoredJob};

const MAX_JOBS: usize = 1_000;
const NOT_SCHEDULED: &str = "this version keeps jobs and runs them when asked (cron.run); it has no scheduler yet";
const NO_CHANNEL: &str = "Channel is required (this gateway has no channels)";

#[derive(Debug, Clone)]
pub struct Cron(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    agent: Agent,
    heartbeats: Heartbeats,
    database: Database,
    bus: Bus,
    shutdown: Shutdown,
    /// Job -> since when it runs.
    running: Mutex<HashMap<String, u64>>,
    /// Held from reading a job until its change is stored: no change is lost to another.
    changing: tokio::sync::Mutex<()>,
    runs: AtomicU64,
}

impl Cron {
    /// Tells of runs that the last end of the gateway cut off.
    ///
    /// # Errors
    /// The database could not be used.
    pub async fn open(
        agent: Agent,
        heartbeats: Heartbeats,
        database: Database,
        bus: Bus,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let cron = Self(Arc::new(Inner {
            agent,
            heartbeats,
            database,
            bus,
            shutdown,
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            runs: AtomicU64::default(),
        }));
        for run in cron.0.database.begun_cron_runs().await? {
            cron.record_cut_off(&run).await?;
        }
        Ok(cron)
    }

    /// # Errors
    /// The database could not be read.
    pub async fn list(&self, params: &ListParams) -> Result<ListReply, Error> {
        Ok(listing::jobs(self.jobs().await?, params, self.0.agent.id()))
    }

    /// # Errors
    /// The database could not be read.
    pub async fn status(&self, path: String) -> Result<StatusReply, Error> {
        Ok(StatusReply {
            enabled: false,
            triggers_enabled: false,
            store_path: path.clone(),
            storage: "sqlite",
            sqlite_path: path,
            jobs: self.0.database.cron_jobs().await?.len(),
            next_wake_at_ms: None,
            reason: NOT_SCHEDULED,
        })
    }

    /// # Errors
    /// There is no such job, or the database could not be read.
    pub async fn job(&self, id: &str) -> Result<Job, Error> {
        let stored = self.0.database.cron_job(id).await?.ok_or_else(|| Error::UnknownJob(id.to_owned()))?;
        self.whole(stored)
    }

    /// Keeps a new job. One with a declaration key that is there already is brought up to what is said now.
    ///
    /// # Errors
    /// The job says something that cannot be, or nothing could be stored.
    pub async fn add(&self, fields: Map<String, Value>) -> Result<AddReply, Error> {
        let now = now_ms();
        let _changing = self.0.changing.lock().await;
        let jobs = self.0.database.cron_jobs().await?;
        let declared = fields.get("declarationKey").and_then(Value::as_str).map(str::to_owned);
        let known = jobs.iter().find(|job| declared.is_some() && job.declaration_key == declared);
        if let Some(known) = known {
            return self.declare_again(self.whole(known.clone())?, fields, now).await;
        }
        if jobs.len() >= MAX_JOBS {
            return Err(Error::TooManyJobs);
        }
        let definition = definition::read(fields, self.agent_id(), now)?;
        self.check_model(&definition)?;
        let mut job = Job {
            id: uuid::Uuid::new_v4().to_string(),
            definition,
            created_at_ms: now,
            updated_at_ms: now,
            state: JobState::default(),
            config_revision: String::new(),
            next_run_at_ms: None,
            effective_agent_id: None,
        };
        self.reschedule(&mut job, now);
        self.0.database.put_cron_job(&stored(&job)?).await?;
        self.tell(&job, CronAction::Added, None);
        let delivery_preview = definition::delivery_preview(&job.definition);
        Ok(if declared.is_some() {
            AddReply::Declared(Box::new(DeclaredReply { created: true, updated: None, job, delivery_preview }))
        } else {
            AddReply::Added(Box::new(AddedReply { job, delivery_preview }))
        })
    }

    async fn declare_again(&self, mut job: Job, fields: Map<String, Value>, now: u64) -> Result<AddReply, Error> {
        let definition = definition::declared_again(&job.definition, fields, self.agent_id(), now)?;
        self.check_model(&definition)?;
        let updated = definition != job.definition;
        if updated {
            job.definition = definition;
            self.keep(&mut job, now).await?;
        }
        let delivery_preview = definition::delivery_preview(&job.definition);
        let reply = DeclaredReply { created: false, updated: Some(updated), job, delivery_preview };
        Ok(AddReply::Declared(Box::new(reply)))
    }

    /// Changes a job: see [`crate::protocol::cron::UpdateParams`].
    ///
    /// # Errors
    /// There is no such job, it would say something that cannot be, or nothing could be stored.
    pub async fn update(&self, id: &str, patch: Map<String, Value>) -> Result<Job, Error> {
        let now = now_ms();
        let _changing = self.0.changing.lock().await;
        let mut job = self.job(id).await?;
        job.definition = definition::patched(&job.definition, patch, self.agent_id(), now)?;
        self.check_model(&job.definition)?;
        self.keep(&mut job, now).await?;
        Ok(job)
    }

    async fn keep(&self, job: &mut Job, now: u64) -> Result<(), Error> {
        job.updated_at_ms = now;
        job.state.schedule_activated_at_ms = Some(now);
        self.reschedule(job, now);
        self.0.database.put_cron_job(&stored(job)?).await?;
        self.tell(job, CronAction::Updated, None);
        Ok(())
    }

    /// Forgets a job and its runs. A run that goes on comes to its end, and leaves nothing.
    ///
    /// # Errors
    /// There is no such job, or nothing could be removed.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        let _changing = self.0.changing.lock().await;
        let job = self.job(id).await?;
        self.0.database.remove_cron_job(id).await?;
        self.tell(&job, CronAction::Removed, None);
        Ok(())
    }

    /// Runs a job now. When this returns, its beginning is on disk.
    ///
    /// # Errors
    /// There is no such job, or the beginning could not be stored.
    pub async fn run(&self, id: &str, mode: RunMode) -> Result<RunReply, Error> {
        let now = now_ms();
        let job = self.job(id).await?;
        let not_run = |reason| Ok(RunReply::NotRun { ok: true, ran: false, reason });
        let is_due = job.definition.enabled && job.state.next_run_at_ms.is_some_and(|due| due <= now);
        match mode {
            RunMode::Due if !is_due => return not_run("not-due"),
            RunMode::IfEnabled if !job.definition.enabled => return not_run("disabled"),
            RunMode::Due | RunMode::IfEnabled | RunMode::Force => {}
        }
        if !self.begin(id, now) {
            return not_run("already-running");
        }
        let number = self.0.runs.fetch_add(1, Ordering::Relaxed) + 1;
        let run = BegunRun { run_id: format!("manual:{id}:{now}:{number}"), job_id: id.to_owned(), started_at: now };
        if let Err(error) = self.0.database.begin_cron_run(&run).await {
            self.end(id);
            return Err(error.into());
        }
        let (cron, run_id) = (self.clone(), run.run_id.clone());
        self.0.shutdown.spawn(async move { cron.perform(run).await });
        Ok(RunReply::Started { ok: true, enqueued: true, run_id })
    }

    /// Runs that have ended.
    ///
    /// # Errors
    /// There is no such job, or the database could not be read.
    pub async fn runs(&self, params: &RunsParams) -> Result<RunsReply, Error> {
        if let Some(id) = &params.id {
            self.job(id).await?;
        }
        let names = self.jobs().await?.into_iter().map(|job| (job.id, job.definition.name)).collect();
        let entries = self.0.database.cron_entries(params.id.as_deref()).await?;
        Ok(listing::runs(&entries, &names, params))
    }

    async fn jobs(&self) -> Result<Vec<Job>, Error> {
        self.0.database.cron_jobs().await?.into_iter().map(|stored| self.whole(stored)).collect()
    }

    /// A job as clients see it. A time that has passed stays until the job runs: it is due.
    fn whole(&self, stored: StoredJob) -> Result<Job, Error> {
        let corrupt = |_| Error::Store(crate::store::Error::Corrupt("a cron job"));
        let definition: Definition = serde_json::from_str(&stored.definition).map_err(corrupt)?;
        let mut state: JobState = serde_json::from_str(&stored.state).map_err(corrupt)?;
        state.running_at_ms = self.running().get(&stored.id).copied();
        Ok(Job {
            config_revision: definition::revision(&definition),
            next_run_at_ms: state.next_run_at_ms,
            id: stored.id,
            definition,
            created_at_ms: stored.created_at,
            updated_at_ms: stored.updated_at,
            state,
            effective_agent_id: None,
        })
    }

    fn reschedule(&self, job: &mut Job, now: u64) {
        let next = schedule::next_after(&job.definition.schedule, &job.id, now);
        job.state.next_run_at_ms = next.filter(|_| job.definition.enabled);
        job.next_run_at_ms = job.state.next_run_at_ms;
        job.config_revision = definition::revision(&job.definition);
    }

    /// There is one model; a job that asks for another would silently run on this one.
    fn check_model(&self, definition: &Definition) -> Result<(), Error> {
        let Payload::AgentTurn { model: Some(wanted), .. } = &definition.payload else { return Ok(()) };
        let model = &self.0.agent.settings().model;
        if *wanted == model.id || *wanted == model.reference() {
            return Ok(());
        }
        Err(Error::Invalid(format!("at /payload/model: jobs run on {} here", model.reference())))
    }

    fn agent_id(&self) -> &str {
        self.0.agent.id()
    }

    fn tell(&self, job: &Job, action: CronAction, run_at_ms: Option<u64>) {
        let is_change = matches!(action, CronAction::Added | CronAction::Updated);
        let event = CronEvent::Changed {
            job_id: job.id.clone(),
            action,
            job: job.clone(),
            run_at_ms,
            next_run_at_ms: job.next_run_at_ms.filter(|_| is_change),
        };
        self.0.bus.publish(&Event::Cron(Box::new(event)));
    }

    /// False when the job runs already.
    fn begin(&self, id: &str, now: u64) -> bool {
        let mut running = self.running();
        let is_free = !running.contains_key(id);
        if is_free {
            running.insert(id.to_owned(), now);
        }
        is_free
    }

    fn end(&self, id: &str) {
        self.running().remove(id);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(job: &Job) -> Result<StoredJob, Error> {
    let unwritable = |_| Error::Store(crate::store::Error::Corrupt("a cron job"));
    let state = JobState { running_at_ms: None, ..job.state.clone() };
    Ok(StoredJob {
        id: job.id.clone(),
        declaration_key: job.definition.declaration_key.clone(),
        definition: serde_json::to_string(&job.definition).map_err(unwritable)?,
        state: serde_json::to_string(&state).map_err(unwritable)?,
        created_at: job.created_at_ms,
        updated_at: job.updated_at_ms,
    })
}

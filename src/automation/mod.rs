//! What the agent does without being asked in a chat: heartbeats and the events that wait for them, and cron jobs.
//!
//! Everything here is on disk before it is acknowledged. There is no clock here yet: a heartbeat runs when `wake` asks
//! for it, and a job when `cron.run` does. Called by `rpc`; turns are `agent`'s business.

mod cron;
mod heartbeats;

pub use cron::Cron;
pub use heartbeats::Heartbeats;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// What was sent is no job: where and why.
    #[error("{0}")]
    Invalid(String),
    /// A time that cannot be meant.
    #[error("{0}")]
    Schedule(String),
    #[error("automation not found: {0}")]
    UnknownJob(String),
    #[error("cron job agent is unavailable: {0}")]
    UnknownAgent(String),
    #[error("there are as many jobs as this gateway keeps; remove some")]
    TooManyJobs,
}

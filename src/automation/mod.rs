//! What the agent does without being asked in a chat: heartbeats and the events that wait for them, and cron jobs.
//!
//! Everything here is on disk before it is acknowledged. There is no clock here yet: a heartbeat runs when `wake` asks
//! for it, and a job when `cron.run` does. Called by `rpc`; turns are `agent`'s business.

mod heartbeats;

pub use heartbeats::Heartbeats;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

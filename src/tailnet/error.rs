//! What can go wrong with the tailnet node, by what the caller can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this tailclaw was built without the tailnet node; build it with the cargo feature `tailnet` and Go")]
    NotBuilt,

    /// Another process uses the folder: two nodes with the same keys would throw each other out of the tailnet.
    #[error("the tailnet folder {folder} is in use by {}", process(*.pid))]
    Locked { folder: PathBuf, pid: Option<u32> },

    #[error("the tailnet folder {folder} cannot be used")]
    Folder { folder: PathBuf, source: io::Error },

    #[error("the tailnet setting {name} is unusable: {reason}")]
    Setting { name: &'static str, reason: &'static str },

    /// The node refused; the reason is tsnet's own.
    #[error("tailnet: cannot {action}: {reason}")]
    Refused { action: &'static str, reason: String },

    /// The LocalAPI answered, but not with what was asked for.
    #[error("tailnet: {request} was answered with {status}: {message}")]
    Answer { request: String, status: u16, message: String },

    /// The LocalAPI could not be asked: the node is closed, or closing.
    #[error("tailnet: {request} could not be asked")]
    Unreachable { request: String, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("tailnet: no answer to {request} within {} s", .limit.as_secs())]
    TimedOut { request: String, limit: Duration },

    #[error("tailnet: a system call failed")]
    System(#[from] io::Error),

    /// Parts of the node are still alive (an upstream deadlock): end the process, and start no other node in it.
    #[error("the tailnet node did not end in time; the process has to")]
    CloseTimedOut,
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

//! The node's log, from its pipe into `tracing` under the target `tailnet`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;

/// Both ends are close-on-exec and non-blocking: a writer that finds the pipe full loses its line, and does not wait.
pub(super) fn pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    for end in [reader.as_fd(), writer.as_fd()] {
        fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
    }
    Ok((Receiver::from_owned_fd(reader.into())?, writer.into()))
}

/// Ends when the node has closed its end. The node bounds its lines.
pub(super) async fn forward(pipe: Receiver) {
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line).await, Ok(1..)) {
        log(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}

/// The first letter is the level (`libtailscale/log.go`). What tsnet itself says stays at debug: it is chatter, it
/// repeats the login link every few seconds, and what matters of it becomes a [`State`](super::State).
fn log(line: &str) {
    match line.split_once(' ') {
        Some(("W", message)) => tracing::warn!(target: "tailnet", "{message}"),
        Some(("D", message)) => tracing::debug!(target: "tailnet", "{message}"),
        _ => tracing::debug!(target: "tailnet", "{line}"),
    }
}

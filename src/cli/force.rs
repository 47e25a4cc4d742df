//! `--force`: stop the gateway that runs on this state folder. The lock names it, and only its holder: a process id
//! from a file that nobody holds is never signalled.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::store::lock_folder;

/// For an orderly end, then again for one that does not wait for runs.
const GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

pub(super) async fn take_over(lock: &Path) -> anyhow::Result<()> {
    let Some(holder) = holder(lock)? else { return Ok(()) };
    for _ in 0..2 {
        match kill_process(holder, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => {
                let pid = holder.as_raw_nonzero();
                return Err(anyhow!(error).context(format!("the gateway (process {pid}) cannot be stopped")));
            }
        }
        if wait_until_free(lock).await? {
            return Ok(());
        }
    }
    let pid = holder.as_raw_nonzero();
    Err(anyhow!("the gateway (process {pid}) does not end: look at its log, and end it with `kill -9 {pid}`"))
}

async fn wait_until_free(lock: &Path) -> anyhow::Result<bool> {
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if holder(lock)?.is_none() {
            return Ok(true);
        }
        sleep(POLL).await;
    }
    Ok(false)
}

/// The process that holds the lock now.
pub(super) fn holder(lock: &Path) -> anyhow::Result<Option<Pid>> {
    match lock_folder(lock) {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let text = error.to_string();
            let pid = text.parse().ok().and_then(Pid::from_raw);
            pid.map(Some).ok_or_else(|| anyhow!("{} is held, but by whom it does not say", lock.display()))
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", lock.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_process_id_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("gateway.lock");
        // Our own: a signal would end this test.
        std::fs::write(&lock, std::process::id().to_string()).unwrap();
        take_over(&lock).await.unwrap();
    }
}

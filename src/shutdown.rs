//! Every task is spawned here, so that the end of the program can wait for all of them.
//!
//! Two stages: `draining` means that nothing new is begun; `stopped` means that what is still going on is cut.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    tracker: TaskTracker,
    draining: CancellationToken,
    stopped: CancellationToken,
}

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task that the program waits for. It should end soon after [`Self::draining`] or at once at
    /// [`Self::stopped`].
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Resolves when nothing new should be begun.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + use<> {
        self.draining.clone().cancelled_owned()
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Resolves when it is too late to finish anything.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.stopped.clone().cancelled_owned()
    }

    /// First stage.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Second stage, and the end: cuts what is left and waits for it, at most `grace`. Returns whether all tasks
    /// ended.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.draining.cancel();
        self.stopped.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}

//! One run of the agent on behalf of one HTTP caller, who waits for it or watches it grow.

use tokio::sync::watch;

use crate::agent::{Agent, Error, Input, Outcome, Started};
use crate::gateway::Gateway;
use crate::gateway::fanout::Following;
use crate::sessions::SessionKey;

/// Dropped before its end, because the caller has gone, it stops the run: nobody would read the rest.
pub(super) struct Turn {
    agent: Agent,
    key: SessionKey,
    run_id: String,
    said: String,
    progress: Following,
    outcome: watch::Receiver<Option<Outcome>>,
    is_over: bool,
}

pub(super) enum Step {
    /// More of the answer.
    Said(String),
    Ended(Outcome),
    /// The answer was taken back and begun anew, which a stream that only grows cannot show; or the run was lost.
    Broken,
}

impl Turn {
    /// Stores the message and starts its run. `run_id` is new.
    pub(super) async fn begin(gateway: &Gateway, key: SessionKey, text: String, run_id: String) -> Result<Self, Error> {
        let progress = gateway.fanout.follow_run(&run_id);
        let input = Input::new(key.clone(), text, run_id.clone());
        let outcome = match gateway.http.agent.start(input).await? {
            Started::New(outcome) | Started::InFlight(outcome) => outcome,
            Started::Ended(_) => watch::channel(None).1,
        };
        let agent = gateway.http.agent.clone();
        Ok(Self { agent, key, run_id, said: String::new(), progress, outcome, is_over: false })
    }

    /// The whole answer at once.
    pub(super) async fn end(mut self) -> Option<Outcome> {
        let outcome = ended(&mut self.outcome).await;
        self.is_over = true;
        outcome
    }

    /// What comes next. Whoever reads slowly gets more at a time, and holds nothing up.
    pub(super) async fn next(&mut self) -> Step {
        loop {
            let text = tokio::select! {
                biased;
                ended = ended(&mut self.outcome) => {
                    let Some(outcome) = ended else {
                        self.is_over = true;
                        return Step::Broken;
                    };
                    match self.more(&outcome.text) {
                        Some(more) if !more.is_empty() => return Step::Said(more),
                        Some(_) => {
                            self.is_over = true;
                            return Step::Ended(outcome);
                        }
                        None => return Step::Broken,
                    }
                }
                text = self.progress.changed() => text,
            };
            match self.more(&text) {
                Some(more) if more.is_empty() => {}
                Some(more) => return Step::Said(more),
                None => return Step::Broken,
            }
        }
    }

    fn more(&mut self, text: &str) -> Option<String> {
        let more = text.strip_prefix(self.said.as_str())?.to_owned();
        self.said.push_str(&more);
        Some(more)
    }
}

/// `None` when the run's task died without an end, which is a bug of ours.
async fn ended(outcome: &mut watch::Receiver<Option<Outcome>>) -> Option<Outcome> {
    outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            let stopped = self.agent.abort(&self.key, Some(&self.run_id));
            tracing::info!(run.id = %self.run_id, stopped = !stopped.is_empty(), "an HTTP caller left its run");
        }
    }
}

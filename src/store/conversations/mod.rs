//! Sessions, their messages and the runs that answer them. One subject, because one transaction spans all three: a
//! message is acknowledged only together with the run that will answer it.

mod archive;
mod creators;
mod edits;
mod messages;
mod reads;
mod rows;
mod runs;
mod usage;

pub use creators::Creators;
pub use edits::{Command, Edit, GATEWAY_MODEL, GATEWAY_PROVIDER, Reset};
pub use reads::{MessageFilter, SessionFilter, SessionOrder};
pub use rows::{AnswerSource, LastRun, MessageKind, RunStatus, StoredMessage, StoredRun, StoredSession};
pub use runs::{Acceptance, ExpectedLeaf, NewAttachment, NewInput, RunEnd, SessionSeed};
pub use usage::{UsageFilter, UsageSum};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    fn input(run_id: &str) -> NewInput<'_> {
        NewInput {
            session: SessionSeed { key: "agent:main:main", agent_id: "main", by: Some("p") },
            run_id,
            text: "hi",
            attachments: &[],
            expected_leaf: ExpectedLeaf::Any,
            now: 5,
        }
    }

    async fn open() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        (folder, database)
    }

    #[tokio::test]
    async fn an_input_is_accepted_once() {
        let (_folder, database) = open().await;
        assert!(matches!(database.accept_input(&input("r1")).await.unwrap(), Acceptance::New { created: true, .. }));
        let Acceptance::Known(run) = database.accept_input(&input("r1")).await.unwrap() else { panic!("known") };
        assert_eq!(run.status, RunStatus::Running);
        assert!(matches!(database.accept_input(&input("r2")).await.unwrap(), Acceptance::New { created: false, .. }));
        assert_eq!(database.creators().of("agent:main:main").as_deref(), Some("p"));
        let filter = MessageFilter::Newest { floor: 0, limit: 10, offset: 0 };
        let (messages, total) = database.messages("agent:main:main", filter).await.unwrap();
        assert_eq!((messages.iter().map(|message| message.seq).collect::<Vec<_>>(), total), (vec![1, 2], 2));
    }

    #[tokio::test]
    async fn runs_left_over_are_marked() {
        let (_folder, database) = open().await;
        database.accept_input(&input("r1")).await.unwrap();
        assert_eq!(database.end_interrupted_runs("cut off", 9).await.unwrap(), 1);
        assert_eq!(database.end_interrupted_runs("cut off", 9).await.unwrap(), 0);
        let filter = MessageFilter::Newest { floor: 0, limit: 10, offset: 0 };
        let (messages, _) = database.messages("agent:main:main", filter).await.unwrap();
        assert_eq!(messages.last().unwrap().error_message.as_deref(), Some("cut off"));
        assert_eq!(database.run("r1").await.unwrap().unwrap().status, RunStatus::Interrupted);
        assert_eq!(database.run_counts().await.unwrap(), [(RunStatus::Interrupted, 1)]);
    }

    #[tokio::test]
    async fn search_takes_signs_literally() {
        let (_folder, database) = open().await;
        database.accept_input(&input("r1")).await.unwrap();
        let find =
            |search: &str| SessionFilter { search: Some(search.to_owned()), limit: 9, ..SessionFilter::default() };
        assert_eq!(database.sessions(&find("MAIN")).await.unwrap().1, 1);
        assert_eq!(database.sessions(&find("%")).await.unwrap().1, 0);
    }
}

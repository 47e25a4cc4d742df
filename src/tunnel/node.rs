//! A tailnet node for the life of one command: a machine without Tailscale reaches its gateway by the tailnet name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::TunnelError;
use super::private_folder::PrivateFolder;
use crate::secret::Secret;
use crate::store;
use crate::tailnet::{Node, Settings, State};

/// For a person to follow a link, and for an admin to approve.
const LOGIN: Duration = Duration::from_mins(5);
const LOGOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct NodeSettings {
    pub hostname: String,
    /// `None`: Tailscale's own.
    pub control_url: Option<String>,
    /// With a key each command is a node of its own and leaves the tailnet at its end. Without one a person logs in
    /// once, and the node is kept for as long as the control server keeps it.
    pub auth_key: Option<Secret<String>>,
    /// Where the folders of such nodes are.
    pub folder: PathBuf,
}

/// What the person has to be told while the node joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    LogIn { url: String },
    WaitForApproval,
}

#[derive(Debug)]
pub struct OwnNode {
    node: Node,
    /// Of a node that is not kept.
    brief: Option<PrivateFolder>,
}

impl OwnNode {
    /// Joins, within the time given; where a person has to do something, within some minutes.
    ///
    /// # Errors
    /// As [`TunnelError`]; the node is closed again.
    pub async fn join(settings: NodeSettings, within: Duration, tell: impl FnMut(Step)) -> Result<Self, TunnelError> {
        let local = |error: std::io::Error| TunnelError::local(&error);
        store::create_private_folder(&settings.folder).map_err(local)?;
        let has_key = settings.auth_key.is_some();
        let brief = has_key.then(|| PrivateFolder::within(&settings.folder)).transpose().map_err(local)?;
        let kept = settings.folder.join("kept");
        let node = Node::start(Settings {
            hostname: settings.hostname,
            control_url: settings.control_url,
            auth_key: settings.auth_key,
            oauth: None,
            tags: Vec::new(),
            ephemeral: true,
            state_dir: brief.as_ref().map_or(kept.as_path(), PrivateFolder::path).to_path_buf(),
        })
        .await?;
        let own = Self { node, brief };
        match own.running(has_key, within, tell).await {
            Ok(()) => Ok(own),
            Err(error) => {
                own.close().await;
                Err(error)
            }
        }
    }

    /// For the client to dial with.
    #[must_use]
    pub fn node(&self) -> Node {
        self.node.clone()
    }

    async fn running(&self, has_key: bool, within: Duration, mut tell: impl FnMut(Step)) -> Result<(), TunnelError> {
        let mut state = self.node.state();
        let mut limit = within;
        let mut deadline = Instant::now() + limit;
        let mut told = None;
        loop {
            let step = match &*state.borrow_and_update() {
                State::Running(_) => return Ok(()),
                State::Stopped { reason } => {
                    return Err(TunnelError::Node(format!("this command's tailnet node has stopped: {reason}")));
                }
                // Until the control server has answered, the node is starting: this is its answer to the key.
                State::NeedsLogin { .. } if has_key => {
                    let said = self.node.health().borrow().join("; ");
                    let said = if said.is_empty() { "its auth key was not taken".to_owned() } else { said };
                    return Err(TunnelError::NotLetIn(said));
                }
                State::NeedsLogin { url: Some(url) } => Some(Step::LogIn { url: url.clone() }),
                State::NeedsApproval => Some(Step::WaitForApproval),
                State::NeedsLogin { url: None } | State::Starting => None,
            };
            if step.is_some() && step != told {
                (limit, deadline) = (LOGIN, Instant::now() + LOGIN);
                told.clone_from(&step);
                step.into_iter().for_each(&mut tell);
            }
            match timeout_at(deadline, state.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(TunnelError::Node("this command's tailnet node ended".to_owned())),
                Err(_) => return Err(TunnelError::NotJoined { state: name(&state.borrow()), after: limit }),
            }
        }
    }

    /// Ends the node within bounds. One that is not kept leaves the tailnet first.
    pub async fn close(self) {
        if self.brief.is_some() {
            // A node that goes without a word is forgotten a while later all the same.
            let _ = timeout(LOGOUT, self.node.logout()).await;
        }
        // Bounded by the node itself.
        let _ = self.node.close().await;
    }
}

const fn name(state: &State) -> &'static str {
    match state {
        State::Starting => "the control server has not answered",
        State::NeedsLogin { .. } => "nobody has logged it in",
        State::NeedsApproval => "nobody has approved it",
        State::Running(_) => "it runs",
        State::Stopped { .. } => "it has stopped",
    }
}

/// Where the nodes of commands are kept, below the state folder.
#[must_use]
pub fn node_folder(state_dir: &Path) -> PathBuf {
    state_dir.join("remote-node")
}

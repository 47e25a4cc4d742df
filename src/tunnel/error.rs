//! Why a road cannot be had, by what the person can do about it.

use std::io;
use std::time::Duration;

use crate::tailnet;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    #[error("there is no program `ssh` on this machine")]
    NoSsh,
    /// Somebody else answers at that address, or the machine was set up anew.
    #[error("the SSH host key of {target} is not the known one; nothing was sent{}", place(known_in.as_deref()))]
    HostKeyChanged { target: String, known_in: Option<String> },
    #[error("the SSH host key of {target} is not known on this machine")]
    HostKeyUnknown { target: String },
    #[error("{target} did not accept this user's SSH login: {said}")]
    LoginRefused { target: String, said: String },
    #[error("no SSH server answers at {target}: {said}")]
    Unreachable { target: String, said: String },
    /// The machine's policy.
    #[error("{target} does not let this user forward ports")]
    ForwardRefused { target: String },
    #[error("SSH reaches {target}, but no gateway answers there on 127.0.0.1:{port}: {said}")]
    NoGateway { target: String, port: u16, said: String },
    #[error("ssh to {target} ended: {said}")]
    Ended { target: String, said: String },
    #[error("no SSH tunnel to {target} within {} s", after.as_secs())]
    Late { target: String, after: Duration },
    #[error("the tunnel's own end on this machine cannot be made: {0}")]
    Local(String),
    #[error("{0}")]
    Node(String),
    #[error("this command's tailnet node was not let in: {0}")]
    NotLetIn(String),
    #[error("this command's tailnet node has not joined within {} s: {state}", after.as_secs())]
    NotJoined { state: &'static str, after: Duration },
}

fn place(known_in: Option<&str>) -> String {
    known_in.map_or(String::new(), |place| format!(" (known in {place})"))
}

impl TunnelError {
    pub(super) fn local(error: &io::Error) -> Self {
        Self::Local(error.to_string())
    }

    /// One sentence that says what to do.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let sentence = match self {
            Self::NoSsh => {
                "install OpenSSH's client, or use gateway.remote.transport \"direct\" or \"tailnet\"".to_owned()
            }
            Self::HostKeyChanged { target, .. } => format!(
                "if {target} was set up anew, compare its key and remove the old one with `ssh-keygen -R`; if not, \
                 somebody is in between"
            ),
            Self::HostKeyUnknown { target } => format!(
                "connect once with `ssh {target}` and compare the key, or set gateway.remote.sshHostKeyPolicy to \
                 \"openssh\" to go by ssh's own configuration"
            ),
            Self::LoginRefused { target, .. } => format!(
                "try `ssh {target}`; a key that is not ssh's own choice is named with --ssh-identity or \
                 gateway.remote.sshIdentity"
            ),
            Self::Unreachable { target, .. } => format!("check the name and the network with `ssh {target}`"),
            Self::ForwardRefused { .. } => {
                "allow it there with AllowTcpForwarding (sshd_config) or permitopen (authorized_keys)".to_owned()
            }
            Self::NoGateway { .. } => {
                "start the gateway there, or name its port with --port or gateway.remote.remotePort".to_owned()
            }
            Self::Ended { target, .. } => format!("see what `ssh {target}` says"),
            Self::Late { .. } => "check the network, or allow more with --timeout".to_owned(),
            Self::Node(_) | Self::Local(_) => return None,
            Self::NotLetIn(_) => {
                "give it another key with gateway.remote.tailnet.authKey or TS_AUTHKEY, or none to log in by a link"
                    .to_owned()
            }
            Self::NotJoined { .. } => "check the control server, or allow more with --timeout".to_owned(),
        };
        Some(sentence)
    }

    /// Whether no gateway was reached at all, as opposed to being refused on the way.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoGateway { .. }
                | Self::Ended { .. }
                | Self::Late { .. }
                | Self::NotJoined { .. }
        )
    }

    /// Whether the same again may work in a moment.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Ended { .. } | Self::Late { .. })
    }
}

impl From<tailnet::Error> for TunnelError {
    fn from(error: tailnet::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::Node(text)
    }
}

//! What a device asks for at the handshake, and what it can be told.

use super::setup::SetupDelivery;
use crate::net::Peer;
use crate::protocol::handshake::ClientInfo;
use crate::protocol::{Role, Scope};
use crate::secret::Secret;
use crate::store::{self, SetupRecord};

/// A device that proved its key, asking for a role.
#[derive(Debug)]
pub struct Request<'a> {
    pub device_id: &'a str,
    pub public_key: &'a str,
    pub client: &'a ClientInfo,
    pub role: Role,
    pub scopes: &'a [Scope],
    pub peer: &'a Peer,
    pub page: Page<'a>,
    pub proof: Proof<'a>,
    /// Whether the peer is a tailnet identity that may have the role: its word is an approval.
    pub is_vouched_for: bool,
}

/// The web page that a request came from, if it came from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page<'a> {
    None,
    /// A UI of ours.
    Own,
    /// Anything else, an extension for instance. It is never approved silently.
    Foreign(&'a str),
}

/// How the caller was let in.
#[derive(Debug)]
pub enum Proof<'a> {
    /// `gateway.auth.mode` is `none`.
    Nothing,
    SharedSecret(&'a Secret<String>),
    /// As it was shown: should it have been replaced a moment ago, its holder is not handed the new one.
    DeviceToken(&'a Secret<String>),
    SetupCode(&'a SetupRecord),
    /// Somebody else's word: the tailnet's, or a trusted proxy's.
    Identity,
}

/// Let in, with the tokens to come back with.
#[derive(Debug)]
pub struct Paired {
    /// Of the role that was asked for.
    pub token: Handed,
    /// Of the others that a setup code gave.
    pub others: Vec<Handed>,
    /// Of the setup code that let it in.
    pub delivery: Option<SetupDelivery>,
}

#[derive(Debug)]
pub struct Handed {
    pub token: Secret<String>,
    pub role: Role,
    pub scopes: Vec<Scope>,
    pub issued_at: u64,
}

/// Not let in.
#[derive(Debug)]
pub enum Denied {
    Required(Box<Required>),
    /// Too many others wait.
    Full,
    /// The token was replaced or revoked since it was judged.
    TokenEnded,
    Store(store::Error),
}

/// What has to be approved, as the client is told.
#[derive(Debug)]
pub struct Required {
    pub reason: Reason,
    pub request_id: String,
    pub approved_roles: Vec<Role>,
    pub approved_scopes: Vec<Scope>,
    /// Whether the client should ask again by itself.
    pub polls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    NotPaired,
    RoleUpgrade,
    ScopeUpgrade,
    MetadataUpgrade,
}

/// Where a device token comes from.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub peer: &'a Peer,
    /// The gateway's, as it is now.
    pub secret: Option<&'a Secret<String>>,
    /// As [`Request::is_vouched_for`].
    pub is_vouched_for: bool,
}

/// What a device token turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenVerdict {
    Fits,
    /// Right, but for less than is asked for.
    TooNarrow,
    /// Right, but issued on another tailnet node.
    OtherNode,
    /// Right, but of a device that nobody approved: a tailnet identity vouched for it, which has not the rights any more.
    Unvouched,
    /// Not the token of this device and role, or no longer.
    Wrong,
}

impl Reason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotPaired => "not-paired",
            Self::RoleUpgrade => "role-upgrade",
            Self::ScopeUpgrade => "scope-upgrade",
            Self::MetadataUpgrade => "metadata-upgrade",
        }
    }

    /// After `pairing required: `.
    #[must_use]
    pub const fn requirement(self) -> &'static str {
        match self {
            Self::NotPaired => "device is not approved yet",
            Self::RoleUpgrade => "device is asking for a higher role than currently approved",
            Self::ScopeUpgrade => "device is asking for more scopes than currently approved",
            Self::MetadataUpgrade => "device identity changed and must be re-approved",
        }
    }

    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NotPaired => "Approve this device from the pending pairing requests.",
            Self::RoleUpgrade => "Review the requested role upgrade, then approve the pending request.",
            Self::ScopeUpgrade => "Review the requested scopes, then approve the pending upgrade.",
            Self::MetadataUpgrade => "Review the refreshed device details, then approve the pending request.",
        }
    }
}

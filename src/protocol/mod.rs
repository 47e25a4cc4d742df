//! The wire types of OpenClaw's Gateway protocol 4, and nothing else: no I/O, no state, no policy.
//!
//! `frame`, `handshake`, `access`, `error` and `event` are the envelope; then one file a family of methods. A method is
//! a type that implements [`Method`]; its handler lives in `rpc/<family>.rs` under the same name. Unknown fields are
//! accepted everywhere (newer clients send more), types and sizes are not negotiable.

pub mod access;
pub mod agents;
pub mod approvals;
pub mod board;
mod bounds;
pub mod catalog;
pub mod channels;
pub mod chat;
pub mod commands;
pub mod config;
pub mod cron;
pub mod devices;
mod encoded;
pub mod error;
pub mod event;
pub mod frame;
pub mod handshake;
pub mod logs;
pub mod models;
pub mod nodes;
pub mod presence;
mod problem;
pub mod projects;
pub mod sessions;
pub mod skills;
pub mod system;
pub mod tailnet;
pub mod talk;
pub mod tasks;
pub mod tools;
pub mod users;
pub mod voicewake;
pub mod wake;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use access::{Access, Role, Scope};
pub use encoded::Encoded;
pub use error::{ErrorCode, ErrorShape};
pub use event::Event;

/// The version that this gateway speaks.
pub const PROTOCOL_VERSION: u32 = 4;
/// The oldest version that a probe or a node may offer.
pub const MINIMUM_PROBE_VERSION: u32 = 3;
/// Largest frame before authentication, in bytes.
pub const MAX_FRAME_BEFORE_AUTH: usize = 64 * 1024;
/// Largest frame after authentication, in bytes.
pub const MAX_PAYLOAD: usize = 25 * 1024 * 1024;
/// What may wait for one slow client, in bytes.
pub const MAX_BUFFERED: usize = 50 * 1024 * 1024;
/// Largest file that may come with a message, in bytes: what fits into a frame in base64, with room for the rest.
pub const MAX_ATTACHMENT: usize = 19_464_192;
/// Largest picture, in bytes.
pub const MAX_IMAGE: usize = 6_291_456;
/// The interval of the `tick` event, in milliseconds.
pub const TICK_INTERVAL_MS: u64 = 30_000;
/// How long a reply stays known by its idempotency key, in milliseconds.
pub const DEDUPE_TTL_MS: u64 = 300_000;

/// A method of the protocol: its name, who may call it, what it takes and what it answers.
pub trait Method {
    const NAME: &'static str;
    const ACCESS: Access;
    /// Whether its answer may wait for something to happen, rather than for work of ours.
    const WAITS: bool = false;
    /// Whether it changes how the gateway itself runs: such calls are counted a client (protocol §1, "control-plane
    /// writes").
    const CONTROL_PLANE_WRITE: bool = false;
    /// Absent params are read as `{}`.
    type Params: DeserializeOwned + JsonSchema + Send;
    type Reply: Serialize + JsonSchema + Send;
}

/// Declares a method type in one line a fact; `control_plane_write` at the end is [`Method::CONTROL_PLANE_WRITE`].
macro_rules! method {
    ($(#[$doc:meta])* $type:ident = $name:literal, $access:expr, $params:ty => $reply:ty, control_plane_write) => {
        $crate::protocol::method!(@ $(#[$doc])* $type = $name, $access, $params => $reply, true);
    };
    ($(#[$doc:meta])* $type:ident = $name:literal, $access:expr, $params:ty => $reply:ty) => {
        $crate::protocol::method!(@ $(#[$doc])* $type = $name, $access, $params => $reply, false);
    };
    (@ $(#[$doc:meta])* $type:ident = $name:literal, $access:expr, $params:ty => $reply:ty, $control_plane:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $type;

        impl $crate::protocol::Method for $type {
            const NAME: &'static str = $name;
            const ACCESS: $crate::protocol::Access = $access;
            const CONTROL_PLANE_WRITE: bool = $control_plane;
            type Params = $params;
            type Reply = $reply;
        }
    };
}
pub(crate) use method;

/// Lists the methods of a family, for [`catalog::methods`].
macro_rules! methods {
    [$($type:ident),* $(,)?] => {
        pub(super) const METHODS: &[$crate::protocol::catalog::Facts] =
            &[$($crate::protocol::catalog::Facts::of::<$type>()),*];
    };
}
pub(crate) use methods;

/// Params of a method that takes none. Whatever is sent is ignored, as long as it is an object.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, schemars::JsonSchema)]
pub struct NoParams {}

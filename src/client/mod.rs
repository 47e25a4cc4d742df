//! A client of a gateway: one WebSocket, requests and events on it, and plain HTTP GET beside it.
//!
//! [`Client`] is owned by one task at a time and spawns none: it reads while a call waits, and keeps the events that
//! come in between. A [`Route`] says how its bytes get there. What a person has to do about an error is in [`ClientError::advice`]. Where a gateway is and with
//! which secret is the caller's business (`cli`, later `node_host`); what the frames mean is `protocol`'s.

mod connection;
mod device;
mod error;
mod handshake;
mod http;
mod plaintext;
mod route;
mod scopes;
mod tls;
mod url;

pub use connection::{Client, Event};
pub use device::Device;
pub use error::{ClientError, Refusal};
pub use handshake::{Credentials, Hello, Target};
pub use http::{Answer, fetch};
pub use plaintext::VOUCHED_VARIABLE;
pub use route::{Dialler, PlainNames, Route};
pub use scopes::scopes_for;
pub use tls::{Trust, shown_certificate};
pub use url::GatewayUrl;

use std::time::Duration;

/// For the whole way from the first packet to `hello-ok`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one answer, unless the caller knows better.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

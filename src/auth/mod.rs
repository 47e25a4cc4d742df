//! The one decision about who is calling: peer + credentials -> [`Caller`].
//!
//! [`Gatekeeper::admit`] decides it for a WebSocket, [`Gatekeeper::whoami`] tells any HTTP caller what the same rules
//! make of them. Nothing can be dispatched without a `Caller`, and there is no other way to make one. What a header
//! says never counts as identity; the transport's word ([`crate::net::Peer`]) does. (`proxy` is the one exception, and
//! only where the configuration asks for it.)

mod caller;
mod case;
mod credentials;
mod device;
mod gatekeeper;
mod guess;
mod http;
mod kind;
mod origin;
mod pairing;
mod people;
mod proxy;
mod reason;
mod refusal;
mod rights;
mod roles;
mod roster;
mod settings;
mod tailnet;
mod throttle;
mod whoami;

pub use caller::{AuthMethod, Caller, Ending, Judged, OWNER};
pub use case::Attempt;
pub use gatekeeper::{Admission, Gatekeeper, OwnNames};
pub use http::{HttpAttempt, HttpRefusal, Program};
pub use people::{IdentityScopes, NamesNobody, Who};
pub use proxy::Vouched;
pub use refusal::Refusal;
pub use rights::{Agents, Rule};
pub use roles::{Held, OperatorRole, Others, Roles};
pub use roster::Roster;
pub use settings::{
    DEFAULT_CAPABILITY, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_UNAUTHENTICATED, Mode, RateLimit, Require, Settings,
    TrustedProxy,
};
pub use whoami::WhoAmI;

//! Serve and Funnel by this machine's tailscaled: our routes in its configuration, and the back end behind them.
//!
//! `claim` puts the routes there and holds them; `routes` is what they look like; `backend` takes the daemon's
//! connections, and `door` finds out for each request who made it. An embedded node needs none of this: its listeners
//! yield the caller with the connection.

mod backend;
mod claim;
mod door;
mod routes;

pub use backend::Backend;
pub use claim::{Claim, ServeState};
pub use door::{Door, Turned};

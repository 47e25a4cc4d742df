//! TLS: the certificate that the gateway shows, the handshake that shows it, and the fingerprint by which clients know
//! it again.
//!
//! What lives here: reading certificates from files or from text, making one for whoever has none, replacing it while
//! connections go on, and the server's side of the handshake. What does not: who is calling (a certificate of ours tells
//! clients about us, never us about them), and which listener speaks TLS (`app`).

mod accept;
mod carrier;
mod certificates;
mod error;
mod files;
mod fingerprint;
mod pair;
mod self_signed;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use accept::{Refused, accept};
pub use carrier::Carrier;
pub use certificates::Certificates;
pub use error::Error;
pub use files::{Files, Settings};
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use pair::Pair;
pub use self_signed::Subject;

/// The cryptography of every TLS connection of this program, ours and those of the model providers' client alike.
/// Handed over where it is used: a default of the process could be set by any crate before us.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

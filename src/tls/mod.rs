//! TLS: the certificate that the gateway shows, and the fingerprint by which clients know it again.
//!
//! What lives here: fingerprints. What does not: who is calling (a certificate of ours tells clients about us, never us
//! about them).

mod fingerprint;

pub use fingerprint::{Fingerprint, NotAFingerprint};

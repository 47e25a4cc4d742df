//! The certificate that is shown now.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::{Pair, provider};
use crate::live::Live;

/// The only protocol that is spoken within.
const HTTP_1: &[u8] = b"http/1.1";

/// One certificate, replaced as a whole: handshakes from then on show the new one, connections that stand go on. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct Certificates {
    shown: Arc<Live<Pair>>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Shown(Arc<Live<Pair>>);

impl ResolvesServerCert for Shown {
    /// The same whatever name is asked for: pinned clients come by any, and a name that does not fit is the client's to
    /// refuse.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.get().key))
    }
}

impl Certificates {
    /// # Panics
    /// If the cryptography of this build knew no TLS 1.3.
    #[must_use]
    pub fn new(pair: Pair) -> Self {
        let shown = Arc::new(Live::new(pair));
        // TLS 1.3 alone, as OpenClaw has it.
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider knows TLS 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shown(Arc::clone(&shown))));
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        // A resumed session shows no certificate, so it would outlive one that was replaced because it had to go.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Self { shown, config: Arc::new(config) }
    }

    /// What is shown now.
    #[must_use]
    pub fn shown(&self) -> Arc<Pair> {
        self.shown.get()
    }

    pub fn replace(&self, pair: Pair) {
        self.shown.set(pair);
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

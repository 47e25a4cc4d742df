//! TLS towards a gateway: the system's authorities, or one certificate and no other.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::route::{Io, Route};
use super::{ClientError, GatewayUrl};
use crate::net::Stream;
use crate::tls::{Fingerprint, provider};

/// Which certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those that an authority of the system has given to the name of the address.
    System,
    /// This one. Who signed it, for whom and until when is not looked at: whoever has its key is the gateway.
    Pinned {
        fingerprint: Fingerprint,
        /// What the person wrote it into, for the message when another one is shown.
        kept_in: String,
    },
}

/// The fingerprint of the certificate that is shown there, whoever shows it. Nothing is sent but the handshake.
///
/// # Errors
/// [`ClientError::Unreachable`], [`ClientError::Silent`], [`ClientError::NotAGateway`] where no TLS is spoken.
pub async fn shown_certificate(route: &Route, timeout: std::time::Duration) -> Result<Fingerprint, ClientError> {
    let deadline = Instant::now() + timeout;
    let look = async {
        let stream = route.dial(deadline).await?;
        let seen = Seen::default();
        handshake(stream, &route.url, Judge::Anyone, &seen).await?;
        seen.get().copied().ok_or_else(|| strange(&route.url, "it showed no certificate".to_owned()))
    };
    tokio::time::timeout_at(deadline, look)
        .await
        .map_err(|_| ClientError::Silent { url: route.url.to_string(), after: timeout })?
}

pub(super) async fn wrap(stream: Stream, url: &GatewayUrl, trust: &Trust) -> Result<Io, ClientError> {
    let judge = match trust {
        Trust::System => {
            let system = rustls_platform_verifier::Verifier::new(provider());
            Judge::System(Arc::new(system.map_err(|error| untrusted(url, error.to_string(), None))?))
        }
        Trust::Pinned { fingerprint, .. } => Judge::Only(*fingerprint),
    };
    let seen = Seen::default();
    match (handshake(stream, url, judge, &seen).await, trust, seen.get()) {
        (Ok(stream), ..) => Ok(stream),
        (Err(_), Trust::Pinned { fingerprint, kept_in }, Some(seen)) if seen != fingerprint => {
            Err(ClientError::WrongCertificate {
                url: url.to_string(),
                pinned: *fingerprint,
                kept_in: kept_in.clone(),
                shown: *seen,
            })
        }
        (Err(ClientError::Untrusted { url, problem, .. }), _, seen) => {
            Err(ClientError::Untrusted { url, problem, shown: seen.copied() })
        }
        (Err(error), ..) => Err(error),
    }
}

type Seen = Arc<OnceLock<Fingerprint>>;

async fn handshake(stream: Stream, url: &GatewayUrl, judge: Judge, seen: &Seen) -> Result<Io, ClientError> {
    let name = ServerName::try_from(url.host().to_owned()).map_err(|_| ClientError::Url {
        url: url.to_string(),
        problem: "its host is no name that a certificate could be for".to_owned(),
    })?;
    let verifier = Verifier { judge, seen: Arc::clone(seen), provider: provider() };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| strange(url, error.to_string()))?;
    let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    // A proxy in front may prefer HTTP/2, on which no WebSocket is opened like this.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(match error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(problem)) => untrusted(url, problem.to_string(), None),
            Some(Error::InvalidMessage(_)) => strange(url, "it does not speak TLS".to_owned()),
            Some(cause) => strange(url, format!("TLS: {cause}")),
            None => strange(url, format!("TLS: {error}")),
        }),
    }
}

fn strange(url: &GatewayUrl, problem: String) -> ClientError {
    ClientError::NotAGateway { url: url.to_string(), problem }
}

fn untrusted(url: &GatewayUrl, problem: String, shown: Option<Fingerprint>) -> ClientError {
    ClientError::Untrusted { url: url.to_string(), problem, shown }
}

/// Keeps what was shown, and lets the judge decide. That the other side has the certificate's key is proven by its
/// signature, which is verified in any case.
#[derive(Debug)]
struct Verifier {
    judge: Judge,
    seen: Seen,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Judge {
    System(Arc<rustls_platform_verifier::Verifier>),
    Only(Fingerprint),
    /// To see what is shown; nothing is said on such a connection.
    Anyone,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of_der(end_entity);
        // The first handshake of a connection is the only one.
        let _ = self.seen.set(shown);
        match &self.judge {
            Judge::System(system) => {
                system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            Judge::Only(pinned) if *pinned != shown => Err(Error::General("another certificate is pinned".to_owned())),
            Judge::Only(_) | Judge::Anyone => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

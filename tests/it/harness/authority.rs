//! A certificate authority of the tests, and TLS clients that trust nobody else.

use super::client::Io;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData};
use rustls::RootCertStore;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// SHA-256 of the public keys that were certified, in base64: what Chromium can be told to trust.
    pins: Mutex<Vec<String>>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "tailclaw tests");
        let key = KeyPair::generate().expect("a key is made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a root is made");
        Authority { issuer, pins: Mutex::default() }
    }

    /// PEM texts: the certificate of a server under these names, and its key.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().expect("a key is made");
        let params = CertificateParams::new(names).expect("names of hosts");
        self.pins.lock().unwrap().push(STANDARD.encode(Sha256::digest(key.subject_public_key_info())));
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate is made");
        (certificate.pem(), key.serialize_pem())
    }

    /// The same for a time that has passed.
    pub fn issue_expired(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().expect("a key is made");
        let mut params = CertificateParams::new(names).expect("names of hosts");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate is made");
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes `FOLDER/HOST.crt` and `.key`, as a Tailscale node keeps its certificates.
    pub fn certify(&self, folder: &Path, host: &str) {
        std::fs::create_dir_all(folder).expect("the folder is made");
        let (certificate, key) = self.issue(&[host]);
        std::fs::write(folder.join(format!("{host}.crt")), certificate).expect("the certificate is written");
        std::fs::write(folder.join(format!("{host}.key")), key).expect("the key is written");
    }

    /// Writes the root's certificate for programs that read it from a file.
    pub fn write_root(&self, folder: &Path) -> PathBuf {
        let path = folder.join("root.pem");
        std::fs::write(&path, self.issuer.pem()).expect("the root is written");
        path
    }

    pub fn pins(&self) -> String {
        self.pins.lock().unwrap().join(",")
    }

    /// For a client that trusts nobody else.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root of ours");
        roots
    }
}

/// A TLS session with `host` over any stream.
pub async fn tls(stream: Box<dyn Io>, host: &str, roots: RootCertStore) -> std::io::Result<TlsStream<Box<dyn Io>>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows today's TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).expect("the name of a host");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A TLS session by a client that takes any certificate, and the one that it was shown, in DER.
pub async fn any_tls(stream: Box<dyn Io>) -> std::io::Result<(TlsStream<Box<dyn Io>>, Vec<u8>)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider knows today's TLS")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("the name of a host");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).expect("a certificate is shown");
    let shown = shown.to_vec();
    Ok((stream, shown))
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("the gateway speaks TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

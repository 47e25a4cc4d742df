//! A certificate authority of the tests, and TLS clients that trust nobody else.

use super::client::Io;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "tailclaw tests");
        let key = KeyPair::generate().expect("a key is made");
        Authority { issuer: CertifiedIssuer::self_signed(params, key).expect("a root is made") }
    }

    /// PEM texts: the certificate of a server under these names, and its key.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().expect("a key is made");
        let params = CertificateParams::new(names).expect("names of hosts");
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

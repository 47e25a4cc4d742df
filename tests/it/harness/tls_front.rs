//! A TLS server in front of a gateway, as a proxy at the edge of somebody's network: it shows a certificate, and keeps
//! what the first bytes of each connection say.

use super::Authority;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub struct TlsFront {
    pub port: u16,
    acceptor: Arc<Mutex<TlsAcceptor>>,
    fingerprint: Mutex<String>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TlsFront {
    pub async fn start(authority: &Authority, names: &[&str], to: u16) -> TlsFront {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let port = listener.local_addr().expect("a bound socket").port();
        let (acceptor, fingerprint) = certified(authority, names);
        let acceptor = Arc::new(Mutex::new(acceptor));
        let requests = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, Arc::clone(&acceptor), Arc::clone(&requests), to));
        TlsFront { port, acceptor, fingerprint: Mutex::new(fingerprint), requests }
    }

    /// Another certificate from now on.
    pub fn change_certificate(&self, authority: &Authority, names: &[&str]) {
        let (acceptor, fingerprint) = certified(authority, names);
        *self.acceptor.lock().unwrap() = acceptor;
        *self.fingerprint.lock().unwrap() = fingerprint;
    }

    /// SHA-256 of its certificate, in small hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.lock().unwrap().clone()
    }

    /// The beginnings of what was said to it since the last time.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

async fn serve(listener: TcpListener, acceptor: Arc<Mutex<TlsAcceptor>>, requests: Arc<Mutex<Vec<String>>>, to: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.lock().unwrap().clone();
        let requests = Arc::clone(&requests);
        tokio::spawn(async move {
            let Ok(mut near) = acceptor.accept(stream).await else { return };
            let mut first = vec![0_u8; 16 * 1024];
            let Ok(length @ 1..) = near.read(&mut first).await else { return };
            requests.lock().unwrap().push(String::from_utf8_lossy(&first[..length]).into_owned());
            let Ok(mut far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
            if far.write_all(&first[..length]).await.is_ok() {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

fn certified(authority: &Authority, names: &[&str]) -> (TlsAcceptor, String) {
    let (certificate, key) = authority.issue(names);
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate of ours");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key of ours");
    let fingerprint = Sha256::digest(&certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows today's TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("key and certificate belong together");
    (TlsAcceptor::from(Arc::new(config)), fingerprint)
}

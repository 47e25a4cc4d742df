//! A real certificate authority by ACME on loopback: pebble, with a DNS server that the control server fills.

use super::authority::Authority;
use super::client::Io;
use super::process::{Process, free_port, guarded};
use super::{eventually, http, seconds, tls, tools};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;
use std::path::Path;
use tokio::net::TcpStream;

pub struct Pebble {
    /// Ended with it.
    _processes: [Process; 2],
    management: u16,
    front: Authority,
    /// Where records are put into its DNS.
    pub dns: String,
    /// For a node that is to get its certificates here.
    pub environment: Vec<(String, String)>,
}

impl Pebble {
    pub async fn start(folder: &Path) -> Pebble {
        std::fs::create_dir_all(folder).expect("a folder of ours");
        let [port, management, dns_port, dns_management] = std::array::from_fn(|_| free_port());
        let front = Authority::new();
        let (certificate, key) = front.issue(&["127.0.0.1", "localhost"]);
        let path = |name: &str| folder.join(name).to_str().expect("a path of text").to_owned();
        std::fs::write(path("front.pem"), certificate).expect("the certificate is written");
        std::fs::write(path("front.key"), key).expect("the key is written");
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("front.pem"), "privateKey": path("front.key"),
            "httpPort": 1, "tlsPort": 1, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        } });
        std::fs::write(path("pebble.json"), config.to_string()).expect("the configuration is written");

        let mut names = guarded(tools().challenge_server());
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]);
        names.args(["-dns01", &format!("127.0.0.1:{dns_port}"), "-management", &format!("127.0.0.1:{dns_management}")]);
        let names = Process::spawn("pebble-challtestsrv", names, &folder.join("dns.log")).quiet();
        let mut pebble = guarded(tools().pebble());
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        pebble.args(["-config", &path("pebble.json"), "-dnsserver", &format!("127.0.0.1:{dns_port}")]);
        let pebble = Process::spawn("pebble", pebble, &folder.join("pebble.log")).quiet();

        let root = front.write_root(folder);
        let environment = vec![
            ("TS_DEBUG_ACME_DIRECTORY_URL".to_owned(), format!("https://127.0.0.1:{port}/dir")),
            ("SSL_CERT_FILE".to_owned(), root.to_str().expect("a path of text").to_owned()),
        ];
        let dns = format!("http://127.0.0.1:{dns_management}");
        let pebble = Pebble { _processes: [names, pebble], management, front, dns, environment };
        eventually("pebble answers", seconds(20), || pebble.root_text()).await;
        pebble
    }

    /// Who signs here.
    pub async fn roots(&self) -> RootCertStore {
        let text = self.root_text().await.expect("pebble gives its root");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(text.as_bytes()).expect("a certificate")).expect("a root");
        roots
    }

    async fn root_text(&self) -> Result<String, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.management)).await.map_err(|error| error.to_string())?;
        let stream = tls(Box::new(stream), "localhost", self.front.roots()).await.map_err(|error| error.to_string())?;
        let stream: Box<dyn Io> = Box::new(stream);
        http::request(stream, "GET", "localhost", "/roots/0", &[]).await.map(|answer| answer.body)
    }
}

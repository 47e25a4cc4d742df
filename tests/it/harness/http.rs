//! Plain HTTP over any stream, so that the same request can be made on loopback, on a LAN and through the tailnet.

use super::client::Io;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::net::TcpStream;

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// Names in lower case; values of a repeated header joined by `, `.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}; the answer was {self:?}"))
    }

    /// Whether the gateway serves: it is ready, or speaks TLS only and says so.
    pub fn is_served(&self) -> bool {
        self.status == 200 || (self.status == 400 && self.body.contains("speaks TLS only"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// `GET base + path`, for instance `get("http://127.0.0.1:18789", "/whoami")`.
pub async fn get(base: &str, path: &str) -> Result<Response, String> {
    let host = base.trim_start_matches("http://");
    let stream = TcpStream::connect(host).await.map_err(|error| format!("{host}: {error}"))?;
    request(Box::new(stream), "GET", host, path, &[]).await
}

pub async fn request(
    stream: Box<dyn Io>,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response, String> {
    send(stream, method, host, path, headers, "").await
}

/// The same with a body.
pub async fn send(
    stream: Box<dyn Io>,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    let exchange = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let mut request = http::Request::builder().method(method).uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request =
            request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let mut all = BTreeMap::<String, String>::new();
        for (name, value) in answer.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            all.entry(name.as_str().to_owned())
                .and_modify(|known| *known = format!("{known}, {value}"))
                .or_insert(value);
        }
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        connection.abort();
        Ok(Response { status, headers: all, body: String::from_utf8_lossy(&body).into_owned() })
    };
    tokio::time::timeout(Duration::from_secs(20), exchange)
        .await
        .unwrap_or_else(|_| Err(format!("{method} {path}: no answer in 20 s")))
}

//! HTTP GET of the gateway's small JSON answers: `/healthz`, `/readyz`, `/whoami`.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{ClientError, Credentials, GatewayUrl};

/// Larger than anything that is asked for.
const MAX_BODY: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// `null` where the body was no JSON.
    pub body: Value,
}

/// # Errors
/// [`ClientError::Unreachable`], [`ClientError::Silent`], or [`ClientError::NotAGateway`] for an answer that breaks
/// off or is no HTTP.
pub async fn fetch(
    url: &GatewayUrl,
    path: &str,
    credentials: &Credentials,
    timeout: Duration,
) -> Result<Answer, ClientError> {
    match tokio::time::timeout(timeout, exchange(url, path, credentials)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ClientError::Silent { url: url.to_string(), after: timeout }),
    }
}

async fn exchange(url: &GatewayUrl, path: &str, credentials: &Credentials) -> Result<Answer, ClientError> {
    let strange = |problem: String| ClientError::NotAGateway { url: url.to_string(), problem };
    let stream = TcpStream::connect((url.host(), url.port()))
        .await
        .map_err(|cause| ClientError::Unreachable { url: url.to_string(), cause })?;
    let mut request = hyper::Request::get(path)
        .header(hyper::header::HOST, url.authority())
        .header(hyper::header::CONNECTION, "close");
    if let Some(secret) = credentials.token.as_ref().or(credentials.password.as_ref()) {
        request = request.header(hyper::header::AUTHORIZATION, format!("Bearer {}", secret.expose()));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| strange(error.to_string()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| strange(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| strange(error.to_string()))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let bytes = body.map_err(|error| strange(error.to_string()))?.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    };
    tokio::pin!(answer);
    // The connection has to be driven while the answer is read; it may end first.
    tokio::select! {
        biased;
        outcome = &mut answer => outcome,
        _ = connection => answer.await,
    }
}

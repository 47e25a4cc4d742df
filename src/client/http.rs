//! HTTP GET of the gateway's small JSON answers: `/healthz`, `/readyz`, `/whoami`.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::Instant;

use super::{ClientError, Credentials, Route};

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
    route: &Route,
    path: &str,
    credentials: &Credentials,
    timeout: Duration,
) -> Result<Answer, ClientError> {
    let deadline = Instant::now() + timeout;
    match tokio::time::timeout_at(deadline, exchange(route, path, credentials, deadline)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ClientError::Silent { url: route.url.to_string(), after: timeout }),
    }
}

async fn exchange(
    route: &Route,
    path: &str,
    credentials: &Credentials,
    deadline: Instant,
) -> Result<Answer, ClientError> {
    let strange = |problem: String| ClientError::NotAGateway { url: route.url.to_string(), problem };
    let stream = route.open(deadline).await?;
    let mut request = hyper::Request::get(path)
        .header(hyper::header::HOST, route.url.authority())
        .header(hyper::header::CONNECTION, "close");
    if let Some(secret) = credentials.token.as_ref().or(credentials.password.as_ref()) {
        request = request.header(hyper::header::AUTHORIZATION, format!("Bearer {}", secret.expose()));
    }
    let mut request = request.body(Empty::<Bytes>::new()).map_err(|error| strange(error.to_string()))?;
    request.headers_mut().extend(route.headers.iter().cloned());
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

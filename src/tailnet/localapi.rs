//! The node's LocalAPI: HTTP/1.1 over a stream that the node hands out.
//!
//! Where the stream comes from is the [`Dial`] type's business, so that a host's tailscaled can be asked in the same
//! way over its socket.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, HOST, HeaderName, HeaderValue, IF_MATCH};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::Error;

/// For a question that the node answers from memory.
pub(super) const SHORT: Duration = Duration::from_secs(10);

const HOST_NAME: HeaderValue = HeaderValue::from_static("local-tailscaled.sock");
/// A status without peers is a few KiB, a certificate chain too; of peers there can be thousands, a KiB each.
const ANSWER_BYTES: usize = 32 << 20;

type Sender = SendRequest<Full<Bytes>>;
type Cause = Box<dyn std::error::Error + Send + Sync>;

pub(super) trait Dial: Send + Sync + 'static {
    fn dial(&self) -> impl Future<Output = io::Result<UnixStream>> + Send;
}

#[derive(Debug, Clone)]
pub(super) struct LocalApi<D>(Arc<Shared<D>>);

#[derive(Debug)]
struct Shared<D> {
    dial: D,
    /// A connection that waits for its next request. A second request at the same time opens one more, and the last
    /// one back stays.
    idle: Mutex<Option<Sender>>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// Which version of a thing this is, where it has versions.
    pub(super) etag: Option<HeaderValue>,
}

/// A question without a body has an empty one.
struct Question<'a> {
    method: Method,
    path: &'a str,
    body: Bytes,
    header: Option<(HeaderName, HeaderValue)>,
}

impl<D: Dial> LocalApi<D> {
    pub(super) fn new(dial: D) -> Self {
        Self(Arc::new(Shared { dial, idle: Mutex::new(None) }))
    }

    /// Asks and wants 200 with JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.ask(Method::GET, path, SHORT).await?.wanted(Method::GET, path)?;
        serde_json::from_slice(&answer.body).map_err(|error| unreachable(&Method::GET, path, error.into()))
    }

    /// Asks, and gives whatever the answer is.
    pub(super) async fn ask(&self, method: Method, path: &str, limit: Duration) -> Result<Answer, Error> {
        self.put(Question { method, path, body: Bytes::new(), header: None }, limit).await
    }

    /// Replaces a thing that has versions, if it still is the one that the answer with this `etag` gave.
    pub(super) async fn replace(&self, path: &str, body: Vec<u8>, etag: Option<HeaderValue>) -> Result<Answer, Error> {
        let header = etag.map(|etag| (IF_MATCH, etag));
        self.put(Question { method: Method::POST, path, body: body.into(), header }, SHORT).await
    }

    /// Sends a JSON document, and wants a success.
    #[cfg(feature = "tailnet")]
    pub(super) async fn send(&self, method: Method, path: &str, document: &serde_json::Value) -> Result<Answer, Error> {
        let body = document.to_string().into();
        let header = Some((http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        self.put(Question { method: method.clone(), path, body, header }, SHORT).await?.wanted(method, path)
    }

    async fn put(&self, question: Question<'_>, limit: Duration) -> Result<Answer, Error> {
        match tokio::time::timeout(limit, self.exchange(&question)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(cause)) => Err(unreachable(&question.method, question.path, cause)),
            Err(_) => Err(Error::TimedOut { request: describe(&question.method, question.path), limit }),
        }
    }

    /// The body of an endless answer, on a connection of its own.
    pub(super) async fn stream(&self, path: &str) -> Result<Incoming, Error> {
        let open = async {
            let mut sender = self.connect().await?;
            Ok::<_, Cause>(
                sender
                    .send_request(Question { method: Method::GET, path, body: Bytes::new(), header: None }.request()?)
                    .await?,
            )
        };
        let response = tokio::time::timeout(SHORT, open)
            .await
            .map_err(|_| Error::TimedOut { request: describe(&Method::GET, path), limit: SHORT })?
            .map_err(|cause| unreachable(&Method::GET, path, cause))?;
        if response.status() == StatusCode::OK {
            Ok(response.into_body())
        } else {
            Err(refused(&Method::GET, path, response.status(), &[]))
        }
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<Answer, Cause> {
        let mut sender = self.sender().await?;
        let response = sender.send_request(question.request()?).await?;
        let (status, etag) = (response.status(), response.headers().get(ETAG).cloned());
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await?.to_bytes();
        *self.idle() = Some(sender);
        Ok(Answer { status, body, etag })
    }

    /// The waiting connection, unless it broke meanwhile.
    async fn sender(&self) -> Result<Sender, Cause> {
        let waiting = self.idle().take();
        if let Some(mut sender) = waiting
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<Sender, Cause> {
        let stream = self.0.dial.dial().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the sender is dropped, or the node closes the stream.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "tailnet", %error, "a LocalAPI connection ended");
            }
        });
        Ok(sender)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Sender>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    /// An answer that is not a success becomes an error.
    pub(super) fn wanted(self, method: Method, path: &str) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(refused(&method, path, self.status, &self.body)) }
    }
}

impl Question<'_> {
    fn request(&self) -> http::Result<Request<Full<Bytes>>> {
        let mut request =
            Request::builder().method(&self.method).uri(format!("/localapi/v0/{}", self.path)).header(HOST, HOST_NAME);
        if let Some((name, value)) = &self.header {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone()))
    }
}

fn refused(method: &Method, path: &str, status: StatusCode, body: &[u8]) -> Error {
    let message = String::from_utf8_lossy(body.get(..512).unwrap_or(body)).trim().to_owned();
    Error::Answer { request: describe(method, path), status: status.as_u16(), message }
}

fn unreachable(method: &Method, path: &str, source: Cause) -> Error {
    Error::Unreachable { request: describe(method, path), source }
}

/// Without the query.
fn describe(method: &Method, path: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{method} {path}")
}

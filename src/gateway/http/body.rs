//! Reading a JSON body: bounded in bytes and in time, and only after the caller may send one.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::answer;

/// For the whole body, however it trickles.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why a body cannot be used. Each family of routes has its own envelope for it.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyFault {
    #[error("Payload too large")]
    TooLarge,
    #[error("Request body timeout")]
    TimedOut,
    /// The parser's own words: they name a place, never content.
    #[error("{0}")]
    NotJson(String),
    #[error("the request broke off")]
    Broken,
}

impl BodyFault {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::NotJson(_) | Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// OpenAI's envelope. A body that was not read to its end would be taken for the next request.
impl IntoResponse for BodyFault {
    fn into_response(self) -> Response {
        let response = answer::error(self.status(), "invalid_request_error", &self.to_string());
        ([(header::CONNECTION, "close")], response).into_response()
    }
}

/// Whatever the `Content-Type` says, as in OpenClaw: the bearer token, which no page can know, is what keeps foreign
/// pages out. No body at all is an empty object.
pub(super) async fn read_json(body: Body, most_bytes: usize) -> Result<Value, BodyFault> {
    read_within(body, most_bytes, DEADLINE).await
}

async fn read_within(body: Body, most_bytes: usize, deadline: Duration) -> Result<Value, BodyFault> {
    let collected = tokio::time::timeout(deadline, Limited::new(body, most_bytes).collect()).await;
    let bytes = match collected {
        Err(_) => return Err(BodyFault::TimedOut),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(BodyFault::TooLarge),
        Ok(Err(_)) => return Err(BodyFault::Broken),
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    if bytes.trim_ascii().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(&bytes).map_err(|error| BodyFault::NotJson(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(read_json(Body::from("{\"a\":1}"), 7).await.unwrap()["a"], 1);
        assert!(matches!(read_json(Body::from("{\"a\":1} "), 7).await, Err(BodyFault::TooLarge)));
        assert_eq!(read_json(Body::empty(), 7).await.unwrap(), serde_json::json!({}));
        assert!(matches!(read_json(Body::from("{"), 7).await, Err(BodyFault::NotJson(_))));
        let deep = "[".repeat(100_000);
        assert!(matches!(read_json(Body::from(deep), 200_000).await, Err(BodyFault::NotJson(_))));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        assert!(matches!(read_within(body, 7, Duration::ZERO).await, Err(BodyFault::TimedOut)));
    }
}

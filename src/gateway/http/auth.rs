//! Who may use the routes that are not everybody's.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::{answer, body, text};
use crate::auth::{HttpAttempt, HttpRefusal};
use crate::gateway::Gateway;
use crate::net::Peer;

/// The shared secret as `Authorization: Bearer`, or the answer to give instead.
pub(super) async fn require_secret(gateway: &Gateway, peer: &Peer, headers: &HeaderMap) -> Result<(), Response> {
    gateway.gatekeeper.admit_program(attempt(peer, headers)).await.map_err(refusal)
}

/// The JSON that a program sends, read only when its secret is right; or the answer to give instead.
pub(super) async fn program_body(
    gateway: &Gateway,
    peer: &Peer,
    headers: &HeaderMap,
    body: Body,
    most_bytes: usize,
) -> Result<Value, Response> {
    require_secret(gateway, peer, headers).await?;
    body::read_json(body, most_bytes).await.map_err(IntoResponse::into_response)
}

/// What a page reads: the shared secret, a device's token or a verified tailnet identity.
pub(super) async fn require_reader(gateway: &Gateway, peer: &Peer, headers: &HeaderMap) -> Result<(), Response> {
    gateway.gatekeeper.admit_reader(attempt(peer, headers)).await.map_err(refusal)
}

fn attempt<'a>(peer: &'a Peer, headers: &'a HeaderMap) -> HttpAttempt<'a> {
    HttpAttempt {
        peer,
        bearer: bearer(headers),
        origin: text(headers, header::ORIGIN),
        host: text(headers, header::HOST),
    }
}

/// The scheme's case does not matter (RFC 9110 §11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, header::AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

pub(super) fn refusal(refusal: HttpRefusal) -> Response {
    match refusal {
        HttpRefusal::Unauthorized => answer::error(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
        HttpRefusal::LockedOut(left) => {
            let message = "Too many failed authentication attempts. Please try again later.";
            let seconds = left.as_millis().div_ceil(1_000).to_string();
            let answer = answer::error(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
            ([(header::RETRY_AFTER, seconds)], answer).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_one_word_after_its_scheme() {
        let bearer_of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, http::HeaderValue::from_static(value))]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(bearer_of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(bearer_of("bearer  abc ").as_deref(), Some("abc"));
        for none in ["abc", "Bearer", "Bearer ", "Basic abc"] {
            assert_eq!(bearer_of(none), None, "{none}");
        }
    }
}

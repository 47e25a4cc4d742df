//! Who may use the routes that are not everybody's.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::{answer, body, text};
use crate::auth::{HttpAttempt, HttpRefusal, Program, Vouched};
use crate::gateway::Gateway;
use crate::net::Peer;
use crate::protocol::Scope;

/// The shared secret as `Authorization: Bearer`, or a trusted proxy's user whom `x-openclaw-scopes` leaves `wanted`; or
/// the answer to give instead.
pub(super) async fn require_program(
    gateway: &Gateway,
    peer: &Peer,
    headers: &HeaderMap,
    wanted: Scope,
) -> Result<Program, Response> {
    let vouched = gateway.gatekeeper.vouched(peer, headers);
    gateway.gatekeeper.admit_program(attempt(peer, headers, &vouched), wanted).await.map_err(refusal)
}

/// The JSON that a program sends to have something done, read only when it may; or the answer to give instead.
pub(super) async fn program_body(
    gateway: &Gateway,
    peer: &Peer,
    headers: &HeaderMap,
    body: Body,
    most_bytes: usize,
) -> Result<Value, Response> {
    require_program(gateway, peer, headers, Scope::Write).await?;
    body::read_json(body, most_bytes).await.map_err(IntoResponse::into_response)
}

/// What a page reads: the shared secret, a device's token or a verified tailnet identity.
pub(super) async fn require_reader(gateway: &Gateway, peer: &Peer, headers: &HeaderMap) -> Result<(), Response> {
    let vouched = gateway.gatekeeper.vouched(peer, headers);
    gateway.gatekeeper.admit_reader(attempt(peer, headers, &vouched)).await.map_err(refusal)
}

fn attempt<'a>(peer: &'a Peer, headers: &'a HeaderMap, vouched: &'a Vouched) -> HttpAttempt<'a> {
    HttpAttempt {
        peer,
        bearer: bearer(headers),
        origin: text(headers, header::ORIGIN),
        host: text(headers, header::HOST),
        vouched,
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
        HttpRefusal::MissingScope(scope) => missing_scope(scope),
        HttpRefusal::OperatorRole(role) => {
            let message = format!("your operator role \"{role}\" does not reach this route; use the WebSocket");
            answer::error(StatusCode::FORBIDDEN, "forbidden", &message)
        }
        HttpRefusal::LockedOut(left) => {
            let message = "Too many failed authentication attempts. Please try again later.";
            let seconds = left.as_millis().div_ceil(1_000).to_string();
            let answer = answer::error(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
            ([(header::RETRY_AFTER, seconds)], answer).into_response()
        }
    }
}

/// Somebody known who may not do this.
pub(super) fn missing_scope(scope: Scope) -> Response {
    let error = json!({
        "type": "forbidden",
        "message": format!("missing scope: {scope}"),
        "details": { "code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope] },
    });
    (StatusCode::FORBIDDEN, Json(json!({ "ok": false, "error": error }))).into_response()
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

    #[test]
    fn fuzz_authorization() {
        crate::fuzz::fuzz(&[b"Bearer abc", b"bearer  a b ", b"Basic eDp5", b"Bearer\tx"], |bytes| {
            let Ok(value) = http::HeaderValue::from_bytes(bytes) else { return };
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            assert!(bearer(&headers).is_none_or(|token| !token.is_empty() && token == token.trim()));
        });
    }
}

//! Makes a key of one's own by Tailscale's API: one use, tagged, and over soon.
//!
//! Two requests: the client's secret for a token, the token for a key. All three are secrets; none is logged or kept.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, header, redirect};
use serde_json::{Value, json};

use super::OAuthClient;
use crate::secret::Secret;

/// For each of the two requests.
const LIMIT: Duration = Duration::from_secs(20);
/// The key is used at once.
const KEY_SECONDS: u32 = 300;
/// Answers are below a kilobyte.
const ANSWER_BYTES: usize = 64 << 10;
/// No server is waited for longer than this, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// What kind of key is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wish<'a> {
    pub(super) tags: &'a [String],
    pub(super) ephemeral: bool,
    /// For the list of keys in the admin console.
    pub(super) hostname: &'a str,
}

/// Why there is no key. The text says what a person can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It will not be better without somebody's help.
    #[error("{0}")]
    Refused(String),
    /// `wait`: as long as the server asked for.
    #[error("{problem}; it is tried again")]
    Temporary { problem: String, wait: Option<Duration> },
}

pub(super) async fn mint(oauth: &OAuthClient, wish: &Wish<'_>) -> Result<Secret<String>, Error> {
    let client = Client::builder()
        // The secret goes to the one address that was configured.
        .redirect(redirect::Policy::none())
        .timeout(LIMIT)
        .user_agent(concat!("tailclaw/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Error::Refused(format!("no HTTPS client can be made: {error}")))?;
    let token = token(&client, oauth).await?;
    key(&client, oauth, wish, &token).await
}

async fn token(client: &Client, oauth: &OAuthClient) -> Result<Secret<String>, Error> {
    let secret = oauth.secret.expose();
    let form = [("grant_type", "client_credentials"), ("client_id", client_id(oauth)), ("client_secret", secret)];
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let request = client
        .post(format!("{}/api/v2/oauth/token", oauth.api_url))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.join("&"));
    let response = request.send().await.map_err(|error| unreachable(oauth, &error))?;
    match response.status() {
        StatusCode::OK => text_of(response, oauth, "access_token").await,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::Refused(format!(
            "{} does not take the OAuth client secret ({}): make a client with the scope auth_keys in the admin console, \
             and put its secret into gateway.tailscale.clientSecret",
            oauth.api_url,
            told(response).await
        ))),
        _ => Err(other(oauth, response).await),
    }
}

async fn key(
    client: &Client,
    oauth: &OAuthClient,
    wish: &Wish<'_>,
    token: &Secret<String>,
) -> Result<Secret<String>, Error> {
    let document = json!({
        "capabilities": { "devices": { "create": {
            "reusable": false,
            "ephemeral": wish.ephemeral,
            "preauthorized": oauth.preauthorized,
            "tags": wish.tags,
        } } },
        "expirySeconds": KEY_SECONDS,
        "description": description(wish.hostname),
    });
    let request = client
        .post(format!("{}/api/v2/tailnet/-/keys", oauth.api_url))
        .bearer_auth(token.expose())
        .header(header::CONTENT_TYPE, "application/json")
        .body(document.to_string());
    let response = request.send().await.map_err(|error| unreachable(oauth, &error))?;
    match response.status() {
        StatusCode::OK | StatusCode::CREATED => text_of(response, oauth, "key").await,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(refused(wish.tags, &told(response).await))
        }
        _ => Err(other(oauth, response).await),
    }
}

/// By what the server says, the tags are not the client's, or it lacks the scope.
fn refused(tags: &[String], told: &str) -> Error {
    let tags = tags.join(", ");
    Error::Refused(if told.to_ascii_lowercase().contains("tag") {
        format!(
            "the OAuth client may not make keys for {tags} ({told}): give the client these tags in the admin console, or a \
             tag that owns them in the policy's tagOwners"
        )
    } else {
        format!(
            "the OAuth client may not make keys ({told}): it needs the scope auth_keys (write) with {tags}; set both in \
             the admin console"
        )
    })
}

async fn other(oauth: &OAuthClient, response: Response) -> Error {
    let status = response.status();
    let wait = retry_after(&response);
    let told = told(response).await;
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        let problem = format!("{} answers {told} and makes no key for this node", oauth.api_url);
        return Error::Temporary { problem, wait };
    }
    Error::Refused(format!(
        "{} is no API of Tailscale ({told}): mend gateway.tailscale.apiUrl, or leave it out",
        oauth.api_url
    ))
}

/// In seconds; the other form, a date, is not used by Tailscale.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// Without the address, in which nothing secret stands but which says nothing new either.
fn unreachable(oauth: &OAuthClient, error: &reqwest::Error) -> Error {
    let cause = if error.is_timeout() {
        format!("no answer within {} s", LIMIT.as_secs())
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke off".to_owned()
    };
    Error::Temporary { problem: format!("{} makes no key for this node: {cause}", oauth.api_url), wait: None }
}

async fn text_of(response: Response, oauth: &OAuthClient, field: &str) -> Result<Secret<String>, Error> {
    let body = body(response).await;
    let document: Option<Value> = serde_json::from_slice(&body).ok();
    let text = document.as_ref().and_then(|document| document.get(field)).and_then(Value::as_str);
    match text.filter(|text| !text.is_empty()) {
        Some(text) => Ok(Secret::new(text.to_owned())),
        None => Err(Error::Refused(format!(
            "{} answers without {field}: mend gateway.tailscale.apiUrl, or leave it out",
            oauth.api_url
        ))),
    }
}

/// The status, and the server's own sentence where it gives one. Cut, because it goes to the log and to people.
async fn told(response: Response) -> String {
    let status = response.status().as_u16();
    let body = body(response).await;
    let document: Option<Value> = serde_json::from_slice(&body).ok();
    let message = document.as_ref().and_then(|document| document.get("message")).and_then(Value::as_str);
    match message.filter(|message| !message.is_empty()) {
        Some(message) => {
            let message: String = message.chars().filter(|letter| !letter.is_control()).take(200).collect();
            format!("{status}: {message}")
        }
        None => status.to_string(),
    }
}

/// As much of it as is ever read.
async fn body(mut response: Response) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        all.extend_from_slice(&chunk);
        if all.len() > ANSWER_BYTES {
            return Vec::new();
        }
    }
    all
}

/// As Tailscale's own programs do, which name it only because the standard wants a name.
fn client_id(oauth: &OAuthClient) -> &str {
    oauth.id.as_deref().unwrap_or("tailclaw")
}

/// At most 50 letters, digits, hyphens and spaces.
fn description(hostname: &str) -> String {
    let text: String = format!("tailclaw {hostname}").chars().take(50).collect();
    text.replace(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'), " ")
}

fn percent_encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_tag_or_the_scope() {
        let tags = ["tag:gateway".to_owned()];
        let Error::Refused(text) = refused(&tags, "400: requested tags [tag:gateway] are invalid or not permitted")
        else {
            panic!("not refused")
        };
        assert!(text.contains("for tag:gateway") && text.contains("tagOwners"), "{text}");
        let Error::Refused(text) = refused(&tags, "403: calling actor does not have enough permissions") else {
            panic!("not refused")
        };
        assert!(text.contains("scope auth_keys") && text.contains("tag:gateway"), "{text}");
    }

    #[test]
    fn what_is_sent_is_in_order() {
        assert_eq!(percent_encoded("tskey-client-a b+c/é"), "tskey-client-a%20b%2Bc%2F%C3%A9");
        assert_eq!(description("gw_1"), "tailclaw gw 1");
        assert!(description(&"x".repeat(90)).len() <= 50);
    }
}

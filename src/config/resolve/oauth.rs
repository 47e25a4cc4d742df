//! `gateway.tailscale.client*`: the OAuth client by which the gateway makes itself a key.

use super::super::layers::Layers;
use super::super::raw::Tailscale;
use super::named;
use super::tailnet::from_file;
use crate::protocol::config::Issue;
use crate::secret::Secret;
use crate::tailnet::{API_URL, OAuthClient};

const SECRET: &str = "gateway.tailscale.clientSecret";
const AUTH_KEY: &str = "gateway.tailscale.authKey";
/// How the secret of an OAuth client begins, wherever it is given.
const PREFIX: &str = "tskey-client-";

/// The client stands under its own key, or in place of an auth key, as Tailscale's programs take it.
pub(super) fn resolve(
    tailscale: &Tailscale,
    auth_key: Option<&Secret<String>>,
    is_wanted: bool,
    layers: &Layers,
    issues: &mut Vec<Issue>,
) -> Option<OAuthClient> {
    let in_place_of_a_key = auth_key.filter(|key| key.expose().starts_with(PREFIX)).cloned();
    let key = if in_place_of_a_key.is_some() { AUTH_KEY } else { SECRET };
    let secret = match (in_place_of_a_key, &tailscale.client_secret) {
        (None, None) => {
            refuse_what_is_lost(tailscale, layers, issues);
            return None;
        }
        (Some(_), Some(_)) => {
            let fix = "keep one of the two";
            issues.push(named(
                layers,
                SECRET,
                format!("stands beside an authKey that is a client's secret, too: {fix}"),
            ));
            return None;
        }
        (None, Some(_)) if auth_key.is_some() => {
            let fix = "remove gateway.tailscale.authKey, or the client";
            issues.push(named(
                layers,
                SECRET,
                format!("stands beside an auth key, and only one of them can count: {fix}"),
            ));
            return None;
        }
        (None, Some(secret)) => from_file(SECRET, secret, is_wanted, layers, issues)?,
        (Some(secret), None) => secret,
    };
    if is_wanted && tailscale.tags.is_empty() {
        let fix = "set gateway.tailscale.tags to a tag that the client may give, as in [\"tag:tailclaw\"]";
        issues.push(named(layers, key, format!("an OAuth client makes keys for tags alone: {fix}")));
    }
    let mut client = OAuthClient {
        id: tailscale.client_id.clone(),
        secret,
        api_url: tailscale.api_url.clone().unwrap_or_else(|| API_URL.to_owned()),
        preauthorized: true,
    };
    if let Err(problem) = take_attributes(&mut client) {
        issues.push(named(layers, key, problem));
    }
    check_address(&mut client, layers, issues);
    Some(client)
}

fn refuse_what_is_lost(tailscale: &Tailscale, layers: &Layers, issues: &mut Vec<Issue>) {
    let lost = [("gateway.tailscale.clientId", &tailscale.client_id), ("gateway.tailscale.apiUrl", &tailscale.api_url)];
    for (key, value) in lost {
        if value.is_some() {
            issues.push(named(layers, key, format!("says nothing without a client: set {SECRET}, or remove it")));
        }
    }
}

/// Tailscale's programs take what else there is to say behind a question mark:
/// `tskey-client-…?preauthorized=true&baseURL=…`.
fn take_attributes(client: &mut OAuthClient) -> Result<(), String> {
    let text = client.secret.expose().clone();
    let Some((secret, attributes)) = text.split_once('?') else { return Ok(()) };
    for attribute in attributes.split('&').filter(|attribute| !attribute.is_empty()) {
        match attribute.split_once('=').unwrap_or((attribute, "")) {
            ("preauthorized", "true") => client.preauthorized = true,
            ("preauthorized", "false") => client.preauthorized = false,
            ("baseURL", url) => url.clone_into(&mut client.api_url),
            ("ephemeral", _) => {
                return Err("\"ephemeral\" has a key of its own: set gateway.tailscale.ephemeral".to_owned());
            }
            (name, _) => {
                return Err(format!(
                    "the attribute {name:?} is unknown or wrong: there are preauthorized=false and baseURL"
                ));
            }
        }
    }
    client.secret = Secret::new(secret.to_owned());
    Ok(())
}

/// The secret must not go over a network in the clear.
fn check_address(client: &mut OAuthClient, layers: &Layers, issues: &mut Vec<Issue>) {
    let url = client.api_url.trim_end_matches('/').to_owned();
    let is_safe = url.parse::<::http::Uri>().is_ok_and(|uri| match uri.scheme_str() {
        Some("https") => uri.host().is_some_and(|host| !host.is_empty()),
        Some("http") => uri.host().is_some_and(|host| matches!(host, "127.0.0.1" | "[::1]" | "localhost")),
        _ => false,
    });
    if !is_safe {
        let fix = "write it as in \"https://api.tailscale.com\": the client's secret goes there";
        issues.push(named(layers, "gateway.tailscale.apiUrl", format!("is no https address: {fix}")));
    }
    client.api_url = url;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(secret: &str) -> OAuthClient {
        OAuthClient {
            id: None,
            secret: Secret::new(secret.to_owned()),
            api_url: API_URL.to_owned(),
            preauthorized: true,
        }
    }

    #[test]
    fn what_stands_behind_a_question_mark_counts() {
        let mut plain = client("tskey-client-a");
        take_attributes(&mut plain).unwrap();
        assert_eq!(plain, client("tskey-client-a"));
        let mut told = client("tskey-client-a?preauthorized=false&baseURL=https://api.example.com");
        take_attributes(&mut told).unwrap();
        assert_eq!((told.secret.expose().as_str(), told.preauthorized), ("tskey-client-a", false));
        assert_eq!(told.api_url, "https://api.example.com");
        for wrong in ["?ephemeral=true", "?preauthorized=maybe", "?reusable=true", "?x"] {
            let text = take_attributes(&mut client(&format!("tskey-client-a{wrong}"))).unwrap_err();
            assert!(!text.contains("tskey"), "{text}");
        }
    }
}

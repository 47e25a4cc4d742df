//! What the running gateway says of itself and of its tailnet.

use std::time::Duration;

use serde_json::{Value, json};

use super::check::{Check, fail, ok, warn};
use crate::cli::connect::ConnectArgs;
use crate::cli::context::Context;
use crate::cli::report::{At, text};
use crate::client::{ClientError, fetch};
use crate::clock::now_ms;
use crate::config::Draft;
use crate::tailnet::Offer;

/// What could be learnt from it.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Something that speaks the protocol answers at the address.
    pub(super) is_gateway: bool,
    url: String,
    version: String,
    problem: Option<(String, Option<String>)>,
    health: Value,
    tailnet: Value,
    whoami: Value,
}

pub(super) async fn ask(connect: &ConnectArgs, context: &Context, timeout: Duration) -> Answers {
    let mut answers = Answers::default();
    let destination = match connect.destination(context, timeout).await {
        Ok(destination) => destination,
        Err(error) => {
            answers.problem = Some((format!("{error:#}"), None));
            return answers;
        }
    };
    answers.url = destination.route.url.to_string();
    if let Ok(reply) = fetch(&destination.route, "/whoami", &destination.credentials, timeout).await {
        answers.whoami = reply.body;
    }
    let outcome: Result<(), ClientError> = async {
        let mut client = destination.connect(&["health", "tailnet.status"]).await?;
        answers.is_gateway = true;
        client.hello().server.version.clone_into(&mut answers.version);
        answers.health = client.call_raw("health", json!({}), timeout).await?;
        // Another gateway of the same protocol does not have it.
        answers.tailnet = client.call_raw("tailnet.status", json!({}), timeout).await.unwrap_or_default();
        client.close().await;
        Ok(())
    }
    .await;
    if let Err(error) = outcome {
        answers.is_gateway |= !error.is_unreachable();
        answers.problem = Some((error.to_string(), error.advice()));
    }
    answers
}

pub(super) fn checks(answers: &Answers, draft: &Draft) -> Vec<Check> {
    let mut checks = vec![gateway(answers)];
    let node = if answers.tailnet.at("tailnet").is_object() {
        answers.tailnet.at("tailnet")
    } else {
        answers.health.at("tailnet")
    };
    if !node.is_object() {
        checks.push(not_asked(answers, draft));
        return checks;
    }
    checks.push(state(node));
    checks.extend(key(node));
    checks.extend(clock(node));
    checks.extend(warnings(node));
    checks.extend(certificate(node));
    checks.extend(serve(node));
    checks.extend(public(node, &answers.tailnet, draft));
    checks.extend(lacks(&answers.tailnet));
    checks
}

fn gateway(answers: &Answers) -> Check {
    const ID: &str = "gateway";
    match &answers.problem {
        Some((problem, advice)) if !answers.is_gateway => {
            warn(ID, problem.clone(), advice.clone().unwrap_or_else(|| "tailclaw gateway".to_owned()))
        }
        Some((problem, advice)) => {
            fail(ID, problem.clone(), advice.clone().unwrap_or_else(|| "look at tailclaw logs".to_owned()))
        }
        None if answers.version != crate::VERSION && answers.whoami.is_object() => {
            let what =
                format!("{} answers with version {}, and this is {}", answers.url, answers.version, crate::VERSION);
            warn(ID, what, "start the gateway anew after an update: tailclaw gateway --force")
        }
        None => ok(ID, format!("{} answers, version {}", answers.url, answers.version)),
    }
}

/// Nobody says how the node is.
fn not_asked(answers: &Answers, draft: &Draft) -> Check {
    const ID: &str = "tailnet";
    let Some(settings) = &draft.tailnet else {
        return match &draft.host {
            Some(_) => ok(ID, "by this machine's tailscaled, once the gateway runs"),
            None => ok(ID, "off; tailclaw up joins one"),
        };
    };
    let has_login = settings.state_dir.join("tailscaled.state").exists();
    let can_join = settings.auth_key.is_some() || settings.oauth.is_some();
    match (answers.is_gateway, has_login, can_join) {
        (true, ..) => warn(ID, "the gateway does not say how its node is", "tailclaw gateway --force"),
        (false, true, _) => ok(ID, format!("{} has joined before; the gateway is down", settings.hostname)),
        (false, false, true) => {
            ok(ID, format!("{} joins with the configured key at the first start", settings.hostname))
        }
        (false, false, false) => warn(ID, format!("{} has not joined yet", settings.hostname), "tailclaw up"),
    }
}

fn state(node: &Value) -> Check {
    const ID: &str = "tailnet";
    let name = text(node.at("name"));
    match node.at("state").as_str().unwrap_or_default() {
        "Running" => ok(ID, format!("joined as {name}")),
        "NeedsLogin" => match node.at("loginUrl").as_str() {
            Some(url) => fail(ID, "not logged in", format!("open {url}")),
            None => fail(ID, "not logged in", "tailclaw login"),
        },
        "NeedsMachineAuth" => {
            fail(ID, "logged in, but not approved", "approve the device in the tailnet's admin console, under Machines")
        }
        "Starting" => warn(ID, "still joining", "tailclaw status"),
        _ => fail(ID, format!("stopped: {}", text(node.at("reason"))), "tailclaw login, or tailclaw gateway --force"),
    }
}

fn key(node: &Value) -> Option<Check> {
    const ID: &str = "key-expiry";
    const FIX: &str = "tailclaw login";
    let end = node.at("keyExpiry").as_str();
    Some(match (node.at("keyExpiryNotice").as_str(), end) {
        (Some("expired"), Some(end)) => fail(ID, format!("the login ended at {end}"), FIX),
        (Some("1d" | "3d"), Some(end)) => fail(ID, format!("the login ends at {end}"), FIX),
        (Some(_), Some(end)) => warn(ID, format!("the login ends at {end}"), FIX),
        (None, Some(end)) => ok(ID, format!("the login is good until {end}")),
        (_, None) if node.at("state") == "Running" => ok(ID, "the login has no end"),
        (_, None) => return None,
    })
}

fn clock(node: &Value) -> Option<Check> {
    const ID: &str = "clock";
    if node.at("state") != "Running" {
        return None;
    }
    Some(match node.at("clockOffsetMs").as_i64() {
        Some(offset) => {
            let direction = if offset > 0 { "behind" } else { "ahead of" };
            let what = format!("{} s {direction} the control server's", offset.abs() / 1_000);
            warn(ID, what, "sudo timedatectl set-ntp true")
        }
        None => ok(ID, "not far from the control server's"),
    })
}

/// The node's own words. Those on the key and the clock have checks of their own.
fn warnings(node: &Value) -> Vec<Check> {
    let own =
        |warning: &&str| !warning.contains("the login of the tailnet node") && !warning.contains("machine's clock");
    let warnings = node.at("warnings").as_array().into_iter().flatten().filter_map(Value::as_str);
    warnings.filter(own).map(|warning| warn("tailnet-health", warning, "see what it names")).collect()
}

fn serve(node: &Value) -> Option<Check> {
    const ID: &str = "serve";
    let serve = Some(node.at("serve")).filter(|serve| serve.is_object())?;
    Some(match (serve.at("problem").as_str(), serve.at("url").as_str()) {
        (Some(problem), _) => fail(ID, problem, "tailclaw logs shows what happened"),
        (None, Some(url)) => ok(ID, format!("{url} leads here")),
        (None, None) => warn(ID, "not offered yet", "tailclaw status"),
    })
}

/// Of the listener on 443. It is renewed by itself, a month before its end: less than that says that this fails.
fn certificate(node: &Value) -> Option<Check> {
    const ID: &str = "certificate";
    const DAY_MS: u64 = 86_400_000;
    let https = Some(node.at("https")).filter(|https| https.is_object())?;
    if let Some(problem) = https.at("problem").as_str() {
        return Some(warn(ID, problem, "tailclaw logs shows what happened"));
    }
    let (url, end) = (text(https.at("url")), https.at("expiresAtMs").as_u64()?);
    Some(match end.saturating_sub(now_ms()) / DAY_MS {
        0 => fail(
            ID,
            format!("{url} has one that has ended, or ends today"),
            "tailclaw logs shows why it is not renewed",
        ),
        days @ 1..=7 => {
            warn(ID, format!("that of {url} ends in {days} days"), "tailclaw logs shows why it is not renewed")
        }
        days => ok(ID, format!("that of {url} is good for {days} days, and renewed by itself")),
    })
}

/// What the internet is offered.
fn public(node: &Value, tailnet: &Value, draft: &Draft) -> Option<Check> {
    const ID: &str = "public";
    let is_funnel = draft.exposure.offer == Offer::Everyone;
    if !is_funnel && draft.exposure.public.is_none() {
        return None;
    }
    let lack = tailnet.at("lacks").as_array().into_iter().flatten().find(|lack| lack.at("what") == "funnel");
    if let Some(lack) = lack {
        return Some(fail(ID, "the tailnet does not let this gateway publish anything", text(lack.at("fix"))));
    }
    let url = node.at(if is_funnel { "serve.url" } else { "serve.publicUrl" });
    Some(match url.as_str() {
        Some(url) if is_funnel => ok(ID, format!("{url} is open to the internet, behind the password")),
        Some(url) => ok(ID, format!("{url} shows the internet its public paths and nothing else")),
        None => warn(ID, "not offered yet", "tailclaw status"),
    })
}

/// Only what is used is missed loudly: the others are told with what they would be good for.
fn lacks(tailnet: &Value) -> Vec<Check> {
    if tailnet.at("tailnet.state") != "Running" {
        return Vec::new();
    }
    let lacks: Vec<&Value> = tailnet.at("lacks").as_array().into_iter().flatten().collect();
    let lack = |what: &str| lacks.iter().find(|lack| lack.at("what") == what).map(|lack| text(lack.at("fix")));
    [
        ("magic-dns", "names of the tailnet are resolved"),
        ("https", "the tailnet gives this gateway a certificate"),
        ("funnel", "the policy lets this gateway publish by Funnel"),
        ("grant", "the policy grants rights on this gateway, or logins are enough"),
    ]
    .into_iter()
    .filter_map(|(id, good)| match lack(id) {
        // Most gateways never publish anything.
        Some(_) if id == "funnel" => None,
        Some(fix) => Some(warn(id, "missing", fix)),
        None => Some(ok(id, good)),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Verdict;

    #[test]
    fn each_state_has_its_fix() {
        let of = |document: Value| state(&document);
        assert_eq!(of(json!({"state": "Running", "name": "a.b"})).what, "joined as a.b");
        let waiting = of(json!({"state": "NeedsLogin", "loginUrl": "https://x/1"}));
        assert_eq!((waiting.status, waiting.fix.as_deref()), (Verdict::Fail, Some("open https://x/1")));
        assert!(of(json!({"state": "NeedsMachineAuth"})).fix.unwrap().contains("approve"));
        assert!(of(json!({"state": "Stopped", "reason": "locked"})).what.contains("locked"));
    }

    #[test]
    fn a_certificate_is_weighed_by_its_days() {
        let of = |days: u64| {
            let end = now_ms() + days * 86_400_000 + 60_000;
            certificate(&json!({"https": {"url": "https://a.b/", "expiresAtMs": end}})).unwrap().status
        };
        assert_eq!([of(0), of(3), of(60)], [Verdict::Fail, Verdict::Warn, Verdict::Ok]);
        let without = certificate(&json!({"https": {"problem": "no"}})).unwrap();
        assert_eq!((without.status, without.what.as_str()), (Verdict::Warn, "no"));
        assert!(certificate(&json!({})).is_none());
    }

    #[test]
    fn a_key_is_weighed_by_its_notice() {
        let of = |notice: Value| {
            key(&json!({"state": "Running", "keyExpiry": "2026-12-01T00:00:00Z", "keyExpiryNotice": notice}))
        };
        assert_eq!(of(Value::Null).unwrap().status, Verdict::Ok);
        assert_eq!(of(json!("14d")).unwrap().status, Verdict::Warn);
        assert_eq!(of(json!("1d")).unwrap().status, Verdict::Fail);
        assert_eq!(of(json!("expired")).unwrap().fix.as_deref(), Some("tailclaw login"));
        assert_eq!(key(&json!({"state": "Running"})).unwrap().status, Verdict::Ok);
        assert!(key(&json!({"state": "Starting"})).is_none());
    }
}

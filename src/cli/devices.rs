//! `tailclaw devices …`: who is known, who waits, and what is decided about them.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{AskArgs, show};
use super::context::Context;
use super::output::{plain, print, print_json};
use super::report::{self, At, ago, joined};
use crate::protocol::Scope;

#[derive(Debug, Args)]
pub(super) struct DevicesArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List pending and paired devices
    List(AskArgs),
    /// Approve a pending device pairing request
    Approve {
        /// Pending request id
        #[arg(value_name = "REQUEST_ID")]
        request_id: Option<String>,
        /// Show the most recent pending request to approve explicitly
        #[arg(long)]
        latest: bool,
        #[command(flatten)]
        call: AskArgs,
    },
    /// Reject a pending device pairing request
    Reject {
        /// Pending request id
        #[arg(value_name = "REQUEST_ID")]
        request_id: String,
        #[command(flatten)]
        call: AskArgs,
    },
    /// Remove a paired device entry
    Remove {
        /// Paired device id
        #[arg(value_name = "DEVICE_ID")]
        device_id: String,
        #[command(flatten)]
        call: AskArgs,
    },
    /// Assign an operator label to a paired device
    Rename {
        /// Device id
        #[arg(long, value_name = "ID")]
        device: String,
        /// Operator-assigned label (max 64 characters)
        #[arg(long, value_name = "LABEL")]
        name: String,
        #[command(flatten)]
        call: AskArgs,
    },
    /// Rotate a device token for a role
    Rotate {
        /// Device id
        #[arg(long, value_name = "ID")]
        device: String,
        /// Role name
        #[arg(long)]
        role: String,
        /// Scopes to attach to the token (repeatable)
        #[arg(long, num_args = 1.., conflicts_with = "no_scopes")]
        scope: Vec<String>,
        /// Rotate with an empty scope set
        #[arg(long)]
        no_scopes: bool,
        #[command(flatten)]
        call: AskArgs,
    },
    /// Revoke a device token for a role
    Revoke {
        /// Device id
        #[arg(long, value_name = "ID")]
        device: String,
        /// Role name
        #[arg(long)]
        role: String,
        #[command(flatten)]
        call: AskArgs,
    },
}

pub(super) async fn main(args: DevicesArgs, context: &Context) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::List(call) => {
            let list = call.gateway(context).await?.call("device.pair.list", json!({})).await?;
            show(context, &list, || lists(&list))
        }
        Verb::Approve { request_id, latest, call } => approve(request_id.filter(|_| !latest), &call, context).await,
        Verb::Reject { request_id, call } => {
            let reply =
                call.gateway(context).await?.call("device.pair.reject", json!({ "requestId": request_id })).await?;
            show(context, &reply, || format!("Rejected {}", report::text(reply.at("deviceId"))))
        }
        Verb::Remove { device_id, call } => {
            let reply =
                call.gateway(context).await?.call("device.pair.remove", json!({ "deviceId": device_id })).await?;
            show(context, &reply, || format!("Removed {}", report::text(reply.at("deviceId"))))
        }
        Verb::Rename { device, name, call } => {
            let params = json!({ "deviceId": device, "label": name });
            let reply = call.gateway(context).await?.call("device.pair.rename", params).await?;
            let (id, label) = (report::text(reply.at("deviceId")), report::text(reply.at("label")));
            show(context, &reply, || format!("Renamed {id} → {label}"))
        }
        Verb::Rotate { device, role, scope, no_scopes, call } => {
            let mut params = json!({ "deviceId": device, "role": role });
            if no_scopes || !scope.is_empty() {
                report::put(&mut params, "scopes", scope.clone());
            }
            manage("device.token.rotate", &role, params, &scope, &call, context).await
        }
        Verb::Revoke { device, role, call } => {
            let params = json!({ "deviceId": device, "role": role });
            manage("device.token.revoke", &role, params, &[], &call, context).await
        }
    }
}

/// Without an id nothing is approved: the newest request is shown, with the command that approves just that. What
/// arrives between a look and a word would be approved unseen otherwise.
async fn approve(request_id: Option<String>, call: &AskArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let gateway = call.gateway(context).await?;
    let list = gateway.call("device.pair.list", json!({})).await?;
    let pending = list.at("pending").as_array().cloned().unwrap_or_default();
    let Some(request_id) = request_id else {
        let Some(newest) = pending.iter().max_by_key(|request| request.at("ts").as_u64()) else {
            bail!("No pending device pairing requests to approve");
        };
        return preview(newest, context);
    };
    let Some(request) = pending.iter().find(|request| request.at("requestId") == request_id.as_str()) else {
        bail!(
            "No pending device request matches {}. Run tailclaw devices list and retry with the current request ID.",
            plain(&request_id)
        );
    };
    // No more than this approval takes: an approver gives only what it has.
    let reply =
        gateway.call_as("device.pair.approve", json!({ "requestId": request_id }), approval_scopes(request)).await?;
    show(context, &reply, || format!("Approved {} ({request_id})", report::text(reply.at("device.deviceId"))))
}

fn preview(request: &Value, context: &Context) -> anyhow::Result<ExitCode> {
    let command = format!("tailclaw devices approve {}", report::text(request.at("requestId")));
    if context.json {
        print_json(&json!({ "selected": request, "approveCommand": command }))?;
    } else {
        print(&format!("Selected pending device request {}", described(request)))?;
    }
    eprintln!("Approve this exact request with: {command}");
    Ok(ExitCode::FAILURE)
}

fn approval_scopes(request: &Value) -> Vec<Scope> {
    let texts = |key: &str| request.at(key).as_array().cloned().unwrap_or_default();
    let mut scopes = vec![Scope::Pairing];
    scopes.extend(texts("scopes").iter().filter_map(|scope| Scope::parse(scope.as_str()?)));
    // A token that is there already keeps its scopes, and they too have to be the approver's.
    if texts("roles").iter().any(|role| role != "operator") || request.at("isRepair") == true {
        scopes.push(Scope::Admin);
    }
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

async fn manage(
    method: &str,
    role: &str,
    params: Value,
    asked: &[String],
    call: &AskArgs,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let gateway = call.gateway(context).await?;
    let list = gateway.call("device.pair.list", json!({})).await?;
    let device = list
        .at("paired")
        .as_array()
        .into_iter()
        .flatten()
        .find(|device| device.at("deviceId") == params.at("deviceId"));
    let held = device
        .into_iter()
        .flat_map(|device| device.at("tokens").as_array().into_iter().flatten())
        .filter(|token| token.at("role") == role)
        .flat_map(|token| token.at("scopes").as_array().into_iter().flatten())
        .filter_map(Value::as_str);
    let mut scopes: Vec<Scope> = held.chain(asked.iter().map(String::as_str)).filter_map(Scope::parse).collect();
    scopes.push(if role == "operator" { Scope::Pairing } else { Scope::Admin });
    scopes.sort_unstable();
    scopes.dedup();
    // JSON in both modes, as with OpenClaw: what comes back is for a program to keep.
    print_json(&gateway.call_as(method, params, scopes).await?)?;
    Ok(ExitCode::SUCCESS)
}

fn lists(list: &Value) -> String {
    let rows = |key: &str| list.at(key).as_array().cloned().unwrap_or_default();
    let (pending, paired) = (rows("pending"), rows("paired"));
    if pending.is_empty() && paired.is_empty() {
        return "No device pairing entries.".to_owned();
    }
    let mut text = String::new();
    if !pending.is_empty() {
        text.push_str(&format!("Pending ({})\n", pending.len()));
        for request in &pending {
            text.push_str(&format!("  {}\n", described(request)));
        }
        text.push_str("  Approve with: tailclaw devices approve <requestId>\n");
    }
    if !paired.is_empty() {
        text.push_str(&format!("Paired ({})\n", paired.len()));
        for device in &paired {
            text.push_str(&format!("  {}\n", known(device)));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn described(request: &Value) -> String {
    let kind = if request.at("isRepair") == true { ", already paired" } else { "" };
    format!(
        "{}  {}  {} [{}]{kind}  {} ago",
        report::text(request.at("requestId")),
        name(request),
        joined(request.at("roles")),
        joined(request.at("scopes")),
        ago(request.at("ts")),
    )
}

fn known(device: &Value) -> String {
    let here = if device.at("connected") == true { "connected" } else { "offline" };
    format!(
        "{}  {}  {} [{}]  {here}, seen {} ago",
        report::text(device.at("deviceId")),
        name(device),
        joined(device.at("roles")),
        joined(device.at("scopes")),
        ago(device.at("lastSeenAtMs")),
    )
}

fn name(device: &Value) -> String {
    ["operatorLabel", "displayName", "clientId"]
        .iter()
        .find_map(|key| device.at(key).as_str())
        .map_or_else(String::new, |name| plain(name).replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_asks_for_what_it_gives_and_no_more() {
        let narrow = json!({ "scopes": ["operator.read"], "roles": ["operator"], "isRepair": false });
        assert_eq!(approval_scopes(&narrow), [Scope::Read, Scope::Pairing]);
        let node = json!({ "scopes": [], "roles": ["node"], "isRepair": false });
        assert_eq!(approval_scopes(&node), [Scope::Admin, Scope::Pairing]);
    }

    #[test]
    fn a_list_shows_what_a_person_needs_to_decide() {
        let list = json!({
            "pending": [{ "requestId": "r1", "clientId": "cli", "displayName": "Lap\u{1b}top", "roles": ["operator"],
                "scopes": ["operator.read"], "isRepair": true, "ts": 1 }],
            "paired": [],
        });
        let text = lists(&list);
        assert!(
            text.starts_with("Pending (1)\n  r1  Lap\u{fffd}top  operator [operator.read], already paired"),
            "{text}"
        );
        assert_eq!(lists(&json!({ "pending": [], "paired": [] })), "No device pairing entries.");
    }
}

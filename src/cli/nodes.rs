//! `tailclaw nodes …`: what nodes can do, who approves it, and calling them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{AskArgs, Gateway, show};
use super::context::Context;
use super::failure::Usage;
use super::output::{Rows, plain, print_json};
use super::report::{self, At, ago, joined};
use crate::protocol::Scope;

/// Beyond what the node has: for the way there and back.
const MARGIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct NodesArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List nodes, and what waits for an approval
    #[command(alias = "status")]
    List {
        /// Only nodes that are connected
        #[arg(long)]
        connected: bool,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// List what waits for an approval
    Pending(AskArgs),
    /// Show what is known of a node, and what it can do
    Describe {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Approve what a node declared that it can do
    Approve {
        /// Pending request id
        #[arg(value_name = "REQUEST_ID")]
        request_id: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Reject what a node declared that it can do
    Reject {
        /// Pending request id
        #[arg(value_name = "REQUEST_ID")]
        request_id: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Remove a node: it has to be paired again
    Remove {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Call a node something else
    Rename {
        #[command(flatten)]
        node: NodeArgs,
        /// Its new name
        #[arg(long, value_name = "NAME")]
        name: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Have a node run a command, and print its answer
    Invoke(InvokeArgs),
}

#[derive(Debug, Args)]
struct NodeArgs {
    /// Id, name or address of the node
    #[arg(long, value_name = "NODE")]
    node: String,
}

#[derive(Debug, Args)]
struct InvokeArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Command, as in system.which
    #[arg(long, value_name = "COMMAND")]
    command: String,
    /// A JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    params: String,
    /// Milliseconds that the node has
    #[arg(long, value_name = "MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..))]
    invoke_timeout: u64,
    /// The same key again is the same call to the node
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
}

pub(super) async fn main(args: NodesArgs, context: &Context) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::List { connected, ask } => list(connected, &ask.gateway(context).await?, context).await,
        Verb::Pending(ask) => {
            let pending = ask.gateway(context).await?.call("node.pair.list", json!({})).await?.at("pending").clone();
            show(context, &pending, || waiting(&pending).unwrap_or_else(|| "nothing waits for an approval".to_owned()))
        }
        Verb::Describe { node, ask } => {
            let gateway = ask.gateway(context).await?;
            let node_id = find(&gateway, &node.node).await?;
            let node = gateway.call("node.describe", json!({ "nodeId": node_id })).await?;
            show(context, &node, || described(&node))
        }
        Verb::Approve { request_id, ask } => approve(&request_id, &ask.gateway(context).await?, context).await,
        Verb::Reject { request_id, ask } => {
            let params = json!({ "requestId": request_id });
            let reply = ask.gateway(context).await?.call("node.pair.reject", params).await?;
            show(context, &reply, || format!("Rejected {}", report::text(reply.at("nodeId"))))
        }
        Verb::Remove { node, ask } => {
            let gateway = ask.gateway(context).await?;
            let node_id = find(&gateway, &node.node).await?;
            let reply = gateway.call("node.pair.remove", json!({ "nodeId": node_id })).await?;
            show(context, &reply, || format!("Removed {}", report::text(reply.at("nodeId"))))
        }
        Verb::Rename { node, name, ask } => {
            let gateway = ask.gateway(context).await?;
            let node_id = find(&gateway, &node.node).await?;
            let reply = gateway.call("node.rename", json!({ "nodeId": node_id, "displayName": name })).await?;
            let (id, name) = (report::text(reply.at("nodeId")), report::text(reply.at("displayName")));
            show(context, &reply, || format!("Renamed {id} → {name}"))
        }
        Verb::Invoke(args) => invoke(args, context).await,
    }
}

async fn list(connected: bool, gateway: &Gateway, context: &Context) -> anyhow::Result<ExitCode> {
    let pending = gateway.call("node.pair.list", json!({})).await?.at("pending").clone();
    let mut nodes = rows(gateway.call("node.list", json!({})).await?.at("nodes"));
    nodes.retain(|node| !connected || node.at("connected") == true);
    let reply = json!({ "pending": pending, "nodes": nodes });
    show(context, &reply, || {
        let known = nodes.iter().map(|node| format!("  {}\n", line(node))).collect::<String>();
        let known = (!nodes.is_empty()).then(|| format!("Nodes ({})\n{}", nodes.len(), known.trim_end()));
        let parts: Vec<String> = [waiting(&pending), known].into_iter().flatten().collect();
        if parts.is_empty() { "no nodes".to_owned() } else { parts.join("\n") }
    })
}

/// An approver gives only what it has, and what that takes stands in the request.
async fn approve(request_id: &str, gateway: &Gateway, context: &Context) -> anyhow::Result<ExitCode> {
    let pending = rows(gateway.call("node.pair.list", json!({})).await?.at("pending"));
    let Some(request) = pending.iter().find(|request| request.at("requestId") == request_id) else {
        bail!(
            "No pending node request matches {}. Run tailclaw nodes pending and retry with the current request ID.",
            plain(request_id)
        );
    };
    let needed = rows(request.at("requiredApproveScopes"));
    let mut scopes: Vec<Scope> = needed.iter().filter_map(|scope| Scope::parse(scope.as_str()?)).collect();
    scopes.push(Scope::Pairing);
    scopes.sort_unstable();
    scopes.dedup();
    let reply = gateway.call_as("node.pair.approve", json!({ "requestId": request_id }), scopes).await?;
    show(context, &reply, || {
        let node = reply.at("node");
        format!("Approved {} ({}): {}", name(node), report::text(node.at("nodeId")), commands(node))
    })
}

async fn invoke(args: InvokeArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let params = serde_json::from_str(&args.params).ok().filter(Value::is_object);
    let Some(params) = params else {
        return Err(
            Usage("--params is no JSON object; for example --params '{\"bins\":[\"uname\"]}'".to_owned()).into()
        );
    };
    let gateway = args.ask.gateway(context).await?;
    let node_id = find(&gateway, &args.node.node).await?;
    let key = args.idempotency_key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let call = json!({
        "nodeId": node_id, "command": args.command, "params": params, "timeoutMs": args.invoke_timeout,
        "idempotencyKey": key,
    });
    let limit = Duration::from_millis(args.invoke_timeout).saturating_add(MARGIN);
    let reply = gateway.call_within("node.invoke", call, limit).await?;
    // The answer is the node's, of whatever shape: JSON in both modes.
    print_json(if context.json { &reply } else { reply.at("payload") })?;
    Ok(ExitCode::SUCCESS)
}

/// The id of the node that is meant: by its id, its name or its address, whichever fits just one.
async fn find(gateway: &Gateway, meant: &str) -> anyhow::Result<String> {
    choose(&rows(gateway.call("node.list", json!({})).await?.at("nodes")), meant)
}

fn choose(nodes: &[Value], meant: &str) -> anyhow::Result<String> {
    let meant = meant.trim();
    let is_named = |node: &Value| node.at("displayName").as_str().is_some_and(|name| name.eq_ignore_ascii_case(meant));
    let fitting: [Vec<&Value>; 3] = [
        nodes.iter().filter(|node| node.at("nodeId") == meant).collect(),
        nodes.iter().filter(|node| is_named(node)).collect(),
        nodes.iter().filter(|node| node.at("remoteIp") == meant).collect(),
    ];
    match fitting.iter().find(|fitting| !fitting.is_empty()).map(Vec::as_slice) {
        Some([node]) => Ok(node.at("nodeId").as_str().unwrap_or_default().to_owned()),
        Some(several) => {
            let ids: Vec<String> = several.iter().map(|node| report::text(node.at("nodeId"))).collect();
            bail!("{} is the name of several nodes: say which, by its id: {}", plain(meant), ids.join(", "))
        }
        None if nodes.is_empty() => bail!("there are no nodes yet"),
        None => {
            let names: Vec<String> = nodes.iter().map(name).collect();
            bail!("no node is called {}; there are {}", plain(meant), names.join(", "))
        }
    }
}

fn rows(list: &Value) -> Vec<Value> {
    list.as_array().cloned().unwrap_or_default()
}

/// What waits, with what it would be allowed to: that is what is approved.
fn waiting(pending: &Value) -> Option<String> {
    let pending = rows(pending);
    let mut text = format!("Pending ({})\n", pending.len());
    for request in &pending {
        let (id, platform) = (report::text(request.at("requestId")), report::text(request.at("platform")));
        text.push_str(&format!("  {id}  {}  {platform}  {} ago\n", name(request), ago(request.at("ts"))));
        text.push_str(&format!("    {}\n", commands(request)));
    }
    text.push_str("  Approve with: tailclaw nodes approve <requestId>");
    (!pending.is_empty()).then_some(text)
}

fn commands(node: &Value) -> String {
    let commands = joined(node.at("commands"));
    if commands.is_empty() { "no commands".to_owned() } else { commands }
}

fn line(node: &Value) -> String {
    let (id, platform) = (report::text(node.at("nodeId")), report::text(node.at("platform")));
    format!("{id}  {}  {platform}  {}  {}", name(node), presence(node), report::text(node.at("approvalState")))
}

fn presence(node: &Value) -> String {
    match node.at("connected") == true {
        true => "connected".to_owned(),
        false => format!("offline, seen {} ago", ago(node.at("lastSeenAtMs"))),
    }
}

fn described(node: &Value) -> String {
    let mut rows = Rows::default();
    rows.add("node", name(node));
    rows.add("id", report::text(node.at("nodeId")));
    rows.add("platform", report::text(node.at("platform")));
    rows.add("version", report::text(node.at("version")));
    if let Some(address) = node.at("remoteIp").as_str() {
        rows.add("address", plain(address));
    }
    rows.add("state", format!("{}, {}", presence(node), report::text(node.at("approvalState"))));
    if let Some(request) = node.at("pendingRequestId").as_str() {
        let declared = joined(node.at("pendingDeclaredCommands"));
        rows.add("waiting", format!("{declared}\ntailclaw nodes approve {}", plain(request)));
    }
    rows.add("caps", joined(node.at("caps")));
    rows.add("commands", commands(node).replace(", ", "\n"));
    rows.render()
}

fn name(node: &Value) -> String {
    let name = node.at("displayName").as_str().or_else(|| node.at("nodeId").as_str()).unwrap_or("-");
    plain(name).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_found_by_id_name_or_address_and_never_guessed() {
        let nodes = [
            json!({ "nodeId": "a1", "displayName": "Desk", "remoteIp": "100.64.0.1" }),
            json!({ "nodeId": "b2", "displayName": "desk" }),
            json!({ "nodeId": "c3", "displayName": "a1" }),
        ];
        assert_eq!(choose(&nodes, "a1").unwrap(), "a1", "an id is stronger than a name");
        assert_eq!(choose(&nodes, "100.64.0.1").unwrap(), "a1");
        let several = choose(&nodes, "Desk").unwrap_err().to_string();
        assert!(several.contains("a1, b2"), "{several}");
        let none = choose(&nodes, "phone\u{1b}").unwrap_err().to_string();
        assert!(none.contains("no node is called phone\u{fffd}; there are Desk, desk, a1"), "{none}");
    }

    #[test]
    fn a_node_with_spaces_in_its_name_is_described_rightly() {
        let node = json!({ "nodeId": "a1", "displayName": "My  own  desk", "connected": true,
                           "approvalState": "approved" });
        assert!(described(&node).contains("state     connected, approved\n"), "{}", described(&node));
    }

    #[test]
    fn what_waits_is_shown_with_what_it_could_do() {
        let pending = json!([{ "requestId": "r1", "displayName": "Be\u{1b}nch", "platform": "linux",
                               "commands": ["system.run"], "ts": 1 }]);
        let text = waiting(&pending).unwrap();
        assert!(text.starts_with("Pending (1)\n  r1  Be\u{fffd}nch  linux  "), "{text}");
        assert!(text.contains("\n    system.run\n"), "{text}");
        assert_eq!(waiting(&json!([])), None);
    }
}

//! `node.invoke` and what goes between the gateway and the node for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::bounds::not_empty;
use super::super::{Access, Method, Scope, method};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvokeParams {
    #[serde(deserialize_with = "not_empty")]
    pub node_id: String,
    #[serde(deserialize_with = "not_empty")]
    pub command: String,
    /// Handed on as it is; of `system.run`, only what the protocol names.
    #[serde(default)]
    pub params: Option<Value>,
    /// Milliseconds; 30,000 if absent, and 0 for as long as it takes.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Handed on: the node knows by it what it did already.
    #[serde(deserialize_with = "not_empty")]
    pub idempotency_key: String,
    #[serde(default)]
    pub session_key: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvokeReply {
    pub ok: bool,
    pub node_id: String,
    pub command: String,
    /// As the node wrote it: it is not taken apart on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub payload: Option<Box<RawValue>>,
    /// The same as the node wrote it, if it did.
    #[serde(rename = "payloadJSON")]
    pub payload_json: Option<String>,
}

/// Some commands take `operator.admin`.
#[derive(Debug, Clone, Copy)]
pub struct NodeInvoke;

impl Method for NodeInvoke {
    const NAME: &'static str = "node.invoke";
    const ACCESS: Access = Access::Dynamic(Scope::Write);
    const WAITS: bool = true;
    type Params = InvokeParams;
    type Reply = InvokeReply;
}

/// The event `node.invoke.request`, to the node alone. `paramsJSON` is left out where there are none: the published
/// schema wants text if anything, and nodes read both alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeRequest {
    pub id: String,
    pub node_id: String,
    pub command: String,
    #[serde(rename = "paramsJSON", skip_serializing_if = "Option::is_none")]
    pub params_json: Option<String>,
    /// What is left of the time; 0 where there is no end.
    pub timeout_ms: u64,
    pub idempotency_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
}

/// The event `node.invoke.cancel`, to the node alone: nobody waits for the answer any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeCancel {
    pub invoke_id: String,
    pub node_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvokeResultParams {
    #[serde(deserialize_with = "not_empty")]
    pub id: String,
    #[serde(deserialize_with = "not_empty")]
    pub node_id: String,
    pub ok: bool,
    #[serde(default)]
    #[schemars(with = "Option<Value>")]
    pub payload: Option<Box<RawValue>>,
    /// Text; anything else in its place counts as the payload.
    #[serde(default, rename = "payloadJSON")]
    #[schemars(with = "Option<Value>")]
    pub payload_json: Option<Box<RawValue>>,
    #[serde(default)]
    pub error: Option<NodeFault>,
}

/// What went wrong at the node, in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeFault {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// `ignored` where nobody waits for it: too late, or never asked.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TakenReply {
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<bool>,
}

method!(NodeInvokeResult = "node.invoke.result", Access::Node, InvokeResultParams => TakenReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvokeProgressParams {
    #[serde(deserialize_with = "not_empty")]
    pub invoke_id: String,
    #[serde(deserialize_with = "not_empty")]
    pub node_id: String,
    pub seq: u64,
    /// At most 16,384 bytes.
    pub chunk: String,
}

method!(NodeInvokeProgress = "node.invoke.progress", Access::Node, InvokeProgressParams => TakenReply);

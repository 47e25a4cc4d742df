//! `exec.approval.*`, `exec.approvals.*` and `approval.*`: who may run which command (protocol §6, "Exec approvals"). One
//! file each for asking, for what is kept of it, and for the policy; what other askers there are asks nothing here.

mod ask;
mod policy;
mod record;

use serde::Serialize;
use serde_json::Value;

pub use ask::*;
pub use policy::*;
pub use record::*;

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct QuestionsReply {
    pub questions: Vec<Value>,
}

method!(PluginApprovalList = "plugin.approval.list", Access::Operator(Scope::Approvals), NoParams => Vec<Value>);
method!(OpenclawApprovalList = "openclaw.approval.list", Access::Operator(Scope::Approvals), NoParams => Vec<Value>);
method!(QuestionList = "question.list", Access::Operator(Scope::Questions), NoParams => QuestionsReply);

methods![
    ExecApprovalRequest,
    ExecApprovalWaitDecision,
    ExecApprovalResolve,
    ExecApprovalList,
    ExecApprovalGet,
    ApprovalGet,
    ApprovalResolve,
    ApprovalHistory,
    ExecApprovalsGet,
    ExecApprovalsSet,
    PluginApprovalList,
    OpenclawApprovalList,
    QuestionList,
];

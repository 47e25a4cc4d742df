//! `sessions.*`: what conversations there are and what is set for them (protocol §6, "Sessions").

mod branch;
mod change;
mod edit;
mod follow;
mod list;
mod row;
mod run;
mod settings;
mod usage;

pub use branch::{Branch, BranchesParams, BranchesReply, SessionsBranchesList};
pub use change::Change;
pub use edit::{
    CreateParams, CreateReply, DeleteParams, DeleteReply, EditReply, PatchParams, ResetParams, ResetReason, Resolved,
    SessionsCreate, SessionsDelete, SessionsPatch, SessionsReset,
};
pub use follow::{
    Changed, ChangedFacts, KeyParams, Message, MessagesSubscribeReply, SessionsMessagesSubscribe,
    SessionsMessagesUnsubscribe, SessionsSubscribe, SubscribeReply,
};
pub use list::{
    Archived, BoardFace, DescribeParams, DescribeReply, GetParams, GetReply, ListParams, ListReply, People, Preview,
    PreviewItem, PreviewParams, PreviewReply, PreviewStatus, ResolveParams, ResolveReply, SessionsDescribe,
    SessionsGet, SessionsList, SessionsPreview, SessionsResolve, SortBy,
};
pub use row::{SessionEntry, SessionRow, SessionState};
pub use run::{AbortParams, AbortReply, SendParams, SessionsAbort, SessionsSend, SessionsSteer};
pub use settings::{
    Color, ElevatedLevel, FastMode, GroupActivation, ReasoningLevel, ResponseUsage, SendPolicy, SessionSettings,
    ThinkingLevel, TraceLevel, VerboseLevel,
};

pub use usage::{
    AgentUsage, DayUsage, MessageCounts, ModelUsage, SessionUsage, SessionsUsage, SessionsUsageLogs,
    SessionsUsageTimeseries, TimeseriesReply, ToolCounts, UsageAggregates, UsageLog, UsageLogsReply, UsageOfParams,
    UsageParams, UsagePoint, UsageRange, UsageReply, UsageTotals,
};

use super::methods;

methods![
    SessionsList,
    SessionsPreview,
    SessionsDescribe,
    SessionsResolve,
    SessionsGet,
    SessionsBranchesList,
    SessionsCreate,
    SessionsPatch,
    SessionsReset,
    SessionsDelete,
    SessionsSend,
    SessionsSteer,
    SessionsAbort,
    SessionsSubscribe,
    SessionsMessagesSubscribe,
    SessionsMessagesUnsubscribe,
    SessionsUsage,
    SessionsUsageTimeseries,
    SessionsUsageLogs,
];

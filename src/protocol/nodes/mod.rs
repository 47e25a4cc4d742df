//! `node.*`: the devices that serve the agent (protocol §5). One file each for what is known of them, for approving what
//! they can do, for calling them, and for what they report.

mod call;
mod list;
mod pair;
mod report;

pub use call::*;
pub use list::*;
pub use pair::*;
pub use report::*;

use super::methods;

methods![
    NodeList,
    NodeDescribe,
    NodePairList,
    NodePairApprove,
    NodePairReject,
    NodePairRemove,
    NodeRename,
    NodeInvoke,
    NodeInvokeResult,
    NodeInvokeProgress,
    NodeEvent,
    RunnerInventoryUpdate,
    SkillsUpdate,
    PluginToolsUpdate,
];

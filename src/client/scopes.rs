//! The least that a method needs, so that a connection asks for no more.

use crate::protocol::{Access, Method, Scope};
use crate::protocol::{agents, channels, chat, config, logs, models, nodes, presence, sessions, system, users};

/// The scopes to ask for in order to call this method. A method we do not know needs `operator.admin`, as the
/// protocol has it.
#[must_use]
pub fn scopes_for(method: &str) -> Vec<Scope> {
    // Starts a run, whichever version of the gateway it is.
    if method == "agent" {
        return vec![Scope::Write];
    }
    match known(method) {
        Some(Access::Anyone) => vec![Scope::Read],
        Some(Access::Operator(scope)) => vec![scope],
        None => vec![Scope::Admin],
    }
}

fn known(method: &str) -> Option<Access> {
    macro_rules! table {
        ($($type:ty),* $(,)?) => { [$((<$type as Method>::NAME, <$type as Method>::ACCESS)),*] };
    }
    let methods = table![
        agents::AgentWait,
        agents::AgentsList,
        channels::ChannelsStatus,
        chat::ChatAbort,
        chat::ChatHistory,
        chat::ChatSend,
        chat::ChatStartup,
        config::ConfigGet,
        logs::LogsTail,
        models::ModelsList,
        nodes::NodeList,
        presence::SystemPresence,
        sessions::SessionsDescribe,
        sessions::SessionsList,
        system::GatewayIdentity,
        system::Health,
        system::LastHeartbeat,
        system::Status,
        users::UsersSelf,
    ];
    methods.into_iter().find(|(name, _)| *name == method).map(|(_, access)| access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_no_more_than_needed() {
        assert_eq!(scopes_for("health"), [Scope::Read]);
        assert_eq!(scopes_for("chat.send"), [Scope::Write]);
        assert_eq!(scopes_for("config.patch"), [Scope::Admin]);
    }
}

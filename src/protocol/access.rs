//! Roles, scopes and what a method asks for (protocol §4, "Scopes").

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Operator,
    Node,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Operator, Self::Node].into_iter().find(|role| role.as_str() == name)
    }
}

/// The closed set of operator scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Scope {
    #[serde(rename = "operator.admin")]
    Admin,
    #[serde(rename = "operator.read")]
    Read,
    #[serde(rename = "operator.write")]
    Write,
    #[serde(rename = "operator.approvals")]
    Approvals,
    #[serde(rename = "operator.questions")]
    Questions,
    #[serde(rename = "operator.pairing")]
    Pairing,
    #[serde(rename = "operator.talk")]
    Talk,
    #[serde(rename = "operator.talk.secrets")]
    TalkSecrets,
}

impl Scope {
    pub const ALL: [Self; 8] = [
        Self::Admin,
        Self::Read,
        Self::Write,
        Self::Approvals,
        Self::Questions,
        Self::Pairing,
        Self::Talk,
        Self::TalkSecrets,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "operator.admin",
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Approvals => "operator.approvals",
            Self::Questions => "operator.questions",
            Self::Pairing => "operator.pairing",
            Self::Talk => "operator.talk",
            Self::TalkSecrets => "operator.talk.secrets",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// Whether holding `self` is enough where `wanted` is asked for: admin satisfies all, write satisfies read and
    /// talk.
    #[must_use]
    pub fn satisfies(self, wanted: Self) -> bool {
        self == wanted || self == Self::Admin || (self == Self::Write && matches!(wanted, Self::Read | Self::Talk))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether a holder of `held` may do what asks for `wanted`.
#[must_use]
pub fn permits(held: &[Scope], wanted: Scope) -> bool {
    held.iter().any(|scope| scope.satisfies(wanted))
}

/// What a method asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any role, no scope: `health` alone.
    Anyone,
    Operator(Scope),
    /// At least this scope; what the params ask for may need more, which the handler checks (`Context::require`).
    Dynamic(Scope),
    /// The role `node`, which has no scopes.
    Node,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_satisfies_everything_and_write_only_read_and_talk() {
        assert!(Scope::ALL.iter().all(|wanted| Scope::Admin.satisfies(*wanted)));
        assert!(Scope::Write.satisfies(Scope::Read));
        assert!(Scope::Write.satisfies(Scope::Talk));
        assert!(!Scope::Write.satisfies(Scope::Pairing));
        assert!(!Scope::Read.satisfies(Scope::Write));
    }
}

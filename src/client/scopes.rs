//! The least that a method needs, so that a connection asks for no more.

use crate::protocol::{Access, Scope, catalog};

/// The scopes to ask for in order to call this method. A method we do not know needs `operator.admin`, as the
/// protocol has it.
#[must_use]
pub fn scopes_for(method: &str) -> Vec<Scope> {
    let access = catalog::methods().find(|facts| facts.name == method).map(|facts| facts.access);
    match access {
        Some(Access::Anyone) => vec![Scope::Read],
        Some(Access::Operator(scope) | Access::Dynamic(scope)) => vec![scope],
        // Of a node's own methods an operator has none; asking for everything changes nothing.
        Some(Access::Node) | None => vec![Scope::Admin],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_no_more_than_needed() {
        assert_eq!(scopes_for("health"), [Scope::Read]);
        assert_eq!(scopes_for("chat.send"), [Scope::Write]);
        assert_eq!(scopes_for("agent"), [Scope::Write]);
        assert_eq!(scopes_for("no.such.method"), [Scope::Admin]);
    }
}

//! `voicewake.*`. The words are stored; who listens for them is a node's business.

use serde_json::{Value, json};

use super::{Context, Table};
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::nodes::Nodes;
use crate::protocol::voicewake::{
    Routing, RoutingReply, SetParams, Target, Triggers, VoicewakeGet, VoicewakeRoutingGet, VoicewakeSet,
};
use crate::protocol::{ErrorShape, Event, NoParams};
use crate::store::{self, Database};

const SETTING: &str = "voicewake.triggers";
const DEFAULTS: [&str; 3] = ["openclaw", "claude", "computer"];
const MAX_TRIGGERS: usize = 32;
const MAX_LETTERS: usize = 64;

/// The words, and everybody who is told of them.
#[derive(Debug, Clone)]
pub struct Voicewake {
    pub database: Database,
    pub bus: Bus,
    pub nodes: Nodes,
}

impl Voicewake {
    /// What a node is told when it connects.
    ///
    /// # Errors
    /// The words could not be read.
    pub async fn events(&self) -> Result<[Event; 2], store::Error> {
        Ok([Event::VoicewakeChanged(self.triggers().await?), Event::VoicewakeRoutingChanged(ROUTING)])
    }

    async fn triggers(&self) -> Result<Triggers, store::Error> {
        let stored = self.database.setting(SETTING).await?;
        Ok(Triggers { triggers: stored.as_ref().and_then(Value::as_array).map_or_else(defaults, |list| cleaned(list)) })
    }
}

pub(super) fn register(table: &mut Table, voicewake: &Voicewake) {
    table.on(VoicewakeGet, voicewake, current);
    table.on(VoicewakeSet, voicewake, set);
    table.on(VoicewakeRoutingGet, &(), routing);
}

async fn current(voicewake: Voicewake, _: Context, _: NoParams) -> Result<Triggers, ErrorShape> {
    Ok(voicewake.triggers().await?)
}

async fn set(voicewake: Voicewake, _: Context, params: SetParams) -> Result<Triggers, ErrorShape> {
    let Value::Array(list) = &params.triggers else {
        return Err(ErrorShape::invalid("voicewake.set requires triggers: string[]"));
    };
    let triggers = Triggers { triggers: cleaned(list) };
    voicewake.database.put_setting(SETTING, &json!(triggers.triggers), now_ms()).await?;
    let event = Event::VoicewakeChanged(triggers.clone());
    voicewake.bus.publish(&event);
    voicewake.nodes.tell_all(&event);
    Ok(triggers)
}

/// Nothing in 2026.9.6 changes the routing over the wire (it answers `unknown method: voicewake.routing.set`), and so
/// nothing does here: what was said goes to the session that the device has open.
const ROUTING: RoutingReply = RoutingReply {
    config: Routing { version: 1, default_target: Target::Current, routes: Vec::new(), updated_at_ms: 0 },
};

async fn routing((): (), _: Context, _: NoParams) -> Result<RoutingReply, ErrorShape> {
    Ok(ROUTING)
}

fn defaults() -> Vec<String> {
    DEFAULTS.iter().map(|&word| word.to_owned()).collect()
}

/// Trimmed texts, cut to size; the defaults when none is left.
fn cleaned(list: &[Value]) -> Vec<String> {
    let words: Vec<String> = list
        .iter()
        .filter_map(Value::as_str)
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .take(MAX_TRIGGERS)
        .map(|word| word.chars().take(MAX_LETTERS).collect())
        .collect();
    if words.is_empty() { defaults() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_trimmed_counted_and_cut() {
        let list = |value: Value| cleaned(value.as_array().unwrap());
        assert_eq!(list(json!([" a ", "", 3, "b"])), ["a", "b"]);
        assert_eq!(list(json!(["  "])), DEFAULTS);
        assert_eq!(list(json!(["é".repeat(80)]))[0].chars().count(), 64);
        assert_eq!(cleaned(&vec![json!("x"); 40]).len(), 32);
    }
}

//! `voicewake.*`. The words are stored; who listens for them is a node's business.

use serde_json::{Value, json};

use super::{Context, Table};
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::voicewake::{
    Routing, RoutingReply, SetParams, Target, Triggers, VoicewakeGet, VoicewakeRoutingGet, VoicewakeSet,
};
use crate::protocol::{ErrorShape, Event, NoParams};
use crate::store::Database;

const SETTING: &str = "voicewake.triggers";
const DEFAULTS: [&str; 3] = ["openclaw", "claude", "computer"];
const MAX_TRIGGERS: usize = 32;
const MAX_LETTERS: usize = 64;

type Service = (Database, Bus);

pub(super) fn register(table: &mut Table, database: &Database, bus: &Bus) {
    let service = (database.clone(), bus.clone());
    table.on(VoicewakeGet, &service, current);
    table.on(VoicewakeSet, &service, set);
    table.on(VoicewakeRoutingGet, &(), routing);
}

async fn current((database, _): Service, _: Context, _: NoParams) -> Result<Triggers, ErrorShape> {
    let stored = database.setting(SETTING).await?;
    Ok(Triggers { triggers: stored.as_ref().and_then(Value::as_array).map_or_else(defaults, |list| cleaned(list)) })
}

async fn set((database, bus): Service, _: Context, params: SetParams) -> Result<Triggers, ErrorShape> {
    let Value::Array(list) = &params.triggers else {
        return Err(ErrorShape::invalid("voicewake.set requires triggers: string[]"));
    };
    let triggers = Triggers { triggers: cleaned(list) };
    database.put_setting(SETTING, &json!(triggers.triggers), now_ms()).await?;
    bus.publish(&Event::VoicewakeChanged(triggers.clone()));
    Ok(triggers)
}

/// Nothing in 2026.9.6 changes the routing over the wire (it answers `unknown method: voicewake.routing.set`), and so
/// nothing does here: what was said goes to the session that the device has open.
async fn routing((): (), _: Context, _: NoParams) -> Result<RoutingReply, ErrorShape> {
    let config = Routing { version: 1, default_target: Target::Current, routes: Vec::new(), updated_at_ms: 0 };
    Ok(RoutingReply { config })
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

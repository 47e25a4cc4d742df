//! Every method there is, with its facts: what the CLI asks scopes by, and what the contract file is made of.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::{Access, Method};

/// What is known of a method without serving it.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    pub name: &'static str,
    pub access: Access,
    pub control_plane_write: bool,
    /// The JSON Schema of its params, and of what it answers.
    params: fn(&mut SchemaGenerator) -> schemars::Schema,
    reply: fn(&mut SchemaGenerator) -> schemars::Schema,
    /// As a request's are decoded.
    #[cfg(test)]
    decode: fn(&serde_json::value::RawValue) -> Result<(), crate::protocol::ErrorShape>,
}

impl Facts {
    pub(super) const fn of<M: Method>() -> Self {
        Self {
            name: M::NAME,
            access: M::ACCESS,
            control_plane_write: M::CONTROL_PLANE_WRITE,
            params: SchemaGenerator::subschema_for::<M::Params>,
            reply: SchemaGenerator::subschema_for::<M::Reply>,
            #[cfg(test)]
            decode: |params| super::frame::decode::<M::Params>(M::NAME, Some(params)).map(drop),
        }
    }
}

/// All methods, a family at a time.
pub fn methods() -> impl Iterator<Item = &'static Facts> {
    let families: &[&[Facts]] = &[
        super::agents::METHODS,
        super::approvals::METHODS,
        super::board::METHODS,
        super::channels::METHODS,
        super::chat::METHODS,
        super::commands::METHODS,
        super::config::METHODS,
        super::cron::METHODS,
        super::devices::METHODS,
        super::logs::METHODS,
        super::models::METHODS,
        super::nodes::METHODS,
        super::presence::METHODS,
        super::projects::METHODS,
        super::sessions::METHODS,
        super::skills::METHODS,
        super::system::METHODS,
        super::tailnet::METHODS,
        super::talk::METHODS,
        super::tasks::METHODS,
        super::tools::METHODS,
        super::users::METHODS,
        super::voicewake::METHODS,
        super::wake::METHODS,
    ];
    families.iter().copied().flatten()
}

/// The contract: `{methods: [{name, role, scope, controlPlaneWrite, params, reply}], definitions}`, sorted by name.
/// `scope` is null where anyone may call, and `dynamic:<least>` where the params decide.
#[must_use]
pub fn contract() -> Value {
    let mut generator = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = false).into_generator();
    let mut sorted: Vec<&Facts> = methods().collect();
    sorted.sort_by_key(|facts| facts.name);
    let methods: Vec<Value> = sorted
        .into_iter()
        .map(|facts| {
            let (role, scope) = match facts.access {
                Access::Anyone => (Value::Null, Value::Null),
                Access::Operator(scope) => (json!("operator"), json!(scope)),
                Access::Node => (json!("node"), Value::Null),
                Access::Dynamic(least) => (json!("operator"), json!(format!("dynamic:{least}"))),
            };
            json!({
                "name": facts.name,
                "role": role,
                "scope": scope,
                "controlPlaneWrite": facts.control_plane_write,
                "params": (facts.params)(&mut generator),
                "reply": (facts.reply)(&mut generator),
            })
        })
        .collect();
    let definitions: Map<String, Value> = generator.take_definitions(true);
    json!({ "methods": methods, "definitions": definitions })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set to write the file anew.
    const UPDATE: &str = "TAILCLAW_UPDATE_FIXTURES";

    #[test]
    fn the_contract_file_says_what_the_types_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/protocol/methods.json");
        let now = format!("{:#}\n", contract());
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == now, "the methods have changed: run the tests with {UPDATE}=1, and look at the difference");
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<&str> = methods().map(|facts| facts.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// Params with the names and words of each method's own schema: decoded, or refused with a message of a sane length.
    #[test]
    fn fuzz_params_of_every_method() {
        let count = u32::try_from(methods().count()).unwrap();
        for facts in methods() {
            let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
            let mut generator = settings.into_generator();
            let schema = (facts.params)(&mut generator);
            let mut words = Vec::new();
            crate::fuzz::words_of(schema.as_value(), &mut words);
            generator.take_definitions(true).values().for_each(|value| crate::fuzz::words_of(value, &mut words));
            crate::fuzz::fuzz_objects(&words, count.div_ceil(2), |params| {
                let params = serde_json::value::to_raw_value(params).unwrap();
                if let Err(error) = (facts.decode)(&params) {
                    assert!(
                        error.message.starts_with(&format!("invalid {} params: ", facts.name)),
                        "{}",
                        error.message
                    );
                }
            });
        }
    }
}

//! The fields of a JSON body, with OpenClaw's words for one of a wrong type.

use serde_json::{Map, Value};

/// An object whose fields are asked for by name and type. `null` counts as a field that is not there, as OpenAI's own
/// clients send it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a Value) -> Result<Self, String> {
        body.as_object().map(Self).ok_or_else(|| wrong("", "object", Some(body)))
    }

    pub(super) fn raw(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, String> {
        self.typed(name, "string", Value::as_str)
    }

    pub(super) fn required_text(self, name: &str) -> Result<&'a str, String> {
        self.text(name)?.ok_or_else(|| wrong(name, "string", self.0.get(name)))
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>, String> {
        self.typed(name, "boolean", Value::as_bool)
    }

    pub(super) fn number(self, name: &str) -> Result<Option<f64>, String> {
        self.typed(name, "number", Value::as_f64)
    }

    pub(super) fn list(self, name: &str) -> Result<Option<&'a [Value]>, String> {
        self.typed(name, "array", |value| value.as_array().map(Vec::as_slice))
    }

    /// A whole number above zero.
    pub(super) fn positive(self, name: &str) -> Result<Option<u64>, String> {
        match self.number(name)? {
            None => Ok(None),
            Some(number) if number <= 0.0 => Err(format!("{name}: Too small: expected number to be >0")),
            Some(_) => match self.raw(name).and_then(Value::as_u64) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("{name}: Invalid input: expected int, received number")),
            },
        }
    }

    fn typed<T>(self, name: &str, kind: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, String> {
        match self.raw(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| wrong(name, kind, Some(value))),
        }
    }
}

fn wrong(name: &str, kind: &str, found: Option<&Value>) -> String {
    let found = match found {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    };
    format!("{name}: Invalid input: expected {kind}, received {found}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_type_is_named_as_openclaw_names_it() {
        let body = json!({"messages": "x", "stream": null, "max_tokens": 0, "n": 1.5});
        let fields = Fields::of(&body).unwrap();
        assert_eq!(fields.list("messages").unwrap_err(), "messages: Invalid input: expected array, received string");
        assert_eq!(fields.flag("stream"), Ok(None));
        assert_eq!(fields.positive("max_tokens").unwrap_err(), "max_tokens: Too small: expected number to be >0");
        assert!(fields.positive("n").is_err());
        assert_eq!(
            fields.required_text("model").unwrap_err(),
            "model: Invalid input: expected string, received undefined"
        );
        assert_eq!(Fields::of(&json!([])).unwrap_err(), ": Invalid input: expected object, received array");
    }
}

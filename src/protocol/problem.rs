//! Why params do not decode, in the words that clients of the protocol know from the real gateway (protocol §1): where,
//! then what must be.

use serde::de::DeserializeOwned;

/// Where and why a text that has failed to decode does not: `at /limit: must be integer`. It is read a second time for
/// it, so that what decodes pays nothing.
pub fn of<P: DeserializeOwned>(text: &str) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, P>(&mut deserializer) else {
        return "trailing characters".to_owned();
    };
    let problem = error.inner().to_string();
    // Line and column are of our own re-reading; they mean nothing to a client.
    let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem);
    let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let problem = match missing {
        Some(name) => format!("must have required property '{name}'"),
        None => demand(problem).map_or_else(|| problem.to_owned(), str::to_owned),
    };
    let path = error.path().to_string().replace('.', "/");
    match path.as_str() {
        "" | "/" if missing.is_some() => problem,
        "" | "/" => format!("at root: {problem}"),
        path => format!("at /{}: {problem}", path.replace("[", "/").replace(']', "")),
    }
}

/// serde's words for a wrong value, as a demand.
fn demand(problem: &str) -> Option<&'static str> {
    if problem.starts_with("unknown variant ") {
        return Some("must be equal to one of the allowed values");
    }
    let (found, expected) = problem.split_once(", expected ")?;
    if !found.starts_with("invalid type: ") && !found.starts_with("invalid value: ") {
        return None;
    }
    let is_number = found.starts_with("invalid value: integer");
    Some(match expected {
        "a string" | "a borrowed string" | "string or map" => "must be string",
        "u8" | "u16" | "u32" | "u64" | "usize" | "a nonzero u32" | "a nonzero u64" if is_number => "must be >= 0",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" | "isize" => "must be integer",
        "f32" | "f64" => "must be number",
        "a boolean" => "must be boolean",
        "a sequence" => "must be array",
        "a map" => "must be object",
        expected if expected.starts_with("struct ") => "must be object",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its decoding matters")]
    struct Params {
        limit: Option<u32>,
        keys: Vec<String>,
        nested: Option<Nested>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its decoding matters")]
    struct Nested {
        name: String,
    }

    #[test]
    fn says_where_and_what_must_be() {
        assert_eq!(of::<Params>("{}"), "must have required property 'keys'");
        assert_eq!(of::<Params>(r#"{"keys":"x"}"#), "at /keys: must be array");
        assert_eq!(of::<Params>(r#"{"keys":[5]}"#), "at /keys/0: must be string");
        assert_eq!(of::<Params>(r#"{"keys":[],"limit":"x"}"#), "at /limit: must be integer");
        assert_eq!(of::<Params>(r#"{"keys":[],"limit":-1}"#), "at /limit: must be >= 0");
        assert_eq!(of::<Params>(r#"{"keys":[],"nested":{}}"#), "at /nested: must have required property 'name'");
        assert_eq!(of::<Params>(r#"{"keys":[],"nested":5}"#), "at /nested: must be object");
    }
}

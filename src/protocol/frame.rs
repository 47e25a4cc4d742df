//! The envelope: one JSON object a WebSocket message (protocol §1).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ErrorShape, problem};

/// A request as it came, params still raw: they are decoded once, into the method's own type.
#[derive(Debug)]
pub struct Request {
    /// The client's id, echoed as it came.
    pub id: Box<RawValue>,
    pub method: String,
    pub params: Option<Box<RawValue>>,
}

/// What a message turned out to be.
#[derive(Debug)]
pub enum Inbound {
    Request(Request),
    /// JSON, but no request: to be answered under this id.
    Malformed {
        id: Box<RawValue>,
        problem: String,
    },
    /// Not JSON at all.
    NotJson,
}

#[derive(Deserialize)]
struct Loose {
    #[serde(rename = "type")]
    kind: Option<Box<RawValue>>,
    id: Option<Box<RawValue>>,
    method: Option<Box<RawValue>>,
    params: Option<Box<RawValue>>,
}

impl Inbound {
    /// Never fails and never recurses: nested values are skipped, not built.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Ok(loose) = serde_json::from_str::<Loose>(text) else {
            return match serde_json::from_str::<&RawValue>(text) {
                Ok(value) if value.get().starts_with('{') => {
                    Self::malformed(None, &["at root: a property is given twice"])
                }
                Ok(_) => Self::malformed(None, &["must be object"]),
                Err(_) => Self::NotJson,
            };
        };
        let (id, method) = (text_in(loose.id.as_deref()), text_in(loose.method.as_deref()));
        let is_request = loose.kind.as_deref().is_some_and(|kind| kind.get() == "\"req\"");
        match (is_request, id, method, loose.id) {
            (true, Ok(_), Ok(method), Some(id)) => {
                Self::Request(Request { id, method, params: loose.params.filter(|raw| raw.get() != "null") })
            }
            (_, id, method, raw_id) => {
                let missing =
                    [("type", loose.kind.is_none()), ("id", raw_id.is_none()), ("method", loose.method.is_none())];
                let mut problems: Vec<String> = missing
                    .into_iter()
                    .filter(|(_, is_missing)| *is_missing)
                    .map(|(name, _)| format!("must have required property '{name}'"))
                    .collect();
                if loose.kind.is_some() && !is_request {
                    problems.push("at /type: must be equal to constant".to_owned());
                }
                for (name, is_there, problem) in
                    [("id", raw_id.is_some(), id.err()), ("method", loose.method.is_some(), method.err())]
                {
                    problems.extend(problem.filter(|_| is_there).map(|problem| format!("at /{name}: {problem}")));
                }
                Self::malformed(raw_id, &problems)
            }
        }
    }

    /// Under its own id, as it came; `null` and none at all read `invalid`.
    fn malformed(id: Option<Box<RawValue>>, problems: &[impl AsRef<str>]) -> Self {
        let invalid = || RawValue::from_string("\"invalid\"".to_owned()).unwrap_or_default();
        let problems: Vec<&str> = problems.iter().map(AsRef::as_ref).collect();
        Self::Malformed {
            id: id.filter(|id| id.get() != "null").unwrap_or_else(invalid),
            problem: format!("invalid request frame: {}", problems.join("; ")),
        }
    }
}

fn text_in(raw: Option<&RawValue>) -> Result<String, &'static str> {
    let text = raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()).ok_or("must be string")?;
    if text.is_empty() { Err("must not have fewer than 1 characters") } else { Ok(text) }
}

impl Request {
    /// Decodes the params; absent ones read as `{}`.
    ///
    /// # Errors
    /// `invalid <method> params: …` as the wire has it.
    pub fn params<P: serde::de::DeserializeOwned>(&self) -> Result<P, ErrorShape> {
        decode(&self.method, self.params.as_deref())
    }
}

/// See [`Request::params`].
///
/// # Errors
/// As there.
pub fn decode<P: serde::de::DeserializeOwned>(method: &str, params: Option<&RawValue>) -> Result<P, ErrorShape> {
    let text = params.map_or("{}", RawValue::get);
    let problem = if text.starts_with('{') {
        match serde_json::from_str(text) {
            Ok(params) => return Ok(params),
            Err(_) => problem::of::<P>(text),
        }
    } else {
        // A list would otherwise be read as the fields in their order.
        "must be object".to_owned()
    };
    Err(ErrorShape::invalid(format!("invalid {method} params: {problem}")))
}

#[derive(Serialize)]
struct Response<'a, T: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a RawValue,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorShape>,
}

/// A response frame. A payload that does not serialise is our fault and is answered as such.
#[must_use]
pub fn response<T: Serialize>(id: &RawValue, result: Result<&T, &ErrorShape>) -> String {
    let frame = Response { kind: "res", id, ok: result.is_ok(), payload: result.ok(), error: result.err() };
    serde_json::to_string(&frame).unwrap_or_else(|error| {
        tracing::error!(%error, "a reply could not be serialised");
        format!(
            r#"{{"type":"res","id":{},"ok":false,"error":{{"code":"UNAVAILABLE","message":"internal error"}}}}"#,
            id.get()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_request_without_params() {
        let Inbound::Request(request) = Inbound::parse(r#"{"type":"req","id":"1","method":"health","new":1}"#) else {
            panic!("a request");
        };
        assert_eq!((request.id.get(), request.method.as_str()), ("\"1\"", "health"));
        request.params::<crate::protocol::NoParams>().unwrap();
    }

    #[test]
    fn what_is_no_request_is_answered_under_its_id() {
        for (text, id, problem) in [
            (r#"{"type":"req","id":7,"method":"health"}"#, "7", "at /id: must be string"),
            (r#"{"type":"req","id":"","method":"a"}"#, "\"\"", "at /id: must not have fewer than 1 characters"),
            (r#"{"type":"req","id":null,"method":"a"}"#, "\"invalid\"", "must have required property 'id'"),
            (r#"{"type":"req","method":"a"}"#, "\"invalid\"", "must have required property 'id'"),
            (r#"{"type":"req","id":"q"}"#, "\"q\"", "must have required property 'method'"),
            (r#"{"type":"req","id":"q","method":5}"#, "\"q\"", "at /method: must be string"),
            (r#"{"id":"q","method":"a"}"#, "\"q\"", "must have required property 'type'"),
            (
                r#"{"type":"event","id":"q"}"#,
                "\"q\"",
                "must have required property 'method'; at /type: must be equal to constant",
            ),
            ("[1,2]", "\"invalid\"", "must be object"),
            ("null", "\"invalid\"", "must be object"),
            (r#"{"id":"a","id":"b"}"#, "\"invalid\"", "at root: a property is given twice"),
        ] {
            let Inbound::Malformed { id: seen, problem: said } = Inbound::parse(text) else { panic!("{text}") };
            assert_eq!(
                (seen.get(), said.as_str()),
                (id, format!("invalid request frame: {problem}").as_str()),
                "{text}"
            );
        }
        assert!(matches!(Inbound::parse("hello"), Inbound::NotJson));
    }

    #[test]
    fn a_mistake_in_the_params_is_named_by_its_place() {
        let raw = RawValue::from_string(r#"{"sessionKey":"main","limit":"ten"}"#.to_owned()).unwrap();
        let error = decode::<crate::protocol::chat::HistoryParams>("chat.history", Some(&raw)).unwrap_err();
        assert_eq!(error.message, "invalid chat.history params: at /limit: must be integer");
        let error = decode::<crate::protocol::chat::HistoryParams>("chat.history", None).unwrap_err();
        assert_eq!(error.message, "invalid chat.history params: must have required property 'sessionKey'");
        let list = RawValue::from_string("[]".to_owned()).unwrap();
        let error = decode::<crate::protocol::NoParams>("health", Some(&list)).unwrap_err();
        assert_eq!(error.message, "invalid health params: must be object");
    }

    #[test]
    fn a_million_open_brackets_do_not_exhaust_the_stack() {
        let deep = format!(r#"{{"type":"req","id":"1","method":"health","params":{}}}"#, "[".repeat(1_000_000));
        assert!(matches!(Inbound::parse(&deep), Inbound::NotJson));
        let closed = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let nested = format!(r#"{{"type":"req","id":"1","method":"health","params":{closed}}}"#);
        let Inbound::Request(request) = Inbound::parse(&nested) else { panic!("a request") };
        assert!(request.params::<serde_json::Value>().is_err());
    }

    /// Whatever comes in, what is answered is JSON.
    #[test]
    fn fuzz_requests() {
        let seeds = [
            r#"{"type":"req","id":"1","method":"health","params":{"a":[1,2.5,"x"]}}"#,
            r#"{"type":"req","id":{"x":[]},"method":"m"}"#,
            r#"{"type":"res","id":7,"ok":true}"#,
            r#"[{"type":"req"}]"#,
            "\"text\"",
        ];
        crate::fuzz::fuzz_text(&seeds, |text| match Inbound::parse(text) {
            Inbound::Request(request) => {
                let frame = response(&request.id, Ok(&request.method));
                serde_json::from_str::<serde_json::Value>(&frame).unwrap();
                let _ = request.params::<crate::protocol::handshake::ConnectParams>();
            }
            Inbound::Malformed { id, problem } => {
                let frame = response::<()>(&id, Err(&ErrorShape::invalid(problem)));
                serde_json::from_str::<serde_json::Value>(&frame).unwrap();
            }
            Inbound::NotJson => {}
        });
    }
}

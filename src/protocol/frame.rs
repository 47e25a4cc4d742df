//! The envelope: one JSON object a WebSocket message (protocol §1).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ErrorShape, problem};

/// A request as it came, params still raw: they are decoded once, into the method's own type.
#[derive(Debug)]
pub struct Request {
    /// The client's id, echoed as it came, also when it is not a string.
    pub id: Box<RawValue>,
    pub method: String,
    pub params: Option<Box<RawValue>>,
}

/// What a message turned out to be.
#[derive(Debug)]
pub enum Inbound {
    Request(Request),
    /// A request that cannot be served but can be answered, because its id could be read.
    Answerable {
        id: Box<RawValue>,
        problem: &'static str,
    },
    /// Not JSON at all.
    NotJson,
    /// JSON, but no request with an id.
    NotARequest,
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
                Ok(_) => Self::NotARequest,
                Err(_) => Self::NotJson,
            };
        };
        let is_request = loose.kind.as_deref().is_some_and(|kind| kind.get() == "\"req\"");
        let (true, Some(id)) = (is_request, loose.id) else {
            return Self::NotARequest;
        };
        match loose.method.map(|method| serde_json::from_str::<String>(method.get())) {
            Some(Ok(method)) if !method.is_empty() => {
                Self::Request(Request { id, method, params: loose.params.filter(|raw| raw.get() != "null") })
            }
            _ => Self::Answerable { id, problem: "invalid request frame: at /method: must be a non-empty string" },
        }
    }
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
    fn a_number_as_id_is_kept_as_it_came() {
        let Inbound::Answerable { id, .. } = Inbound::parse(r#"{"type":"req","id":7}"#) else {
            panic!("answerable");
        };
        assert_eq!(id.get(), "7");
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
    fn tells_garbage_from_json() {
        assert!(matches!(Inbound::parse("hello"), Inbound::NotJson));
        assert!(matches!(Inbound::parse("[1]"), Inbound::NotARequest));
        assert!(matches!(Inbound::parse(r#"{"type":"res","id":"1"}"#), Inbound::NotARequest));
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
}

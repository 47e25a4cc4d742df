//! OpenClaw's published client library, `@openclaw/gateway-client`, as a program of somebody else's uses it.

use super::driver::Driver;
use serde_json::{Value, json};

/// One program with one device key and one store of device tokens; it holds one connection at a time.
pub struct PublishedClient(Driver);

impl PublishedClient {
    pub async fn start() -> PublishedClient {
        PublishedClient(Driver::start("gateway_client.mjs", [""; 0]).await)
    }

    /// A connected operator with every right; gives the `hello-ok`, too.
    pub async fn connected(url: &str, token: &str) -> (PublishedClient, Value) {
        let mut client = PublishedClient::start().await;
        let auth = if token.is_empty() { json!({}) } else { json!({"token": token}) };
        client.open(url, auth, false).await;
        let hello = client.hello().await;
        (client, hello)
    }

    /// Makes a client of the library and lets it connect; `options` are the library's own. With `device` it has a key,
    /// and the token that the gateway gave for it before.
    pub async fn open(&mut self, url: &str, options: Value, device: bool) {
        let mut options = options;
        options["url"] = url.into();
        self.ask(json!({"do": "open", "options": options, "device": device})).await;
    }

    pub async fn hello(&mut self) -> Value {
        self.report("hello").await["hello"].clone()
    }

    /// The payload, or the error as the library shows it.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let outcome = self.ask(json!({"do": "request", "method": method, "params": params})).await;
        result_of(&outcome)
    }

    /// A request whose answer comes in two steps: what was accepted, and the end.
    pub async fn request_to_the_end(&mut self, method: &str, params: Value) -> (Value, Result<Value, Value>) {
        let options = json!({"expectFinal": true, "timeoutMs": 60_000});
        let command = json!({"do": "request", "method": method, "params": params, "options": options});
        let outcome = self.ask(command).await;
        (outcome["accepted"].clone(), result_of(&outcome))
    }

    /// Sends a request and does not wait for its end.
    pub async fn begin(&mut self, name: &str, method: &str, params: Value) {
        let options = json!({"expectFinal": true, "timeoutMs": 60_000});
        self.ask(json!({"do": "begin", "as": name, "method": method, "params": params, "options": options})).await;
    }

    /// The end of a request that was begun.
    pub async fn ended(&mut self, name: &str) -> Result<Value, Value> {
        result_of(&self.ask(json!({"do": "ended", "as": name})).await)
    }

    /// The oldest report of the library of that kind that was not read yet.
    pub async fn report(&mut self, kind: &str) -> Value {
        self.ask(json!({"do": "next", "kind": kind})).await
    }

    /// The oldest event of that name with these fields in its payload that was not read yet, with its `seq`.
    pub async fn event(&mut self, name: &str, fields: Value) -> Value {
        self.ask(json!({"do": "next", "kind": "event", "event": name, "where": fields})).await
    }

    /// All reports that were not read yet, in order.
    pub async fn rest(&mut self) -> Vec<Value> {
        self.ask(json!({"do": "rest"})).await.as_array().cloned().unwrap_or_default()
    }

    /// The `seq` of each event that was not read yet.
    pub async fn numbers(&mut self) -> Vec<u64> {
        let numbers = self.ask(json!({"do": "numbers"})).await;
        numbers.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    }

    /// Stops reading the socket.
    pub async fn pause(&mut self) {
        self.ask(json!({"do": "pause"})).await;
    }

    pub async fn resume(&mut self) {
        self.ask(json!({"do": "resume"})).await;
    }

    pub async fn device_id(&mut self) -> String {
        self.ask(json!({"do": "identity"})).await["deviceId"].as_str().expect("an id").to_owned()
    }

    async fn ask(&mut self, command: Value) -> Value {
        self.0.ask(&command).await.unwrap_or_else(|complaint| panic!("{command}: {complaint}"))
    }
}

fn result_of(outcome: &Value) -> Result<Value, Value> {
    match outcome.get("error") {
        Some(error) => Err(error.clone()),
        None => Ok(outcome["payload"].clone()),
    }
}

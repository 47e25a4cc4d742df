//! From an address and a secret to a connection that was let in.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::device::Claim;
use super::{Device, Route};
use crate::protocol::handshake::{ClientId, ClientMode};
use crate::protocol::{PROTOCOL_VERSION, Role, Scope};
use crate::secret::Secret;

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    pub route: Route,
    pub credentials: Credentials,
    /// Over loopback none is needed.
    pub device: Option<Arc<Device>>,
    /// The least that the calls to come need.
    pub scopes: Vec<Scope>,
    pub timeout: Duration,
}

/// What is shown to be let in; nothing, where the tailnet vouches.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    pub token: Option<Secret<String>>,
    pub password: Option<Secret<String>>,
}

impl Credentials {
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.token.is_none() && self.password.is_none()
    }
}

/// The parts of `hello-ok` that a client looks at; the whole is kept beside.
#[derive(Debug, Clone, Deserialize)]
pub struct Hello {
    pub server: Server,
    pub auth: Granted,
    #[serde(default)]
    pub features: Features,
    /// As the gateway sent it.
    #[serde(skip)]
    pub whole: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    pub version: String,
    pub conn_id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Granted {
    #[serde(default)]
    pub method: Option<String>,
    pub role: String,
    /// May be empty: connected, but without rights.
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Features {
    #[serde(default)]
    pub methods: Vec<String>,
    #[serde(default)]
    pub events: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Challenge {
    pub(super) nonce: String,
    /// The gateway's clock: signing with it spares us a wrong clock of our own.
    pub(super) ts: u64,
}

pub(super) fn connect_params(target: &Target, challenge: &Challenge) -> Value {
    let (id, mode) = (ClientId::Cli.as_str(), ClientMode::Cli.as_str());
    let token = target.credentials.token.as_ref().map(|token| token.expose().as_str());
    let mut params = json!({
        "minProtocol": PROTOCOL_VERSION,
        "maxProtocol": PROTOCOL_VERSION,
        "client": {
            "id": id,
            "version": crate::VERSION,
            "platform": std::env::consts::OS,
            "mode": mode,
            "instanceId": uuid::Uuid::new_v4().to_string(),
        },
        "role": Role::Operator.as_str(),
        "scopes": target.scopes,
        "caps": [],
        "userAgent": format!("tailclaw/{}", crate::VERSION),
    });
    let Value::Object(fields) = &mut params else { return params };
    if !target.credentials.is_empty() {
        let mut auth = serde_json::Map::new();
        if let Some(token) = token {
            auth.insert("token".to_owned(), Value::from(token));
        }
        if let Some(password) = &target.credentials.password {
            auth.insert("password".to_owned(), Value::from(password.expose().as_str()));
        }
        fields.insert("auth".to_owned(), Value::Object(auth));
    }
    if let Some(device) = &target.device {
        let claim = Claim {
            client_id: id,
            client_mode: mode,
            role: Role::Operator.as_str(),
            scopes: &target.scopes,
            token: token.unwrap_or_default(),
            nonce: &challenge.nonce,
            signed_at: challenge.ts,
            platform: std::env::consts::OS,
        };
        fields.insert("device".to_owned(), device.prove(&claim));
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::GatewayUrl;
    use crate::protocol::handshake::ConnectParams;

    #[test]
    fn what_we_send_is_what_the_gateway_reads() {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::read_or_create(&folder.path().join("device.json")).unwrap();
        let target = Target {
            route: Route::direct(GatewayUrl::local(1)),
            credentials: Credentials { token: Some(Secret::new("t".to_owned())), password: None },
            device: Some(Arc::new(device)),
            scopes: vec![Scope::Read],
            timeout: Duration::from_secs(1),
        };
        let params = connect_params(&target, &Challenge { nonce: "n".to_owned(), ts: 1 });
        let read: ConnectParams = serde_json::from_value(params).unwrap();
        assert!(read.speaks_our_protocol());
        assert_eq!(read.scopes, ["operator.read"]);
        assert_eq!(read.device.unwrap().nonce, "n");
        assert_eq!(read.auth.unwrap().token.as_deref(), Some("t"));
    }
}

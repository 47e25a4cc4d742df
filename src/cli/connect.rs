//! Which gateway a verb talks to, and with which secret.
//!
//! Without `--url` it is the gateway of this machine, with the secret that the configuration, the environment or the
//! token file has. With `--url` nothing is borrowed: a secret goes only where the person sends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::context::Context;
use super::failure::Usage;
use crate::client::{Client, ClientError, Credentials, Device, GatewayUrl, Target, scopes_for};
use crate::config::Overrides;
use crate::protocol::Scope;
use crate::secret::Secret;

#[derive(Debug, Default, Args)]
pub(super) struct ConnectArgs {
    /// Gateway address, as in ws://name:18789; takes no secret from this machine's configuration
    #[arg(long, value_name = "URL", conflicts_with = "port")]
    url: Option<String>,
    /// Port of the gateway on this machine
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Gateway token
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Gateway password
    #[arg(long, value_name = "PASSWORD", conflicts_with = "token")]
    password: Option<String>,
}

/// Where and with what, before it is known what for.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) url: GatewayUrl,
    pub(super) credentials: Credentials,
    pub(super) timeout: Duration,
    device: Option<Arc<Device>>,
}

impl ConnectArgs {
    /// Whether an address was given, which may be another machine's.
    pub(super) const fn has_url(&self) -> bool {
        self.url.is_some()
    }

    pub(super) async fn destination(&self, context: &Context, timeout: Duration) -> anyhow::Result<Destination> {
        let Some(url) = &self.url else { return self.local(context, timeout) };
        let url = GatewayUrl::parse(url)?;
        let credentials = self.given();
        if credentials.is_empty() && !url.is_tailnet().await {
            return Err(Usage(format!(
                "--url takes no secret from this machine's configuration: pass the one of {url} with --token or --password"
            ))
            .into());
        }
        let device = if url.is_loopback() { None } else { Some(device(context)?) };
        Ok(Destination { url, credentials, timeout, device })
    }

    fn local(&self, context: &Context, timeout: Duration) -> anyhow::Result<Destination> {
        let draft = context.draft(Overrides::default())?;
        let url = GatewayUrl::local(self.port.unwrap_or(draft.bind.port));
        let given = self.given();
        let credentials = if given.is_empty() {
            let secret = draft.secret()?;
            match draft.access.mode_name() {
                "password" | "trusted-proxy" => Credentials { token: None, password: secret },
                _ => Credentials { token: secret, password: None },
            }
        } else {
            given
        };
        // Where no secret is asked for, a device is what tells this person from anybody else's program.
        let device = if credentials.is_empty() { Some(device(context)?) } else { None };
        Ok(Destination { url, credentials, timeout, device })
    }

    fn given(&self) -> Credentials {
        let secret =
            |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned).map(Secret::new);
        Credentials { token: secret(&self.token), password: secret(&self.password) }
    }
}

fn device(context: &Context) -> anyhow::Result<Arc<Device>> {
    Ok(Arc::new(Device::read_or_create(&context.paths()?.device_identity())?))
}

impl Destination {
    /// Connects with no more rights than these methods need.
    pub(super) async fn connect(&self, methods: &[&str]) -> Result<Client, ClientError> {
        let mut scopes: Vec<Scope> = methods.iter().flat_map(|method| scopes_for(method)).collect();
        scopes.sort_unstable();
        scopes.dedup();
        self.connect_as(scopes).await
    }

    /// Calls a method with no more rights than its params need: with the least that it takes at all, and where the gateway
    /// says that these params take more, with that. It says so before it does anything.
    pub(super) async fn ask<T>(
        &self,
        method: &str,
        mut call: impl AsyncFnMut(&mut Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let least = scopes_for(method);
        let mut client = self.connect_as(least.clone()).await?;
        let mut outcome = call(&mut client).await;
        if let Err(error) = &outcome
            && let Some(scope) = error.missing_scope().filter(|scope| !least.contains(scope))
        {
            client.close().await;
            client = self.connect_as(vec![scope]).await?;
            outcome = call(&mut client).await;
        }
        client.close().await;
        outcome
    }

    pub(super) async fn connect_as(&self, scopes: Vec<Scope>) -> Result<Client, ClientError> {
        let target = Target {
            url: self.url.clone(),
            credentials: self.credentials.clone(),
            device: self.device.clone(),
            scopes,
            timeout: self.timeout,
        };
        let deadline = Instant::now() + self.timeout;
        loop {
            let error = match Client::connect(&target).await {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            match soon(&error) {
                Some(pause) if Instant::now() + pause < deadline => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }
}

/// A gateway that is starting says when to come back. A lock-out does so, too, but nobody waits for that.
fn soon(error: &ClientError) -> Option<Duration> {
    let ClientError::Refused(refusal) = error else { return None };
    let pause = refusal.retry_after_ms.filter(|_| refusal.retryable)?;
    (pause <= 2_000).then(|| Duration::from_millis(pause.max(50)))
}

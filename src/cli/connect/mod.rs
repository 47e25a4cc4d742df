//! Which gateway a verb talks to, on which road, and with which secret.
//!
//! `decision` says where to and with what, from flags, environment and configuration alone; `road` opens what leads there
//! and keeps it until the command ends; `known` remembers certificates that a person has chosen to trust.

mod decision;
mod known;
mod road;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::watch;

pub(super) use decision::Origin;
use decision::{Around, Elsewhere, Plan, Said};
pub(super) use road::Roads;

use super::context::Context;
use super::failure::Usage;
use crate::client::{
    CONNECT_TIMEOUT, Client, ClientError, Credentials, Device, Dialler, GatewayUrl, PlainNames, Route, Target, Trust,
    fetch, scopes_for, shown_certificate,
};
use crate::config::{Draft, Overrides};
use crate::net::SshTarget;
use crate::protocol::Scope;
use crate::secret::Secret;
use crate::tls::Fingerprint;
use crate::tunnel::State;

#[derive(Debug, Default, Args)]
pub(super) struct ConnectArgs {
    /// Gateway address, as in wss://name or ws://name:18789; takes no secret from this machine
    #[arg(long, value_name = "URL", conflicts_with_all = ["port", "ssh"])]
    url: Option<String>,
    /// Port of the gateway on this machine; with --ssh, on that one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Gateway token
    // One letter in 64 is a hyphen, the first one too.
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
    /// Gateway password
    #[arg(long, value_name = "PASSWORD", conflicts_with = "token", allow_hyphen_values = true)]
    password: Option<String>,
    /// SHA-256 of the gateway's certificate: that one is taken, and no other
    #[arg(long, value_name = "SHA256")]
    tls_fingerprint: Option<Fingerprint>,
    /// Trust the certificate that is shown now, and from then on no other
    #[arg(long, conflicts_with = "tls_fingerprint")]
    trust_first_use: bool,
    /// Reach the gateway of this machine through SSH (user@host or user@host:port)
    #[arg(long, value_name = "TARGET")]
    ssh: Option<SshTarget>,
    /// Key file for SSH
    #[arg(long, value_name = "PATH", requires = "ssh")]
    ssh_identity: Option<PathBuf>,
}

/// Where and with what, before it is known what for.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) route: Route,
    pub(super) credentials: Credentials,
    pub(super) timeout: Duration,
    /// Who said so.
    pub(super) origin: Origin,
    device: Option<Arc<Device>>,
}

impl ConnectArgs {
    /// Whether another machine's gateway may be meant.
    pub(super) fn is_elsewhere(&self, context: &Context) -> bool {
        let draft = context.draft(Overrides::default()).ok();
        let plan = decision::decide(&self.said(), &Around::of(&context.environment), draft.as_ref());
        !matches!(plan, Ok(Plan::Here { .. }))
    }

    pub(super) async fn destination(&self, context: &Context, timeout: Duration) -> anyhow::Result<Destination> {
        let around = Around::of(&context.environment);
        let said = self.said();
        // Flags that say all are a way back from a broken configuration; and to an address without TLS nothing of the
        // configuration goes, so that no program is asked for secrets of which none is used.
        let says_all = said.url.is_some() || said.ssh.is_some();
        let draft = match said.url.map(GatewayUrl::parse).transpose()? {
            Some(url) if !url.is_tls() => None,
            _ => match context.draft(Overrides::default()) {
                Ok(draft) => Some(draft),
                Err(_) if says_all => None,
                Err(error) => return Err(error.into()),
            },
        };
        match decision::decide(&said, &around, draft.as_ref())? {
            Plan::Here { port } => {
                let Some(draft) = draft else { return Err(Usage("no configuration".to_owned()).into()) };
                self.here(context, timeout, &draft, port)
            }
            Plan::Elsewhere(plan) => self.elsewhere(context, timeout, *plan, &around).await,
        }
    }

    fn here(&self, context: &Context, timeout: Duration, draft: &Draft, port: u16) -> anyhow::Result<Destination> {
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
        let mut route = Route::direct(GatewayUrl::local(port));
        if let Some(tls) = &draft.tls {
            route.url = route.url.with_tls();
            // The gateway's own file says which certificate is its own; without one no gateway has started yet.
            if let Ok(fingerprint) = tls.fingerprint() {
                route.trust = Trust::Pinned { fingerprint, kept_in: tls.certificate.display().to_string() };
            }
        }
        if let Some(fingerprint) = self.tls_fingerprint {
            route.trust = Trust::Pinned { fingerprint, kept_in: "--tls-fingerprint".to_owned() };
        }
        Ok(Destination { route, credentials, timeout, origin: Origin::Here, device })
    }

    async fn elsewhere(
        &self,
        context: &Context,
        timeout: Duration,
        plan: Elsewhere,
        around: &Around,
    ) -> anyhow::Result<Destination> {
        if let Some(sentence) = plan.lacks_secret
            && !plan.url.is_tailnet().await
        {
            return Err(Usage(sentence).into());
        }
        // To a loopback address the gateway knows this machine's programs by the secret alone.
        let device = if plan.url.is_loopback() && !plan.credentials.is_empty() { None } else { Some(device(context)?) };
        let mut route = Route { headers: plan.headers, ..Route::direct(plan.url) };
        if around.vouches_for_names {
            route.dialler = Dialler::Direct(PlainNames::Vouched);
        }
        route.check()?;
        if let Some(dialler) = context.roads.open(plan.way, timeout, context).await? {
            route.dialler = dialler;
        }
        route.trust = match plan.pin {
            Some((fingerprint, kept_in)) => Trust::Pinned { fingerprint, kept_in },
            None if route.url.is_tls() => self.trust(context, &route, timeout).await?,
            None => Trust::System,
        };
        if matches!(route.dialler, Dialler::Socket { .. }) {
            answers(context, &route, timeout).await?;
        }
        Ok(Destination { route, credentials: plan.credentials, timeout, origin: plan.origin, device })
    }

    /// What was trusted before; with `--trust-first-use` else what is shown now.
    async fn trust(&self, context: &Context, route: &Route, timeout: Duration) -> anyhow::Result<Trust> {
        let known = known::Known::of(&context.paths()?);
        let place = route.url.authority();
        let kept_in = known.file().display().to_string();
        if let Some(fingerprint) = known.find(&place)? {
            return Ok(Trust::Pinned { fingerprint, kept_in });
        }
        if !self.trust_first_use {
            return Ok(Trust::System);
        }
        let fingerprint = shown_certificate(route, timeout).await?;
        known.keep(&place, fingerprint)?;
        eprintln!("note: from now on {place} is trusted to have the certificate {fingerprint} (kept in {kept_in})");
        Ok(Trust::Pinned { fingerprint, kept_in })
    }

    fn said(&self) -> Said<'_> {
        Said {
            url: self.url.as_deref(),
            port: self.port,
            credentials: self.given(),
            fingerprint: self.tls_fingerprint,
            ssh: self.ssh.as_ref(),
            ssh_identity: self.ssh_identity.as_deref(),
        }
    }

    fn given(&self) -> Credentials {
        let secret =
            |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned).map(Secret::new);
        Credentials { token: secret(&self.token), password: secret(&self.password) }
    }
}

/// A port forward, and the machine that it leads to.
pub(super) struct SshRoad {
    pub(super) target: SshTarget,
    pub(super) remote_port: u16,
    pub(super) socket: PathBuf,
    pub(super) state: watch::Receiver<State>,
    /// Whether the gateway there speaks TLS.
    pub(super) is_tls: bool,
}

/// For `tailclaw tunnel`: the road alone, to whatever gateway answers at its end.
pub(super) async fn ssh_road(
    context: &Context,
    target: Option<&SshTarget>,
    identity: Option<&Path>,
    port: Option<u16>,
) -> anyhow::Result<SshRoad> {
    let draft = context.draft(Overrides::default())?;
    let Some(target) = target.or(draft.remote.ssh_target.as_ref()).cloned() else {
        return Err(Usage(
            "name the machine as in `tailclaw tunnel user@host`, or set gateway.remote.sshTarget".to_owned(),
        )
        .into());
    };
    let said = Said { port, ssh: Some(&target), ssh_identity: identity, ..Said::default() };
    let Plan::Elsewhere(plan) = decision::decide(&said, &Around::of(&context.environment), Some(&draft))? else {
        return Err(Usage("no way there is known".to_owned()).into());
    };
    let dialler = context.roads.open(plan.way, CONNECT_TIMEOUT, context).await?;
    let (Some(Dialler::Socket { path, via }), Some(state)) = (dialler, context.roads.ssh_state()) else {
        return Err(Usage("no way there is known".to_owned()).into());
    };
    let remote_port = plan.url.port();
    let mut route = Route::direct(plan.url);
    route.dialler = Dialler::Socket { path: path.clone(), via };
    let is_tls = match answers(context, &route, CONNECT_TIMEOUT).await {
        Ok(()) => false,
        // It may be that it speaks TLS alone.
        Err(error) => match shown_certificate(&route, CONNECT_TIMEOUT).await {
            Ok(_) => true,
            Err(_) => return Err(error),
        },
    };
    Ok(SshRoad { target, remote_port, socket: path, state, is_tls })
}

/// The first look through a tunnel, before anything secret goes there.
async fn answers(context: &Context, route: &Route, timeout: Duration) -> anyhow::Result<()> {
    let problem = match fetch(route, "/healthz", &Credentials::default(), timeout).await {
        Ok(answer) if answer.status == 200 => return Ok(()),
        Ok(answer) => {
            ClientError::NotAGateway { url: route.to_string(), problem: format!("HTTP {} for /healthz", answer.status) }
        }
        // Of the certificate alone: the tunnel itself is well.
        Err(error @ (ClientError::WrongCertificate { .. } | ClientError::Untrusted { .. })) => return Err(error.into()),
        Err(error) => error,
    };
    match context.roads.explanation().await {
        Some(explanation) => Err(explanation.into()),
        None => Err(problem.into()),
    }
}

/// Whether there is somebody whom a program on the way could ask.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
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
            route: self.route.clone(),
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

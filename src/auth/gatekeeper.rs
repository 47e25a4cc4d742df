//! The decision itself, top to bottom in the order in which it is made.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde_json::json;

use super::caller::{AuthMethod, Caller};
use super::case::{
    Attempt, Case, Proof, caller, requested_role, requested_scopes, require_device, scopes_without_device, within,
};
use super::credentials::{self, Sent};
use super::device::VerifiedDevice;
use super::origin::{Foreign, Page};
use super::proxy::Vouched;
use super::reason::Reason;
use super::rights::{Rights, Rule};
use super::roles::{self, Held, Unheld};
use super::roster::Roster;
use super::settings::{Mode, Settings};
use super::throttle::{Sender, Target, Throttle};
use super::{Refusal, device, kind, origin, pairing, tailnet};
use crate::clock::now_ms;
use crate::live::Live;
use crate::net::{Identities, Peer, WhoIs};
use crate::pairing::{Paired, Pairing, SetupDelivery, Shown, TokenVerdict};
use crate::protocol::handshake::{ClientMode, ConnectParams};
use crate::protocol::{Role, Scope};
use crate::secret::Secret;

/// The host names and addresses by which the gateway is reached, as the tailnet and the configuration know them.
pub type OwnNames = Arc<RwLock<Vec<String>>>;

#[derive(Debug)]
pub struct Gatekeeper {
    settings: Arc<Live<Settings>>,
    pub(super) pairing: Pairing,
    pub(super) own_names: OwnNames,
    identities: Arc<Identities>,
    pub(super) throttle: Throttle,
    roster: Roster,
}

/// Let in.
#[derive(Debug)]
pub struct Admission {
    pub caller: Caller,
    /// The tokens for the device to come back with.
    pub paired: Option<Paired>,
    /// Of the setup code that let it in: to be confirmed once the answer has gone out.
    pub setup: Option<SetupDelivery>,
}

impl Gatekeeper {
    /// Others may look at `settings`, too; they change through [`Gatekeeper::apply`].
    #[must_use]
    pub fn new(
        settings: Arc<Live<Settings>>,
        pairing: Pairing,
        own_names: OwnNames,
        identities: Arc<Identities>,
        roster: Roster,
    ) -> Self {
        Self { settings, pairing, own_names, identities, throttle: Throttle::default(), roster }
    }

    /// Who is at which address of the tailnet, as it was last heard.
    #[must_use]
    pub const fn identities(&self) -> &Arc<Identities> {
        &self.identities
    }

    /// As they are now. A decision takes them once.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.get()
    }

    /// From the next decision on these hold. Who is in already stays.
    pub fn apply(&self, settings: Settings) {
        self.settings.set(settings);
    }

    /// What the proxy in front of a request says of its user, where the mode asks one, and how the request's rights are
    /// narrowed.
    #[must_use]
    pub fn vouched(&self, peer: &Peer, headers: &HeaderMap) -> Vouched {
        Vouched::read(&self.settings(), peer, headers)
    }

    /// Decides about a `connect`.
    ///
    /// # Errors
    /// The refusal to send; the failure is counted and, on loopback, already waited for.
    pub async fn admit(&self, attempt: Attempt<'_>) -> Result<Admission, Refusal> {
        let mut penalty = Duration::ZERO;
        let outcome = self.decide(attempt, &mut penalty).await;
        if outcome.is_err() && !penalty.is_zero() {
            tokio::time::sleep(penalty).await;
        }
        outcome
    }

    async fn decide(&self, attempt: Attempt<'_>, penalty: &mut Duration) -> Result<Admission, Refusal> {
        let settings = self.settings();
        let whois = self.identities.of(attempt.peer);
        let case = Case {
            role: requested_role(attempt.params)?,
            sent: Sent::of(attempt.params.auth.as_ref()),
            sender: Sender::new(attempt.peer, attempt.origin),
            rights: tailnet_rights(whois.as_deref(), &settings),
            whois,
            settings,
            attempt,
        };
        if let Some(denied) = case.rights.as_ref().filter(|rights| rights.rule == Rule::Deny) {
            return Err(case.refusal(&Reason::TailnetRights(denied.rule, denied.reason.clone())));
        }
        self.check_page(&case)?;
        let shared = self.shared_proof(&case, penalty);
        let device = match &attempt.params.device {
            None => {
                require_device(&case, shared.as_ref())?;
                None
            }
            Some(proof) => Some(device::verify(proof, attempt.params, attempt.nonce, now_ms())?),
        };
        // Before a device is paired, so that its record is as narrow.
        let requested = attempt.vouched.capped(requested_scopes(attempt.params, case.role));
        let proof = self.proof(&case, device.as_ref(), &requested, shared, penalty).await?;
        let mut admission = match device {
            None => {
                let scopes = scopes_without_device(&case, &proof, requested);
                Admission { caller: caller(&case, proof, scopes, None), paired: None, setup: None }
            }
            Some(device) => self.with_device(&case, proof, requested, device).await?,
        };
        if let Some(scopes) =
            admission.caller.proxy_user.as_deref().and_then(|user| case.settings.identity_scopes.of(user))
            && case.role == Role::Operator
        {
            // For this connection alone: the device's record stays as it is.
            let given = within(&requested_scopes(attempt.params, case.role), scopes);
            let more = given.into_iter().filter(|scope| !admission.caller.scopes.contains(scope)).collect::<Vec<_>>();
            admission.caller.scopes.extend(more);
        }
        // And after it: what a setup code or a grant adds is narrowed, too.
        admission.caller.scopes = attempt.vouched.capped(admission.caller.scopes);
        self.lay_role(&case, admission).await
    }

    /// The operator role of a person, where roles are configured.
    pub(super) fn role_of(&self, profile_id: &str) -> Result<Option<Held>, Unheld> {
        let settings = self.settings();
        let Some(roles) = &settings.roles else { return Ok(None) };
        roles::of_person(roles, self.roster.role_of(profile_id))
    }

    /// The last word: a role narrows whatever all the others gave, and leaves no token that could go around it.
    async fn lay_role(&self, case: &Case<'_>, admission: Admission) -> Result<Admission, Refusal> {
        let Admission { mut caller, paired, setup } = admission;
        let assigned = match caller.profile() {
            Some(person) => self.roster.greet(&person).await,
            None => None,
        };
        match roles::held(&caller, case.settings.roles.as_ref(), assigned) {
            Ok(None) => Ok(Admission { caller, paired, setup }),
            Ok(Some(held)) => {
                roles::narrow(&mut caller, held);
                Ok(Admission { caller, paired: None, setup })
            }
            Err(unheld) => Err(case.refusal(&Reason::OperatorRole(unheld.words()))),
        }
    }

    /// The `Origin` rule, and what the browser extension has to be.
    fn check_page(&self, case: &Case<'_>) -> Result<(), Refusal> {
        let Attempt { peer, params, origin, host, .. } = case.attempt;
        if kind::is_copilot(&params.client) {
            check_copilot(params, origin)?;
            // By a tailnet identity alone any extension in its owner's browser could speak in their name.
            if case.rights.is_none() {
                return Ok(());
            }
        }
        if origin.is_none() && !kind::is_page(&params.client) {
            return Ok(());
        }
        let own_names = self.own_names.read().unwrap_or_else(PoisonError::into_inner);
        origin::check(Page { origin, host, peer }, &case.settings, &own_names).map_err(|foreign| {
            let reason = match foreign {
                Foreign::Unnamed => "origin missing or invalid",
                Foreign::NotAllowed => "origin not allowed",
            };
            let message = "origin not allowed (open the Control UI from the gateway host or allow it in \
                           gateway.controlUi.allowedOrigins)";
            Refusal::new("CONTROL_UI_ORIGIN_NOT_ALLOWED", message).detail("reason", json!(reason))
        })
    }

    /// What the mode asks of everybody: the shared secret, the proxy's word, or nothing; or a tailnet identity in its
    /// place. A guess is counted here, before anything can be waited for.
    fn shared_proof(&self, case: &Case<'_>, penalty: &mut Duration) -> Result<Proof, Reason> {
        let by_tailnet = || case.usable_rights().map(|_| Proof::from(AuthMethod::Tailscale));
        let outcome = match &case.settings.mode {
            Mode::None if case.attempt.peer.is_loopback() => Ok(AuthMethod::None.into()),
            Mode::None => Err(Reason::SecretNeeded),
            Mode::TrustedProxy(_) => self.by_proxy(case, penalty),
            Mode::Token(_) | Mode::Password(_) => self.by_secret(case, penalty),
        };
        let outcome = outcome.or_else(|reason| by_tailnet().ok_or(reason));
        // Who showed nothing but a tailnet identity is told what that lacks.
        match (&case.rights, outcome) {
            (Some(rights), Err(_)) if case.sent.is_empty() => {
                Err(Reason::TailnetRights(rights.rule, rights.lack(case.role)))
            }
            (_, outcome) => outcome,
        }
    }

    fn by_secret(&self, case: &Case<'_>, penalty: &mut Duration) -> Result<Proof, Reason> {
        let Some(asked) = credentials::asked_for(&case.settings) else {
            return Err(Reason::SecretNeeded);
        };
        if !case.sent.has_shared_secret() {
            return Err(Reason::Missing(asked));
        }
        self.guess(case, Target::SharedSecret, penalty, || {
            match credentials::shared_secret(&case.settings, &case.sent) {
                Some((method, true)) => Ok(method.into()),
                _ => Err(Reason::Mismatch(asked)),
            }
        })
    }

    /// The proxy's word; on this machine, where no proxy stands, the password for it.
    fn by_proxy(&self, case: &Case<'_>, penalty: &mut Duration) -> Result<Proof, Reason> {
        let reason = match case.attempt.vouched.user() {
            Ok(user) => {
                let proxy_user = Some(user.to_owned());
                return Ok(Proof { proxy_user, ..AuthMethod::TrustedProxy.into() });
            }
            Err(reason) => reason,
        };
        let Mode::TrustedProxy(proxy) = &case.settings.mode else { return Err(reason) };
        let (Some(password), Some(sent), true) = (&proxy.password, case.sent.password, case.attempt.peer.is_loopback())
        else {
            return Err(reason);
        };
        self.guess(case, Target::SharedSecret, penalty, || match password.matches(sent) {
            true => Ok(AuthMethod::Password.into()),
            false => Err(Reason::Mismatch(super::reason::SharedSecret::Password)),
        })
    }

    /// The shared proof, else what the device itself holds.
    async fn proof(
        &self,
        case: &Case<'_>,
        device: Option<&VerifiedDevice>,
        requested: &[Scope],
        shared: Result<Proof, Reason>,
        penalty: &mut Duration,
    ) -> Result<Proof, Refusal> {
        let is_by_identity = matches!(&shared, Ok(proof) if proof.method == AuthMethod::Tailscale);
        let reason = match (shared, device) {
            // A phone of the tailnet that was shown a setup code uses it up, so that who made it sees it come.
            (Ok(proof), Some(device)) if is_by_identity && case.sent.bootstrap_token.is_some() => {
                return Ok(self.by_setup_code(case, device, requested, penalty).await?.unwrap_or(proof));
            }
            (Ok(proof), _) => return Ok(proof),
            (Err(reason), None) => return Err(case.refusal(&reason)),
            (Err(reason), Some(_)) => reason,
        };
        let Some(device) = device else { return Err(case.refusal(&reason)) };
        let reason = match self.by_setup_code(case, device, requested, penalty).await? {
            Ok(proof) => return Ok(proof),
            Err(wrong) => wrong.unwrap_or(reason),
        };
        let Some(token) = case.sent.as_device_token() else { return Err(case.refusal(&reason)) };
        let secret = pairing::secret(&case.settings);
        let peer = case.attempt.peer;
        let shown = Shown { peer, secret, is_vouched_for: case.usable_rights().is_some() };
        let judged = self.pairing.judge_token(&device.id, case.role, &token, requested, shown).await;
        let judged = judged.map_err(pairing::unavailable)?;
        let verdict = self.guess(case, Target::DeviceToken, penalty, || match judged {
            TokenVerdict::Fits => Ok(Proof { device_token: Some(token), ..AuthMethod::DeviceToken.into() }),
            TokenVerdict::TooNarrow => Err(Reason::DeviceTokenScope),
            TokenVerdict::OtherNode => Err(Reason::DeviceTokenNode),
            TokenVerdict::Unvouched => Err(match &case.rights {
                Some(rights) => Reason::TailnetRights(rights.rule, rights.lack(case.role)),
                None => Reason::DeviceToken,
            }),
            TokenVerdict::Wrong if case.sent.device_token.is_some() => Err(Reason::DeviceToken),
            TokenVerdict::Wrong => Err(reason.clone()),
        });
        match verdict {
            Ok(proof) => {
                if matches!(reason, Reason::Mismatch(_)) {
                    self.throttle.forgive(Target::SharedSecret, &case.sender, &case.settings.rate_limit);
                }
                Ok(proof)
            }
            Err(reason) => Err(case.refusal(&reason)),
        }
    }

    /// The setup code, if one was presented: what is wrong with it, if anything.
    async fn by_setup_code(
        &self,
        case: &Case<'_>,
        device: &VerifiedDevice,
        requested: &[Scope],
        penalty: &mut Duration,
    ) -> Result<Result<Proof, Option<Reason>>, Refusal> {
        let Some(token) = case.sent.bootstrap_token else { return Ok(Err(None)) };
        // Who is locked out does not get so far as to bind a code.
        let limit = &case.settings.rate_limit;
        if let Some(left) = self.throttle.locked_for(Target::BootstrapToken, &case.sender, limit, Instant::now()) {
            return Ok(Err(Some(Reason::RateLimited(left))));
        }
        let token = Secret::new(token.to_owned());
        let code = self.pairing.present_setup_token(&token, &device.id, case.role, requested).await;
        let code = code.map_err(pairing::unavailable)?;
        let judged = self.guess(case, Target::BootstrapToken, penalty, || code.ok_or(Reason::BootstrapToken));
        Ok(judged
            .map(|code| Proof { setup_code: Some(Box::new(code)), ..AuthMethod::BootstrapToken.into() })
            .map_err(Some))
    }

    async fn with_device(
        &self,
        case: &Case<'_>,
        proof: Proof,
        requested: Vec<Scope>,
        device: VerifiedDevice,
    ) -> Result<Admission, Refusal> {
        let client = &case.attempt.params.client;
        let scopes = match case.usable_rights() {
            Some(rights) if case.role == Role::Operator => within(&requested, &rights.operator),
            _ => requested,
        };
        let is_operator_ui = kind::is_operator_ui(client) && case.role == Role::Operator;
        // Where everybody on this machine is let in there is nothing that a record could add.
        let is_unrecorded = case.is_own_backend(proof.method) || (is_operator_ui && proof.method == AuthMethod::None);
        let mut paired = if is_unrecorded {
            None
        } else {
            Some(pairing::pair(&self.pairing, case, &proof, &device, &scopes).await?)
        };
        let setup = paired.as_mut().and_then(|paired| paired.delivery.take());
        // The proxy asks its user again each time; a token would outlive what it knows of them.
        let paired = paired.filter(|_| !(is_operator_ui && proof.method == AuthMethod::TrustedProxy));
        Ok(Admission { caller: caller(case, proof, scopes, Some(device.id)), paired, setup })
    }
}

/// What the tailnet identity may do; `None` where identities do not count or there is none.
pub(super) fn tailnet_rights(whois: Option<&WhoIs>, settings: &Settings) -> Option<Rights> {
    let whois = whois?;
    if settings.allow_tailscale { Some(tailnet::rights(whois, settings)) } else { tailnet::denied(whois, settings) }
}

fn check_copilot(params: &ConnectParams, origin: Option<&str>) -> Result<(), Refusal> {
    let has = |cap: &str| params.caps.iter().any(|known| known == cap);
    if params.client.mode != ClientMode::Ui || !has("run-tool-bindings") || !has("session-scoped-events") {
        return Err(Refusal::plain(
            "browser copilot requires ui mode with run-tool-bindings and session-scoped-events capabilities",
        ));
    }
    if origin.is_some_and(origin::is_extension) {
        return Ok(());
    }
    let message = "browser copilot requires a canonical Chrome extension origin";
    let reason = json!("invalid browser copilot origin");
    Err(Refusal::new("CONTROL_UI_ORIGIN_NOT_ALLOWED", message).detail("reason", reason))
}

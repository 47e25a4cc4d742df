//! `device.pair.*` and `device.token.*`.

use super::system::TailnetView;
use super::{Context, Table};
use std::sync::Arc;

use crate::auth::{self, AuthMethod, Caller, Mode};
use crate::bus::Closing;
use crate::live::Live;
use crate::net;
use crate::pairing::{self, By, Pairing, Reach, SetupOrder, SetupOutcome, choose_address};
use crate::protocol::devices::{
    ApproveReply, BootstrapProfile, ListReply, PairApprove, PairList, PairReject, PairRemove, PairRename, RejectReply,
    RemoveParams, RemoveReply, RenameParams, RenameReply, RequestParams, RevokeParams, RevokeReply, RotateParams,
    RotateReply, SetupAccess, SetupCode, SetupCodeParams, SetupCodeReply, SetupStatus, SetupStatusParams,
    SetupStatusReply, TokenRevoke, TokenRotate,
};
use crate::protocol::{ErrorShape, NoParams};
use crate::tls::{Certificates, Fingerprint};

/// The longest label, in characters.
const MAX_LABEL: usize = 64;

/// Where a new device could be told to go.
#[derive(Debug, Clone)]
pub struct Doors {
    pub bind: net::bind::Settings,
    pub tailnet: TailnetView,
    /// The mode of the shared secret: how others come in.
    pub auth: Arc<Live<auth::Settings>>,
    /// Of what is bound, where it speaks TLS.
    pub certificates: Option<Certificates>,
}

#[derive(Debug, Clone)]
struct Setup {
    pairing: Pairing,
    doors: Doors,
}

pub(super) fn register(table: &mut Table, pairing: &Pairing, doors: Doors) {
    table.on(PairList, pairing, list);
    table.on(PairApprove, pairing, approve);
    table.on(PairReject, pairing, reject);
    table.on_closing(PairRemove, pairing, remove);
    table.on(PairRename, pairing, rename);
    table.on_closing(TokenRotate, pairing, rotate);
    table.on_closing(TokenRevoke, pairing, revoke);
    let setup = Setup { pairing: pairing.clone(), doors };
    table.on(SetupCode, &setup, setup_code);
    table.on(SetupStatus, &setup, setup_status);
}

pub(super) fn by(caller: &Caller) -> By<'_> {
    By { device: caller.device_id().filter(|_| caller.method() == AuthMethod::DeviceToken), scopes: caller.scopes() }
}

async fn list(pairing: Pairing, context: Context, _: NoParams) -> Result<ListReply, ErrorShape> {
    let (pending, paired) = pairing.list(by(&context.caller)).await?;
    Ok(ListReply { pending, paired })
}

async fn approve(pairing: Pairing, context: Context, params: RequestParams) -> Result<ApproveReply, ErrorShape> {
    let request_id = present("device.pair.approve", "requestId", &params.request_id)?;
    let device = pairing.approve(request_id, by(&context.caller)).await?;
    Ok(ApproveReply { request_id: request_id.to_owned(), device })
}

async fn reject(pairing: Pairing, context: Context, params: RequestParams) -> Result<RejectReply, ErrorShape> {
    let request_id = present("device.pair.reject", "requestId", &params.request_id)?;
    let device_id = pairing.reject(request_id, by(&context.caller)).await?;
    Ok(RejectReply { request_id: request_id.to_owned(), device_id })
}

async fn remove(
    pairing: Pairing,
    context: Context,
    params: RemoveParams,
) -> Result<(RemoveReply, Closing), ErrorShape> {
    let device_id = present("device.pair.remove", "deviceId", &params.device_id)?;
    let closing = pairing.remove(device_id, by(&context.caller)).await?;
    Ok((RemoveReply { device_id: device_id.to_owned() }, closing))
}

async fn rename(pairing: Pairing, context: Context, params: RenameParams) -> Result<RenameReply, ErrorShape> {
    let method = "device.pair.rename";
    let device_id = present(method, "deviceId", &params.device_id)?;
    present(method, "label", &params.label)?;
    if params.label.chars().count() > MAX_LABEL {
        let problem = format!("at /label: must not have more than {MAX_LABEL} characters");
        return Err(ErrorShape::invalid(format!("invalid {method} params: {problem}")));
    }
    let label = pairing.rename(device_id, &params.label, by(&context.caller)).await?;
    Ok(RenameReply { device_id: device_id.to_owned(), label })
}

async fn rotate(
    pairing: Pairing,
    context: Context,
    params: RotateParams,
) -> Result<(RotateReply, Closing), ErrorShape> {
    let method = "device.token.rotate";
    let device_id = present(method, "deviceId", &params.device_id)?;
    let role = present(method, "role", &params.role)?;
    Ok(pairing.rotate(device_id, role, params.scopes.as_deref(), by(&context.caller)).await?)
}

async fn revoke(
    pairing: Pairing,
    context: Context,
    params: RevokeParams,
) -> Result<(RevokeReply, Closing), ErrorShape> {
    let method = "device.token.revoke";
    let device_id = present(method, "deviceId", &params.device_id)?;
    let role = present(method, "role", &params.role)?;
    Ok(pairing.revoke(device_id, role, by(&context.caller)).await?)
}

async fn setup_code(setup: Setup, _: Context, params: SetupCodeParams) -> Result<SetupCodeReply, ErrorShape> {
    let profile = params.bootstrap_profile;
    if params.join_url && profile.is_some_and(|profile| profile != BootstrapProfile::Node) {
        return Err(ErrorShape::invalid("Join URLs require bootstrapProfile=node."));
    }
    let Some(auth) = setup.doors.auth_label() else {
        let problem = "Pairing setup requires gateway.auth.mode \"token\" or \"password\"; current mode is \"none\".";
        return Err(ErrorShape::invalid(problem));
    };
    let address = choose_address(params.public_url.as_deref(), &setup.doors.reach())?;
    let wanted = match profile {
        _ if params.join_url => SetupAccess::Node,
        Some(BootstrapProfile::Node) => SetupAccess::Node,
        Some(BootstrapProfile::Limited) => SetupAccess::Limited,
        None => SetupAccess::Full,
    };
    let access_downgraded = wanted == SetupAccess::Full && !address.is_private;
    let access = if access_downgraded { SetupAccess::Limited } else { wanted };
    let join_base = if params.join_url { Some(address.join_base()?) } else { None };
    let order = SetupOrder {
        access,
        tls_fingerprint: setup.doors.fingerprint(&address.url),
        gateway_url: address.url.clone(),
        with_join_code: params.join_url,
    };
    let ticket = setup.pairing.make_setup_code(order).await?;
    let join_url = join_base.zip(ticket.join_code.as_ref()).map(|(base, code)| format!("{base}/j/{}", code.expose()));
    Ok(SetupCodeReply {
        setup_id: ticket.setup_id,
        expires_at_ms: ticket.expires_at,
        qr_data_url: params.include_qr.unwrap_or(true).then(|| pairing::qr_data_url(ticket.code.expose())).flatten(),
        setup_code: ticket.code.expose().clone(),
        join_url,
        gateway_url: address.url,
        auth,
        url_source: address.source,
        access,
        access_downgraded,
    })
}

async fn setup_status(setup: Setup, _: Context, params: SetupStatusParams) -> Result<SetupStatusReply, ErrorShape> {
    let setup_id = present("device.pair.setupStatus", "setupId", &params.setup_id)?;
    Ok(match setup.pairing.setup_outcome(setup_id).await? {
        None => SetupStatusReply::default(),
        Some(SetupOutcome::Completed(completion)) => {
            SetupStatusReply { completion: Some(completion), ..SetupStatusReply::default() }
        }
        Some(SetupOutcome::DeliveryUncertain(completion)) => {
            SetupStatusReply { delivery_uncertain: Some(completion), ..SetupStatusReply::default() }
        }
    })
}

impl Doors {
    fn auth_label(&self) -> Option<&'static str> {
        match &self.auth.get().mode {
            Mode::None => None,
            mode @ (Mode::Token(_) | Mode::Password(_) | Mode::TrustedProxy(_)) => Some(mode.name()),
        }
    }

    fn reach(&self) -> Reach {
        let tailnet = self.tailnet.borrow().clone().unwrap_or_default();
        Reach {
            bind: self.bind.mode,
            port: self.bind.port,
            has_tls: self.certificates.is_some(),
            tailnet_https: tailnet.https.is_some_and(|https| https.url.is_some()),
            tailnet_name: tailnet.name,
        }
    }

    /// What is shown at that address, where it is what is bound here: elsewhere somebody else may end TLS.
    #[must_use]
    pub fn fingerprint(&self, url: &str) -> Option<Fingerprint> {
        let certificates = self.certificates.as_ref()?;
        let own = choose_address(None, &self.reach()).ok()?;
        (own.url == url && own.is_bound()).then(|| certificates.shown().fingerprint)
    }
}

/// A text that has to be there. What stands around it is not part of it.
fn present<'a>(method: &str, name: &str, text: &'a str) -> Result<&'a str, ErrorShape> {
    if text.is_empty() {
        let problem = format!("at /{name}: must not have fewer than 1 characters");
        return Err(ErrorShape::invalid(format!("invalid {method} params: {problem}")));
    }
    Ok(text.trim())
}

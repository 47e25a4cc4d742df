//! `tailclaw gateway fingerprint`: what clients pin of this machine's gateway, to read out, to copy and to scan.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use qrcode::QrCode;
use qrcode::render::unicode;
use serde_json::json;

use super::context::Context;
use super::output::{print, print_json};
use crate::config::Overrides;

#[derive(Debug, Args)]
pub(super) struct FingerprintArgs {
    /// Skip the QR code
    #[arg(long)]
    no_ascii: bool,
}

/// Reads the public certificate only, and works without the gateway.
pub(super) fn main(args: &FingerprintArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let Some(tls) = context.draft(Overrides::default())?.tls else {
        return Err(anyhow!(
            "this gateway speaks no TLS: tailclaw config set gateway.tls.enabled true, and restart it; on a tailnet it needs none"
        ));
    };
    let fingerprint =
        tls.fingerprint().map_err(|error| anyhow!("{error}; a gateway that starts makes or reads one"))?;
    if context.json {
        print_json(&json!({ "tlsFingerprint": fingerprint.to_string(), "certPath": tls.certificate }))?;
        return Ok(ExitCode::SUCCESS);
    }
    // With its prefix, it says what it is wherever it is pasted; clients take it so, too.
    let picture = if args.no_ascii { None } else { QrCode::new(format!("sha256:{fingerprint}")).ok() };
    let picture = picture.map(|code| code.render::<unicode::Dense1x2>().build() + "\n\n").unwrap_or_default();
    print(&format!(
        "{picture}{fingerprint}\n\nSHA-256 of the certificate that this gateway shows. On another machine:\n  tailclaw \
         config set gateway.remote.tlsFingerprint {fingerprint}"
    ))?;
    Ok(ExitCode::SUCCESS)
}

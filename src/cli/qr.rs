//! `tailclaw qr`: a setup code for a phone, as a QR code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use qrcode::QrCode;
use qrcode::render::unicode;
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::context::Context;
use super::output::{print, print_json};
use super::report::{self, At};

#[derive(Debug, Args)]
pub(super) struct QrArgs {
    /// Pair with limited operator access (omit operator.admin)
    #[arg(long)]
    limited: bool,
    /// The address that the phone is to use, as in wss://gateway.example.com
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Print only the setup code
    #[arg(long)]
    setup_code_only: bool,
    /// Skip the QR code
    #[arg(long)]
    no_ascii: bool,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Unlike OpenClaw's, which writes into the gateway's files, this asks the gateway: it works from other machines too,
/// and `--url` is the gateway that is asked.
pub(super) async fn main(args: &QrArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let mut client = destination.connect(&["device.pair.setupCode"]).await?;
    let mut params = json!({ "includeQr": false });
    if let Some(url) = &args.public_url {
        report::put(&mut params, "publicUrl", url.clone());
    }
    if args.limited {
        report::put(&mut params, "bootstrapProfile", "limited");
    }
    let reply = client.call_raw("device.pair.setupCode", params, timeout).await?;
    client.close().await;
    if context.json {
        print_json(&reply)?;
    } else if args.setup_code_only {
        warn_if_downgraded(&reply);
        print(&report::text(reply.at("setupCode")))?;
    } else {
        print(&rendered(&reply, !args.no_ascii))?;
        warn_if_downgraded(&reply);
    }
    Ok(ExitCode::SUCCESS)
}

fn warn_if_downgraded(reply: &Value) {
    if reply.at("accessDowngraded") == true {
        eprintln!(
            "warning: {} is not encrypted, so the code gives limited access: use wss:// or the tailnet for full access",
            report::text(reply.at("gatewayUrl"))
        );
    }
}

fn rendered(reply: &Value, with_picture: bool) -> String {
    let code = report::text(reply.at("setupCode"));
    let picture = with_picture.then(|| QrCode::new(&code).ok()).flatten();
    let picture = picture.map(|picture| picture.render::<unicode::Dense1x2>().build() + "\n\n").unwrap_or_default();
    format!(
        "Pairing QR\nScan this with the OpenClaw mobile app (Onboarding -> Scan QR). It is good for 10 minutes and one \
         device.\n\n{picture}Setup code: {code}\nGateway: {}\nAuth: {}\nAccess: {}\nSource: {}\n\nApprove after scan \
         with:\n  tailclaw devices list\n  tailclaw devices approve <requestId>",
        report::text(reply.at("gatewayUrl")),
        report::text(reply.at("auth")),
        report::text(reply.at("access")),
        report::text(reply.at("urlSource")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_with_and_without_its_picture() {
        let reply = json!({ "setupCode": "abc", "gatewayUrl": "wss://h", "auth": "token", "access": "full",
            "urlSource": "request.publicUrl" });
        assert!(rendered(&reply, true).contains('█'));
        let plain = rendered(&reply, false);
        assert!(!plain.contains('█') && plain.contains("Setup code: abc\nGateway: wss://h\nAuth: token"), "{plain}");
    }
}

//! What a person reads at the start: where the gateway is, and what to do next. On stdout; the log is on stderr.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use qrcode::QrCode;
use qrcode::render::unicode;
use serde_json::json;

use super::Reader;
use crate::agent::Agent;
use crate::auth::Mode;
use crate::config::{Resolved, SecretOrigin};
use crate::protocol::system::TailnetHealth;
use crate::tls::Pair;

/// A closed stdout is no reason to stop a gateway.
fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// `shown` is the certificate of the addresses, where they speak TLS.
pub(super) fn print(
    resolved: &Resolved,
    addresses: &[SocketAddr],
    shown: Option<&Pair>,
    agent: &Agent,
    reader: Reader,
) {
    let scheme = if shown.is_some() { "wss" } else { "ws" };
    if reader == Reader::Program {
        let document = json!({
            "version": crate::VERSION,
            "pid": std::process::id(),
            "controlUi": control_ui_link(resolved),
            "gateway": addresses.iter().map(|address| format!("{scheme}://{address}")).collect::<Vec<_>>(),
            "tlsFingerprint": shown.map(|pair| pair.fingerprint.to_string()),
            "model": agent.settings().model.reference(),
            "stateDir": resolved.paths.state_dir,
        });
        return say(&format!("{document}\n"));
    }
    let mut text = format!("tailclaw {} is running\n", crate::VERSION);
    let _ = writeln!(text, "  Control UI   {}", control_ui_link(resolved));
    for address in addresses {
        let _ = writeln!(text, "  gateway      {scheme}://{address}");
    }
    if let Some(pair) = shown {
        let _ = writeln!(text, "  certificate  {}", pair.fingerprint);
        text.push_str(if pair.is_self_signed {
            "               made by this gateway: clients know it by this SHA-256 fingerprint\n"
        } else {
            "               its SHA-256 fingerprint, for clients that pin it\n"
        });
        if reader == Reader::Person && pair.is_self_signed {
            text.push_str(&qr_code(&format!("sha256:{}", pair.fingerprint)));
        }
    }
    let settings = agent.settings();
    let model = &settings.model;
    if settings.has_model() {
        let _ = writeln!(text, "  model        {}", model.reference());
    } else {
        text.push_str("  model        none: the built-in echo answers. To add one:\n");
        text.push_str("               export ANTHROPIC_API_KEY=… (or OPENAI_API_KEY), then\n");
        text.push_str("               tailclaw config set agents.defaults.model.primary anthropic/<model>\n");
    }
    if resolved.host.is_some() {
        text.push_str("  tailnet      by this machine's tailscaled …\n");
    } else if resolved.tailnet.is_some() {
        text.push_str("  tailnet      joining …\n");
    } else {
        text.push_str("  tailnet      off. To reach this gateway from your other devices: tailclaw up\n");
    }
    let _ = writeln!(text, "  state        {}", resolved.paths.state_dir.display());
    say(&text);
}

/// A token that the gateway made itself is in the link, behind the `#` that browsers keep to themselves.
fn control_ui_link(resolved: &Resolved) -> String {
    let scheme = if resolved.tls.is_some() { "https" } else { "http" };
    let link = format!("{scheme}://127.0.0.1:{}/", resolved.bind.port);
    match (&resolved.auth.mode, &resolved.secret_origin) {
        (Mode::Token(token), SecretOrigin::TokenFile(_)) => format!("{link}#token={}", token.expose()),
        _ => link,
    }
}

/// One line when the node's state changes; the login link as a QR code, too, if a person watches.
pub(super) fn print_tailnet(health: &TailnetHealth, port: u16, serves: bool, reader: Reader) {
    if reader == Reader::Program {
        // The one document has been printed; `status --json` has the rest.
        return;
    }
    let mut text = String::new();
    match (health.state, &health.login_url, &health.name) {
        ("NeedsLogin", Some(url), _) => {
            let _ = writeln!(text, "  tailnet      to join, open {url}");
            if reader == Reader::Person {
                text.push_str(&qr_code(url));
            }
        }
        ("NeedsMachineAuth", ..) => text.push_str("  tailnet      waits for an admin of the tailnet to approve it\n"),
        ("Running", Some(url), _) => {
            let _ = writeln!(text, "  tailnet      to renew the login, open {url}");
            if reader == Reader::Person {
                text.push_str(&qr_code(url));
            }
        }
        ("Running", _, Some(name)) if serves => {
            if let Some(url) = health.https.as_ref().and_then(|https| https.url.as_deref()) {
                let _ = writeln!(text, "  tailnet      {url}");
                return say(&text);
            }
            let _ = writeln!(text, "  tailnet      http://{name}:{port}");
            for address in &health.addresses {
                let shown = if address.contains(':') { format!("[{address}]") } else { address.clone() };
                let _ = writeln!(text, "               http://{shown}:{port}");
            }
        }
        ("Running", _, Some(name)) => {
            let _ =
                writeln!(text, "  tailnet      joined as {name}; set gateway.bind to \"tailnet\" to be reached there");
        }
        ("Stopped", ..) => {
            let reason = health.reason.as_deref().unwrap_or("stopped");
            let _ = writeln!(text, "  tailnet      not joined: {reason}");
        }
        _ => return,
    }
    say(&text);
}

/// One line when this machine's tailscaled, or what it serves of us, changes.
pub(super) fn print_served(health: &TailnetHealth, reader: Reader) {
    if reader == Reader::Program {
        return;
    }
    let serve = health.serve.clone().unwrap_or_default();
    let mut text = String::new();
    for url in [&serve.url, &serve.public_url].into_iter().flatten() {
        let _ = writeln!(text, "  tailnet      {url}");
    }
    let problem = serve.problem.or_else(|| health.reason.clone());
    if let Some(problem) = problem.filter(|_| text.is_empty()) {
        let _ = writeln!(text, "  tailnet      {problem}");
    }
    if !text.is_empty() {
        say(&text);
    }
}

/// Empty for a text that does not fit into a code.
fn qr_code(text: &str) -> String {
    QrCode::new(text).map_or_else(
        |_| String::new(),
        |code| {
            let mut picture = code.render::<unicode::Dense1x2>().quiet_zone(true).build();
            picture.push('\n');
            picture
        },
    )
}

//! What can be said of the configuration without anybody running.

use std::time::Duration;

use super::check::{Check, fail, ok, warn};
use crate::clock::now_ms;
use crate::config::Draft;
use crate::discovery::Mode;
use crate::net::bind::BindMode;
use crate::tls::Pair;

/// Shorter secrets can be guessed by a machine that has the time.
const LEAST_SECRET: usize = 16;
/// A person who renews by hand wants this much notice.
const SOON: Duration = Duration::from_hours(14 * 24);

pub(super) fn checks(draft: &Draft) -> Vec<Check> {
    let mut checks = vec![auth(draft)];
    checks.push(bind(draft));
    checks.extend(tls(draft));
    checks.extend(proxies(draft));
    checks.extend(roles(draft));
    checks.extend(announcement(draft));
    checks
}

fn auth(draft: &Draft) -> Check {
    const ID: &str = "auth";
    let mode = draft.access.mode_name();
    let by_identity = if draft.access.allows_tailscale() { ", or a tailnet identity" } else { "" };
    if mode == "none" {
        let fix = "tailclaw config set gateway.auth.mode token";
        return warn(ID, format!("every program and user of this machine may come in{by_identity}"), fix);
    }
    match draft.secret() {
        Err(error) => fail(ID, error.to_string(), "make the file readable for its owner"),
        Ok(Some(secret)) if is_weak(secret.expose()) => {
            let fix = "tailclaw config set gateway.auth.token \"$(openssl rand -hex 24)\"";
            warn(ID, format!("the {mode} is short or has few different letters, and could be guessed"), fix)
        }
        Ok(Some(_)) => ok(ID, format!("{mode}{by_identity}; the secret is long enough")),
        Ok(None) => ok(ID, format!("{mode}{by_identity}; the secret is made at the first start")),
    }
}

fn is_weak(secret: &str) -> bool {
    let mut letters: Vec<char> = secret.chars().collect();
    let length = letters.len();
    letters.sort_unstable();
    letters.dedup();
    length < LEAST_SECRET || letters.len() < 6
}

fn bind(draft: &Draft) -> Check {
    const ID: &str = "bind";
    let port = draft.bind.port;
    match draft.bind.mode {
        BindMode::Loopback => ok(ID, format!("this machine only, port {port}")),
        BindMode::Tailnet => ok(ID, format!("this machine and the tailnet, port {port}")),
        BindMode::Lan | BindMode::Custom(_) if draft.tls.is_some() => {
            ok(ID, format!("the network, by TLS, port {port}"))
        }
        mode if mode.is_exposed() => warn(
            ID,
            format!("the network can reach port {port}, and reads along: there is no TLS"),
            "tailclaw config set gateway.tls.enabled true, or gateway.bind tailnet",
        ),
        _ => ok(ID, format!("this machine only, port {port}")),
    }
}

fn tls(draft: &Draft) -> Option<Check> {
    const ID: &str = "tls";
    let settings = draft.tls.as_ref()?;
    let shown = settings.certificate.display();
    if !settings.certificate.exists() && settings.is_own_place && settings.may_make {
        return Some(ok(ID, "a certificate is made at the first start"));
    }
    let read = |path: &std::path::Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let pair = read(&settings.certificate).and_then(|chain| {
        let key = read(&settings.key)?;
        let bundle = settings.bundle.as_deref().map(read).transpose()?;
        Pair::from_pem(&chain, &key, bundle.as_deref()).map_err(|fault| format!("{shown}: {fault}"))
    });
    let fix = "put a certificate and its key there; a running gateway takes them over by itself";
    Some(match pair {
        Err(problem) => fail(ID, problem, fix),
        Ok(pair) => match pair.check_time(now_ms()) {
            Err(fault) => fail(ID, format!("{shown}: {fault}"), fix),
            Ok(()) if !settings.is_own_place && is_soon(pair.not_after_ms) => {
                warn(ID, format!("{shown} ends on {}", pair.expires()), fix)
            }
            Ok(()) => ok(ID, format!("{shown} is good until {}", pair.expires())),
        },
    })
}

fn is_soon(end_ms: u64) -> bool {
    u128::from(end_ms.saturating_sub(now_ms())) < SOON.as_millis()
}

fn proxies(draft: &Draft) -> Option<Check> {
    const ID: &str = "trusted-proxies";
    let trusted = draft.access.trusted_proxies();
    if trusted.is_empty() {
        return None;
    }
    let shown: Vec<String> = trusted.iter().map(ToString::to_string).collect();
    let is_wide = trusted.iter().any(|network| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 16 });
    let fix = "tailclaw config set gateway.trustedProxies to the proxy's own address";
    Some(if is_wide {
        fail(ID, format!("{}: whoever sits there says who is calling", shown.join(", ")), fix)
    } else if trusted.iter().any(|network| network.addr().is_loopback()) {
        warn(ID, format!("{}: every program of this machine is believed", shown.join(", ")), fix)
    } else {
        ok(ID, shown.join(", "))
    })
}

/// There are neither sandboxes nor plugins here.
fn roles(draft: &Draft) -> Option<Check> {
    const ID: &str = "roles";
    let roles = draft.access.roles()?;
    let unmet: Vec<String> = roles.unmet().map(|(name, why)| format!("\"{name}\" {why}")).collect();
    Some(if unmet.is_empty() {
        ok(ID, "each role can be held; tailclaw gateway call users.list shows who holds which")
    } else {
        warn(ID, unmet.join(", "), "give its holders another role: tailclaw gateway call users.setRole")
    })
}

fn announcement(draft: &Draft) -> Option<Check> {
    const ID: &str = "discovery";
    if !draft.bind.mode.is_exposed() {
        return None;
    }
    Some(match draft.discovery.mode {
        Mode::Off => ok(ID, "nothing is announced in the local network"),
        Mode::Minimal => ok(ID, "the local network is told that there is a gateway, and no names"),
        Mode::Full => warn(
            ID,
            "everybody in the local network is told this machine's names and its SSH port",
            "tailclaw config set discovery.mdns.mode minimal",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Verdict;
    use crate::config::{Environment, Overrides, Paths, load};

    fn of(text: &str) -> Vec<Check> {
        let folder = tempfile::tempdir().unwrap();
        let config_file = folder.path().join("tailclaw.json");
        std::fs::write(&config_file, text).unwrap();
        let paths = Paths { state_dir: folder.path().into(), config_file };
        let environment = Environment::from([("HOME", "/home/ada")]);
        checks(&load(paths, &environment, &Overrides::default()).unwrap())
    }

    fn verdict(text: &str, id: &str) -> Verdict {
        of(text).into_iter().find(|check| check.id == id).unwrap().status
    }

    #[test]
    fn secrets_are_weighed() {
        assert_eq!(verdict("{}", "auth"), Verdict::Ok);
        assert_eq!(verdict(r#"{ gateway: { auth: { token: "hunter2" } } }"#, "auth"), Verdict::Warn);
        assert_eq!(verdict(r#"{ gateway: { auth: { token: "aaaaaaaaaaaaaaaaaaaaaaaa" } } }"#, "auth"), Verdict::Warn);
        assert_eq!(verdict(r#"{ gateway: { auth: { token: "3f9ab27c51d8e604aa" } } }"#, "auth"), Verdict::Ok);
        assert_eq!(verdict(r#"{ gateway: { auth: { mode: "none" } } }"#, "auth"), Verdict::Warn);
    }

    #[test]
    fn what_the_network_can_read_is_told() {
        assert_eq!(verdict("{}", "bind"), Verdict::Ok);
        assert_eq!(verdict(r#"{ gateway: { bind: "lan" } }"#, "bind"), Verdict::Warn);
        assert_eq!(verdict(r#"{ gateway: { bind: "lan", tls: { enabled: true } } }"#, "bind"), Verdict::Ok);
        let broken = r#"{ gateway: { tls: { enabled: true, certPath: "/does/not/exist", keyPath: "/nor/this" } } }"#;
        assert_eq!(verdict(broken, "tls"), Verdict::Fail);
    }

    #[test]
    fn proxies_are_weighed() {
        assert!(of("{}").iter().all(|check| check.id != "trusted-proxies"));
        assert_eq!(verdict(r#"{ gateway: { trustedProxies: ["0.0.0.0/0"] } }"#, "trusted-proxies"), Verdict::Fail);
        assert_eq!(verdict(r#"{ gateway: { trustedProxies: ["127.0.0.1"] } }"#, "trusted-proxies"), Verdict::Warn);
        assert_eq!(verdict(r#"{ gateway: { trustedProxies: ["192.0.2.1"] } }"#, "trusted-proxies"), Verdict::Ok);
    }
}

//! `discovery.mdns`: what the local network is told.

use super::super::Environment;
use super::super::raw::{Discovery, MdnsMode};
use crate::discovery::{Mode, Settings};

const SSH_PORT: u16 = 22;

/// As with OpenClaw, `OPENCLAW_DISABLE_BONJOUR=1` silences it whatever the file says.
pub(super) fn resolve(raw: &Discovery, environment: &Environment) -> Settings {
    let text = |suffix: &str| environment.ours_or_openclaw(suffix).map(|(_, value)| value.trim().to_owned());
    let is_silenced = text("DISABLE_BONJOUR")
        .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on"));
    Settings {
        mode: match raw.mdns.mode {
            _ if is_silenced => Mode::Off,
            MdnsMode::Off => Mode::Off,
            MdnsMode::Minimal => Mode::Minimal,
            MdnsMode::Full => Mode::Full,
        },
        ssh_port: text("SSH_PORT").and_then(|port| port.parse().ok()).filter(|port| *port > 0).unwrap_or(SSH_PORT),
        cli_path: text("CLI_PATH")
            .or_else(|| std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok())),
        host: text("MDNS_HOSTNAME"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::raw::Mdns;
    use super::*;

    #[test]
    fn the_environment_silences_it() {
        let raw = Discovery { mdns: Mdns { mode: MdnsMode::Full } };
        let nothing = resolve(&raw, &Environment::default());
        assert_eq!((nothing.mode, nothing.ssh_port), (Mode::Full, 22));
        let said = [("OPENCLAW_DISABLE_BONJOUR", "1"), ("OPENCLAW_SSH_PORT", "2222"), ("OPENCLAW_CLI_PATH", "/x")];
        let silenced = resolve(&raw, &Environment::from(said));
        assert_eq!((silenced.mode, silenced.ssh_port, silenced.cli_path.as_deref()), (Mode::Off, 2_222, Some("/x")));
        let asked = resolve(&Discovery::default(), &Environment::from([("OPENCLAW_DISABLE_BONJOUR", "0")]));
        assert_eq!(asked.mode, Mode::Minimal);
    }
}

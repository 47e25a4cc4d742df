//! The gateway elsewhere that commands of this machine go to, in mode `remote`: what can be said without going there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::check::{Check, fail, ok, warn};
use crate::config::{Draft, RemoteSettings, SshHostKeys, Transport};
use crate::net::SshTarget;

const ID: &str = "remote";
/// ssh answers these from its files.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn checks(draft: &Draft) -> Vec<Check> {
    let remote = &draft.remote;
    if !remote.is_default {
        return Vec::new();
    }
    match remote.transport {
        Transport::Direct => vec![direct(remote)],
        Transport::Tailnet => vec![by_tailnet(remote)],
        Transport::Ssh => by_ssh(remote).await,
    }
}

fn direct(remote: &RemoteSettings) -> Check {
    let Some(url) = &remote.url else {
        return fail(
            ID,
            "there is no address to go to",
            "tailclaw config set gateway.remote.url wss://gateway.example.com",
        );
    };
    let is_secure = url.starts_with("wss:") || url.starts_with("https:");
    match (&remote.fingerprint, is_secure) {
        (Some(_), true) => ok(ID, format!("{url}, by the pinned certificate alone")),
        (None, true) => ok(ID, format!("{url}, by a certificate that this machine trusts")),
        (_, false) => warn(
            ID,
            format!("{url} is not encrypted: it is taken for loopback, private networks and the tailnet only"),
            "use wss:// with gateway.remote.tlsFingerprint, or transport ssh or tailnet",
        ),
    }
}

fn by_tailnet(remote: &RemoteSettings) -> Check {
    match (&remote.url, remote.node.auth_key.is_some()) {
        (None, _) => {
            fail(ID, "there is no address to go to", "tailclaw config set gateway.remote.url ws://gateway:18789")
        }
        (Some(url), true) => ok(ID, format!("{url}, by a node of this machine's own with a key")),
        (Some(url), false) => ok(ID, format!("{url}, by a node of this machine's own; a link asks for a login")),
    }
}

async fn by_ssh(remote: &RemoteSettings) -> Vec<Check> {
    let Some(target) = &remote.ssh_target else {
        return vec![fail(
            ID,
            "there is no machine to go to",
            "tailclaw config set gateway.remote.sshTarget user@host",
        )];
    };
    let Some(answer) = output(Command::new("ssh").args(["-G", "--", &destination(target)])).await else {
        return vec![fail("ssh", "there is no ssh on this machine", "sudo apt install openssh-client")];
    };
    let mut checks = vec![ok("ssh", format!("the system's OpenSSH goes to {target}"))];
    if let Some(identity) = &remote.ssh_identity {
        checks.push(key_file(identity));
    }
    if remote.ssh_host_keys == SshHostKeys::Strict {
        checks.push(host_key(target, &answer.text).await);
    }
    checks
}

/// As ssh takes it; the port is told apart from it.
fn destination(target: &SshTarget) -> String {
    match &target.user {
        Some(user) => format!("{user}@{}", target.host),
        None => target.host.clone(),
    }
}

fn key_file(path: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(error) => fail("ssh", format!("{shown}: {error}"), "tailclaw config set gateway.remote.sshIdentity PATH"),
        Ok(facts) if facts.permissions().mode() & 0o077 != 0 => {
            fail("ssh", format!("{shown} can be read by others, and ssh refuses it"), format!("chmod 600 {shown}"))
        }
        Ok(_) => ok("ssh", format!("{shown} is private")),
    }
}

/// By the name under which ssh would look for it.
async fn host_key(target: &SshTarget, settings: &str) -> Check {
    let setting =
        |name: &str| settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
    let host = setting("hostkeyalias").or_else(|| setting("hostname")).unwrap_or_else(|| target.host.clone());
    let port = target.port.or_else(|| setting("port")?.parse().ok()).unwrap_or(22);
    let name = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
    let known = output(Command::new("ssh-keygen").args(["-F", &name])).await;
    if known.is_some_and(|known| known.is_success) {
        ok("ssh-host-key", format!("the key of {name} is known"))
    } else {
        let fix = format!("ssh -p {port} {} once, and compare the fingerprint that it shows", destination(target));
        fail(
            "ssh-host-key",
            format!("the key of {name} is not known, and gateway.remote.sshHostKeyPolicy is strict"),
            fix,
        )
    }
}

struct Answer {
    is_success: bool,
    text: String,
}

/// `None`: there is no such program, or it hangs.
async fn output(command: &mut Command) -> Option<Answer> {
    let run = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, run).await.ok()?.ok()?;
    Some(Answer { is_success: output.status.success(), text: String::from_utf8_lossy(&output.stdout).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Verdict;
    use crate::config::{Environment, Overrides, Paths, load};

    fn remote(text: &str) -> RemoteSettings {
        let folder = tempfile::tempdir().unwrap();
        let config_file = folder.path().join("tailclaw.json");
        std::fs::write(&config_file, format!("{{ gateway: {{ mode: \"remote\", remote: {text} }} }}")).unwrap();
        let paths = Paths { state_dir: folder.path().into(), config_file };
        load(paths, &Environment::from([("HOME", "/home/ada")]), &Overrides::default()).unwrap().remote
    }

    #[test]
    fn an_address_is_weighed_by_its_encryption() {
        assert_eq!(direct(&remote(r#"{ url: "wss://h.example.com" }"#)).status, Verdict::Ok);
        assert_eq!(direct(&remote(r#"{ url: "ws://192.168.1.4:18789" }"#)).status, Verdict::Warn);
    }

    #[tokio::test]
    async fn an_open_identity_is_a_failure() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        assert_eq!(key_file(&path).status, Verdict::Fail);
        std::fs::write(&path, "key").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(key_file(&path).fix.unwrap().starts_with("chmod 600"));
    }
}

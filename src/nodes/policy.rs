//! Which commands a node may declare, be approved for and be asked to run (protocol §5, "Default allowlist").
//!
//! A platform's usual commands, with `gateway.nodes.commands.allow` and without `deny`, are what may be declared. What
//! reaches into a person's life (camera, messages, health) may be declared and approved, but runs only once it is in
//! `allow`, too. Nothing runs that was not declared *and* approved.

use std::collections::BTreeSet;

use super::platform::Platform;
use super::surface::Surface;
use crate::protocol::Scope;
use crate::protocol::handshake::ClientInfo;

/// `gateway.nodes.commands`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `allow`: beside the usual ones.
    pub allow: BTreeSet<String>,
    /// `deny`: never, whatever else says so.
    pub deny: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Policy(Settings);

/// What of a node counts for the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    platform: Platform,
    is_iphone: bool,
    /// It listens and speaks.
    talks: bool,
}

/// Why a command is not run, in the protocol's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAllowed {
    pub reason: &'static str,
    pub message: String,
}

const RUN: &[&str] = &["system.run.prepare", "system.run", "system.which"];
const EXEC_APPROVALS: &[&str] = &["system.execApprovals.get", "system.execApprovals.set"];
/// These cross into the machine beyond what an operator's `write` is for.
const ADMIN: &[&str] = &["browser.proxy", "browser.proxy.upload.v1", "fs.listDir", "terminal.upload"];
const DESKTOP: &[&str] =
    &["system.notify", "mcp.tools.call.v1", CLAUDE_RUN, "screen.snapshot", "desktop.stream", "computer.act"];
const CLAUDE_RUN: &str = "agent.cli.claude.run.v1";
const PERSONAL: &[&str] = &[
    "camera.list",
    "location.get",
    "device.info",
    "device.status",
    "contacts.search",
    "calendar.events",
    "reminders.list",
    "photos.latest",
    "motion.activity",
    "motion.pedometer",
];
const MACOS: &[&str] = &["camera.ptz.status", "device.apps"];
const ANDROID: &[&str] = &[
    "notifications.list",
    "notifications.actions",
    "device.permissions",
    "device.health",
    "device.apps",
    "callLog.search",
    "mobile.ui.observe",
    "mobile.ui.act",
    "system.notify",
];
const WINDOWS: &[&str] = &["camera.list", "location.get", "device.info", "device.status"];
const TALK: &[&str] = &["talk.ptt.start", "talk.ptt.stop", "talk.ptt.cancel", "talk.ptt.once"];
/// May be declared and approved by default, and runs only once it is allowed by name.
const SENSITIVE: &[&str] = &[
    "camera.snap",
    "camera.clip",
    "camera.ptz.control",
    "screen.record",
    "contacts.add",
    "calendar.add",
    "reminders.add",
    "sms.send",
    "sms.search",
    "health.summary",
];
/// Between a gateway and its session hosts; never on a surface, never by `node.invoke`.
const PRIVATE: &[&str] = &[
    "worker.bundle.install.v1",
    "worker.launch.v1",
    "worker.status.v1",
    "worker.cancel.v1",
    "worker.environment.stop.v1",
    "worker.workspace.exec.v1",
    "worker.workspace.prepare.v1",
    "worker.workspace.retain.v1",
    "worker.desktop.stream.v1",
    "worker.desktop.launch.v1",
    "worker.desktop.computer.v1",
    "worker.portal.stream.v1",
];
/// What a capability is good for: it goes when all of these go.
const FAMILIES: &[(&str, &[&str])] = &[
    ("camera", &["camera.list", "camera.ptz.status", "camera.snap", "camera.clip", "camera.ptz.control"]),
    ("computer", &["computer.act"]),
    ("location", &["location.get"]),
    ("screen", &["screen.snapshot", "desktop.stream", "screen.record"]),
];

impl Kind {
    pub(super) fn of(client: &ClientInfo, declared: &Surface) -> Self {
        let family = client.device_family.as_deref().unwrap_or_default();
        let lowered = |text: &String| text.to_lowercase();
        Self {
            platform: Platform::of(client),
            is_iphone: family.trim().eq_ignore_ascii_case("iphone"),
            talks: declared.caps.iter().map(lowered).any(|cap| cap == "talk")
                || declared.commands.iter().map(lowered).any(|command| command.starts_with("talk.")),
        }
    }

    fn usually_has(self, command: &str) -> bool {
        let lists: &[&[&str]] = match self.platform {
            Platform::Linux => &[RUN, EXEC_APPROVALS, ADMIN, DESKTOP],
            Platform::Windows => &[RUN, EXEC_APPROVALS, ADMIN, DESKTOP, WINDOWS],
            Platform::Macos => &[RUN, EXEC_APPROVALS, ADMIN, DESKTOP, PERSONAL, MACOS],
            Platform::Ios if self.is_iphone => &[PERSONAL, &["system.notify", "watch.status", "watch.notify"]],
            Platform::Ios => &[PERSONAL, &["system.notify"]],
            Platform::Android => &[PERSONAL, ANDROID],
            Platform::Watchos => &[&["device.info", "device.status", "system.notify"]],
            Platform::Unknown => &[&["camera.list", "location.get", "system.notify"]],
        };
        lists.iter().any(|list| list.contains(&command)) || (self.talks && TALK.contains(&command))
    }
}

impl Policy {
    pub(super) fn new(settings: Settings) -> Self {
        Self(settings)
    }

    /// What may wait for an approval: the real gateway lets sensitive commands be declared even where they are denied;
    /// here `deny` is the last word from the start.
    fn may_declare(&self, kind: Kind, command: &str) -> bool {
        let is_known = kind.usually_has(command) || SENSITIVE.contains(&command) || self.0.allow.contains(command);
        is_known && !self.0.deny.contains(command) && !PRIVATE.contains(&command)
    }

    fn may_run(&self, kind: Kind, command: &str) -> bool {
        self.may_declare(kind, command) && (!SENSITIVE.contains(&command) || self.0.allow.contains(command))
    }

    /// What counts of a declaration: the rest is as if it had not been said.
    pub(super) fn admit(&self, kind: Kind, declared: Surface) -> Surface {
        self.keep(declared, |command| self.may_declare(kind, command))
    }

    /// What can be run of a surface.
    pub(super) fn runnable(&self, kind: Kind, surface: Surface) -> Surface {
        self.keep(surface, |command| self.may_run(kind, command))
    }

    fn keep(&self, surface: Surface, keeps: impl Fn(&str) -> bool) -> Surface {
        let (commands, withheld): (BTreeSet<String>, BTreeSet<String>) =
            surface.commands.into_iter().partition(|command| keeps(command));
        let is_fulfilled = |cap: &str| {
            let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == cap) else { return true };
            let any_of = |list: &BTreeSet<String>| family.iter().any(|command| list.contains(*command));
            !any_of(&withheld) || any_of(&commands)
        };
        let caps = surface.caps.into_iter().filter(|cap| is_fulfilled(cap)).collect();
        Surface { caps, commands, permissions: surface.permissions }
    }

    /// Why a command is not run on a node. `runnable` is what can be, `declared` what it says it could; `platform` is
    /// in its own words.
    pub(super) fn refusal(
        &self,
        kind: Kind,
        platform: &str,
        runnable: &Surface,
        declared: &Surface,
        command: &str,
    ) -> Option<NotAllowed> {
        // A command that reaches into a desktop is in the list only of a node that was approved for it.
        let is_desktop = matches!(kind.platform, Platform::Macos | Platform::Windows | Platform::Linux);
        let is_approved = runnable.commands.contains(command) || self.0.allow.contains(command);
        let listed = self.may_run(kind, command) && (!is_desktop || is_approved || !reaches_into_desktop(command));
        let (reason, message) = if !listed {
            ("command not allowlisted", self.not_listed(platform, command))
        } else if runnable.commands.contains(command) {
            return None;
        } else if !runnable.commands.is_empty() {
            let message = format!("the node (platform: {platform}) does not support \"{command}\"");
            ("command not declared by node", message)
        } else if declared.commands.contains(command) {
            let message = "the node's declared command surface is pending approval; run `openclaw nodes pending`, then \
                           `openclaw nodes approve <requestId>`";
            ("node did not declare commands", message.to_owned())
        } else {
            ("node did not declare commands", "the node did not declare any supported commands".to_owned())
        };
        Some(NotAllowed { reason, message: format!("node command not allowed: {message}") })
    }

    fn not_listed(&self, platform: &str, command: &str) -> String {
        if command.starts_with("talk.") {
            format!("\"{command}\" requires a trusted Talk-capable node")
        } else if self.0.deny.contains(command) {
            format!("\"{command}\" is blocked by gateway.nodes.commands.deny")
        } else if SENSITIVE.contains(&command) {
            format!("\"{command}\" requires explicit gateway.nodes.commands.allow opt-in")
        } else {
            format!("\"{command}\" is not in the allowlist for platform \"{platform}\"")
        }
    }
}

fn reaches_into_desktop(command: &str) -> bool {
    let others = ["mcp.tools.call.v1", CLAUDE_RUN, "screen.snapshot", "desktop.stream"];
    [RUN, EXEC_APPROVALS, ADMIN, &others].iter().any(|list| list.contains(&command))
}

/// Commands that `node.invoke` never carries, and why.
pub(super) fn never(command: &str) -> Option<&'static str> {
    match command {
        _ if PRIVATE.contains(&command) => Some("node.invoke does not allow private node controls"),
        _ if EXEC_APPROVALS.contains(&command) => {
            Some("node.invoke does not allow system.execApprovals.*; use exec.approvals.node.*")
        }
        CLAUDE_RUN => Some("node.invoke does not allow Claude agent runs; use sessions.catalog.continue"),
        _ => None,
    }
}

pub(super) fn needs_admin(command: &str) -> bool {
    ADMIN.contains(&command)
}

/// What an operator needs to approve a surface.
pub(super) fn scopes_to_approve(surface: &Surface) -> Vec<Scope> {
    let reaches = |command: &String| [RUN, EXEC_APPROVALS, ADMIN].iter().any(|list| list.contains(&command.as_str()));
    if surface.commands.iter().any(reaches) {
        vec![Scope::Pairing, Scope::Admin]
    } else if surface.commands.is_empty() {
        vec![Scope::Pairing]
    } else {
        vec![Scope::Pairing, Scope::Write]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn surface(caps: &[&str], commands: &[&str]) -> Surface {
        Surface { caps: set(caps), commands: set(commands), ..Surface::default() }
    }

    fn linux() -> Kind {
        Kind { platform: Platform::Linux, is_iphone: false, talks: false }
    }

    fn policy(allow: &[&str], deny: &[&str]) -> Policy {
        Policy::new(Settings { allow: set(allow), deny: set(deny) })
    }

    #[test]
    fn what_a_platform_does_not_usually_have_is_dropped() {
        let declared = surface(&["camera", "system"], &["system.run", "file.fetch", "camera.list", "worker.launch.v1"]);
        let admitted = policy(&[], &[]).admit(linux(), declared.clone());
        assert_eq!(admitted, surface(&["system"], &["system.run"]), "no camera, and so no capability of that name");
        let admitted = policy(&["file.fetch", "worker.launch.v1"], &["system.run"]).admit(linux(), declared);
        assert_eq!(admitted.commands, set(&["file.fetch"]), "what is private stays so");
    }

    #[test]
    fn sensitive_commands_are_approved_but_run_only_where_allowed_by_name() {
        let declared = surface(&["camera"], &["camera.snap"]);
        assert_eq!(policy(&[], &[]).admit(linux(), declared.clone()), declared);
        assert!(policy(&[], &[]).runnable(linux(), declared.clone()).commands.is_empty());
        assert_eq!(policy(&["camera.snap"], &[]).runnable(linux(), declared.clone()), declared);
        assert!(policy(&["camera.snap"], &["camera.snap"]).admit(linux(), declared).commands.is_empty());
    }

    #[test]
    fn a_refusal_says_why() {
        let (none, which) = (Surface::default(), surface(&[], &["system.which"]));
        let policy = policy(&[], &["computer.act"]);
        for (runnable, declared, command, reason, says) in [
            (&which, &which, "nope", "command not allowlisted", "not in the allowlist for platform \"linux\""),
            (&which, &which, "camera.snap", "command not allowlisted", "explicit gateway.nodes.commands.allow opt-in"),
            (&which, &which, "talk.ptt.start", "command not allowlisted", "a trusted Talk-capable node"),
            (&which, &which, "computer.act", "command not allowlisted", "blocked by gateway.nodes.commands.deny"),
            (&which, &which, "screen.snapshot", "command not allowlisted", "not in the allowlist"),
            (&which, &which, "system.notify", "command not declared by node", "does not support \"system.notify\""),
            (&none, &surface(&[], &["system.notify"]), "system.notify", "node did not declare commands", "pending"),
            (&none, &none, "system.notify", "node did not declare commands", "did not declare any supported"),
        ] {
            let refusal = policy.refusal(linux(), "linux", runnable, declared, command).unwrap();
            assert_eq!(refusal.reason, reason, "{command}");
            assert!(refusal.message.contains(says), "{command}: {}", refusal.message);
        }
        assert_eq!(policy.refusal(linux(), "linux", &which, &which, "system.which"), None);
    }

    #[test]
    fn what_reaches_into_the_machine_takes_an_admin_to_approve() {
        assert_eq!(scopes_to_approve(&surface(&["x"], &[])), [Scope::Pairing]);
        assert_eq!(scopes_to_approve(&surface(&[], &["system.notify"])), [Scope::Pairing, Scope::Write]);
        assert_eq!(scopes_to_approve(&surface(&[], &["fs.listDir", "a"])), [Scope::Pairing, Scope::Admin]);
    }
}

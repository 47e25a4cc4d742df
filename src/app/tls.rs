//! The gateway's own certificate while it runs: opened at the start, followed when its files are replaced.
//!
//! Looked at like the configuration (see `reload`), and held still with it: while `gateway.reload.mode` is `off` no
//! certificate changes either.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::{MissedTickBehavior, interval};

use super::look::Look;
use crate::clock::now_ms;
use crate::config::{Configuration, Resolved};
use crate::shutdown::Shutdown;
use crate::tls::{Certificates, Files, Subject};

const INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks at how long a certificate still counts.
const REVIEW: Duration = Duration::from_secs(12 * 60 * 60);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Left of a certificate that somebody else has to renew.
const WARNED_BEFORE_DAYS: u64 = 14;

/// The certificate that is shown, and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) certificates: Certificates,
    files: Files,
    /// The files before they were read.
    before: Vec<Option<Look>>,
}

/// `None` where the gateway speaks plain HTTP.
///
/// # Errors
/// TLS is on, and there is nothing to show: the gateway does not start in the clear instead.
pub(super) fn open(resolved: &Resolved) -> anyhow::Result<Option<Own>> {
    let Some(settings) = resolved.tls.clone() else { return Ok(None) };
    let files = Files::new(settings, Subject { names: own_names(), addresses: own_addresses() });
    let before = look_at(&files);
    let pair = files.open().context("gateway.tls is on, but there is no certificate to show")?;
    let own = Own { certificates: Certificates::new(pair), files, before };
    own.review();
    Ok(Some(own))
}

fn look_at(files: &Files) -> Vec<Option<Look>> {
    files.paths().iter().map(|path| Look::at(path)).collect()
}

/// With the names by which neighbours ask over mDNS.
fn own_names() -> Vec<String> {
    let names = super::machine_names();
    let local = names.last().map(|short| format!("{short}.local"));
    names.into_iter().chain(local).collect()
}

/// Those by which somebody else could come, and loopback.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the addresses of this machine are not known: the certificate will not name them");
        Vec::new()
    });
    let mut addresses: Vec<IpAddr> =
        interfaces.iter().filter(|interface| !interface.is_link_local()).map(if_addrs::Interface::ip).collect();
    addresses.extend([IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
    addresses
}

impl Own {
    /// Looks at the files until the gateway stops.
    pub(super) async fn watch(self, configuration: Configuration, shutdown: Shutdown) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watching = Watching { own: self, is_fresh: false, reviewed: Instant::now() };
        let draining = shutdown.draining();
        tokio::pin!(draining);
        loop {
            tokio::select! {
                () = &mut draining => return,
                _ = ticks.tick() => {}
            }
            if !configuration.is_live() {
                continue;
            }
            let look = tokio::task::spawn_blocking(move || {
                watching.look();
                watching
            });
            match look.await {
                Ok(looked) => watching = looked,
                Err(error) => {
                    tracing::error!(%error, "the certificate is no longer watched; restart the gateway to replace it");
                    return;
                }
            }
        }
    }

    fn take_over(&self) {
        let old = self.certificates.shown().fingerprint;
        match self.files.reopen() {
            Ok(pair) => {
                let (new, expires) = (pair.fingerprint, pair.expires());
                // Also where only the chain differs.
                self.certificates.replace(pair);
                if new != old {
                    tracing::info!(tls.fingerprint = %new, expires, "a new certificate is shown from now on");
                }
            }
            Err(error) => tracing::error!(
                %error, tls.fingerprint = %old, "the new certificate cannot be used; the gateway goes on with the one before"
            ),
        }
    }

    /// Makes our own anew in time; says how long somebody else's lasts.
    fn review(&self) {
        let pair = self.certificates.shown();
        if self.files.is_due(&pair) {
            match self.files.renew() {
                Ok(pair) => self.certificates.replace(pair),
                Err(error) => {
                    tracing::error!(%error, "the gateway's certificate is near its end and cannot be renewed")
                }
            }
            return;
        }
        if let Err(fault) = pair.check_time(now_ms()) {
            tracing::error!("{fault}: clients refuse it unless they pin it; replace gateway.tls.certPath and keyPath");
        } else if now_ms() + WARNED_BEFORE_DAYS * DAY_MS > pair.not_after_ms {
            tracing::warn!(expires = pair.expires(), "the gateway's certificate ends soon: replace its files");
        }
    }
}

struct Watching {
    own: Own,
    /// A change was seen that has not been taken over.
    is_fresh: bool,
    reviewed: Instant,
}

impl Watching {
    /// Two looks that agree: whoever replaces the pair file by file is through. A pair that cannot be used is told once,
    /// and tried again when the files change.
    fn look(&mut self) {
        let now = look_at(&self.own.files);
        if now != self.own.before {
            self.own.before = now;
            self.is_fresh = true;
        } else if std::mem::take(&mut self.is_fresh) {
            self.own.take_over();
        }
        if self.reviewed.elapsed() >= REVIEW {
            self.reviewed = Instant::now();
            self.own.review();
        }
    }
}

//! `gateway.tls`: whether the kernel's listeners speak TLS, and by which files.

use std::path::PathBuf;

use super::super::paths::expand;
use super::super::raw::Tls;
use super::super::{Environment, Paths, issue};
use crate::protocol::config::Issue;
use crate::tls::Settings;

/// What lies in the files is seen at the start, and whenever they change.
pub(super) fn resolve(
    raw: &Tls,
    environment: &Environment,
    paths: &Paths,
    issues: &mut Vec<Issue>,
) -> Option<Settings> {
    let mut path = |key: &str, text: &Option<String>| -> Option<PathBuf> {
        let text = text.as_deref().filter(|text| !text.trim().is_empty())?;
        expand(key, text, environment).map_err(|mut error| issues.append(&mut error.issues)).ok()
    };
    let certificate = path("gateway.tls.certPath", &raw.cert_path);
    let key = path("gateway.tls.keyPath", &raw.key_path);
    let bundle = path("gateway.tls.caPath", &raw.ca_path);
    let half = match (&certificate, &key) {
        (Some(_), None) if raw.key_path.is_none() => Some(("gateway.tls.keyPath", "gateway.tls.certPath")),
        (None, Some(_)) if raw.cert_path.is_none() => Some(("gateway.tls.certPath", "gateway.tls.keyPath")),
        _ => None,
    };
    if let Some((missing, present)) = half {
        let fix = format!("name both, or remove {present} to have the gateway make a pair");
        issues.push(issue(missing, format!("is needed beside {present}: {fix}")));
    }
    let is_own_place = certificate.is_none() && key.is_none();
    let own = |name| paths.tls_dir().join(name);
    raw.enabled.then(|| Settings {
        certificate: certificate.unwrap_or_else(|| own("gateway-cert.pem")),
        key: key.unwrap_or_else(|| own("gateway-key.pem")),
        bundle,
        may_make: raw.auto_generate.unwrap_or(true),
        is_own_place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(raw: Tls) -> (Option<Settings>, Vec<String>) {
        let paths = Paths { state_dir: "/s".into(), config_file: "/s/tailclaw.json".into() };
        let mut issues = Vec::new();
        let settings = resolve(&raw, &Environment::from([("HOME", "/home/ada")]), &paths, &mut issues);
        (settings, issues.into_iter().map(|issue| issue.path).collect())
    }

    #[test]
    fn files_are_ours_until_they_are_named() {
        assert_eq!(resolved(Tls::default()), (None, vec![]));
        let (settings, issues) = resolved(Tls { enabled: true, ..Tls::default() });
        let settings = settings.unwrap();
        assert_eq!(settings.certificate, PathBuf::from("/s/gateway/tls/gateway-cert.pem"));
        assert!(settings.may_make && settings.is_own_place && issues.is_empty());
        let named = Tls {
            enabled: true,
            auto_generate: Some(false),
            cert_path: Some("~/c.pem".into()),
            key_path: Some("/k.pem".into()),
            ca_path: Some("/ca.pem".into()),
        };
        let settings = resolved(named).0.unwrap();
        assert_eq!((settings.certificate, settings.key), ("/home/ada/c.pem".into(), "/k.pem".into()));
        assert!(!settings.may_make && !settings.is_own_place && settings.bundle.is_some());
    }

    #[test]
    fn half_a_pair_is_a_mistake() {
        let certificate = Tls { enabled: true, cert_path: Some("/c.pem".into()), ..Tls::default() };
        assert_eq!(resolved(certificate).1, ["gateway.tls.keyPath"]);
        let key = Tls { enabled: true, key_path: Some("/k.pem".into()), ..Tls::default() };
        assert_eq!(resolved(key).1, ["gateway.tls.certPath"]);
    }
}

//! Our routes as tailscaled's configuration has them (tailscale.com `ipn.ServeConfig`).

use serde_json::{Map, Value, json};

use crate::secret::Secret;
use crate::tailnet::{Exposure, Identity, Offer, PublicPaths};

/// The first parts of the paths that the daemon asks our back end for. Who knows one has been through it, or has read its
/// configuration; the back end asks the kernel, too.
#[derive(Debug)]
pub(super) struct Prefixes {
    pub(super) gateway: Secret<String>,
    pub(super) public: Secret<String>,
}

/// What is claimed, and where it can be reached then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Routes {
    pub(super) config: Value,
    /// Of the gateway; `None` where only paths are public.
    pub(super) url: Option<String>,
    pub(super) public_url: Option<String>,
}

/// # Errors
/// A sentence about what the tailnet lacks for it.
pub(super) fn routes(
    exposure: &Exposure,
    identity: &Identity,
    prefixes: &Prefixes,
    port: u16,
) -> Result<Routes, String> {
    let name = identity.dns_name.as_str();
    if name.is_empty() {
        return Err("the tailnet has no names: switch MagicDNS on in its DNS settings".to_owned());
    }
    let has_certificate = identity.cert_domains.iter().any(|domain| domain == name);
    if !has_certificate && (exposure.offer == Offer::Everyone || exposure.public.is_some()) {
        return Err("Funnel needs HTTPS, which this tailnet has not switched on: see its DNS settings".to_owned());
    }
    let mut into = Draft::default();
    let url = match exposure.offer {
        Offer::None => None,
        offer => Some(into.gateway(name, has_certificate, offer == Offer::Everyone, &target(port, &prefixes.gateway))),
    };
    let public_url = exposure.public.as_ref().map(|public| into.public(name, public, &target(port, &prefixes.public)));
    let Draft { tcp, web, funnel } = into;
    Ok(Routes { config: json!({ "TCP": tcp, "Web": web, "AllowFunnel": funnel }), url, public_url })
}

fn target(port: u16, prefix: &Secret<String>) -> String {
    format!("http://127.0.0.1:{port}/{}", prefix.expose())
}

#[derive(Default)]
struct Draft {
    tcp: Map<String, Value>,
    web: Map<String, Value>,
    funnel: Map<String, Value>,
}

impl Draft {
    /// Without a certificate the tailnet's own encryption is what there is, as with every plain port on it.
    fn gateway(&mut self, name: &str, has_certificate: bool, is_public: bool, target: &str) -> String {
        let (port, kind, scheme) = if has_certificate { (443, "HTTPS", "https") } else { (80, "HTTP", "http") };
        self.tcp.insert(port.to_string(), json!({ kind: true }));
        let place = format!("{name}:{port}");
        self.web.insert(place.clone(), json!({ "Handlers": { "/": { "Proxy": target } } }));
        if is_public {
            self.funnel.insert(place, Value::Bool(true));
        }
        format!("{scheme}://{name}/")
    }

    /// The daemon takes a handler's own path away before it asks the back end, so that is named again.
    fn public(&mut self, name: &str, public: &PublicPaths, target: &str) -> String {
        let PublicPaths { port, paths } = public;
        self.tcp.insert(port.to_string(), json!({ "HTTPS": true }));
        let place = format!("{name}:{port}");
        let handlers: Map<String, Value> = paths
            .iter()
            .flat_map(|path| [path.clone(), format!("{path}/")])
            .map(|path| {
                let proxy = json!({ "Proxy": format!("{target}{path}") });
                (path, proxy)
            })
            .collect();
        self.web.insert(place.clone(), json!({ "Handlers": handlers }));
        self.funnel.insert(place, Value::Bool(true));
        if *port == 443 { format!("https://{name}") } else { format!("https://{name}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(certificates: &[&str]) -> Identity {
        Identity {
            dns_name: "box.ts.net".to_owned(),
            addresses: Vec::new(),
            stable_id: String::new(),
            tailnet: String::new(),
            magic_dns_suffix: String::new(),
            cert_domains: certificates.iter().map(ToString::to_string).collect(),
            tags: Vec::new(),
            login: None,
            key_expiry: None,
            renewal_url: None,
            magic_dns: true,
            may_funnel: true,
            may_https: true,
        }
    }

    fn prefixes() -> Prefixes {
        Prefixes { gateway: Secret::new("g".to_owned()), public: Secret::new("p".to_owned()) }
    }

    fn hooks() -> Option<PublicPaths> {
        Some(PublicPaths { port: 8443, paths: vec!["/hooks/gmail".to_owned()] })
    }

    #[test]
    fn https_where_there_is_a_certificate_and_http_where_not() {
        let exposure = Exposure { offer: Offer::Tailnet, public: None };
        let secure = routes(&exposure, &identity(&["box.ts.net"]), &prefixes(), 9).unwrap();
        assert_eq!(secure.url.as_deref(), Some("https://box.ts.net/"));
        let expected = json!({
            "TCP": { "443": { "HTTPS": true } },
            "Web": { "box.ts.net:443": { "Handlers": { "/": { "Proxy": "http://127.0.0.1:9/g" } } } },
            "AllowFunnel": {},
        });
        assert_eq!(secure.config, expected);
        let plain = routes(&exposure, &identity(&[]), &prefixes(), 9).unwrap();
        assert_eq!(
            (plain.url.as_deref(), &plain.config["TCP"]["80"]["HTTP"]),
            (Some("http://box.ts.net/"), &json!(true))
        );
    }

    #[test]
    fn public_paths_have_a_port_and_a_prefix_of_their_own() {
        let exposure = Exposure { offer: Offer::Tailnet, public: hooks() };
        let both = routes(&exposure, &identity(&["box.ts.net"]), &prefixes(), 9).unwrap();
        assert_eq!(both.config["AllowFunnel"], json!({ "box.ts.net:8443": true }));
        let handlers = &both.config["Web"]["box.ts.net:8443"]["Handlers"];
        assert_eq!(handlers["/hooks/gmail"]["Proxy"], "http://127.0.0.1:9/p/hooks/gmail");
        assert_eq!(handlers.as_object().unwrap().len(), 2);
        assert_eq!(both.public_url.as_deref(), Some("https://box.ts.net:8443"));
    }

    #[test]
    fn what_the_tailnet_lacks_is_said() {
        for exposure in
            [Exposure { offer: Offer::Everyone, public: None }, Exposure { offer: Offer::None, public: hooks() }]
        {
            assert!(routes(&exposure, &identity(&[]), &prefixes(), 9).unwrap_err().contains("HTTPS"));
        }
        let nameless = Identity { dns_name: String::new(), ..identity(&[]) };
        let exposure = Exposure { offer: Offer::Tailnet, public: None };
        assert!(routes(&exposure, &nameless, &prefixes(), 9).unwrap_err().contains("MagicDNS"));
    }
}

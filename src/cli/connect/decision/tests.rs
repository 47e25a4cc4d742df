//! Every combination of what names a gateway and of what holds a secret, against the whole of the rule.

use super::*;
use crate::config::{Overrides, Paths, load};

const PIN: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const OTHER: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn draft(gateway: &str) -> Draft {
    let folder = tempfile::tempdir().unwrap();
    let config_file = folder.path().join("tailclaw.json");
    std::fs::write(&config_file, format!("{{ gateway: {gateway} }}")).unwrap();
    let paths = Paths { state_dir: folder.path().join("state"), config_file };
    load(paths, &Environment::default(), &Overrides::default()).unwrap()
}

fn credentials(token: Option<&str>, password: Option<&str>) -> Credentials {
    let secret = |text: Option<&str>| text.map(|text| Secret::new(text.to_owned()));
    Credentials { token: secret(token), password: secret(password) }
}

/// `token,password`, each or `-`.
fn shown(credentials: &Credentials) -> String {
    let text = |secret: &Option<Secret<String>>| secret.as_ref().map_or("-", |secret| secret.expose()).to_owned();
    format!("{},{}", text(&credentials.token), text(&credentials.password))
}

/// Where to, and with what: the rule once more, as a person would say it.
fn expected(
    names: (bool, bool, bool, bool),
    said: (bool, bool),
    env: (bool, bool),
    conf: (bool, bool),
) -> (String, String) {
    let (url, port, env_url, is_remote) = names;
    let text = |there: bool, what: &str| if there { what.to_owned() } else { "-".to_owned() };
    let flags = format!("{},{}", text(said.0, "flag-t"), text(said.1, "flag-p"));
    let has_flags = said.0 || said.1;
    if url {
        return ("ws://10.0.0.1:1".to_owned(), flags);
    }
    if port {
        return ("here:7".to_owned(), String::new());
    }
    if env_url {
        let around = format!("{},{}", text(env.0, "env-t"), text(env.1, "env-p"));
        return ("ws://10.0.0.2:2".to_owned(), if has_flags { flags } else { around });
    }
    if !is_remote {
        return ("here:5".to_owned(), String::new());
    }
    let token = if conf.0 { "conf-t".to_owned() } else { text(env.0, "env-t") };
    let password = if env.1 { "env-p".to_owned() } else { text(conf.1, "conf-p") };
    ("ws://10.0.0.3:3".to_owned(), if has_flags { flags } else { format!("{token},{password}") })
}

#[test]
fn every_combination_of_addresses_and_secrets() {
    let mut tried = 0;
    for bits in 0..1_024_u32 {
        let bit = |place: u32| bits >> place & 1 == 1;
        let (names, said_secrets) = ((bit(0), bit(1), bit(2), bit(3)), (bit(4), bit(5)));
        let (env, conf) = ((bit(6), bit(7)), (bit(8), bit(9)));
        if names.0 && names.1 {
            // Refused by the parser.
            continue;
        }
        let field =
            |there: bool, name: &str, value: &str| if there { format!("{name}: {value:?},") } else { String::new() };
        let mode = if names.3 { "remote" } else { "local" };
        let draft = draft(&format!(
            "{{ mode: {mode:?}, port: 5, auth: {{ mode: \"token\", token: \"own-t\", password: \"own-p\" }},
                remote: {{ url: \"ws://10.0.0.3:3\", {}{} }} }}",
            field(conf.0, "token", "conf-t"),
            field(conf.1, "password", "conf-p"),
        ));
        let said = Said {
            url: names.0.then_some("ws://10.0.0.1:1"),
            port: names.1.then_some(7),
            credentials: credentials(said_secrets.0.then_some("flag-t"), said_secrets.1.then_some("flag-p")),
            ..Said::default()
        };
        let around = Around {
            url: names.2.then(|| ("OPENCLAW_GATEWAY_URL".to_owned(), "ws://10.0.0.2:2".to_owned())),
            token: env.0.then(|| "env-t".to_owned()),
            password: env.1.then(|| "env-p".to_owned()),
            vouches_for_names: false,
        };
        let found = match decide(&said, &around, Some(&draft)).unwrap() {
            Plan::Here { port } => (format!("here:{port}"), String::new()),
            Plan::Elsewhere(plan) => {
                let secrets = shown(&plan.credentials);
                let must_name_one = plan.origin != Origin::Configuration && secrets == "-,-";
                assert_eq!(plan.lacks_secret.is_some(), must_name_one, "{names:?} {said_secrets:?} {env:?} {conf:?}");
                assert!(!secrets.contains("own"), "{secrets}");
                (plan.url.to_string(), secrets)
            }
        };
        assert_eq!(found, expected(names, said_secrets, env, conf), "{names:?} {said_secrets:?} {env:?} {conf:?}");
        tried += 1;
    }
    assert_eq!(tried, 768);
}

fn plan(said: &Said<'_>, around: &Around, draft: Option<&Draft>) -> Elsewhere {
    match decide(said, around, draft).unwrap() {
        Plan::Elsewhere(plan) => *plan,
        Plan::Here { .. } => panic!("this machine"),
    }
}

#[test]
fn missing_secrets_are_named_by_what_would_hold_them() {
    let said = Said { url: Some("wss://claw"), ..Said::default() };
    let sentence = plan(&said, &Around::default(), None).lacks_secret.unwrap();
    assert!(sentence.contains("--token or --password"), "{sentence}");
    let around = Around { url: Some(("TAILCLAW_GATEWAY_URL".into(), "wss://claw".into())), ..Around::default() };
    let draft = draft("{}");
    let sentence = plan(&Said::default(), &around, Some(&draft)).lacks_secret.unwrap();
    assert!(sentence.contains("TAILCLAW_GATEWAY_TOKEN or TAILCLAW_GATEWAY_PASSWORD"), "{sentence}");
    let target = "ada@claw".parse().unwrap();
    let sentence = plan(&Said { ssh: Some(&target), ..Said::default() }, &Around::default(), Some(&draft)).lacks_secret;
    assert!(sentence.unwrap().contains("--token or --password"));
}

#[test]
fn pins_belong_to_the_configured_gateway_or_to_the_flag() {
    let draft = draft(&format!(
        r#"{{ mode: "remote", remote: {{ url: "wss://claw", token: "t", tlsFingerprint: "{PIN}" }} }}"#
    ));
    let around = |url: &str| Around { url: Some(("OPENCLAW_GATEWAY_URL".into(), url.into())), ..Around::default() };
    let pin = |said: &Said<'_>, around: &Around| {
        plan(said, around, Some(&draft)).pin.map(|(fingerprint, kept_in)| (fingerprint.to_string(), kept_in))
    };
    let configured = Some((PIN.to_owned(), "gateway.remote.tlsFingerprint".to_owned()));
    assert_eq!(pin(&Said::default(), &Around::default()), configured);
    // As OpenClaw has it for the variable, in mode remote.
    assert_eq!(pin(&Said::default(), &around("wss://other")), configured);
    assert_eq!(pin(&Said { url: Some("wss://claw"), ..Said::default() }, &Around::default()), None);
    let flag = Said { fingerprint: Some(OTHER.parse().unwrap()), ..Said::default() };
    assert_eq!(pin(&flag, &Around::default()), Some((OTHER.to_owned(), "--tls-fingerprint".to_owned())));
    let plain = Said { url: Some("ws://127.0.0.1:1"), fingerprint: Some(OTHER.parse().unwrap()), ..Said::default() };
    assert!(decide(&plain, &Around::default(), None).unwrap_err().is::<Usage>());
}

#[test]
fn edge_headers_go_to_exactly_the_configured_place() {
    let draft = draft(r#"{ mode: "remote", remote: { url: "wss://claw.example/gw", edgeAuth: { "X-Edge": "e" } } }"#);
    let count =
        |url: &str| plan(&Said { url: Some(url), ..Said::default() }, &Around::default(), Some(&draft)).headers.len();
    assert_eq!(plan(&Said::default(), &Around::default(), Some(&draft)).headers.len(), 1);
    for (url, wanted) in [
        ("wss://claw.example/gw", 1),
        ("https://CLAW.example:443/gw/", 1),
        ("ws://claw.example:443/gw", 0),
        ("wss://claw.example:444/gw", 0),
        ("wss://claw.example/", 0),
        ("wss://claw.example.evil/gw", 0),
    ] {
        assert_eq!(count(url), wanted, "{url}");
    }
}

#[test]
fn through_ssh_the_gateway_is_on_the_far_machine_s_loopback() {
    let ssh = |remote: &str| {
        let draft =
            draft(&format!(r#"{{ mode: "remote", remote: {{ transport: "ssh", sshTarget: "ada@claw", {remote} }} }}"#));
        let plan = plan(&Said::default(), &Around::default(), Some(&draft));
        let Way::Ssh { remote_port, strict, .. } = plan.way else { panic!("ssh") };
        (plan.url.to_string(), remote_port, strict)
    };
    assert_eq!(ssh(""), ("ws://127.0.0.1:18789".to_owned(), 18_789, true));
    assert_eq!(ssh("remotePort: 9"), ("ws://127.0.0.1:9".to_owned(), 9, true));
    assert_eq!(
        ssh(r#"url: "ws://127.0.0.1:8", sshHostKeyPolicy: "openssh""#),
        ("ws://127.0.0.1:8".to_owned(), 8, false)
    );
    assert_eq!(ssh(r#"url: "ws://127.0.0.1:8", remotePort: 9"#), ("ws://127.0.0.1:9".to_owned(), 9, true));
    assert_eq!(ssh(r#"url: "wss://claw.example", remotePort: 9"#), ("wss://claw.example:443".to_owned(), 9, true));
}

#[test]
fn a_machine_named_by_a_flag_gets_the_configured_secret_only_if_it_is_the_configured_one() {
    let draft = draft(
        r#"{ port: 5, remote: { url: "ws://127.0.0.1:8", sshTarget: "ada@claw", sshIdentity: "/k", token: "t",
                                sshHostKeyPolicy: "openssh" } }"#,
    );
    let by = |target: &str, port: Option<u16>| {
        let target = target.parse().unwrap();
        let plan = plan(&Said { ssh: Some(&target), port, ..Said::default() }, &Around::default(), Some(&draft));
        let Way::Ssh { identity, strict, remote_port, .. } = plan.way else { panic!("ssh") };
        (shown(&plan.credentials), identity, strict, remote_port)
    };
    assert_eq!(by("ada@claw", None), ("t,-".to_owned(), Some("/k".into()), false, 5));
    assert_eq!(by("ada@claw", Some(9)), ("t,-".to_owned(), Some("/k".into()), false, 9));
    assert_eq!(by("eve@claw", None), ("-,-".to_owned(), None, true, 5));
    assert_eq!(by("ada@other", Some(9)), ("-,-".to_owned(), None, true, 9));
}

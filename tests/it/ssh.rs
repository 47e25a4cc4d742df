//! Through a real SSH server: every verb, every way in which it can be refused, and that nothing is left behind.

use crate::harness::{Gateway, Machine, Signal, Sshd, eventually, gateway, get, seconds, ssh_processes};
use crate::remote::every_verb;
use serde_json::{Value, json};

fn by_ssh(port: u16, token: &str) -> Value {
    json!({"gateway": {"mode": "remote", "remote": {
        "transport": "ssh", "sshTarget": "far-machine", "remotePort": port, "token": token,
    }}})
}

fn machine_for(sshd: &Sshd, gateway: &Gateway) -> Machine {
    sshd.known_by(Machine::new(&by_ssh(gateway.port, &gateway.token())))
}

async fn nothing_is_left(machine: &Machine) {
    eventually("no ssh is left", seconds(10), || async {
        match ssh_processes(machine).as_slice() {
            [] => Ok(()),
            some => Err(format!("{some:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn every_verb_goes_through_ssh_and_leaves_nothing_behind() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start().await);
    let machine = machine_for(&sshd, &gateway);
    every_verb(&machine, &gateway).await;
    assert_eq!(ssh_processes(&machine), Vec::<u32>::new(), "each command waits for its ssh to end");
    let probe = machine.run(&["gateway", "probe", "--json"]).await.success().json();
    assert_eq!(
        (&probe["targets"][0]["kind"], &probe["targets"][0]["tunnel"]["target"]),
        (&json!("sshTunnel"), &json!("far-machine"))
    );
}

#[tokio::test]
async fn a_flag_names_the_machine_and_then_its_secret_too() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start().await);
    let machine = sshd.known_by(Machine::new(&json!({})));
    let port = gateway.port.to_string();
    let by_flag = ["gateway", "probe", "--ssh", "far-machine", "--port", &port];
    let refused = machine.run(&by_flag).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    machine.run(&[&by_flag[..], &["--token", &gateway.token()]].concat()).await.success();
    // Without a name in ssh's configuration: user, port and key by flags.
    let target = format!("127.0.0.1:{}", sshd.port);
    let key = sshd.key("user");
    let whole = ["health", "--ssh", &target, "--ssh-identity", &key, "--port", &port, "--token", &gateway.token()];
    machine.run(&whole).await.success();
}

#[tokio::test]
async fn a_changed_host_key_is_refused_before_anything_is_sent() {
    let (gateway, mut sshd) = (gateway().start().await, Sshd::start().await);
    let machine = machine_for(&sshd, &gateway);
    sshd.change_host_key().await;
    for policy in ["strict", "openssh"] {
        let mut config = by_ssh(gateway.port, &gateway.token());
        config["gateway"]["remote"]["sshHostKeyPolicy"] = json!(policy);
        machine.configure(&config);
        let refused = machine.run(&["health"]).await;
        assert_eq!(refused.code, Some(1), "{policy}: {refused:?}");
        assert!(refused.stderr.contains("host key of far-machine is not the known one"), "{refused:?}");
        assert!(refused.stderr.contains("known_hosts"), "{refused:?}");
    }
    nothing_is_left(&machine).await;
}

#[tokio::test]
async fn an_unknown_host_key_is_taken_only_where_ssh_s_own_rules_say_so() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start().await);
    let machine = machine_for(&sshd, &gateway);
    sshd.forgotten_by(&machine);
    let refused = machine.run(&["health"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("is not known on this machine"), "{refused:?}");
    let mut config = by_ssh(gateway.port, &gateway.token());
    config["gateway"]["remote"]["sshHostKeyPolicy"] = json!("openssh");
    machine.configure(&config);
    machine.run(&["health"]).await.success();
}

#[tokio::test]
async fn every_refusal_is_a_sentence() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start().await);
    let machine = machine_for(&sshd, &gateway);
    let refused = async |change: Value, code: i32, wanted: &str| {
        let mut config = by_ssh(gateway.port, &gateway.token());
        for (key, value) in change.as_object().expect("an object") {
            config["gateway"]["remote"][key] = value.clone();
        }
        machine.configure(&config);
        let output = machine.run(&["health"]).await;
        assert_eq!(output.code, Some(code), "{wanted}: {output:?}");
        assert!(output.stderr.contains(wanted), "{wanted}: {output:?}");
    };
    let key = sshd.key("stranger");
    let stranger = format!("127.0.0.1:{}", sshd.port);
    refused(json!({"sshTarget": stranger, "sshIdentity": key}), 1, "did not accept this user's SSH login").await;
    refused(json!({"sshTarget": "127.0.0.1:1"}), 69, "no SSH server answers at 127.0.0.1:1").await;
    refused(json!({"remotePort": 1}), 69, "but no gateway answers there on 127.0.0.1:1").await;
    refused(json!({"sshTarget": "-oProxyCommand=x"}), 78, "gateway.remote.sshTarget").await;
    let without = Machine::new(&by_ssh(gateway.port, "t"));
    // What the tests themselves start it with, and nothing else.
    let bin = without.folder().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/usr/bin/setpriv", bin.join("setpriv")).unwrap();
    let without = without.env("PATH", bin.to_str().unwrap());
    let output = without.run(&["health"]).await;
    assert!(output.code == Some(1) && output.stderr.contains("no program `ssh`"), "{output:?}");
    nothing_is_left(&machine).await;
}

#[tokio::test]
async fn a_machine_that_forwards_nothing_says_so() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start_without_forwarding().await);
    let machine = machine_for(&sshd, &gateway);
    let output = machine.run(&["health"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("does not let this user forward ports"), "{output:?}");
}

/// Starts `tailclaw tunnel` and waits for its address.
async fn tunnel(machine: &Machine, gateway: &Gateway) -> (crate::harness::Process, String) {
    let port = gateway.port.to_string();
    let process = machine.start(&["tunnel", "far-machine", "--port", &port, "--json"]);
    let url = eventually("the tunnel has an address", seconds(30), || async {
        let printed: Value =
            serde_json::from_str(&process.log()).map_err(|error| format!("{error}: {}", process.log()))?;
        printed["url"].as_str().map(|url| url.trim_end_matches('/').to_owned()).ok_or("no url".to_owned())
    })
    .await;
    assert_eq!(get(&url, "/healthz").await.unwrap().status, 200);
    (process, url)
}

#[tokio::test]
async fn a_killed_ssh_is_started_anew_behind_the_same_port() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start().await);
    let machine = machine_for(&sshd, &gateway);
    let (process, url) = tunnel(&machine, &gateway).await;
    let first = ssh_processes(&machine);
    assert_eq!(first.len(), 1, "{first:?}");
    let pid = rustix::process::Pid::from_raw(first[0] as i32).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    eventually("the gateway answers through another ssh", seconds(30), || async {
        let answer = get(&url, "/healthz").await?;
        let now = ssh_processes(&machine);
        if answer.status == 200 && now.len() == 1 && now != first { Ok(()) } else { Err(format!("{answer:?} {now:?}")) }
    })
    .await;
    assert!(process.log().contains("trying again in"), "{}", process.log());
}

#[tokio::test]
async fn a_killed_tunnel_leaves_no_ssh() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start().await);
    let machine = machine_for(&sshd, &gateway);
    let (mut process, _) = tunnel(&machine, &gateway).await;
    assert_eq!(ssh_processes(&machine).len(), 1);
    process.kill9().await;
    nothing_is_left(&machine).await;
    let (mut process, _) = tunnel_again(&machine, &gateway).await;
    process.signal(Signal::TERM);
    assert_eq!(process.wait(seconds(10)).await.code(), Some(128 + 15));
    assert_eq!(ssh_processes(&machine), Vec::<u32>::new(), "it waits for its ssh to end");
}

/// The log of the killed one is still there.
async fn tunnel_again(machine: &Machine, gateway: &Gateway) -> (crate::harness::Process, String) {
    std::fs::remove_file(machine.folder().join("log")).unwrap();
    tunnel(machine, gateway).await
}

#[tokio::test]
async fn a_killed_command_leaves_no_ssh_either() {
    let (gateway, sshd) = (gateway().start().await, Sshd::start().await);
    let machine = machine_for(&sshd, &gateway);
    let mut following = machine.start(&["logs", "--follow", "--json"]);
    eventually("the log is followed", seconds(30), || async {
        if following.log().contains("\"meta\"") { Ok(()) } else { Err(following.log()) }
    })
    .await;
    assert_eq!(ssh_processes(&machine).len(), 1);
    following.kill9().await;
    nothing_is_left(&machine).await;
}

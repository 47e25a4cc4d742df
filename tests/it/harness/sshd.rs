//! A real SSH server on loopback, run by the user of the tests, and a real `ssh` that knows it.

use super::machine::Machine;
use super::process::{Process, free_port, guarded, run};
use super::{eventually, seconds};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

pub struct Sshd {
    folder: TempDir,
    process: Option<Process>,
    pub port: u16,
    /// Whether it forwards ports.
    forwards: bool,
}

impl Sshd {
    pub async fn start() -> Sshd {
        Sshd::start_with(true).await
    }

    pub async fn start_without_forwarding() -> Sshd {
        Sshd::start_with(false).await
    }

    async fn start_with(forwards: bool) -> Sshd {
        let folder = tempfile::Builder::new().prefix("sshd-").tempdir().expect("a temporary folder");
        let mut sshd = Sshd { folder, process: None, port: free_port(), forwards };
        sshd.new_key("host").await;
        sshd.new_key("user").await;
        sshd.new_key("stranger").await;
        sshd.serve().await;
        sshd
    }

    /// A new host key, as after the machine was set up anew.
    pub async fn change_host_key(&mut self) {
        self.process = None;
        for name in ["host", "host.pub"] {
            std::fs::remove_file(self.path(name)).expect("there was a key");
        }
        self.new_key("host").await;
        self.serve().await;
    }

    async fn serve(&mut self) {
        if rustix::process::geteuid().is_root() {
            // Where a service manager would have made it.
            std::fs::create_dir_all("/run/sshd").expect("root makes folders");
        }
        let shown = |name: &str| self.path(name).display().to_string();
        let forwarding = if self.forwards { "yes" } else { "no" };
        let config = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             AllowTcpForwarding {forwarding}\n",
            self.port,
            shown("host"),
            shown("user.pub"),
        );
        std::fs::write(self.path("sshd_config"), config).expect("the configuration is written");
        let mut command = guarded(program());
        command.args(["-D", "-e", "-f"]).arg(self.path("sshd_config"));
        self.process = Some(Process::spawn("sshd", command, &self.path("sshd.log")).quiet());
        eventually("sshd greets", seconds(20), || async {
            let log = || self.process.as_ref().map_or(String::new(), Process::log);
            let mut stream =
                TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|error| format!("{error}; {}", log()))?;
            let mut greeting = [0_u8; 4];
            stream.read_exact(&mut greeting).await.map_err(|error| format!("{error}; {}", log()))?;
            if &greeting == b"SSH-" { Ok(()) } else { Err(format!("{greeting:?}")) }
        })
        .await;
    }

    async fn new_key(&self, name: &str) {
        let mut command = guarded("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path(name));
        let (code, out, err) = run(command, seconds(20)).await;
        assert_eq!(code, Some(0), "ssh-keygen: {out}{err}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn key(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Gives a machine an `ssh` whose configuration calls this server `far-machine`, and knows its key.
    ///
    /// ssh looks for its files in the home folder of the user's account, whatever HOME says; so its own program is
    /// started with the folder of the machine, by a script of the same name.
    pub fn known_by(&self, machine: Machine) -> Machine {
        let folder = machine.folder();
        let host_key = std::fs::read_to_string(self.path("host.pub")).expect("a public key");
        std::fs::write(folder.join("known_hosts"), format!("[127.0.0.1]:{} {host_key}", self.port)).expect("written");
        let user = user_name();
        let config = format!(
            "Host far-machine\n  HostName 127.0.0.1\n  Port {}\n  User {user}\n  IdentityFile {}\n\
             Host *\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking accept-new\n",
            self.port,
            self.key("user"),
            folder.join("known_hosts").display(),
        );
        std::fs::write(folder.join("ssh_config"), config).expect("written");
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).expect("the folder is made");
        let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", folder.join("ssh_config").display());
        write_program(&bin.join("ssh"), &script);
        let path = std::env::var("PATH").unwrap_or_default();
        let value = format!("{}:{path}", bin.display());
        machine.env("PATH", &value)
    }

    /// Forgets the key that `known_by` has given.
    pub fn forgotten_by(&self, machine: &Machine) {
        std::fs::write(machine.folder().join("known_hosts"), "").expect("written");
    }
}

/// The running `ssh` processes of that machine, by their ids.
pub fn ssh_processes(machine: &Machine) -> Vec<u32> {
    let config = machine.folder().join("ssh_config").display().to_string();
    let entries = std::fs::read_dir("/proc").expect("a system with /proc").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.next().is_some_and(|program| program.ends_with(b"ssh")) && words.any(|word| word == config.as_bytes())
    })
    .collect()
}

fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("the script is written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn user_name() -> String {
    let id = rustix::process::geteuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").expect("a system with accounts");
    let account = accounts.lines().find(|line| line.split(':').nth(2) == Some(&id)).expect("an account of ours");
    account.split(':').next().unwrap_or_default().to_owned()
}

fn program() -> PathBuf {
    let places = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
    places.iter().map(PathBuf::from).find(|path| path.is_file()).expect("sshd is missing: `tests/run` installs it")
}

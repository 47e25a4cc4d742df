//! The port forward: one `ssh` at a time, started anew when it ends.
//!
//! Its end on this machine is a socket in a folder that only this user can enter, and no TCP port: a port could be taken
//! by another user of this machine between the choice and the forward, who would then be sent the secret; and whoever
//! connects to it is a local caller on the gateway's machine.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::complaint::Said;
use super::private_folder::PrivateFolder;
use super::{TunnelError, guard};
use crate::net::SshTarget;

/// How often it is looked whether `ssh` has made its socket; it says nothing when it has.
const LOOK: Duration = Duration::from_millis(40);
/// For `ssh` to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct SshSettings {
    pub target: SshTarget,
    /// `None`: the keys that ssh chooses itself.
    pub identity: Option<PathBuf>,
    /// Known host keys alone; else as ssh's configuration says.
    pub strict: bool,
    /// The gateway's port on the far machine's loopback.
    pub remote_port: u16,
    /// Whether ssh may ask the person at the terminal for a passphrase or a password.
    pub may_ask: bool,
}

/// What the tunnel is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Connecting,
    Up,
    /// It is tried again after the pause.
    Down {
        error: TunnelError,
        pause: Duration,
    },
    /// It is not tried again.
    Over(TunnelError),
}

/// Dropping it ends `ssh`.
#[derive(Debug)]
pub struct SshTunnel {
    settings: SshSettings,
    folder: Arc<PrivateFolder>,
    state: watch::Receiver<State>,
    said: Arc<Mutex<Said>>,
    stop: CancellationToken,
}

impl SshTunnel {
    /// Starts `ssh` and waits until the forward stands. What answers behind it is not looked at.
    ///
    /// # Errors
    /// Whatever kept it from coming about the first time.
    pub async fn open(settings: SshSettings, within: Duration) -> Result<Self, TunnelError> {
        let folder = Arc::new(PrivateFolder::of_sockets().map_err(|error| TunnelError::local(&error))?);
        let (sender, state) = watch::channel(State::Connecting);
        let tunnel = Self { settings, folder, state, said: Arc::default(), stop: CancellationToken::new() };
        let keeper = Keeper {
            settings: tunnel.settings.clone(),
            folder: Arc::clone(&tunnel.folder),
            state: sender,
            said: Arc::clone(&tunnel.said),
            stop: tunnel.stop.clone(),
        };
        keeper.start().map_err(|error| TunnelError::local(&error))?;
        let mut state = tunnel.state();
        let settled = timeout(within, state.wait_for(|state| *state != State::Connecting)).await;
        let settled = settled.map(|settled| settled.map(|state| state.clone()));
        match settled {
            Ok(Ok(State::Up)) => Ok(tunnel),
            Ok(Ok(State::Down { error, .. } | State::Over(error))) => Err(error),
            Ok(Ok(State::Connecting) | Err(_)) => Err(TunnelError::Local("its thread ended".to_owned())),
            Err(_) => Err(TunnelError::Late { target: tunnel.settings.target.to_string(), after: within }),
        }
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Why a connection through it came to nothing, where ssh has said so.
    #[must_use]
    pub fn explanation(&self) -> Option<TunnelError> {
        let target = self.settings.target.to_string();
        if let State::Down { error, .. } | State::Over(error) = &*self.state.borrow() {
            return Some(error.clone());
        }
        self.said.lock().unwrap_or_else(PoisonError::into_inner).channel(&target, self.settings.remote_port)
    }

    /// Ends `ssh` and waits for its end, for at most a few seconds.
    pub async fn close(self) {
        self.stop.cancel();
        let mut state = self.state.clone();
        // The sender goes with the keeper.
        let gone = async { while state.changed().await.is_ok() {} };
        let _ = timeout(GRACE * 2, gone).await;
    }
}

impl Drop for SshTunnel {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn socket(folder: &PrivateFolder) -> PathBuf {
    folder.path().join("gateway")
}

/// Lives on a thread of its own: the kernel takes the thread that started a process for its parent, and a worker thread
/// of a runtime may end at any time.
struct Keeper {
    settings: SshSettings,
    folder: Arc<PrivateFolder>,
    state: watch::Sender<State>,
    said: Arc<Mutex<Said>>,
    stop: CancellationToken,
}

impl Keeper {
    fn start(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("ssh-tunnel".to_owned()).spawn(move || runtime.block_on(self.run()))?;
        Ok(())
    }

    async fn run(self) {
        let stop = self.stop.clone();
        let mut pause = FIRST_PAUSE;
        loop {
            let mut child = match self.spawn() {
                Ok(child) => child,
                Err(error) => return self.over(TunnelError::local(&error)),
            };
            let listening = child.stderr.take().map(|stderr| tokio::spawn(hear(stderr, Arc::clone(&self.said))));
            let began = Instant::now();
            let status = tokio::select! {
                status = self.watch(&mut child) => status,
                () = stop.cancelled() => return end(&mut child).await,
            };
            // What it said last is still in the pipe.
            if let Some(listening) = listening {
                let _ = timeout(GRACE, listening).await;
            }
            let error = self.why(status);
            if !error.is_passing() {
                return self.over(error);
            }
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            let wait = with_jitter(pause);
            self.state.send_replace(State::Down { error, pause: wait });
            pause = (pause * 2).min(LONGEST_PAUSE);
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => return,
            }
            self.state.send_replace(State::Connecting);
        }
    }

    fn over(&self, error: TunnelError) {
        self.state.send_replace(State::Over(error));
    }

    fn spawn(&self) -> io::Result<Child> {
        let socket = socket(&self.folder);
        // Its presence is the sign that the new one stands.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Said::default();
        let mut command = Command::from(guard::command()?);
        command.arg("ssh").args(arguments(&self.settings, &socket));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn()
    }

    /// Says when the forward stands, and comes back when `ssh` has ended.
    async fn watch(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let socket = socket(&self.folder);
        loop {
            if socket.exists() {
                self.state.send_replace(State::Up);
                return child.wait().await;
            }
            if let Ok(status) = timeout_at(Instant::now() + LOOK, child.wait()).await {
                return status;
            }
        }
    }

    fn why(&self, status: io::Result<ExitStatus>) -> TunnelError {
        match status {
            Err(error) => TunnelError::local(&error),
            Ok(status) if status.code() == Some(guard::NOT_FOUND) => TunnelError::NoSsh,
            Ok(_) => self.said.lock().unwrap_or_else(PoisonError::into_inner).end(&self.settings.target.to_string()),
        }
    }
}

/// All that decides about safety is said here and not left to the configuration of ssh; all else is.
fn arguments(settings: &SshSettings, socket: &Path) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<std::ffi::OsString> = vec!["-N".into(), "-T".into(), "-L".into()];
    let mut forward = socket.as_os_str().to_owned();
    forward.push(format!(":127.0.0.1:{}", settings.remote_port));
    arguments.push(forward);
    let mut options = vec![
        "ExitOnForwardFailure=yes",
        "StreamLocalBindMask=0177",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=3",
        // A shared connection would outlive the command.
        "ControlMaster=no",
        "ControlPath=none",
        // Its complaints are read.
        "LogLevel=INFO",
    ];
    if settings.strict {
        options.push("StrictHostKeyChecking=yes");
    }
    if !settings.may_ask {
        options.push("BatchMode=yes");
    }
    for option in options {
        arguments.extend(["-o".into(), option.into()]);
    }
    if let Some(port) = settings.target.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(identity) = &settings.identity {
        arguments.extend(["-i".into(), identity.as_os_str().to_owned()]);
    }
    let SshTarget { user, host, .. } = &settings.target;
    let name = user.as_ref().map_or_else(|| host.clone(), |user| format!("{user}@{host}"));
    arguments.extend(["--".into(), name.into()]);
    arguments
}

async fn hear(stderr: ChildStderr, said: Arc<Mutex<Said>>) {
    /// More than any line of ssh's own.
    const MOST_BYTES: u64 = 8 * 1024;
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = tokio::io::AsyncReadExt::take(&mut lines, MOST_BYTES);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(1..) => said.lock().unwrap_or_else(PoisonError::into_inner).hear(&line),
            _ => return,
        }
    }
}

async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // Asked first: ssh then ends its proxy commands as well.
        let _ = kill_process(pid, Signal::TERM);
    }
    if timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Half of it to all of it: many clients of one gateway do not come back at the same moment.
fn with_jitter(pause: Duration) -> Duration {
    let mut random = [0_u8; 2];
    // Without randomness there is no jitter.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(0.5 + f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(settings: &SshSettings) -> String {
        let arguments = arguments(settings, Path::new("/run/x/gateway"));
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_not_left_to_the_configuration_of_ssh() {
        let target: SshTarget = "ada@claw:2222".parse().unwrap();
        let mut settings =
            SshSettings { target, identity: Some("/k".into()), strict: true, remote_port: 5, may_ask: false };
        let strict = line(&settings);
        for part in [
            "-N -T -L /run/x/gateway:127.0.0.1:5 ",
            "-o ExitOnForwardFailure=yes ",
            "-o StrictHostKeyChecking=yes ",
            "-o BatchMode=yes ",
            "-o ServerAliveInterval=15 ",
            "-o ControlPath=none ",
            "-p 2222 ",
            "-i /k ",
        ] {
            assert!(strict.contains(part), "{part}: {strict}");
        }
        assert!(strict.ends_with(" -- ada@claw"), "{strict}");
        settings =
            SshSettings { target: "claw".parse().unwrap(), identity: None, strict: false, may_ask: true, ..settings };
        let lenient = line(&settings);
        for part in ["StrictHostKeyChecking", "BatchMode", " -p ", " -i "] {
            assert!(!lenient.contains(part), "{part}: {lenient}");
        }
        assert!(lenient.ends_with(" -- claw"), "{lenient}");
    }

    #[test]
    fn pauses_vary_but_stay_within_bounds() {
        for _ in 0..100 {
            let pause = with_jitter(Duration::from_secs(10));
            assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&pause), "{pause:?}");
        }
    }
}

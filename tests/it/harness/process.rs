//! Child processes that cannot outlive the test run.
//!
//! Each child runs under `setpriv --pdeathsig KILL`: the kernel ends it when the thread that started it ends. That
//! thread is one that lives as long as the whole test binary, so children shared between tests survive a test and
//! still end with the binary, however it ends (panic, Ctrl-C, kill -9).

use super::eventually;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

pub use rustix::process::Signal;

/// A command that starts `program` with an empty environment but for PATH, bound to the life of this test binary.
pub fn guarded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
    command.env("LANG", "C.UTF-8").stdin(Stdio::null());
    command
}

type Job = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts a command on the thread that lives as long as this process.
fn start(command: Command) -> std::io::Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("process-starter".into())
            .spawn(move || {
                for (mut command, answer) in queue {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("the process starter's thread starts");
        Mutex::new(jobs)
    });
    let (answer, child) = mpsc::channel();
    starter.lock().unwrap().send((command, answer)).expect("the process starter lives");
    child.recv().expect("the process starter answers")
}

/// A running program whose output goes to a file. Dropping it ends it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    show_log_on_panic: bool,
}

impl Process {
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Process {
        let file = File::options().create(true).append(true).open(log).expect("the log file opens");
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let child = start(command).unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Process { name: name.into(), child, log: log.into(), show_log_on_panic: true }
    }

    /// For children that many tests share: their log would drown the one failure that matters.
    pub fn quiet(mut self) -> Process {
        self.show_log_on_panic = false;
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).expect("a child's id is not zero");
        rustix::process::kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// The exit status if the program has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let child = Mutex::new(&mut self.child);
        eventually(&what, limit, || async {
            child.lock().unwrap().try_wait().expect("a child can be waited for").ok_or("it still runs")
        })
        .await
    }

    pub async fn kill9(&mut self) {
        self.signal(Signal::KILL);
        let status = self.wait(Duration::from_secs(10)).await;
        assert_eq!(status.signal(), Some(9), "{} was to end by SIGKILL", self.name);
    }

    /// Fails with the log's end if the program has ended by itself.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended by itself ({status}); its log:\n{}", self.name, tail(&self.log(), 60));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() && self.show_log_on_panic {
            eprintln!("---- {} (pid {}), end of its log:\n{}\n----", self.name, self.pid(), tail(&self.log(), 60));
        }
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Runs a command to its end, with a bound, and gives back exit code, stdout and stderr.
pub async fn run(mut command: Command, limit: Duration) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let shown = format!("{command:?}");
    let mut child = start(command).unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
    let deadline = std::time::Instant::now() + limit;
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return (status.code(), read(&out), read(&err));
        }
        if std::time::Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "{shown}: no end after {} s\nstdout:\n{}\nstderr:\n{}",
                limit.as_secs(),
                tail(&read(&out), 40),
                tail(&read(&err), 40)
            );
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// For tests that hold a thousand sockets.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may be raised to the hard one");
}

/// A port nobody uses, for TCP and UDP, below the range the system hands out for outgoing connections; never the same
/// one twice in a run.
pub fn free_port() -> u16 {
    static TAKEN: OnceLock<Mutex<HashSet<u16>>> = OnceLock::new();
    let mut taken = TAKEN.get_or_init(Mutex::default).lock().unwrap();
    for _ in 0..1000 {
        let mut random = [0u8; 2];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let port = 20_000 + u16::from_le_bytes(random) % 12_000;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free && taken.insert(port) {
            return port;
        }
    }
    panic!("no free port between 20000 and 32000")
}

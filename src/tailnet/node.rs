//! The running node: a cheap handle that everything is asked of.

use std::ffi::CString;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::bus::Follower;
use super::daemon::Daemon;
use super::join::Membership;
use super::localapi::{Dial, SHORT};
use super::lock::FolderLock;
use super::sys::{Failure, Handle};
use super::{
    CertificatePair, Error, LoggedIn, LoginBy, Path, PeerPath, Settings, State, Status, TailnetListener, logs, path,
};
use crate::net::{FunnelDoor, Stream, WhoIs};

/// To make sure that the node runs, which it does.
const FUNNEL: Duration = Duration::from_secs(10);

/// The embedded node. Clones are handles to the same one; it is closed by [`Node::close`], or in the background when
/// the last handle goes.
#[derive(Debug, Clone)]
pub struct Node(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    handle: Handle,
    daemon: Daemon<Handle>,
    membership: Membership<Handle>,
    closing: AtomicBool,
    /// Whether the close went through in time, once it is over.
    closed: watch::Sender<Option<bool>>,
    lock: Option<FolderLock>,
}

impl Node {
    /// Starts the node and its login in the background: follow [`Node::state`]. What fails here fails before any
    /// network is involved.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let (pipe, log) = logs::pipe()?;
        let folder = settings.state_dir.clone();
        let lock = blocking(move || FolderLock::take(&folder)).await??;
        let handle = Handle::new();
        let node = Self(Arc::new(Shared::new(handle, lock, settings.clone())));
        tokio::spawn(logs::forward(pipe));
        blocking(move || {
            configure(handle, &settings, &log)?;
            handle.start().map_err(|failure| refused("start", &failure))
        })
        .await??;
        let Daemon { api, report, ended } = &node.0.daemon;
        let follower = Follower {
            api: api.clone(),
            report: report.clone(),
            ended: ended.clone(),
            absence: None,
            clock_offset_ms: Box::new(move || handle.clock_offset().unwrap_or(0)),
        };
        tokio::spawn(follower.run());
        tokio::spawn(node.0.membership.clone().keep(ended.clone()));
        Ok(node)
    }

    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.daemon.report.state.subscribe()
    }

    /// Sentences about what is wrong with the node, beside its state.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Vec<String>> {
        self.0.daemon.report.health.subscribe()
    }

    /// Told when who is in the tailnet, or what they may do, may have changed: [`Node::whois`] may answer otherwise.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.daemon.report.changes.subscribe()
    }

    /// Takes connections to a TCP port of the node's addresses, as soon as it has any.
    pub async fn listen(&self, port: u16) -> Result<TailnetListener, Error> {
        let handle = self.0.handle;
        let socket = blocking(move || handle.listen(port)).await?.map_err(|failure| refused("listen", &failure))?;
        Ok(TailnetListener::new(socket, port)?)
    }

    /// Takes what the internet sends to a port of the node's name by Funnel (443, 8443 or 10000), TLS still around it. The
    /// node has to be running.
    pub async fn listen_funnel(&self, port: u16, door: FunnelDoor) -> Result<TailnetListener, Error> {
        let (handle, limit) = (self.0.handle, i32::try_from(FUNNEL.as_millis()).unwrap_or(i32::MAX));
        let socket = blocking(move || handle.listen_funnel(port, limit)).await?;
        let socket = socket.map_err(|failure| refused("listen to Funnel", &failure))?;
        Ok(TailnetListener::from_internet(socket, port, door)?)
    }

    /// Who has an address of the tailnet now. `None`: nobody that the control plane knows.
    pub async fn whois(&self, address: IpAddr) -> Result<Option<WhoIs>, Error> {
        self.0.daemon.whois(address).await
    }

    /// Asks the node itself, so an answer also shows that it works. Until it runs, the state is the published one,
    /// which knows what went before.
    pub async fn status(&self) -> Result<Status, Error> {
        self.0.daemon.status().await
    }

    /// The certificate of one of the node's own domains, from the node's store or from the authority. It renews in
    /// the background: ask again, daily, for the current one.
    pub async fn certificate(&self, domain: &str) -> Result<CertificatePair, Error> {
        self.0.daemon.certificate(domain).await
    }

    /// Connects to a host of the tailnet by name or address; waits for the node to be running, all within `deadline`.
    pub async fn dial(&self, host: &str, port: u16, deadline: Duration) -> Result<Stream, Error> {
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let address = text("host", address)?;
        let limit = i32::try_from(deadline.as_millis()).unwrap_or(i32::MAX);
        let handle = self.0.handle;
        match blocking(move || handle.dial(&address, limit)).await? {
            Ok(descriptor) => Ok(Stream::Unix(stream(descriptor)?)),
            Err(failure) if failure.is_timeout() => {
                Err(Error::TimedOut { request: format!("dial {host}:{port}"), limit: deadline })
            }
            Err(failure) => Err(refused("dial", &failure)),
        }
    }

    /// Leaves the tailnet: the node's key ends at the control server, too. A reusable auth key joins anew at the next
    /// start.
    pub async fn logout(&self) -> Result<(), Error> {
        self.0.daemon.report.logged_out(true);
        self.0.daemon.api.ask(Method::POST, "logout", SHORT).await?.wanted(Method::POST, "logout").map(drop)
    }

    /// Logs in again, or for the first time, beside whatever the node is doing; waits until it is known how that went.
    pub async fn login(&self, by: LoginBy) -> Result<LoggedIn, Error> {
        self.0.membership.login(by).await
    }

    /// Asks for another name. The tailnet may append a number.
    pub async fn rename(&self, hostname: &str) -> Result<(), Error> {
        self.0.membership.rename(hostname).await
    }

    /// How far the control server's clock is ahead of this machine's, in milliseconds. `None`: it has not told its time.
    pub async fn clock_offset_ms(&self) -> Option<i64> {
        let handle = self.0.handle;
        blocking(move || handle.clock_offset()).await.ok().flatten()
    }

    /// How packets get to a node of the tailnet at this moment. `None`: it does not answer.
    pub async fn path(&self, address: IpAddr) -> Result<Option<Path>, Error> {
        path::ping(&self.0.daemon.api, address).await
    }

    /// The tailnet's other nodes, and the paths to those in use.
    pub async fn peers(&self) -> Result<Vec<PeerPath>, Error> {
        path::peers(&self.0.daemon.api).await
    }

    /// Ends the node within five seconds, whatever it is doing. Every call waits for the same end.
    pub async fn close(&self) -> Result<(), Error> {
        let mut closed = self.0.closed.subscribe();
        if !self.0.closing.swap(true, Ordering::AcqRel) {
            // A task of its own, so that a caller who gives up waiting does not leave the close half done.
            tokio::spawn(self.clone().end());
        }
        match closed.wait_for(Option::is_some).await.map(|in_time| *in_time) {
            Ok(Some(true)) => Ok(()),
            _ => Err(Error::CloseTimedOut),
        }
    }

    async fn end(self) {
        self.0.daemon.ended.cancel();
        let handle = self.0.handle;
        let outcome = blocking(move || handle.close()).await;
        self.0.daemon.report.closed();
        let in_time = !matches!(&outcome, Ok(Err(failure)) if failure.is_timeout());
        if let Ok(Err(failure)) = outcome {
            tracing::warn!(target: "tailnet", error = %failure, "the node did not close cleanly");
        }
        self.0.closed.send_replace(Some(in_time));
        if !in_time {
            // The old node still works in its folder: nobody may have the lock before this process is gone.
            std::mem::forget(self);
        }
    }
}

impl Shared {
    fn new(handle: Handle, lock: FolderLock, settings: Settings) -> Self {
        let daemon = Daemon::new(handle);
        Self {
            handle,
            membership: Membership::new(daemon.api.clone(), daemon.report.clone(), settings),
            daemon,
            closing: AtomicBool::new(false),
            closed: watch::Sender::new(None),
            lock: Some(lock),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if *self.closing.get_mut() {
            return;
        }
        self.daemon.ended.cancel();
        let (handle, lock) = (self.handle, self.lock.take());
        // A plain thread: the runtime may be going down.
        std::thread::spawn(move || {
            if handle.close().is_err_and(|failure| failure.is_timeout()) {
                std::mem::forget(lock);
            }
        });
    }
}

impl Dial for Handle {
    async fn dial(&self) -> io::Result<UnixStream> {
        let handle = *self;
        let descriptor = blocking(move || handle.local_api()).await?.map_err(io::Error::other)?;
        stream(descriptor)
    }
}

fn configure(handle: Handle, settings: &Settings, log: &OwnedFd) -> Result<(), Error> {
    let folder = CString::new(settings.state_dir.as_os_str().as_bytes()).map_err(|_| contains_nul("state folder"))?;
    let failed = |failure| refused("configure", &failure);
    handle.set_log(log.as_fd()).map_err(failed)?;
    handle.set_dir(&folder).map_err(failed)?;
    handle.set_hostname(&text("hostname", settings.hostname.as_str())?).map_err(failed)?;
    if let Some(url) = &settings.control_url {
        handle.set_control_url(&text("control URL", url.as_str())?).map_err(failed)?;
    }
    // A key by OAuth is made when it is needed (`join`).
    if let Some(key) = settings.auth_key.as_ref().filter(|_| settings.oauth.is_none()) {
        handle.set_auth_key(&text("auth key", key.expose().as_str())?).map_err(failed)?;
    }
    if !settings.tags.is_empty() && settings.oauth.is_none() {
        handle.set_tags(&text("tags", settings.tags.join(","))?).map_err(failed)?;
    }
    handle.set_ephemeral(settings.ephemeral).map_err(failed)
}

fn text(name: &'static str, value: impl Into<Vec<u8>>) -> Result<CString, Error> {
    CString::new(value).map_err(|_| contains_nul(name))
}

const fn contains_nul(name: &'static str) -> Error {
    Error::Setting { name, reason: "it contains a NUL character" }
}

fn refused(action: &'static str, failure: &Failure) -> Error {
    Error::Refused { action, reason: failure.to_string() }
}

/// The descriptor is non-blocking already.
fn stream(descriptor: OwnedFd) -> io::Result<UnixStream> {
    UnixStream::from_std(StdUnixStream::from(descriptor))
}

async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    spawn_blocking(call).await.map_err(io::Error::other)
}

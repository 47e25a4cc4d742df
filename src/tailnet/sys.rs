//! The door to the Go archive: declarations of `libtailscale/`'s exported functions, a safe [`Handle`] over them, and
//! the signal handlers that a Go runtime needs. The only unsafe code of the crate.
//!
//! Every call enters Go and may block: call from `spawn_blocking`, never on a worker of the runtime.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_ushort};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

// Documented in libtailscale/. Results: 0, an errno, or -1 with a text from tailscale_errmsg.
unsafe extern "C" {
    safe fn tailscale_new() -> c_int;
    fn tailscale_set_dir(handle: c_int, path: *const c_char) -> c_int;
    fn tailscale_set_hostname(handle: c_int, name: *const c_char) -> c_int;
    fn tailscale_set_authkey(handle: c_int, key: *const c_char) -> c_int;
    fn tailscale_set_control_url(handle: c_int, url: *const c_char) -> c_int;
    fn tailscale_set_tags(handle: c_int, tags: *const c_char) -> c_int;
    safe fn tailscale_set_ephemeral(handle: c_int, ephemeral: c_int) -> c_int;
    safe fn tailscale_set_logfd(handle: c_int, fd: c_int) -> c_int;
    safe fn tailscale_start(handle: c_int) -> c_int;
    safe fn tailscale_close(handle: c_int) -> c_int;
    fn tailscale_errmsg(handle: c_int, buffer: *mut c_char, size: usize) -> c_int;
    fn tailscale_listen(handle: c_int, port: c_ushort, listener: *mut c_int) -> c_int;
    fn tailscale_listen_funnel(handle: c_int, port: c_ushort, limit_ms: c_int, listener: *mut c_int) -> c_int;
    fn tailscale_dial(handle: c_int, address: *const c_char, limit_ms: c_int, fd: *mut c_int) -> c_int;
    fn tailscale_localapi(handle: c_int, fd: *mut c_int) -> c_int;
    fn tailscale_clock_offset(handle: c_int, offset_ms: *mut i64) -> c_int;
}

/// A node of the Go side. A number: a closed node's handle answers `EBADF`, so copies cannot dangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handle(c_int);

impl Handle {
    pub(super) fn new() -> Self {
        Self(tailscale_new())
    }

    pub(super) fn set_dir(self, path: &CStr) -> Result<(), Failure> {
        // SAFETY: Go copies the NUL-terminated text before the call returns.
        self.check(unsafe { tailscale_set_dir(self.0, path.as_ptr()) })
    }

    pub(super) fn set_hostname(self, name: &CStr) -> Result<(), Failure> {
        // SAFETY: as in set_dir.
        self.check(unsafe { tailscale_set_hostname(self.0, name.as_ptr()) })
    }

    pub(super) fn set_auth_key(self, key: &CStr) -> Result<(), Failure> {
        // SAFETY: as in set_dir.
        self.check(unsafe { tailscale_set_authkey(self.0, key.as_ptr()) })
    }

    pub(super) fn set_control_url(self, url: &CStr) -> Result<(), Failure> {
        // SAFETY: as in set_dir.
        self.check(unsafe { tailscale_set_control_url(self.0, url.as_ptr()) })
    }

    /// Separated by commas.
    pub(super) fn set_tags(self, tags: &CStr) -> Result<(), Failure> {
        // SAFETY: as in set_dir.
        self.check(unsafe { tailscale_set_tags(self.0, tags.as_ptr()) })
    }

    pub(super) fn set_ephemeral(self, ephemeral: bool) -> Result<(), Failure> {
        self.check(tailscale_set_ephemeral(self.0, c_int::from(ephemeral)))
    }

    /// The node duplicates the descriptor.
    pub(super) fn set_log(self, pipe: BorrowedFd<'_>) -> Result<(), Failure> {
        self.check(tailscale_set_logfd(self.0, pipe.as_raw_fd()))
    }

    pub(super) fn start(self) -> Result<(), Failure> {
        self.check(tailscale_start(self.0))
    }

    /// At most five seconds; `ETIMEDOUT` when parts of the node stay alive.
    pub(super) fn close(self) -> Result<(), Failure> {
        self.check(tailscale_close(self.0))
    }

    /// The receiving end of a `SOCK_SEQPACKET` pair.
    pub(super) fn listen(self, port: u16) -> Result<OwnedFd, Failure> {
        self.descriptor(|fd| {
            // SAFETY: `fd` points to a live integer for the length of the call.
            unsafe { tailscale_listen(self.0, port, fd) }
        })
    }

    /// The same for what comes from the internet. `ETIMEDOUT`-like texts come when the node is not running by then.
    pub(super) fn listen_funnel(self, port: u16, limit_ms: c_int) -> Result<OwnedFd, Failure> {
        self.descriptor(|fd| {
            // SAFETY: as in listen.
            unsafe { tailscale_listen_funnel(self.0, port, limit_ms, fd) }
        })
    }

    pub(super) fn dial(self, address: &CStr, limit_ms: c_int) -> Result<OwnedFd, Failure> {
        self.descriptor(|fd| {
            // SAFETY: as in set_dir, and as in listen.
            unsafe { tailscale_dial(self.0, address.as_ptr(), limit_ms, fd) }
        })
    }

    pub(super) fn local_api(self) -> Result<OwnedFd, Failure> {
        self.descriptor(|fd| {
            // SAFETY: as in listen.
            unsafe { tailscale_localapi(self.0, fd) }
        })
    }

    /// How far the control server's clock is ahead of this machine's, in milliseconds. `None`: it has not told its time.
    pub(super) fn clock_offset(self) -> Option<i64> {
        let mut offset = 0;
        // SAFETY: `offset` points to a live integer for the length of the call.
        let told = unsafe { tailscale_clock_offset(self.0, &raw mut offset) };
        (told == 0).then_some(offset)
    }

    fn descriptor(self, open: impl FnOnce(&mut c_int) -> c_int) -> Result<OwnedFd, Failure> {
        let mut fd = -1;
        self.check(open(&mut fd))?;
        // SAFETY: on success Go has made the descriptor for us and keeps no right to it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn check(self, result: c_int) -> Result<(), Failure> {
        match result {
            0 => Ok(()),
            -1 => Err(Failure::Text(self.error_text())),
            errno => Err(Failure::System(io::Error::from_raw_os_error(errno))),
        }
    }

    fn error_text(self) -> String {
        let mut buffer = [0_u8; 1024];
        // SAFETY: Go writes at most the given number of bytes, a NUL among them.
        unsafe { tailscale_errmsg(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
        CStr::from_bytes_until_nul(&buffer).unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// How the Go side says no.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Text(String),
    #[error(transparent)]
    System(io::Error),
}

impl Failure {
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::System(error) if error.kind() == io::ErrorKind::TimedOut)
    }
}

/// Waits for a socket's readability in the current runtime.
pub(super) fn watch_readable(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor stays open and the same as long as the `AsyncFd` owns it: an `OwnedFd` closes only when
    // it is dropped, and always gives the same number.
    unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }.map_err(io::Error::from)
}

/// Makes every installed signal handler run on the alternate stack. Call it after each batch of
/// `tokio::signal::unix::signal` registrations in a process that holds a [`Node`](super::Node).
///
/// Go delivers signals to goroutine stacks of a few KiB unless the handler asks for the alternate stack, which tokio's
/// handlers do not (tokio-rs/tokio#3520): the process then crashes as soon as a signal hits one of Go's threads.
pub fn rearm_signal_handlers() {
    for signal in 1..=libc::SIGRTMAX() {
        let mut action = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: with no new action the call only fills `action`; it fails for signals that cannot be handled.
        if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
            continue;
        }
        // SAFETY: the successful call has filled it.
        let mut action = unsafe { action.assume_init() };
        let handled = !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
        if handled && action.sa_flags & libc::SA_ONSTACK == 0 {
            action.sa_flags |= libc::SA_ONSTACK;
            // SAFETY: the handler installed before is installed again, with one flag more. A handler that another
            // thread installs in between would be undone, so this runs where the handlers are registered.
            unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        }
    }
}

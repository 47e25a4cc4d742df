//! A bound on how long a peer may take nothing of what is written to it.
//!
//! The one rule for slow readers at the level of bytes, under HTTP and under WebSocket alike: it is the stream's own, so
//! that no answer can forget it. Only time in which a write waits counts. A stream with nothing to say may be silent for
//! ever, and one whose peer takes a little now and then may be as slow as it likes.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::has_budget_remaining;
use tokio::time::Sleep;

use super::Stream;

/// A stream on which a write fails once the peer has taken no byte for the limit.
#[derive(Debug)]
pub struct WriteDeadline {
    stream: Stream,
    limit: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the peer takes nothing of what is sent")]
struct Stalled;

/// Whether this error, of the stream or of a library above it, is the end of a peer that took nothing.
#[must_use]
pub fn is_stalled(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<Stalled>()) {
            return true;
        }
        next = error.source();
    }
    false
}

impl WriteDeadline {
    #[must_use]
    pub const fn new(stream: Stream, limit: Duration) -> Self {
        Self { stream, limit, waiting: None }
    }

    /// Passes on what became of a write of `bytes`, and counts the time of one that waits for the peer.
    ///
    /// The kernel tells of room only when much of its buffer is free, which can take a slow peer longer than the limit.
    /// So it is asked itself: at first, to begin with a buffer that is full, and at the end, when room for a single byte
    /// means that the peer has taken something.
    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        if self.waiting.is_none() {
            if !has_budget_remaining() {
                // It is the task that has to wait, not the write.
                return Poll::Pending;
            }
            match self.stream.write_now(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                known => return Poll::Ready(known),
            }
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(self.stream.write_now(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.stream.reset_at_close();
                io::Error::new(io::ErrorKind::TimedOut, Stalled)
            }
            _ => error,
        }))
    }
}

impl AsyncRead for WriteDeadline {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for WriteDeadline {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let timed = self.get_mut();
        let written = Pin::new(&mut timed.stream).poll_write(context, bytes);
        timed.judge(written, bytes, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let timed = self.get_mut();
        let written = Pin::new(&mut timed.stream).poll_write_vectored(context, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        timed.judge(written, first.map_or(&[], |slice| slice), context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // Neither waits for the peer on a socket: what was written is the kernel's.

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream, UnixStream};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);
    const MEBIBYTE: usize = 1024 * 1024;

    async fn tcp_pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Stream::Tcp(listener.accept().await.unwrap().0), far)
    }

    fn unix_pair() -> (Stream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Stream::Unix(near), far)
    }

    /// More than any kernel buffer holds, to a peer that does not read.
    async fn fill(stream: Stream) -> io::Error {
        let mut stream = WriteDeadline::new(stream, LIMIT);
        stream.write_all(&vec![7; 64 * MEBIBYTE]).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let ((near, _tcp), (unix, _unix)) = (tcp_pair().await, unix_pair());
        for error in [fill(near).await, fill(unix).await] {
            assert!(is_stalled(&error), "{error:?}");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        let kernels_own = io::Error::from(io::ErrorKind::TimedOut);
        assert!(!is_stalled(&kernels_own));
    }

    #[tokio::test]
    async fn silence_is_no_stall() {
        let (near, mut far) = tcp_pair().await;
        let mut near = WriteDeadline::new(near, LIMIT);
        near.write_all(b"one").await.unwrap();
        tokio::time::sleep(3 * LIMIT).await;
        near.write_all(b"two").await.unwrap();
        let mut read = [0; 6];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"onetwo");
    }

    /// Reads less than what makes the kernel tell of room, each time after the limit has passed.
    #[tokio::test]
    async fn a_peer_that_takes_a_little_lives_on() {
        let (near, mut far) = unix_pair();
        let mut near = WriteDeadline::new(near, LIMIT);
        let chunk = vec![7; 4_096];
        while near.write(&chunk).now_or_never().is_some() {}
        for _ in 0..3 {
            tokio::time::sleep(2 * LIMIT).await;
            far.read_exact(&mut vec![0; 16_384]).await.unwrap();
            let written = near.write(&chunk).now_or_never().expect("the limit has passed");
            assert!(written.expect("the peer has taken something") > 0);
            while near.write(&chunk).now_or_never().is_some() {}
        }
        tokio::time::sleep(2 * LIMIT).await;
        let error = near.write(&chunk).now_or_never().expect("the limit has passed").unwrap_err();
        assert!(is_stalled(&error), "{error:?}");
    }
}

//! One type for the byte streams that listeners yield: TCP from the kernel, a socket pair from the tailnet node.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// What the peer begins with, left to be read. `None` when it ended without a word.
    ///
    /// # Errors
    /// As `recv(2)`.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let mut byte = [0];
        let (_, seen) = match self {
            Self::Tcp(stream) => stream.async_io(Interest::READABLE, || Ok(recv(stream, &mut byte, flags)?)).await?,
            Self::Unix(stream) => stream.async_io(Interest::READABLE, || Ok(recv(stream, &mut byte, flags)?)).await?,
        };
        Ok((seen > 0).then_some(byte[0]))
    }

    /// Asks the kernel itself, past what tokio knows of its readiness.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room for a single byte.
    pub(super) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let written = match self {
            Self::Tcp(stream) => send(stream, bytes, flags),
            Self::Unix(stream) => send(stream, bytes, flags),
        };
        Ok(written?)
    }

    /// Lets go of what the peer did not take: else the kernel keeps it and goes on asking for minutes.
    pub(super) fn reset_at_close(&self) {
        if let Self::Tcp(stream) = self {
            // It only fails where there is nothing left to close.
            let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

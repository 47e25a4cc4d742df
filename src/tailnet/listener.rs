//! Connections from the tailnet, each with its caller's identity.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags, recvmsg};
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::hello;
use super::sys::watch_readable;
use crate::net::{FunnelDoor, Listener, Peer, Stream};

/// More than `libtailscale/` ever sends in one message.
const MESSAGE_BYTES: usize = 64 << 10;

/// A port of the node. Dropping it closes the port.
#[derive(Debug)]
pub struct TailnetListener {
    socket: AsyncFd<OwnedFd>,
    buffer: Box<[u8]>,
    port: u16,
    /// Set where the callers are the internet's.
    door: Option<FunnelDoor>,
}

/// What one packet was.
enum Packet {
    Connection {
        stream: OwnedFd,
        length: usize,
    },
    /// The message came without its descriptor, or cut: this process was out of descriptors.
    Incomplete,
    End,
}

impl TailnetListener {
    /// Must run inside a tokio runtime.
    pub(super) fn new(socket: OwnedFd, port: u16) -> io::Result<Self> {
        let socket = watch_readable(socket)?;
        Ok(Self { socket, buffer: vec![0; MESSAGE_BYTES].into_boxed_slice(), port, door: None })
    }

    /// Its callers come by Funnel. As [`TailnetListener::new`] else.
    pub(super) fn from_internet(socket: OwnedFd, port: u16, door: FunnelDoor) -> io::Result<Self> {
        Ok(Self { door: Some(door), ..Self::new(socket, port)? })
    }

    async fn packet(&mut self) -> io::Result<Packet> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(outcome) = ready.try_io(|socket| receive(socket.get_ref(), &mut self.buffer)) {
                return outcome;
            }
        }
    }

    fn connection(&self, stream: OwnedFd, length: usize) -> io::Result<(Stream, Peer)> {
        let peer = hello::peer(self.buffer.get(..length).unwrap_or_default())?;
        let peer = match self.door {
            Some(door) => Peer::Funnel { address: peer.address(), door },
            None => peer,
        };
        let stream = UnixStream::from_std(StdUnixStream::from(stream))?;
        Ok((Stream::Unix(stream), peer))
    }
}

impl Listener for TailnetListener {
    async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        loop {
            match self.packet().await? {
                Packet::Connection { stream, length } => match self.connection(stream, length) {
                    Ok(accepted) => return Ok(accepted),
                    Err(error) => tracing::warn!(target: "tailnet", %error, "a connection was refused"),
                },
                Packet::Incomplete => {
                    tracing::warn!(target: "tailnet", "a connection was lost; is this process out of descriptors?");
                }
                Packet::End => {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the tailnet node was closed"));
                }
            }
        }
    }

    fn name(&self) -> String {
        let network = if self.door.is_some() { "funnel" } else { "tailnet" };
        format!("{network}:{}", self.port)
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Packet> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let RecvMsg { bytes, flags, .. } =
        recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)?;
    let stream = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(match stream {
        Some(stream) if !flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) => {
            Packet::Connection { stream, length: bytes }
        }
        None if bytes == 0 => Packet::End,
        _ => Packet::Incomplete,
    })
}

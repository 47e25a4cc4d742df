//! Whose the other end of a loopback connection is.
//!
//! Linux answers for exactly one connection (`sock_diag(7)`, `struct inet_diag_req_v2`), so the question costs the same
//! however many sockets there are.

use std::io;
use std::net::SocketAddrV4;

/// What the kernel says of the socket that holds one end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOwner {
    /// The effective user of the process that made it.
    pub uid: u32,
    /// As in `/proc/PID/fd`, `socket:[INODE]`. Zero once no process holds it.
    pub inode: u32,
}

impl SocketOwner {
    /// Whether a process holds the socket. For processes of other users only root is told.
    #[must_use]
    pub fn is_held_by(self, pid: u32) -> bool {
        let wanted = format!("socket:[{}]", self.inode);
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        self.inode != 0
            && descriptors
                .map(|entry| std::fs::read_link(entry.path()))
                .any(|link| link.is_ok_and(|target| target.as_os_str() == wanted.as_str()))
    }
}

/// The owner of the end that has `theirs` as its own address, of the connection to `ours`.
///
/// # Errors
/// The kernel does not know the connection (any more), or is not asked on this system.
pub fn owner_of(theirs: SocketAddrV4, ours: SocketAddrV4) -> io::Result<SocketOwner> {
    answered(&asked(&question(theirs, ours))?)
}

const REQUEST_BYTES: usize = 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;

/// `struct nlmsghdr` with `struct inet_diag_req_v2`, every state of the connection, no cookie.
fn question(theirs: SocketAddrV4, ours: SocketAddrV4) -> Vec<u8> {
    let mut message = Vec::with_capacity(REQUEST_BYTES);
    message.extend(u32::try_from(REQUEST_BYTES).unwrap_or_default().to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    message.extend(u32::MAX.to_ne_bytes());
    message.extend(theirs.port().to_be_bytes());
    message.extend(ours.port().to_be_bytes());
    for address in [theirs, ours] {
        message.extend(address.ip().octets());
        message.extend([0; 12]);
    }
    message.extend([0; 4]);
    message.extend([0xff; 8]);
    message
}

/// `struct nlmsghdr` with `struct inet_diag_msg`, or with an error's number.
fn answered(message: &[u8]) -> io::Result<SocketOwner> {
    let word = |at: usize| {
        let bytes = message.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        bytes.map(u32::from_ne_bytes).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    let kind = message.get(4..6).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()).map(u16::from_ne_bytes);
    if kind != Some(SOCK_DIAG_BY_FAMILY) {
        let number = word(16)?.cast_signed();
        return Err(io::Error::from_raw_os_error(number.saturating_neg()));
    }
    Ok(SocketOwner { uid: word(80)?, inode: word(84)? })
}

#[cfg(target_os = "linux")]
fn asked(question: &[u8]) -> io::Result<Vec<u8>> {
    use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    sendto(&socket, question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = vec![0_u8; 4096];
    // The kernel has answered before `sendto` returns.
    let (length, _) = recv(&socket, answer.as_mut_slice(), RecvFlags::DONTWAIT)?;
    answer.truncate(length);
    Ok(answer)
}

#[cfg(not(target_os = "linux"))]
fn asked(_question: &[u8]) -> io::Result<Vec<u8>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell whose a connection is"))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (theirs, listener.accept().unwrap().0)
    }

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        let SocketAddr::V4(address) = address else { panic!("{address}") };
        address
    }

    #[test]
    fn the_other_end_is_this_process_and_its_user() {
        let (theirs, ours) = pair();
        let owner = owner_of(v4(theirs.local_addr().unwrap()), v4(ours.local_addr().unwrap())).unwrap();
        assert_eq!(owner.uid, rustix::process::geteuid().as_raw());
        assert!(owner.is_held_by(std::process::id()));
        assert!(!owner.is_held_by(1) && !SocketOwner { inode: 0, ..owner }.is_held_by(std::process::id()));
        // Each end has its own socket.
        let other = owner_of(v4(ours.local_addr().unwrap()), v4(theirs.local_addr().unwrap())).unwrap();
        assert_ne!(owner.inode, other.inode);
    }

    #[test]
    fn an_unknown_connection_has_no_owner() {
        let (theirs, ours) = pair();
        let other = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
        assert!(owner_of(other, v4(ours.local_addr().unwrap())).is_err());
        assert!(owner_of(v4(theirs.local_addr().unwrap()), other).is_err());
    }

    #[test]
    fn answers_that_are_cut_are_errors() {
        let (theirs, ours) = pair();
        let whole = asked(&question(v4(theirs.local_addr().unwrap()), v4(ours.local_addr().unwrap()))).unwrap();
        assert!(answered(&whole).is_ok());
        for length in 0..88 {
            assert!(answered(&whole[..length]).is_err(), "{length}");
        }
    }
}

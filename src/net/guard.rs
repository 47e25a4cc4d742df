//! A bound on what a stranger may send before it has said who it is.
//!
//! The WebSocket library has one size limit for the life of a connection; the protocol has two. So the stream itself
//! watches the frame headers go by until the handshake is done: a frame that announces too much is an error before a
//! byte of it is kept.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// All that a connection may send before it is authenticated, as a multiple of the largest frame: `connect`, and the
/// requests that clients send without waiting for its answer.
const FRAMES_BEFORE_AUTH: usize = 16;

#[derive(Debug)]
pub struct Guard<S> {
    stream: S,
    /// Bytes that were read together with the HTTP request.
    early: Bytes,
    watch: Option<Watch>,
}

impl<S> Guard<S> {
    /// Watches for client frames of more than `max_frame` bytes.
    pub fn new(stream: S, early: Bytes, max_frame: usize) -> Self {
        let watch = Watch { max_frame, budget: max_frame * FRAMES_BEFORE_AUTH, header: [0; 14], filled: 0, skip: 0 };
        Self { stream, early, watch: Some(watch) }
    }

    /// The peer is known now: from here on the library's own limit holds.
    pub fn lift(&mut self) {
        self.watch = None;
    }

    pub fn into_inner(self) -> S {
        self.stream
    }
}

/// Whether an error of the stream means that a frame was too large.
#[must_use]
pub fn is_too_large(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooLarge>())
}

#[derive(Debug, thiserror::Error)]
#[error("a frame is too large before authentication")]
struct TooLarge;

/// Follows frame headers (RFC 6455 §5.2) through a byte stream.
#[derive(Debug)]
struct Watch {
    max_frame: usize,
    budget: usize,
    header: [u8; 14],
    filled: usize,
    /// Payload bytes of the current frame that are still to come.
    skip: usize,
}

impl Watch {
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), TooLarge> {
        self.budget = self.budget.checked_sub(bytes.len()).ok_or(TooLarge)?;
        while let Some((first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = *first;
                self.filled += 1;
            }
            bytes = rest;
            if let Some(length) = self.payload_length() {
                if length > self.max_frame {
                    return Err(TooLarge);
                }
                self.skip = length;
                self.filled = 0;
            }
        }
        Ok(())
    }

    /// Once the header is whole.
    fn payload_length(&self) -> Option<usize> {
        let [_, second, extended @ ..] = &self.header;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (extra, length) = match second & 0x7f {
            126 => (2, u64::from(u16::from_be_bytes([extended[0], extended[1]]))),
            127 => {
                let [a, b, c, d, e, f, g, h, ..] = *extended;
                (8, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            short => (0, u64::from(short)),
        };
        (self.filled >= 2 + extra + mask).then(|| usize::try_from(length).unwrap_or(usize::MAX))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        let before = buffer.filled().len();
        if guard.early.is_empty() {
            match Pin::new(&mut guard.stream).poll_read(context, buffer) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        } else {
            let taken = guard.early.len().min(buffer.remaining());
            buffer.put_slice(guard.early.get(..taken).unwrap_or_default());
            guard.early.advance(taken);
        }
        let Some(watch) = guard.watch.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        let new = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(watch.pass(new).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::fuzz::fuzz;

    /// A masked text frame's header, and a payload of that length.
    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match length {
            0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(std::iter::repeat_n(7, length));
        bytes
    }

    async fn read_all(bytes: &[u8], chunk: usize, early: usize) -> io::Result<Vec<u8>> {
        let (early, rest) = bytes.split_at(early);
        let mut guard = Guard::new(rest, Bytes::copy_from_slice(early), 100_000);
        let (mut all, mut buffer) = (Vec::new(), vec![0; chunk]);
        loop {
            match guard.read(&mut buffer).await? {
                0 => return Ok(all),
                read => all.extend(&buffer[..read]),
            }
        }
    }

    #[tokio::test]
    async fn frames_within_the_limit_pass_whole_in_any_cut() {
        let bytes = [frame(0), frame(5), frame(125), frame(126), frame(70_000), frame(1)].concat();
        for chunk in [1, 2, 3, 7, 4_096, 100_000] {
            assert_eq!(read_all(&bytes, chunk, 11).await.unwrap(), bytes);
        }
    }

    #[tokio::test]
    async fn a_large_frame_is_refused_by_its_header() {
        let header = &frame(100_001)[..14];
        assert!(is_too_large(&read_all(header, 1, 0).await.unwrap_err()));
        assert!(is_too_large(&read_all(&[frame(3), header.to_vec()].concat(), 4_096, 4).await.unwrap_err()));
        let huge = [0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0];
        assert!(is_too_large(&read_all(&huge, 64, 0).await.unwrap_err()));
    }

    #[tokio::test]
    async fn many_small_frames_meet_the_budget() {
        let bytes = frame(90_000).repeat(20);
        assert!(is_too_large(&read_all(&bytes, 4_096, 0).await.unwrap_err()));
    }

    #[tokio::test]
    async fn nothing_is_watched_once_lifted() {
        let bytes = frame(200_000);
        let mut guard = Guard::new(bytes.as_slice(), Bytes::new(), 10);
        guard.lift();
        let mut all = Vec::new();
        guard.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, bytes);
    }

    /// What passes is the same in any cut, and never announces a frame beyond the limit.
    #[test]
    fn fuzz_frame_headers() {
        let seeds =
            [frame(0), frame(5), frame(126), [frame(3), frame(130)].concat(), vec![0x81, 0xff, 0, 0, 0, 0, 0, 1]];
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        fuzz(&seeds, |bytes| {
            let watch = || Guard::new(&b""[..], Bytes::new(), 1_000).watch.unwrap();
            let mut whole = watch();
            let passed = whole.pass(bytes).is_ok();
            assert!(!passed || (whole.skip <= 1_000 && bytes.len() <= 1_000 * FRAMES_BEFORE_AUTH));
            for size in [1, 3, 14] {
                let mut cut = watch();
                let all = bytes.chunks(size).all(|piece| cut.pass(piece).is_ok());
                assert_eq!(all, passed, "in pieces of {size}");
                assert!(!passed || (cut.skip, cut.filled) == (whole.skip, whole.filled));
            }
        });
    }
}

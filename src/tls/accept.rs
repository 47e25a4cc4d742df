//! The server's side of the handshake.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{Carrier, Certificates};
use crate::net::Stream;
use crate::net::deadline::WriteDeadline;

/// The first byte of every TLS connection: a record that carries a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// What a client that speaks HTTP reads.
const PLAIN_ANSWER: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\ncontent-length: 85\r\n\r\n\
    This port speaks TLS only: use https:// or wss:// in place of http:// or ws:// here.\n";
/// Of what such a client sends: closed with bytes unread, the kernel would take the answer back.
const MOST_UNREAD: u64 = 16 * 1024;
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("it took too long")]
    TooSlow,
    #[error("the peer speaks no TLS")]
    Plain,
    #[error(transparent)]
    Broken(#[from] io::Error),
}

/// Makes a TLS connection of a stream within `limit`. A peer that speaks something else is told so, and let go.
///
/// `patience` is for the bytes that are written, during the handshake and ever after.
///
/// # Errors
/// There is no connection. Nothing of it is worth more than a line for debugging: strangers cause it at will.
pub async fn accept(
    stream: Stream,
    certificates: &Certificates,
    limit: Duration,
    patience: Duration,
) -> Result<Carrier, Refused> {
    let handshake = async {
        if stream.first_byte().await? == Some(HANDSHAKE) {
            let stream = WriteDeadline::new(stream, patience);
            return Ok(Carrier::Tls(Box::new(certificates.acceptor().accept(stream).await?)));
        }
        tell_plain(stream).await;
        Err(Refused::Plain)
    };
    timeout(limit, handshake).await.unwrap_or(Err(Refused::TooSlow))
}

/// Whoever spoke HTTP reads why; whoever did not is not hurt by it.
async fn tell_plain(mut stream: Stream) {
    let answer = async {
        stream.write_all(PLAIN_ANSWER.as_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MOST_UNREAD), &mut tokio::io::sink()).await
    };
    // It is only a courtesy.
    let _ = timeout(FAREWELL, answer).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_answer_is_whole() {
        let (head, body) = PLAIN_ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}

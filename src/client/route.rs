//! The way to a gateway: which bytes go where, and by whom they are protected. WebSocket and plain HTTP share it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use ::http::{HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::Instant;

use super::{ClientError, GatewayUrl, Trust, plaintext, tls};
use crate::net::Stream;
use crate::tailnet::Node;

/// Where a gateway is and how it is reached. Who we are there is the [`Target`](super::Target)'s business.
#[derive(Debug, Clone)]
pub struct Route {
    pub url: GatewayUrl,
    pub dialler: Dialler,
    /// Which certificates are taken, where the address asks for TLS.
    pub trust: Trust,
    /// What a proxy in front of the gateway asks for with every request. Their values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Who opens the connections.
#[derive(Debug, Clone)]
pub enum Dialler {
    /// The system, by the address itself.
    Direct(PlainNames),
    /// A tunnel's own end on this machine. Whatever is written there is encrypted on its way.
    Socket {
        path: PathBuf,
        /// What a person calls it: `ssh ada@claw`.
        via: String,
    },
    /// A tailnet node inside of this process. Whatever it carries is encrypted on its way.
    Node(Node),
}

/// Whether unencrypted bytes may go to names of which nothing says that they are in a network of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainNames {
    Refused,
    /// The person vouches for them ([`VOUCHED_VARIABLE`](plaintext::VOUCHED_VARIABLE)).
    Vouched,
}

/// A byte stream of any kind.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Duplex for T {}

pub(super) type Io = Box<dyn Duplex>;

impl Route {
    /// Straight to the address, by the rules that hold for everybody.
    #[must_use]
    pub const fn direct(url: GatewayUrl) -> Self {
        Self { url, dialler: Dialler::Direct(PlainNames::Refused), trust: Trust::System, headers: Vec::new() }
    }

    /// Whether the address may be used as it is written; a name may still turn out to lead elsewhere.
    ///
    /// # Errors
    /// [`ClientError::Plaintext`].
    pub fn check(&self) -> Result<(), ClientError> {
        let host = self.url.host();
        if self.is_free() || plaintext::is_name(host) {
            Ok(())
        } else {
            Err(ClientError::Plaintext { url: self.url.to_string() })
        }
    }

    /// Whether any bytes may go there, whatever the name leads to.
    fn is_free(&self) -> bool {
        let host = self.url.host();
        let vouched = match &self.dialler {
            Dialler::Direct(names) => *names == PlainNames::Vouched && plaintext::is_name(host),
            Dialler::Socket { .. } | Dialler::Node(_) => true,
        };
        self.url.is_tls() || plaintext::is_private(host) || vouched
    }

    /// A stream on which HTTP can be spoken, encrypted where the address asks for it.
    pub(super) async fn open(&self, deadline: Instant) -> Result<Io, ClientError> {
        let stream = self.dial(deadline).await?;
        if self.url.is_tls() { tls::wrap(stream, &self.url, &self.trust).await } else { Ok(Box::new(stream)) }
    }

    /// As far as the first byte: nothing of ours has been sent yet.
    pub(super) async fn dial(&self, deadline: Instant) -> Result<Stream, ClientError> {
        let unreachable = |cause: io::Error| ClientError::Unreachable { url: self.to_string(), cause };
        match &self.dialler {
            Dialler::Direct(_) => {
                let addresses = self.addresses().await?;
                let stream = TcpStream::connect(addresses.as_slice()).await.map_err(unreachable)?;
                // Small frames both ways: waiting for more to send would only add latency.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Dialler::Socket { path, .. } => UnixStream::connect(path).await.map(Stream::Unix).map_err(unreachable),
            Dialler::Node(node) => {
                let limit = deadline.saturating_duration_since(Instant::now());
                let stream = node.dial(self.url.host(), self.url.port(), limit).await;
                stream.map_err(|error| unreachable(io::Error::other(error)))
            }
        }
    }

    /// The addresses to try, once it is known that our bytes may go to them. They are the ones that were looked at: a
    /// name server that changes its mind changes nothing.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, ClientError> {
        self.check()?;
        let (url, host) = (&self.url, self.url.host());
        let found = lookup_host((host, url.port())).await;
        let found: Vec<SocketAddr> =
            found.map_err(|cause| ClientError::Unreachable { url: url.to_string(), cause })?.collect();
        if !self.is_free() && (found.is_empty() || !found.iter().all(plaintext::leaves_through_the_tailnet)) {
            return Err(ClientError::Plaintext { url: url.to_string() });
        }
        Ok(found)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(formatter)?;
        match &self.dialler {
            Dialler::Direct(_) => Ok(()),
            Dialler::Socket { via, .. } => write!(formatter, " through {via}"),
            Dialler::Node(_) => formatter.write_str(" through a tailnet node of this command"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn dial(url: &str, names: PlainNames) -> Result<Stream, ClientError> {
        let route = Route { dialler: Dialler::Direct(names), ..Route::direct(GatewayUrl::parse(url).unwrap()) };
        route.dial(Instant::now() + Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn plain_bytes_do_not_leave_for_a_public_place() {
        for url in ["ws://8.8.8.8:1", "ws://[2001:db8::1]:1", "http://203.0.113.9"] {
            for names in [PlainNames::Refused, PlainNames::Vouched] {
                let refused = dial(url, names).await;
                assert!(matches!(&refused, Err(ClientError::Plaintext { .. })), "{url} {names:?}: {refused:?}");
            }
        }
    }

    #[tokio::test]
    async fn this_machine_is_reached_and_a_vouched_name_is_looked_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        dial(&format!("ws://127.0.0.1:{port}"), PlainNames::Refused).await.unwrap();
        dial(&format!("ws://localhost:{port}"), PlainNames::Refused).await.unwrap();
        // Past the rule, to the name server, which has no such name.
        let unknown = dial("ws://no-such-host.invalid:1", PlainNames::Vouched).await;
        assert!(matches!(unknown, Err(ClientError::Unreachable { .. })), "{unknown:?}");
    }
}

//! The same names when the crate is built without the node: a [`Node`] that cannot exist.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::{CertificatePair, Error, LoggedIn, LoginBy, Path, PeerPath, Settings, State, Status};
use crate::net::{FunnelDoor, Listener, Peer, Stream, WhoIs};

#[derive(Debug, Clone)]
pub enum Node {}

#[derive(Debug)]
pub enum TailnetListener {}

/// Nothing to do without a Go runtime in the process.
pub const fn rearm_signal_handlers() {}

#[expect(clippy::unused_async, reason = "the same signatures as the real node's")]
impl Node {
    pub async fn start(_settings: Settings) -> Result<Self, Error> {
        Err(Error::NotBuilt)
    }

    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        match *self {}
    }

    #[must_use]
    pub fn health(&self) -> watch::Receiver<Vec<String>> {
        match *self {}
    }

    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        match *self {}
    }

    pub async fn listen(&self, _port: u16) -> Result<TailnetListener, Error> {
        match *self {}
    }

    pub async fn listen_funnel(&self, _port: u16, _door: FunnelDoor) -> Result<TailnetListener, Error> {
        match *self {}
    }

    pub async fn whois(&self, _address: IpAddr) -> Result<Option<WhoIs>, Error> {
        match *self {}
    }

    pub async fn status(&self) -> Result<Status, Error> {
        match *self {}
    }

    pub async fn certificate(&self, _domain: &str) -> Result<CertificatePair, Error> {
        match *self {}
    }

    pub async fn dial(&self, _host: &str, _port: u16, _deadline: Duration) -> Result<Stream, Error> {
        match *self {}
    }

    pub async fn logout(&self) -> Result<(), Error> {
        match *self {}
    }

    pub async fn login(&self, _by: LoginBy) -> Result<LoggedIn, Error> {
        match *self {}
    }

    pub async fn rename(&self, _hostname: &str) -> Result<(), Error> {
        match *self {}
    }

    pub async fn clock_offset_ms(&self) -> Option<i64> {
        match *self {}
    }

    pub async fn path(&self, _address: IpAddr) -> Result<Option<Path>, Error> {
        match *self {}
    }

    pub async fn peers(&self) -> Result<Vec<PeerPath>, Error> {
        match *self {}
    }

    pub async fn close(&self) -> Result<(), Error> {
        match *self {}
    }
}

impl Listener for TailnetListener {
    async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        match *self {}
    }

    fn name(&self) -> String {
        match *self {}
    }
}

//! The connections that a server accepts: so many at once, so many from one address, and none that is silent for long.

use std::collections::HashMap;
use std::future::Future as _;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Open files that are no clients' connections: the database, artefacts, children.
const OTHER_FILES: usize = 256;
/// Pause after a connection could not be accepted, for instance because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Limits of what is open at once, and of how long it may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections.
    pub all: usize,
    /// Connections from one address.
    pub each: usize,
    /// Longest wait for the first byte of a connection.
    pub first: Duration,
    /// Longest time without a byte in either direction. Living clients answer the pings of HTTP/2, which are more frequent.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { all: 4096, each: 2048, first: Duration::from_secs(10), silence: Duration::from_secs(120) }
    }
}

impl Limits {
    /// As many of them as this process may have open files, less some for everything else.
    #[must_use]
    pub fn within_open_files(self) -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let soft = files.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(usize::MAX);
        let most = soft.saturating_sub(OTHER_FILES).max(16);
        if most < self.all {
            tracing::warn!(wanted = self.all, most, "fewer connections than wanted, because so few files may be open");
        }
        Limits { all: self.all.min(most), each: self.each.min(most.div_ceil(2)), ..self }
    }
}

/// The connections that arrive at `listener`; those beyond the limits are closed at once.
pub fn incoming(listener: TcpListener, limits: Limits) -> impl Stream<Item = io::Result<Connection>> {
    let open = Arc::new(Open { limits, counts: Mutex::default() });
    futures::stream::unfold((listener, open), |(listener, open)| async move {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let Some(place) = open.enter(from.ip()) else {
                        tracing::warn!(address = %from.ip(), "too many connections: this one is closed");
                        continue;
                    };
                    let _ = stream.set_nodelay(true);
                    return Some((Ok(Connection::new(stream, place)), (listener, open)));
                }
                Err(e) => {
                    tracing::warn!(error = %e, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

#[derive(Debug)]
struct Open {
    limits: Limits,
    counts: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

impl Open {
    fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by) = &mut *counts;
        if *all >= self.limits.all || by.get(&from).is_some_and(|n| *n >= self.limits.each) {
            return None;
        }
        *all += 1;
        *by.entry(from).or_default() += 1;
        Some(Place { open: self.clone(), from })
    }
}

/// A connection's place among those that may be open.
#[derive(Debug)]
struct Place {
    open: Arc<Open>,
    from: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by) = &mut *counts;
        *all -= 1;
        if let Some(n) = by.get_mut(&self.from) {
            *n -= 1;
            if *n == 0 {
                by.remove(&self.from);
            }
        }
    }
}

/// A connection that ends when it has been silent for too long.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    place: Place,
    /// When it counts as silent. Moved ahead only when it fires, not with every byte.
    alarm: Pin<Box<Sleep>>,
    /// Time of the last byte; `None` before the first.
    heard: Option<Instant>,
}

impl Connection {
    fn new(stream: TcpStream, place: Place) -> Self {
        let alarm = Box::pin(tokio::time::sleep(place.open.limits.first));
        Connection { stream, place, alarm, heard: None }
    }

    /// What the stream said, or an error once it has been silent for too long.
    fn watched<T>(&mut self, context: &mut Context<'_>, said: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if said.is_ready() {
            self.heard = Some(Instant::now());
            return said;
        }
        self.silent(context).map_or_else(|e| Poll::Ready(Err(e)), |()| Poll::Pending)
    }

    /// An error once it has been silent for too long.
    fn silent(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let silence = self.place.open.limits.silence;
            let until = self.heard.map(|at| at + silence).filter(|until| *until > Instant::now());
            match until {
                Some(until) => self.alarm.as_mut().reset(until),
                None => return Err(io::Error::new(io::ErrorKind::TimedOut, "the connection was silent for too long")),
            }
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let said = Pin::new(&mut me.stream).poll_read(context, buffer);
        me.watched(context, said)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let said = Pin::new(&mut me.stream).poll_write(context, bytes);
        me.watched(context, said)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let said = Pin::new(&mut me.stream).poll_write_vectored(context, bytes);
        me.watched(context, said)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn listening(limits: Limits) -> (SocketAddr, Pin<Box<dyn Stream<Item = io::Result<Connection>>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (listener.local_addr().unwrap(), Box::pin(incoming(listener, limits)))
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed_until_another_ends() {
        let (address, mut accepted) = listening(Limits { all: 9, each: 2, ..Limits::default() }).await;
        let (_a, b) = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let first = accepted.next().await.unwrap().unwrap();
        let second = accepted.next().await.unwrap().unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(200), accepted.next()).await;
        assert!(waiting.is_err(), "the third is not accepted");
        assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0, "it is closed");
        drop((second, b));
        let _fourth = TcpStream::connect(address).await.unwrap();
        accepted.next().await.unwrap().unwrap();
        drop(first);
    }

    #[tokio::test]
    async fn a_silent_connection_ends() {
        let first = Duration::from_millis(500);
        let (address, mut accepted) = listening(Limits { first, ..Limits::default() }).await;
        let began = Instant::now();
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut connection = accepted.next().await.unwrap().unwrap();
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= first && began.elapsed() < Limits::default().silence);

        // one that has spoken may be silent for longer, and not for ever
        let silence = 3 * first;
        let (address, mut accepted) = listening(Limits { first, silence, ..Limits::default() }).await;
        let mut speaks = TcpStream::connect(address).await.unwrap();
        let mut connection = accepted.next().await.unwrap().unwrap();
        speaks.write_all(b"x").await.unwrap();
        connection.read_exact(&mut [0; 1]).await.unwrap();
        let heard = connection.heard.unwrap();
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(heard.elapsed() >= silence);
    }
}

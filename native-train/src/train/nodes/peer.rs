//! A connection to another node, and its messages.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use socket2::{SockRef, TcpKeepalive};

/// The first bytes of a node, with the version of what follows.
const MAGIC: &[u8; 16] = b"quickdraw-node-1";

/// No message is longer.
const MAX_LENGTH: u64 = 1 << 30;

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(50);

/// A node that has connected says which it is within this time.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Which of several machines this is, and where rank 0 is.
#[derive(Clone, Debug)]
pub struct Node {
    /// 0 for the coordinator, up to `n_nodes - 1`.
    pub rank: usize,
    /// How many machines there are, at least 2.
    pub n_nodes: usize,
    /// `HOST:PORT` on which rank 0 listens.
    pub coordinator: String,
    /// How long the start may take until all are connected.
    pub timeout: Duration,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Hello = 1,
    State = 2,
    Ready = 3,
    Weights = 4,
    Gradients = 5,
    End = 6,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Hello, Self::State, Self::Ready, Self::Weights, Self::Gradients, Self::End];
}

/// What a node says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Of this package.
    pub(super) version: String,
    pub(super) rank: usize,
    pub(super) n_nodes: usize,
}

/// How a run ends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum End {
    /// All steps are done, or as many as early stopping allowed.
    Finished,
    /// It was interrupted, and can be resumed.
    Interrupted,
    /// An error, in words.
    Failed(String),
}

impl End {
    /// The end by an error.
    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

/// Another node.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What it is called in messages.
    name: String,
    stream: TcpStream,
}

impl Peer {
    /// Connects to rank 0 as soon as it listens.
    ///
    /// # Errors
    /// When it is not reached in time.
    pub(crate) fn connect(node: &Node) -> Result<Self> {
        let address = &node.coordinator;
        let stream = connect(address, node.timeout).with_context(|| {
            format!("cannot reach rank 0 at {address} (does it run there, with the same --coordinator?)")
        })?;
        let mut peer = Self::new(format!("rank 0 ({address})"), stream)?;
        let hello = Hello { version: VERSION.to_owned(), rank: node.rank, n_nodes: node.n_nodes };
        peer.stream.write_all(MAGIC)?;
        peer.send_json(Kind::Hello, &hello)?;
        Ok(peer)
    }

    /// A node that has connected to rank 0.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn accepted(mut stream: TcpStream, address: SocketAddr) -> Result<(Self, Hello)> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(HELLO_TIMEOUT))?;
        let mut magic = [0; MAGIC.len()];
        stream.read_exact(&mut magic)?;
        ensure!(&magic == MAGIC, "it begins with other bytes");
        let mut peer = Self::new(address.to_string(), stream)?;
        let hello: Hello = serde_json::from_slice(&peer.expect(Kind::Hello)?)?;
        peer.name = format!("rank {} ({address})", hello.rank);
        peer.stream.set_read_timeout(None)?;
        Ok((peer, hello))
    }

    fn new(name: String, stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        // A machine that is gone is noticed after a minute.
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
        let keepalive = keepalive.with_interval(Duration::from_secs(10)).with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        SockRef::from(&stream).set_tcp_user_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { name, stream })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<()> {
        let length = (payload.len() as u64).to_le_bytes();
        let mut write = || {
            self.stream.write_all(&[kind as u8])?;
            self.stream.write_all(&length)?;
            self.stream.write_all(payload)
        };
        write().map_err(|error| match self.receive() {
            // It has said why it went.
            Ok((Kind::End, payload)) => self.ended(&payload),
            _ => self.lost(&error),
        })
    }

    pub(crate) fn send_json(&mut self, kind: Kind, value: &impl Serialize) -> Result<()> {
        self.send(kind, &serde_json::to_vec(value)?)
    }

    /// Tells the end, unless the node is gone.
    pub(crate) fn end(&mut self, end: &End) {
        let _ = self.send_json(Kind::End, end);
    }

    pub(crate) fn receive(&mut self) -> Result<(Kind, Vec<u8>)> {
        let mut header = [0; 9];
        self.stream.read_exact(&mut header).map_err(|error| self.lost(&error))?;
        let [kind, length @ ..] = header;
        let kind = Kind::ALL.into_iter().find(|&known| known as u8 == kind);
        let kind = kind.with_context(|| format!("{} sends something unknown", self.name))?;
        let length = u64::from_le_bytes(length);
        ensure!(length <= MAX_LENGTH, "{} sends a message of {length} bytes", self.name);
        // The buffer grows with what arrives.
        let mut payload = Vec::new();
        let read = (&mut self.stream).take(length).read_to_end(&mut payload);
        let read = read.map_err(|error| self.lost(&error))?;
        ensure!(read as u64 == length, "{} has closed the connection", self.name);
        Ok((kind, payload))
    }

    /// The payload of the next message, which must be of a kind.
    pub(crate) fn expect(&mut self, expected: Kind) -> Result<Vec<u8>> {
        match self.receive()? {
            (kind, payload) if kind == expected => Ok(payload),
            (Kind::End, payload) => Err(self.ended(&payload)),
            (kind, _) => bail!("{} sends {kind:?}; {expected:?} was expected", self.name),
        }
    }

    /// The error of a node that ends the run before its end.
    fn ended(&self, payload: &[u8]) -> anyhow::Error {
        match serde_json::from_slice(payload) {
            Ok(End::Failed(why)) => self.failed(&why),
            _ => anyhow!("{} has ended the run", self.name),
        }
    }

    /// The error of a node that has failed.
    pub(crate) fn failed(&self, why: &str) -> anyhow::Error {
        anyhow!("{}: {why}", self.name)
    }

    /// The error of a connection. In words: as an error of the system a broken pipe would count as
    /// that of this program's output.
    fn lost(&self, error: &io::Error) -> anyhow::Error {
        match error.kind() {
            ErrorKind::UnexpectedEof
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted => anyhow!("{} has closed the connection", self.name),
            _ => anyhow!("the connection to {} is lost: {error}", self.name),
        }
    }
}

/// The version of this package; all nodes have the same.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Connects as soon as somebody listens, within a time.
fn connect(address: &str, timeout: Duration) -> Result<TcpStream> {
    let started = Instant::now();
    loop {
        let mut last = None;
        for address in address.to_socket_addrs()? {
            // Zero would be refused.
            let left = timeout.saturating_sub(started.elapsed()).max(PAUSE);
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        if started.elapsed() >= timeout {
            return Err(last.map_or_else(|| anyhow!("the name has no address"), Into::into));
        }
        sleep(PAUSE);
    }
}

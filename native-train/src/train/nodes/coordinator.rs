//! Rank 0: it gathers the others and has them compute their batches.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use burn::tensor::backend::{AutodiffBackend, Backend};
use quickdraw_core::Model;

use super::payload::{gradients_from_bytes, weights_to_bytes};
use super::peer::{End, Hello, Kind, Node, Peer, VERSION};
use crate::tell::tell;
use crate::train::backward::Gradients;
use crate::train::state::RunState;

/// Between two looks for a node that has connected.
const PAUSE: Duration = Duration::from_millis(50);

/// Rank 0 before the others have connected.
#[derive(Debug)]
pub struct Coordinator {
    listener: TcpListener,
    node: Node,
    is_quiet: bool,
}

impl Coordinator {
    /// Listens for the other nodes.
    ///
    /// # Errors
    /// When the address is none of this machine, or in use.
    pub fn listen(node: &Node, is_quiet: bool) -> Result<Self> {
        let listen = || -> Result<TcpListener> {
            let listener = TcpListener::bind(&node.coordinator)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = listen().with_context(|| format!("cannot listen on {}", node.coordinator))?;
        if !is_quiet {
            tell!("rank 0 of {} nodes listens on {}", node.n_nodes, listener.local_addr()?);
        }
        Ok(Self { listener, node: node.clone(), is_quiet })
    }

    /// How many machines there are.
    pub fn n_nodes(&self) -> usize {
        self.node.n_nodes
    }

    /// Waits until all others have connected and read their data, which must be the same.
    pub(crate) fn gather(self, state: &RunState, interrupted: &AtomicBool) -> Result<Nodes> {
        let n_batches_each = state.train.share(0, self.n_nodes())?.n;
        let mut peers = Vec::new();
        let filled = self.fill(&mut peers, state, interrupted);
        let mut nodes = Nodes { peers, n_batches_each, is_interrupted: false };
        filled.inspect_err(|error| nodes.end(&End::failed(error)))?;
        Ok(nodes)
    }

    /// Adds the others in the order of their ranks.
    fn fill(&self, peers: &mut Vec<Peer>, state: &RunState, interrupted: &AtomicBool) -> Result<()> {
        let started = Instant::now();
        let mut ranks = vec![0];
        while ranks.len() < self.n_nodes() {
            let n_missing = self.n_nodes() - ranks.len();
            ensure!(!interrupted.load(Ordering::Relaxed), "interrupted while {n_missing} nodes were missing");
            ensure!(
                started.elapsed() < self.node.timeout,
                "{n_missing} of {} other nodes have not connected within {} s",
                self.n_nodes() - 1,
                self.node.timeout.as_secs()
            );
            let (stream, address) = match self.listener.accept() {
                Ok(connection) => connection,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    sleep(PAUSE);
                    continue;
                }
                Err(error) => return Err(error).context("cannot accept a connection"),
            };
            let (mut peer, hello) = match Peer::accepted(stream, address) {
                Ok(found) => found,
                Err(error) => {
                    tell!("{address} has connected and is no node of a run: {error:#}");
                    continue;
                }
            };
            if let Err(error) = self.check(&hello, &ranks) {
                peer.end(&End::failed(&error));
                return Err(error.context(peer.name().to_owned()));
            }
            peer.send_json(Kind::State, state)?;
            if !self.is_quiet {
                tell!("{} has connected", peer.name());
            }
            let place = ranks.partition_point(|&rank| rank < hello.rank);
            ranks.insert(place, hello.rank);
            peers.insert(place - 1, peer);
        }
        for peer in peers {
            peer.expect(Kind::Ready)?;
        }
        Ok(())
    }

    fn check(&self, Hello { version, rank, n_nodes }: &Hello, ranks: &[usize]) -> Result<()> {
        ensure!(version == VERSION, "it has version {version}, rank 0 has version {VERSION}");
        ensure!(*n_nodes == self.n_nodes(), "it has --nodes {n_nodes}, rank 0 has {}", self.n_nodes());
        ensure!(rank < n_nodes && !ranks.contains(rank), "there is another node of rank {rank}");
        Ok(())
    }
}

/// The other nodes of a run, as rank 0 sees them.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// In the order of their ranks, from 1 on.
    peers: Vec<Peer>,
    n_batches_each: u64,
    is_interrupted: bool,
}

impl Nodes {
    /// Begins a step on all nodes.
    pub(crate) fn send_weights<B: Backend>(&mut self, model: &Model<B>) -> Result<()> {
        let weights = weights_to_bytes(model);
        self.peers.iter_mut().try_for_each(|peer| peer.send(Kind::Weights, &weights))
    }

    /// Receives the results of a step, in the order of its batches.
    pub(crate) fn receive_gradients<B: AutodiffBackend>(
        &mut self,
        model: &Model<B>,
        device: &B::Device,
        mut take: impl FnMut(Gradients<B>) -> Result<()>,
    ) -> Result<()> {
        for peer in &mut self.peers {
            for _ in 0..self.n_batches_each {
                let payload = peer.expect(Kind::Gradients)?;
                let found = gradients_from_bytes(model, &payload, device);
                let (gradients, is_interrupted) =
                    found.with_context(|| format!("gradients of {}", peer.name()))?;
                self.is_interrupted |= is_interrupted;
                take(gradients)?;
            }
        }
        Ok(())
    }

    /// Whether one of them was interrupted, as by Ctrl-C.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// Ends the run on all nodes.
    pub(crate) fn end(&mut self, end: &End) {
        self.peers.iter_mut().for_each(|peer| peer.end(end));
    }
}

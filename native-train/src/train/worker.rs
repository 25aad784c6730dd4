//! The other machines of a run, which compute gradients for rank 0 ([`nodes`](super::nodes)).

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use burn::tensor::backend::AutodiffBackend;
use quickdraw_core::ops::KernelBackend;
use quickdraw_core::{Model, ModelBackend};

use super::nodes::{End, Kind, Node, Peer, gradients_to_bytes, with_weights};
use super::state::{RunState, check_same_node};
use super::step::Devices;
use crate::data::{Loader, Mixture};

/// A node that has connected to rank 0.
#[derive(Debug)]
pub struct Worker {
    coordinator: Peer,
    node: Node,
    state: RunState,
}

impl Worker {
    /// Connects to rank 0, and waits until it has read its data.
    ///
    /// # Errors
    /// When it is not reached in time, or does not take this node.
    pub fn connect(node: &Node) -> Result<Self> {
        let mut coordinator = Peer::connect(node)?;
        let state = serde_json::from_slice(&coordinator.expect(Kind::State)?)?;
        Ok(Self { coordinator, node: node.clone(), state })
    }

    /// The state of the run at rank 0.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Ends the run on all nodes, because of an error here.
    pub fn fail(&mut self, error: &anyhow::Error) {
        self.coordinator.end(&End::failed(error));
    }

    /// Computes gradients until rank 0 ends the run; whether it was finished. `own` is the state of
    /// the run before its first step, as it would be here; `interrupted` ends the run on all nodes
    /// after the step.
    ///
    /// # Errors
    /// When rank 0 has other data or options, the connection is lost, or another node has failed.
    pub fn work<B>(
        mut self,
        data: &Mixture,
        own: &RunState,
        devices: &[B::Device],
        interrupted: &AtomicBool,
    ) -> Result<bool>
    where
        B: AutodiffBackend + ModelBackend,
        B::InnerBackend: KernelBackend,
    {
        let Self { coordinator, node, state } = &mut self;
        check_same_node(state, own).inspect_err(|error| coordinator.end(&End::failed(error)))?;
        let config = own.train;
        let devices = Devices::<B>::new(devices)?;
        let mut model: Model<B> = state.model.init(devices.first())?;
        let share = config.share(node.rank, node.n_nodes)?;
        let mut loader = Loader::spawn(data.clone(), config.loader(&state.model, state.step, share))?;
        coordinator.send(Kind::Ready, &[])?;
        loop {
            match coordinator.receive()? {
                (Kind::Weights, payload) => {
                    model = with_weights(model, &payload, devices.first())?;
                    let batches = config.next_batches(&mut loader, share);
                    devices.gradients(&model, batches, |found| {
                        let is_interrupted = interrupted.load(Ordering::Relaxed);
                        coordinator.send(Kind::Gradients, &gradients_to_bytes(&model, &found, is_interrupted))
                    })?;
                }
                (Kind::End, payload) => match serde_json::from_slice(&payload)? {
                    End::Finished => return Ok(true),
                    End::Interrupted => return Ok(false),
                    End::Failed(why) => return Err(coordinator.failed(&why)),
                },
                (kind, _) => bail!("{} sends {kind:?} during the run", coordinator.name()),
            }
        }
    }
}

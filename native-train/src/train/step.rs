//! One training step: batches in, the updated network out.
//!
//! Forward, cross-entropy and backward for each batch; the average of the gradients; clipping by
//! the global norm; the optimizer. With several devices the batches of a step are computed in
//! parallel: each has a thread with a copy of the network, and the gradients are moved to the first
//! device, where the one optimizer is. They are added in the order of the batches, so that the
//! result does not depend on how many devices there are. The same holds for those of other machines
//! ([`Nodes`]).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use quickdraw_core::ops::{self, KernelBackend};
use quickdraw_core::{Model, ModelBackend, weights};

use super::backward::{Gradients, gradients};
use super::config::TrainConfig;
use super::nodes::Nodes;
use crate::data::PreparedBatch;

/// The result of a step.
#[derive(Debug)]
pub struct Step<B: AutodiffBackend> {
    /// The network after it.
    pub model: Model<B>,
    /// The mean cross-entropy of each batch before it, `[1]`, still on the first device.
    pub losses: Vec<Tensor<B::InnerBackend, 1>>,
    /// Number of correct top-1 predictions of each batch, `[1]`, likewise.
    pub n_correct: Vec<Tensor<B::InnerBackend, 1>>,
    /// The norm of the gradients over all parameters together, before clipping, `[1]`, likewise.
    pub norm: Tensor<B::InnerBackend, 1>,
}

/// The devices of a run. The first holds the network and the optimizer and computes on the calling
/// thread; each further one of this machine has a thread; there may be those of other machines.
#[derive(Debug)]
pub struct Devices<B: AutodiffBackend> {
    first: B::Device,
    further: Vec<DeviceThread<B>>,
    nodes: Option<Nodes>,
}

impl<B: AutodiffBackend + ModelBackend> Devices<B>
where
    B::InnerBackend: KernelBackend,
{
    /// Starts the threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    ///
    /// # Panics
    /// Without any device.
    pub fn new(devices: &[B::Device]) -> Result<Self> {
        let (first, further) = devices.split_first().expect("at least one device");
        let further = further
            .iter()
            .enumerate()
            .map(|(i, device)| DeviceThread::spawn(i + 1, device))
            .collect::<Result<_>>()?;
        Ok(Self { first: first.clone(), further, nodes: None })
    }

    /// These devices and other machines.
    pub(super) fn with_nodes(self, nodes: Option<Nodes>) -> Self {
        Self { nodes, ..self }
    }

    /// The other machines, if there are any.
    pub(super) fn nodes(&mut self) -> Option<&mut Nodes> {
        self.nodes.as_mut()
    }

    /// The device that holds the network.
    pub fn first(&self) -> &B::Device {
        &self.first
    }

    /// Forward, cross-entropy and backward of batches, each with its dropout seed; their results are
    /// handed to `take` in the order of the batches, on the first device.
    ///
    /// # Errors
    /// When a batch's ink has another format than the network reads, and those of `take`.
    ///
    /// # Panics
    /// When a device's thread has panicked.
    pub(super) fn gradients(
        &self,
        model: &Model<B>,
        batches: Vec<(PreparedBatch, u64)>,
        mut take: impl FnMut(Gradients<B>) -> Result<()>,
    ) -> Result<()> {
        let n_batches = batches.len();
        let n_devices = 1 + self.further.len();
        let mut own = Vec::new();
        for (i, (batch, seed)) in batches.into_iter().enumerate() {
            match i % n_devices {
                0 => own.push((batch, seed)),
                // A clone that is forked would move the running statistics of this one.
                device => self.further[device - 1].start(model.clone().with_zero_statistics(), batch, seed),
            }
        }
        let mut own = own.into_iter();
        for i in 0..n_batches {
            let found = match i % n_devices {
                0 => {
                    let (batch, seed) = own.next().expect("every n-th batch");
                    gradients(model, batch, seed, &self.first)?
                }
                device => self.further[device - 1].finish(i)?.moved_to(&self.first, model),
            };
            take(found)?;
        }
        Ok(())
    }

    /// One step over batches of equal size, each with its dropout seed, and those of the other
    /// machines; if `is_quantized`, the gradients are those of the network with fake-quantized
    /// weights.
    ///
    /// # Errors
    /// When a batch's ink has another format than the network reads, or another machine does not
    /// answer; the optimizer is then as before.
    ///
    /// # Panics
    /// Without any batch, and when a device's thread has panicked.
    pub fn step(
        &mut self,
        model: Model<B>,
        optimizer: &mut impl Optimizer<Model<B>, B>,
        batches: Vec<(PreparedBatch, u64)>,
        learning_rate: f64,
        is_quantized: bool,
        config: &TrainConfig,
    ) -> Result<Step<B>> {
        let seen = if is_quantized { weights::rounded(model.clone()) } else { model.clone() };
        if let Some(nodes) = &mut self.nodes {
            nodes.send_weights(&seen)?;
        }
        let mut sum = GradientsAccumulator::new();
        let (mut losses, mut n_correct, mut statistics) = (Vec::new(), Vec::new(), Vec::new());
        // In the order of the batches, whoever computed them. Losses are read back together.
        let mut add = |found: Gradients<B>| {
            sum.accumulate(&model, found.gradients);
            losses.push(found.loss);
            n_correct.push(found.n_correct);
            statistics.push(found.statistics);
            Ok(())
        };
        self.gradients(&seen, batches, &mut add)?;
        if let Some(nodes) = &mut self.nodes {
            nodes.receive_gradients(&seen, &self.first, &mut add)?;
        }
        for parts in statistics {
            model.add_statistics(parts.into_iter().map(Tensor::from_inner).collect());
        }
        let scale = 1.0 / losses.len() as f64;
        let (gradients, norm) = clip_global_norm(&model, sum.grads(), scale, config.gradient_clipping_norm);
        let model = optimizer.step(learning_rate, model, gradients);
        Ok(Step { model, losses, n_correct, norm })
    }
}

/// A thread that computes gradients on its device.
#[derive(Debug)]
struct DeviceThread<B: AutodiffBackend> {
    /// `None` once it is to end.
    jobs: Option<Sender<(Model<B>, PreparedBatch, u64)>>,
    results: Receiver<Result<Gradients<B>>>,
    thread: Option<JoinHandle<()>>,
}

impl<B: AutodiffBackend + ModelBackend> DeviceThread<B> {
    fn spawn(number: usize, device: &B::Device) -> Result<Self> {
        let (jobs, todo) = channel::<(Model<B>, PreparedBatch, u64)>();
        let (done, results) = channel();
        let device = device.clone();
        let work = move || {
            for (model, batch, seed) in todo {
                let found = gradients(&model.fork(&device), batch, seed, &device);
                if done.send(found).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("device {number}")).spawn(work)?;
        Ok(Self { jobs: Some(jobs), results, thread: Some(thread) })
    }

    fn start(&self, model: Model<B>, batch: PreparedBatch, seed: u64) {
        let jobs = self.jobs.as_ref().expect("it is not to end yet");
        jobs.send((model, batch, seed)).expect("the device's thread lives; its panic is printed above");
    }

    fn finish(&self, batch: usize) -> Result<Gradients<B>> {
        let found = self.results.recv().expect("the device's thread lives; its panic is printed above");
        found.with_context(|| format!("batch {batch} of the step"))
    }
}

impl<B: AutodiffBackend> Drop for DeviceThread<B> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by the thread itself; a second one must not follow here.
            let _ = thread.join();
        }
    }
}

/// Multiplies all gradients by `scale`, and then so that their norm over all parameters together is
/// at most `max_norm`; gives the norm between the two as well, `[1]`. Nothing is read back from the
/// device, which would wait for the whole step.
fn clip_global_norm<B: AutodiffBackend>(
    model: &Model<B>,
    mut gradients: GradientsParams,
    scale: f64,
    max_norm: f64,
) -> (GradientsParams, Tensor<B::InnerBackend, 1>)
where
    B::InnerBackend: KernelBackend,
{
    struct Collect<'a, B: AutodiffBackend> {
        gradients: &'a GradientsParams,
        found: Vec<ops::Float<B::InnerBackend>>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Collect<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let gradient = self.gradients.get::<B::InnerBackend, D>(param.id);
            self.found.extend(gradient.map(|gradient| gradient.into_primitive().tensor()));
        }
    }
    struct Scale<'a, B: AutodiffBackend> {
        gradients: &'a mut GradientsParams,
        factor: Tensor<B::InnerBackend, 1>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Scale<'_, B>
    where
        B::InnerBackend: KernelBackend,
    {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
                let scaled = ops::scale(gradient, self.factor.clone());
                self.gradients.register::<B::InnerBackend, D>(param.id, scaled);
            }
        }
    }
    let mut all = Collect::<B> { gradients: &gradients, found: Vec::new() };
    model.visit(&mut all);
    let norm = ops::sum_of_squares::<B::InnerBackend>(all.found).sqrt() * scale;
    // A norm of zero gives infinity here, and a factor of 1.
    let factor = (norm.clone().recip() * max_norm).clamp_max(1.0) * scale;
    model.visit(&mut Scale::<B> { gradients: &mut gradients, factor });
    (gradients, norm)
}

//! Weights and gradients as bytes.

use anyhow::{Context, Result, ensure};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use quickdraw_core::Model;

use crate::train::backward::Gradients;

/// All numbers of a network, in the order in which a visitor sees them.
pub(super) fn weights_to_bytes<B: Backend>(model: &Model<B>) -> Vec<u8> {
    struct Write(Vec<u8>);
    impl<B: Backend> ModuleVisitor<B> for Write {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            write(param.val(), &mut self.0);
        }
    }
    let mut bytes = Write(Vec::new());
    model.visit(&mut bytes);
    bytes.0
}

/// The network with the numbers of [`weights_to_bytes`].
pub(crate) fn with_weights<B: Backend>(
    model: Model<B>,
    bytes: &[u8],
    device: &B::Device,
) -> Result<Model<B>> {
    struct Read<'a, D> {
        numbers: Numbers<'a>,
        device: &'a D,
        outcome: Result<()>,
    }
    impl<B: Backend> ModuleMapper<B> for Read<'_, B::Device> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            param.map(|before| match self.numbers.tensor(before.dims(), self.device) {
                Ok(now) => now.set_require_grad(before.is_require_grad()),
                Err(error) => {
                    self.outcome = Err(error);
                    before
                }
            })
        }
    }
    let mut read = Read { numbers: Numbers(bytes), device, outcome: Ok(()) };
    let model = model.map(&mut read);
    read.outcome?;
    read.numbers.end()?;
    Ok(model)
}

/// The result of a batch: whether the node was interrupted, loss, number of correct predictions,
/// for each parameter whether it has a gradient and its numbers, the statistics.
pub(crate) fn gradients_to_bytes<B: AutodiffBackend>(
    model: &Model<B>,
    found: &Gradients<B>,
    is_interrupted: bool,
) -> Vec<u8> {
    struct Write<'a> {
        gradients: &'a GradientsParams,
        bytes: Vec<u8>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Write<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let gradient = self.gradients.get::<B::InnerBackend, D>(param.id);
            self.bytes.push(gradient.is_some().into());
            if let Some(gradient) = gradient {
                write(gradient, &mut self.bytes);
            }
        }
    }
    let mut bytes = vec![is_interrupted.into()];
    write(found.loss.clone(), &mut bytes);
    write(found.n_correct.clone(), &mut bytes);
    let mut written = Write { gradients: &found.gradients, bytes };
    model.visit(&mut written);
    let mut bytes = written.bytes;
    for part in &found.statistics {
        write(part.clone(), &mut bytes);
    }
    bytes
}

/// The reverse of [`gradients_to_bytes`].
pub(super) fn gradients_from_bytes<B: AutodiffBackend>(
    model: &Model<B>,
    bytes: &[u8],
    device: &B::Device,
) -> Result<(Gradients<B>, bool)> {
    struct Read<'a, D> {
        numbers: Numbers<'a>,
        device: &'a D,
        gradients: GradientsParams,
        outcome: Result<()>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Read<'_, B::Device> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let mut read = || -> Result<()> {
                if self.numbers.byte()? != 0 {
                    let gradient = self.numbers.tensor::<B::InnerBackend, D>(param.dims(), self.device)?;
                    self.gradients.register(param.id, gradient);
                }
                Ok(())
            };
            if let Err(error) = read() {
                self.outcome = Err(error);
            }
        }
    }
    let mut numbers = Numbers(bytes);
    let is_interrupted = numbers.byte()? != 0;
    let loss = numbers.tensor([1], device)?;
    let n_correct = numbers.tensor([1], device)?;
    let mut read = Read { numbers, device, gradients: GradientsParams::new(), outcome: Ok(()) };
    model.visit(&mut read);
    read.outcome?;
    let Read { mut numbers, gradients, .. } = read;
    let statistics = model.statistics().into_iter().map(|all| numbers.tensor(all.dims(), device));
    let statistics = statistics.collect::<Result<_>>()?;
    numbers.end()?;
    Ok((Gradients { gradients, loss, n_correct, statistics }, is_interrupted))
}

/// Appends the numbers of a tensor, float32, little-endian.
fn write<B: Backend, const D: usize>(tensor: Tensor<B, D>, bytes: &mut Vec<u8>) {
    bytes.extend(tensor.into_data().iter::<f32>().flat_map(f32::to_le_bytes));
}

/// What is left of a message.
struct Numbers<'a>(&'a [u8]);

impl<'a> Numbers<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).context("the message is too short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn tensor<B: Backend, const D: usize>(
        &mut self,
        shape: [usize; D],
        device: &B::Device,
    ) -> Result<Tensor<B, D>> {
        let bytes = self.take(4 * shape.iter().product::<usize>())?;
        let (numbers, _) = bytes.as_chunks();
        let numbers: Vec<f32> = numbers.iter().map(|&number| f32::from_le_bytes(number)).collect();
        Ok(Tensor::from_data(TensorData::new(numbers, shape), device))
    }

    fn end(&self) -> Result<()> {
        ensure!(self.0.is_empty(), "the message is {} bytes too long", self.0.len());
        Ok(())
    }
}

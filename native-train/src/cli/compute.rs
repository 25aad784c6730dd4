//! The flags of commands that open a model: where to compute, and with how many threads.

use anyhow::Result;

use crate::device::{Device, DeviceChoice, start_threads};

// No doc comment: clap would use it for the command.
#[allow(missing_docs)]
#[derive(clap::Args, Clone, Debug)]
pub struct Compute {
    /// Where to compute: auto, cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Processor threads to compute with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
}

impl Compute {
    /// Starts the threads and finds the device.
    ///
    /// # Errors
    /// When either fails.
    pub(super) fn start(&self) -> Result<Device> {
        start_threads(self.threads)?;
        self.device.find()
    }
}

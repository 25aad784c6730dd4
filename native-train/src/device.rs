//! Where to compute: the processor, a CUDA device, or whatever GPU wgpu finds (by Vulkan or Metal).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

/// A device as requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device if there is one, else the processor. A device that fails is an error.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// This CUDA device.
    Cuda(usize),
    /// The GPU that wgpu takes for the fastest.
    Wgpu,
}

/// A device that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A CUDA device.
    #[cfg(feature = "cuda")]
    Cuda(usize),
    /// The GPU that wgpu takes for the fastest.
    #[cfg(feature = "wgpu")]
    Wgpu,
}

/// Whether the machine has a driver for NVIDIA's GPUs, with a GPU: asked of the system's files,
/// because a build without CUDA cannot ask the driver.
pub fn has_nvidia_driver() -> bool {
    let windows = std::env::var_os("SystemRoot").map(|root| Path::new(&root).join(r"System32\nvcuda.dll"));
    let others = ["/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1"].map(Into::into);
    windows.into_iter().chain(others).any(|file: PathBuf| file.exists())
}

/// Precision of the factors of matrix products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// float32
    #[default]
    F32,
    /// bfloat16; weights and sums stay f32. On processors with AMX or AVX512-BF16, and with
    /// --device cuda on GPUs from compute capability 8.0 on
    Bf16,
}

/// The devices that the user asked for: several of one kind compute each step together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceChoices(Vec<DeviceChoice>);

impl Default for DeviceChoices {
    fn default() -> Self {
        Self(vec![DeviceChoice::Auto])
    }
}

impl FromStr for DeviceChoices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(n) = text.strip_prefix("cpu:").and_then(|n| n.parse().ok()).filter(|&n| n > 0) {
            return Ok(Self(vec![DeviceChoice::Cpu; n]));
        }
        let Some(indices) = text.strip_prefix("cuda:") else { return Ok(Self(vec![text.parse()?])) };
        let mut choices = Vec::new();
        for index in indices.split(',') {
            let choice = format!("cuda:{index}").parse()?;
            if choices.contains(&choice) {
                return Err(format!("device {index} is named twice"));
            }
            choices.push(choice);
        }
        Ok(Self(choices))
    }
}

impl fmt::Display for DeviceChoices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [choice] => choice.fmt(f),
            [DeviceChoice::Cpu, ..] => write!(f, "cpu:{}", self.0.len()),
            [first, rest @ ..] => {
                first.fmt(f)?;
                rest.iter().try_for_each(|choice| match choice {
                    DeviceChoice::Cuda(index) => write!(f, ",{index}"),
                    other => write!(f, ",{other}"),
                })
            }
            [] => Ok(()),
        }
    }
}

impl DeviceChoices {
    /// Whether the choice depends on the devices found.
    pub fn is_automatic(&self) -> bool {
        self.0 == [DeviceChoice::Auto]
    }

    /// Finds the devices, at least one, all of one kind.
    ///
    /// # Errors
    /// As [`DeviceChoice::find`].
    pub fn find(&self) -> Result<Vec<Device>> {
        self.0.iter().map(|choice| choice.find()).collect()
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "wgpu" => Ok(Self::Wgpu),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "expected auto, cpu, cuda, cuda:N or wgpu".to_owned()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Wgpu => f.write_str("wgpu"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("the processor"),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => write!(f, "CUDA device {index}"),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => match quickdraw_core::ops::cube::wgpu_adapter() {
                Some(name) => write!(f, "{name} by wgpu"),
                None => f.write_str("wgpu"),
            },
        }
    }
}

impl DeviceChoice {
    /// Finds the device.
    ///
    /// # Errors
    /// When a device was asked for by name and there is none, or this program was built without;
    /// when the driver of CUDA fails.
    pub fn find(self) -> Result<Device> {
        match self {
            Self::Auto => automatic(),
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(index) => cuda(index),
            Self::Wgpu => wgpu(),
        }
    }
}

#[cfg(feature = "cuda")]
fn automatic() -> Result<Device> {
    let n_devices = working_devices(quickdraw_core::ops::cube::n_cuda_devices())?;
    Ok(if n_devices > 0 { Device::Cuda(0) } else { Device::Cpu })
}

#[cfg(not(feature = "cuda"))]
fn automatic() -> Result<Device> {
    Ok(Device::Cpu)
}

/// The number of devices that a driver finds. If it fails, that is an error, not a reason to
/// silently use the processor, which takes many times as long.
#[cfg(any(feature = "cuda", test))]
fn working_devices(found: Result<usize, String>) -> Result<usize> {
    found.map_err(|error| {
        anyhow::anyhow!("NVIDIA's driver fails: {error}; --device cpu computes on the processor instead")
    })
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device> {
    let n_devices = working_devices(quickdraw_core::ops::cube::n_cuda_devices())?;
    if index >= n_devices {
        bail!(
            "there is no CUDA device {index}: found {n_devices}, which need NVIDIA's driver; use --device cpu"
        );
    }
    Ok(Device::Cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device> {
    bail!(
        "this program was built without CUDA: build it by `cargo run --release -p native-train --features cuda`"
    )
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device> {
    if quickdraw_core::ops::cube::wgpu_adapter().is_none() {
        bail!("wgpu finds no GPU, which needs a driver for Vulkan or Metal; use --device cpu");
    }
    Ok(Device::Wgpu)
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device> {
    bail!(
        "this program was built without wgpu: build it by `cargo run --release -p native-train --features wgpu`"
    )
}

impl Precision {
    /// Makes the device compute in this precision, for the whole program; call it before anything
    /// is computed.
    ///
    /// # Errors
    /// When the device computes in f32 alone.
    pub fn set_for(self, device: Device) -> Result<()> {
        match (self, device) {
            (Self::F32, _) => Ok(()),
            (Self::Bf16, Device::Cpu) => {
                use quickdraw_core::ops::{Precision, host};

                if host::Instructions::fastest().is_none() {
                    bail!(
                        "this processor has neither AMX nor AVX512-BF16, and would compute in bf16 more slowly than in \
                         f32; use --precision f32"
                    );
                }
                Ok(host::set_precision(Precision::Bf16)?)
            }
            #[cfg(feature = "cuda")]
            (Self::Bf16, Device::Cuda(index)) => {
                use burn::tensor::DType;
                use burn::tensor::backend::Backend;
                use quickdraw_core::ops::cube;

                if !burn_cuda::Cuda::<f32, i32>::supports_dtype(
                    &burn_cuda::CudaDevice::new(index),
                    DType::BF16,
                ) {
                    bail!("CUDA device {index} does not compute in bf16; use --precision f32");
                }
                Ok(cube::set_precision(cube::Precision::Bf16)?)
            }
            #[cfg(feature = "wgpu")]
            (Self::Bf16, Device::Wgpu) => {
                bail!("--precision bf16 needs --device cuda or cpu; {device} computes in f32")
            }
        }
    }
}

/// Starts `n` compute threads, or with 0 one for each core.
///
/// # Errors
/// When they cannot be started.
pub(crate) fn start_threads(n: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(n).build_global().context("cannot start the threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_fails_is_an_error_and_none_is_not() {
        assert_eq!(working_devices(Ok(0)).expect("no driver, or one without devices"), 0);
        let error =
            working_devices(Err("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH".to_owned())).expect_err("it fails");
        let told = error.to_string();
        assert!(told.contains("DRIVER_MISMATCH") && told.contains("--device cpu"), "{told}");
    }
}

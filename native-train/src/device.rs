//! Where to compute: the processor, or a CUDA device where there is one.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device if there is one, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// This CUDA device.
    Cuda(usize),
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A CUDA device.
    #[cfg(feature = "cuda")]
    Cuda(usize),
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
    /// Finds the devices, at least one, all of a kind.
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
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "expected auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("the processor"),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => write!(f, "CUDA device {index}"),
        }
    }
}

impl DeviceChoice {
    /// Finds the device.
    ///
    /// # Errors
    /// When a CUDA device was asked for by name and there is none.
    #[cfg(feature = "cuda")]
    pub fn find(self) -> Result<Device> {
        let n_devices = n_cuda_devices();
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if n_devices == 0 => Ok(Device::Cpu),
            Self::Auto => Ok(Device::Cuda(0)),
            Self::Cuda(index) => {
                anyhow::ensure!(
                    index < n_devices,
                    "there is no CUDA device {index}: found {n_devices}, which need NVIDIA's driver; use --device cpu"
                );
                Ok(Device::Cuda(index))
            }
        }
    }

    /// Finds the device.
    ///
    /// # Errors
    /// When a CUDA device was asked for by name: this program was built without.
    #[cfg(not(feature = "cuda"))]
    pub fn find(self) -> Result<Device> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) => anyhow::bail!(
                "this program was built without CUDA: build it by `cargo run --release -p native-train --features cuda`"
            ),
        }
    }
}

/// Number of CUDA devices; 0 without NVIDIA's driver, whose absence would make the CUDA runtime panic.
#[cfg(feature = "cuda")]
fn n_cuda_devices() -> usize {
    // SAFETY: it only tries to open the driver's library.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return 0;
    }
    cudarc::driver::CudaContext::device_count().map_or(0, |count| count.max(0) as usize)
}

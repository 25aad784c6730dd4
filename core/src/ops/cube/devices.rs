//! Finds devices without the panic of the backends where there is none.

/// Number of CUDA devices; 0 without NVIDIA's driver.
///
/// # Errors
/// The driver's error when it is there and fails.
#[cfg(feature = "cuda")]
pub fn n_cuda_devices() -> Result<usize, String> {
    use cudarc::driver::sys::CUresult::{CUDA_ERROR_NO_DEVICE, CUDA_ERROR_STUB_LIBRARY};

    // SAFETY: this only tries to open the driver's library.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return Ok(0);
    }
    match cudarc::driver::CudaContext::device_count() {
        Ok(count) => Ok(count.max(0) as usize),
        // The toolkit's library in place of a driver counts as none.
        Err(error) if matches!(error.0, CUDA_ERROR_NO_DEVICE | CUDA_ERROR_STUB_LIBRARY) => Ok(0),
        Err(error) => Err(error.to_string()),
    }
}

/// The name of the adapter that burn-wgpu computes on by default, if there is one.
#[cfg(feature = "wgpu")]
pub fn wgpu_adapter() -> Option<String> {
    use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};

    // The same query as burn-wgpu's, so the result is the same.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: AutoGraphicsApi::backend().into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    let adapter = cubecl::future::block_on(instance.request_adapter(&options)).ok()?;
    Some(adapter.get_info().name)
}

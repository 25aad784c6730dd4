//! Which devices there are, asked without the panic with which the backends answer where there is none.

/// Number of CUDA devices; 0 without NVIDIA's driver.
#[cfg(feature = "cuda")]
pub fn n_cuda_devices() -> usize {
    // SAFETY: it only tries to open the driver's library.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return 0;
    }
    cudarc::driver::CudaContext::device_count().map_or(0, |count| count.max(0) as usize)
}

/// The name of the adapter that burn-wgpu computes on by default, if there is one.
#[cfg(feature = "wgpu")]
pub fn wgpu_adapter() -> Option<String> {
    use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};

    // The question is burn-wgpu's own, so the answer is as well.
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

//! A compiled quickdraw-wasm in, a module with its JavaScript face and types out: `quickdraw-bindgen INPUT.wasm OUT_DIR`.
//!
//! The `wasm-bindgen` command must have exactly the version of the library that the module was compiled with. As a
//! member of the workspace this program takes both from one Cargo.lock, so nobody has to keep them in step.
//! Optimising the module is left to the build script of the npm package.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [input, out_dir] = arguments.as_slice() else {
        bail!("expected two arguments: quickdraw-bindgen INPUT.wasm OUT_DIR");
    };
    Bindgen::new()
        .input_path(input)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        // The package says itself where its module lies, so that bundlers find the reference once.
        .omit_default_module_path(true)
        .generate(out_dir)
        .with_context(|| format!("wasm-bindgen failed on {}", input.display()))
}

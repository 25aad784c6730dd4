//! A trained model in, files for other programs out.

pub mod onnx;
mod protobuf;

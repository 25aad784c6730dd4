//! Training on several machines ("nodes"), each of which is a process with its own devices.
//!
//! Rank 0 coordinates: it has the run folder, the optimizer and the evaluations. At each step it
//! sends the weights to the others; every node computes the gradients of its share of the step's
//! batches; rank 0 adds them in the order of the batches. So the weights are those of one process
//! that computes as many batches a step, bit for bit where all nodes compute alike, and no node can
//! drift away from the others. Per step and node that is one network down, and one for each of its
//! batches up.
//!
//! Messages are frames on a TCP connection: the [`Kind`] (1 byte), the payload's length (8 bytes,
//! little-endian), the payload. A node begins with 16 fixed bytes and `Hello`; rank 0 answers with
//! the `State` of the run, and the node, once it has read its data, with `Ready`. All `Weights` are
//! answered with `Gradients` for each batch. `End` is the last message, in either direction.
//! Nothing is encrypted or signed.

mod coordinator;
mod payload;
mod peer;

pub use coordinator::Coordinator;
pub(super) use coordinator::Nodes;
pub(super) use payload::{gradients_to_bytes, with_weights};
pub use peer::Node;
pub(super) use peer::{End, Kind, Peer};

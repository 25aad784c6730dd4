//! The bidirectional LSTM layer: all time steps of all drawings in both directions in one launch
//! per pass.
//!
//! The input projection of all time steps is one matrix product, as are the gradients of the input
//! and of the weights. The recurrence between them is a kernel ([`kernels`]).
//!
//! Gates are interleaved per unit, `[.., H, 4]`, so that the four of a unit are one load; in the
//! parameters they are stored gate by gate, `[.., 4, H]`. The weights, which are small, are
//! reordered before and after the kernels.

mod kernels;
mod layer;
mod plan;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, bf16};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::cast;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::DeviceProperties;

use super::packing::{Packing, pack, sum_rows, unpack};
use super::{Precision, array, dims, empty, precision, product, product_over_rows, zeros};
use crate::ops::{Lengths, LstmSaved, LstmWeights, float, tensor};
use kernels::{backward_kernel, forward_kernel, states_before_kernel};
pub(super) use layer::Layer;
use layer::N_GATES;
use plan::Plan;

impl Layer {
    /// The layer of these weights over `x`.
    pub(super) fn of<R: CubeRuntime>(x: &CubeTensor<R>, weights: &LstmWeights<CubeTensor<R>>) -> Self {
        let [n_drawings, n_steps, d_input] = dims(x);
        let [n_directions, d_hidden, _] = dims(&weights.recurrent);
        Self { n_drawings, n_steps, d_input, d_hidden, n_directions }
    }

    /// Whether the device has room for the kernels of this layer.
    pub(super) fn fits(self, device: &DeviceProperties) -> bool {
        // The backward kernel needs more room than the other.
        self.backward_plan(device).is_some()
    }

    fn forward_plan(self, device: &DeviceProperties) -> Option<Plan> {
        Plan::new(self, device, 1)
    }

    fn backward_plan(self, device: &DeviceProperties) -> Option<Plan> {
        Plan::new(self, device, N_GATES)
    }

    /// Gates of all directions.
    fn width(self) -> usize {
        self.n_directions * N_GATES * self.d_hidden
    }

    /// See [`KernelBackend::lstm_forward`](crate::ops::KernelBackend::lstm_forward). Saves gates
    /// `[N, D, H, 4]` and cells `[N, D, H]` of the packed rows; rows of alignment padding are not
    /// written, and nothing may read them.
    pub(super) fn forward<B, R: CubeRuntime>(
        self,
        x: CubeTensor<R>,
        weights: LstmWeights<CubeTensor<R>>,
        lengths: &Lengths,
    ) -> LstmSaved<CubeTensor<R>>
    where
        B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
    {
        let Self { n_drawings, n_steps, d_input, d_hidden: h, n_directions } = self;
        let plan = self.forward_plan(x.client.properties()).expect("a layer that fits");
        let packing = Packing::new(lengths, 1, plan.tile(), &x);
        let n_rows = packing.n_rows;
        if packing.n_used == 0 {
            return LstmSaved {
                output: zeros(&x, [n_drawings, n_steps, n_directions * h]),
                gates: zeros(&x, [1]),
                cells: zeros(&x, [1]),
            };
        }
        let input = float(self.by_unit::<B>(weights.input, d_input));
        let bias = float(self.by_unit::<B>(float(tensor::<B, 1>(weights.bias).unsqueeze::<2>()), 1));
        let recurrent = self.recurrent_by_unit::<B>(weights.recurrent, [0, 1, 3, 2]);
        let output = empty(&x, [n_drawings, n_steps, n_directions * h]);
        let gates = empty(&x, [n_rows, n_directions, h, N_GATES]);
        let cells = empty(&x, [n_rows, n_directions, h]);
        let projected = product(pack(x, &packing), input); // [N, D * H * 4]

        let client = output.client.clone();
        let (count, dim) = plan.cubes(&packing);
        let launch = match precision() {
            Precision::F32 => forward_kernel::launch_unchecked::<f32, R>,
            Precision::Bf16 => forward_kernel::launch_unchecked::<bf16, R>,
        };
        // SAFETY: the kernel reads and writes rows of drawings within their lengths, which are at
        // most T, and the packed rows that the table gives them, of which there are N.
        unsafe {
            launch(
                &client,
                count,
                dim,
                array(projected),
                array(cast(recurrent, precision().dtype())),
                array(bias),
                packing.table(),
                output.clone().into_array_arg(),
                gates.clone().into_array_arg(),
                cells.clone().into_array_arg(),
                n_drawings as u32,
                n_steps as u32,
                plan,
            );
        }
        LstmSaved { output, gates, cells }
    }

    /// See [`KernelBackend::lstm_backward`](crate::ops::KernelBackend::lstm_backward).
    pub(super) fn backward<B, R: CubeRuntime>(
        self,
        d_output: CubeTensor<R>,
        x: CubeTensor<R>,
        weights: LstmWeights<CubeTensor<R>>,
        lengths: &Lengths,
        saved: LstmSaved<CubeTensor<R>>,
    ) -> (CubeTensor<R>, LstmWeights<CubeTensor<R>>)
    where
        B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
    {
        let Self { n_drawings, n_steps, d_input, d_hidden: h, n_directions } = self;
        let plan = self.backward_plan(x.client.properties()).expect("a layer that fits");
        let packing = Packing::new(lengths, 1, plan.tile(), &x);
        if packing.n_used == 0 {
            let d_weights = LstmWeights {
                input: zeros(&x, [d_input, self.width()]),
                recurrent: zeros(&x, [n_directions, h, N_GATES * h]),
                bias: zeros(&x, [self.width()]),
            };
            return (zeros(&x, [n_drawings, n_steps, d_input]), d_weights);
        }
        let states = self.states_before(saved.output, &packing); // [D, N, H]
        let d_gates =
            self.d_gates::<B, R>(plan, d_output, weights.recurrent, saved.gates, saved.cells, &packing);

        let input = self.by_unit::<B>(weights.input, d_input);
        let d_x = product(d_gates.clone(), float(input.transpose()));
        let d_x = unpack(d_x, None, n_steps, &packing);
        let d_input = product_over_rows::<B, R>(pack(x, &packing), d_gates.clone(), &packing);
        let d_bias = tensor::<B, 2>(sum_rows(d_gates.clone()));
        let d_gates: Tensor<B, 2> = tensor(d_gates);
        let states: Tensor<B, 3> = tensor(states);
        let d_recurrent = (0..n_directions)
            .map(|d| {
                let states: Tensor<B, 2> = states.clone().narrow(0, d, 1).squeeze_dim(0);
                let d_gates = d_gates.clone().narrow(1, d * N_GATES * h, N_GATES * h);
                tensor::<B, 2>(product_over_rows::<B, R>(float(states), float(d_gates), &packing))
                    .reshape([1, h, h, N_GATES])
                    .permute([0, 1, 3, 2])
                    .reshape([1, h, N_GATES * h])
            })
            .collect();
        let d_weights = LstmWeights {
            input: float(self.by_gate(tensor::<B, 2>(d_input))),
            recurrent: float(Tensor::<B, 3>::cat(d_recurrent, 0)),
            bias: float(self.by_gate(d_bias).squeeze_dim::<1>(0)),
        };
        (d_x, d_weights)
    }

    /// Weights `[rows, D * 4H]` with the gates interleaved per unit: `[rows, D * H * 4]`.
    fn by_unit<B: Backend>(self, weights: B::FloatTensorPrimitive, rows: usize) -> Tensor<B, 2> {
        tensor::<B, 2>(weights)
            .reshape([rows, self.n_directions, N_GATES, self.d_hidden])
            .permute([0, 1, 3, 2])
            .reshape([rows, self.width()])
    }

    /// Gradients `[rows, D * H * 4]` gate by gate again: `[rows, D * 4H]`.
    fn by_gate<B: Backend>(self, gradients: Tensor<B, 2>) -> Tensor<B, 2> {
        let [rows, width] = gradients.dims();
        gradients
            .reshape([rows, self.n_directions, self.d_hidden, N_GATES])
            .permute([0, 1, 3, 2])
            .reshape([rows, width])
    }

    /// Recurrent weights `[D, H, 4, H]` (state, gate, unit) permuted.
    fn recurrent_by_unit<B: Backend>(
        self,
        recurrent: B::FloatTensorPrimitive,
        order: [isize; 4],
    ) -> B::FloatTensorPrimitive {
        let Self { n_directions, d_hidden: h, .. } = self;
        float(tensor::<B, 3>(recurrent).reshape([n_directions, h, N_GATES, h]).permute(order))
    }

    /// The previous output of each packed row in its direction, zero where a drawing begins:
    /// `[D, N, H]`.
    fn states_before<R: CubeRuntime>(self, output: CubeTensor<R>, packing: &Packing<R>) -> CubeTensor<R> {
        let Self { n_drawings, n_steps, d_hidden, n_directions, .. } = self;
        let states = empty(&output, [n_directions, packing.n_rows, d_hidden]);
        let client = states.client.clone();
        let (count, dim) = packing.cubes(n_steps * n_directions * d_hidden);
        // SAFETY: every packed row is written once; the output is read within a drawing's length
        // alone.
        unsafe {
            states_before_kernel::launch_unchecked::<R>(
                &client,
                count,
                dim,
                array(output),
                packing.table(),
                states.clone().into_array_arg(),
                n_drawings as u32,
                n_steps as u32,
                packing.n_used as u32,
                packing.n_rows as u32,
                n_directions as u32,
                d_hidden as u32,
            );
        }
        states
    }

    /// The gradient of the gates' pre-activations, packed: `[N, D * H * 4]`.
    fn d_gates<B, R: CubeRuntime>(
        self,
        plan: Plan,
        d_output: CubeTensor<R>,
        recurrent: CubeTensor<R>,
        gates: CubeTensor<R>,
        cells: CubeTensor<R>,
        packing: &Packing<R>,
    ) -> CubeTensor<R>
    where
        B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
    {
        let d_gates = empty(&gates, [packing.n_rows, self.width()]);
        // (unit, state, gate): the units of a cube read neighbouring states of one unit's gates.
        let recurrent = self.recurrent_by_unit::<B>(recurrent, [0, 3, 1, 2]);
        let client = d_gates.client.clone();
        let (count, dim) = plan.cubes(packing);
        let launch = match precision() {
            Precision::F32 => backward_kernel::launch_unchecked::<f32, R>,
            Precision::Bf16 => backward_kernel::launch_unchecked::<bf16, R>,
        };
        // SAFETY: as in `forward`.
        unsafe {
            launch(
                &client,
                count,
                dim,
                array(d_output),
                array(cast(recurrent, precision().dtype())),
                array(gates),
                array(cells),
                packing.table(),
                d_gates.clone().into_array_arg(),
                self.n_steps as u32,
                packing.n_used as u32,
                packing.n_rows as u32,
                plan,
            );
        }
        d_gates
    }
}

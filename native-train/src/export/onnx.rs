//! A network in, the bytes of an ONNX model out.
//!
//! Inputs: `ink` float `[B, T, C]` and `lengths` int64 `[B]`, the rows that each drawing has, 0 to
//! T; of a network with an image branch also `image` float `[B, 1, S, S]`, as
//! [`InkBatch::images`](quickdraw_core::InkBatch::images). Output: `logits` float `[B, K]`. The
//! graph does what [`Model::forward`](quickdraw_core::Model::forward) does, lengths included, so
//! that a drawing's logits do not depend on its batch mates (the `cudnn_lstm` cell excepted, as
//! everywhere); what `ink` holds past a drawing's rows is not read, and for that cell it must be
//! zero. Operators are those of opset 17, which onnxruntime and onnxruntime-web have.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use prost::Message;
use quickdraw_core::ops::IMAGE_KERNEL;
use quickdraw_core::weights::{self, NamedTensor};
use quickdraw_core::{Activation, BATCH_NORM_EPSILON, CellType, IMAGE_SIDE, Model, ModelConfig, Pooling};

use super::protobuf::{
    AttributeProto, AttributeType, DataType, DimensionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};

/// Version of the operators, and the version of the file format that came with it.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// For each gate of ONNX (input, output, forget, cell) its index among ours (input, forget, cell,
/// output).
const GATES: [usize; 4] = [0, 3, 1, 2];

/// Writes a network as ONNX. The labels and the name of the ink go along as `metadata_props`.
///
/// # Errors
/// When the network lacks a tensor that its configuration demands, which would be an error of this
/// program.
pub fn to_bytes<B: Backend>(model: &Model<B>, labels: &[String]) -> Result<Vec<u8>> {
    let config = model.config();
    let mut graph = Graph { tensors: weights::tensors(model), nodes: Vec::new(), constants: BTreeMap::new() };
    graph.network(config)?;
    let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
    let (columns, side) = (config.ink.n_columns() as i64, IMAGE_SIDE as i64);
    let mut inputs = Vec::new();
    if config.num_layers > 0 {
        inputs.push(value("ink", DataType::Float, [named("B"), named("T"), fixed(columns)]));
        inputs.push(value("lengths", DataType::Int64, [named("B")]));
    }
    if !config.image_conv.is_empty() {
        inputs.push(value("image", DataType::Float, [named("B"), fixed(1), fixed(side), fixed(side)]));
    }
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string:
            "Recognises Quick, Draw! drawings. ink [B, T, C] holds the rows of each drawing, lengths [B] how \
                     many it has; logits [B, K] are in the order of the labels."
                .to_owned(),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
        metadata_props: vec![
            entry("labels", serde_json::to_string(labels)?),
            entry("ink", config.ink.to_string()),
        ],
        graph: Some(GraphProto {
            name: "quickdraw".to_owned(),
            node: graph.nodes,
            initializer: graph.constants.into_values().collect(),
            input: inputs,
            output: vec![value("logits", DataType::Float, [named("B"), fixed(config.n_classes as i64)])],
        }),
    };
    Ok(model.encode_to_vec())
}

/// Name of a value in the graph.
type Value = String;

/// A graph that grows node by node.
struct Graph {
    /// The network's tensors that are not in the graph yet.
    tensors: BTreeMap<String, NamedTensor>,
    nodes: Vec<NodeProto>,
    /// By name, which is made of the contents where they are small.
    constants: BTreeMap<String, TensorProto>,
}

impl Graph {
    fn network(&mut self, config: &ModelConfig) -> Result<()> {
        let mut branches = Vec::new();
        if config.num_layers > 0 {
            branches.push(self.of_strokes(config)?); // [B, 2H] or [B, 4H]
        }
        if !config.image_conv.is_empty() {
            branches.push(self.of_image(config)?); // [B, 2N]
        }
        let branches: Vec<&str> = branches.iter().map(String::as_str).collect();
        let embedding = match branches[..] {
            [only] => only.to_owned(),
            _ => self.node("Concat", &branches, vec![int("axis", 1)]), // [B, E]
        };
        let weight = self.weight("dense.weight")?;
        let bias = self.weight("dense.bias")?;
        self.node_named("Gemm", &[&embedding, &weight, &bias], "logits", vec![]);
        Ok(())
    }

    /// The branch that looks at images, `[B, 2N]`.
    fn of_image(&mut self, config: &ModelConfig) -> Result<Value> {
        let mut x = "image".to_owned(); // [B, 1, S, S]
        for (layer, &stride) in config.image_stride.iter().enumerate() {
            let name = |part: &str| format!("image_convs.{layer}.{part}");
            let NamedTensor { shape, values } = self.take(&name("weight"))?; // [9 * C, N]
            let n_taps = IMAGE_KERNEL * IMAGE_KERNEL;
            let (channels, n) = (shape[0] / n_taps, shape[1]);
            let values =
                rearranged([n, channels, n_taps], |[n_, c, tap]| values[(tap * channels + c) * n + n_]);
            let shape = [n, channels, IMAGE_KERNEL, IMAGE_KERNEL];
            let weight = self.constant(&name("weight"), &shape, &values);
            let bias = self.weight(&name("bias"))?;
            let attributes = vec![
                ints("kernel_shape", &[IMAGE_KERNEL as i64; 2]),
                ints("pads", &[1; 4]),
                ints("strides", &[stride as i64; 2]),
            ];
            x = self.node("Conv", &[&x, &weight, &bias], attributes);
            x = self.batch_norm(&name("norm"), &x, 2)?;
            x = self.node("Relu", &[&x], vec![]); // [B, N, S, S]
        }
        let pooled = ["ReduceMean", "ReduceMax"]
            .map(|pool| self.node(pool, &[&x], vec![ints("axes", &[2, 3]), int("keepdims", 0)]));
        Ok(self.node("Concat", &[&pooled[0], &pooled[1]], vec![int("axis", 1)]))
    }

    /// The branch that reads strokes, `[B, 2H]` or `[B, 4H]`.
    fn of_strokes(&mut self, config: &ModelConfig) -> Result<Value> {
        let honours_lengths = config.cell_type == CellType::Lstm;
        let mut lengths = "lengths".to_owned();
        let mut x = self.node("Transpose", &["ink"], vec![ints("perm", &[0, 2, 1])]); // [B, C, T]
        for layer in 0..config.num_conv.len() {
            if config.batch_norm {
                x = self.batch_norm(&format!("convs.{layer}.norm"), &x, 1)?;
            }
            if honours_lengths {
                let mask = self.mask(&x, &lengths);
                x = self.node("Mul", &[&x, &mask], vec![]);
            }
            let stride = config.conv_stride.get(layer).copied().unwrap_or(1);
            x = self.conv(layer, &x, config.conv_len[layer], stride)?; // [B, N, T]
            if config.conv_activation == Activation::Relu {
                x = self.node("Relu", &[&x], vec![]);
            }
            lengths = self.strided(&lengths, stride);
        }
        let mask = self.mask(&x, &lengths); // [B, 1, T]
        let mask = self.node("Transpose", &[&mask], vec![ints("perm", &[2, 0, 1])]); // [T, B, 1]
        x = self.node("Transpose", &[&x], vec![ints("perm", &[2, 0, 1])]); // [T, B, C]
        // A drawing without rows gets one, which the mask zeroes: ONNX has no LSTM of zero steps.
        let one = self.whole_number(1);
        let counts = self.node("Max", &[&lengths, &one], vec![]);
        let seen = honours_lengths.then(|| self.cast(&counts, DataType::Int32));
        for layer in 0..config.num_layers {
            x = self.lstm(layer, &x, seen.as_deref(), config.num_nodes)?; // [T, B, 2H]
        }
        let x = self.node("Mul", &[&x, &mask], vec![]);
        Ok(self.pool(&x, &mask, &lengths, &counts, config.pooling))
    }

    /// One for each row that a drawing has, zero past its end: `[B, 1, T]` for `x` `[B, C, T]`.
    fn mask(&mut self, x: &str, lengths: &str) -> Value {
        let (zero, one) = (self.whole_number(0), self.whole_number(1));
        let n_steps = self.node("Shape", &[x], vec![int("start", 2), int("end", 3)]);
        let n_steps = self.node("Squeeze", &[&n_steps], vec![]);
        let steps = self.node("Range", &[&zero, &n_steps, &one], vec![]); // [T]
        let ends = self.unsqueeze(lengths, 1); // [B, 1]
        let exists = self.node("Less", &[&steps, &ends], vec![]); // [B, T]
        let mask = self.cast(&exists, DataType::Float);
        self.unsqueeze(&mask, 1)
    }

    /// Lengths after a convolution: divided by the stride, rounded up.
    fn strided(&mut self, lengths: &str, stride: usize) -> Value {
        if stride == 1 {
            return lengths.to_owned();
        }
        let (stride, more) = (self.whole_number(stride as i64), self.whole_number(stride as i64 - 1));
        let sum = self.node("Add", &[lengths, &more], vec![]);
        self.node("Div", &[&sum, &stride], vec![])
    }

    /// Batch normalisation as a factor and a summand for each channel, followed by `n_dims`
    /// dimensions. It is not folded into a 1-d convolution, because padding is zero after the
    /// normalisation, not before.
    fn batch_norm(&mut self, norm: &str, x: &str, n_dims: usize) -> Result<Value> {
        let mut take = |name: &str| self.take(&format!("{norm}.{name}"));
        let (gamma, beta) = (take("gamma")?.values, take("beta")?.values);
        let (mean, variance) = (take("running_mean")?.values, take("running_var")?.values);
        let factor: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| gamma / (f64::from(*variance) + BATCH_NORM_EPSILON).sqrt() as f32)
            .collect();
        let summand: Vec<f32> =
            beta.iter().zip(&mean).zip(&factor).map(|((beta, mean), factor)| beta - mean * factor).collect();
        let shape = [&[factor.len()], &[1; 2][..n_dims]].concat();
        let factor = self.constant(&format!("{norm}.factor"), &shape, &factor);
        let summand = self.constant(&format!("{norm}.summand"), &shape, &summand);
        let scaled = self.node("Mul", &[x, &factor], vec![]);
        Ok(self.node("Add", &[&scaled, &summand], vec![]))
    }

    /// `[B, C, T]` -> `[B, N, ceil(T / stride)]`.
    fn conv(&mut self, layer: usize, x: &str, kernel_len: usize, stride: usize) -> Result<Value> {
        let name = format!("convs.{layer}.weight");
        let NamedTensor { shape, values } = self.take(&name)?; // [kernel_len * C, N]
        let (channels, n) = (shape[0] / kernel_len, shape[1]);
        let values = rearranged([n, channels, kernel_len], |[n_, c, k]| values[(k * channels + c) * n + n_]);
        let weight = self.constant(&name, &[n, channels, kernel_len], &values);
        let bias = self.weight(&format!("convs.{layer}.bias"))?;
        let left = (kernel_len - 1) / 2;
        // With `kernel_len - 1` rows of padding, there is a window for every started stride.
        let pads = [left as i64, (kernel_len - 1 - left) as i64];
        let attributes = vec![
            ints("kernel_shape", &[kernel_len as i64]),
            ints("pads", &pads),
            ints("strides", &[stride as i64]),
        ];
        Ok(self.node("Conv", &[x, &weight, &bias], attributes))
    }

    /// `[T, B, I]` -> `[T, B, 2H]`; without `seen` both directions run over all T rows.
    fn lstm(&mut self, layer: usize, x: &str, seen: Option<&str>, h: usize) -> Result<Value> {
        let name = |part: &str| format!("lstms.{layer}.{part}");
        let input = self.take(&name("input"))?; // [I, 2 * 4H]
        let d_input = input.shape[0];
        let gate = |row: usize| GATES[row / h] * h + row % h;
        let values =
            rearranged([2, 4 * h, d_input], |[d, row, i]| input.values[i * 8 * h + d * 4 * h + gate(row)]);
        let input = self.constant(&name("input"), &[2, 4 * h, d_input], &values);
        let recurrent = self.take(&name("recurrent"))?.values; // [2, H, 4H]
        let values = rearranged([2, 4 * h, h], |[d, row, i]| recurrent[(d * h + i) * 4 * h + gate(row)]);
        let recurrent = self.constant(&name("recurrent"), &[2, 4 * h, h], &values);
        let bias = self.take(&name("bias"))?.values; // [2 * 4H]
        // ONNX adds two biases, one with each product.
        let values = rearranged([2, 2, 4 * h], |[d, product, row]| match product {
            0 => bias[d * 4 * h + gate(row)],
            _ => 0.0,
        });
        let bias = self.constant(&name("bias"), &[2, 8 * h], &values);
        let attributes = vec![text("direction", "bidirectional"), int("hidden_size", h as i64)];
        let inputs: Vec<&str> = [x, &input, &recurrent, &bias].into_iter().chain(seen).collect();
        let y = self.node("LSTM", &inputs, attributes); // [T, 2, B, H]
        let y = self.node("Transpose", &[&y], vec![ints("perm", &[0, 2, 1, 3])]);
        let shape = self.whole_numbers(&[0, 0, 2 * h as i64]);
        Ok(self.node("Reshape", &[&y, &shape], vec![]))
    }

    /// `[T, B, 2H]`, zero past each end, -> `[B, 2H]` or `[B, 4H]`.
    fn pool(&mut self, x: &str, mask: &str, lengths: &str, counts: &str, pooling: Pooling) -> Value {
        let steps = self.whole_numbers(&[0]);
        let sum = self.node("ReduceSum", &[x, &steps], vec![int("keepdims", 0)]);
        if pooling == Pooling::Sum {
            return sum;
        }
        let counts = self.cast(counts, DataType::Float);
        let counts = self.unsqueeze(&counts, 1); // [B, 1]
        let mean = self.node("Div", &[&sum, &counts], vec![]);
        // Outputs lie in -1..1, so all valid steps are above the padding.
        let (one, far) = (self.number(1.0), self.number(1e4));
        let padding = self.node("Sub", &[mask, &one], vec![]);
        let padding = self.node("Mul", &[&padding, &far], vec![]);
        let lowered = self.node("Add", &[x, &padding], vec![]);
        let max = self.node("ReduceMax", &[&lowered], vec![ints("axes", &[0]), int("keepdims", 0)]);
        let zero = self.whole_number(0);
        let exists = self.node("Greater", &[lengths, &zero], vec![]);
        let exists = self.cast(&exists, DataType::Float);
        let exists = self.unsqueeze(&exists, 1); // [B, 1]
        let max = self.node("Mul", &[&max, &exists], vec![]);
        self.node("Concat", &[&mean, &max], vec![int("axis", 1)])
    }

    fn cast(&mut self, x: &str, to: DataType) -> Value {
        self.node("Cast", &[x], vec![int("to", to as i64)])
    }

    fn unsqueeze(&mut self, x: &str, axis: i64) -> Value {
        let axes = self.whole_numbers(&[axis]);
        self.node("Unsqueeze", &[x, &axes], vec![])
    }

    /// Adds a node with one output, whose name it gives.
    fn node(&mut self, op_type: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Value {
        let output = format!("{op_type}_{}", self.nodes.len());
        self.node_named(op_type, inputs, &output, attributes);
        output
    }

    fn node_named(&mut self, op_type: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op_type.to_owned(),
            attribute: attributes,
        });
    }

    /// Takes a tensor of the network.
    fn take(&mut self, name: &str) -> Result<NamedTensor> {
        self.tensors.remove(name).with_context(|| format!("the network has no tensor `{name}`"))
    }

    /// A tensor of the network as it is.
    fn weight(&mut self, name: &str) -> Result<Value> {
        let NamedTensor { shape, values } = self.take(name)?;
        Ok(self.constant(name, &shape, &values))
    }

    fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let dims: Vec<i64> = shape.iter().map(|&dim| dim as i64).collect();
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.add_constant(name, dims, DataType::Float, bytes)
    }

    /// A float scalar.
    fn number(&mut self, value: f32) -> Value {
        self.add_constant(&format!("float {value}"), vec![], DataType::Float, value.to_le_bytes().to_vec())
    }

    /// An integer scalar.
    fn whole_number(&mut self, value: i64) -> Value {
        self.add_constant(&format!("int {value}"), vec![], DataType::Int64, value.to_le_bytes().to_vec())
    }

    fn whole_numbers(&mut self, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.add_constant(&format!("ints {values:?}"), vec![values.len() as i64], DataType::Int64, bytes)
    }

    fn add_constant(&mut self, name: &str, dims: Vec<i64>, data_type: DataType, bytes: Vec<u8>) -> Value {
        self.constants.entry(name.to_owned()).or_insert_with(|| TensorProto {
            dims,
            data_type: Some(data_type as i32),
            name: name.to_owned(),
            raw_data: Some(bytes),
        });
        name.to_owned()
    }
}

/// The values of a tensor of this shape, each computed from its index.
fn rearranged(shape: [usize; 3], value: impl Fn([usize; 3]) -> f32) -> Vec<f32> {
    let mut values = Vec::with_capacity(shape.iter().product());
    for i in 0..shape[0] {
        for j in 0..shape[1] {
            for k in 0..shape[2] {
                values.push(value([i, j, k]));
            }
        }
    }
    values
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: Some(kind as i32), ..AttributeProto::default() }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, AttributeType::String) }
}

fn named(name: &str) -> DimensionProto {
    DimensionProto { dim_param: Some(name.to_owned()), ..DimensionProto::default() }
}

fn fixed(n: i64) -> DimensionProto {
    DimensionProto { dim_value: Some(n), ..DimensionProto::default() }
}

fn value<const N: usize>(name: &str, data_type: DataType, dims: [DimensionProto; N]) -> ValueInfoProto {
    let shape = TensorShapeProto { dim: dims.to_vec() };
    let tensor = TensorTypeProto { elem_type: Some(data_type as i32), shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

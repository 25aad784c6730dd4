//! The whole network, and the model folder.

use std::sync::Mutex;

use burn::backend::Autodiff;
use burn::module::Module;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{
    Activation, Calibration, CellType, Classifier, Drawing, Error, Ink, InkBatch, InkFormat, MODEL_FORMAT,
    Model, ModelCard, ModelConfig, Outputs, PenCalibration, Pooling, QuantizedClassifier, QuantizedModel,
    Record, Workspace,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Held during a backward pass: under load, with two of them at once, burn's graph has lost
/// gradients.
static BACKWARD: Mutex<()> = Mutex::new(());

/// Scribbles of `lengths` points, a new stroke every seven points.
fn scribbles(seed: u64, lengths: &[usize]) -> Vec<Drawing> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    lengths
        .iter()
        .map(|&n_points| {
            let points: Vec<[f32; 2]> = (0..n_points)
                .map(|_| [rng.random_range(0..=255) as f32, rng.random_range(0..=255) as f32])
                .collect();
            Drawing::from_strokes(points.chunks(7).map(<[_]>::to_vec).collect()).unwrap()
        })
        .collect()
}

fn configs() -> Vec<ModelConfig> {
    let small = |config: ModelConfig| ModelConfig { num_nodes: 12, ..config };
    vec![
        small(ModelConfig::tutorial(7)),
        small(ModelConfig::fast(7)),
        small(ModelConfig { batch_norm: true, ..ModelConfig::tutorial(7) }),
        small(ModelConfig {
            conv_stride: vec![2, 1, 3],
            conv_len: vec![4, 1, 7],
            pooling: Pooling::MeanMax,
            ..ModelConfig::tutorial(7)
        }),
        small(ModelConfig {
            num_conv: vec![],
            conv_len: vec![],
            conv_stride: vec![],
            ..ModelConfig::fast(7)
        }),
        small(ModelConfig { image_conv: vec![5, 6, 9], image_stride: vec![2, 1, 3], ..ModelConfig::fast(7) }),
        ModelConfig {
            num_layers: 0,
            num_conv: vec![],
            conv_len: vec![],
            conv_stride: vec![],
            image_conv: vec![6, 12, 20],
            image_stride: vec![2, 2, 2],
            ..ModelConfig::fast(7)
        },
    ]
}

fn logits<B: quickdraw_core::ModelBackend>(model: &Model<B>, drawings: &[Drawing]) -> Vec<f32> {
    let inks: Vec<Ink> = drawings.iter().map(|d| Ink::from_drawing(d, model.config().ink)).collect();
    let batch = model.config().batch(&inks, &Default::default()).unwrap();
    model.forward(&batch).unwrap().into_data().to_vec().unwrap()
}

fn inks_of(drawings: &[Drawing]) -> Vec<Ink> {
    drawings.iter().map(|drawing| Ink::from_drawing(drawing, InkFormat::Absolute)).collect()
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{what}: {found:?}, expected {expected:?}");
    }
}

#[test]
fn the_tutorials_network_has_the_tutorials_number_of_parameters() {
    let model: Model<Flex> = ModelConfig::tutorial(345).init(&Default::default()).unwrap();
    assert_eq!(model.num_params(), 1_142_265);
}

#[test]
fn logits_do_not_depend_on_batch_mates_or_padding() {
    let drawings = scribbles(1, &[30, 2, 61, 1, 17, 8]);
    for config in configs() {
        Flex::seed(&Default::default(), 1);
        let model: Model<Flex> = config.init(&Default::default()).unwrap();
        let together = logits(&model, &drawings);
        for (drawing, together) in drawings.iter().zip(together.chunks(7)) {
            let alone = logits(&model, std::slice::from_ref(drawing));
            assert_close(&format!("{config:?}"), together, &alone, 1e-5);
        }
    }
}

#[test]
fn the_cudnn_cell_sees_the_padding_as_its_model_says() {
    let config = ModelConfig { cell_type: CellType::CudnnLstm, num_nodes: 12, ..ModelConfig::tutorial(7) };
    Flex::seed(&Default::default(), 1);
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let drawings = scribbles(1, &[5, 40]);
    let alone = logits(&model, &drawings[..1]);
    let together = logits(&model, &drawings);
    assert!(alone.iter().zip(&together).any(|(a, b)| (a - b).abs() > 1e-4));
}

#[test]
fn both_processor_backends_give_the_same_logits() {
    let drawings = scribbles(2, &[12, 45, 3]);
    for config in configs() {
        let flex: Model<Flex> = config.init(&Default::default()).unwrap();
        let bytes = weights::save(&flex, WeightType::F32).unwrap();
        let fresh: Model<NdArray> = config.init(&Default::default()).unwrap();
        let ndarray = weights::load(fresh, &bytes, &Default::default()).unwrap();
        assert_close("ndarray", &logits(&ndarray, &drawings), &logits(&flex, &drawings), 1e-5);
    }
}

#[test]
fn dropout_is_determined_by_its_seed_and_is_off_without_one() {
    let device = Default::default();
    Flex::seed(&device, 6);
    // The image branch has no dropout.
    for config in configs().into_iter().filter(|config| config.num_layers > 0) {
        let model: Model<Flex> = ModelConfig { dropout: 0.5, ..config }.init(&device).unwrap();
        let inks: Vec<Ink> =
            scribbles(8, &[12, 7]).iter().map(|d| Ink::from_drawing(d, model.config().ink)).collect();
        let batch = model.config().batch(&inks, &device).unwrap();
        let training =
            |seed| model.forward_training(&batch, seed).unwrap().into_data().to_vec::<f32>().unwrap();
        let forward = || model.forward(&batch).unwrap().into_data().to_vec::<f32>().unwrap();
        assert_eq!(forward(), forward());
        assert_eq!(training(1), training(1));
        assert_ne!(training(1), training(2));
        assert_ne!(training(1), forward());
    }
}

#[test]
fn a_network_overfits_one_batch() {
    use burn::optim::{AdamConfig, GradientsParams, Optimizer};
    use burn::tensor::{Int, Tensor, activation};
    type B = Autodiff<Flex>;
    let _alone = BACKWARD.lock();

    let drawings = scribbles(3, &[9, 20, 33, 14, 5, 27, 18, 11]);
    let device = Default::default();
    for config in configs() {
        B::seed(&device, 5);
        let mut model: Model<B> = ModelConfig { dropout: 0.0, ..config }.init(&device).unwrap();
        let mut optimizer = AdamConfig::new().init();
        let inks: Vec<Ink> = drawings.iter().map(|d| Ink::from_drawing(d, model.config().ink)).collect();
        let batch = model.config().batch::<B>(&inks, &device).unwrap();
        let labels: Vec<i32> = (0..8).map(|i| i % 7).collect();
        let targets = Tensor::<B, 1, Int>::from_ints(labels.as_slice(), &device).one_hot(7).float();
        let mut losses = Vec::new();
        for _ in 0..60 {
            let logits = model.forward(&batch).unwrap();
            let loss = -(activation::log_softmax(logits, 1) * targets.clone()).sum() / 8.0;
            losses.push(loss.clone().into_scalar());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(1e-2, model, gradients);
        }
        assert!(losses[59] < 0.1 * losses[0], "{:?}: {} to {}", model.config(), losses[0], losses[59]);
    }
}

#[test]
fn a_configuration_fills_in_the_tutorials_defaults_and_refuses_unknown_fields() {
    let config: ModelConfig = serde_json::from_str(r#"{"n_classes": 3}"#).unwrap();
    assert_eq!(ModelConfig { conv_stride: vec![1; 3], ..config }, ModelConfig::tutorial(3));
    let cell: ModelConfig = serde_json::from_str(r#"{"n_classes": 3, "cell_type": "block_lstm"}"#).unwrap();
    assert_eq!(cell.cell_type, CellType::Lstm);
    let unknown = serde_json::from_str::<ModelConfig>(r#"{"n_classes": 3, "num_layer": 2}"#);
    assert!(unknown.unwrap_err().to_string().contains("num_layer"));
}

#[test]
fn an_invalid_configuration_names_the_field() {
    let (tutorial, fast) = (ModelConfig::tutorial(3), ModelConfig::fast(3));
    let cases = [
        ("n_classes", ModelConfig { n_classes: 0, ..tutorial.clone() }),
        ("num_nodes", ModelConfig { num_nodes: 0, ..tutorial.clone() }),
        ("num_nodes", ModelConfig { num_nodes: usize::MAX, ..tutorial.clone() }),
        ("num_layers", ModelConfig { num_layers: 0, ..tutorial.clone() }),
        ("num_conv", ModelConfig { num_conv: vec![0, 1, 1], ..tutorial.clone() }),
        ("conv_len", ModelConfig { conv_len: vec![5], ..tutorial.clone() }),
        ("conv_len", ModelConfig { conv_len: vec![5, 0, 1], ..tutorial.clone() }),
        ("conv_stride", ModelConfig { conv_stride: vec![1], ..tutorial.clone() }),
        ("conv_stride", ModelConfig { conv_stride: vec![1, 0, 1], ..tutorial.clone() }),
        ("dropout", ModelConfig { dropout: 1.0, ..tutorial.clone() }),
        ("dropout", ModelConfig { dropout: f64::NAN, ..tutorial.clone() }),
        ("image_conv", ModelConfig { image_conv: vec![4], image_stride: vec![1], ..tutorial }),
        ("image_conv", ModelConfig { image_conv: vec![0], image_stride: vec![1], ..fast.clone() }),
        ("image_stride", ModelConfig { image_conv: vec![4], ..fast.clone() }),
        ("image_stride", ModelConfig { image_conv: vec![4], image_stride: vec![0], ..fast.clone() }),
        ("num_conv", ModelConfig { num_layers: 0, image_conv: vec![4], image_stride: vec![1], ..fast }),
    ];
    for (expected, config) in cases {
        match config.validate() {
            Err(Error::InvalidConfig { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn a_network_refuses_ink_of_another_format() {
    let model: Model<Flex> = configs()[0].init(&Default::default()).unwrap();
    let inks = [Ink::from_drawing(&scribbles(1, &[5])[0], InkFormat::Absolute)];
    let batch = InkBatch::new(&inks, &Default::default()).unwrap();
    assert!(matches!(model.forward(&batch), Err(Error::WrongInkFormat { .. })));
}

#[test]
fn a_network_with_an_image_branch_refuses_a_batch_without_images() {
    let config = ModelConfig { image_conv: vec![4], image_stride: vec![2], ..ModelConfig::fast(7) };
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let inks = [Ink::from_drawing(&scribbles(1, &[5])[0], InkFormat::Absolute)];
    let batch = InkBatch::new(&inks, &Default::default()).unwrap();
    assert!(matches!(model.forward(&batch), Err(Error::MissingImages)));
    // Images are drawn of absolute coordinates.
    let inks = [Ink::from_drawing(&scribbles(1, &[5])[0], InkFormat::Tutorial)];
    let refused = InkBatch::<Flex>::with_images(&inks, &Default::default());
    assert!(matches!(refused, Err(Error::WrongInkFormat { found: InkFormat::Tutorial, .. })));
}

#[test]
fn a_network_merged_from_the_branches_of_two_gives_the_mean_of_their_logits() {
    let device = Default::default();
    let images = |config| ModelConfig { image_conv: vec![5, 6], image_stride: vec![2, 2], ..config };
    let strokes = ModelConfig { num_nodes: 12, ..ModelConfig::fast(7) };
    let both = images(strokes.clone());
    let image = images(ModelConfig {
        num_layers: 0,
        num_conv: vec![],
        conv_len: vec![],
        conv_stride: vec![],
        dropout: 0.5,
        ..strokes.clone()
    });
    let [strokes, image, both]: [Model<Flex>; 3] =
        [strokes, image, both].map(|config| config.init(&device).unwrap());
    let drawings = scribbles(2, &[12, 45, 3]);
    let mean: Vec<f32> = logits(&strokes, &drawings)
        .iter()
        .zip(logits(&image, &drawings))
        .map(|(a, b)| (a + b) / 2.0)
        .collect();
    let merged = both.clone().with_branches_of(vec![image.clone(), strokes.clone()], true).unwrap();
    assert_close("both", &logits(&merged, &drawings), &mean, 1e-5);
    // Also where gradients are kept, for the training that follows.
    let bytes = [&both, &image, &strokes].map(|model| weights::save(model, WeightType::F32).unwrap());
    let [both_d, image_d, strokes_d] = [(&both, 0), (&image, 1), (&strokes, 2)].map(|(model, i)| {
        let fresh: Model<Autodiff<Flex>> = model.config().init(&device).unwrap();
        weights::load(fresh, &bytes[i], &device).unwrap()
    });
    let merged = both_d.with_branches_of(vec![image_d, strokes_d], true).unwrap();
    assert_close("differentiable", &logits(&merged, &drawings), &mean, 1e-5);
    let _alone = BACKWARD.lock();
    let batch = merged.config().batch(&inks_of(&drawings), &device).unwrap();
    let loss = merged.forward_training(&batch, 1).unwrap().sum();
    let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &merged);
    // Each parameter but the statistics of batch normalisation, of which there are two in each of
    // two layers.
    assert_eq!(gradients.len(), weights::tensors(&merged).len() - 4);
    // A branch that no source has starts with zero weights.
    let alone = both.clone().with_branches_of(vec![strokes.clone()], true).unwrap();
    assert_close("one", &logits(&alone, &drawings), &logits(&strokes, &drawings), 1e-5);
    // Of other classes only the branches are taken.
    let found = weights::tensors(&both.clone().with_branches_of(vec![strokes.clone()], false).unwrap());
    assert_eq!(found["dense.weight"], weights::tensors(&both)["dense.weight"]);
    assert_eq!(found["lstms.1.input"], weights::tensors(&strokes)["lstms.1.input"]);
    let refused = |model: &Model<Flex>, others: Vec<Model<Flex>>| {
        model.clone().with_branches_of(others, true).unwrap_err().to_string()
    };
    assert!(refused(&both, vec![strokes.clone(), both.clone()]).contains("same branch"));
    assert!(refused(&strokes, vec![image]).contains("expected a network"));
    let wider = ModelConfig { num_nodes: 16, ..both.config().clone() }.init(&device).unwrap();
    assert!(refused(&strokes, vec![wider]).contains("num_nodes: 16"));
    // A branch that this network lacks is left out, with its rows of the last layer.
    let [found, of_both] =
        [&strokes.clone().with_branches_of(vec![both.clone()], true).unwrap(), &both].map(weights::tensors);
    assert_eq!(found["lstms.1.input"], of_both["lstms.1.input"]);
    let [found, of_both] = [&found, &of_both].map(|tensors| &tensors["dense.weight"].values);
    assert_eq!(found[..], of_both[..found.len()]);
}

/// A small folder: card and weights.
fn folder() -> (ModelCard, Vec<u8>) {
    let config = ModelConfig {
        num_nodes: 8,
        num_conv: vec![6, 8],
        conv_len: vec![5, 3],
        conv_stride: vec![1, 2],
        conv_activation: Activation::Relu,
        ..ModelConfig::fast(4)
    };
    Flex::seed(&Default::default(), 9);
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let card = ModelCard {
        calibration: None,
        format: MODEL_FORMAT,
        config,
        labels: ["cat", "circle", "line", "The Eiffel Tower"].map(String::from).into(),
        training: Default::default(),
        figures: Default::default(),
    };
    (card, weights::save(&model, WeightType::F16).unwrap())
}

fn open(card: &[u8], weights: &[u8]) -> Result<Classifier<Flex>, Error> {
    Classifier::from_bytes(card, weights, &Default::default())
}

#[test]
fn a_model_folder_classifies_as_its_network_does() {
    let (card, bytes) = folder();
    let classifier = open(&serde_json::to_vec(&card).unwrap(), &bytes).unwrap();
    let drawings = scribbles(4, &[20, 1, 50]);
    let logits = classifier.logits(&drawings).unwrap();
    for (drawing, logits) in drawings.iter().zip(logits) {
        let probabilities = classifier.probabilities(drawing).unwrap();
        let sum: f32 = logits.iter().map(|x| x.exp()).sum();
        let expected: Vec<f32> = logits.iter().map(|x| x.exp() / sum).collect();
        // Rounding differs between a batch and a single drawing.
        assert_close("softmax", &probabilities, &expected, 1e-5);
        let predictions = classifier.classify(drawing, 3).unwrap();
        assert_eq!(predictions.len(), 3);
        assert!(predictions.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
        let best = (0..4).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap();
        assert_eq!(predictions[0].label, card.labels[best]);
        assert_eq!(predictions[0].probability, probabilities[best]);
        assert_eq!(classifier.classify(drawing, usize::MAX).unwrap().len(), 4);
        assert!(classifier.classify(drawing, 0).unwrap().is_empty());
    }
    assert!(matches!(classifier.logits(&[]), Err(Error::EmptyBatch)));
}

#[test]
fn calibration_divides_the_logits_of_float_and_quantized_classifier() {
    let (card, bytes) = folder();
    let both = |temperature, threshold| PenCalibration { temperature, threshold };
    let with = |up: PenCalibration, pen_down| {
        let calibration =
            Some(Calibration { temperature: up.temperature, threshold: up.threshold, pen_down });
        ModelCard { calibration, ..card.clone() }
    };
    for (pen_down, factor, threshold) in [(None, 4.0, 0.8), (Some(both(0.5, 0.9)), 2.0, 0.9)] {
        let card = with(both(0.25, 0.8), pen_down);
        assert_eq!((card.threshold(false), card.threshold(true)), (Some(0.8), Some(threshold)));
        let card = serde_json::to_vec(&card).unwrap();
        let classifier = open(&card, &bytes).unwrap();
        let mut quantized = QuantizedClassifier::from_bytes(&card, &bytes).unwrap();
        for drawing in scribbles(4, &[20, 50]) {
            for (drawing, factor) in [(drawing.clone(), 4.0), (drawing.with_pen_down(true), factor)] {
                let logits = &classifier.logits(std::slice::from_ref(&drawing)).unwrap()[0];
                let sum: f32 = logits.iter().map(|x| (factor * x).exp()).sum();
                let expected: Vec<f32> = logits.iter().map(|x| (factor * x).exp() / sum).collect();
                assert_close("calibrated", &classifier.probabilities(&drawing).unwrap(), &expected, 1e-6);
                assert_close("quantized", &quantized.probabilities(&drawing).unwrap(), &expected, 0.02);
            }
        }
    }
    let refusal = |card| open(&serde_json::to_vec(&card).unwrap(), &bytes).unwrap_err();
    for (temperature, threshold, wrong) in [
        (0.0, 0.5, "temperature"),
        (-1.0, 0.5, "temperature"),
        (1e-39, 0.5, "temperature"),
        (1.0, 1.5, "threshold"),
    ] {
        let cards = [
            with(both(temperature, threshold), None),
            with(both(1.0, 0.5), Some(both(temperature, threshold))),
        ];
        let fields = cards.map(|card| match refusal(card) {
            Error::InvalidConfig { field, .. } => field,
            other => panic!("{other}"),
        });
        assert_eq!(fields, [wrong, &format!("pen_down.{wrong}")]);
    }
}

#[test]
fn only_a_network_that_was_trained_for_it_reads_whether_the_pen_is_down() {
    let (card, bytes) = folder();
    let logits = |pen_state, drawing: &Drawing| {
        let config = ModelConfig { pen_state, ..card.config.clone() };
        let card = serde_json::to_vec(&ModelCard { config, ..card.clone() }).unwrap();
        let found = open(&card, &bytes).unwrap().logits(std::slice::from_ref(drawing)).unwrap().remove(0);
        let mut quantized = QuantizedClassifier::from_bytes(&card, &bytes).unwrap();
        [found, quantized.logits(drawing).unwrap()]
    };
    for up in scribbles(4, &[20, 50]) {
        let down = up.clone().with_pen_down(true);
        let [expected, expected_quantized] = logits(false, &up);
        assert_eq!(logits(true, &up), [expected.clone(), expected_quantized.clone()]);
        assert_eq!(logits(false, &down), [expected.clone(), expected_quantized.clone()]);
        let [found, found_quantized] = logits(true, &down);
        assert!(found != expected && found_quantized != expected_quantized);
    }
    // An older model.json lacks the field `pen_state`.
    assert!(!serde_json::to_string(&card).unwrap().contains("pen_state"));
}

#[test]
fn a_very_long_scribble_is_classified_by_its_first_points() {
    let (card, bytes) = folder();
    let pen_down = Some(PenCalibration { temperature: 2.0, threshold: 0.5 });
    let calibration = Some(Calibration { temperature: 0.5, threshold: 0.5, pen_down });
    let classifier = open(&serde_json::to_vec(&ModelCard { calibration, ..card }).unwrap(), &bytes).unwrap();
    let [scribble] = scribbles(5, &[300_000]).try_into().unwrap();
    // The pen state is the drawing's, not that of its truncated copy.
    for is_pen_down in [false, true] {
        let scribble = scribble.clone().with_pen_down(is_pen_down);
        let beginning = scribble.clone().first_points(4096).with_pen_down(is_pen_down);
        assert_eq!(
            classifier.probabilities(&scribble).unwrap(),
            classifier.probabilities(&beginning).unwrap()
        );
    }
}

#[test]
fn each_way_to_break_a_model_folder_gives_its_own_error() {
    let (card, bytes) = folder();
    let json = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::to_value(&card).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    };
    let good = json(&|_| {});
    let error = |card: &[u8], bytes: &[u8]| open(card, bytes).unwrap_err();

    assert!(matches!(error(b"{", &bytes), Error::InvalidModelJson { .. }));
    assert!(matches!(
        error(&json(&|v| v["format"] = 2.into()), &bytes),
        Error::UnknownFormat { found: 2, .. }
    ));
    assert!(matches!(error(&json(&|v| v["extra"] = 1.into()), &bytes), Error::InvalidModelJson { .. }));
    let fewer = json(&|v| drop(v["labels"].as_array_mut().unwrap().pop()));
    assert!(matches!(error(&fewer, &bytes), Error::LabelCount { found: 3, expected: 4 }));
    let twice = json(&|v| v["labels"][1] = "cat".into());
    assert!(matches!(error(&twice, &bytes), Error::DuplicateLabel { .. }));
    let wider = json(&|v| v["config"]["num_nodes"] = 9.into());
    assert!(matches!(error(&wider, &bytes), Error::WrongShape { .. }));
    let deeper = json(&|v| v["config"]["num_layers"] = 3.into());
    assert!(matches!(error(&deeper, &bytes), Error::MissingTensor { .. }));
    let shallower = json(&|v| v["config"]["num_layers"] = 1.into());
    assert!(matches!(error(&shallower, &bytes), Error::UnexpectedTensor { .. }));
    assert!(matches!(
        error(&json(&|v| v["config"]["num_nodes"] = 0.into()), &bytes),
        Error::InvalidConfig { .. }
    ));

    for n_bytes in [0, 3, 8, 100, bytes.len() - 1] {
        let found = error(&good, &bytes[..n_bytes]);
        assert!(matches!(found, Error::TruncatedWeights { .. }), "{n_bytes} bytes: {found}");
    }
    let mut huge = bytes.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let found = error(&good, &huge);
    assert!(matches!(found, Error::TruncatedWeights { .. } | Error::InvalidWeights { .. }), "{found}");
    assert!(matches!(error(&good, &vec![b' '; 4000]), Error::InvalidWeights { .. }));
    let mut not_finite = bytes.clone();
    let end = not_finite.len();
    not_finite[end - 2..].copy_from_slice(&0x7e00u16.to_le_bytes());
    assert!(matches!(error(&good, &not_finite), Error::NotFinite { .. }));

    let view = |dtype, data| {
        let tensor = TensorView::new(dtype, vec![4], data).unwrap();
        safetensors::serialize([("dense.bias", tensor)], None).unwrap()
    };
    let integers = view(Dtype::I8, &[0u8; 4]);
    let found = error(&good, &integers);
    assert!(matches!(found, Error::MissingTensor { .. }), "{found}");
}

/// The F32 weights of a network whose numbers are changed, each given its place in its tensor.
fn changed(model: &Model<Flex>, tensor: &str, change: impl Fn(usize) -> f32) -> Vec<u8> {
    let bytes = weights::save(model, WeightType::F32).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file
        .iter()
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    let (_, _, data) = tensors.iter_mut().find(|(name, ..)| name.ends_with(tensor)).unwrap();
    for (index, bytes) in data.chunks_exact_mut(4).enumerate() {
        bytes.copy_from_slice(&change(index).to_le_bytes());
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn non_finite_logits_and_negative_variances_are_errors() {
    let config = configs()[2].clone();
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let bytes = changed(&model, "running_var", |index| if index == 1 { -0.5 } else { 1.0 });
    for found in [
        weights::load(model, &bytes, &Default::default()).unwrap_err(),
        QuantizedModel::load(&config, &bytes).unwrap_err(),
    ] {
        assert!(matches!(found, Error::NegativeVariance { found: -0.5, .. }), "{found}");
    }

    // Finite weights, whose sums are not: one of two classes gets more than the largest float32.
    let (card, bytes) = folder();
    let drawing = &scribbles(6, &[20])[0];
    let classifier = open(&serde_json::to_vec(&card).unwrap(), &bytes).unwrap();
    let sign = |index: usize| if index.is_multiple_of(2) { f32::MAX } else { -f32::MAX };
    let model = classifier.model().clone();
    let bytes = changed(&model, "dense.weight", sign);
    let model = weights::load(model, &bytes, &Default::default()).unwrap();
    let bytes = changed(&model, "dense.bias", |_| f32::MAX);
    let classifier = open(&serde_json::to_vec(&card).unwrap(), &bytes).unwrap();
    for found in [
        classifier.probabilities(drawing).unwrap_err(),
        classifier.classify(drawing, 3).unwrap_err(),
        classifier.logits(std::slice::from_ref(drawing)).unwrap_err(),
    ] {
        assert!(matches!(found, Error::NotFiniteOutput { .. }), "{found}");
    }

    // Logits as far apart as they can be, at the least temperature, still make probabilities.
    let calibration = Calibration { temperature: f32::MIN_POSITIVE, threshold: 0.5, pen_down: None };
    let card = ModelCard { calibration: Some(calibration), ..card };
    let (_, bytes) = folder();
    let model: Model<Flex> = weights::load(model, &bytes, &Default::default()).unwrap();
    let bytes = changed(&model, "dense.bias", |index| if index == 2 { 3e38 } else { -3e38 });
    let classifier = open(&serde_json::to_vec(&card).unwrap(), &bytes).unwrap();
    assert_eq!(classifier.probabilities(drawing).unwrap(), [0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn float16_weights_are_close_to_float32() {
    let config = &configs()[1];
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let full = logits(&model, &scribbles(5, &[25]));
    let bytes = weights::save(&model, WeightType::F16).unwrap();
    let rounded = weights::load(model, &bytes, &Default::default()).unwrap();
    assert_close("float16", &logits(&rounded, &scribbles(5, &[25])), &full, 5e-3);
}

#[test]
fn int8_weights_are_a_quarter_as_large_and_close_to_float32() {
    // The smallest one is mostly names and scales.
    for config in configs().into_iter().filter(|config| config.num_layers > 0) {
        let model: Model<Flex> = ModelConfig { num_nodes: 64, ..config }.init(&Default::default()).unwrap();
        let drawings = scribbles(5, &[25, 60]);
        let full = logits(&model, &drawings);
        let full_bytes = weights::save(&model, WeightType::F32).unwrap();
        let bytes = weights::save(&model, WeightType::Int8).unwrap();
        assert!(bytes.len() < full_bytes.len() * 3 / 10, "{} of {}", bytes.len(), full_bytes.len());
        let before = weights::tensors(&model);
        let rounded = weights::load(model, &bytes, &Default::default()).unwrap();
        for (name, after) in weights::tensors(&rounded) {
            let before = &before[&name];
            assert_eq!(after.shape, before.shape);
            let largest = before.values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let is_matrix = before.shape.len() > 1;
            // Half a step of rounding, or a quarter of the largest where a column is clipped as far
            // as it may be.
            let tolerance = if is_matrix { 0.25 * largest } else { 0.0 };
            assert_close(&name, &after.values, &before.values, tolerance);
            let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>();
            let error = squares(&mut after.values.iter().zip(&before.values).map(|(a, b)| a - b));
            // Uniform in ±127 steps: the error is 1/12 of a squared step, the weight 127²/3 of
            // them.
            let relative =
                (error / squares(&mut before.values.iter().copied()).max(f32::MIN_POSITIVE)).sqrt();
            assert!(relative < 0.005, "{name}: {relative}");
        }
        let tolerance = 0.05 * full.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert_close("int8", &logits(&rounded, &drawings), &full, tolerance);
        // Storing once more loses nothing.
        assert_eq!(weights::tensors(&rounded), {
            let again = weights::save(&rounded, WeightType::F32).unwrap();
            weights::tensors(&weights::load(rounded.clone(), &again, &Default::default()).unwrap())
        });
    }
}

#[test]
fn every_tensor_of_int8_weights_is_aligned() {
    let model: Model<Flex> = configs()[1].init(&Default::default()).unwrap();
    let bytes = weights::save(&model, WeightType::Int8).unwrap();
    let (n_header, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut n_scales = 0;
    for (name, info) in header.tensors() {
        let is_matrix = info.shape.len() > 1 && !name.ends_with(".scale");
        assert_eq!(info.dtype == Dtype::I8, is_matrix, "{name}: {:?}", info.dtype);
        assert_eq!((8 + n_header + info.data_offsets.0) % (info.dtype.bitsize() / 8), 0, "{name}");
        n_scales += usize::from(name.ends_with(".scale"));
    }
    let shape = |name: &str| header.info(name).unwrap().shape.clone();
    assert_eq!(shape("convs.0.weight.scale"), [64]);
    assert_eq!(shape("lstms.1.input.scale"), [2 * 4 * 12]);
    assert_eq!(shape("lstms.1.recurrent.scale"), [2, 4 * 12]);
    assert_eq!(shape("dense.weight.scale"), [7]);
    assert_eq!(n_scales, 3 + 2 * 2 + 1);
}

#[test]
fn few_large_weights_are_clipped_where_it_lowers_the_error() {
    // Weights evenly between -1 and 1, but for one a little larger: to clip it costs less than to
    // round all others to steps that reach it.
    const OUTLIER: f32 = 1.01;
    let config = ModelConfig { n_classes: 1, num_layers: 1, num_nodes: 512, ..configs()[4].clone() };
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let mut tensors = weights::tensors(&model);
    let values = &mut tensors.get_mut("dense.weight").unwrap().values;
    let n = values.len() as f32;
    for (i, value) in values.iter_mut().enumerate() {
        *value = 2.0 * i as f32 / n - 1.0;
    }
    values[0] = OUTLIER;
    let bytes: Vec<Vec<u8>> =
        tensors.values().map(|tensor| tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        (name, view.unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    let model = weights::load(model, &bytes, &Default::default()).unwrap();
    let bytes = weights::save(&model, WeightType::Int8).unwrap();
    let scale = SafeTensors::deserialize(&bytes).unwrap().tensor("dense.weight.scale").unwrap();
    let scale = f32::from_le_bytes(scale.data().try_into().unwrap());
    assert!(scale < 0.999 * OUTLIER / 127.0, "{scale}");
    assert!(scale > 0.97 * OUTLIER / 127.0, "{scale}");
}

/// Configurations with what the quantized model must get right: odd numbers of channels and units,
/// strides, no convolution, the other cell and normalisation with statistics that are not those of
/// the start.
fn configs_to_quantize() -> Vec<ModelConfig> {
    let odd = ModelConfig {
        num_nodes: 13,
        num_conv: vec![9, 7],
        conv_len: vec![5, 3],
        conv_stride: vec![1, 2],
        num_layers: 3,
        ..ModelConfig::fast(37)
    };
    let cudnn = ModelConfig { cell_type: CellType::CudnnLstm, num_nodes: 12, ..ModelConfig::tutorial(7) };
    configs().into_iter().chain([odd, cudnn, ModelConfig::fast(20)]).collect()
}

#[test]
fn the_quantized_model_gives_the_logits_of_its_weights() {
    let drawings = scribbles(12, &[1, 2, 3, 9, 30, 77]);
    for config in configs_to_quantize() {
        Flex::seed(&Default::default(), 3);
        let model: Model<Autodiff<Flex>> = config.init(&Default::default()).unwrap();
        // One forward pass in training moves the statistics of batch normalisation.
        let inks: Vec<Ink> = drawings.iter().map(|d| Ink::from_drawing(d, config.ink)).collect();
        model.forward_training(&config.batch(&inks, &Default::default()).unwrap(), 1).unwrap();
        let bytes = weights::save(&model, WeightType::Int8).unwrap();
        let fresh: Model<Flex> = config.init(&Default::default()).unwrap();
        let model = weights::load(fresh, &bytes, &Default::default()).unwrap();
        let quantized = QuantizedModel::load(&config, &bytes).unwrap();
        let mut work = Workspace::default();
        // Long and short alternate, to detect state left over from the previous one.
        for index in [5, 0, 4, 1, 3, 2, 5] {
            let expected = logits(&model, &drawings[index..=index]);
            let embedding = quantized.embedding(&inks[index], &mut work).unwrap();
            let batch = config.batch(&inks[index..=index], &Default::default()).unwrap();
            let whole: Vec<f32> = model.embedding(&batch).unwrap().into_data().to_vec().unwrap();
            let size = whole.iter().fold(0.0f32, |size, value| size.max(value.abs()));
            assert_close("embedding", &embedding, &whole, 1e-3 * size.max(1e-3));
            let found = quantized.logits(&embedding, &mut work);
            let size = expected.iter().fold(0.1f32, |size, value| size.max(value.abs()));
            assert_close(&format!("{config:?}"), &found, &expected, 1e-3 * size);
        }
    }
}

#[test]
fn the_quantized_model_quantizes_weights_that_are_not_int8() {
    let config = ModelConfig::fast(20);
    Flex::seed(&Default::default(), 3);
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let bytes = |weight_type| weights::save(&model, weight_type).unwrap();
    let drawing = &scribbles(12, &[30])[0];
    let [from_f32, from_int8] = [WeightType::F32, WeightType::Int8].map(|weight_type| {
        let quantized = QuantizedModel::load(&config, &bytes(weight_type)).unwrap();
        let mut work = Workspace::default();
        let embedding = quantized.embedding(&Ink::from_drawing(drawing, config.ink), &mut work).unwrap();
        quantized.logits(&embedding, &mut work)
    });
    assert_eq!(from_f32, from_int8);
    assert!(weights::are_int8(&bytes(WeightType::Int8)).unwrap());
    assert!(!weights::are_int8(&bytes(WeightType::F32)).unwrap());
    for weight_type in [WeightType::F32, WeightType::F16, WeightType::Int8] {
        assert_eq!(weights::weight_type(&bytes(weight_type)).unwrap(), weight_type);
    }
}

#[test]
fn the_quantized_model_refuses_weights_of_another_configuration() {
    let (card, bytes) = folder();
    let refusal = |config: &ModelConfig, bytes: &[u8]| QuantizedModel::load(config, bytes).unwrap_err();
    let deeper = ModelConfig { num_layers: 3, ..card.config.clone() };
    assert!(matches!(refusal(&deeper, &bytes), Error::MissingTensor { name } if name == "lstms.2.input"));
    let shallower = ModelConfig { num_layers: 1, ..card.config.clone() };
    assert!(matches!(refusal(&shallower, &bytes), Error::UnexpectedTensor { .. }));
    let wider = ModelConfig { num_nodes: 9, ..card.config.clone() };
    assert!(matches!(refusal(&wider, &bytes), Error::WrongShape { name, .. } if name == "lstms.0.input"));
    assert!(matches!(refusal(&card.config, &bytes[..100]), Error::TruncatedWeights { .. }));
    let ink = Ink::from_drawing(&scribbles(1, &[5])[0], InkFormat::Tutorial);
    let quantized = QuantizedModel::load(&card.config, &bytes).unwrap();
    assert!(matches!(
        quantized.embedding(&ink, &mut Workspace::default()),
        Err(Error::WrongInkFormat { found: InkFormat::Tutorial, expected: InkFormat::Absolute })
    ));
}

#[test]
fn float_and_quantized_classifier_agree() {
    let (card, bytes) = folder();
    let card = serde_json::to_vec(&card).unwrap();
    let classifier = open(&card, &bytes).unwrap();
    let mut quantized = QuantizedClassifier::from_bytes(&card, &bytes).unwrap();
    assert_eq!(quantized.labels(), classifier.labels());
    for drawing in scribbles(6, &[1, 2, 9, 30, 5000]) {
        let expected = classifier.probabilities(&drawing).unwrap();
        assert_close("probabilities", &quantized.probabilities(&drawing).unwrap(), &expected, 0.01);
        let expected = classifier.embedding(&drawing).unwrap();
        assert_close("embedding", &quantized.embedding(&drawing).unwrap(), &expected, 0.02);
        // In one run or in two, the numbers are the same.
        let probabilities = classifier.probabilities(&drawing).unwrap();
        assert_eq!(classifier.outputs(&drawing).unwrap(), Outputs { embedding: expected, probabilities });
        let embedding = quantized.embedding(&drawing).unwrap();
        let probabilities = quantized.probabilities(&drawing).unwrap();
        assert_eq!(quantized.outputs(&drawing).unwrap(), Outputs { embedding, probabilities });
        let found = quantized.classify(&drawing, 2).unwrap();
        assert!(found.len() == 2 && found[0].probability >= found[1].probability);
    }
}

#[test]
fn fake_quantized_weights_are_representable_in_int8() {
    for config in configs() {
        Flex::seed(&Default::default(), 4);
        let model: Model<Autodiff<Flex>> = config.init(&Default::default()).unwrap();
        let rounded = weights::rounded(model.clone());
        let stored = weights::save(&rounded, WeightType::Int8).unwrap();
        let fresh: Model<Flex> = config.init(&Default::default()).unwrap();
        let read = weights::tensors(&weights::load(fresh, &stored, &Default::default()).unwrap());
        let (before, rounded) = (weights::tensors(&model), weights::tensors(&rounded));
        for (name, tensor) in &rounded {
            let size = tensor.values.iter().fold(0.0f32, |size, value| size.max(value.abs()));
            assert_close(name, &read[name].values, &tensor.values, 1e-6 * size);
            assert_close(name, &tensor.values, &before[name].values, 0.5001 / 127.0 * size);
            assert_eq!(tensor.shape.len() > 1, tensor != &before[name], "{name}");
        }
    }
}

#[test]
fn each_way_to_break_int8_weights_gives_its_own_error() {
    let model: Model<Flex> = configs()[1].init(&Default::default()).unwrap();
    let bytes = weights::save(&model, WeightType::Int8).unwrap();
    type Tensors = std::collections::BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;
    let error = |change: &dyn Fn(&mut Tensors)| {
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: Tensors = file
            .iter()
            .map(|(name, view)| {
                (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
            })
            .collect();
        change(&mut tensors);
        let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        let changed = safetensors::serialize(views, None).unwrap();
        weights::load(model.clone(), &changed, &Default::default()).unwrap_err()
    };
    let (weight, scale) = ("lstms.0.recurrent", "lstms.0.recurrent.scale");
    let set_scale = |column: usize, value: f32| {
        move |tensors: &mut Tensors| {
            tensors.get_mut(scale).unwrap().2[4 * column..][..4].copy_from_slice(&value.to_le_bytes());
        }
    };

    let found = error(&|tensors| drop(tensors.remove(scale)));
    assert_eq!(found, Error::MissingScale { name: weight.to_owned() });
    for value in [-0.5, 0.0, f32::INFINITY] {
        let found = error(&set_scale(3, value));
        assert_eq!(found, Error::InvalidScale { name: weight.to_owned(), column: 3, found: value });
    }
    assert!(matches!(error(&set_scale(0, f32::NAN)), Error::InvalidScale { column: 0, .. }));
    assert!(matches!(error(&set_scale(0, f32::MAX)), Error::NotFinite { name } if name == weight));
    let found = error(&|tensors| tensors.get_mut(scale).unwrap().1 = vec![4 * 12, 2]);
    let (name, expected) = (scale.to_owned(), vec![2, 4 * 12]);
    assert_eq!(found, Error::WrongShape { name, found: vec![4 * 12, 2], expected });
    let found = error(&|tensors| {
        let (dtype, _, bytes) = tensors.get_mut(scale).unwrap();
        (*dtype, *bytes) = (Dtype::F16, vec![0; bytes.len() / 2]);
    });
    assert!(matches!(found, Error::WrongDtype { name, .. } if name == scale));
    let found = error(&|tensors| {
        let (dtype, _, bytes) = tensors.get_mut(weight).unwrap();
        (*dtype, *bytes) = (Dtype::F16, vec![0; bytes.len() * 2]);
    });
    assert_eq!(found, Error::OrphanScale { name: weight.to_owned() });
    let found =
        error(&|tensors| drop(tensors.insert("nothing.scale".to_owned(), (Dtype::F32, vec![0], vec![]))));
    assert_eq!(found, Error::OrphanScale { name: "nothing".to_owned() });
    let found = error(&|tensors| {
        let (dtype, _, bytes) = tensors.get_mut("dense.bias").unwrap();
        (*dtype, *bytes) = (Dtype::I8, vec![0; bytes.len() / 4]);
    });
    assert!(matches!(found, Error::WrongDtype { name, .. } if name == "dense.bias"));
}

/// The fixture that the package's tests read too: a small folder with the probabilities that it
/// must give. `QUICKDRAW_WRITE_FIXTURE=1` rewrites it.
#[test]
fn the_shared_fixture_gives_its_expected_probabilities() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/classifier");
    let cat = include_str!("fixtures/tutorial-cat.ndjson");
    if std::env::var_os("QUICKDRAW_WRITE_FIXTURE").is_some() {
        let (card, bytes) = folder();
        std::fs::create_dir_all(&path).unwrap();
        let card = serde_json::to_vec_pretty(&card).unwrap();
        let classifier = open(&card, &bytes).unwrap();
        let mut drawings = scribbles(6, &[1, 2, 9, 30, 77]);
        drawings.push(Record::parse(cat.trim()).unwrap().drawing);
        let cases: Vec<serde_json::Value> = drawings
            .iter()
            .map(|drawing| {
                let drawing = drawing.simplify();
                let strokes: Vec<[Vec<f32>; 2]> = drawing
                    .strokes()
                    .iter()
                    .map(|s| [0, 1].map(|axis| s.iter().map(|p| p[axis]).collect()))
                    .collect();
                let probabilities = classifier.probabilities(&drawing.simplify()).unwrap();
                serde_json::json!({ "drawing": strokes, "probabilities": probabilities })
            })
            .collect();
        std::fs::write(path.join("model.json"), card).unwrap();
        std::fs::write(path.join("weights.safetensors"), bytes).unwrap();
        let expected = serde_json::json!({ "cases": cases });
        std::fs::write(path.join("expected.json"), expected.to_string()).unwrap();
    }
    let read = |name: &str| std::fs::read(path.join(name)).unwrap();
    let classifier = open(&read("model.json"), &read("weights.safetensors")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&read("expected.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let line = serde_json::json!({ "word": "fixture", "drawing": case["drawing"] }).to_string();
        // As the package does it: strokes in, simplified, classified.
        let drawing = Record::parse(&line).unwrap().drawing.simplify();
        let expected: Vec<f32> = serde_json::from_value(case["probabilities"].clone()).unwrap();
        assert_close("fixture", &classifier.probabilities(&drawing).unwrap(), &expected, 1e-4);
    }
}

//! Any strokes: refused, or simplified and classified, with probabilities that sum to 1.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use quickdraw_core::{Drawing, QuantizedClassifier};

thread_local! {
    static CLASSIFIER: RefCell<QuantizedClassifier> = RefCell::new(
        QuantizedClassifier::from_bytes(
            include_bytes!("../../tests/fixtures/classifier/model.json"),
            include_bytes!("../../tests/fixtures/classifier/weights.safetensors"),
        )
        .expect("the fixture is a model"),
    );
}

fuzz_target!(|strokes: Vec<Vec<[f32; 2]>>| {
    let Ok(drawing) = Drawing::from_strokes(strokes) else { return };
    let simplified = drawing.simplify();
    assert!(simplified.strokes().iter().flatten().flatten().all(|value| (0.0..=255.0).contains(value)));
    CLASSIFIER.with_borrow_mut(|classifier| {
        for drawing in [&drawing, &simplified] {
            let probabilities = classifier.probabilities(drawing).expect("a drawing has probabilities");
            let sum: f32 = probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        }
    });
});

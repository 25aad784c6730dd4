//! A model folder with changed bytes, cut short or made of something else: refused, or a model that
//! classifies.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use quickdraw_core::{Drawing, QuantizedClassifier};

#[derive(Arbitrary, Debug)]
enum File {
    Changed { length: u16, bytes: Vec<(u16, u8)> },
    Other(Vec<u8>),
}

impl File {
    fn bytes(self, original: &[u8]) -> Vec<u8> {
        match self {
            Self::Changed { length, bytes } => {
                // Most lengths are beyond the end, so that most files are whole.
                let mut file = original[..original.len().min(length.into())].to_vec();
                for (at, byte) in bytes {
                    let n = file.len();
                    if n > 0 {
                        file[usize::from(at) % n] = byte;
                    }
                }
                file
            }
            Self::Other(bytes) => bytes,
        }
    }
}

fuzz_target!(|files: (File, File)| {
    let (card, weights) = files;
    let card = card.bytes(include_bytes!("../../tests/fixtures/classifier/model.json"));
    let weights = weights.bytes(include_bytes!("../../tests/fixtures/classifier/weights.safetensors"));
    if let Ok(mut classifier) = QuantizedClassifier::from_bytes(&card, &weights) {
        let drawing = Drawing::from_strokes(vec![vec![[0.0, 0.0], [255.0, 90.0], [17.0, 255.0]]]).expect("a drawing");
        let _ = classifier.probabilities(&drawing);
    }
});

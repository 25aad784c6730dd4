use std::collections::HashSet;
use std::sync::Arc;

use native_train::data::{
    Augmentation, BatchShare, DataSet, Loader, LoaderConfig, Mixture, PreparedBatch, Sampling,
};
use quickdraw_core::{Ink, InkFormat};

use crate::{data_set, drawing};

fn config() -> LoaderConfig {
    LoaderConfig {
        batch_size: 4,
        sampling: Sampling::Epochs,
        augmentation: Augmentation::none(),
        ink_format: InkFormat::Absolute,
        pen_state: false,
        max_rows: usize::MAX,
        soft_weight: 0.0,
        soft_temperature: 1.0,
        label_smoothing: 0.0,
        seed: 1,
        start_step: 0,
        share: BatchShare::ALL,
        n_threads: 1,
        bucket_batches: 1,
    }
}

fn batches(data: &Arc<DataSet>, config: LoaderConfig, n: usize) -> Vec<PreparedBatch> {
    let mut loader = Loader::spawn(Arc::clone(data), config).expect("a loader");
    (0..n).map(|_| loader.next_batch()).collect()
}

#[test]
fn batches_do_not_depend_on_threads_or_on_where_a_run_begins() {
    let data = Arc::new(data_set(&[30, 12, 5]));
    for sampling in [Sampling::Epochs, Sampling::Balanced { power: 0.5 }] {
        for bucket_batches in [1, 3] {
            let config =
                LoaderConfig { sampling, bucket_batches, augmentation: Augmentation::default(), ..config() };
            let whole = batches(&data, config, 40);
            assert!(whole.iter().enumerate().all(|(step, batch)| batch.step == step as u64));
            for n_threads in [2, 5] {
                assert_eq!(batches(&data, LoaderConfig { n_threads, ..config }, 40), whole);
            }
            for start_step in [1, 7, 20] {
                let resumed = batches(&data, LoaderConfig { start_step, n_threads: 2, ..config }, 20);
                assert_eq!(resumed, whole[start_step as usize..start_step as usize + 20]);
            }
            assert_ne!(batches(&data, LoaderConfig { seed: 2, ..config }, 5), whole[..5]);
        }
    }
}

#[test]
fn the_shares_of_several_machines_are_all_batches() {
    let data = Arc::new(data_set(&[30, 12, 5]));
    for bucket_batches in [1, 3, 8] {
        let config = LoaderConfig { bucket_batches, augmentation: Augmentation::default(), ..config() };
        let whole = batches(&data, config, 48);
        for (start_step, n_threads) in [(0, 1), (6, 3)] {
            for first in [0, 2, 4] {
                let share = BatchShare { first, n: 2, of: 6 };
                let own = batches(&data, LoaderConfig { share, start_step, n_threads, ..config }, 14);
                let expected: Vec<_> = (whole.iter().skip(start_step as usize))
                    .filter(|batch| [first, first + 1].contains(&(batch.step % 6)))
                    .take(14)
                    .cloned()
                    .collect();
                assert!(own == expected, "{share:?} {bucket_batches}");
            }
        }
    }
}

#[test]
fn an_epoch_has_every_drawing_once_in_a_new_order() {
    // Counts around powers of two and four, where the random order could go wrong.
    for n_drawings in [1, 2, 3, 4, 5, 16, 17, 63, 64, 100] {
        let data = Arc::new(data_set(&[n_drawings]));
        let config = LoaderConfig { batch_size: n_drawings, ..config() };
        let epochs = batches(&data, config, 3);
        let key = |ink: &Ink| format!("{:?}", ink.rows());
        let all: HashSet<String> = (0..n_drawings)
            .map(|index| key(&Ink::from_drawing(&data.drawing(index), InkFormat::Absolute)))
            .collect();
        assert_eq!(all.len(), n_drawings, "the drawings differ");
        for epoch in &epochs {
            assert_eq!(epoch.inks.iter().map(key).collect::<HashSet<_>>(), all, "{n_drawings} drawings");
        }
        if n_drawings >= 16 {
            assert_ne!(epochs[0].inks, epochs[1].inks);
        }
    }
}

#[test]
fn borrowed_strokes_are_those_of_the_same_class() {
    // A class whose strokes are level and one whose strokes are upright.
    let mut data = DataSet::new(vec!["level".into(), "nothing".into(), "upright".into()]).unwrap();
    for i in 0..10 {
        let place = 20.0 * i as f32;
        let level = drawing(&[&[[0.0, place], [200.0, place]], &[[0.0, 220.0], [255.0, 220.0]]]);
        let upright = drawing(&[&[[place, 0.0], [place, 200.0]], &[[220.0, 0.0], [220.0, 255.0]]]);
        data.push(0, &level, &[]).unwrap();
        data.push(2, &upright, &[]).unwrap();
    }
    let data = Arc::new(data);
    let augmentation = Augmentation { borrow_strokes: 1.0, ..Augmentation::none() };
    for sampling in [Sampling::Epochs, Sampling::Balanced { power: 0.0 }] {
        let mut changed = 0;
        for batch in batches(&data, LoaderConfig { augmentation, sampling, ..config() }, 50) {
            for (ink, label) in batch.inks.iter().zip(&batch.labels) {
                changed += usize::from(ink.n_rows() != 4);
                // The last row of a stroke of two points is the way from one to the other.
                for row in ink.rows().chunks_exact(5).filter(|row| row[2] == 1.0) {
                    let across = if *label == 0 { row[1] } else { row[0] };
                    assert!(across.abs() < 1e-6, "class {label}: {row:?}");
                }
            }
        }
        assert!(changed > 0, "some drawings have another number of strokes");
    }
}

#[test]
fn epochs_run_on_across_batches() {
    let data = Arc::new(data_set(&[6]));
    let found: Vec<Ink> = batches(&data, config(), 3).into_iter().flat_map(|batch| batch.inks).collect();
    let distinct =
        |inks: &[Ink]| inks.iter().map(|ink| format!("{:?}", ink.rows())).collect::<HashSet<_>>().len();
    assert_eq!((distinct(&found[..6]), distinct(&found[6..])), (6, 6));
}

#[test]
fn balance_power_goes_from_uniform_classes_to_uniform_drawings() {
    // The last class has no drawings and must not be drawn.
    let data = Arc::new(data_set(&[900, 100, 0]));
    for (power, expected) in [(0.0, 0.5), (0.5, 0.75), (1.0, 0.9)] {
        let config = LoaderConfig { sampling: Sampling::Balanced { power }, batch_size: 100, ..config() };
        let labels: Vec<usize> =
            batches(&data, config, 100).into_iter().flat_map(|batch| batch.labels).collect();
        let share = labels.iter().filter(|&&label| label == 0).count() as f64 / labels.len() as f64;
        assert!((share - expected).abs() < 0.02, "power {power}: {share}, expected {expected}");
        assert!(labels.iter().all(|&label| label < 2));
    }
}

#[test]
fn targets_mix_label_smoothing_and_soft_labels() {
    let labels = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let mut data = DataSet::new(labels).unwrap();
    data.push(0, &drawing(&[&[[0.0, 0.0], [1.0, 255.0]]]), &[(0, 0.3), (2, 0.1)]).unwrap();
    data.push(1, &drawing(&[&[[0.0, 0.0], [2.0, 255.0]]]), &[]).unwrap();
    data.push(3, &drawing(&[&[[0.0, 0.0], [3.0, 255.0]]]), &[(3, 0.0)]).unwrap();
    let config = LoaderConfig { batch_size: 3, soft_weight: 0.5, label_smoothing: 0.2, ..config() };
    let batch = batches(&Arc::new(data), config, 1).remove(0);
    for (label, row) in batch.labels.iter().zip(batch.targets.chunks(4)) {
        // Smoothing: 0.2 / 4 everywhere and 0.8 more on the label. Soft labels, which count half:
        // 0.75 and 0.25 when they sum to 1. Those that sum to 0 are ignored.
        let expected = match label {
            0 => [0.5 * 0.85 + 0.5 * 0.75, 0.5 * 0.05, 0.5 * 0.05 + 0.5 * 0.25, 0.5 * 0.05],
            1 => [0.05, 0.85, 0.05, 0.05],
            _ => [0.05, 0.05, 0.05, 0.85],
        };
        for (found, expected) in row.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "label {label}: {row:?}");
        }
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}

#[test]
fn the_temperature_of_soft_labels_spreads_or_sharpens_those_that_are_there() {
    let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
    let mut data = DataSet::new(labels).unwrap();
    data.push(1, &drawing(&[&[[0.0, 0.0], [1.0, 255.0]]]), &[(0, 0.64), (2, 0.16)]).unwrap();
    let data = Arc::new(data);
    // Raised to 1/2 they are as 0.8 to 0.4, to 2 as 16 to 1; the category without one gets none.
    for (soft_temperature, expected) in
        [(1.0, [0.8, 0.2]), (2.0, [2.0 / 3.0, 1.0 / 3.0]), (0.5, [16.0 / 17.0, 1.0 / 17.0])]
    {
        let config = LoaderConfig { batch_size: 1, soft_weight: 1.0, soft_temperature, ..config() };
        let targets = batches(&data, config, 1).remove(0).targets;
        for (found, expected) in targets.iter().zip([expected[0], 0.0, expected[1]]) {
            assert!((found - expected).abs() < 1e-6, "temperature {soft_temperature}: {targets:?}");
        }
    }
}

/// Drawings of the classes of [`data_set`], marked by an x of 200.
fn other_set(counts: &[usize]) -> DataSet {
    let mut data = DataSet::new((0..counts.len()).map(|class| format!("class {class}")).collect()).unwrap();
    for (class, &count) in counts.iter().enumerate() {
        for index in 0..count {
            let points = [[0.0, index as f32], [200.0, 0.0], [100.0, 255.0]];
            data.push(class, &drawing(&[&points]), &[]).unwrap();
        }
    }
    data
}

#[test]
fn each_data_set_has_its_share_of_the_batches_and_its_own_balance() {
    let sets = || vec![(Arc::new(data_set(&[40, 10])), 3.0), (Arc::new(other_set(&[5, 45])), 1.0)];
    let of_other = |ink: &Ink| ink.n_rows() <= 3;
    // The first set has two strokes and at least four points in each drawing.
    for sampling in [Sampling::Epochs, Sampling::Balanced { power: 1.0 }, Sampling::Balanced { power: 0.0 }] {
        let config = LoaderConfig { sampling, batch_size: 100, bucket_batches: 2, ..config() };
        let mixture = Mixture::new(sets()).unwrap();
        let mut loader = Loader::spawn(mixture.clone(), config).unwrap();
        let whole: Vec<PreparedBatch> = (0..60).map(|_| loader.next_batch()).collect();
        let mut counts = [[0usize; 2]; 2];
        for batch in &whole {
            for (ink, &label) in batch.inks.iter().zip(&batch.labels) {
                counts[usize::from(of_other(ink))][label] += 1;
            }
        }
        let of_set = counts.map(|classes| classes.iter().sum::<usize>());
        // Of 6000 draws with probability 0.25 the standard deviation is 34.
        assert!((1350..1650).contains(&of_set[1]), "{sampling:?}: {counts:?}");
        let shares = [0, 1].map(|set| counts[set][0] as f64 / of_set[set] as f64);
        let expected = if sampling == (Sampling::Balanced { power: 0.0 }) { [0.5, 0.5] } else { [0.8, 0.1] };
        for (found, expected) in shares.iter().zip(expected) {
            assert!((found - expected).abs() < 0.06, "{sampling:?}: {shares:?}");
        }
        // Neither the threads nor where a run begins changes anything.
        let config = LoaderConfig { start_step: 7, n_threads: 3, ..config };
        let mut loader = Loader::spawn(mixture, config).unwrap();
        assert!((7..30).all(|step| loader.next_batch() == whole[step]));
    }
}

#[test]
fn a_mixture_of_one_set_is_that_set() {
    let data = Arc::new(data_set(&[20, 7]));
    for sampling in [Sampling::Epochs, Sampling::Balanced { power: 0.5 }] {
        let config = LoaderConfig { sampling, augmentation: Augmentation::default(), ..config() };
        let mixture = Mixture::new(vec![(Arc::clone(&data), 0.3)]).unwrap();
        let mut loader = Loader::spawn(mixture, config).unwrap();
        assert!(batches(&data, config, 20).into_iter().all(|batch| batch == loader.next_batch()));
    }
}

#[test]
fn sets_that_do_not_fit_together_are_refused() {
    let message = |sets| Mixture::new(sets).unwrap_err().to_string();
    let [set, other] = [Arc::new(data_set(&[2, 2])), Arc::new(data_set(&[2, 2, 2]))];
    let empty = Arc::new(data_set(&[0, 0]));
    assert!(message(vec![]).contains("no drawings"));
    assert!(message(vec![(Arc::clone(&set), 1.0), (other, 1.0)]).contains("other categories"));
    assert!(message(vec![(Arc::clone(&set), 1.0), (empty, 1.0)]).contains("data set 1"));
    assert!(message(vec![(set, 0.0)]).contains("the share 0"));
}

#[test]
fn buckets_hold_drawings_of_similar_length() {
    let data = Arc::new(data_set(&[400]));
    let padding = |bucket_batches| {
        let config = LoaderConfig { bucket_batches, batch_size: 8, ..config() };
        batches(&data, config, 48)
            .iter()
            .map(|batch| {
                let longest = batch.inks.iter().map(Ink::n_rows).max().unwrap();
                batch.inks.iter().map(|ink| longest - ink.n_rows()).sum::<usize>()
            })
            .sum::<usize>()
    };
    let (off, on) = (padding(1), padding(8));
    assert!(on * 3 < off, "{on} rows of padding with buckets, {off} without");
    // 48 batches of 8 are less than the first epoch of 400: all differ, with buckets too.
    let config = LoaderConfig { bucket_batches: 8, batch_size: 8, ..config() };
    let inks: HashSet<String> = batches(&data, config, 48)
        .iter()
        .flat_map(|batch| &batch.inks)
        .map(|ink| format!("{:?}", ink.rows()))
        .collect();
    assert_eq!(inks.len(), 384);
}

#[test]
fn long_drawings_are_truncated() {
    let data = Arc::new(data_set(&[40]));
    let config = LoaderConfig { max_rows: 5, ..config() };
    let longest = batches(&data, config, 10).iter().flat_map(|b| &b.inks).map(Ink::n_rows).max();
    assert_eq!(longest, Some(5));
    // A truncated drawing does not have its pen down.
    let batches = batches(&data, config, 10);
    for ink in batches.iter().flat_map(|batch| &batch.inks) {
        assert_eq!(ink.rows()[ink.rows().len() - ink.format().n_columns() + 2], 1.0);
    }
}

#[test]
fn only_a_model_that_reads_it_is_told_that_the_pen_is_down() {
    let data = Arc::new(data_set(&[40]));
    let augmentation = Augmentation { prefix: 1.0, ..Augmentation::none() };
    let n_down = |pen_state| {
        let batches = batches(&data, LoaderConfig { augmentation, pen_state, ..config() }, 20);
        let inks = batches.iter().flat_map(|batch| &batch.inks);
        inks.filter(|ink| ink.rows()[ink.rows().len() - ink.format().n_columns() + 2] == 0.0).count()
    };
    assert_eq!(n_down(false), 0);
    assert!((10..70).contains(&n_down(true)), "of 80: {}", n_down(true));
}

#[test]
fn the_threads_of_a_dropped_loader_end() {
    let data = Arc::new(data_set(&[20]));
    let mut loader = Loader::spawn(Arc::clone(&data), LoaderConfig { n_threads: 3, ..config() }).unwrap();
    loader.next_batch();
    drop(loader);
    assert_eq!(Arc::strong_count(&data), 1, "no thread holds the data any more");
}

#[test]
fn values_out_of_range_are_named() {
    let data = Arc::new(data_set(&[4]));
    let message = |config| Loader::spawn(Arc::clone(&data), config).unwrap_err().to_string();
    assert!(message(LoaderConfig { batch_size: 0, ..config() }).contains("batch_size is 0"));
    assert!(message(LoaderConfig { bucket_batches: 0, ..config() }).contains("bucket_batches is 0"));
    assert!(message(LoaderConfig { soft_weight: 1.5, ..config() }).contains("soft_weight is 1.5"));
    assert!(message(LoaderConfig { label_smoothing: f32::NAN, ..config() }).contains("label_smoothing"));
    let share = BatchShare { first: 2, n: 2, of: 3 };
    assert!(message(LoaderConfig { share, ..config() }).contains("2 batches from 2 on of 3"));
    assert!(message(LoaderConfig { soft_temperature: 0.0, ..config() }).contains("soft_temperature is 0"));
    let empty = Arc::new(data_set(&[0]));
    let none = Loader::spawn(empty, config()).unwrap_err().to_string();
    assert!(none.contains("no drawings"), "{none}");
}

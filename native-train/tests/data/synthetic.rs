use std::collections::HashSet;

use native_train::data::synthetic::{self, LABELS};

#[test]
fn the_same_seed_draws_the_same_and_parts_differ() {
    let first = synthetic::sample_set(3, 0, 20);
    assert_eq!(first, synthetic::sample_set(3, 0, 20));
    assert_ne!(first, synthetic::sample_set(4, 0, 20));
    assert_ne!(first, synthetic::sample_set(3, 1, 20));
    assert_eq!(first.labels(), LABELS);
    assert!(first.labels().is_sorted());
    assert_eq!(first.class_counts(), [20; 10]);
}

#[test]
fn no_held_out_drawing_is_trained_on() {
    let (train, held_out) = synthetic::sample_sets(1);
    assert_eq!(train.class_counts(), [synthetic::N_TRAIN_PER_CLASS; 10]);
    assert_eq!(held_out.class_counts(), [synthetic::N_HELD_OUT_PER_CLASS; 10]);
    let key = |drawing: quickdraw_core::Drawing| format!("{:?}", drawing.strokes());
    // Two straight lines may well come out alike; everything else has enough points to differ.
    let line = LABELS.iter().position(|&label| label == "line").unwrap();
    let seen: HashSet<String> = (0..train.len())
        .filter(|&index| train.label(index) != line)
        .map(|index| key(train.drawing(index)))
        .collect();
    assert!((0..held_out.len()).all(|index| !seen.contains(&key(held_out.drawing(index)))));
}

#[test]
fn drawings_are_in_simplified_form_and_of_human_size() {
    let data = synthetic::sample_set(2, 0, 50);
    for index in 0..data.len() {
        let drawing = data.drawing(index);
        let largest = drawing.strokes().iter().flatten().flatten().fold(0.0, |a: f32, &b| a.max(b));
        // Thinning the points of a curve may lose its outermost one.
        assert!((250.0..=255.0).contains(&largest), "{} {index}: {largest}", LABELS[data.label(index)]);
        assert!(drawing.n_points() <= 150, "{} points", drawing.n_points());
    }
}

#[test]
fn shapes_have_the_strokes_that_people_give_them() {
    let data = synthetic::sample_set(5, 0, 100);
    for (label, indices) in LABELS.iter().zip(data.indices_by_class()) {
        let counts: HashSet<usize> =
            indices.iter().map(|&index| data.drawing(index as usize).strokes().len()).collect();
        let expected = match *label {
            "line" | "spiral" | "zigzag" => 1..=1,
            "circle" => 1..=2,
            "triangle" => 1..=3,
            "square" => 1..=4,
            "star" => 1..=10,
            "envelope" => 2..=8,
            "ladder" => 5..=9,
            "sun" => 7..=13,
            other => panic!("{other} is not described here"),
        };
        assert!(counts.iter().all(|count| expected.contains(count)), "{label}: {counts:?}");
    }
}

use native_train::data::{DataSet, Validation};
use quickdraw_core::Drawing;

use crate::{data_set, drawing};

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn stored_drawings_are_returned_unchanged() {
    let drawings = [
        drawing(&[&[[0.0, 0.0], [255.0, 128.0]], &[[3.0, 4.0]]]),
        drawing(&[&[[7.0, 9.0]]]),
        drawing(&[&[[1.0, 2.0], [3.0, 4.0], [5.0, 255.0]], &[[0.0, 0.0], [9.0, 9.0]]]),
    ];
    let mut data = DataSet::new(labels(&["cat", "dog"])).unwrap();
    data.push(1, &drawings[0], &[]).unwrap();
    data.push(0, &drawings[1], &[(0, 0.75), (1, 0.25)]).unwrap();
    data.push(1, &drawings[2], &[]).unwrap();
    assert_eq!(data.len(), 3);
    for (index, drawing) in drawings.iter().enumerate() {
        assert_eq!(data.drawing(index), *drawing);
        assert_eq!(data.n_points(index), drawing.n_points());
    }
    assert_eq!([data.label(0), data.label(1), data.label(2)], [1, 0, 1]);
    assert_eq!(data.soft(0), []);
    assert_eq!(data.soft(1), [(0, 0.75), (1, 0.25)]);
    assert_eq!(data.soft(2), []);
    assert_eq!(data.class_counts(), [1, 2]);
    assert_eq!(data.indices_by_class(), [vec![1], vec![0, 2]]);
}

#[test]
fn soft_labels_stay_with_their_drawings_in_a_subset() {
    let mut data = DataSet::new(labels(&["cat", "dog"])).unwrap();
    for index in 0..6u16 {
        let soft = [(0, f32::from(index) / 10.0)];
        let soft = if index % 2 == 1 { &soft[..] } else { &[] };
        data.push(0, &drawing(&[&[[f32::from(index), 0.0]]]), soft).unwrap();
    }
    let part = data.subset(&[5, 0, 1, 4]);
    let expected: [&[(u16, f32)]; 4] = [&[(0, 0.5)], &[], &[(0, 0.1)], &[]];
    for (index, expected) in expected.into_iter().enumerate() {
        assert_eq!(part.soft(index), expected);
    }
    assert_eq!(part.drawing(0), data.drawing(5));
    assert_eq!(part.drawing(3), data.drawing(4));
}

#[test]
fn a_drawing_in_another_form_is_simplified_first() {
    let raw = drawing(&[&[[10.0, 10.0], [510.0, 260.0]], &[[10.0, 260.5], [510.0, 260.5]]]);
    let mut data = DataSet::new(labels(&["cat"])).unwrap();
    assert!(data.push(0, &raw, &[]).unwrap());
    assert!(!data.push(0, &raw.simplify(), &[]).unwrap());
    assert_eq!(data.drawing(0), raw.simplify());
    assert_eq!(data.drawing(1), raw.simplify());
}

#[test]
fn classes_and_probabilities_are_checked() {
    let dot = drawing(&[&[[0.0, 0.0]]]);
    let mut data = DataSet::new(labels(&["cat"])).unwrap();
    let message = |result: anyhow::Result<bool>| result.unwrap_err().to_string();
    assert!(message(data.push(1, &dot, &[])).contains("label 1 is no class"));
    assert!(message(data.push(0, &dot, &[(3, 0.5)])).contains("soft label 3 is no class"));
    for wrong in [-0.1, f32::NAN, f32::INFINITY] {
        assert!(message(data.push(0, &dot, &[(0, wrong)])).contains("probability"));
    }
    assert!(data.is_empty(), "a refused drawing leaves nothing behind");
    let twice = DataSet::new(labels(&["cat", "dog", "cat"])).unwrap_err().to_string();
    assert!(twice.contains("\"cat\" is listed twice"), "{twice}");
    let many = (0..65_537).map(|index| index.to_string()).collect();
    assert!(DataSet::new(many).unwrap_err().to_string().contains("at most 65536"));
}

#[test]
fn appending_goes_by_names_and_drops_soft_labels_of_others() {
    let dot = |x: f32| drawing(&[&[[x, 0.0]]]);
    let mut other = DataSet::new(labels(&["dog", "yurt", "cat"])).unwrap();
    other.push(2, &dot(1.0), &[(0, 0.5), (1, 0.25), (2, 0.25)]).unwrap();
    other.push(0, &dot(2.0), &[]).unwrap();
    other.push(0, &dot(3.0), &[(1, 1.0)]).unwrap();
    other.push(0, &dot(4.0), &[]).unwrap();
    let mut data = DataSet::new(labels(&["cat", "dog"])).unwrap();
    assert_eq!(data.append(&other, Some(2)).unwrap(), 2);
    assert_eq!(data.len(), 3, "at most two of each");
    assert_eq!([data.label(0), data.label(1), data.label(2)], [0, 1, 1]);
    assert_eq!(data.soft(0), [(1, 0.5), (0, 0.25)]);
    assert_eq!(data.soft(2), []);
    assert_eq!(data.drawing(2), dot(3.0));

    other.push(1, &dot(5.0), &[]).unwrap();
    assert!(data.append(&other, None).unwrap_err().to_string().contains("\"yurt\""));
}

fn contents(data: &DataSet) -> Vec<(usize, Drawing)> {
    (0..data.len()).map(|index| (data.label(index), data.drawing(index))).collect()
}

#[test]
fn a_fraction_splits_the_same_way_when_the_data_grows() {
    let large = data_set(&[600, 300]);
    let small = large.subset(&(0..large.len()).step_by(3).collect::<Vec<_>>());
    let split = |data: &DataSet, seed| data.split_validation(Validation::Fraction(0.2), seed);
    let (train, validation) = split(&large, 5);
    assert_eq!(train.len() + validation.len(), large.len());
    let share = validation.len() as f64 / large.len() as f64;
    assert!((0.15..0.25).contains(&share), "{share}");

    let (train_large, validation_large) = (contents(&train), contents(&validation));
    let (train_small, validation_small) = split(&small, 5);
    assert!(contents(&train_small).iter().all(|item| train_large.contains(item)));
    assert!(contents(&validation_small).iter().all(|item| validation_large.contains(item)));

    assert_eq!(split(&large, 5).1, validation);
    assert_ne!(split(&large, 6).1, validation, "another seed is another split");
}

#[test]
fn copies_of_a_drawing_stay_on_one_side() {
    let once = data_set(&[50]);
    let twice = once.subset(&(0..100).map(|index| index / 2).collect::<Vec<_>>());
    let (train, validation) = twice.split_validation(Validation::Fraction(0.5), 1);
    let train = contents(&train);
    assert!(!train.is_empty() && !validation.is_empty());
    assert!(contents(&validation).iter().all(|item| !train.contains(item)));
}

#[test]
fn copies_stay_on_one_side_where_numbers_are_counted() {
    // Each drawing three times, one of them in another class, and others once.
    let mut data = DataSet::new(labels(&["cat", "dog"])).unwrap();
    let dot = |number: usize| drawing(&[&[[number as f32, 0.0], [255.0, 255.0]]]);
    for number in 0..60 {
        for label in [0, 0, 1] {
            data.push(label, &dot(number), &[]).unwrap();
        }
    }
    for number in 100..130 {
        data.push(number % 2, &dot(number), &[]).unwrap();
    }
    for validation in [Validation::PerClass(15), Validation::LastPerClass(15)] {
        let (train, validation) = data.split_validation(validation, 1);
        let strokes = |data: &DataSet| -> Vec<Vec<Vec<[f32; 2]>>> {
            (0..data.len()).map(|index| data.drawing(index).strokes().to_vec()).collect()
        };
        let train = strokes(&train);
        assert!(strokes(&validation).iter().all(|drawing| !train.contains(drawing)));
        let [cats, dogs] = [0, 1].map(|class| validation.class_counts()[class]);
        assert!((14..=45).contains(&cats) && (15..=45).contains(&dogs), "{cats} {dogs}");
        assert_eq!(train.len() + validation.len(), data.len());
    }
    // Never more than half of a class: of copies of one drawing none is put aside.
    let same = data.subset(&[0; 9]);
    assert_eq!(same.split_validation(Validation::PerClass(3), 1).1.len(), 0);
}

#[test]
fn a_fingerprint_depends_on_drawings_classes_and_soft_labels() {
    let data = data_set(&[40, 30]);
    assert_eq!(data.fingerprint(), data.subset(&(0..70).collect::<Vec<_>>()).fingerprint());
    assert_eq!(data.fingerprint().len(), 16);
    let mut all = vec![data.fingerprint()];
    // Fewer, in another order, of another class, with soft labels, other points, other strokes.
    all.push(data.subset(&(0..69).collect::<Vec<_>>()).fingerprint());
    all.push(data.subset(&(0..70).rev().collect::<Vec<_>>()).fingerprint());
    let with = |label, soft: &[(u16, f32)], strokes: &[&[[f32; 2]]]| {
        let mut data = data.clone();
        data.push(label, &drawing(strokes), soft).unwrap();
        data.fingerprint()
    };
    let line: &[[f32; 2]] = &[[0.0, 1.0], [2.0, 3.0]];
    all.push(with(0, &[], &[line]));
    all.push(with(1, &[], &[line]));
    all.push(with(0, &[(0, 0.5)], &[line]));
    all.push(with(0, &[(0, 0.25)], &[line]));
    all.push(with(0, &[], &[&[[0.0, 1.0], [2.0, 4.0]]]));
    all.push(with(0, &[], &[&line[..1], &line[1..]]));
    let n = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), n);
}

#[test]
fn a_number_per_class_leaves_at_least_half_to_train_on() {
    let (train, validation) = data_set(&[100, 7, 1]).split_validation(Validation::PerClass(10), 1);
    assert_eq!(validation.class_counts(), [10, 3, 0]);
    assert_eq!(train.class_counts(), [90, 4, 1]);
    assert_eq!(train.labels(), validation.labels());
}

#[test]
fn a_drawing_takes_about_a_hundred_bytes() {
    let mut data = DataSet::new(labels(&["cat"])).unwrap();
    // The size of a usual drawing of Quick, Draw!: five strokes, 45 points.
    let stroke: Vec<[f32; 2]> = (0..9).map(|x| [x as f32, 255.0]).collect();
    let usual = drawing(&[stroke.as_slice(); 5]);
    for _ in 0..100 {
        data.push(0, &usual, &[]).unwrap();
    }
    // 45 points of 2, 5 lengths of 2, two offsets of 8, a label of 2.
    assert_eq!(data.bytes_per_drawing(), 90.0 + 10.0 + 16.0 + 2.0);
}

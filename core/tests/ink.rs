//! Ink against numbers from `reference/ink_reference.py`, and what must hold for every drawing.

use quickdraw_core::{Drawing, Ink, InkFormat, Record};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const FORMATS: [InkFormat; 2] = [InkFormat::Tutorial, InkFormat::Absolute];

fn drawing(strokes: &[&[[f32; 2]]]) -> Drawing {
    Drawing::from_strokes(strokes.iter().map(|points| points.to_vec()).collect()).unwrap()
}

fn mapped(drawing: &Drawing, change: impl Fn([f32; 2]) -> [f32; 2]) -> Drawing {
    let strokes = drawing.strokes().iter().map(|points| points.iter().map(|&point| change(point)).collect());
    Drawing::from_strokes(strokes.collect()).unwrap()
}

/// Up to 6 strokes of up to 30 points with whole coordinates, often equal to the one before.
fn random_drawing(random: &mut ChaCha8Rng) -> Drawing {
    let strokes = (0..random.random_range(1..=6))
        .map(|_| {
            let n_points = random.random_range(1..=30);
            let mut point = [0.0; 2];
            (0..n_points)
                .map(|_| {
                    for coordinate in &mut point {
                        if random.random_bool(0.8) {
                            *coordinate = random.random_range(-500..=500) as f32;
                        }
                    }
                    point
                })
                .collect()
        })
        .collect();
    Drawing::from_strokes(strokes).unwrap()
}

fn assert_near(found: &Ink, expected: &Ink, tolerance: f32) {
    assert_eq!(found.n_rows(), expected.n_rows());
    for (found, expected) in found.rows().iter().zip(expected.rows()) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }
}

#[test]
fn a_worked_example_gives_its_rows() {
    let drawing = drawing(&[&[[0.0, 0.0], [10.0, 20.0]], &[[10.0, 0.0], [5.0, 10.0]]]);
    let ink = Ink::from_drawing(&drawing, InkFormat::Tutorial);
    assert_eq!(ink.n_rows(), 3);
    assert_eq!(ink.format(), InkFormat::Tutorial);
    assert_eq!(ink.rows(), [1.0, 1.0, 1.0, 0.0, -1.0, 0.0, -0.5, 0.5, 1.0]);
}

#[test]
fn ink_has_the_numbers_of_the_reference_script() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("reference/ink_reference.json")).unwrap();
    assert!(cases.len() >= 15);
    for case in &cases {
        let name = &case["name"];
        let line = json!({ "word": "cat", "drawing": case["drawing"] }).to_string();
        let drawing = Record::parse(&line).unwrap().drawing;
        for format in FORMATS {
            let expected: Vec<Vec<f64>> = serde_json::from_value(case[format.to_string()].clone()).unwrap();
            let ink = Ink::from_drawing(&drawing, format);
            assert_eq!(ink.n_rows(), expected.len(), "{name}, {format}");
            assert_eq!(ink.rows().len(), ink.n_rows() * format.n_columns(), "{name}, {format}");
            for (index, (found, expected)) in ink.rows().iter().zip(expected.iter().flatten()).enumerate() {
                // The tutorial's rows are compared bit for bit, because the script rounds as
                // NumPy's float32 does.
                let tolerance = if format == InkFormat::Tutorial { 0.0 } else { 5e-7 };
                let error = (found - *expected as f32).abs();
                assert!(error <= tolerance, "{name}, {format}, number {index}: {found} is not {expected}");
            }
        }
    }
}

#[test]
fn one_point_gives_no_row_or_one() {
    let dot = drawing(&[&[[3.0, 4.0]]]);
    let ink = Ink::from_drawing(&dot, InkFormat::Tutorial);
    assert_eq!((ink.n_rows(), ink.rows()), (0, [].as_slice()));
    let ink = Ink::from_drawing(&dot, InkFormat::Absolute);
    assert_eq!((ink.n_rows(), ink.rows()), (1, [0.0, 0.0, 1.0, 0.0, 0.0].as_slice()));
}

#[test]
fn a_first_stroke_of_one_point_leaves_no_stroke_end_in_the_tutorials_rows() {
    let drawing = drawing(&[&[[0.0, 0.0]], &[[10.0, 0.0], [10.0, 10.0]]]);
    let ends = |format: InkFormat| -> Vec<f32> {
        Ink::from_drawing(&drawing, format).rows().chunks(format.n_columns()).map(|row| row[2]).collect()
    };
    assert_eq!(ends(InkFormat::Tutorial), [0.0, 1.0]);
    assert_eq!(ends(InkFormat::Absolute), [1.0, 0.0, 1.0]);
}

#[test]
fn ink_does_not_depend_on_where_the_drawing_is() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..500 {
        let drawing = random_drawing(&mut random);
        let [right, down] =
            [random.random_range(-100_000..=100_000) as f32, random.random_range(-9..=9) as f32];
        let moved = mapped(&drawing, |[x, y]| [x + right, y + down]);
        for format in FORMATS {
            assert_eq!(Ink::from_drawing(&moved, format), Ink::from_drawing(&drawing, format));
        }
    }
}

#[test]
fn ink_does_not_depend_on_how_large_the_drawing_is() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..500 {
        let drawing = random_drawing(&mut random);
        let factor = random.random_range(0.01..100.0_f32);
        for format in FORMATS {
            let ink = Ink::from_drawing(&drawing, format);
            // A power of two changes no digit.
            let doubled = mapped(&drawing, |point| point.map(|v| v * 1024.0));
            assert_eq!(Ink::from_drawing(&doubled, format), ink);
            let scaled = mapped(&drawing, |point| point.map(|v| v * factor));
            assert_near(&Ink::from_drawing(&scaled, format), &ink, 1e-6);
        }
    }
}

#[test]
fn only_the_absolute_format_keeps_the_aspect_ratio() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..200 {
        let drawing = random_drawing(&mut random);
        let wide = mapped(&drawing, |[x, y]| [x * 8.0, y]);
        let ink = Ink::from_drawing(&drawing, InkFormat::Tutorial);
        assert_eq!(Ink::from_drawing(&wide, InkFormat::Tutorial), ink);
    }
    let line = drawing(&[&[[0.0, 0.0], [4.0, 1.0]]]);
    let ink = Ink::from_drawing(&line, InkFormat::Absolute);
    assert_eq!(ink.rows(), [0.0, 0.0, 0.0, -1.0, -0.25, 2.0, 0.5, 1.0, 1.0, 0.25]);
}

#[test]
fn rows_stroke_ends_and_ranges_are_right_for_every_drawing() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..500 {
        let drawing = random_drawing(&mut random);
        let strokes = drawing.strokes();

        let ink = Ink::from_drawing(&drawing, InkFormat::Tutorial);
        assert_eq!(ink.n_rows(), drawing.n_points() - 1);
        let n_ends = ink.rows().chunks(3).filter(|row| row[2] == 1.0).count();
        assert_eq!(n_ends, strokes.len() - usize::from(strokes[0].len() == 1));
        assert!(ink.rows().iter().all(|number| (-1.0..=1.0).contains(number)));

        let ink = Ink::from_drawing(&drawing, InkFormat::Absolute);
        assert_eq!(ink.n_rows(), drawing.n_points());
        let mut position = None;
        let mut largest = 0.0_f32;
        for row in ink.rows().chunks(5) {
            assert!(row[3].abs() <= 1.0 && row[4].abs() <= 1.0, "{row:?}");
            let [x, y] = position.unwrap_or([row[3], row[4]]);
            assert_eq!([row[0], row[1]], [row[3] - x, row[4] - y]);
            position = Some([row[3], row[4]]);
            largest = largest.max(row[3].abs()).max(row[4].abs());
        }
        let has_extent = strokes.iter().flatten().any(|point| point != &strokes[0][0]);
        assert_eq!(largest, if has_extent { 1.0 } else { 0.0 });
        assert_eq!(ink.rows().chunks(5).filter(|row| row[2] == 1.0).count(), strokes.len());
    }
}

#[test]
fn only_the_last_stroke_end_encodes_that_the_pen_is_down() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..100 {
        let drawing = random_drawing(&mut random);
        for format in FORMATS {
            let up = Ink::from_drawing(&drawing, format);
            let down = Ink::from_drawing(&drawing.clone().with_pen_down(true), format);
            let mut expected = up.rows().to_vec();
            let n_columns = format.n_columns();
            if let Some(last) = expected.chunks_mut(n_columns).last() {
                assert_eq!(std::mem::replace(&mut last[2], 0.0), 1.0);
            }
            assert_eq!(down.rows(), expected);
        }
    }
}

#[test]
fn ink_is_finite_at_the_limits_of_the_coordinates() {
    let tiny = f32::from_bits(1);
    for points in [
        [[-1e7, -1e7], [1e7, 1e7]],
        [[0.0, 0.0], [tiny, 0.0]],
        [[tiny, -tiny], [-tiny, tiny]],
        [[1e7, 0.0], [9_999_999.0, 1e-30]],
        [[f32::MIN_POSITIVE, 0.0], [0.0, -0.0]],
    ] {
        for format in FORMATS {
            let ink = Ink::from_drawing(&drawing(&[&points]), format);
            assert!(ink.rows().iter().all(|number| number.abs() <= 2.0), "{points:?}: {:?}", ink.rows());
        }
    }
}

#[test]
fn formats_have_the_names_of_the_configuration() {
    for (format, name, n_columns) in
        [(InkFormat::Tutorial, "tutorial", 3), (InkFormat::Absolute, "absolute", 5)]
    {
        assert_eq!(format.to_string(), name);
        assert_eq!(serde_json::to_value(format).unwrap(), name);
        assert_eq!(serde_json::from_value::<InkFormat>(json!(name)).unwrap(), format);
        assert_eq!(format.n_columns(), n_columns);
    }
}

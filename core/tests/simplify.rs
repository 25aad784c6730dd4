//! The simplified form against `reference/simplify_reference.py`, on drawings that are in it
//! already, and on strokes that nobody draws.

use std::fs;
use std::path::Path;

use quickdraw_core::{Drawing, Record};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn parse(drawing: &Value) -> Drawing {
    Record::parse(&json!({ "word": "cat", "drawing": drawing }).to_string()).unwrap().drawing
}

fn drawing(strokes: &[&[[f32; 2]]]) -> Drawing {
    Drawing::from_strokes(strokes.iter().map(|points| points.to_vec()).collect()).unwrap()
}

/// Strokes that wander as a hand does, in eighths of a pixel.
fn random_walks(random: &mut ChaCha8Rng, n_strokes: usize, n_points: usize) -> Drawing {
    let strokes = (0..n_strokes)
        .map(|_| {
            let mut point =
                [random.random_range(0..6400) as f32 / 8.0, random.random_range(0..4800) as f32 / 8.0];
            (0..n_points)
                .map(|_| {
                    point = point.map(|v| v + random.random_range(-100..=100) as f32 / 8.0);
                    point
                })
                .collect()
        })
        .collect();
    Drawing::from_strokes(strokes).unwrap()
}

fn mapped(drawing: &Drawing, change: impl Fn([f32; 2]) -> [f32; 2]) -> Drawing {
    let strokes = drawing.strokes().iter().map(|points| points.iter().map(|&point| change(point)).collect());
    Drawing::from_strokes(strokes.collect()).unwrap()
}

fn assert_is_simplified(simplified: &Drawing) {
    for &[x, y] in simplified.strokes().iter().flatten() {
        for v in [x, y] {
            assert!((0.0..=255.0).contains(&v) && v.fract() == 0.0, "({x}, {y})");
        }
    }
    assert!(simplified.strokes().iter().all(|stroke| stroke.len() >= 2));
}

#[test]
fn pen_strokes_become_what_the_reference_script_makes_of_them() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("reference/simplify_reference.json")).unwrap();
    assert!(cases.len() >= 15);
    for case in &cases {
        let simplified = parse(&case["drawing"]).simplify();
        assert_is_simplified(&simplified);
        assert_eq!(simplified, parse(&case["simplified"]), "{}", case["name"]);
    }
}

#[test]
fn a_dot_becomes_two_equal_points_as_in_the_data_set() {
    let two = drawing(&[&[[0.0, 0.0], [0.0, 0.0]]]);
    assert_eq!(drawing(&[&[[640.5, 12.0]]]).simplify(), two);
    assert_eq!(drawing(&[&[[640.5, 12.0]; 5]]).simplify(), two);
    assert_eq!(two.simplify(), two);
}

#[test]
fn repeated_points_change_nothing() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..50 {
        let walks = random_walks(&mut random, 3, 40);
        let strokes =
            walks.strokes().iter().map(|points| points.iter().flat_map(|&point| [point; 3]).collect());
        let repeated = Drawing::from_strokes(strokes.collect()).unwrap();
        assert_eq!(repeated.simplify(), walks.simplify());
    }
}

#[test]
fn position_and_unit_of_the_pen_do_not_matter() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..100 {
        let walks = random_walks(&mut random, 4, 60);
        let simplified = walks.simplify();
        let [right, down] =
            [random.random_range(-9999..=9999) as f32, random.random_range(-9999..=9999) as f32];
        assert_eq!(mapped(&walks, |[x, y]| [x + right, y + down]).simplify(), simplified);
        assert_eq!(mapped(&walks, |point| point.map(|v| v * 64.0)).simplify(), simplified);
        assert_eq!(mapped(&walks, |point| point.map(|v| v / 4096.0)).simplify(), simplified);
    }
}

#[test]
fn simplifying_twice_is_simplifying_once() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut n_changed = 0;
    for _ in 0..300 {
        let once = random_walks(&mut random, 3, 80).simplify();
        n_changed += usize::from(once.simplify() != once);
    }
    // Where the outermost point of a drawing is left out, its larger side shrinks, and the second
    // pass may stretch it again.
    assert!(n_changed <= 3, "{n_changed} of 300 changed");
}

#[test]
fn a_drawing_of_the_data_set_is_returned_unchanged() {
    let cat = Record::parse(include_str!("fixtures/tutorial-cat.ndjson")).unwrap().drawing;
    assert_eq!(cat.simplify(), cat);
}

#[test]
fn dense_strokes_on_a_small_pad_are_simplified_although_their_points_are_integers() {
    let circle: Vec<[f32; 2]> = (0..200)
        .map(|i| {
            let (sin, cos) = (i as f32 / 200.0 * std::f32::consts::TAU).sin_cos();
            [(127.5 + 127.5 * cos).round(), (127.5 + 127.5 * sin).round()]
        })
        .collect();
    let simplified = drawing(&[&circle]).simplify();
    assert!(simplified.n_points() < 25, "{}", simplified.n_points());
}

#[test]
fn real_drawings_stay_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/quickdraw/test");
    if !folder.is_dir() {
        eprintln!("skipped: there are no real drawings in {}", folder.display());
        return;
    }
    let (mut n, mut n_changed) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let drawing = Record::parse(line).unwrap().drawing;
            n += 1;
            n_changed += usize::from(drawing.simplify() != drawing);
        }
    }
    println!("{n_changed} of {n} real drawings changed");
    assert!(n_changed * 200 <= n, "{n_changed} of {n} changed");
}

#[test]
fn a_million_points_are_simplified() {
    let n = 1_000_000;
    // A hand that rests: all the points lie within some pixels.
    let resting: Vec<[f32; 2]> = (0..n).map(|i| [(i % 7) as f32, (i % 5) as f32 / 8.0]).collect();
    // A spiral of ten turns, dense.
    let spiral: Vec<[f32; 2]> = (0..n)
        .map(|i| {
            let part = i as f32 / n as f32;
            let (sin, cos) = (10.0 * part * std::f32::consts::TAU).sin_cos();
            [part * cos, part * sin]
        })
        .collect();
    // Noise, with a length of some hundred million pixels after scaling.
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let noise: Vec<[f32; 2]> = (0..n).map(|_| [random.random(), random.random()]).collect();

    for (name, points, most_points) in
        [("resting", resting, n), ("spiral", spiral, 400), ("noise", noise, (1 << 20) + 2)]
    {
        let simplified = Drawing::from_strokes(vec![points]).unwrap().simplify();
        assert_is_simplified(&simplified);
        assert!(simplified.n_points() <= most_points, "{name}: {}", simplified.n_points());
    }

    let dots = (0..n).map(|i| vec![[(i % 1000) as f32, (i / 1000) as f32]]).collect();
    let simplified = Drawing::from_strokes(dots).unwrap().simplify();
    assert_is_simplified(&simplified);
    assert_eq!(simplified.n_points(), 2 * n);
}

#[test]
fn extreme_coordinates_are_simplified_to_the_same_range() {
    let tiny = f32::from_bits(1);
    for points in [
        vec![[-1e7, -1e7], [1e7, 1e7]],
        vec![[0.0, 0.0], [tiny, 0.0], [0.0, tiny]],
        vec![[1e7, 0.0], [9_999_999.0, 1e-30], [1e7, 1e-30]],
        vec![[-0.0, 0.0], [0.0, -0.0]],
        vec![[0.0, -1e7], [1e-38, 1e7], [-1e-38, 0.0]],
    ] {
        let simplified = Drawing::from_strokes(vec![points]).unwrap().simplify();
        assert_is_simplified(&simplified);
    }
}

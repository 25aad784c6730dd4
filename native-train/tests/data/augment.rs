use native_train::data::Augmentation;
use native_train::data::augment::{Picture, borrow_strokes, interpolate, trace};
use quickdraw_core::Drawing;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::drawing;

/// Six strokes of two to five points.
fn house() -> Drawing {
    drawing(&[
        &[[20.0, 100.0], [20.0, 255.0], [235.0, 255.0], [235.0, 100.0]],
        &[[0.0, 100.0], [128.0, 0.0], [255.0, 100.0]],
        &[[100.0, 255.0], [100.0, 180.0], [150.0, 180.0], [150.0, 255.0]],
        &[[40.0, 120.0], [80.0, 120.0], [80.0, 160.0], [40.0, 160.0], [40.0, 120.0]],
        &[[180.0, 120.0], [220.0, 160.0]],
        &[[220.0, 120.0], [180.0, 160.0]],
    ])
}

fn apply(augmentation: Augmentation, seed: u64) -> Drawing {
    augmentation.apply(&house(), &mut ChaCha8Rng::seed_from_u64(seed))
}

fn sides(drawing: &Drawing) -> [f32; 2] {
    [0, 1].map(|axis| {
        let values = || drawing.strokes().iter().flatten().map(|point| point[axis]);
        assert!(values().fold(f32::INFINITY, f32::min).abs() < 1e-3, "aligned to the top-left corner");
        values().fold(f32::NEG_INFINITY, f32::max)
    })
}

#[test]
fn none_is_the_identity_and_a_seed_is_deterministic() {
    assert_eq!(apply(Augmentation::none(), 1), house());
    assert_eq!(apply(Augmentation::default(), 1), apply(Augmentation::default(), 1));
    assert_ne!(apply(Augmentation::default(), 1), apply(Augmentation::default(), 2));
}

#[test]
fn the_result_fills_the_square_of_a_simplified_drawing() {
    let all = Augmentation { prefix: 0.5, ..Augmentation::default() };
    for seed in 0..500 {
        let result = apply(all, seed);
        let [width, height] = sides(&result);
        assert!((width.max(height) - 255.0).abs() < 1e-3, "seed {seed}: {width} x {height}");
        assert!((1..=6).contains(&result.strokes().len()));
    }
}

#[test]
fn a_point_and_a_tiny_drawing_survive() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for tiny in [drawing(&[&[[0.0, 0.0]]]), drawing(&[&[[0.0, 0.0], [0.0, 0.0]], &[[0.0, 0.0]]])] {
        for augmentation in [Augmentation::default(), Augmentation { jitter: 0.0, ..Augmentation::default() }]
        {
            let result = augmentation.apply(&tiny, &mut rng);
            assert!(result.strokes().iter().flatten().flatten().all(|value| (0.0..=255.0).contains(value)));
        }
    }
}

#[test]
fn each_augmentation_changes_only_its_own_property() {
    let none = Augmentation::none;

    // Point transforms keep strokes, their order and their numbers of points.
    for moved in [
        Augmentation { rotate: 0.15, ..none() },
        Augmentation { scale: 0.12, ..none() },
        Augmentation { shear: 0.12, ..none() },
        Augmentation { elastic: 5.0, ..none() },
        Augmentation { jitter: 1.2, ..none() },
        Augmentation { flip: 1.0, ..none() },
        Augmentation { loosen_strokes: 5.0, ..none() },
    ] {
        let result = apply(moved, 3);
        assert_ne!(result, house(), "{moved:?}");
        let lengths = |drawing: &Drawing| drawing.strokes().iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&result), lengths(&house()), "{moved:?}");
    }

    // Stroke transforms keep points.
    let near = |a: &[[f32; 2]], b: &[[f32; 2]]| {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| (a[0] - b[0]).abs() < 1e-3 && (a[1] - b[1]).abs() < 1e-3)
    };
    let strokes = house().strokes().to_vec();
    let result = apply(Augmentation { reverse_order: 1.0, ..none() }, 3);
    assert!(result.strokes().iter().zip(strokes.iter().rev()).all(|(a, b)| near(a, b)));
    let result = apply(Augmentation { reverse_strokes: 1.0, ..none() }, 3);
    for (found, stroke) in result.strokes().iter().zip(&strokes) {
        let reversed: Vec<[f32; 2]> = stroke.iter().rev().copied().collect();
        assert!(near(found, &reversed));
    }
    let mirrored = apply(Augmentation { flip: 1.0, ..none() }, 3);
    for (found, stroke) in mirrored.strokes().iter().zip(&strokes) {
        let mirror: Vec<[f32; 2]> = stroke.iter().map(|&[x, y]| [255.0 - x, y]).collect();
        assert!(near(found, &mirror));
    }
}

#[test]
fn strokes_are_dropped_only_from_drawings_that_have_more_than_three() {
    let dropping = Augmentation { drop_strokes: 0.12, ..Augmentation::none() };
    let n_strokes: usize = (0..2000).map(|seed| apply(dropping, seed).strokes().len()).sum();
    // Half of the drawings lose 12 % of their strokes.
    let share = n_strokes as f64 / 12_000.0;
    assert!((share - 0.94).abs() < 0.01, "{share}");
    assert!(!apply(Augmentation { drop_strokes: 1.0, ..dropping }, 1).strokes().is_empty());
    let three = Drawing::from_strokes(house().strokes()[..3].to_vec()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let certain = Augmentation { drop_strokes: 1.0, ..dropping };
    assert_eq!(certain.apply(&three, &mut rng).strokes().len(), 3);
}

#[test]
fn loose_strokes_move_apart_and_keep_their_form() {
    let loose = Augmentation { loosen_strokes: 6.0, ..Augmentation::none() };
    // Two equal crosses of equal arms.
    let cross = |x: f32, y: f32| vec![[x - 9.0, y], [x + 9.0, y], [x, y], [x, y - 9.0], [x, y + 9.0]];
    let pair = Drawing::from_strokes(vec![cross(60.0, 128.0), cross(190.0, 128.0)]).unwrap();
    let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut ratios = Vec::new();
    for _ in 0..200 {
        let result = loose.apply(&pair, &mut rng);
        let [a, b] = [&result.strokes()[0], &result.strokes()[1]];
        for stroke in [a, b] {
            let [one, other] = [distance(stroke[0], stroke[1]), distance(stroke[3], stroke[4])];
            assert!((one / other - 1.0).abs() < 1e-3, "a stroke is turned and stretched as a whole");
        }
        ratios.push(distance(a[2], b[2]) / distance(a[0], a[1]));
    }
    // By how far they lie apart each drawing differs; without loosening it is always 130 / 18.
    let spread = ratios.iter().fold(0.0f32, |most, ratio| most.max((ratio - 130.0 / 18.0).abs()));
    assert!(spread > 1.0 && spread < 6.0, "{spread}");
}

#[test]
fn borrowed_strokes_come_from_the_two_drawings_in_their_order() {
    let other = drawing(&[
        &[[0.0, 0.0], [255.0, 100.0]],
        &[[10.0, 3.0], [60.0, 200.0]],
        &[[255.0, 0.0], [0.0, 60.0]],
        &[[30.0, 255.0], [7.0, 20.0]],
    ]);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut n_own, mut n_borrowed) = (0, 0);
    // Directions of first segments tell the strokes apart, also after scaling to the square.
    let direction = |stroke: &[[f32; 2]]| {
        ((stroke[1][1] - stroke[0][1]).atan2(stroke[1][0] - stroke[0][0]) * 1e3).round() as i32
    };
    let places = |drawing: &Drawing| -> Vec<i32> {
        drawing.strokes().iter().map(|stroke| direction(stroke)).collect()
    };
    let (own, theirs) = (places(&house()), places(&other));
    for _ in 0..500 {
        let mixed = borrow_strokes(&house(), &other, &mut rng);
        sides(&mixed);
        let rising = |of: &[i32]| {
            let found: Vec<usize> = places(&mixed)
                .iter()
                .filter_map(|place| of.iter().position(|known| (known - place).abs() <= 2))
                .collect();
            assert!(found.is_sorted(), "{found:?}");
            found.len()
        };
        let (kept, borrowed) = (rising(&own), rising(&theirs));
        assert!(kept >= 1 && kept + borrowed == mixed.strokes().len());
        (n_own, n_borrowed) = (n_own + kept, n_borrowed + borrowed);
    }
    // On average two fifths of the strokes are exchanged.
    assert!((1700..2200).contains(&n_own) && (600..1000).contains(&n_borrowed), "{n_own} {n_borrowed}");
}

#[test]
fn a_re_rendered_drawing_is_simplified_and_keeps_its_position() {
    let redrawn = Augmentation { redraw: 1.0, ..Augmentation::none() };
    let mut n_points = 0;
    for seed in 0..100 {
        let result = apply(redrawn, seed);
        assert!(result.strokes().iter().flatten().flatten().all(|value| value.fract() == 0.0));
        for (stroke, again) in house().strokes().iter().zip(result.strokes()) {
            for (a, b) in [(stroke[0], again[0]), (*stroke.last().unwrap(), *again.last().unwrap())] {
                assert!((a[0] - b[0]).hypot(a[1] - b[1]) < 16.0, "seed {seed}: {a:?} {b:?}");
            }
        }
        n_points += result.n_points();
    }
    // Straight lines stay lines: the shaking adds some points, but the dense events are gone.
    assert!((19 * 100..19 * 300).contains(&n_points), "{n_points}");
    assert_eq!(house().n_points(), 20);
}

#[test]
fn a_traced_drawing_has_the_same_lines() {
    let lines = |drawing: &Drawing| {
        let strokes = drawing.strokes().iter();
        strokes.flat_map(|stroke| stroke.windows(2).map(|ends| [ends[0], ends[1]])).collect::<Vec<_>>()
    };
    let distance = |point: [f32; 2], [from, to]: [[f32; 2]; 2]| {
        let way = [to[0] - from[0], to[1] - from[1]];
        let squared = (way[0] * way[0] + way[1] * way[1]).max(1e-6);
        let along = ((point[0] - from[0]) * way[0] + (point[1] - from[1]) * way[1]) / squared;
        let along = along.clamp(0.0, 1.0);
        (from[0] + along * way[0] - point[0]).hypot(from[1] + along * way[1] - point[1])
    };
    let nearest = |point: [f32; 2], lines: &[[[f32; 2]; 2]]| {
        lines.iter().map(|&line| distance(point, line)).fold(f32::INFINITY, f32::min)
    };
    for picture in ["256:3", "256:10", "64:1.5"] {
        let traced = trace(&house(), picture.parse().unwrap());
        assert!(!traced.is_pen_down());
        for (some, others) in [(house(), &traced), (traced.clone(), &house())] {
            let others = lines(others);
            for point in some.strokes().iter().flatten() {
                let distance = nearest(*point, &others);
                assert!(distance < 16.0, "{picture}: {point:?} is {distance} away from the other's lines");
            }
        }
    }
    let always = Augmentation { trace: 1.0, prefix: 1.0, ..Augmentation::none() };
    let results: Vec<Drawing> = (0..20).map(|seed| apply(always, seed)).collect();
    assert!(results.iter().all(|drawing| !drawing.is_pen_down()));
    assert!(results.iter().any(|drawing| drawing.strokes() != results[0].strokes()));
}

#[test]
fn pictures_are_read_from_their_side_and_pen() {
    assert_eq!("256:10".parse::<Picture>().unwrap(), Picture { side: 256, pen: 10.0 });
    for wrong in ["", "256", "0:1", "256:0", "256:-1", "256:NaN", "256:86", "9999:1", "x:1", "256:10:3"] {
        let message = wrong.parse::<Picture>().unwrap_err().to_string();
        assert!(message.contains("SIDE:PEN"), "{wrong}: {message}");
    }
}

#[test]
fn a_prefix_is_the_beginning() {
    let cut = Augmentation { prefix: 1.0, ..Augmentation::none() };
    let whole = house().n_points();
    let counts: Vec<usize> = (0..200).map(|seed| apply(cut, seed).n_points()).collect();
    assert!(counts.iter().all(|&count| count * 100 >= whole * 15 && count <= whole));
    assert!(
        counts.iter().any(|&count| count * 2 < whole) && counts.iter().any(|&count| count * 10 > whole * 9)
    );
}

#[test]
fn the_pen_is_down_in_half_of_the_prefixes_that_end_within_a_stroke() {
    for redraw in [0.0, 1.0] {
        let cut = Augmentation { prefix: 1.0, redraw, ..Augmentation::none() };
        let line = drawing(&[&[[0.0, 0.0], [40.0, 200.0], [90.0, 10.0], [130.0, 220.0], [255.0, 0.0]]]);
        let n_down = (0..1000)
            .filter(|&seed| cut.apply(&line, &mut ChaCha8Rng::seed_from_u64(seed)).is_pen_down())
            .count();
        // Of 0.15 to 1 times five points, rounded up, all five are left in 0.2 / 0.85 of the cases.
        let expected = 1000.0 * (1.0 - 0.2 / 0.85) / 2.0;
        assert!((n_down as f64 - expected).abs() < 60.0, "{n_down}, {expected}");
    }
    let never = Augmentation { prefix: 0.0, redraw: 0.5, ..Augmentation::default() };
    assert!(!(0..100).any(|seed| apply(never, seed).is_pen_down()));
}

#[test]
fn rotations_have_the_deviation_that_was_asked_for() {
    let turned = Augmentation { rotate: 0.15, ..Augmentation::none() };
    let level = drawing(&[&[[0.0, 0.0], [255.0, 0.0]]]);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let n = 4000;
    let squares: f64 = (0..n)
        .map(|_| {
            let result = turned.apply(&level, &mut rng);
            let [[x0, y0], [x1, y1]] = [result.strokes()[0][0], result.strokes()[0][1]];
            f64::from((y1 - y0).atan2(x1 - x0)).powi(2)
        })
        .sum();
    let deviation = (squares / f64::from(n)).sqrt();
    assert!((deviation - 0.15).abs() < 0.01, "{deviation}");
}

#[test]
fn values_out_of_range_are_named() {
    let default = Augmentation::default;
    for (wrong, name) in [
        (Augmentation { jitter: -1.0, ..default() }, "jitter"),
        (Augmentation { rotate: f32::NAN, ..default() }, "rotate"),
        (Augmentation { flip: 1.5, ..default() }, "flip"),
        (Augmentation { loosen_strokes: -0.5, ..default() }, "loosen_strokes"),
        (Augmentation { borrow_strokes: 1.1, ..default() }, "borrow_strokes"),
        (Augmentation { redraw: -0.1, ..default() }, "redraw"),
        (Augmentation { trace: 2.0, ..default() }, "trace"),
    ] {
        let message = wrong.validate().unwrap_err().to_string();
        assert!(message.contains(&format!("augmentation: {name} is")), "{message}");
    }
    default().validate().unwrap();
}

#[test]
fn a_drawing_between_two_lies_on_the_way_from_each_point_to_its_partner() {
    let from = drawing(&[&[[0.0, 0.0], [255.0, 0.0]], &[[0.0, 255.0], [255.0, 255.0]]]);
    // The same lines, lower and of other points; the second from its other end.
    let to = drawing(&[&[[0.0, 100.0], [50.0, 100.0], [255.0, 100.0]], &[[255.0, 255.0], [0.0, 255.0]]]);
    for (place, expected) in [(0.0, 0.0), (0.25, 25.0), (1.0, 100.0)] {
        let between = interpolate(&from, &to, place).unwrap();
        let [first, second] = between.strokes() else { panic!("two strokes: {between:?}") };
        // It fills the square again.
        let scale = 255.0 / (255.0f32 - expected).max(255.0);
        assert_eq!(first.len(), 129, "points two units apart");
        for (index, (a, b)) in first.iter().zip(second).enumerate() {
            let x = 255.0 * index as f32 / 128.0;
            assert!((a[0] - x).abs() < 1e-2 && a[1].abs() < 1e-2, "{place}: {a:?}");
            assert!(
                (b[0] - x).abs() < 1e-2 && (b[1] - scale * (255.0 - expected)).abs() < 1e-2,
                "{place}: {b:?}"
            );
        }
    }
    assert_eq!(interpolate(&from, &house(), 0.5), None);
    let dot = drawing(&[&[[0.0, 0.0]]]);
    assert_eq!(interpolate(&dot, &drawing(&[&[[0.0, 0.0], [0.0, 0.0]]]), 0.5), Some(dot));
}

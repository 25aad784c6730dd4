//! Images of lines, drawn here pixel by pixel, and the strokes that are found in them.

use quickdraw_core::{Drawing, Error, Image};

const SIDE: usize = 300;

/// An image of lines of this width through these points, black on white.
fn picture(lines: &[&[[f32; 2]]], width: f32) -> Vec<u8> {
    let ink = |x: f32, y: f32| {
        let near = |ends: &[[f32; 2]]| {
            let [[ax, ay], [bx, by]] = [ends[0], ends[ends.len() - 1]];
            let [dx, dy] = [bx - ax, by - ay];
            let squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
            let along = (((x - ax) * dx + (y - ay) * dy) / squared).clamp(0.0, 1.0);
            (x - ax - along * dx).hypot(y - ay - along * dy) <= width / 2.0
        };
        lines.iter().any(|line| line.len() == 1 && near(line) || line.windows(2).any(near))
    };
    let value = |index: usize| if ink((index % SIDE) as f32, (index / SIDE) as f32) { 0 } else { 255 };
    (0..SIDE * SIDE).flat_map(|index| [value(index), value(index), value(index), 255]).collect()
}

fn traced(rgba: &[u8]) -> Vec<Vec<[f32; 2]>> {
    let image = Image::from_rgba(SIDE, SIDE, rgba).unwrap();
    Drawing::from_image(&image).unwrap().strokes().to_vec()
}

fn length(stroke: &[[f32; 2]]) -> f32 {
    stroke.windows(2).map(|ends| (ends[1][0] - ends[0][0]).hypot(ends[1][1] - ends[0][1])).sum()
}

#[test]
fn a_thick_line_becomes_its_centre_line() {
    let strokes = traced(&picture(&[&[[40.0, 60.0], [250.0, 200.0]]], 12.0));
    assert_eq!(strokes.len(), 1);
    // It runs to the right.
    let [first, last] = [strokes[0][0], *strokes[0].last().unwrap()];
    assert!(first[0] < 50.0 && last[0] > 240.0, "{first:?} {last:?}");
    for [x, y] in &strokes[0] {
        let off = ((x - 40.0) * 140.0 - (y - 60.0) * 210.0) / 140.0_f32.hypot(210.0);
        assert!(off.abs() < 1.5, "({x}, {y}) is {off} off");
    }
}

#[test]
fn lines_go_straight_on_through_a_crossing() {
    for [a, b] in [
        [[[50.0, 50.0], [250.0, 250.0]], [[250.0, 50.0], [50.0, 250.0]]],
        [[[150.0, 40.0], [150.0, 260.0]], [[40.0, 150.0], [260.0, 150.0]]],
        [[[40.0, 120.0], [260.0, 180.0]], [[60.0, 200.0], [240.0, 80.0]]],
    ] {
        let strokes = traced(&picture(&[&a, &b], 10.0));
        assert_eq!(strokes.len(), 2, "{a:?} {b:?}");
        let whole = [length(&a), length(&b)].into_iter().fold(f32::INFINITY, f32::min);
        for stroke in &strokes {
            assert!(length(stroke) > 0.9 * whole, "{} of {whole}", length(stroke));
            // No turn: its ends are as far from each other as it is long.
            assert!(length(&[stroke[0], *stroke.last().unwrap()]) > 0.9 * length(stroke));
        }
    }
}

#[test]
fn a_closed_line_is_one_stroke_and_a_dot_is_a_dot() {
    let corners = [[60.0, 60.0], [240.0, 60.0], [240.0, 240.0], [60.0, 240.0], [60.0, 60.0]];
    let strokes = traced(&picture(&[&corners, &[[150.0, 150.0]]], 10.0));
    assert_eq!(strokes.len(), 2);
    // The longest comes first.
    assert!((length(&strokes[0]) - 720.0).abs() < 40.0, "{}", length(&strokes[0]));
    let ends = [strokes[0][0], *strokes[0].last().unwrap()];
    assert!(length(&ends) < 3.0, "{ends:?}");
    assert!(length(&strokes[1]) < 5.0, "{:?}", strokes[1]);
    assert!((strokes[1][0][0] - 150.0).abs() < 3.0 && (strokes[1][0][1] - 150.0).abs() < 3.0);
}

#[test]
fn a_shape_that_the_pen_filled_is_a_closed_line_again() {
    // A small circle and its middle: no paper is left inside, but that is too far inside the ink
    // for a line of this pen.
    let turns = (0..=24).map(|i| (i as f32 * std::f32::consts::TAU / 24.0).sin_cos());
    let circle: Vec<[f32; 2]> = turns.map(|(sin, cos)| [220.0 + 7.0 * cos, 80.0 + 7.0 * sin]).collect();
    let line = [[40.0, 200.0], [260.0, 200.0]];
    let strokes = traced(&picture(&[&circle, &[[220.0, 80.0]], &line], 10.0));
    assert_eq!(strokes.len(), 2);
    assert!(strokes[1].len() > 3 && strokes[1][0] == *strokes[1].last().unwrap(), "{:?}", strokes[1]);
}

#[test]
fn ink_is_what_differs_from_most_of_the_border() {
    let black_on_white = picture(&[&[[40.0, 60.0], [250.0, 200.0]]], 8.0);
    let expected = traced(&black_on_white);
    let recoloured = |color: &dyn Fn(bool) -> [u8; 4]| -> Vec<u8> {
        black_on_white.chunks(4).flat_map(|pixel| color(pixel[0] == 0)).collect()
    };
    for (name, image) in [
        ("white on black", recoloured(&|ink| if ink { [255; 4] } else { [0, 0, 0, 255] })),
        ("grey on grey", recoloured(&|ink| if ink { [90, 90, 90, 255] } else { [140, 140, 140, 255] })),
        ("on nothing", recoloured(&|ink| [0, 0, 0, if ink { 255 } else { 0 }])),
        ("white on nothing", recoloured(&|ink| [255, 255, 255, if ink { 255 } else { 0 }])),
    ] {
        assert_eq!(traced(&image), expected, "{name}");
    }
}

#[test]
fn specks_are_no_strokes() {
    let mut image = picture(&[&[[40.0, 60.0], [250.0, 200.0]]], 8.0);
    let expected = traced(&image);
    for index in (0..200).map(|i| (i * 7919 + 311) % (SIDE * SIDE)) {
        if image[4 * index..4 * index + 3] == [255; 3] && index / SIDE > 230 {
            image[4 * index..4 * index + 3].fill(0);
        }
    }
    assert_ne!(image, picture(&[&[[40.0, 60.0], [250.0, 200.0]]], 8.0));
    assert_eq!(traced(&image), expected);
}

#[test]
fn large_and_small_images_keep_their_coordinates() {
    for side in [40_usize, 2000] {
        let [low, high] = [side / 5, 4 * side / 5];
        let is_ink =
            |x: usize, y: usize| (low..=high).contains(&x) && (y + side / 20).abs_diff(side / 2) <= side / 40;
        let rgba: Vec<u8> = (0..side * side)
            .flat_map(|i| if is_ink(i % side, i / side) { [0, 0, 0, 255] } else { [255; 4] })
            .collect();
        let image = Image::from_rgba(side, side, &rgba).unwrap();
        let drawing = Drawing::from_image(&image).unwrap();
        assert_eq!(drawing.strokes().len(), 1);
        let stroke = &drawing.strokes()[0];
        let tolerance = 0.04 * side as f32;
        assert!((stroke[0][0] - low as f32).abs() < tolerance, "{side}: {:?}", stroke[0]);
        assert!((stroke.last().unwrap()[0] - high as f32).abs() < tolerance, "{side}: {:?}", stroke.last());
        let middle = (side / 2 - side / 20) as f32;
        assert!(stroke.iter().all(|[_, y]| (y - middle).abs() < 0.02 * side as f32), "{side}: {stroke:?}");
    }
}

#[test]
fn tracing_noise_terminates() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let rgba: Vec<u8> = (0..SIDE * SIDE).flat_map(|_| [noise(), noise(), noise(), 255]).collect();
    assert!(!traced(&rgba).is_empty());
}

#[test]
fn paper_alone_and_wrong_sizes_are_refused() {
    let paper = Image::from_rgba(8, 4, &[250; 4 * 32]).unwrap();
    assert_eq!(Drawing::from_image(&paper), Err(Error::EmptyDrawing));
    for (width, height, n, message) in [
        (8, 4, 127, "the image has 127 bytes: expected 4 for each of 8 x 4 pixels"),
        (0, 4, 0, "the image has 0 x 4 pixels: expected 1 to 67108864 in all"),
        (1 << 20, 1 << 20, 4, "the image has 1048576 x 1048576 pixels: expected 1 to 67108864 in all"),
    ] {
        let error = Image::from_rgba(width, height, &vec![0; n]).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

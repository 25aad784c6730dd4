//! How well drawings are recognised that are traced from pictures, beside their own strokes.
//!
//! Run from the repository: `cargo run --release -p quickdraw-core --example trace -- wasm/model FOLDER 256 10 [EACH]`: the model, a folder of
//! ndjson, the side of the pictures and the width of the pen in pixels; only each EACH-th drawing.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use quickdraw_core::{Drawing, Image, QuantizedClassifier, Record};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [model, folder, side, width, rest @ ..] = args.as_slice() else {
        return Err("expected MODEL FOLDER SIDE WIDTH [EACH]".into());
    };
    let (side, width): (usize, f32) = (side.parse()?, width.parse()?);
    let each: usize = rest.first().map_or(Ok(1), |each| each.parse())?;
    let file = |name: &str| fs::read(Path::new(model).join(name));
    let mut classifier =
        QuantizedClassifier::from_bytes(&file("model.json")?, &file("weights.safetensors")?)?;

    let (mut n, mut n_strokes, mut n_traced) = (0, 0, 0);
    let mut n_correct = [0, 0];
    let mut n_correct_of_five = [0, 0];
    let mut seen = 0;
    let mut files: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    for path in files {
        for line in fs::read_to_string(&path)?.lines() {
            seen += 1;
            if seen % each != 0 {
                continue;
            }
            let record = Record::parse(line)?;
            let traced =
                Drawing::from_image(&Image::from_rgba(side, side, &picture(&record.drawing, side, width))?)?;
            n += 1;
            n_strokes += record.drawing.strokes().len();
            n_traced += traced.strokes().len();
            for (index, drawing) in [&record.drawing.simplify(), &traced.simplify()].into_iter().enumerate() {
                let found = classifier.classify(drawing, 5)?;
                n_correct[index] += usize::from(found[0].label == record.word);
                n_correct_of_five[index] += usize::from(found.iter().any(|each| each.label == record.word));
            }
        }
    }
    let percent = |count: usize| 100.0 * count as f64 / n as f64;
    println!("{n} drawings, {side} x {side} pixels, a pen of {width}");
    for (index, name) in ["their strokes", "traced"].into_iter().enumerate() {
        let strokes = [n_strokes, n_traced][index] as f64 / n as f64;
        let [one, five] = [n_correct[index], n_correct_of_five[index]].map(percent);
        println!("{name:14} top-1 {one:.1} %, top-5 {five:.1} %, {strokes:.2} strokes");
    }
    Ok(())
}

/// A drawing in black on white, `[side, side, 4]`, with a margin of the pen's width.
fn picture(drawing: &Drawing, side: usize, width: f32) -> Vec<u8> {
    let points = || drawing.strokes().iter().flatten();
    let bound = |axis: usize| {
        points().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), point| {
            (low.min(point[axis]), high.max(point[axis]))
        })
    };
    let [(left, right), (top, bottom)] = [bound(0), bound(1)];
    let scale = (side as f32 - 3.0 * width) / (right - left).max(bottom - top).max(1.0);
    let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
    let place =
        |point: &[f32; 2]| [0, 1].map(|axis| side as f32 / 2.0 + (point[axis] - middle[axis]) * scale);
    let mut ink = vec![0.0_f32; side * side];
    for stroke in drawing.strokes() {
        for ends in stroke.windows(2).chain((stroke.len() == 1).then_some(&[stroke[0], stroke[0]][..])) {
            draw_line(place(&ends[0]), place(&ends[1]), width / 2.0, side, &mut ink);
        }
    }
    ink.iter()
        .flat_map(|ink| [[(255.0 * (1.0 - ink)).round() as u8; 3].as_slice(), &[255]].concat())
        .collect()
}

fn draw_line(from: [f32; 2], to: [f32; 2], radius: f32, side: usize, ink: &mut [f32]) {
    let reach = radius + 0.5;
    let range = |axis: usize| {
        let [low, high] = [from[axis].min(to[axis]) - reach, from[axis].max(to[axis]) + reach];
        low.max(0.0) as usize..(high.ceil().max(0.0) as usize).min(side)
    };
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    for y in range(1) {
        for x in range(0) {
            let [u, v] = [x as f32 + 0.5 - from[0], y as f32 + 0.5 - from[1]];
            let along = ((u * dx + v * dy) / squared).clamp(0.0, 1.0);
            let distance = (u - along * dx).hypot(v - along * dy);
            let pixel = &mut ink[y * side + x];
            *pixel = pixel.max((reach - distance).clamp(0.0, 1.0));
        }
    }
}

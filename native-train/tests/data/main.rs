//! The data half of training: reading, keeping, splitting, varying and batching drawings.

mod augment;
mod forms;
mod loader;
mod read;
mod set;
mod synthetic;

use native_train::data::DataSet;
use quickdraw_core::Drawing;

/// A drawing in simplified form from points by stroke.
fn drawing(strokes: &[&[[f32; 2]]]) -> Drawing {
    Drawing::from_strokes(strokes.iter().map(|stroke| stroke.to_vec()).collect()).expect("a valid drawing")
}

/// `counts[k]` drawings of class k, every one different, of 2 to 9 points.
fn data_set(counts: &[usize]) -> DataSet {
    let labels = (0..counts.len()).map(|class| format!("class {class}")).collect();
    let mut data = DataSet::new(labels).expect("different labels");
    for (class, &count) in counts.iter().enumerate() {
        for index in 0..count {
            let points: Vec<[f32; 2]> = (0..2 + index % 8)
                .map(|point| [(point * 30) as f32, ((index * 7 + point * class + index / 200) % 256) as f32])
                .collect();
            let mark = [class as f32, (index / 256) as f32];
            data.push(class, &drawing(&[&points, &[mark, [(index % 256) as f32, 255.0]]]), &[])
                .expect("a drawing of a known class");
        }
    }
    data
}

//! RGBA in, a binary mask of the ink out.

/// Larger images are reduced to this many pixels along their larger side, by whole factors.
const LARGEST_SIDE: usize = 512;

/// Smaller images are enlarged to this many: the greys of a line's border hold sub-pixel detail.
const SMALLEST_SIDE: usize = 256;

/// If paper and ink differ by less than this, of 255, there is no ink.
const MIN_CONTRAST: f32 = 24.0;

/// A number for each pixel, row by row.
#[derive(Debug, Clone)]
pub(super) struct Luminance {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// The luminance of an image, 0 to 255, and how many of its pixels are one of the result's.
pub(super) fn luminance(width: usize, height: usize, rgba: &[u8]) -> (Luminance, f32) {
    let (pixels, _) = rgba.as_chunks::<4>();
    // On white, unless what is drawn is as light as that: then what counts is where something is
    // drawn at all.
    let on_white = |&[r, g, b, a]: &[u8; 4]| {
        let grey = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
        255.0 + (grey - 255.0) * f32::from(a) / 255.0
    };
    let alpha = |pixel: &[u8; 4]| 255.0 - f32::from(pixel[3]);
    let has_contrast = |value: &dyn Fn(&[u8; 4]) -> f32| {
        let (low, high) = range(pixels.iter().map(value));
        high - low >= MIN_CONTRAST
    };
    let side = width.max(height);
    let values: Vec<f32> = if has_contrast(&on_white) || !has_contrast(&alpha) {
        pixels.iter().map(on_white).collect()
    } else {
        pixels.iter().map(alpha).collect()
    };
    let original = Luminance { width, height, values };
    if side > LARGEST_SIDE {
        let factor = side.div_ceil(LARGEST_SIDE);
        (original.reduced(factor), factor as f32)
    } else if side < SMALLEST_SIDE {
        let factor = SMALLEST_SIDE.div_ceil(side).min(16);
        (original.enlarged(factor), 1.0 / factor as f32)
    } else {
        (original, 1.0)
    }
}

fn range(values: impl Iterator<Item = f32>) -> (f32, f32) {
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

impl Luminance {
    /// Means of squares of pixels; those at the right and lower border may be smaller.
    fn reduced(&self, factor: usize) -> Self {
        let [width, height] = [self.width, self.height].map(|side| side.div_ceil(factor));
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let rows = row * factor..((row + 1) * factor).min(self.height);
                let columns = column * factor..((column + 1) * factor).min(self.width);
                let n = rows.len() * columns.len();
                let sum: f32 =
                    rows.map(|y| self.values[y * self.width..][columns.clone()].iter().sum::<f32>()).sum();
                values.push(sum / n as f32);
            }
        }
        Self { width, height, values }
    }

    /// Bilinear between the centres of pixels.
    fn enlarged(&self, factor: usize) -> Self {
        let [width, height] = [self.width, self.height].map(|side| side * factor);
        let between = |index: usize, side: usize| {
            let at = ((index as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, (side - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(side - 1), at - low as f32)
        };
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            let (top, bottom, v) = between(row, self.height);
            for column in 0..width {
                let (left, right, u) = between(column, self.width);
                let [upper, lower] = [top, bottom].map(|y| {
                    let line = &self.values[y * self.width..];
                    line[left] + (line[right] - line[left]) * u
                });
                values.push(upper + (lower - upper) * v);
            }
        }
        Self { width, height, values }
    }

    /// The luminance that best divides the pixels into two classes (N. Otsu, "A threshold selection
    /// method from gray-level histograms", 1979): that with the largest variance between their
    /// means.
    fn otsu_threshold(&self) -> f32 {
        let mut histogram = [0_u32; 256];
        for &value in &self.values {
            histogram[value.clamp(0.0, 255.0) as usize] += 1;
        }
        let total = self.values.len() as f64;
        let sum: f64 = histogram.iter().enumerate().map(|(value, &n)| value as f64 * f64::from(n)).sum();
        let (mut n_below, mut sum_below) = (0.0, 0.0);
        let mut best = (0.0, 0.0, 0.0);
        for (value, &n) in histogram.iter().enumerate() {
            n_below += f64::from(n);
            sum_below += value as f64 * f64::from(n);
            let n_above = total - n_below;
            if n_below == 0.0 || n_above == 0.0 {
                continue;
            }
            let difference = sum_below / n_below - (sum - sum_below) / n_above;
            let variance = n_below * n_above * difference * difference;
            let threshold = value as f64 + 1.0;
            if variance > best.0 * (1.0 + 1e-9) {
                best = (variance, threshold, threshold);
            } else if variance >= best.0 * (1.0 - 1e-9) {
                // As good, as between two values that are all there are: the middle of these.
                best.2 = threshold;
            }
        }
        ((best.1 + best.2) / 2.0) as f32
    }
}

/// A binary mask, padded with one unset pixel on each side.
pub(super) struct Mask {
    /// Pixels to a row, the border included.
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) set: Vec<bool>,
}

impl Mask {
    /// Where the ink is: what differs from most of the image's border.
    pub(super) fn of_ink(image: &Luminance) -> Self {
        let &Luminance { width, height, ref values } = image;
        let mut mask = Self::empty(width, height);
        let (low, high) = range(values.iter().copied());
        if high - low < MIN_CONTRAST {
            return mask;
        }
        let threshold = image.otsu_threshold();
        let is_dark = |index: usize| values[index] < threshold;
        let border = (0..width)
            .flat_map(|x| [x, (height - 1) * width + x])
            .chain((0..height).flat_map(|y| [y * width, y * width + width - 1]));
        let n_border = 2 * (width + height);
        let n_dark_border = border.filter(|&index| is_dark(index)).count();
        let n_dark = (0..values.len()).filter(|&index| is_dark(index)).count();
        // A drawing may touch the border, but there is less of it than of the paper.
        let is_dark_paper = match 4 * n_dark_border {
            n if n < n_border => false,
            n if n > 3 * n_border => true,
            _ => 2 * n_dark > values.len(),
        };
        for y in 0..height {
            for x in 0..width {
                mask.set[(y + 1) * mask.stride + x + 1] = is_dark(y * width + x) != is_dark_paper;
            }
        }
        mask.without_specks()
    }

    pub(super) fn empty(width: usize, height: usize) -> Self {
        let (stride, rows) = (width + 2, height + 2);
        Self { stride, rows, set: vec![false; stride * rows] }
    }

    /// The place of a pixel without the border.
    pub(super) fn point(&self, index: usize) -> [f32; 2] {
        [(index % self.stride) as f32 - 1.0, (index / self.stride) as f32 - 1.0]
    }

    /// The eight neighbours of a pixel, clockwise from the right one; y points down.
    pub(super) fn neighbours(&self, index: usize) -> [usize; 8] {
        let s = self.stride;
        [
            index + 1,
            index + s + 1,
            index + s,
            index + s - 1,
            index - 1,
            index - s - 1,
            index - s,
            index - s + 1,
        ]
    }

    /// The connected components, each a list of its pixels.
    fn components(&self) -> Vec<Vec<usize>> {
        let mut is_open = self.set.clone();
        let mut components = Vec::new();
        for start in 0..is_open.len() {
            if !is_open[start] {
                continue;
            }
            is_open[start] = false;
            let mut component = vec![start];
            let mut next = 0;
            while next < component.len() {
                for neighbour in self.neighbours(component[next]) {
                    if is_open[neighbour] {
                        is_open[neighbour] = false;
                        component.push(neighbour);
                    }
                }
                next += 1;
            }
            components.push(component);
        }
        components
    }

    /// Without the components that are far smaller than a dot of the pen: grain of the paper, noise
    /// of the camera.
    fn without_specks(mut self) -> Self {
        let distances = self.distances_to_paper();
        let components = self.components();
        // The pen's radius, as the thickest place of the larger half of the ink's pixels has it.
        let mut radii: Vec<(f32, usize)> = components
            .iter()
            .map(|component| (component.iter().map(|&i| distances[i]).fold(0.0, f32::max), component.len()))
            .collect();
        radii.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = radii.iter().map(|&(_, n)| n).sum::<usize>() / 2;
        let mut seen = 0;
        let radius = radii.iter().find(|&&(_, n)| {
            seen += n;
            seen > half
        });
        let Some(&(radius, _)) = radius else { return self };
        for component in components {
            if (component.len() as f32) < SPECK * radius * radius {
                for index in component {
                    self.set[index] = false;
                }
            }
        }
        self
    }

    /// Distance transform: for each pixel of the ink the distance to the nearest paper, in pixels;
    /// 0 for paper. Diagonal steps count 4 thirds (G. Borgefors, "Distance transformations in
    /// digital images", 1986).
    pub(super) fn distances_to_paper(&self) -> Vec<f32> {
        let far = u32::MAX / 2;
        let mut thirds: Vec<u32> = self.set.iter().map(|&set| if set { far } else { 0 }).collect();
        let indices = self.stride + 1..self.set.len() - self.stride - 1;
        let s = self.stride;
        for i in indices.clone().filter(|&i| self.set[i]) {
            let near = thirds[i - 1].min(thirds[i - s]) + 3;
            thirds[i] = near.min(thirds[i - s - 1].min(thirds[i - s + 1]) + 4);
        }
        for i in indices.rev().filter(|&i| self.set[i]) {
            let near = thirds[i + 1].min(thirds[i + s]) + 3;
            thirds[i] = thirds[i].min(near).min(thirds[i + s + 1].min(thirds[i + s - 1]) + 4);
        }
        // From the centre of a pixel to the border of the ink.
        thirds.iter().map(|&n| if n == 0 { 0.0 } else { n as f32 / 3.0 - 0.5 }).collect()
    }

    /// Makes paper of what is far inside the ink: a shape so small that the pen filled it is closed
    /// again, and lines that cross at a small angle are two.
    pub(super) fn open_blots(&mut self, skeleton: &Mask) {
        let distances = self.distances_to_paper();
        let mut radii: Vec<f32> =
            distances.iter().zip(&skeleton.set).filter(|&(_, &set)| set).map(|(&r, _)| r).collect();
        if radii.is_empty() {
            return;
        }
        let middle = radii.len() / 2;
        let (_, &mut radius, _) = radii.select_nth_unstable_by(middle, f32::total_cmp);
        for (set, distance) in self.set.iter_mut().zip(distances) {
            *set &= distance < BLOT * radius;
        }
    }

    /// The centres of the components of which nothing is left in the skeleton.
    pub(super) fn dots_without(&self, skeleton: &Mask) -> Vec<Vec<[f32; 2]>> {
        let lost = self.components().into_iter().filter(|part| !part.iter().any(|&i| skeleton.set[i]));
        lost.map(|part| {
            let n = part.len() as f32;
            let sum =
                part.iter().map(|&i| self.point(i)).fold([0.0; 2], |sum, [x, y]| [sum[0] + x, sum[1] + y]);
            vec![sum.map(|value| value / n)]
        })
        .collect()
    }
}

/// Pixels of the smallest dot, in squares of the pen's radius; a round dot has pi.
const SPECK: f32 = 0.5;

/// What is further than this many radii of the pen inside the ink is paper that the pen covered
/// from two sides.
const BLOT: f32 = 1.9;

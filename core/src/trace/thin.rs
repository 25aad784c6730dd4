//! A mask in, its skeleton out: lines of one pixel.

use super::pixels::Mask;

/// Thins by removing border pixels, alternately at the lower right and at the upper left (Z. Guo
/// and R. Hall, "Parallel thinning with two-subiteration algorithms", 1989), and at last the
/// corners of steps, so that a pixel within a line has exactly two neighbours.
pub(super) fn thinned(mask: &Mask) -> Mask {
    let mut skeleton = Mask { stride: mask.stride, rows: mask.rows, set: mask.set.clone() };
    let mut open: Vec<usize> = (0..skeleton.set.len()).filter(|&index| skeleton.set[index]).collect();
    let mut gone = Vec::new();
    let mut n_idle = 0;
    let mut is_odd = false;
    while n_idle < 2 {
        gone.clear();
        gone.extend(open.iter().copied().filter(|&index| is_removable(ring(&skeleton, index), is_odd)));
        for &index in &gone {
            skeleton.set[index] = false;
        }
        open.retain(|&index| skeleton.set[index]);
        n_idle = if gone.is_empty() { n_idle + 1 } else { 0 };
        is_odd = !is_odd;
    }
    for index in open {
        let ring = ring(&skeleton, index);
        let n_neighbours = ring.iter().filter(|&&set| set).count();
        if n_neighbours > 1 && n_branches(ring) == 1 {
            skeleton.set[index] = false;
        }
    }
    skeleton
}

/// Whether the neighbours of a pixel are set, clockwise from the right one.
fn ring(mask: &Mask, index: usize) -> [bool; 8] {
    mask.neighbours(index).map(|neighbour| mask.set[neighbour])
}

/// The number of components into which the neighbours of a pixel fall when it is removed: Yokoi's
/// crossing number for eight neighbours.
fn n_branches(ring: [bool; 8]) -> usize {
    [0, 2, 4, 6].into_iter().filter(|&k| !ring[k] && (ring[k + 1] || ring[(k + 2) % 8])).count()
}

fn is_removable(ring: [bool; 8], is_odd: bool) -> bool {
    let [right, lower_right, below, lower_left, left, upper_left, above, upper_right] = ring;
    if n_branches(ring) != 1 {
        return false;
    }
    let pairs = |pairs: [(bool, bool); 4]| pairs.into_iter().filter(|&(one, other)| one || other).count();
    let n_one = pairs([(upper_left, above), (upper_right, right), (lower_right, below), (lower_left, left)]);
    let n_other =
        pairs([(above, upper_right), (right, lower_right), (below, lower_left), (left, upper_left)]);
    // Ends of lines have 1, the inside of an area has 4.
    if !(2..=3).contains(&n_one.min(n_other)) {
        return false;
    }
    if is_odd {
        !((below || lower_left || !upper_left) && left)
    } else {
        !((above || upper_right || !lower_right) && right)
    }
}

//! A skeleton in, strokes out: its lines become edges of a graph, spurs are pruned, and edges are
//! joined through crossings.

use super::pixels::Mask;

type Point = [f32; 2];

/// A line with a free end is a spur, an artefact of thinning, if it is shorter than this many radii
/// of the ink where it begins.
const SPUR: f32 = 1.5;

/// Two places where lines meet are one crossing if the line between them is shorter than this many
/// radii of the ink.
const CROSSING: f32 = 2.0;

/// The direction of a line at a crossing is taken between these distances of it, in radii of the
/// ink there.
const DIRECTION: [f32; 2] = [1.0, 4.0];

/// A line continues in another one if the cosine of the angle between them is larger than this.
const MIN_COSINE: f32 = 0.2;

/// Where more lines meet than this, none are joined: it is no drawing.
const MAX_ENDS: usize = 32;

/// A line between two nodes.
struct Edge {
    nodes: [usize; 2],
    /// From one node to the other, without these.
    points: Vec<Point>,
    length: f32,
}

/// A place where a line ends or lines meet.
struct Node {
    point: Point,
    /// Half of the width of the ink.
    radius: f32,
    /// Removed: it was the end of a spur, or was merged into another node.
    is_merged: bool,
}

/// One end of an edge: the edge, and which of its two nodes.
type End = (usize, usize);

/// The lines of a skeleton.
pub(super) struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// Closed lines that meet no other.
    loops: Vec<Vec<Point>>,
}

impl Graph {
    /// Finds the places where lines end or meet, and the lines between them. `radius` is that of
    /// the ink, for each pixel.
    pub(super) fn of(skeleton: &Mask, radius: &[f32]) -> Self {
        const NONE: usize = usize::MAX;
        let pixels: Vec<usize> = (0..skeleton.set.len()).filter(|&index| skeleton.set[index]).collect();
        let around =
            |index: usize| skeleton.neighbours(index).into_iter().filter(|&other| skeleton.set[other]);
        let is_inside_line = |index: usize| around(index).count() == 2;

        // Pixels with other than two neighbours are nodes; those that touch are one.
        let mut nodes = Vec::new();
        let mut node_of = vec![NONE; skeleton.set.len()];
        for &start in &pixels {
            if node_of[start] != NONE || is_inside_line(start) {
                continue;
            }
            node_of[start] = nodes.len();
            let mut members = vec![start];
            let mut next = 0;
            while next < members.len() {
                for other in around(members[next]).filter(|&other| !is_inside_line(other)) {
                    if node_of[other] == NONE {
                        node_of[other] = nodes.len();
                        members.push(other);
                    }
                }
                next += 1;
            }
            nodes.push(Node {
                is_merged: false,
                point: mean(members.iter().map(|&index| skeleton.point(index))),
                radius: members.iter().map(|&index| radius[index]).fold(0.0, f32::max),
            });
        }

        // A pixel within a line has one neighbour besides the one that it is reached from.
        let mut is_used = vec![false; skeleton.set.len()];
        let mut follow = |before: usize, start: usize| {
            if is_used[start] {
                return None;
            }
            let (mut before, mut at) = (before, start);
            let mut points = Vec::new();
            loop {
                is_used[at] = true;
                points.push(skeleton.point(at));
                let next = around(at).find(|&other| other != before).filter(|&next| next != start);
                match next {
                    Some(next) if node_of[next] == NONE => (before, at) = (at, next),
                    end => return Some((points, end.map(|next| node_of[next]))),
                }
            }
        };
        let mut edges = Vec::new();
        for &index in pixels.iter().filter(|&&index| node_of[index] != NONE) {
            for start in around(index).filter(|&other| node_of[other] == NONE) {
                if let Some((points, Some(other))) = follow(index, start) {
                    edges.push(Edge::new([node_of[index], other], points, &nodes));
                }
            }
        }
        let mut loops = Vec::new();
        for &index in pixels.iter().filter(|&&index| node_of[index] == NONE) {
            let found = around(index).next().and_then(|before| follow(before, index));
            if let Some((mut points, _)) = found {
                points.push(points[0]);
                loops.push(points);
            }
        }
        Self { nodes, edges, loops }
    }

    /// The lines as people draw them.
    pub(super) fn into_strokes(mut self) -> Vec<Vec<Point>> {
        self.remove_spurs();
        self.merge_crossings();
        let partners = self.partners();
        let mut strokes = self.loops.clone();
        let degrees = self.degrees();
        let lone = self.nodes.iter().zip(&degrees).filter(|&(node, &degree)| degree == 0 && !node.is_merged);
        strokes.extend(lone.map(|(node, _)| vec![node.point]));
        let mut is_used = vec![false; self.edges.len()];
        // Lines with an end first, then those that are closed.
        for with_end in [true, false] {
            for edge in 0..self.edges.len() {
                for side in [0, 1] {
                    if !is_used[edge] && (!with_end || partners[edge][side].is_none()) {
                        strokes.push(self.line((edge, side), &partners, &mut is_used));
                    }
                }
            }
        }
        strokes
    }

    /// The points of a line from one end of an edge on, through all nodes where it continues.
    fn line(&self, start: End, partners: &[[Option<End>; 2]], is_used: &mut [bool]) -> Vec<Point> {
        let (mut edge, mut side) = start;
        let mut points = vec![self.nodes[self.edges[edge].nodes[side]].point];
        loop {
            is_used[edge] = true;
            let Edge { nodes, points: inner, .. } = &self.edges[edge];
            if side == 0 {
                points.extend(inner);
            } else {
                points.extend(inner.iter().rev());
            }
            points.push(self.nodes[nodes[1 - side]].point);
            match partners[edge][1 - side] {
                Some(next) if !is_used[next.0] => (edge, side) = next,
                _ => return points,
            }
        }
    }

    fn degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.nodes.len()];
        for node in self.edges.iter().flat_map(|edge| edge.nodes) {
            degrees[node] += 1;
        }
        degrees
    }

    /// Removes short lines with a free end, the shortest first.
    fn remove_spurs(&mut self) {
        let mut degrees = self.degrees();
        let mut order: Vec<usize> = (0..self.edges.len()).collect();
        order.sort_by(|&a, &b| self.edges[a].length.total_cmp(&self.edges[b].length));
        let mut is_spur = vec![false; self.edges.len()];
        for index in order {
            let Edge { nodes: [one, other], length, .. } = self.edges[index];
            for (end, meeting) in [(one, other), (other, one)] {
                if degrees[end] == 1 && degrees[meeting] > 2 && length < SPUR * self.nodes[meeting].radius {
                    is_spur[index] = true;
                    degrees[meeting] -= 1;
                    degrees[end] = 0;
                    self.nodes[end].is_merged = true;
                    break;
                }
            }
        }
        let mut is_spur = is_spur.into_iter();
        self.edges.retain(|_| !is_spur.next().unwrap_or(false));
    }

    /// Merges nodes into which thinning has split a crossing of thick lines.
    fn merge_crossings(&mut self) {
        let degrees = self.degrees();
        let mut merged: Vec<usize> = (0..self.nodes.len()).collect();
        for Edge { nodes: [one, other], length, .. } in &self.edges {
            let [a, b] = [&self.nodes[*one], &self.nodes[*other]];
            if one != other
                && degrees[*one] > 2
                && degrees[*other] > 2
                && *length < CROSSING * a.radius.max(b.radius)
            {
                let [one, other] = [root(&mut merged, *one), root(&mut merged, *other)];
                merged[one.max(other)] = one.min(other);
            }
        }
        let mut sums = vec![(0.0, [0.0; 2], 0.0_f32); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let (n, [x, y], radius) = &mut sums[root(&mut merged, index)];
            *n += 1.0;
            *x += node.point[0];
            *y += node.point[1];
            *radius = radius.max(node.radius);
        }
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let (n, sum, radius) = sums[index];
            if n > 0.0 {
                *node = Node { point: sum.map(|value| value / n), radius, is_merged: node.is_merged };
            } else {
                node.is_merged = true;
            }
        }
        for edge in &mut self.edges {
            edge.nodes = edge.nodes.map(|node| root(&mut merged, node));
        }
        // What is left of the lines within a crossing.
        let nodes = &self.nodes;
        self.edges.retain(|edge| {
            let [one, other] = edge.nodes;
            one != other || edge.length >= 2.0 * CROSSING * nodes[one].radius
        });
    }

    /// For both ends of each edge the end of the edge in which the line continues, if it does.
    fn partners(&self) -> Vec<[Option<End>; 2]> {
        let mut ends_of: Vec<Vec<End>> = vec![Vec::new(); self.nodes.len()];
        for (index, edge) in self.edges.iter().enumerate() {
            for side in [0, 1] {
                ends_of[edge.nodes[side]].push((index, side));
            }
        }
        let mut partners = vec![[None; 2]; self.edges.len()];
        let mut turns = Vec::new();
        for ends in ends_of.iter().filter(|ends| ends.len() <= MAX_ENDS) {
            turns.clear();
            let directions: Vec<Point> = ends.iter().map(|&end| self.direction(end)).collect();
            for (i, a) in directions.iter().enumerate() {
                for (j, b) in directions.iter().enumerate().skip(i + 1) {
                    let cosine = -(a[0] * b[0] + a[1] * b[1]);
                    if ends.len() == 2 || cosine > MIN_COSINE {
                        turns.push((cosine, i, j));
                    }
                }
            }
            turns.sort_by(|a, b| b.0.total_cmp(&a.0));
            for &(_, i, j) in &turns {
                let [(a, side_a), (b, side_b)] = [ends[i], ends[j]];
                if partners[a][side_a].is_none() && partners[b][side_b].is_none() {
                    partners[a][side_a] = Some((b, side_b));
                    partners[b][side_b] = Some((a, side_a));
                }
            }
        }
        partners
    }

    /// The direction in which an edge leaves a node, of length 1.
    fn direction(&self, (edge, side): End) -> Point {
        let Edge { nodes, points, .. } = &self.edges[edge];
        let node = &self.nodes[nodes[side]];
        let end = self.nodes[nodes[1 - side]].point;
        let reaches = |factor: f32| {
            let is_far = |&&point: &&Point| distance(node.point, point) >= factor * node.radius;
            let found = if side == 0 { points.iter().find(is_far) } else { points.iter().rev().find(is_far) };
            found.copied().unwrap_or(end)
        };
        let [from, to] = DIRECTION.map(reaches);
        let (from, length) = match distance(from, to) {
            0.0 => (node.point, distance(node.point, to)),
            length => (from, length),
        };
        if length == 0.0 { [0.0; 2] } else { [(to[0] - from[0]) / length, (to[1] - from[1]) / length] }
    }
}

impl Edge {
    fn new(ends: [usize; 2], points: Vec<Point>, nodes: &[Node]) -> Self {
        let [begin, end] = ends.map(|node| nodes[node].point);
        let mut length = 0.0;
        let mut before = begin;
        for &point in points.iter().chain([&end]) {
            length += distance(before, point);
            before = point;
        }
        Self { nodes: ends, points, length }
    }
}

/// The node that another one was merged into.
fn root(merged: &mut [usize], mut node: usize) -> usize {
    while merged[node] != node {
        merged[node] = merged[merged[node]];
        node = merged[node];
    }
    node
}

fn distance(a: Point, b: Point) -> f32 {
    let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    (dx * dx + dy * dy).sqrt()
}

fn mean(points: impl ExactSizeIterator<Item = Point>) -> Point {
    let n = points.len() as f32;
    points.fold([0.0; 2], |sum, [x, y]| [sum[0] + x / n, sum[1] + y / n])
}

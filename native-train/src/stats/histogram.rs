//! Histograms of integers with a bounded number of buckets.

use serde::Serialize;

/// A histogram of integers: exact below 64, above that in buckets of a thirty-second of an octave.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    n: u64,
    sum: u128,
    most: u64,
}

impl Histogram {
    pub(super) const EXACT: u64 = 64;
    pub(super) const PER_OCTAVE: u64 = 32;

    pub(super) fn add(&mut self, value: u64) {
        let bucket = match value {
            0..Self::EXACT => value,
            // 2^exponent <= value, and the five bits after the first.
            _ => {
                let exponent = u64::from(value.ilog2());
                Self::EXACT + (exponent - 6) * Self::PER_OCTAVE + ((value >> (exponent - 5)) & 31)
            }
        } as usize;
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.n += 1;
        self.sum += u128::from(value);
        self.most = self.most.max(value);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (own, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += others;
        }
        self.n += other.n;
        self.sum += other.sum;
        self.most = self.most.max(other.most);
    }

    /// Where a bucket begins, and how many numbers it is for.
    pub(super) fn bounds(bucket: usize) -> (u64, u64) {
        let bucket = bucket as u64;
        if bucket < Self::EXACT {
            return (bucket, 1);
        }
        let (octave, part) =
            ((bucket - Self::EXACT) / Self::PER_OCTAVE, (bucket - Self::EXACT) % Self::PER_OCTAVE);
        ((Self::PER_OCTAVE + part) << (octave + 1), 1 << (octave + 1))
    }

    /// A quantile, to 3 %.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = (share * self.n as f64).ceil().max(1.0) as u64;
        let mut n = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            n += count;
            if n >= rank {
                let (begin, width) = Self::bounds(bucket);
                return (begin + (width - 1) / 2).min(self.most);
            }
        }
        self.most
    }

    /// The exact mean.
    pub fn mean(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.sum as f64 / self.n as f64 }
    }

    /// Counts in bars of equal width from 0 up to `end`; a bucket wider than a bar is spread over
    /// those it covers.
    pub(crate) fn bars(&self, end: u64, n_bars: usize) -> Vec<f64> {
        let mut bars = vec![0.0; n_bars];
        let width = end as f64 / n_bars as f64;
        for (bucket, &count) in self.buckets.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let (begin, length) = Self::bounds(bucket);
            let (begin, finish) = (begin as f64, (begin + length) as f64);
            let first = (begin / width) as usize;
            for (bar, height) in bars.iter_mut().enumerate().skip(first) {
                let overlap = finish.min((bar + 1) as f64 * width) - begin.max(bar as f64 * width);
                if overlap <= 0.0 {
                    break;
                }
                *height += count as f64 * overlap / length as f64;
            }
        }
        bars
    }

    pub(super) fn figures(&self) -> Sizes {
        let [p5, median, p95] = [0.05, 0.5, 0.95].map(|share| self.quantile(share));
        Sizes { mean: self.mean(), p5, median, p95, max: self.most }
    }
}

/// A histogram in five numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Sizes {
    /// Exact mean.
    pub mean: f64,
    /// 5th percentile, to 3 %, as the next two.
    pub p5: u64,
    /// Median.
    pub median: u64,
    /// 95th percentile.
    pub p95: u64,
    /// Exact maximum.
    pub max: u64,
}

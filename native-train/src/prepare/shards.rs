//! Buckets -> shards: each bucket is sorted in memory and appended to its shards.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use quickdraw_core::Drawing;
use rayon::prelude::*;
use ring::digest::{Context as Digest, SHA256, digest};

use super::bucket::{Entry, MAX_BUCKET_BYTES, bucket_of, read_part};
use super::gather::Gathered;
use super::manifest::OutputFile;
use super::options::{Format, Options};
use super::part::unpack;
use super::summary::ClassCount;
use crate::data::format::{example, tfrecord};
use crate::data::write;
use crate::fs::write_synced;
use crate::hash::hex;

/// The most groups of consecutive shards that are written in parallel. A bucket on the border of
/// two groups is read twice, so there are few.
const MAX_GROUPS: usize = 64;

/// Writes the shards and the lists of classes, and puts the classes of the summary into their final
/// order.
pub(super) fn write_shards(
    folder: &Path,
    gathered: &mut Gathered,
    options: &Options,
) -> Result<Vec<OutputFile>> {
    let (class_of, classes) = sorted_classes(gathered, options);
    gathered.summary.classes = classes;
    let soft_labels = SoftLabels::new(&gathered.summary.classes);
    let n_shards = options.output_shards;
    let n_groups = n_shards.min(MAX_GROUPS);
    let groups: Vec<Vec<Vec<OutputFile>>> = (0..n_groups)
        .into_par_iter()
        .map(|group| {
            let shards = group * n_shards / n_groups..(group + 1) * n_shards / n_groups;
            write_group(folder, gathered, &class_of, &soft_labels, shards, options)
        })
        .collect::<Result<_>>()?;
    gathered.summary.unknown_soft = soft_labels.n_unknown.into_inner();
    let n_sides = if options.eval_observations_per_class > 0 { 2 } else { 1 };
    let mut files: Vec<OutputFile> = Vec::new();
    for side in 0..n_sides {
        files.extend(groups.iter().flat_map(|sides| &sides[side]).cloned());
    }
    let list: String = gathered.summary.classes.iter().map(|class| class.name.clone() + "\n").collect();
    let names: &[&str] = match options.format {
        Format::Tfrecord if options.eval_observations_per_class == 0 => &["training.tfrecord.classes"],
        Format::Tfrecord => &["training.tfrecord.classes", "eval.tfrecord.classes"],
        Format::Ndjson | Format::NdjsonGz => &["classes.txt"],
    };
    for &name in names {
        write_synced(&folder.join(name), list.as_bytes())?;
        files.push(OutputFile {
            name: name.to_owned(),
            records: gathered.summary.classes.len(),
            bytes: list.len() as u64,
            sha256: hex(digest(&SHA256, list.as_bytes()).as_ref()),
        });
    }
    Ok(files)
}

/// Writes consecutive shards of both sides of the split.
fn write_group(
    folder: &Path,
    gathered: &Gathered,
    class_of: &[usize],
    soft_labels: &SoftLabels,
    shards: Range<usize>,
    options: &Options,
) -> Result<Vec<Vec<OutputFile>>> {
    let first_order = |shard: usize| ((shard as u128) << 64).div_ceil(options.output_shards as u128);
    let orders = first_order(shards.start)..first_order(shards.end);
    let mut sides = vec![Side::new(folder, "training", shards.clone(), options, soft_labels)];
    if options.eval_observations_per_class > 0 {
        sides.push(Side::new(folder, "eval", shards, options, soft_labels));
    }
    let (mut bytes, mut entries) = (Vec::new(), Vec::new());
    let mut reader = gathered.spool.reader()?;
    for bucket in bucket_of(orders.start)..=bucket_of(orders.end - 1) {
        let n_parts = gathered.spool.n_parts(bucket, MAX_BUCKET_BYTES);
        for part in 0..n_parts {
            let left_out = &gathered.left_out;
            read_part(&mut reader, bucket, (part, n_parts), &orders, left_out, &mut bytes, &mut entries)?;
            for &Entry { order, at, end, index, is_eval } in &entries {
                let side = sides.get_mut(usize::from(is_eval)).context("a bucket is damaged")?;
                let (fields, drawing) = unpack(&bytes[at..end])?;
                let name = gathered.words.get(index).context("a bucket is damaged")?;
                side.write(order, &drawing, fields, name, class_of[index])?;
            }
        }
    }
    sides.into_iter().map(Side::finish).collect()
}

/// The final index of each class by its index in the buckets, and the classes in their final order.
fn sorted_classes(gathered: &Gathered, options: &Options) -> (Vec<usize>, Vec<ClassCount>) {
    let met: BTreeMap<&String, &ClassCount> = gathered.words.iter().zip(&gathered.summary.classes).collect();
    let names: Vec<&String> = match &options.classes {
        Some(classes) => classes.iter().collect(),
        None => met.keys().copied().collect(),
    };
    let index_of: HashMap<&String, usize> =
        names.iter().enumerate().map(|(index, &name)| (name, index)).collect();
    let none = |name: &String| ClassCount { name: name.clone(), ..ClassCount::default() };
    let classes = names.iter().map(|&name| met.get(name).map_or_else(|| none(name), |&count| count.clone()));
    (gathered.words.iter().map(|word| index_of[word]).collect(), classes.collect())
}

/// Class indices for soft labels, and the number of soft labels of other classes, which TFRecords
/// cannot hold.
struct SoftLabels {
    index_of: HashMap<String, usize>,
    n_unknown: AtomicUsize,
}

impl SoftLabels {
    fn new(classes: &[ClassCount]) -> Self {
        let names = classes.iter().map(|class| class.name.clone());
        Self { index_of: names.zip(0..).collect(), n_unknown: AtomicUsize::new(0) }
    }

    /// The soft labels in the metadata of a drawing.
    fn read(&self, text: &str) -> Result<Vec<(usize, f32)>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let named: BTreeMap<String, f32> = serde_json::from_str(text).context("a bucket is damaged")?;
        let n = named.len();
        let soft: Vec<(usize, f32)> =
            named.into_iter().filter_map(|(name, p)| Some((*self.index_of.get(&name)?, p))).collect();
        self.n_unknown.fetch_add(n - soft.len(), Ordering::Relaxed);
        Ok(soft)
    }
}

/// A file with the number of bytes written and their hash.
struct Hashing {
    file: File,
    hash: Digest,
    n_bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

type Buffered = BufWriter<Hashing>;

enum Output {
    Plain(Box<Buffered>),
    Gzip(Box<GzEncoder<Buffered>>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
        }
    }
}

/// The shards of one side of the split. They are written one after the other, because buckets come
/// in the order of the sort key.
struct Side<'a> {
    folder: &'a Path,
    name: &'static str,
    shards: Range<usize>,
    options: &'a Options,
    soft_labels: &'a SoftLabels,
    current: Option<(Output, usize)>,
    done: Vec<OutputFile>,
}

impl<'a> Side<'a> {
    fn new(
        folder: &'a Path,
        name: &'static str,
        shards: Range<usize>,
        options: &'a Options,
        soft_labels: &'a SoftLabels,
    ) -> Self {
        Self { folder, name, shards, options, soft_labels, current: None, done: Vec::new() }
    }

    /// The index of the open shard, or else of the next one.
    fn index(&self) -> usize {
        self.shards.start + self.done.len()
    }

    /// The name of a shard.
    fn file_name(&self, shard: usize) -> String {
        let (name, n) = (self.name, self.options.output_shards);
        match self.options.format {
            Format::Tfrecord => format!("{name}.tfrecord-{shard:05}-of-{n:05}"),
            Format::Ndjson => format!("{name}-{shard:05}-of-{n:05}.ndjson"),
            Format::NdjsonGz => format!("{name}-{shard:05}-of-{n:05}.ndjson.gz"),
        }
    }

    fn write(&mut self, order: u64, drawing: &Drawing, fields: &str, word: &str, class: usize) -> Result<()> {
        let shard = (u128::from(order) * self.options.output_shards as u128) >> 64;
        self.go_to(shard as usize)?;
        let Some((out, n_records)) = &mut self.current else { bail!("no shard is open") };
        *n_records += 1;
        let written = match self.options.format {
            Format::Tfrecord => {
                let soft = self.soft_labels.read(fields)?;
                tfrecord::write_record(out, &example::encode(drawing, class, &soft))
            }
            Format::Ndjson | Format::NdjsonGz => out.write_all(write::line(drawing, fields, word).as_bytes()),
        };
        written.with_context(|| format!("{}: cannot be written", self.file_name(shard as usize)))
    }

    /// Opens this shard, after finishing those before it, empty ones included.
    fn go_to(&mut self, shard: usize) -> Result<()> {
        while self.current.is_none() || self.index() < shard {
            self.close()?;
            let path = self.folder.join(self.file_name(self.index()));
            let file =
                File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
            let out =
                BufWriter::with_capacity(1 << 17, Hashing { file, hash: Digest::new(&SHA256), n_bytes: 0 });
            let out = match self.options.format {
                Format::NdjsonGz => Output::Gzip(Box::new(GzEncoder::new(out, Compression::default()))),
                Format::Tfrecord | Format::Ndjson => Output::Plain(Box::new(out)),
            };
            self.current = Some((out, 0));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some((out, records)) = self.current.take() else { return Ok(()) };
        let name = self.file_name(self.index());
        let finish = || -> io::Result<Hashing> {
            let out = match out {
                Output::Plain(out) => *out,
                Output::Gzip(out) => out.finish()?,
            };
            let hashing = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            hashing.file.sync_all()?;
            Ok(hashing)
        };
        let hashing = finish().with_context(|| format!("{name}: cannot be written"))?;
        let sha256 = hex(hashing.hash.finish().as_ref());
        self.done.push(OutputFile { name, records, bytes: hashing.n_bytes, sha256 });
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<OutputFile>> {
        self.go_to(self.shards.end - 1)?;
        self.close()?;
        Ok(self.done)
    }
}

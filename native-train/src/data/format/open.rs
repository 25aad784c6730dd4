//! A file of drawings in any published format -> records, one by one.
//!
//! Known are lines of JSON (simplified or raw), Kaggle's table, the binary files of the data set,
//! sketch-rnn's arrays, the tutorial's TFRecords and tar archives of any of these, each as it is or
//! compressed by gzip or Zstandard. The format is detected from the first bytes, not from the name;
//! only for binary files and arrays does the name give the category.
//!
//! An archive, as the tutorial's `quickdraw_tutorial_dataset_v1.tar.gz`, is read once from front to
//! end; names of members matter only for their format and category. Class names that come after the
//! records they belong to are looked up in a second pass.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::binary::{Binary, is_binary};
use super::chunk::Chunk;
use super::csv::{Table, is_table};
use super::entry::Entry;
use super::example::Examples;
use super::input::{INPUT_BUFFER, Input, open_file, peek, unpacked};
use super::lines::{Lines, entry_of};
use super::names::{STANDARD_INPUT, classes_file, stem};
use super::npz::{Npz, Source};
use super::tar::{Member, Members, is_tar};
use super::tfrecord;

/// The largest zip archive that is read from an input without seeking: its directory is at its end.
const MAX_ZIP_IN_MEMORY: u64 = 256 << 20;

const ZIP: &[u8] = b"PK\x03\x04";

/// The longest list of classes that is read.
const MAX_CLASSES_BYTES: u64 = 4 << 20;

/// Lists of classes by the name of their file.
pub(crate) type ClassLists = HashMap<String, Vec<String>>;

/// Where the class names of TFRecords are, which themselves hold only indices.
#[derive(Clone, Copy)]
enum Beside<'a> {
    Folder(&'a Path),
    Archive(&'a ClassLists),
}

/// The records of a file.
pub(crate) enum Records {
    Lines(Lines<Input>),
    Table(Box<Table>),
    Binary(Binary),
    Examples(Box<Examples>),
    Npz(Box<Npz>),
    Archive(Box<Archive>),
}

impl Records {
    /// Opens a file, or standard input as `-`, and detects its format.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let is_file = path.as_os_str() != STANDARD_INPUT;
        let (input, was_packed) = open_file(path)?;
        let (first, input) = peek(input).with_context(|| format!("{shown}: cannot be read"))?;
        if is_file && !was_packed && first.starts_with(ZIP) {
            let npz = Npz::open(Source::File(path.to_owned()), npz_word(path)?);
            return Ok(Self::Npz(Box::new(npz.with_context(|| format!("{shown}: cannot be read"))?)));
        }
        if is_tar(&first) {
            let path = path.to_owned();
            let reopen = move || open_file(&path).map(|(input, _)| input);
            return Ok(Self::Archive(Box::new(Archive::new(input, is_file.then(|| Box::new(reopen) as _)))));
        }
        Self::of(input, path, Beside::Folder(path))
    }

    /// Detects the format of an input of this name.
    fn of(input: Input, name: &Path, beside: Beside<'_>) -> Result<Self> {
        let shown = name.display();
        let unreadable = || format!("{shown}: cannot be read");
        let (input, _) = unpacked(input).with_context(unreadable)?;
        let (first, input) = peek(input).with_context(unreadable)?;
        if is_tar(&first) {
            return Ok(Self::Archive(Box::new(Archive::new(input, None))));
        }
        if first.starts_with(ZIP) {
            let word = npz_word(name)?;
            let mut bytes = Vec::new();
            input.take(MAX_ZIP_IN_MEMORY + 1).read_to_end(&mut bytes).with_context(unreadable)?;
            ensure!(
                bytes.len() as u64 <= MAX_ZIP_IN_MEMORY,
                "{shown}: a zip archive of more than {} MiB must be a file by itself",
                MAX_ZIP_IN_MEMORY >> 20
            );
            let npz = Npz::open(Source::Memory(bytes.into()), word).with_context(unreadable)?;
            return Ok(Self::Npz(Box::new(npz)));
        }
        if tfrecord::length_of(&first).is_some() {
            let classes = classes_beside(name, beside)
                .with_context(|| format!("{shown}: TFRecords without classes"))?;
            return Ok(Self::Examples(Box::new(Examples::new(input, classes))));
        }
        if is_binary(&first) {
            let Some(word) = stem(name) else {
                bail!("{shown}: a binary file is named after its category, as cat.bin");
            };
            return Ok(Self::Binary(Binary::new(input, word)));
        }
        if is_table(&first) {
            return Ok(Self::Table(Box::new(Table::open(input).with_context(unreadable)?)));
        }
        // Lines may be damaged, but the first of a text has no zero byte.
        let first_line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
        ensure!(
            !first_line.contains(&0),
            "{shown}: unknown format of drawings; its first bytes are {:02x?}",
            &first[..first.len().min(8)]
        );
        Ok(Self::Lines(Lines::new(input)))
    }

    /// Puts the next records into `chunk`; false at the end.
    pub(crate) fn next_chunk(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        chunk.n_bytes = 0;
        if let Self::Lines(lines) = self {
            chunk.n_bytes = lines.read_text(&mut chunk.text, Chunk::BYTES)?;
            return Ok(chunk.n_bytes > 0);
        }
        while chunk.entries.len() < Chunk::SIZE
            && let Some(entry) = self.next_entry()?
        {
            chunk.entries.push(entry);
        }
        Ok(!chunk.entries.is_empty())
    }

    /// The next record; empty lines are none.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::Lines(lines) => {
                while let Some(line) = lines.next_line()? {
                    if let Some(entry) = entry_of(line) {
                        return Ok(Some(entry));
                    }
                }
                Ok(None)
            }
            Self::Table(table) => table.next_entry(),
            Self::Binary(binary) => binary.next_entry(),
            Self::Examples(examples) => examples.next_entry(),
            Self::Npz(npz) => npz.next_entry(),
            Self::Archive(archive) => archive.next_entry(),
        }
    }
}

/// Reads the files of an archive one after the other.
pub(crate) struct Archive {
    members: Members,
    /// Reopens the archive for classes that come too late: `None` for standard input.
    reopen: Option<Box<dyn Fn() -> Result<Input> + Send>>,
    classes: ClassLists,
    current: Option<(String, Box<Records>)>,
    number: u64,
}

impl Archive {
    fn new(input: Input, reopen: Option<Box<dyn Fn() -> Result<Input> + Send>>) -> Self {
        Self { members: Members::new(input), reopen, classes: ClassLists::new(), current: None, number: 0 }
    }

    /// The next drawing; `number` counts those of all files of the archive.
    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if let Some((name, records)) = &mut self.current {
                let found = records
                    .next_entry()
                    .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
                if let Some(Entry { number, record }) = found {
                    self.number += 1;
                    let record = record.map_err(|message| format!("{name}:{number}: {message}"));
                    return Ok(Some(Entry { number: self.number, record }));
                }
                self.current = None;
            }
            let Some((name, member)) = self.members.next()? else { return Ok(None) };
            self.open(name, member).map_err(|error| io::Error::other(format!("{error:#}")))?;
        }
    }

    fn open(&mut self, name: String, mut member: Member) -> Result<()> {
        if name.ends_with(".classes") {
            let classes = read_classes(&mut member).with_context(|| name.clone())?;
            self.classes.insert(name, classes);
            return Ok(());
        }
        if stem(Path::new(&name)).is_none() {
            return Ok(());
        }
        let wanted = classes_file(&name);
        if let (Some(wanted), Some(reopen)) =
            (wanted.filter(|wanted| !self.classes.contains_key(wanted)), &self.reopen)
        {
            let mut members = Members::new(reopen()?);
            while let Some((other, mut member)) = members.next()? {
                if other == wanted {
                    self.classes.insert(other, read_classes(&mut member).context(wanted)?);
                    break;
                }
            }
        }
        let member: Input = Box::new(BufReader::with_capacity(INPUT_BUFFER, member));
        let records =
            Records::of(member, Path::new(&name), Beside::Archive(&self.classes)).context(name.clone())?;
        if matches!(records, Records::Archive(_)) {
            bail!("{name}: an archive within the archive");
        }
        self.current = Some((name, Box::new(records)));
        Ok(())
    }
}

fn npz_word(path: &Path) -> Result<String> {
    let named = stem(path).filter(|word| !word.is_empty());
    named.with_context(|| {
        format!("{}: arrays of sketch-rnn are named after their category, as cat.npz", path.display())
    })
}

/// The classes that belong to a file of TFRecords.
fn classes_beside(name: &Path, beside: Beside<'_>) -> Result<Vec<String>> {
    let file = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let wanted = classes_file(file).with_context(|| {
        format!("{file:?} does not tell the name of its list; NAME.tfrecord-00000-of-00010 would")
    })?;
    let classes = match beside {
        Beside::Folder(path) => {
            let path = path.with_file_name(&wanted);
            let text = std::fs::read_to_string(&path);
            parse_classes(&text.with_context(|| format!("{}: cannot be read", path.display()))?)
        }
        Beside::Archive(lists) => {
            let list = lists.get(&wanted);
            list.with_context(|| format!("no {wanted} comes before it; unpack the archive first"))?.clone()
        }
    };
    ensure!(!classes.is_empty(), "{wanted} is empty; one class a line was expected");
    Ok(classes)
}

fn read_classes(input: &mut impl Read) -> Result<Vec<String>> {
    let mut text = String::new();
    input.take(MAX_CLASSES_BYTES).read_to_string(&mut text).context("cannot be read as a list of classes")?;
    Ok(parse_classes(&text))
}

/// The lines of a list of classes. Its last line may lack an end; no other is left out, because
/// lines are counted.
fn parse_classes(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

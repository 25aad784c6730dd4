//! sketch-rnn's arrays, the tutorial's TFRecords, archives, and file names: valid files and invalid
//! ones.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};
use native_train::data::format::tfrecord::{masked_checksum, write_record};
use native_train::data::{DataSet, ReadOptions, ReadReport, find_inputs, read_folder};
use quickdraw_core::{Ink, InkFormat};
use tempfile::TempDir;

fn read(path: &Path) -> anyhow::Result<(DataSet, ReadReport)> {
    read_folder(path, &ReadOptions::default())
}

fn refusal(path: &Path) -> String {
    format!("{:#}", read(path).expect_err("this must not be read"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A file in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn points(data: &DataSet, index: usize) -> Vec<Vec<[f32; 2]>> {
    data.drawing(index).strokes().to_vec()
}

// sketch-rnn

/// A member of a zip archive: name, content, whether it is deflated, and how large it claims to be.
struct Member<'a> {
    name: &'a str,
    content: &'a [u8],
    is_deflated: bool,
    claimed: Option<u32>,
}

/// A zip archive, whose members may lie about their size.
fn zip(members: &[Member<'_>]) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), Vec::new());
    for member in members {
        let packed = if member.is_deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(member.content).unwrap();
            encoder.finish().unwrap()
        } else {
            member.content.to_vec()
        };
        let mut checksum = Crc::new();
        checksum.update(member.content);
        let method: u16 = if member.is_deflated { 8 } else { 0 };
        let mut common = Vec::new();
        common.extend([20, 0, 0, 0]);
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(checksum.sum().to_le_bytes());
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend(member.claimed.unwrap_or(member.content.len() as u32).to_le_bytes());
        common.extend((member.name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        let at = out.len() as u32;
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(member.name.as_bytes());
        out.extend(packed);
        table.extend(b"PK\x01\x02\x14\x00");
        table.extend(&common);
        table.extend([0; 10]);
        table.extend(at.to_le_bytes());
        table.extend(member.name.as_bytes());
    }
    let (at, n) = (out.len() as u32, members.len() as u16);
    let size = table.len() as u32;
    out.extend(table);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([n.to_le_bytes(), n.to_le_bytes()].concat());
    out.extend([size.to_le_bytes(), at.to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

fn deflated<'a>(name: &'a str, content: &'a [u8]) -> Member<'a> {
    Member { name, content, is_deflated: true, claimed: None }
}

/// An array file whose pickle is `pickle`.
fn npy(pickle: &[u8]) -> Vec<u8> {
    let mut header = "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }".to_owned();
    while !(10 + header.len() + 1).is_multiple_of(16) {
        header.push(' ');
    }
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(pickle);
    out
}

/// A pickle as Python 2 wrote it for the data set, protocol 2, of drawings of int16 rows.
fn pickle_of_python_2(drawings: &[&[[i16; 3]]]) -> Vec<u8> {
    let mut out = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85q\x02U\x01bq\x03\x87q\x04Rq\x05(K\x01".to_vec();
    out.extend(b"K");
    out.push(drawings.len() as u8);
    out.extend(b"\x85q\x06cnumpy\ndtype\nq\x07U\x02O8q\x08K\x00K\x01\x87q\tRq\n(K\x03U\x01|q\x0bNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]q\x0c(");
    for (index, rows) in drawings.iter().enumerate() {
        let n = rows.len() as u8;
        out.extend(b"h\x00h\x01K\x00\x85h\x03\x87Rr");
        out.extend((1000 + index as u32).to_le_bytes());
        out.extend([b'(', b'K', 1, b'K', n, b'K', 3, 0x86]);
        if index == 0 {
            out.extend(b"h\x07U\x02i2q\x0dK\x00K\x01\x87q\x0eRq\x0f(K\x03U\x01<q\x10NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb");
        } else {
            out.extend(b"h\x0f");
        }
        let bytes: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        out.extend(b"\x89");
        if index % 2 == 0 {
            out.push(b'U');
            out.push(bytes.len() as u8);
        } else {
            out.push(b'T');
            out.extend((bytes.len() as u32).to_le_bytes());
        }
        out.extend(bytes);
        out.extend(b"tb");
    }
    out.extend(b"etb.");
    out
}

const SQUARE: &[[i16; 3]] = &[[10, 0, 0], [5, 20, 1], [-15, 100, 0], [255, 135, 1]];
const STROKE: &[[i16; 3]] = &[[0, 0, 0], [255, 1, 1]];

#[test]
fn arrays_as_numpy_writes_them_are_read() {
    let forms = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    for name in ["protocol-2.npz", "protocol-3.npz", "protocol-4.npz", "numpy.npz"] {
        let bytes = fs::read(forms.join(name)).unwrap();
        let (_folder, path) = file("sketchrnn_cat.full.npz", &bytes);
        let (data, report) = read(&path).unwrap();
        assert_eq!(data.labels(), ["cat"], "{name}");
        assert_eq!((report.n_drawings, report.n_bad_lines), (3, 0), "{name}: {report}");
        assert_eq!(
            points(&data, 0),
            [vec![[10.0, 0.0], [15.0, 20.0]], vec![[0.0, 120.0], [255.0, 255.0]]],
            "{name}: the first point is where it was"
        );
        assert_eq!(points(&data, 1), [vec![[0.0, 0.0], [3.0, 0.0], [3.0, 255.0]]], "{name}");
        assert_eq!(
            points(&data, 2),
            [vec![[0.0, 0.0], [100.0, 0.0], [100.0, 100.0]]],
            "{name}: left of the corner, and not lifted at the end"
        );
    }
    let (_folder, path) = file("cat.npz", &fs::read(forms.join("numbers.npz")).unwrap());
    assert!(
        refusal(&path).contains("train.npy: an array of other things than drawings"),
        "{}",
        refusal(&path)
    );
}

#[test]
fn arrays_as_python_2_wrote_them_are_read_from_any_place() {
    let content = npy(&pickle_of_python_2(&[SQUARE, STROKE]));
    let archive = zip(&[
        deflated("train.npy", &content),
        Member { is_deflated: false, ..deflated("test.npy", &content) },
        deflated("notes.txt", b"not an array"),
    ]);
    let packed = gzip(&archive);
    for (name, bytes) in [("cat.npz", &archive), ("cat.npz.gz", &packed)] {
        let (_folder, path) = file(name, bytes);
        let (data, report) = read(&path).unwrap();
        assert_eq!((data.labels(), report.n_drawings), (&["cat".to_owned()][..], 4), "{name}: {report}");
        assert_eq!(points(&data, 3), [vec![[0.0, 0.0], [255.0, 1.0]]]);
    }
}

#[test]
fn a_drawing_of_another_shape_is_one_bad_line() {
    let content = npy(&pickle_of_python_2(&[SQUARE, &[], STROKE]));
    let (_folder, path) = file("cat.npz", &zip(&[deflated("train.npy", &content)]));
    let (data, report) = read(&path).unwrap();
    assert_eq!((data.len(), report.n_bad_lines), (2, 1));
    assert!(report.examples[0].contains("cat.npz:2: train.npy: the drawing has no strokes"), "{report}");
}

#[test]
fn a_pickle_is_never_executed_and_its_lengths_are_checked() {
    let good = pickle_of_python_2(&[SQUARE, STROKE]);
    let replaced = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).expect("it is there");
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let run = b"\x80\x02cos\nsystem\nU\x09touch /x.\x85R.";
    let empty_tuples = [b"\x80\x02".as_slice(), &b")".repeat(100_000)].concat();
    let marks = [b"\x80\x02".as_slice(), &b"(".repeat(100_000)].concat();
    let nested = [b"\x80\x02N".as_slice(), &b"\x85".repeat(100_000)].concat();
    let endless_name = [b"\x80\x02c".as_slice(), &b"x".repeat(100_000)].concat();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (run.to_vec(), "os.system, which no array of drawings has; nothing of it is run"),
        (replaced(b"\x80\x02", b"\x80\x05"), "protocol 5"),
        (replaced(b"K\x04K\x03\x86", b"K\x05K\x03\x86"), "24 bytes for an array of the shape [5, 3]"),
        (replaced(b"T\x0c\0\0\0", b"T\xff\xff\xff\x7f"), "a value of 2147483647 bytes where"),
        (replaced(b"i2", b"M8"), "numbers of the type \"M8\""),
        (replaced(b"(K\x01K\x02\x85", b"(K\x01K\x09\x85"), "2 drawings in an array of the shape [9]"),
        (replaced(b"h\x0f\x89", b"h\x77\x89"), "value 119 is referred to"),
        (good[..good.len() - 3].to_vec(), "the pickle goes on beyond its end"),
        ([&good[..], b"more"].concat(), "more bytes after the array"),
        (b"\x80\x02N.".to_vec(), "ends without an array of drawings"),
        (b"\x80\x02i".to_vec(), "opcode 0x69"),
        (b"\x80\x02t".to_vec(), "the end of a tuple without its beginning"),
        (b"\x80\x02(\x85".to_vec(), "a tuple of values that are not there"),
        (b"\x80\x02R".to_vec(), "a value is missing"),
        (empty_tuples, "more than 8192 values"),
        (marks, "too many open marks"),
        (nested, "a tuple that no array of drawings has"),
        (endless_name, "an endless name"),
    ];
    for (pickle, message) in cases {
        let content = npy(&pickle);
        let (_folder, path) = file("cat.npz", &zip(&[deflated("train.npy", &content)]));
        let found = refusal(&path);
        assert!(
            found.contains("cat.npz") && found.contains("train.npy") && found.contains(message),
            "{message}: {found}"
        );
    }
}

#[test]
fn damaged_pickles_are_refused_and_never_panic() {
    let good = pickle_of_python_2(&[SQUARE, STROKE]);
    for at in 0..good.len() {
        for value in [0, 1, b'.', b'(', b't', b'b', b'R', 0x80, 0xff] {
            let mut spoilt = good.clone();
            spoilt[at] = value;
            let (_folder, path) = file("cat.npz", &zip(&[deflated("train.npy", &npy(&spoilt))]));
            // Any result, but no panic.
            let _ = read(&path);
        }
    }
}

#[test]
fn archives_that_declare_excessive_sizes_are_refused() {
    let content = npy(&pickle_of_python_2(&[SQUARE, STROKE]));
    let zeros = vec![0; 4 << 20];
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (zip(&[deflated("train.npy", &zeros)]), "train.npy: claims to have 4194304 bytes, compressed"),
        (
            zip(&[Member { claimed: Some(u32::MAX - 1), ..deflated("train.npy", &content) }]),
            "claims to have 4294967294 bytes",
        ),
        (zip(&[Member { claimed: Some(200), ..deflated("train.npy", &content) }]), "beyond its end"),
        (
            zip(&[Member { claimed: Some(1 << 19), ..deflated("train.npy", &content) }]),
            "more bytes after the array",
        ),
        (zip(&[deflated("other.npy", &content)]), "none of the arrays of a sketch-rnn file"),
        (
            zip(&(0..100).map(|_| deflated("train.npy", &content)).collect::<Vec<_>>())[..200].to_vec(),
            "not a zip archive",
        ),
        (b"PK\x03\x04 and then nothing".to_vec(), "not a zip archive"),
    ];
    for (bytes, message) in cases {
        let (_folder, path) = file("cat.npz", &bytes);
        let found = refusal(&path);
        assert!(found.contains("cat.npz") && found.contains(message), "{message}: {found}");
    }
    // Bytes of the content changed: the archive's own checksum tells.
    let mut spoilt = zip(&[Member { is_deflated: false, ..deflated("train.npy", &content) }]);
    let at = spoilt.windows(2).position(|pair| pair == 255_i16.to_le_bytes()).unwrap();
    spoilt[at] = 254;
    let (_folder, path) = file("cat.npz", &spoilt);
    assert!(refusal(&path).contains("train.npy: wrong checksum"), "{}", refusal(&path));
}

// The tutorial's TFRecords

/// A `tf.train.Example` by hand, numbers unpacked as some writers have them.
fn example(ink: &[f32], shape: &[i64], class_index: &[i64]) -> Vec<u8> {
    fn nested(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag << 3 | 2];
        let mut n = content.len();
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
        out.extend(content);
        out
    }
    let varint = |value: i64| -> Vec<u8> {
        let mut value = value as u64;
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    };
    let integers = |values: &[i64]| {
        nested(
            3,
            &values.iter().flat_map(|&value| [vec![1 << 3], varint(value)].concat()).collect::<Vec<u8>>(),
        )
    };
    let floats: Vec<u8> = ink.iter().flat_map(|value| value.to_le_bytes()).collect();
    let feature =
        |name: &str, value: Vec<u8>| nested(1, &[nested(1, name.as_bytes()), nested(2, &value)].concat());
    let features = [
        feature("ink", nested(2, &nested(1, &floats))),
        feature("shape", integers(shape)),
        feature("class_index", integers(class_index)),
    ];
    nested(1, &features.concat())
}

const INK: &[f32] = &[1.0, 1.0, 1.0, 0.0, -1.0, 0.0, -0.5, 0.5, 1.0];

fn records(examples: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for example in examples {
        write_record(&mut out, example).unwrap();
    }
    out
}

#[test]
fn the_tutorials_records_are_read_with_the_classes_beside_them() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let (dog, cat) = (example(INK, &[3, 3], &[1]), example(INK, &[3, 3], &[0]));
    write("training.tfrecord-00000-of-00003", &records(&[dog.clone(), cat.clone()]));
    write("training.tfrecord-00001-of-00003", &[]);
    write("training.tfrecord-00002-of-00003.gz", &gzip(&records(std::slice::from_ref(&cat))));
    write("training.tfrecord.classes", b"cat\ndog\n");
    write("eval.tfrecord-00000-of-00001", &records(std::slice::from_ref(&cat)));
    write("eval.tfrecord.classes", b"dog\ncat");
    let (data, report) = read(folder.path()).unwrap();
    assert_eq!(data.labels(), ["cat", "dog"]);
    assert_eq!((report.n_drawings, report.n_files, report.n_other_files), (4, 4, 2), "{report}");
    let labels: Vec<usize> = (0..4).map(|index| data.label(index)).collect();
    assert_eq!(labels, [1, 1, 0, 0], "eval has its own order");
    let ink = Ink::from_drawing(&data.drawing(0), InkFormat::Tutorial);
    assert_eq!(ink.rows(), INK);

    let (data, _) = read(&folder.path().join("training.tfrecord-*")).unwrap();
    assert_eq!(data.len(), 3, "a pattern");
    fs::remove_file(folder.path().join("eval.tfrecord.classes")).unwrap();
    let found = refusal(folder.path());
    assert!(found.contains("eval.tfrecord-00000-of-00001: TFRecords without classes"), "{found}");
    assert!(found.contains("eval.tfrecord.classes: cannot be read"), "{found}");
}

#[test]
fn width_and_height_are_recovered() {
    // Drawings in simplified form, whose coordinates determine the scale more or less.
    let drawings: [&[&[[f32; 2]]]; 5] = [
        &[&[[0.0, 0.0], [17.0, 255.0], [180.0, 100.0]], &[[3.0, 7.0]]],
        &[&[[0.0, 0.0], [255.0, 97.0]], &[[100.0, 13.0], [1.0, 44.0]]],
        &[&[[0.0, 128.0], [128.0, 0.0], [255.0, 255.0]]],
        &[&[[0.0, 0.0], [0.0, 255.0]]],
        &[&[[0.0, 0.0], [85.0, 0.0], [255.0, 0.0]], &[[170.0, 0.0], [171.0, 0.0]]],
    ];
    let (_folder, path) = file("training.tfrecord", b"");
    fs::write(path.with_file_name("training.tfrecord.classes"), "cat\n").unwrap();
    let drawings = drawings.map(crate::drawing);
    let examples: Vec<Vec<u8>> = drawings
        .iter()
        .map(|drawing| {
            let ink = Ink::from_drawing(drawing, InkFormat::Tutorial);
            example(ink.rows(), &[ink.n_rows() as i64, 3], &[0])
        })
        .collect();
    fs::write(&path, records(&examples)).unwrap();
    let (data, _) = read(&path).unwrap();
    for (index, drawing) in drawings.iter().enumerate() {
        let [found, expected] =
            [&data.drawing(index), drawing].map(|drawing| Ink::from_drawing(drawing, InkFormat::Tutorial));
        assert_eq!(found, expected, "drawing {index}: the same ink to the last bit");
        assert_eq!(&data.drawing(index), drawing, "drawing {index}");
    }
}

#[test]
fn invalid_records_are_reported_with_their_place() {
    let good = example(INK, &[3, 3], &[0]);
    let cases: [(Vec<u8>, &str); 7] = [
        (b"\xff\xff".to_vec(), "not a tf.train.Example"),
        (example(INK, &[2, 3], &[0]), "shape [2, 3] for 9 numbers"),
        (example(INK, &[9], &[0]), "shape [9] for 9 numbers"),
        (example(INK, &[3, 3], &[1]), "class_index 1 is none of the 1 classes"),
        (example(INK, &[3, 3], &[-1]), "class_index -1 is none of"),
        (example(INK, &[3, 3], &[]), "class_index has 0 values"),
        (example(&[f32::NAN, 0.0, 1.0], &[1, 3], &[0]), "point 1 (counted from 0) is not finite"),
    ];
    let (_folder, path) = file("training.tfrecord", b"");
    fs::write(path.with_file_name("training.tfrecord.classes"), "cat\n").unwrap();
    for (bad, message) in cases {
        fs::write(&path, records(&[good.clone(), bad, good.clone()])).unwrap();
        let (data, report) = read(&path).unwrap();
        assert_eq!((data.len(), report.n_bad_lines), (2, 1), "{message}: {report}");
        let found = &report.examples[0];
        assert!(found.contains("training.tfrecord:2: ") && found.contains(message), "{message}: {found}");
    }
}

#[test]
fn a_wrong_checksum_names_file_and_offset() {
    let good = example(INK, &[3, 3], &[0]);
    let one = records(std::slice::from_ref(&good));
    let all = records(&[good.clone(), good.clone(), good.clone()]);
    let (_folder, path) = file("training.tfrecord", b"");
    fs::write(path.with_file_name("training.tfrecord.classes"), "cat\n").unwrap();
    // Of the second record: a byte of its data, of its length, and the end of the file in its
    // middle.
    let spoilt = |at: usize| {
        let mut bytes = all.clone();
        bytes[one.len() + at] ^= 1;
        bytes
    };
    // A length whose checksum is right and which is absurd.
    let length = (1_u64 << 40).to_le_bytes();
    let absurd = [&one[..], &length, &masked_checksum(&length).to_le_bytes(), b"abc"].concat();
    for (bytes, n, message) in [
        (spoilt(20), 2, "wrong checksum of the record"),
        (spoilt(3), 1, "wrong checksum of a record's length; the rest cannot be read"),
        (all[..2 * one.len() - 7].to_vec(), 1, "the file ends in the middle of this record"),
        (absurd, 1, "wrong checksum of a record's length"),
    ] {
        fs::write(&path, bytes).unwrap();
        let (data, report) = read(&path).unwrap();
        assert_eq!((data.len(), report.n_bad_lines), (n, 1), "{message}: {report}");
        let expected = format!("{}:2: offset {}: {message}", path.display(), one.len());
        assert!(report.examples[0].starts_with(&expected), "{expected}: {report}");
    }
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn the_tutorials_archive_is_read_without_unpacking_it() {
    let (dog, cat) = (example(INK, &[3, 3], &[1]), example(INK, &[3, 3], &[0]));
    let training = records(&[cat.clone(), dog.clone()]);
    let eval = records(std::slice::from_ref(&dog));
    let classes: &[u8] = b"cat\ndog\n";
    let members: [(&str, &[u8]); 6] = [
        ("rnn_tutorial_data/eval.tfrecord-00000-of-00001", &eval),
        ("rnn_tutorial_data/eval.tfrecord.classes", classes),
        ("rnn_tutorial_data/training.tfrecord.classes", classes),
        ("rnn_tutorial_data/._training.tfrecord-00000-of-00001", b"what macOS adds"),
        ("rnn_tutorial_data/training.tfrecord-00000-of-00001", &training),
        ("rnn_tutorial_data/notes.txt", b"not data"),
    ];
    let archive = tar(&members);
    for (name, bytes) in [
        ("quickdraw_tutorial_dataset_v1.tar.gz", gzip(&archive)),
        ("quickdraw.tar", archive.clone()),
        ("quickdraw.tgz", gzip(&archive)),
    ] {
        let (_folder, path) = file(name, &bytes);
        let (data, report) = read(&path).unwrap();
        assert_eq!(data.labels(), ["cat", "dog"], "{name}");
        assert_eq!((report.n_drawings, report.n_bad_lines), (3, 0), "{name}: {report}");
        assert_eq!(data.class_counts(), [1, 2], "{name}");
    }
    // Other forms within, and their places.
    let cats: &[u8] = b"{\"word\":\"cat\",\"drawing\":[[[0,9],[0,255]]]}\nnonsense\n";
    let (_folder, path) = file("all.tar", &tar(&[("a/cat.ndjson", cats), ("a/b/cat.ndjson", cats)]));
    let (data, report) = read(&path).unwrap();
    assert_eq!((data.len(), report.n_bad_lines), (2, 2));
    assert!(report.examples[1].contains("all.tar:4: cat.ndjson:2: "), "{report}");
}

#[test]
fn names_in_archives_may_be_long_and_of_any_letters() {
    let bin = binary_drawing();
    let long = format!("{}/고양이.bin", "folder/".repeat(40));
    // As GNU tar writes them, and as pax does, whose header has no letters but those of ASCII.
    let gnu = tar(&[(&long, &bin)]);
    let pax = |path: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        let size = bin.len().to_string();
        let extensions = [("path", path.as_bytes()), ("size", size.as_bytes()), ("comment", b"a cat")];
        builder.append_pax_extensions(extensions).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_path("???.bin").unwrap();
        header.set_size(bin.len() as u64);
        header.set_cksum();
        builder.append(&header, &bin[..]).unwrap();
        builder.into_inner().unwrap()
    };
    for (what, archive) in [("gnu", gnu), ("pax", pax("고양이.bin")), ("pax", pax(&long))] {
        let (_folder, path) = file("a.tar", &archive);
        let (data, _) = read(&path).unwrap();
        assert_eq!(data.labels(), ["고양이"], "{what}");
        assert_eq!(data.len(), 1, "{what}");
    }
    // An extended header applies to one file only.
    let mut both = pax("고양이.bin");
    both.truncate(both.len() - 1024);
    both.extend(tar(&[("dog.bin", &bin)]));
    let (_folder, path) = file("a.tar", &both);
    assert_eq!(read(&path).unwrap().0.labels(), ["dog", "고양이"]);
}

/// A drawing as the binary files of the data set have it.
fn binary_drawing() -> Vec<u8> {
    let mut bytes = 5_u64.to_le_bytes().to_vec();
    bytes.extend(b"KR\x01");
    bytes.extend(1_490_000_000_u32.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend([0, 255, 7, 9]);
    bytes
}

#[test]
fn archives_that_are_damaged_or_lack_classes_are_errors() {
    let training = records(&[example(INK, &[3, 3], &[0])]);
    let whole =
        tar(&[("training.tfrecord-00000-of-00001", &training), ("training.tfrecord.classes", b"cat\n")]);
    let without = tar(&[("training.tfrecord-00000-of-00001", &training)]);
    let within = tar(&[("inner.tar", &whole)]);
    let mut spoilt = whole.clone();
    spoilt[0] ^= 1;
    let packed = gzip(&whole);
    for (name, bytes, message) in [
        ("a.tar", without, "no training.tfrecord.classes comes before it"),
        ("a.tar", within, "an archive within the archive"),
        ("a.tar", spoilt, "wrong checksum of a header of the archive"),
        ("a.tar", whole[..600].to_vec(), "cannot be read"),
        ("a.tar.gz", packed[..packed.len() - 9].to_vec(), "cannot be read"),
    ] {
        let (_folder, path) = file(name, &bytes);
        let found = refusal(&path);
        assert!(found.contains(name) && found.contains(message), "{message}: {found}");
    }
}

// Names

#[test]
fn an_unknown_format_is_refused_by_its_first_bytes() {
    let png = b"\x89PNG\r\x1a\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
    let (_folder, path) = file("cat.ndjson", png);
    let found = refusal(&path);
    assert!(
        found.contains("cat.ndjson: unknown format of drawings; its first bytes are [89, 50, 4e"),
        "{found}"
    );
    let (_folder, path) = file("cat.npz", b"this is text\n");
    assert!(refusal(&path).contains("no valid drawing in 1 line"), "{}", refusal(&path));
}

#[test]
fn files_folders_and_patterns_are_found() {
    let folder = TempDir::new().unwrap();
    let line = b"{\"word\":\"cat\",\"drawing\":[[[0,9],[0,255]]]}\n";
    for name in [
        "b.ndjson",
        "a.ndjson.gz",
        "c.npz",
        "d.tfrecord-00000-of-00002",
        "notes.md",
        ".hidden.ndjson",
        "x.classes",
    ] {
        fs::write(folder.path().join(name), line).unwrap();
    }
    fs::create_dir(folder.path().join("within")).unwrap();
    fs::write(folder.path().join("within/e.csv"), line).unwrap();
    let names = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        let found = find_inputs(&paths).unwrap();
        let name =
            |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().to_string_lossy().replace('\\', "/");
        (found.files.iter().map(name).collect::<Vec<_>>(), found.n_other_files)
    };
    let all = ["a.ndjson.gz", "b.ndjson", "c.npz", "d.tfrecord-00000-of-00002"].map(str::to_owned).to_vec();
    assert_eq!(names(&[""]), (all, 3));
    assert_eq!(names(&["b.ndjson"]).0, ["b.ndjson"]);
    assert_eq!(names(&["notes.md"]).0, ["notes.md"], "what is named is read, whatever its name");
    assert_eq!(names(&["*.ndjson*", "b.ndjson"]).0, ["a.ndjson.gz", "b.ndjson"], "each once");
    assert_eq!(names(&["**/*.csv"]).0, ["within/e.csv"]);
    assert_eq!(find_inputs(&[PathBuf::from("-")]).unwrap().files, [PathBuf::from("-")]);
    let refused = |path: &str| find_inputs(&[folder.path().join(path)]).unwrap_err().to_string();
    assert!(refused("none").ends_with("none: there is no such folder or file"));
    assert!(refused("*.jpg").ends_with("*.jpg: no file of drawings has such a name"));
    assert!(refused("[").contains("not a pattern"));
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_circles_end() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    fs::write(place.join("cat.ndjson"), "{\"word\":\"cat\",\"drawing\":[[[0,9],[0,255]]]}\n").unwrap();
    symlink(place, place.join("circle")).unwrap();
    symlink(place, place.join("another")).unwrap();
    symlink("other", place.join("loop")).unwrap();
    symlink("loop", place.join("other")).unwrap();
    assert_eq!(read(place).unwrap().0.len(), 1, "folders are not entered, other names not followed");
    let (data, _) = read(&place.join("**/*.ndjson")).unwrap();
    assert_eq!(data.len(), 1, "nor by a pattern");
    // Under the name of a file of drawings it is one that is missing.
    symlink("dog.ndjson", place.join("dog.ndjson")).unwrap();
    assert!(refusal(place).contains("dog.ndjson: cannot be opened"), "{}", refusal(place));
    assert!(refusal(&place.join("dog.ndjson")).contains("dog.ndjson: cannot be opened"));
}

#[test]
fn a_folder_of_a_hundred_thousand_files_is_read() {
    let folder = TempDir::new().unwrap();
    for index in 0..100_000 {
        let line = format!("{{\"word\":\"cat\",\"drawing\":[[[0,{}],[0,255]]]}}\n", index % 256);
        fs::write(folder.path().join(format!("{index:06}.ndjson")), line).unwrap();
    }
    let (data, report) = read(folder.path()).unwrap();
    assert_eq!((data.len(), report.n_files, report.n_bad_lines), (100_000, 100_000, 0));
    assert_eq!(points(&data, 255), [vec![[0.0, 0.0], [255.0, 255.0]]], "in the order of the names");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("cat.ndjson"), "{\"word\":\"cat\",\"drawing\":[[[0,9],[0,255]]]}\n")
        .unwrap();
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"notes-\xe9.md")), "no drawing").unwrap();
    assert_eq!(find_inputs(&[folder.path().to_owned()]).unwrap().n_other_files, 1);
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.ndjson")), "").unwrap();
    for path in [folder.path().to_owned(), folder.path().join("*.ndjson"), folder.path().join("**/*.ndjson")]
    {
        let found = format!("{:#}", find_inputs(&[path]).expect_err("it has no name"));
        assert!(found.contains(r#"the name of the file "caf\xE9.ndjson" is not UTF-8 text"#), "{found}");
    }
}

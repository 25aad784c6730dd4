//! Lines and strokes that are read, and those that are refused with a reason.

use quickdraw_core::{Drawing, Error, Record};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CAT: &str = include_str!("fixtures/tutorial-cat.ndjson");

/// A line with this drawing.
fn line(drawing: &str) -> String {
    format!(r#"{{"word":"cat","drawing":{drawing}}}"#)
}

fn error(line: &str) -> Error {
    Record::parse(line).expect_err(line)
}

#[test]
fn a_simplified_line_is_read_with_all_that_it_says() {
    let record = Record::parse(CAT).unwrap();
    assert_eq!(record.word, "cat");
    assert_eq!(record.countrycode.as_deref(), Some("VE"));
    assert_eq!(record.timestamp.as_deref(), Some("2017-03-02 23:25:10.07453 UTC"));
    assert_eq!(record.recognized, Some(true));
    assert_eq!(record.key_id.as_deref(), Some("5201136883597312"));
    assert_eq!(record.soft, None);
    let strokes = record.drawing.strokes();
    assert_eq!((strokes.len(), record.drawing.n_points()), (9, 53));
    assert_eq!(strokes[0][..2], [[130.0, 72.0], [113.0, 40.0]]);
    assert_eq!(strokes[8], [[107.0, 96.0], [106.0, 113.0]]);
}

#[test]
fn a_raw_line_is_read_without_its_times() {
    let raw = line("[[[1.5,2,-3e0],[0.25,1,7],[0,16,33]],[[4],[5],[null]]]");
    let strokes = [vec![[1.5, 0.25], [2.0, 1.0], [-3.0, 7.0]], vec![[4.0, 5.0]]];
    assert_eq!(Record::parse(&raw).unwrap().drawing.strokes(), strokes);
}

#[test]
fn identifiers_and_times_may_be_text_numbers_or_missing() {
    for (value, expected) in [
        (r#""5201136883597312""#, Some("5201136883597312")),
        ("5201136883597312", Some("5201136883597312")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("-3", Some("-3")),
        ("1488497110.5", Some("1488497110.5")),
        ("null", None),
    ] {
        let line = format!(r#"{{"word":"cat","key_id":{value},"timestamp":{value},"drawing":[[[1],[2]]]}}"#);
        let record = Record::parse(&line).unwrap();
        assert_eq!(record.key_id.as_deref(), expected);
        assert_eq!(record.timestamp.as_deref(), expected);
    }
    let record = Record::parse(&line("[[[1],[2]]]")).unwrap();
    assert_eq!(
        (record.key_id, record.timestamp, record.countrycode, record.recognized),
        (None, None, None, None)
    );
}

#[test]
fn other_fields_any_order_and_white_space_are_accepted() {
    for line in [
        r#"{"drawing":[[[1],[2]]],"word":"cat","source":{"a":[1,{"b":null}]},"score":1e999}"#,
        " \t{ \"word\" : \"cat\" , \"drawing\" : [ [ [ 1 ] , [ 2 ] ] ] } \r\n",
        "\u{feff}{\"word\":\"\\u0063at\",\"drawing\":[[[1],[2]]]}",
    ] {
        let record = Record::parse(line).expect(line);
        assert_eq!((record.word.as_str(), record.drawing.strokes()), ("cat", [vec![[1.0, 2.0]]].as_slice()));
    }
}

#[test]
fn soft_labels_are_read() {
    let line = r#"{"word":"cat","soft":{"cat":0.75,"dog":0,"고양이":2},"drawing":[[[1],[2]]]}"#;
    let soft = Record::parse(line).unwrap().soft.unwrap();
    let expected = [("cat", 0.75), ("dog", 0.0), ("고양이", 2.0)].map(|(word, p)| (word.to_owned(), p));
    assert_eq!(soft, expected.into());
    for (value, found) in [("-0.1", -0.1), ("1e39", f32::INFINITY)] {
        let line = format!(r#"{{"word":"cat","soft":{{"a":1,"dog":{value}}},"drawing":[[[1],[2]]]}}"#);
        assert_eq!(error(&line), Error::InvalidSoft { category: "dog".to_owned(), found });
    }
}

#[test]
fn wrong_drawings_are_refused_with_stroke_and_point() {
    for (drawing, message) in [
        ("[]", "the drawing has no strokes: expected at least one"),
        ("[[[1],[2]],[[],[]]]", "stroke 1 (counted from 0) has no points: expected at least one"),
        ("[[[1,2,3],[1,2,3,4]]]", "stroke 0 (counted from 0) has 3 x and 4 y: expected as many of each"),
        ("[[[1],[2]],[[1,2],[1]]]", "stroke 1 (counted from 0) has 2 x and 1 y: expected as many of each"),
        (
            "[[]]",
            "stroke 0 (counted from 0) has the wrong number of lists, 0: expected 2 (x, y) or 3 (x, y, time)",
        ),
        (
            "[[[1,2]]]",
            "stroke 0 (counted from 0) has the wrong number of lists, 1: expected 2 (x, y) or 3 (x, y, time)",
        ),
        (
            "[[[1,2],[3,4],[5,6],[7,8]]]",
            "stroke 0 (counted from 0) has the wrong number of lists, 4: expected 2 (x, y) or 3 (x, y, time)",
        ),
        (
            "[[[1],[2]],[[1,2],[3,1e8]]]",
            "stroke 1, point 1 (counted from 0) is at (2, 100000000): \
             expected finite coordinates between -10000000 and 10000000",
        ),
        (
            "[[[-1e39],[2]]]",
            "stroke 0, point 0 (counted from 0) is at (-inf, 2): \
             expected finite coordinates between -10000000 and 10000000",
        ),
    ] {
        assert_eq!(error(&line(drawing)).to_string(), message);
    }
}

#[test]
fn wrong_json_is_refused_with_its_column() {
    for (line, message) in [
        ("", "column 1 of the line: expected `{`, the beginning of a record"),
        ("  \n", "column 4 of the line: expected `{`, the beginning of a record"),
        (r#"["cat",[[[1],[2]]]]"#, "column 1 of the line: expected `{`, the beginning of a record"),
        ("\u{feff}oops", "column 4 of the line: expected `{`, the beginning of a record"),
        (r#"{"word":"cat","drawing":[[[1,NaN],[2]]]}"#, "column 30 of the line: expected value"),
        (r#"{"word":"cat","drawing":[[[1,1e999],[2]]]}"#, "column 34 of the line: number out of range"),
        (
            r#"{"word":"cat","drawing":[[[1,"2"],[2]]]}"#,
            "column 32 of the line: invalid type: string \"2\", expected f64",
        ),
        (
            r#"{"word":"cat","drawing":[[[1,null],[2]]]}"#,
            "column 33 of the line: invalid type: null, expected f64",
        ),
        (r#"{"word":"cat","drawing":[[[1,2],[2,"#, "column 35 of the line: EOF while parsing a value"),
        (
            r#"{"word":"cat","drawing":[[[1],2]]}"#,
            "column 31 of the line: invalid type: integer `2`, expected the list of a stroke's y coordinates",
        ),
        (
            r#"{"word":"cat","drawing":[[1,2]]}"#,
            "column 27 of the line: invalid type: integer `1`, expected the list of a stroke's x coordinates",
        ),
        (
            r#"{"word":"cat","drawing":[7]}"#,
            "column 26 of the line: invalid type: integer `7`, \
             expected a stroke, [[x...], [y...]] or [[x...], [y...], [t...]]",
        ),
        (
            r#"{"word":"cat","drawing":"[]"}"#,
            "column 28 of the line: invalid type: string \"[]\", \
             expected a list of strokes, each [[x...], [y...]] or [[x...], [y...], [t...]]",
        ),
        (
            r#"{"word":"cat","key_id":[],"drawing":[[[1],[2]]]}"#,
            "column 25 of the line: invalid type: sequence, expected text or a number",
        ),
        (r#"{"word":"cat"}"#, "column 14 of the line: missing field `drawing`"),
        (r#"{"drawing":[[[1],[2]]]}"#, "column 23 of the line: missing field `word`"),
        (r#"{"word":"cat","drawing":[[[1],[2]]]} {}"#, "column 38 of the line: trailing characters"),
        // A record over several lines: the position is that in the whole text.
        ("{\"word\":\n\"cat\",\n\"drawing\":?}", "column 27 of the line: expected value"),
    ] {
        assert_eq!(error(line).to_string(), message, "{line}");
    }
}

#[test]
fn a_category_must_have_a_name() {
    for word in ["", "  ", "\\t"] {
        assert_eq!(error(&format!(r#"{{"word":"{word}","drawing":[[[1],[2]]]}}"#)), Error::EmptyWord);
    }
}

#[test]
fn strokes_in_memory_are_validated_alike() {
    assert_eq!(Drawing::from_strokes(vec![]), Err(Error::EmptyDrawing));
    assert_eq!(Drawing::from_strokes(vec![vec![[0.0; 2]], vec![]]), Err(Error::EmptyStroke { stroke: 1 }));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.000_001e7, -f32::MAX] {
        for axis in 0..2 {
            let mut strokes = vec![vec![[1.0, 2.0]; 3]; 3];
            strokes[2][1][axis] = bad;
            match Drawing::from_strokes(strokes) {
                Err(Error::InvalidCoordinate { stroke: 2, point: 1, .. }) => {}
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
    let strokes = vec![vec![[1e7, -1e7]], vec![[0.5, -0.0], [0.5, -0.0]]];
    let drawing = Drawing::from_strokes(strokes.clone()).unwrap();
    assert_eq!((drawing.strokes(), drawing.n_points()), (strokes.as_slice(), 3));
}

#[test]
fn the_first_points_of_a_drawing_end_within_a_stroke_or_between_two() {
    let stroke = |n: usize| (0..n).map(|i| [i as f32, 0.0]).collect::<Vec<_>>();
    let drawing = Drawing::from_strokes(vec![stroke(3), stroke(2), stroke(4)]).unwrap();
    let lengths =
        |n: usize| -> Vec<usize> { drawing.clone().first_points(n).strokes().iter().map(Vec::len).collect() };
    assert_eq!(lengths(0), [1]);
    assert_eq!(lengths(2), [2]);
    assert_eq!(lengths(3), [3]);
    assert_eq!(lengths(4), [3, 1]);
    assert_eq!(lengths(9), [3, 2, 4]);
    assert_eq!(lengths(usize::MAX), [3, 2, 4]);
}

#[test]
fn the_pen_is_down_within_a_stroke_and_up_between_two() {
    let stroke = |n: usize| (0..n).map(|i| [i as f32, 0.0]).collect::<Vec<_>>();
    let drawing = Drawing::from_strokes(vec![stroke(3), stroke(2), stroke(4)]).unwrap();
    let down: Vec<bool> = (1..=10).map(|n| drawing.clone().first_points(n).is_pen_down()).collect();
    assert_eq!(down, [true, true, false, true, false, true, true, true, false, false]);
    // Nothing is cut off: the pen stays as it is.
    let live = drawing.clone().with_pen_down(true);
    assert!(live.clone().first_points(9).is_pen_down() && !live.clone().first_points(5).is_pen_down());
    let dot = Drawing::from_strokes(vec![stroke(1)]).unwrap();
    assert!(dot.with_pen_down(true).first_points(0).is_pen_down());
    assert_ne!(live, drawing);
    assert!(live.simplify().is_pen_down() && !drawing.simplify().is_pen_down());
    assert_eq!(live.simplify().strokes(), drawing.simplify().strokes());
}

#[test]
fn a_line_that_is_cut_short_or_damaged_never_panics() {
    let cat = CAT.trim_end();
    for end in 0..cat.len() {
        assert!(Record::parse(&cat[..end]).is_err(), "{}", &cat[..end]);
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..5000 {
        let mut bytes = cat.as_bytes().to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = b"[]{},:\"\\0e-.n9 "[random.random_range(0..15)];
        }
        if let Ok(record) = Record::parse(std::str::from_utf8(&bytes).unwrap()) {
            assert!(record.drawing.n_points() > 0);
        }
    }
    let deep = "[".repeat(100_000);
    assert!(Record::parse(&line(&deep)).is_err());
    assert!(Record::parse(&format!(r#"{{"word":"cat","other":{deep}"#)).is_err());
}

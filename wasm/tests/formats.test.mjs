// Drawings to and from text: what is written is read back, and no text, however hostile, does more than fail with a reason.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { QuickdrawError } from "quickdraw-rnn";

import { parseNdjson, parseSvg, toNdjson, toSvg } from "quickdraw-rnn/formats";

import { random as numbers } from "../bench/page/random.mjs";

/** Choices in a fixed order. */
function generator(seed) {
  const random = numbers(seed);
  const next = () => random() * 2 ** 32;
  return {
    below: (n) => next() % n,
    between: (low, high) => low + (high - low) * random(),
    of: (list) => list[next() % list.length],
  };
}

function invalidStrokes(...parts) {
  return (error) => {
    assert.ok(error instanceof QuickdrawError, String(error));
    assert.equal(error.code, "invalid-strokes");
    for (const part of parts) assert.match(error.message, part);
    return true;
  };
}

const invalidOptions = (error) => error instanceof QuickdrawError && error.code === "invalid-options";

function randomDrawing(random, withTimes = false) {
  return Array.from({ length: 1 + random.below(5) }, () => {
    const n = 1 + random.below(6);
    const list = (value) => Array.from({ length: n }, value);
    const stroke = [list(() => random.between(-300, 300)), list(() => random.below(256))];
    if (withTimes) stroke.push(list((_, index) => 17 * index));
    return stroke;
  });
}

const line = [
  [
    [0, 10],
    [0, 5],
  ],
];

test("each value is read once: what is written is what was checked", () => {
  const nRead = new Map();
  /** Gives a value once, and then what would be no drawing. */
  const once = (name, value) => {
    nRead.set(name, (nRead.get(name) ?? 0) + 1);
    return nRead.get(name) === 1 ? value : NaN;
  };
  const point = {
    get x() {
      return once("x", 1);
    },
    get y() {
      return once("y", 2);
    },
  };
  const list = (name, value) => Object.defineProperty([0], 0, { get: () => once(name, value) });
  const record = {
    get word() {
      return once("word", "cat");
    },
    get drawing() {
      return once("drawing", [[point], [list("x of a list", 3), list("y of a list", 4), list("time", 5)]]);
    },
  };
  assert.equal(toNdjson([record]), '{"word":"cat","drawing":[[[1],[2]],[[3],[4],[5]]]}\n');
  assert.deepEqual(new Set(nRead.values()), new Set([1]));
  const broken = {
    get word() {
      throw new Error("no word");
    },
    drawing: [[point]],
  };
  assert.throws(() => toNdjson([broken]), invalidStrokes(/^drawing 0 /, /could not be read: no word/));
});

describe("ndjson", () => {
  test("what is written is read back to the last digit, with every field and the times", () => {
    const random = generator(1);
    for (let round = 0; round < 200; round++) {
      const records = Array.from({ length: random.below(4) }, () => ({
        ...(random.below(2) && { word: random.of(["cat", "고양이", 'a "quoted" \n word', "__proto__", "\u2028"]) }),
        ...(random.below(2) && { countrycode: "KR" }),
        ...(random.below(2) && { timestamp: "2017-03-09 00:28:55.637750 UTC" }),
        ...(random.below(2) && { recognized: random.below(2) === 1 }),
        ...(random.below(2) && { key_id: "5201136883597312" }),
        drawing: randomDrawing(random, random.below(2) === 1),
      }));
      const text = toNdjson(records);
      assert.equal(text.split("\n").length, records.length + 1);
      assert.deepEqual([...parseNdjson(text)], records);
      assert.equal(toNdjson(parseNdjson(text)), text);
    }
  });

  test("strokes of every form are written as the data set has them", () => {
    const points = [
      [
        { x: 0, y: 0, t: 3 },
        { x: 10, y: 5 },
      ],
      [{ x: 1.5, y: 2 }],
    ];
    const lists = [
      [
        [0, 10],
        [0, 5],
      ],
      [[1.5], [2]],
    ];
    const typed = [
      [Float32Array.of(0, 10), Uint8Array.of(0, 5)],
      [Float64Array.of(1.5), Int16Array.of(2)],
    ];
    const packed = { points: Float32Array.of(0, 0, 10, 5, 1.5, 2), offsets: [0, 2] };
    const expected = '{"drawing":[[[0,10],[0,5]],[[1.5],[2]]]}\n';
    for (const strokes of [points, lists, typed, packed]) {
      assert.equal(toNdjson([strokes]), expected);
      assert.equal(toNdjson([{ drawing: strokes }]), expected);
    }
    assert.equal(toNdjson([{ word: "cat", drawing: line }]), '{"word":"cat","drawing":[[[0,10],[0,5]]]}\n');
    assert.equal(toNdjson([]), "");
  });

  test("blank lines, CRLF, a byte order mark and a missing end are fine, and the text may come in any parts", () => {
    const text = `\uFEFF\r\n{"word":"a","drawing":[[[1],[2]]]}\r\n  \t\n\n{"word":"b","drawing":[[[3],[4]]],"soft":{"b":1}}`;
    const expected = [
      { word: "a", drawing: [[[1], [2]]] },
      { word: "b", drawing: [[[3], [4]]] },
    ];
    assert.deepEqual([...parseNdjson(text)], expected);
    for (let size = 1; size < 20; size++) {
      const parts = [];
      for (let at = 0; at < text.length; at += size) parts.push(text.slice(at, at + size));
      assert.deepEqual([...parseNdjson(parts)], expected);
    }
    assert.deepEqual([...parseNdjson("")], []);
    assert.deepEqual([...parseNdjson([])], []);
  });

  test("lines are read as they are asked for", () => {
    let nRead = 0;
    function* parts() {
      for (;;) {
        nRead += 1;
        yield '{"drawing":[[[1],[2]]]}\n';
      }
    }
    const records = parseNdjson(parts());
    records.next();
    records.next();
    assert.ok(nRead <= 3);
    records.return();
  });

  test("identifiers and times of day that are numbers become text; null is as missing", () => {
    const text =
      '{"word":null,"key_id":5201136883597312,"timestamp":1489019335,"recognized":null,"drawing":[[[1],[2]]]}';
    assert.deepEqual(
      [...parseNdjson(text)],
      [{ timestamp: "1489019335", key_id: "5201136883597312", drawing: [[[1], [2]]] }],
    );
  });

  test("a line without a drawing ends the reading, and the error names the line", () => {
    const good = '{"drawing":[[[1],[2]]]}\n';
    const cases = [
      ["{", /not JSON/],
      ["[]", /found an array, expected a record/],
      ["null", /found null/],
      ['"text"', /found "text"/],
      ["{}", /`drawing`: found undefined/],
      ['{"drawing":[]}', /no strokes/],
      ['{"drawing":[[]]}', /stroke 0 .* has no points/],
      ['{"drawing":[[[1],[2]],[[],[]]]}', /stroke 1 .* has no points/],
      ['{"drawing":[[[1,2],[3]]]}', /2 x and 1 y/],
      ['{"drawing":[[[1],[2],[3],[4]]]}', /4 lists/],
      ['{"drawing":[[[1],["2"]]]}', /y: invalid type: string "2"/],
      ['{"drawing":[[[1],[1e400]]]}', /Infinity/],
      ['{"drawing":[[[1],[2],[null]]]}', /stroke 0, point 0 .*: the time is null/],
      ['{"drawing":[[[1],[2],[3,4]]]}', /1 x and 2 times/],
      ['{"drawing":[[[1],[2],3]]}', /the times are 3/],
      ['{"drawing":[[{"x":1,"y":2}]]}', /found an object, expected \[\[x/],
      ['{"drawing":{"points":[1,2],"offsets":[0]}}', /found an object/],
      ['{"word":7,"drawing":[[[1],[2]]]}', /`word`: found 7, expected a string/],
      ['{"recognized":"yes","drawing":[[[1],[2]]]}', /`recognized`: found "yes"/],
      ['{"key_id":52011368835973129,"drawing":[[[1],[2]]]}', /`key_id`/],
    ];
    for (const [bad, message] of cases) {
      assert.throws(() => [...parseNdjson(good + bad)], invalidStrokes(/^line 2: /, message), bad);
    }
  });

  test("bad lines are handed over and left out where someone takes them", () => {
    const text = 'nonsense\n\n{"word":"a","drawing":[[[1],[2]]]}\n{"drawing":1}\n{"word":"b","drawing":[[[1],[2]]]}\n';
    const found = [];
    const records = [...parseNdjson(text, { onBadLine: (error, line) => found.push([error.code, line]) })];
    assert.deepEqual(
      records.map(({ word }) => word),
      ["a", "b"],
    );
    assert.deepEqual(found, [
      ["invalid-strokes", 1],
      ["invalid-strokes", 4],
    ]);
  });

  test("hostile lines fail as others do, and no prototype changes", () => {
    const deep = "[".repeat(1_000_000);
    const hostile = [
      deep,
      `{"drawing":${deep}`,
      '{"a":'.repeat(1_000_000),
      `"${"x".repeat(1_000_000)}`,
      `"${"\\".repeat(999_999)}`,
      '{"__proto__":{"drawing":[[[1],[2]]],"polluted":1}}',
      '{"constructor":{"prototype":{"polluted":1}}}',
      "\0",
      "\uD800",
    ];
    const lines = [];
    const text = `${hostile.join("\n")}\n{"__proto__":{"word":"x"},"drawing":[[[1],[2]]]}\n`;
    const records = [...parseNdjson(text, { onBadLine: (_, line) => lines.push(line) })];
    assert.deepEqual(
      lines,
      hostile.map((_, index) => index + 1),
    );
    assert.deepEqual(records, [{ drawing: [[[1], [2]]] }]);
    assert.equal({}.polluted, undefined);
    assert.equal(Object.getPrototypeOf(records[0]), Object.prototype);
  });

  test("brackets within texts are no lists", () => {
    const word = `${"[{".repeat(100)}\\"`;
    assert.deepEqual([...parseNdjson(toNdjson([{ word, drawing: line }]))], [{ word, drawing: line }]);
  });

  test("a line without an end is not kept", () => {
    const part = " ".repeat(1_000_000);
    function* parts() {
      for (let n = 0; n < 90; n++) yield part;
      yield '\n{"drawing":[[[1],[2]]]}';
    }
    assert.throws(() => [...parseNdjson(parts())], invalidStrokes(/line 1: it is longer than/));
    assert.equal([...parseNdjson(parts(), { onBadLine: () => undefined })].length, 1);
  });

  test("lines cut and changed at random are read or fail with a reason", () => {
    const random = generator(2);
    const alphabet = '{}[],:"\\0123456789.eE+-x\n\r\t';
    for (let round = 0; round < 2000; round++) {
      const text = toNdjson([{ word: "cat", drawing: randomDrawing(random, true) }]);
      const at = random.below(text.length);
      const changed = text.slice(0, at) + random.of(alphabet) + text.slice(at + random.below(3));
      try {
        for (const record of parseNdjson(changed)) toNdjson([record]);
      } catch (error) {
        invalidStrokes(/^line \d/)(error);
      }
    }
  });

  test("what is neither text nor drawings is refused at once", () => {
    for (const wrong of [undefined, null, 7, {}]) {
      assert.throws(() => parseNdjson(wrong), invalidOptions);
      assert.throws(() => toNdjson(wrong), invalidOptions);
    }
    assert.throws(() => parseNdjson("", null), invalidOptions);
    assert.throws(() => parseNdjson("", { onBadLine: true }), invalidOptions);
    assert.throws(() => [...parseNdjson([7])], invalidOptions);
    assert.throws(() => toNdjson("text"), invalidOptions);
    assert.throws(() => toNdjson([line, []]), invalidStrokes(/^drawing 1 /, /no strokes/));
    assert.throws(() => toNdjson([{ word: 7, drawing: line }]), invalidStrokes(/^drawing 0 /, /`word`/));
    assert.throws(() => toNdjson([[[[1], [2], [NaN]]]]), invalidStrokes(/the time is NaN/));
  });
});

describe("a picture", () => {
  /** A drawing in units of its larger side, at its middle. */
  function normalised(strokes) {
    const xs = strokes.flatMap(([x]) => x);
    const ys = strokes.flatMap(([, y]) => y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const side = Math.max(right - left, bottom - top) || 1;
    return strokes.map(([x, y]) => [
      x.map((value) => (value - (left + right) / 2) / side),
      y.map((value) => (value - (top + bottom) / 2) / side),
    ]);
  }

  function assertClose(found, expected, tolerance) {
    assert.equal(found.length, expected.length);
    for (const [stroke, lists] of found.entries()) {
      for (const [axis, values] of lists.entries()) {
        assert.equal(values.length, expected[stroke][axis].length);
        for (const [point, value] of values.entries()) {
          const distance = Math.abs(value - expected[stroke][axis][point]);
          assert.ok(distance <= tolerance, `stroke ${stroke}, point ${point}: ${distance}`);
        }
      }
    }
  }

  test("holds the drawing that went in, up to its place and size", () => {
    const random = generator(3);
    for (let round = 0; round < 200; round++) {
      const drawing = randomDrawing(random);
      const svg = toSvg(drawing, { background: "white", title: "<&>" });
      assertClose(normalised(parseSvg(svg)), normalised(drawing), 1e-4);
      assert.ok(
        parseSvg(svg)
          .flat(2)
          .every((value) => value >= 0 && value <= 256),
      );
    }
  });

  test("is a square of the size asked for, one path a stroke", () => {
    const svg = toSvg(
      [
        [
          [0, 10],
          [0, 5],
        ],
        [[3], [4]],
      ],
      { size: 100, strokeWidth: 5, color: "#07f" },
    );
    assert.equal(
      svg,
      `<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100" viewBox="0 0 100 100">
<g fill="none" stroke="#07f" stroke-width="5" stroke-linecap="round" stroke-linejoin="round">
<path d="M5 27.5L95 72.5"/>
<path d="M32 63.5L32 63.5"/>
</g>
</svg>
`,
    );
  });

  test("of a dot is a dot in the middle", () => {
    assert.match(toSvg([[{ x: 7, y: -3 }]]), /<path d="M128 128L128 128"\/>/);
    assert.deepEqual(parseSvg(toSvg([[{ x: 7, y: -3 }]])), [[[128], [128]]]);
  });

  test("says nothing that its options could smuggle in", () => {
    const hostile = `"/><script>alert('&')</script>\0\uD800`;
    const svg = toSvg(line, { color: hostile, background: hostile, title: hostile });
    assert.doesNotMatch(svg, /<script|\0|\uD800/);
    assert.equal(svg.match(/&lt;script&gt;alert\(&#39;&amp;&#39;\)/g).length, 3);
    assert.match(svg, /role="img"/);
    assert.equal(parseSvg(svg).length, 1);
  });

  test("has options that make sense", () => {
    for (const options of [
      null,
      { size: 0 },
      { size: NaN },
      { size: "9" },
      { strokeWidth: 0 },
      { size: 20, strokeWidth: 21 },
      { color: 7 },
      { title: {} },
    ]) {
      assert.throws(() => toSvg(line, options), invalidOptions);
    }
    assert.throws(() => toSvg([]), invalidStrokes(/no strokes/));
  });
});

describe("SVG", () => {
  const svg = (content, attributes = 'viewBox="0 0 100 100"') =>
    `<svg xmlns="http://www.w3.org/2000/svg" ${attributes}>${content}</svg>`;
  const path = (d, more = "") => svg(`<path d="${d}" stroke="black" ${more}/>`);
  const rounded = (strokes) =>
    strokes.map((lists) => lists.map((values) => values.map((value) => Math.round(value * 1e6) / 1e6 + 0)));
  const first = (strokes) => strokes.map(([x, y]) => [x[0], y[0]]);
  const last = (strokes) => strokes.map(([x, y]) => [x.at(-1), y.at(-1)]);

  test("paths have strokes of lines, with every way to write the numbers", () => {
    const square = [
      [
        [10, 20, 20, 10, 10],
        [10, 10, 20, 20, 10],
      ],
    ];
    for (const d of [
      "M10 10L20 10L20 20L10 20Z",
      "M 10,10 20,10 20,20 10,20 z",
      "m10 10h10v10h-10z",
      "M1e1+10H20V20H10z",
      "m10,10 10,0 0,10 -10-0z",
      "\n\tM10.0.1e2L20,10\r\n20 20 10 20Z ",
    ]) {
      assert.deepEqual(parseSvg(path(d)), square, d);
    }
    assert.deepEqual(parseSvg(path("M.5.5-.5-.5")), [
      [
        [0.5, -0.5],
        [0.5, -0.5],
      ],
    ]);
    assert.deepEqual(parseSvg(path("M1 1L2 2M5 5l1 1m1 1h1")), [
      [
        [1, 2],
        [1, 2],
      ],
      [
        [5, 6],
        [5, 6],
      ],
      [
        [7, 8],
        [7, 7],
      ],
    ]);
    // After a closed part the next begins where that began; a move alone draws nothing.
    assert.deepEqual(parseSvg(path("M1 1h2v2zl5 0M9 9")), [
      [
        [1, 3, 3, 1],
        [1, 1, 3, 1],
      ],
      [
        [1, 6],
        [1, 1],
      ],
    ]);
    assert.deepEqual(parseSvg(path("M5 5z")), [[[5], [5]]]);
    assert.deepEqual(parseSvg(path("M5 5h0")), [[[5], [5]]]);
  });

  test("curves lie within the tolerance", () => {
    const parabola = (tolerance) => parseSvg(path("M0 0Q50 100 100 0"), { tolerance });
    for (const tolerance of [10, 1, 0.1, 0.001]) {
      const [[x, y]] = parabola(tolerance);
      for (let index = 1; index < x.length; index++) {
        // The middle of a chord: y = 2 x (100 - x) / 100 on the curve.
        const [mx, my] = [(x[index] + x[index - 1]) / 2, (y[index] + y[index - 1]) / 2];
        assert.ok(Math.abs(my - (2 * mx * (100 - mx)) / 100) <= tolerance * 2.3);
      }
    }
    assert.ok(parabola(0.001)[0][0].length > parabola(10)[0][0].length);
    assert.equal(parabola(1000)[0][0].length, 2);
  });

  test("smooth curves go on as the curve before did", () => {
    const same = (a, b) => assert.deepEqual(rounded(parseSvg(path(a))), rounded(parseSvg(path(b))));
    same("M0 0C0 10 10 20 20 20S40 30 40 40", "M0 0C0 10 10 20 20 20C30 20 40 30 40 40");
    same("M0 0c0 10 10 20 20 20s20 10 20 20", "M0 0C0 10 10 20 20 20C30 20 40 30 40 40");
    same("M0 0Q10 0 10 10T20 20T40 20", "M0 0Q10 0 10 10Q10 20 20 20Q30 20 40 20");
    same("M0 0q10 0 10 10t10 10", "M0 0Q10 0 10 10Q10 20 20 20");
    // Without a curve of their kind before them they begin straight.
    same("M5 5S40 30 40 40", "M5 5C5 5 40 30 40 40");
    same("M5 5L6 6T40 40", "M5 5L6 6Q6 6 40 40");
    same("M0 0Q10 0 10 10S40 30 40 40", "M0 0Q10 0 10 10C10 10 40 30 40 40");
  });

  test("arcs are parts of their ellipse, turned and large as their flags say", () => {
    const radius = ([x, y], cx, cy) => x.map((value, index) => Math.hypot(value - cx, y[index] - cy));
    const cases = [
      // [d, middle, whether the arc takes the long way]
      ["M10 0A10 10 0 0 1 0 10", [0, 0], false],
      ["M10 0A10 10 0 1 1 0 10", [10, 10], true],
      ["M10 0A10 10 0 0 0 0 10", [10, 10], false],
      ["M10 0A10 10 0 1 0 0 10", [0, 0], true],
      ["M10 0a10 10 0 01-10 10", [0, 0], false],
      ["M10 0a10,10,0,11-10,10", [10, 10], true],
    ];
    for (const [d, [cx, cy], isLarge] of cases) {
      const [stroke] = parseSvg(path(d));
      for (const r of radius(stroke, cx, cy)) assert.ok(Math.abs(r - 10) < 0.01, `${d}: ${r}`);
      const length = stroke[0]
        .slice(1)
        .reduce((sum, x, i) => sum + Math.hypot(x - stroke[0][i], stroke[1][i + 1] - stroke[1][i]), 0);
      assert.ok(Math.abs(length - (isLarge ? 15 : 5) * Math.PI) < 0.5, `${d}: ${length}`);
      assert.deepEqual(last([stroke]), [[0, 10]]);
    }
    // An ellipse of 20 by 10 turned by 90 degrees is 10 by 20.
    const [[x, y]] = parseSvg(path("M-10 0A20 10 90 0 1 10 0"));
    assert.ok(Math.abs(Math.max(...y.map(Math.abs)) - 20) < 0.05);
    assert.ok(Math.max(...x) <= 10.001);
    // Radii that are too small grow; an arc without a radius is a line, one to its own beginning nothing.
    assert.ok(Math.abs(Math.max(...parseSvg(path("M0 0A1 1 0 0 1 40 0"))[0][1].map(Math.abs)) - 20) < 0.05);
    assert.deepEqual(parseSvg(path("M0 0A0 5 0 0 1 40 0")), [
      [
        [0, 40],
        [0, 0],
      ],
    ]);
    assert.deepEqual(parseSvg(path("M0 0A5 5 0 0 1 0 0H3")), [
      [
        [0, 3],
        [0, 0],
      ],
    ]);
  });

  test("other shapes are outlines", () => {
    assert.deepEqual(parseSvg(svg('<line x1="1" y1="2" x2="3" y2="4" stroke="red"/>')), [
      [
        [1, 3],
        [2, 4],
      ],
    ]);
    assert.deepEqual(parseSvg(svg('<polyline points="1,2 3,4 5 6"/>')), [
      [
        [1, 3, 5],
        [2, 4, 6],
      ],
    ]);
    assert.deepEqual(parseSvg(svg('<polyline points="1,2"/>')), [[[1], [2]]]);
    assert.deepEqual(parseSvg(svg('<polygon points="0 0 4 0 4 3"/>')), [
      [
        [0, 4, 4, 0],
        [0, 0, 3, 0],
      ],
    ]);
    assert.deepEqual(parseSvg(svg('<rect x="1" y="2" width="10px" height="20%"/>')), [
      [
        [1, 11, 11, 1, 1],
        [2, 2, 22, 22, 2],
      ],
    ]);
    const [[x, y]] = parseSvg(svg('<circle cx="50" cy="40" r="10"/>'));
    for (const [index, value] of x.entries()) assert.ok(Math.abs(Math.hypot(value - 50, y[index] - 40) - 10) < 0.01);
    assert.deepEqual([x[0], y[0]], [x.at(-1), y.at(-1)]);
    const [[ex, ey]] = parseSvg(svg('<ellipse cx="50%" cy="50" rx="20" ry="10"/>'));
    assert.ok(Math.abs(Math.max(...ex) - 70) < 1e-9 && Math.abs(Math.max(...ey) - 60) < 1e-9);
    const [[rx, ry]] = parseSvg(svg('<rect width="20" height="10" rx="5"/>'));
    assert.ok(rx.length > 9 && Math.min(...rx) >= 0 && Math.max(...rx) <= 20 && Math.max(...ry) <= 10);
    assert.ok(
      rx.every((value, index) => value + ry[index] > 2.9),
      "the corner is round",
    );
    assert.throws(
      () => parseSvg(svg('<circle r="0"/><rect width="0" height="9"/><ellipse rx="3"/><path d=""/>')),
      invalidStrokes(/no lines/),
    );
  });

  test("transformations apply from the inside out", () => {
    const place = (transform) =>
      first(parseSvg(svg(`<path transform="${transform}" d="M10 0h1"/>`))).map((p) =>
        p.map((v) => Math.round(v * 1e6) / 1e6 + 0),
      )[0];
    assert.deepEqual(place("translate(5)"), [15, 0]);
    assert.deepEqual(place("translate(5,6)"), [15, 6]);
    assert.deepEqual(place("scale(2)"), [20, 0]);
    assert.deepEqual(place("scale(2 3) translate(1 1)"), [22, 3]);
    assert.deepEqual(place("rotate(90)"), [0, 10]);
    assert.deepEqual(place("rotate(90, 10, 10)"), [20, 10]);
    assert.deepEqual(place("skewY(45)"), [10, 10]);
    assert.deepEqual(place("translate(0 1)skewX(45)"), [10, 1]);
    assert.deepEqual(place(" matrix(0 1 -1 0 3 4) , "), [3, 14]);
    assert.deepEqual(place(""), [10, 0]);
    const nested = svg(
      '<g transform="translate(100 0)"><svg x="5" y="7"><g transform="scale(2)"><path d="M1 1h1"/></g></svg></g><path d="M1 1h1"/>',
    );
    assert.deepEqual(parseSvg(nested), [
      [
        [107, 109],
        [9, 9],
      ],
      [
        [1, 2],
        [1, 1],
      ],
    ]);
    // Curves are as smooth when they are enlarged.
    const points = (scale) => parseSvg(svg(`<circle r="1" transform="scale(${scale})"/>`))[0][0].length;
    assert.ok(points(100) > points(1));
    for (const wrong of [
      "turn(3)",
      "scale()",
      "scale(1 2 3)",
      "rotate(1 2)",
      "matrix(1 2)",
      "scale(a)",
      "scale(1",
      "scale(1e999)",
      "translate",
    ]) {
      assert.throws(() => place(wrong), invalidStrokes(/transform: found/), wrong);
    }
  });

  test("what is not part of the picture is left out", () => {
    const noise = '<path d="M0 0h9"/>';
    const hidden = [
      "defs",
      "clipPath",
      "symbol",
      "mask",
      "metadata",
      "marker",
      "pattern",
      "text",
      "foreignObject",
      "title",
      "x:g",
    ]
      .map((name) => `<${name}><g>${noise}</g></${name}>`)
      .join("");
    const content = `<?xml-stylesheet href="a.css"?><!-- ${noise} --><style><![CDATA[ ${noise} ]]></style>${hidden}
      <g display="none">${noise}</g><g style="display: none">${noise}</g><sodipodi:path d="M0 0h9"/>
      <path d="M0 0h24v24H0z" fill="none"/><rect width="100%" height="100%" fill="white"/><rect x="0" y="0" width="100" height="100"/>
      <a href="#"><switch><path d="M1 1h1" fill="none" stroke="red"/></switch></a>`;
    const doctype = `<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x>y" [<!ENTITY a "]>"> <!-- ]> --> <!ENTITY b '${noise}'>]>`;
    assert.deepEqual(parseSvg(`\uFEFF${doctype}<!-- a -->\n${svg(content)}<!-- b -->`), [
      [
        [1, 2],
        [1, 1],
      ],
    ]);
  });

  test("colours are inherited, and a style sheet may give some", () => {
    const strokes = (content) => {
      try {
        return parseSvg(svg(content)).length;
      } catch {
        return 0;
      }
    };
    const at = 'd="M1 1h1"';
    assert.equal(strokes(`<g fill="none" stroke="red"><path ${at}/></g>`), 1);
    assert.equal(strokes(`<g fill="none"><path ${at}/></g>`), 0);
    assert.equal(strokes(`<g stroke="red"><path ${at} style="fill:none; stroke : none"/></g>`), 0);
    assert.equal(strokes(`<g fill="none"><path ${at} class="a"/></g>`), 1);
    assert.equal(strokes(`<path ${at}/>`), 1);
    assert.equal(strokes(`<rect width="100" height="100" stroke="red"/>`), 1);
    assert.equal(strokes(`<rect width="99" height="100"/>`), 1);
  });

  test("names with a prefix, single quotes and entities are read", () => {
    const text = `<ns0:svg xmlns:ns0='http://www.w3.org/2000/svg'><ns0:g><ns0:path title="a > b" d='M1&#32;1&#x20;h1'/><path d="M9 9h9"/></ns0:g></ns0:svg >`;
    assert.deepEqual(parseSvg(text), [
      [
        [1, 2],
        [1, 1],
      ],
    ]);
  });

  test("what is malformed is named with its place", () => {
    const cases = [
      ["", /found no element/],
      ["hello", /found no element/],
      ["<html></html>", /begins with <html>/],
      ["<svg", /end of the text/],
      ["<svg>", /ends within <svg>/],
      ["<svg></svg>", /no lines/],
      ["<svg/>", /no lines/],
      ["</svg>", /found <\/svg>/],
      ["<svg><g></svg>", /expected <\/g>/],
      ["<svg><path d=1/></svg>", /in quotes/],
      ["<svg><path d></svg>", /expected `=`/],
      ['<svg><path d="M0 0></svg>', /has no `"`/],
      ["<svg>< path/></svg>", /the name of an element/],
      ["<svg><!-- </svg>", /has no `-->`/],
      ["<svg><![CDATA[ </svg>", /has no `\]\]>`/],
      ["<!DOCTYPE svg [ <svg/>", /has no `>`/],
      [path("10 10"), /expected a command|expected M or m/],
      [path("L10 10"), /expected M or m/],
      [path("M10"), /found its end, expected a number/],
      [path("M10 10X"), /expected a command/],
      [path("M10 10L5 y"), /found `y` at character 9, expected a number/],
      [path("M10 10z5"), /expected a command/],
      [path("M0 0A1 1 0 2 1 5 5"), /expected 0 or 1/],
      [path("M0 0L1e999 0"), /Infinity/],
      [path("M0 0L99999999 0"), /at most 10000000/],
      [path("M0 0C1e308 1e308 -1e308 0 5 5"), /./],
      [svg('<polyline points="1 2 3"/>'), /expected pairs of numbers/],
      [svg('<rect width="9mm" height="1"/>'), /width: found `9mm`/],
      [`<svg>${"<g>".repeat(2000)}`, /levels deep/],
    ];
    for (const [text, message] of cases)
      assert.throws(() => parseSvg(text), invalidStrokes(message), text.slice(0, 80));
    for (const wrong of [undefined, 7, {}]) assert.throws(() => parseSvg(wrong), invalidOptions);
    for (const tolerance of [0, -1, NaN, Infinity, "1"])
      assert.throws(() => parseSvg(path("M0 0h1"), { tolerance }), invalidOptions);
  });

  test("huge pictures are refused before they take much", () => {
    assert.throws(() => parseSvg(" ".repeat(32_000_001)), invalidStrokes(/at most 32000000/));
    assert.throws(
      () => parseSvg(path("M0 0".concat("h0".repeat(1_000_001)))),
      invalidStrokes(/more than 1000000 points/),
    );
    assert.throws(
      () => parseSvg(path("M0 0C100 0 0 100 9 9"), { tolerance: 1e-300 }),
      invalidStrokes(/more than 1000000 points/),
    );
    assert.throws(
      () => parseSvg(path("M0 0".concat("q1 1 0 0".repeat(1000))), { tolerance: 1e-9 }),
      invalidStrokes(/more than 1000000 points/),
    );
  });

  test("texts that make careless patterns quadratic end as others do", () => {
    const n = 300_000;
    for (const text of [
      "<".repeat(n),
      "<svg ".repeat(n),
      `<svg ${" ".repeat(n)}`,
      `<svg ${"a".repeat(n)}`,
      `<svg a="${"&".repeat(n)}`,
      `<svg a="${"&#".repeat(n)}"`,
      "<!--".repeat(n),
      "<!".repeat(n),
      "<![CDATA[".repeat(n),
      `<!DOCTYPE${"[".repeat(n)}`,
      `<svg>${'<a b="'.repeat(n)}`,
      `<svg viewBox="${" ".repeat(n)}x${",".repeat(n)}" width="${"1".repeat(n)}x" height="${" ".repeat(n)}1">`,
      svg(`<path transform="${" ".repeat(n)}x" d="M0 0"/>`),
      svg(`<path transform="${"scale(".repeat(n)}" d="M0 0"/>`),
      svg(`<path style="${";:".repeat(n)}" d="${"1".repeat(n)}"/>`),
      svg(`<rect width="${"1".repeat(n)}x"/>`),
      svg(`<path d="M${"1e".repeat(n)}"/>`),
      svg(`<path d="M0 0 ${"-".repeat(n)}"/>`),
    ]) {
      assert.throws(() => parseSvg(text), invalidStrokes(/./), text.slice(0, 60));
    }
  });

  test("pictures cut and changed at random are read or fail with a reason", () => {
    const random = generator(4);
    const alphabet = `<>/="'&;!-[]?# .,eMmZzLlHhVvCcSsQqTtAa0123456789%()`;
    const whole = svg(
      `<g transform="rotate(10 3 4) scale(2)"><path d="M1 1h5v-5l2 2c1 1 2 2 3 0s1-1 2 0q1 1 2 0t3 3a5 4 30 1 0 3 3z" fill="none" stroke="red"/></g>
       <!-- c --><circle cx="5" cy="5" r="3"/><polyline points="1 2,3 4"/><rect x="1" y="2" width="3" height="4" rx="1"/>`,
    );
    for (let round = 0; round < 2000; round++) {
      let text = whole;
      for (let change = 0; change <= random.below(4); change++) {
        const at = random.below(text.length);
        text = text.slice(0, at) + random.of(alphabet) + text.slice(at + random.below(3));
      }
      try {
        const strokes = parseSvg(text);
        assert.ok(strokes.flat(2).every(Number.isFinite));
      } catch (error) {
        invalidStrokes(/./)(error);
      }
    }
  });
});

// The figures of the model that ships have one source, docs/figures.json. This program writes them into the documents.
//
//   node .ci/figures.mjs                     writes the figures into the documents
//   node .ci/figures.mjs --check             fails with file and line where a document or the model folder disagrees
//   node .ci/figures.mjs --eval eval.json --pen-up pen-up.json --calibrate calibrate.json
//                                            first takes over what was measured of another model, as these print it:
//     native-train eval --model wasm/model --data TEST --redraw --json > eval.json
//     native-train eval --model wasm/model --data TEST --pen-up --json > pen-up.json
//     native-train calibrate --model MODEL --data VALIDATION --json > calibrate.json
//
// In a document a figure stands between `<!--f PATH FORMAT-->` and `<!--/f-->`: the path leads into the JSON file, FORMATS has
// the formats. A table stands between lines `<!-- figures NAME -->` and `<!-- /figures -->`, in a YAML head between
// `# figures NAME` and `# /figures`; BLOCKS has the names.

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { Problem, root, runMain } from "./command.mjs";

const SOURCE = "docs/figures.json";
const MODEL = "wasm/model/model.json";
const WEIGHTS = "wasm/model/weights.safetensors";

/** What states figures of the model. The page reads its own from the model folder. */
const DOCUMENTS = [
  "README.md",
  "README.ko.md",
  "docs/guide/embed.md",
  "docs/guide/embed.ko.md",
  "docs/model.md",
  "wasm/README.md",
  "wasm/model/README.md",
];

/** Accuracies of the JSON file, in float32, and of the model folder, as the browser computes, differ by as much at most. */
const TOLERANCE = 0.001;
const LOSS_TOLERANCE = 0.005;

/** Confusions that the model card names. */
const N_CONFUSIONS = 6;

/** @typedef {{ line: number, message: string }} Complaint `line` counts from 1. */
/** @typedef {Record<string, unknown>} Figures */

/** @param {number} digits */
const fixed = (digits) => (/** @type {number} */ value) => value.toFixed(digits);
/** @param {number} value */
const percent = (value) => `${(100 * value).toFixed(1)} %`;
/** @param {number} value */
const count = (value) => value.toLocaleString("en-US");

/** @type {Record<string, (value: number) => string>} */
const FORMATS = {
  "%": percent,
  "%0": (value) => `${(100 * value).toFixed(0)} %`,
  "1-%0": (value) => `${(100 * (1 - value)).toFixed(0)} %`,
  ".3": fixed(3),
  n: count,
  kB: (value) => `${count(Math.round(value / 1000))} kB`,
  MB: (value) => `${(value / 1e6).toFixed(1)} MB`,
};

const WORDS = {
  en: {
    balanced: "class-balanced",
    all: "all drawings alike",
    redrawn: "re-rendered as pointer events, class-balanced",
  },
  ko: { balanced: "범주 균형", all: "모든 그림을 똑같이", redrawn: "브라우저의 포인터 이벤트로 다시 그림, 범주 균형" },
};

/**
 * Tables, and the head of the model card: each gives lines. `at` gets a value by its path and complains where there is none.
 *
 * @type {Record<string, (at: (path: string) => any) => string[]>}
 */
const BLOCKS = {
  accuracy: (at) => accuracy(at, WORDS.en),
  "accuracy-ko": (at) => accuracy(at, WORDS.ko),
  fractions: (at) => {
    const withPenUp = at("model_pen_up.by_fraction");
    const rows = at("model.by_fraction").map((/** @type {any} */ part, /** @type {number} */ i) => [
      `${Math.round(100 * part.fraction)} %`,
      percent(part.balanced_top1),
      percent(part.balanced_top5),
      percent(part.ece),
      percent(withPenUp[i].ece),
    ]);
    return table(["points seen", "top-1", "top-5", "ECE", "ECE, pen up"], rows);
  },
  calibration: (at) => {
    const rows = Object.entries({ whole: "pen up, whole drawings", pen_down: "pen down, at a random moment" }).map(
      ([key, name]) => {
        const { calibration, ece, share_above: coverage } = at(`calibration.${key}`);
        return [
          name,
          fixed(3)(calibration.temperature),
          fixed(3)(calibration.threshold),
          percent(coverage),
          ece ? percent(ece.after) : "",
        ];
      },
    );
    return table(["drawings", "temperature", "threshold", "coverage", "ECE, validation"], rows);
  },
  confusions: (at) => {
    const worst = at("model.confusions").slice(0, N_CONFUSIONS);
    const all = worst.map((/** @type {any} */ { label, guess, n, of }) => `${label} as ${guess} (${n} of ${of})`);
    return wrap(`${all.join(", ")}.`);
  },
  peers: (at) =>
    table(
      ["network", "top-1", "top-3", "top-5"],
      at("peers.other_drawings.networks").map((/** @type {any} */ peer) => [peer.name, ...balanced(peer)]),
    ),
  "model-index": (at) => {
    const metric = (/** @type {string} */ type, /** @type {string} */ name, /** @type {string} */ key) =>
      `          - { type: ${type}, name: "${name}", value: ${(100 * at(`model.${key}`)).toFixed(1)} }`;
    return [
      "model-index:",
      "  - name: quickdraw-rnn",
      "    results:",
      "      - task: { type: other, name: Sketch recognition }",
      `        dataset: { type: quickdraw, name: "Quick, Draw!, ${count(at("model.n"))} held-out drawings" }`,
      "        metrics:",
      metric("accuracy", "top-1 accuracy, class-balanced, %", "balanced_top1"),
      metric("accuracy", "top-5 accuracy, class-balanced, %", "balanced_top5"),
      metric("expected_calibration_error", "expected calibration error, %", "ece"),
    ];
  },
};

/**
 * @param {(path: string) => any} at
 * @param {typeof WORDS.en} words
 */
function accuracy(at, words) {
  const peers = at("peers.same_drawings.networks");
  // Peers were measured on the very drawings that the model was measured on, or they have no place in its table.
  const isSame = at("peers.same_drawings.n") === at("model.n");
  return table(
    ["", "top-1", "top-3", "top-5"],
    [
      [words.balanced, ...balanced(at("model"))].map((cell, i) => (i === 1 ? `**${cell}**` : cell)),
      [words.all, ...["top1", "top3", "top5"].map((key) => percent(at(`model.${key}`)))],
      [words.redrawn, ...balanced(at("model.redrawn"))],
      ...(isSame ? peers.map((/** @type {any} */ peer) => [`${peer.name}, ${words.balanced}`, ...balanced(peer)]) : []),
    ],
  );
}

/** @param {Record<string, number>} figures */
function balanced(figures) {
  return ["balanced_top1", "balanced_top3", "balanced_top5"].map((key) => percent(figures[key] ?? NaN));
}

/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |"));
}

/**
 * A paragraph in lines of at most 100 columns.
 *
 * @param {string} text
 */
function wrap(text) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= 100) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * A document with its figures, and what is wrong with its markers.
 *
 * @param {string} text
 * @param {Figures} figures
 * @returns {{ text: string, complaints: Complaint[] }}
 */
export function render(text, figures) {
  /** @type {Complaint[]} */
  const complaints = [];
  /** @type {string[]} */
  const lines = [];
  /** Of a block that is open: its name and the line of its beginning. @type {{ name: string, line: number } | undefined} */
  let block;
  const isFence = (/** @type {string} */ line) => line.startsWith("```");
  let isCode = false;
  for (const [index, line] of text.split("\n").entries()) {
    const number = index + 1;
    const complain = (/** @type {string} */ message) => complaints.push({ line: number, message });
    const at = (/** @type {string} */ where) => {
      const found = where.split(".").reduce((/** @type {any} */ value, key) => value?.[key], figures);
      if (found === undefined) throw new Problem(`${SOURCE} has no ${where}`);
      return found;
    };
    if (isFence(line)) isCode = !isCode;
    if (isCode) {
      lines.push(line);
      continue;
    }
    if (/^(<!-- \/figures -->|# \/figures)$/.test(line)) {
      if (!block) complain("the end of a block of figures that has no beginning");
      block = undefined;
      lines.push(line);
      continue;
    }
    if (block) continue;
    const begin = /^(?:<!-- figures (\S+) -->|# figures (\S+))$/.exec(line);
    if (begin) {
      const name = begin[1] ?? begin[2] ?? "";
      block = { name, line: number };
      lines.push(line);
      const make = BLOCKS[name];
      try {
        if (!make) throw new Problem(`there is no block of figures ${name}, only ${Object.keys(BLOCKS).join(", ")}`);
        lines.push(...make(at));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        complain(error.message);
      }
      continue;
    }
    // Markdown takes a line that begins with a comment for HTML, and then shows its asterisks and brackets.
    if (/^\s*<!--\/?f\b/.test(line)) complain("a line must not begin with a figure's marker");
    const replaced = line.replace(/<!--f ([\w.]+) ([\w.%-]+)-->.*?<!--\/f-->/g, (whole, where, name) => {
      try {
        const format = FORMATS[name];
        if (!format) throw new Problem(`there is no format ${name}, only ${Object.keys(FORMATS).join(" ")}`);
        return `<!--f ${where} ${name}-->${format(at(where))}<!--/f-->`;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        complain(error.message);
        return whole;
      }
    });
    const n = (/** @type {RegExp} */ pattern) => line.match(pattern)?.length ?? 0;
    if (n(/<!--f\b/g) !== n(/<!--\/f-->/g)) complain("a figure's marker has no other on its line");
    lines.push(replaced);
  }
  if (block) complaints.push({ line: block.line, message: `the block of figures ${block.name} has no end` });
  return { text: lines.join("\n"), complaints };
}

/**
 * Where a document is not what {@link render} makes of it, or states a headline figure without a marker.
 *
 * @param {string} text
 * @param {Figures} figures
 * @returns {Complaint[]}
 */
export function check(text, figures) {
  const { text: expected, complaints } = render(text, figures);
  if (complaints.length > 0) return complaints;
  const is = text.split("\n");
  const should = expected.split("\n");
  const plain = (/** @type {string | undefined} */ line) => line?.replaceAll(/<!--.*?-->/g, "") ?? "nothing";
  // Blocks may differ in length: where the first difference lies is what helps.
  const first = should.findIndex((line, i) => line !== is[i]);
  if (text !== expected) {
    return [{ line: first + 1, message: `${plain(is[first])}\n  but ${SOURCE} says\n  ${plain(should[first])}` }];
  }
  /** @type {any} */
  const { model, calibration } = figures;
  const headline = [
    percent(model.balanced_top1),
    percent(model.balanced_top5),
    fixed(3)(calibration.whole.calibration.threshold),
  ];
  let isBlock = false;
  return is.flatMap((line, index) => {
    if (/figures \S+( -->)?$/.test(line)) isBlock = true;
    if (/\/figures( -->)?$/.test(line)) isBlock = false;
    if (isBlock) return [];
    const byHand = line.replaceAll(/<!--f .*?<!--\/f-->/g, "");
    return headline
      .filter((figure) => new RegExp(`(?<![\\d.])${figure.replaceAll(".", "\\.").replace(" ", " ?")}`).test(byHand))
      .map((figure) => ({ line: index + 1, message: `${figure} stands here without a marker (see .ci/figures.mjs)` }));
  });
}

/**
 * What the model folder says otherwise than the figures.
 *
 * @param {any} card `model.json`
 * @param {any} figures
 * @returns {string[]}
 */
export function checkModel(card, figures) {
  const { n, loss, ...accuracies } = card.figures?.test ?? {};
  const { whole, pen_down: penDown } = figures.calibration;
  /** @type {[name: string, is: number | undefined, should: number, tolerance: number][]} */
  const pairs = [
    ["figures.test.n", n, figures.model.n, 0],
    ["figures.test.loss", loss, figures.model.loss, LOSS_TOLERANCE],
    ...["top1", "top3", "top5", "balanced_top1", "balanced_top3", "balanced_top5"].map(
      (key) =>
        /** @type {[string, number | undefined, number, number]} */ ([
          `figures.test.${key}`,
          accuracies[key],
          figures.model[key],
          TOLERANCE,
        ]),
    ),
    ["calibration.temperature", card.calibration?.temperature, whole.calibration.temperature, 1e-6],
    ["calibration.threshold", card.calibration?.threshold, whole.calibration.threshold, 1e-6],
    [
      "calibration.pen_down.temperature",
      card.calibration?.pen_down?.temperature,
      penDown.calibration.temperature,
      1e-6,
    ],
    ["calibration.pen_down.threshold", card.calibration?.pen_down?.threshold, penDown.calibration.threshold, 1e-6],
  ];
  return pairs
    .filter(([, is, should, tolerance]) => !(is !== undefined && Math.abs(is - should) <= tolerance))
    .map(([name, is, should]) => `${name} is ${is}, but ${SOURCE} says ${should}`);
}

/**
 * The figures with what was measured of another model; what was measured of the one before goes.
 *
 * @param {any} figures
 * @param {{ eval?: any, penUp?: any, calibrate?: any }} measured
 */
export function update(figures, { eval: evaluation, penUp, calibrate }) {
  const next = structuredClone(figures);
  if (evaluation) {
    // Figures of each category would be most of the file, and no document has them.
    const { classes: _, ...model } = evaluation;
    const isOther = model.n !== next.model?.n || model.loss !== next.model?.loss;
    next.model = model;
    if (isOther) {
      delete next.model_pen_up;
      delete next.calibration;
    }
  }
  if (penUp) {
    if (penUp.tells_pen !== false) throw new Problem("--pen-up: this was measured without `eval --pen-up`");
    next.model_pen_up = { tells_pen: false, by_fraction: penUp.by_fraction };
  }
  if (calibrate) {
    const { shift: _, ...calibration } = calibrate;
    next.calibration = calibration;
  }
  for (const [key, flag] of Object.entries({ model_pen_up: "--pen-up", calibration: "--calibrate" })) {
    if (!next[key]) throw new Problem(`these are figures of another model: give ${flag} as well`);
  }
  return next;
}

/** Bytes and parameters of the weights: every number in them but the scales of int8 matrices. */
function weightsOf() {
  const bytes = readFileSync(path.join(root, WEIGHTS));
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  const shapes = Object.entries(header).filter(([name]) => name !== "__metadata__" && !name.endsWith(".scale"));
  const parameters = shapes.reduce(
    (sum, [, { shape }]) => sum + shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1),
    0,
  );
  return { bytes: bytes.length, parameters };
}

async function main() {
  const { values } = parseArgs({
    options: {
      check: { type: "boolean", default: false },
      eval: { type: "string" },
      "pen-up": { type: "string" },
      calibrate: { type: "string" },
    },
  });
  const read = (/** @type {string} */ file) => readFileSync(path.resolve(root, file), "utf8");
  const given = (/** @type {string | undefined} */ file) =>
    file === undefined ? undefined : JSON.parse(readFileSync(file, "utf8"));
  const source = JSON.parse(read(SOURCE));
  const measured = { eval: given(values.eval), penUp: given(values["pen-up"]), calibrate: given(values.calibrate) };
  const updated = update(source, measured);
  // What follows from the files themselves is not kept twice.
  const figures = { ...updated, weights: weightsOf() };

  const complaints = checkModel(JSON.parse(read(MODEL)), figures).map((message) => `${MODEL}: ${message}`);
  let nChanged = 0;
  for (const file of DOCUMENTS) {
    const text = read(file);
    const made = render(text, figures);
    if (!values.check && made.complaints.length === 0 && made.text !== text) {
      writeFileSync(path.join(root, file), made.text);
      console.log(`wrote ${file}`);
      nChanged += 1;
    }
    const found = check(values.check ? text : made.text, figures);
    complaints.push(...found.map(({ line, message }) => `${file}:${line}: ${message}`));
  }
  if (!values.check && JSON.stringify(updated) !== JSON.stringify(source)) {
    writeFileSync(path.join(root, SOURCE), `${JSON.stringify(updated, null, 2)}\n`);
    console.log(`wrote ${SOURCE}`);
  }
  if (complaints.length > 0) {
    const hint = values.check ? "\n`node .ci/figures.mjs` writes the figures into the documents" : "";
    throw new Problem(complaints.join("\n") + hint);
  }
  console.log(
    values.check || nChanged === 0 ? "all documents have the figures of the model" : `${nChanged} documents changed`,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await runMain(main);

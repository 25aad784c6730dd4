// Tests of the programs that check the documents: `node --test .ci`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { root } from "./command.mjs";
import { missing, render as renderHelp } from "./commands.mjs";
import { anchorsOf, checkLinks, checkSize, linksOf } from "./documents.mjs";
import { check, checkModel, render, update } from "./figures.mjs";

const accuracies = {
  n: 4307,
  top1: 0.7328,
  top3: 0.8834,
  top5: 0.9194,
  balanced_top1: 0.7223,
  balanced_top3: 0.8785,
  balanced_top5: 0.9166,
  loss: 1.0653,
};

function figures() {
  return {
    model: {
      ...accuracies,
      ece: 0.0236,
      tells_pen: true,
      redrawn: accuracies,
      by_fraction: [{ fraction: 1, ...accuracies, ece: 0.0236 }],
    },
    model_pen_up: { tells_pen: false, by_fraction: [{ fraction: 1, ...accuracies, ece: 0.03 }] },
    calibration: {
      n: 2070,
      whole: { calibration: { temperature: 1.024, threshold: 0.83 }, share_above: 0.433 },
      pen_down: {
        calibration: { temperature: 1.214, threshold: 0.879 },
        ece: { before: 0.077, after: 0.027 },
        share_above: 0.09,
      },
    },
    peers: {
      same_drawings: {
        n: 4307,
        networks: [{ name: "Peer", balanced_top1: 0.714, balanced_top3: 0.879, balanced_top5: 0.914 }],
      },
    },
  };
}

test("figures are written between their markers, again and again", () => {
  const text =
    "On <!--f model.n n--><!--/f--> drawings, <!--f model.balanced_top1 %-->1.0 %<!--/f-->.\n\n<!-- figures accuracy -->\nold\n<!-- /figures -->\n";
  const made = render(text, figures());
  assert.deepEqual(made.complaints, []);
  assert.match(
    made.text,
    /^On <!--f model\.n n-->4,307<!--\/f--> drawings, <!--f model\.balanced_top1 %-->72\.2 %<!--\/f-->\.\n/,
  );
  assert.match(
    made.text,
    /accuracy -->\n\| \| top-1 \| top-3 \| top-5 \|\n\| --- .*\n\| class-balanced \| \*\*72\.2 %\*\* \| /,
  );
  assert.match(made.text, /\| Peer, class-balanced \| 71\.4 % \|/);
  assert.equal(render(made.text, figures()).text, made.text);
  assert.deepEqual(check(made.text, figures()), []);
});

test("a YAML head has its figures in a block", () => {
  const made = render("---\n# figures model-index\n# /figures\n---\n", figures());
  assert.deepEqual(made.complaints, []);
  assert.match(made.text, /\n {10}- \{ type: accuracy, name: "top-1 accuracy, class-balanced, %", value: 72\.2 \}\n/);
});

test("peers that were measured on other drawings are not in the model's table", () => {
  const other = figures();
  other.peers.same_drawings.n = 100;
  assert.doesNotMatch(render("<!-- figures accuracy -->\n<!-- /figures -->", other).text, /Peer/);
});

test("a figure that is not the model's is found with its line", () => {
  const inline = check("one\ntwo <!--f model.balanced_top1 %-->70.4 %<!--/f--> of them\n", figures());
  assert.equal(inline.length, 1);
  assert.equal(inline[0]?.line, 2);
  assert.match(inline[0]?.message ?? "", /70\.4 %.*72\.2 %/s);
  const made = render("<!-- figures fractions -->\n<!-- /figures -->", figures()).text;
  assert.equal(check(made.replace("72.2 %", "72.3 %"), figures())[0]?.line, 4);
});

test("a headline figure without a marker is found", () => {
  const messages = (/** @type {string} */ text) =>
    check(text, figures()).map(({ line, message }) => `${line} ${message}`);
  assert.match(messages("a\n\nreaches 72.2 % on test")[0] ?? "", /^3 72\.2 % stands here without a marker/);
  assert.deepEqual(messages("reaches 172.2 % and 72.1 % on test"), []);
});

test("markers that would be shown, or say nothing, are refused", () => {
  const message = (/** @type {string} */ text) =>
    render(text, figures()).complaints.map(({ line, message: what }) => `${line} ${what}`)[0];
  assert.equal(message("<!--f model.n n-->1<!--/f--> drawings"), "1 a line must not begin with a figure's marker");
  assert.match(message("a <!--f model.m n-->1<!--/f-->") ?? "", /^1 docs\/figures\.json has no model\.m$/);
  assert.match(message("a <!--f model.n m-->1<!--/f-->") ?? "", /there is no format m/);
  assert.match(message("a <!--f model.n n-->1") ?? "", /no other on its line/);
  assert.match(message("<!-- figures what -->\n<!-- /figures -->") ?? "", /there is no block of figures what/);
  assert.match(message("a\n<!-- figures accuracy -->\n") ?? "", /^2 the block of figures accuracy has no end$/);
  assert.equal(message("```\n<!--f model.m n-->\n```"), undefined);
});

test("the model folder has to agree", () => {
  const card = {
    figures: { test: { ...accuracies } },
    calibration: { temperature: 1.024, threshold: 0.83, pen_down: { temperature: 1.214, threshold: 0.879 } },
  };
  assert.deepEqual(checkModel(card, figures()), []);
  const other = {
    ...card,
    calibration: { ...card.calibration, threshold: 0.84 },
    figures: { test: { ...accuracies, balanced_top1: 0.73 } },
  };
  assert.deepEqual(
    checkModel(other, figures()).map((message) => message.split(" ")[0]),
    ["figures.test.balanced_top1", "calibration.threshold"],
  );
});

test("figures of another model come all together", () => {
  const evaluation = { ...figures().model, loss: 1, classes: [] };
  assert.throws(() => update(figures(), { eval: evaluation }), /give --pen-up as well/);
  const penUp = figures().model_pen_up;
  assert.throws(() => update(figures(), { eval: evaluation, penUp }), /give --calibrate as well/);
  const next = update(figures(), { eval: evaluation, penUp, calibrate: figures().calibration });
  assert.equal(next.model.loss, 1);
  assert.ok(!("classes" in next.model));
  assert.throws(() => update(figures(), { penUp: figures().model }), /without `eval --pen-up`/);
});

test("sections have GitHub's anchors", () => {
  const anchors = anchorsOf(
    "# A `b_c`: d, e.f\n## A [link](x.md)!\n## Twice\n## Twice\n## 한국어 요약\n```\n# none\n```\n",
  );
  assert.deepEqual([...anchors], ["a-b_c-d-ef", "a-link", "twice", "twice-1", "한국어-요약"]);
});

test("links that lead nowhere are found with their lines", () => {
  const files = /** @type {Record<string, string>} */ ({ "docs/a.md": "# One\n", "README.md": "# Two\n" });
  const read = (/** @type {string} */ file) => files[file] ?? file === "docs/a.png";
  const text =
    "[a](a.md#one) [b](../README.md) ![c](a.png)\n[d](b.md) `[e](none.md)`\n[f](a.md#two) [g](#three)\n[h]: none.md\n[i](https://x.y/z)\n# Three";
  assert.deepEqual(checkLinks("docs/x.md", text, read), [
    "docs/x.md:2: there is no docs/b.md",
    "docs/x.md:3: docs/a.md has no section #two",
    "docs/x.md:4: there is no docs/none.md",
  ]);
  assert.equal(linksOf(text).length, 7);
});

test("documents have at most 100 columns, and the model card 150 lines", () => {
  assert.deepEqual(checkSize("docs/model.md", `${"a".repeat(101)}\n${"b\n".repeat(150)}`), [
    "docs/model.md:151: 151 lines; at most 150 were expected",
    "docs/model.md:1: 101 columns; at most 100 were expected",
  ]);
  assert.deepEqual(checkSize("a.md", `${"a".repeat(100)}\n${"b\n".repeat(150)}`), []);
  // A Hangul syllable takes two columns.
  assert.deepEqual(checkSize("a.ko.md", `${"가".repeat(50)}\n${"가".repeat(50)}.`), [
    "a.ko.md:2: 101 columns; at most 100 were expected",
  ]);
});

test("only what cannot be broken may be longer", () => {
  const long = "a".repeat(100);
  const exempt = [
    `| ${long} | b |`,
    `![a picture](${long}.png)`,
    `- [a link](${long}.md)`,
    `[a]: ${long}`,
    `[docs](${long}.md).`,
  ];
  assert.deepEqual(checkSize("a.md", exempt.join("\n")), []);
  for (const line of [`see [a link](${long}.md) for more`, `# ${long}`, `    ${long}`]) {
    assert.equal(checkSize("a.md", line).length, 1, line);
  }
});

test("help texts are written between their markers, and a command without one is found", () => {
  const text = "# A\n\n<!-- help a -->\nold\n<!-- /help -->\n\n<!-- help b -->\n<!-- /help -->\n";
  const made = renderHelp(text, (command) => `${command} $& help`);
  assert.equal(
    made,
    "# A\n\n<!-- help a -->\n\n```text\na $& help\n```\n\n<!-- /help -->\n\n<!-- help b -->\n\n```text\nb $& help\n```\n\n<!-- /help -->\n",
  );
  assert.equal(
    renderHelp(made, (command) => `${command} $& help`),
    made,
  );
  const overview =
    "Usage: x\n\nCommands:\n  a     One\n        and more\n  long  Two\n  help  Print\n\nOptions:\n  -h\n";
  assert.deepEqual(missing(text, overview), ["long"]);
  assert.throws(() => missing(text, "Usage: x\n"), /lists no commands/);
});

test("the guides show the page that the package's README has, which its tests run", () => {
  const page = (/** @type {string} */ file) =>
    /```html\n[\s\S]*?```/.exec(readFileSync(path.join(root, file), "utf8"))?.[0];
  const expected = page("wasm/README.md");
  assert.match(expected ?? "", /quickdraw-rnn\/worker/);
  for (const file of ["docs/guide/embed.md", "docs/guide/embed.ko.md"]) assert.equal(page(file), expected, file);
});

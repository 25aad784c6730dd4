// The names of the categories in other languages.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { ko } from "quickdraw-rnn/labels/ko";

test("every category of the shipped model has a Korean name, each another one, and nothing else has", async () => {
  const { labels } = JSON.parse(await readFile(new URL("../model/model.json", import.meta.url), "utf8"));
  assert.deepEqual(Object.keys(ko).toSorted(), labels.toSorted());
  for (const name of Object.values(ko)) assert.match(name, /^[가-힣]+( [가-힣]+)*$/);
  assert.equal(new Set(Object.values(ko)).size, labels.length);
  assert.equal(ko.cat, "고양이");
  for (const label of ["our logo", "constructor", "__proto__"]) assert.equal(ko[label], undefined);
});

// Tests of the program that looks for imports in circles: `node --test .ci`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { circlesOf, pathsOf, rustGraph, scriptGraph } from "./import-circles.mjs";

const circles = (/** @type {Map<string, Set<string>>} */ graph) =>
  circlesOf(graph).map(({ circle }) => circle.join(" "));

test("a use tree is its paths with their names", () => {
  const found = pathsOf("super::{self, a::{b as c, d}, e}").map(({ path, name }) => `${path.join("::")} ${name}`);
  assert.deepEqual(found, ["super super", "super::a::b c", "super::a::d d", "super::e e"]);
});

test("Rust files that import each other are found, also through a name that is handed on", () => {
  const texts = {
    "lib.rs": "pub mod a;\nmod b;\npub use b::B;\n",
    "a/mod.rs": "mod x;\nmod y;\npub use x::X;\n",
    "a/x.rs": "use super::y::Y;\npub struct X(crate::B);\n",
    "a/y.rs": "// use super::x::X;\npub struct Y;\n",
    "b.rs": "use std::fs;\nuse crate::a::X;\npub struct B;\n",
  };
  assert.deepEqual(circles(rustGraph(texts)), ["a/x.rs b.rs a/x.rs"]);
  assert.deepEqual(circles(rustGraph({ ...texts, "b.rs": "pub struct B;\n" })), []);
});

test("a module that hands names on is no circle, but one that defines what its files use is", () => {
  const texts = {
    "lib.rs": "mod a;",
    "a/mod.rs": "mod x;\nmod y;\npub use x::X;\npub use y::Y;\n",
    "a/x.rs": "use super::Y;\n",
    "a/y.rs": "",
  };
  assert.deepEqual(circles(rustGraph(texts)), []);
  const own = { ...texts, "a/mod.rs": "mod x;\nmod y;\npub use x::X;\npub struct Y;\n" };
  assert.deepEqual(circles(rustGraph(own)), ["a/mod.rs a/x.rs a/mod.rs"]);
});

test("the tests within a file are the file", () => {
  const inline = "mod tests {\n    use super::*;\n    use super::super::b::B;\n}\n";
  assert.deepEqual(circles(rustGraph({ "lib.rs": "mod a; mod b;", "a.rs": inline, "b.rs": "use crate::a::A;" })), [
    "a.rs b.rs a.rs",
  ]);
  assert.deepEqual(circles(rustGraph({ "lib.rs": "mod a; mod b;", "a.rs": inline, "b.rs": "" })), []);
});

test("TypeScript files that import each other are found, types left out", () => {
  const texts = {
    "a.ts": 'import { b } from "./b.js";',
    "b.ts": 'export { c } from "./c";',
    "c/index.ts": 'import "../a";',
  };
  assert.deepEqual(circles(scriptGraph(texts)), ["a.ts b.ts c/index.ts a.ts"]);
  assert.deepEqual(circles(scriptGraph({ ...texts, "a.ts": 'import type { b } from "./b.js";' })), []);
});

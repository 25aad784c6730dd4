/** The point of it all: a known thing, drawn with the mouse, is named at the top of the list. */
import { FIGURES, type Label } from "./figures.ts";
import { draw, expect, guessed, labels, open, test } from "./page.ts";

/** What the model that ships is to know for certain; other figures are more of a challenge to it. */
const KNOWN: Label[] = ["circle", "square", "triangle", "star", "line", "ladder", "smiley face", "eyeglasses"];

for (const label of KNOWN) {
  test(`${label} is recognised`, async ({ page, site }) => {
    await open(page, site);
    await draw(page, FIGURES[label]);
    await guessed(page);
    expect((await labels(page))[0]).toBe(label);
  });
}

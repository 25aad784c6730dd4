/** What a visitor does first, in Firefox and WebKit. Chromium has the tests beside this one. */
import { POINTERS } from "../../.ci/engines.mjs";
import {
  attribute,
  best,
  click,
  draw,
  expect,
  ink,
  installed,
  labels,
  open,
  ready,
  red,
  test,
  text,
} from "./engine.ts";
import { FIGURES, hasty, line, oval, type Figure } from "./figures.ts";

/** A thing that the model does not know, as different hands would draw it. */
const dumbbells = (i: number): Figure => [
  oval(20 + i, 50, 14 + i),
  oval(80 - i, 50 + i, 14 + i),
  line([35 + 2 * i, 48], [42, 30 - 3 * i], [50, 66 + 2 * i], [58, 32 + i], [65 - i, 50]),
];

test("what is drawn is guessed, also while the pen is down, with every pointer that the engine's driver has", async ({
  engine,
  site,
}) => {
  console.log(engine.version);
  await open(engine, site);
  for (const type of POINTERS[engine.name]) {
    await draw(engine, [FIGURES.star[0]!.slice(0, 40)], type, { lifts: false });
    await expect.poll(() => labels(engine)).toHaveLength(5);
    await engine.pointer(type, ["up"]);
    await click(engine, "clear");
    await expect.poll(() => labels(engine)).toEqual([]);
    expect(await ink(engine)).toBe(0);

    await draw(engine, hasty(FIGURES.star), type);
    await expect.poll(() => best(engine), type).toBe("star");
    await expect.poll(() => text(engine, "sentence")).toContain("star");
    expect(await ink(engine)).toBeGreaterThan(1000);
    await click(engine, "undo");
    expect(await ink(engine)).toBe(0);
  }
});

test("a pen draws although a palm rests on the sheet", async ({ engine, site }) => {
  await open(engine, site);
  /** The pointer that the driver does not have comes from the page. */
  const send = (type: string, pointerType: string, x: number) =>
    engine.evaluate(
      (type, pointerType, x) => {
        const pad = document.querySelector("#pad")!;
        const { left, bottom } = pad.getBoundingClientRect();
        const place = { clientX: left + x, clientY: bottom - 60, button: type === "pointermove" ? -1 : 0, buttons: 1 };
        pad.dispatchEvent(
          new PointerEvent(type, { ...place, pointerType, pointerId: 99, isPrimary: false, bubbles: true }),
        );
      },
      type,
      pointerType,
      x,
    );
  if (engine.name === "webkit") {
    await send("pointerdown", "touch", 200);
    await send("pointermove", "touch", 205);
    await draw(engine, hasty(FIGURES.star), "pen");
    await send("pointerup", "touch", 205);
    await expect.poll(() => best(engine)).toBe("star");
  } else {
    // The finger's stroke gives way to the pen's.
    await draw(engine, hasty(FIGURES.star), "touch", { lifts: false });
    for (const [type, x] of [
      ["pointerdown", 40],
      ["pointermove", 120],
      ["pointermove", 200],
      ["pointerup", 200],
    ] as const)
      await send(type, "pen", x);
    await engine.pointer("touch", ["up"]);
    await expect.poll(() => best(engine)).toBe("line");
    expect(await ink(engine)).toBeGreaterThan(0);
  }
  // All that there is to take back is the pen's stroke.
  await click(engine, "undo");
  expect(await ink(engine)).toBe(0);
  expect(await attribute(engine, "undo", "disabled")).not.toBeNull();
});

test("what is selected is underlined: the mode, the language and the theme", async ({ engine, site }) => {
  await open(engine, site);
  await click(engine, "theme-light");
  for (const [selected, others] of [
    ["mode-draw", ["mode-play", "mode-teach", "mode-book"]],
    ["language-en", ["language-ko"]],
    ["theme-light", ["theme-dark"]],
  ] as const) {
    // A line as long as a short word, one pixel thick.
    expect(await red(engine, selected), selected).toBeGreaterThan(15);
    for (const other of others) expect(await red(engine, other), other).toBe(0);
  }
  await click(engine, "language-ko");
  expect(await engine.evaluate(() => document.documentElement.lang)).toBe("ko");
  expect(await red(engine, "language-ko")).toBeGreaterThan(15);
  expect(await red(engine, "language-en")).toBe(0);
  expect(await text(engine, "mode-draw")).toBe("그리기");
});

test("a prompt of the game is recognised", async ({ engine, site }) => {
  await open(engine, site, "#play=star");
  expect(await text(engine, "card-task")).toContain("star");
  await click(engine, "begin");
  await draw(engine, hasty(FIGURES.star));
  await expect.poll(() => text(engine, "score")).toBe("I recognised your drawing!");
});

test("a class is taught, recognised, and kept over a reload", async ({ engine, site }) => {
  await open(engine, site, "#teach");
  await click(engine, "lesson-name");
  await engine.type("wobbly dumbbell");
  await click(engine, "lesson-begin");
  for (const i of [0, 1, 2]) {
    await draw(engine, hasty(dumbbells(i)));
    await click(engine, "keep-it");
  }
  await click(engine, "lesson-done");
  await expect.poll(() => text(engine, "taught-item")).toContain("3 drawings");
  await engine.reload();
  await ready(engine);
  await click(engine, "mode-draw");
  await draw(engine, hasty(dumbbells(3)));
  await expect.poll(() => best(engine)).toBe("wobbly dumbbell");
});

test("with its voice on the page guesses as ever, whether or not the engine can speak", async ({ engine, site }) => {
  await open(engine, site);
  await click(engine, "voice");
  expect(await attribute(engine, "voice", "aria-pressed")).toBe("true");
  await draw(engine, hasty(FIGURES.umbrella));
  await expect.poll(() => best(engine)).toBe("umbrella");
});

test("after the first visit the page works without network and server, the game too", async ({ engine, site }) => {
  await open(engine, site);
  await installed(engine);
  await site.close();
  await engine.reload();
  await ready(engine);
  await draw(engine, hasty(FIGURES.house));
  await expect.poll(() => best(engine)).toBe("house");
  await engine.goto("about:blank");
  await open(engine, site, "#play=star");
  await click(engine, "begin");
  await draw(engine, hasty(FIGURES.star));
  await expect.poll(() => text(engine, "score")).toBe("I recognised your drawing!");
});

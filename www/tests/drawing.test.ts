/** The pad and the guesses beside it, with real pointer events. */
import type { CDPSession, Page } from "@playwright/test";
import { beginning, isWithinStroke } from "../src/beginning.ts";
import { FIGURES, line } from "./figures.ts";
import { draw, expect, guessed, guesses, hide, ink, labels, middleOfPad, open, replaceWorker, test } from "./page.ts";

/** What the list says of the best guess; changes whenever the drawing that was classified does. */
const bestProbability = (page: Page) => guesses(page).first().getAttribute("data-probability");

test("an empty sheet has no guesses, nothing to undo and an idea", async ({ page, site }) => {
  await open(page, site);
  await expect(guesses(page)).toHaveCount(0);
  await expect(page.getByTestId("undo")).toBeDisabled();
  await expect(page.getByTestId("clear")).toBeDisabled();
  const idea = page.getByTestId("idea");
  const first = (await idea.textContent())!;
  await page.getByTestId("another-idea").click();
  await expect(idea).not.toHaveText(first);
});

test("the pen may start anywhere on an empty sheet", async ({ page, site }) => {
  await open(page, site);
  await expect(page.getByTestId("idea")).toBeVisible();
  const covered = await page.getByTestId("pad").evaluate((pad) => {
    const { left, top, width, height } = pad.getBoundingClientRect();
    const found: string[] = [];
    for (let x = 5; x < width; x += 20) {
      for (let y = 5; y < height; y += 20) {
        const hit = document.elementFromPoint(left + x, top + y);
        if (hit !== pad) found.push(`${x}, ${y}: ${hit?.outerHTML}`);
      }
    }
    return found;
  });
  expect(covered).toEqual([]);
});

test("five guesses with their probabilities, best first, in the list and in words", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.triangle);
  await guessed(page);
  const probabilities = await guesses(page).evaluateAll((items) =>
    items.map((item) => Number(item.getAttribute("data-probability"))),
  );
  expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
  expect(probabilities.every((probability) => probability >= 0 && probability <= 1)).toBe(true);
  expect(new Set(await labels(page)).size).toBe(5);
  await expect(page.getByTestId("sentence")).toContainText((await labels(page))[0]!);
  await expect(page.getByTestId("announcement")).toHaveText((await page.getByTestId("sentence").textContent())!);
  await expect(page.getByTestId("idea")).toBeHidden();
});

test("guesses come and change while the pen is down", async ({ page, site }) => {
  await open(page, site);
  const { x, y, size } = await middleOfPad(page);
  await page.mouse.move(x, y + size / 2);
  await page.mouse.down();
  await page.mouse.move(x + size / 2, y + size / 2, { steps: 30 });
  await expect(guesses(page)).toHaveCount(5);
  const early = await bestProbability(page);
  // The pen keeps moving until the list has followed it.
  let turn = 0;
  await expect
    .poll(
      async () => {
        const angle = 0.4 * ++turn;
        await page.mouse.move(
          x + size / 2 + (size / 3) * Math.sin(angle),
          y + size / 2 + (size / 3) * (1 - Math.cos(angle)),
        );
        return bestProbability(page);
      },
      { intervals: [50] },
    )
    .not.toBe(early);
  await page.mouse.up();
});

/** Makes the way to the worker slow, as a weak device would, and keeps a log of what goes there and comes back. */
async function slowWorker(page: Page): Promise<() => Promise<string[]>> {
  await page.addInitScript(() => {
    const log: string[] = [];
    Object.assign(window, { log });
    window.Worker = class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        this.addEventListener("message", (event) => {
          if (event.data.kind === "value") log.push("answer");
        });
      }
      override postMessage(message: { kind: string; strokes: { points: Float32Array } }): void {
        const isAsking = message.kind === "call";
        if (isAsking) log.push(`ask ${message.strokes.points.length / 2}`);
        setTimeout(() => super.postMessage(message), isAsking ? 700 : 0);
      }
    };
  });
  return () => page.evaluate(() => (window as unknown as { log: string[] }).log);
}

test("at most one drawing is classified at a time, and the last one always", async ({ page, site }) => {
  const log = await slowWorker(page);
  await open(page, site);
  await draw(page, FIGURES.star);
  await guessed(page);
  const entries = await log();
  expect(entries.length).toBeGreaterThan(2);
  expect(entries.map((entry) => entry.split(" ")[0])).toEqual(entries.map((_, i) => (i % 2 === 0 ? "ask" : "answer")));
  const asked = entries.filter((entry) => entry !== "answer").map((entry) => Number(entry.split(" ")[1]));
  expect(asked).toEqual([...asked].sort((a, b) => a - b));
  // Every movement of the hand is a point of the last drawing; the first movement and the pen-down are one.
  expect(asked.at(-1)).toBe(FIGURES.star[0]!.length);
});

test("an answer that comes after the sheet was cleared is dropped", async ({ page, site }) => {
  const log = await slowWorker(page);
  await open(page, site);
  await draw(page, FIGURES.line);
  await page.keyboard.press("Delete");
  await expect.poll(async () => (await log()).at(-1)).toBe("answer");
  await expect(guesses(page)).toHaveCount(0);
});

test("undo takes back the last stroke, then the one before; undo after clear brings the drawing back", async ({
  page,
  site,
}) => {
  await open(page, site);
  await draw(page, [FIGURES.house[0]!]);
  await guessed(page);
  const one = { best: await bestProbability(page), ink: await ink(page) };
  await draw(page, [FIGURES.house[1]!]);
  await expect.poll(() => bestProbability(page)).not.toBe(one.best);
  await page.getByTestId("undo").click();
  await expect.poll(() => bestProbability(page)).toBe(one.best);
  expect(await ink(page)).toEqual(one.ink);

  await page.getByTestId("clear").click();
  await expect(guesses(page)).toHaveCount(0);
  expect((await ink(page)).pixels).toBe(0);
  await expect(page.getByTestId("clear")).toBeDisabled();
  await page.getByTestId("undo").click();
  await expect.poll(() => bestProbability(page)).toBe(one.best);
  expect(await ink(page)).toEqual(one.ink);

  await page.getByTestId("undo").click();
  await expect(guesses(page)).toHaveCount(0);
  await expect(page.getByTestId("undo")).toBeDisabled();
});

test("the keyboard undoes with Ctrl+Z and Cmd+Z and clears with Delete; Escape, pressed to get out of something, clears nothing", async ({
  page,
  site,
}) => {
  await open(page, site);
  for (const key of ["Control+z", "Meta+z", "Delete"]) {
    await draw(page, FIGURES.line);
    await guessed(page);
    await page.keyboard.press(key);
    await expect(guesses(page)).toHaveCount(0);
    expect((await ink(page)).pixels).toBe(0);
  }
  await draw(page, FIGURES.line);
  await page.keyboard.press("Escape");
  expect((await ink(page)).pixels).toBeGreaterThan(0);
});

test("clearing in the middle of a stroke leaves an empty sheet", async ({ page, site }) => {
  await open(page, site);
  const { x, y, size } = await middleOfPad(page);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + size, y + size, { steps: 20 });
  await page.keyboard.press("Delete");
  await page.mouse.move(x, y + size, { steps: 5 });
  await page.mouse.up();
  expect((await ink(page)).pixels).toBe(0);
  await expect(guesses(page)).toHaveCount(0);
  await draw(page, FIGURES.line);
  await guessed(page);
});

for (const pointerType of ["mouse", "pen"] as const) {
  test(`a ${pointerType} that leaves the sheet draws along its edge, and may be lifted outside`, async ({
    page,
    site,
    context,
  }) => {
    await open(page, site);
    const session = await context.newCDPSession(page);
    let [x, y] = [0, 0];
    const send = (type: "mousePressed" | "mouseMoved" | "mouseReleased", isDown: boolean) =>
      session.send("Input.dispatchMouseEvent", {
        type,
        x,
        y,
        button: isDown || type === "mouseReleased" ? "left" : "none",
        buttons: isDown ? 1 : 0,
        pointerType,
        clickCount: 1,
      });
    const move = async (toX: number, toY: number, isDown = true) => {
      const [fromX, fromY] = [x, y];
      for (let i = 1; i <= 10; i++) {
        [x, y] = [fromX + ((toX - fromX) * i) / 10, fromY + ((toY - fromY) * i) / 10];
        await send("mouseMoved", isDown);
      }
    };
    const pad = (await page.getByTestId("pad").boundingBox())!;
    const middle = pad.y + pad.height / 2;
    await move(pad.x + 100, middle, false);
    await send("mousePressed", true);
    await move(pad.x - 15, middle);
    await move(pad.x - 15, middle + 60);
    await move(pad.x + 100, middle + 60);
    await move(pad.x + 100, pad.y + pad.height + 30);
    await send("mouseReleased", false);
    const left = await ink(page);
    expect(left.left).toBeLessThanOrEqual(1);
    expect(left.bottom).toBeGreaterThanOrEqual(pad.height - 2);
    const alongTheEdge = await page.getByTestId("pad").evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      return canvas.getContext("2d")!.getImageData(1, canvas.height / 2 + 30, 1, 1).data[3];
    });
    expect(alongTheEdge).toBeGreaterThan(128);
    await move(pad.x + 300, middle, false);
    expect(await ink(page)).toEqual(left);
    // All of it was one stroke.
    await page.getByTestId("undo").click();
    expect((await ink(page)).pixels).toBe(0);
  });
}

test("a resized window keeps the drawing, also in the middle of a stroke", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.square);
  await guessed(page);
  const wide = await ink(page);
  await page.setViewportSize({ width: 390, height: 700 });
  const padNarrow = (await page.getByTestId("pad").boundingBox())!;
  await expect.poll(async () => (await ink(page)).right - (await ink(page)).left).toBeLessThan(padNarrow.width);
  const narrow = await ink(page);
  expect(narrow.left).toBeGreaterThan(0);
  expect(narrow.right - narrow.left).toBeGreaterThan(padNarrow.width / 2);
  // Nothing is lost: the wide window shows it as before.
  await page.setViewportSize({ width: 1280, height: 800 });
  await expect.poll(async () => Math.abs((await ink(page)).right - wide.right)).toBeLessThanOrEqual(1);

  await page.getByTestId("clear").click();
  const { x, y, size } = await middleOfPad(page);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + size, y, { steps: 10 });
  await page.setViewportSize({ width: 1100, height: 700 });
  const pad = (await page.getByTestId("pad").boundingBox())!;
  await page.mouse.move(pad.x + pad.width / 2, pad.y + pad.height - 40, { steps: 10 });
  await page.mouse.up();
  expect((await ink(page)).bottom).toBeGreaterThan(pad.height - 60);
  await page.getByTestId("undo").click();
  expect((await ink(page)).pixels).toBe(0);
});

test("a change of the colour scheme changes the ink", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.line);
  const colour = () =>
    page.getByTestId("pad").evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      const i = data.findIndex((value, k) => k % 4 === 3 && value === 255);
      return data[i - 3]!;
    });
  expect(await colour()).toBeLessThan(100);
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(colour).toBeGreaterThan(150);
});

test.describe("on a touch screen", () => {
  test.use({ hasTouch: true, viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });

  const touch = (
    session: CDPSession,
    type: "touchStart" | "touchMove" | "touchEnd" | "touchCancel",
    ...touchPoints: { x: number; y: number; id: number }[]
  ) => session.send("Input.dispatchTouchEvent", { type, touchPoints });

  test("a finger draws without scrolling the page, and a second finger is ignored", async ({ page, site, context }) => {
    await open(page, site);
    const session = await context.newCDPSession(page);
    const pad = (await page.getByTestId("pad").boundingBox())!;
    const first = (i: number) => ({ id: 1, x: pad.x + pad.width / 4, y: pad.y + 60 + 6 * i });
    const second = (i: number) => ({ id: 2, x: pad.x + (3 * pad.width) / 4, y: pad.y + 60 + 6 * i });
    await touch(session, "touchStart", first(0));
    for (let i = 1; i <= 10; i++) await touch(session, "touchMove", first(i));
    await touch(session, "touchStart", first(10), second(10));
    for (let i = 11; i <= 30; i++) await touch(session, "touchMove", first(i), second(i));
    await touch(session, "touchEnd");
    await guessed(page);
    const { left, right, top, bottom } = await ink(page);
    expect(right - left).toBeLessThan(20);
    expect(Math.abs(left - pad.width / 4)).toBeLessThan(10);
    expect(bottom - top).toBeGreaterThan(170);
    expect(await page.evaluate(() => scrollY)).toBe(0);
    await page.getByTestId("undo").tap();
    expect((await ink(page)).pixels).toBe(0);
  });

  test("a pen draws although a palm rests on the sheet, before it and after it", async ({ page, site, context }) => {
    await open(page, site);
    const session = await context.newCDPSession(page);
    const pad = (await page.getByTestId("pad").boundingBox())!;
    const palm = { id: 1, x: pad.x + 40, y: pad.y + pad.height - 90 };
    const pen = (type: "mousePressed" | "mouseMoved" | "mouseReleased", i: number, y: number) =>
      session.send("Input.dispatchMouseEvent", {
        type,
        x: pad.x + 60 + 8 * i,
        y,
        button: "left",
        buttons: type === "mouseReleased" ? 0 : 1,
        force: 0.5,
        pointerType: "pen",
        clickCount: 1,
      });
    const stroke = async (y: number) => {
      await pen("mousePressed", 0, y);
      for (let i = 1; i <= 20; i++) await pen("mouseMoved", i, y);
      await pen("mouseReleased", 20, y);
    };
    await touch(session, "touchStart", palm);
    for (let i = 1; i <= 3; i++) await touch(session, "touchMove", { ...palm, x: palm.x + 3 * i });
    await stroke(pad.y + 80);
    await touch(session, "touchEnd");
    await guessed(page);
    const one = await ink(page);
    expect(one.bottom - one.top).toBeLessThan(20);
    expect(Math.abs(one.top - 80)).toBeLessThan(15);
    // The palm comes down again while the pen is lifted.
    await stroke(pad.y + 120);
    await touch(session, "touchStart", palm);
    await touch(session, "touchEnd");
    expect((await ink(page)).bottom).toBeLessThan(140);
    await page.getByTestId("undo").click();
    expect(await ink(page)).toEqual(one);
    await page.getByTestId("undo").click();
    expect((await ink(page)).pixels).toBe(0);
  });

  test("a touch that the system takes away leaves no stroke, and nothing to take back", async ({
    page,
    site,
    context,
  }) => {
    await open(page, site);
    const session = await context.newCDPSession(page);
    const pad = (await page.getByTestId("pad").boundingBox())!;
    const at = (i: number) => ({ id: 1, x: pad.x + 60 + 8 * i, y: pad.y + 100 });
    await touch(session, "touchStart", at(0));
    for (let i = 1; i <= 12; i++) await touch(session, "touchMove", at(i));
    expect((await ink(page)).pixels).toBeGreaterThan(0);
    await touch(session, "touchCancel");
    expect((await ink(page)).pixels).toBe(0);
    await expect(page.getByTestId("undo")).toBeDisabled();
    await expect(guesses(page)).toHaveCount(0);
    await draw(page, FIGURES.line);
    await guessed(page);
  });

  test("a phone turned in the middle of a stroke keeps the stroke, and the finger draws on", async ({
    page,
    site,
    context,
  }) => {
    await open(page, site);
    const session = await context.newCDPSession(page);
    const pad = (await page.getByTestId("pad").boundingBox())!;
    const at = (i: number) => ({ id: 1, x: pad.x + 60 + 8 * i, y: pad.y + 100 + 6 * i });
    await touch(session, "touchStart", at(0));
    for (let i = 1; i <= 12; i++) await touch(session, "touchMove", at(i));
    const upright = (await ink(page)).pixels;
    await page.setViewportSize({ width: 844, height: 390 });
    await expect.poll(async () => (await page.getByTestId("pad").boundingBox())!.height).toBeLessThan(390);
    for (let i = 13; i <= 20; i++) await touch(session, "touchMove", at(i));
    await touch(session, "touchEnd");
    await guessed(page);
    expect((await ink(page)).pixels).toBeGreaterThan(upright / 4);
    // It is one stroke still.
    await page.getByTestId("undo").tap();
    expect((await ink(page)).pixels).toBe(0);
  });

  test("everything fits the phone's width", async ({ page, site }) => {
    await open(page, site);
    await draw(page, FIGURES.house);
    await guessed(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    const last = (await guesses(page).last().boundingBox())!;
    expect(last.y + last.height).toBeLessThanOrEqual(844);
    // Without scrolling one may do something with the drawing, too.
    for (const id of ["replay", "teach-this", "save-svg", "open"]) {
      const button = (await page.getByTestId(id).boundingBox())!;
      expect(button.y + button.height, id).toBeLessThanOrEqual(844);
    }
  });
});

test("a tab that is hidden in the middle of a stroke keeps it, and a button that went up meanwhile ends it", async ({
  page,
  site,
  context,
}) => {
  await open(page, site);
  const session = await context.newCDPSession(page);
  const { x, y, size } = await middleOfPad(page);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + size / 2, y + size / 2, { steps: 15 });
  await hide(page, true);
  await hide(page, false);
  await page.mouse.move(x + size, y + size, { steps: 15 });
  await expect.poll(async () => (await ink(page)).right - (await ink(page)).left).toBeGreaterThan(size * 0.9);
  const whole = await ink(page);

  await hide(page, true);
  await hide(page, false);
  // The button went up over another window: nobody said so.
  for (let i = 1; i <= 5; i++)
    await session.send("Input.dispatchMouseEvent", {
      type: "mouseMoved",
      x: x + size,
      y: y + size - (i * size) / 5,
      button: "none",
      buttons: 0,
    });
  await guessed(page);
  expect(await ink(page)).toEqual(whole);
  await page.getByTestId("undo").click();
  expect((await ink(page)).pixels).toBe(0);
});

test("mouse and pen at once: the pen draws, the mouse does not", async ({ page, site, context }) => {
  await open(page, site);
  const session = await context.newCDPSession(page);
  const { x, y, size } = await middleOfPad(page);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + size / 4, y, { steps: 5 });
  const pen = (type: "mousePressed" | "mouseMoved" | "mouseReleased", dx: number) =>
    session.send("Input.dispatchMouseEvent", {
      type,
      x: x + dx,
      y: y + size,
      button: "left",
      buttons: 1,
      force: 1,
      pointerType: "pen",
      clickCount: 1,
    });
  await pen("mousePressed", 0);
  for (let dx = 0; dx < size / 2; dx += 20) await pen("mouseMoved", dx);
  await pen("mouseReleased", size / 2);
  await page.mouse.move(x + size / 2, y + size / 2, { steps: 5 });
  await page.mouse.up();
  const { top, bottom, left, right } = await ink(page);
  expect(bottom - top).toBeLessThan(20);
  expect(right - left).toBeGreaterThan(size / 4);
  const pad = (await page.getByTestId("pad").boundingBox())!;
  expect(Math.abs(top + pad.y - (y + size))).toBeLessThan(20);
  await page.getByTestId("undo").click();
  expect((await ink(page)).pixels).toBe(0);
});

test("a pointer that cannot be captured leaves the pad to the next one", async ({ page, site }) => {
  await open(page, site);
  const { x, y, size } = await middleOfPad(page);
  // Nobody holds this pointer: to capture it throws, and it is never lifted.
  await page.getByTestId("pad").evaluate(
    (pad, at) => {
      const event = {
        bubbles: true,
        cancelable: true,
        pointerId: 99,
        pointerType: "touch",
        button: 0,
        buttons: 1,
        clientX: at.x,
        clientY: at.y,
      };
      pad.dispatchEvent(new PointerEvent("pointerdown", event));
    },
    { x, y },
  );
  await draw(page, FIGURES.line);
  await guessed(page);
  expect((await ink(page)).right).toBeGreaterThan(size / 2);
  await page.getByTestId("undo").click();
  await page.getByTestId("undo").click();
  expect((await ink(page)).pixels).toBe(0);
});

test("a pen's pressure widens the line", async ({ page, site, context }) => {
  await open(page, site);
  const session = await context.newCDPSession(page);
  const { x, y, size } = await middleOfPad(page);
  const points = line([0, 20], [100, 20]);
  const stroke = async (force: number) => {
    for (const [i, point] of points.entries()) {
      await session.send("Input.dispatchMouseEvent", {
        type: i === 0 ? "mousePressed" : "mouseMoved",
        x: x + (point[0] * size) / 100,
        y: y + (point[1] * size) / 100,
        button: "left",
        buttons: 1,
        force,
        pointerType: "pen",
        ...(i === 0 ? { clickCount: 1 } : {}),
      });
    }
    await session.send("Input.dispatchMouseEvent", {
      type: "mouseReleased",
      x: x + size,
      y,
      button: "left",
      pointerType: "pen",
      clickCount: 1,
    });
    const { top, bottom } = await ink(page);
    await page.getByTestId("clear").click();
    return bottom - top;
  };
  expect(await stroke(1)).toBeGreaterThan(await stroke(0.1));
});

test("the pen was down within a stroke, and up between two and at the ends", () => {
  const strokes = [[1, 2, 3], [4], [5, 6]];
  expect(Array.from({ length: 8 }, (_, n) => isWithinStroke(strokes, n))).toEqual([
    false,
    true,
    true,
    false,
    false,
    true,
    false,
    false,
  ]);
  expect(Array.from({ length: 8 }, (_, n) => beginning(strokes, n).flat().length)).toEqual([0, 1, 2, 3, 4, 5, 6, 6]);
});

test.describe("with a worker that tells which drawings it was asked about", () => {
  test.use({ serviceWorkers: "block" });

  test("a stroke in progress is guessed as one, with a threshold of its own", async ({ page, site }) => {
    const predict = "(strokes, { isPenDown }) => [[isPenDown ? 'star' : 'sun', 0.8]]";
    await replaceWorker(page, predict, { threshold: 0.7, penDownThreshold: 0.9 });
    await open(page, site);
    const sheet = (await page.getByTestId("pad").boundingBox())!;
    const sentence = page.getByTestId("sentence");
    await page.mouse.move(sheet.x + 50, sheet.y + 50);
    await page.mouse.down();
    await page.mouse.move(sheet.x + 150, sheet.y + 90, { steps: 5 });
    await expect(guesses(page)).toContainText(["star"]);
    await expect(sentence).toHaveText("I see a star.");
    await page.mouse.up();
    await expect(guesses(page)).toContainText(["sun"]);
    await expect(sentence).toHaveText("Oh, I know: the sun!");
    // It is said, and seen in the list: that is enough.
    await expect(page.getByTestId("stamp")).toBeHidden();
    // The replay asks as the pen did, and at its end about the whole drawing.
    await page.getByTestId("replay").click();
    await expect(guesses(page)).toContainText(["star"]);
    await expect(guesses(page)).toContainText(["sun"]);
  });
});

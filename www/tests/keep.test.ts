/** Drawings that leave the sheet and come back: redo, replay, files, links. */
import { readFile } from "node:fs/promises";
import { decodeDrawing, encodeDrawing } from "../src/keep/link.ts";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, guesses, ink, labels, open, test } from "./page.ts";
import type { Page } from "@playwright/test";

const figure = (strokes: readonly (readonly (readonly [number, number])[])[]) =>
  strokes.map((stroke) => stroke.map(([x, y]) => ({ x, y })));

/** A line of the data set's form. */
const record = (word: string, strokes: readonly (readonly (readonly [number, number])[])[]) =>
  JSON.stringify({ word, drawing: strokes.map((stroke) => [stroke.map(([x]) => x), stroke.map(([, y]) => y)]) });

async function saved(page: Page, format: "svg" | "png" | "ndjson"): Promise<{ name: string; bytes: Buffer }> {
  const download = page.waitForEvent("download");
  await page.getByTestId(`save-${format}`).click();
  const file = await download;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

test("a drawing goes into a link and comes out as it was, to a 500th of its size", () => {
  for (const strokes of Object.values(FIGURES).map(figure)) {
    const text = encodeDrawing(strokes);
    expect(text).toMatch(/^[\w-]+$/);
    const back = decodeDrawing(text)!;
    expect(back).toHaveLength(strokes.length);
    const all = strokes.flat();
    const left = Math.min(...all.map(({ x }) => x));
    const top = Math.min(...all.map(({ y }) => y));
    const size = Math.max(Math.max(...all.map(({ x }) => x)) - left, Math.max(...all.map(({ y }) => y)) - top);
    strokes.forEach((stroke, i) => {
      const [end, endBack] = [stroke.at(-1)!, back[i]!.at(-1)!];
      expect(Math.abs(((end.x - left) * 1023) / size - endBack.x)).toBeLessThan(1);
      expect(Math.abs(((end.y - top) * 1023) / size - endBack.y)).toBeLessThan(1);
    });
  }
});

test("a large drawing goes into a link that arrives, and can be read", () => {
  // Hatching over the whole sheet: a quarter of a million points.
  const hatching = Array.from({ length: 250 }, (_, i) =>
    Array.from({ length: 1000 }, (_, k) => ({ x: k, y: 4 * i + 3 * Math.sin(k / 9) })),
  );
  const text = encodeDrawing(hatching);
  expect(text.length).toBeLessThan(20_000);
  const back = decodeDrawing(text)!;
  expect(back).toHaveLength(hatching.length);
  expect(Math.max(...back.flat().map(({ x }) => x))).toBeGreaterThan(1000);
});

test("text that is no drawing is refused, whatever it is", () => {
  const texts = [
    "",
    "1",
    "2AAAA",
    "1%%%",
    "1////",
    "1_____w",
    "1AA",
    `1${"A".repeat(5000)}`,
    encodeDrawing(figure(FIGURES.cat)).slice(0, -2),
  ];
  for (const text of texts) expect(decodeDrawing(text), text).toBeUndefined();
});

test("redo brings back what undo took, until a new stroke is drawn", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.envelope);
  const whole = await ink(page);
  await page.getByTestId("undo").click();
  const one = await ink(page);
  await page.getByTestId("undo").click();
  await page.getByTestId("redo").click();
  expect(await ink(page)).toEqual(one);
  await page.keyboard.press("Control+y");
  expect(await ink(page)).toEqual(whole);
  await expect(page.getByTestId("redo")).toBeDisabled();
  await page.getByTestId("clear").click();
  await page.getByTestId("undo").click();
  expect(await ink(page)).toEqual(whole);
  await page.getByTestId("undo").click();
  await draw(page, FIGURES.line);
  await expect(page.getByTestId("redo")).toBeDisabled();
});

test("a replay shows the drawing again from its first line, and ends with it", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.house);
  await guessed(page);
  const whole = await ink(page);
  const before = await labels(page);
  await page.getByTestId("replay").click();
  await expect.poll(async () => (await ink(page)).pixels).toBeLessThan(whole.pixels / 2);
  await expect.poll(() => ink(page)).toEqual(whole);
  await guessed(page);
  expect(await labels(page)).toEqual(before);
  // A pen on the paper ends a replay.
  await page.getByTestId("replay").click();
  await draw(page, [FIGURES.line[0]!.slice(0, 4)]);
  expect((await ink(page)).pixels).toBeGreaterThan(whole.pixels);
  // So does a touch that is over before the next frame.
  await page.getByTestId("undo").click();
  await page.getByTestId("replay").click();
  await expect.poll(async () => (await ink(page)).pixels).toBeLessThan(whole.pixels / 2);
  await page.getByTestId("pad").evaluate((pad) => {
    const { left, top } = pad.getBoundingClientRect();
    const event = {
      bubbles: true,
      pointerId: 9,
      pointerType: "mouse",
      button: 0,
      clientX: left + 30,
      clientY: top + 30,
    };
    pad.dispatchEvent(new PointerEvent("pointerdown", { ...event, buttons: 1 }));
    pad.dispatchEvent(new PointerEvent("pointerup", event));
  });
  expect((await ink(page)).pixels).toBeGreaterThan(whole.pixels);
});

test("a drawing is saved as SVG, PNG and ndjson, and the ndjson is read back", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.house);
  await guessed(page);
  const before = await labels(page);

  const svg = await saved(page, "svg");
  expect(svg.name).toBe(`${before[0]!.replace(/\W+/g, "-")}.svg`);
  expect(svg.bytes.toString()).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="[-\d. ]+">/);
  expect(svg.bytes.toString().match(/<path /g)).toHaveLength(FIGURES.house.length);
  // Ink on paper: a drawing saved in the dark can be seen wherever it is shown.
  expect(svg.bytes.toString()).toMatch(/<rect [^>]*fill="rgb\(251, 246, 234\)"\/>/);
  const png = await saved(page, "png");
  expect(png.bytes.subarray(1, 4).toString()).toBe("PNG");
  expect(Math.max(png.bytes.readUInt32BE(16), png.bytes.readUInt32BE(20))).toBe(1200);
  const ndjson = await saved(page, "ndjson");
  await expect(page.getByTestId("note")).toHaveText(`Saved ${ndjson.name}.`);
  const line = JSON.parse(ndjson.bytes.toString()) as { drawing: number[][][] };
  // What the model guessed is not what the drawing is.
  expect(line).not.toHaveProperty("word");
  // The data set's raw form: x, y and the time of each point.
  expect(line.drawing.map((stroke) => stroke.length)).toEqual(FIGURES.house.map(() => 3));
  const times = line.drawing.flatMap((stroke) => stroke[2]!);
  expect(times[0]).toBe(0);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times.at(-1)).toBeGreaterThan(0);
  expect(times).toHaveLength(line.drawing.flatMap((stroke) => stroke[0]!).length);

  await page.getByTestId("clear").click();
  await page
    .getByTestId("file")
    .setInputFiles({ name: "mine.ndjson", mimeType: "application/x-ndjson", buffer: ndjson.bytes });
  await expect(page.getByTestId("note")).toContainText("Opened");
  await guessed(page);
  expect((await labels(page))[0]).toBe(before[0]);
  // Nobody knows when a drawing from a file was drawn.
  const again = JSON.parse((await saved(page, "ndjson")).bytes.toString()) as { drawing: number[][][] };
  expect(again.drawing.map((stroke) => stroke.length)).toEqual(FIGURES.house.map(() => 2));
});

test("a file of many drawings is looked through, one after the other; other lines are skipped", async ({
  page,
  site,
}) => {
  await open(page, site);
  const lines = [
    record("circle", FIGURES.circle),
    "{",
    '{"word":"cat","drawing":[[[1,2],[3]]]}',
    '{"drawing":[]}',
    record("star", FIGURES.star),
    "",
  ];
  await page
    .getByTestId("file")
    .setInputFiles({ name: "some.ndjson", mimeType: "", buffer: Buffer.from(lines.join("\n")) });
  await expect(page.getByTestId("note")).toHaveText("Drawing 1 of 2 (prompt: circle).");
  await expect(guesses(page).first()).toHaveAttribute("data-label", "circle");
  await page.getByTestId("next-drawing").click();
  await expect(page.getByTestId("note")).toHaveText("Drawing 2 of 2 (prompt: star).");
  await expect(guesses(page).first()).toHaveAttribute("data-label", "star");
  await page
    .getByTestId("file")
    .setInputFiles({ name: "no.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await expect(page.getByTestId("note")).toContainText("no drawing");
});

const MIME_TYPES = { png: "image/png", jpeg: "image/jpeg", svg: "image/svg+xml" } as const;

/** Thick lines on paper as a picture's bytes, which the browser makes. */
async function pictureOf(
  page: Page,
  strokes: readonly (readonly (readonly [number, number])[])[],
  type: keyof typeof MIME_TYPES,
): Promise<Buffer> {
  const base64 = await page.evaluate(
    async ({ strokes, type }) => {
      const canvas = new OffscreenCanvas(460, 440);
      const pen = canvas.getContext("2d")!;
      pen.fillStyle = "#f4f0e6";
      pen.fillRect(0, 0, 460, 440);
      pen.lineWidth = 9;
      pen.lineCap = pen.lineJoin = "round";
      for (const stroke of strokes) {
        pen.beginPath();
        for (const [x, y] of stroke) pen.lineTo(30 + 4 * x, 20 + 4 * y);
        pen.stroke();
      }
      const bytes = new Uint8Array(await (await canvas.convertToBlob({ type })).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    },
    { strokes, type: MIME_TYPES[type] },
  );
  return Buffer.from(base64, "base64");
}

for (const type of ["png", "jpeg"] as const) {
  test(`the lines of a ${type.toUpperCase()} are followed, whatever the file is called, and guessed`, async ({
    page,
    site,
  }) => {
    await open(page, site);
    await draw(page, FIGURES.line);
    const line = await ink(page);
    const buffer = await pictureOf(page, FIGURES.envelope, type);
    await page.getByTestId("file").setInputFiles({ name: "scan", mimeType: "", buffer });
    await expect(page.getByTestId("note")).toHaveText("I followed the lines of the picture.");
    await guessed(page);
    await expect(guesses(page).first()).toHaveAttribute("data-label", "envelope");
    // As wide and as high as it is in the picture.
    const { left, right, top, bottom } = await ink(page);
    const sizes = [0, 1].map((axis) => {
      const values = FIGURES.envelope.flat().map((point) => point[axis]!);
      return Math.max(...values) - Math.min(...values);
    }) as [number, number];
    expect((right - left) / (bottom - top)).toBeCloseTo(sizes[0] / sizes[1], 1);
    await page.getByTestId("undo").click();
    expect(await ink(page)).toEqual(line);
    await page.getByTestId("language-ko").click();
    await page.getByTestId("file").setInputFiles({ name: "scan", mimeType: "", buffer });
    await expect(page.getByTestId("note")).toHaveText("이미지의 선을 따라 그렸어요.");
  });
}

test("an empty picture, and a file that only begins like one, hold no drawing, and the sheet stays as it is", async ({
  page,
  site,
}) => {
  await open(page, site);
  const empty = await pictureOf(page, [], "png");
  for (const buffer of [
    empty,
    empty.subarray(0, 60),
    Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"),
    Buffer.from("<svg><path d='M0 0L"),
  ]) {
    // With the next line what was said is of no interest any more.
    await draw(page, FIGURES.line);
    await expect(page.getByTestId("note")).not.toContainText("PNG");
    const before = await ink(page);
    await page.getByTestId("file").setInputFiles({ name: "a.png", mimeType: "image/png", buffer });
    await expect(page.getByTestId("note")).toContainText(
      "I found no drawing in this: I read pictures (PNG, JPEG, SVG)",
    );
    expect(await ink(page)).toEqual(before);
  }
});

test("an SVG that the page saved, in the dark too, is opened as the drawing that it was", async ({ page, site }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await open(page, site);
  await draw(page, FIGURES.house);
  await guessed(page);
  const [before, whole] = [await labels(page), await ink(page)];
  const svg = await saved(page, "svg");
  await page.getByTestId("clear").click();
  await page.getByTestId("file").setInputFiles({ name: svg.name, mimeType: "image/svg+xml", buffer: svg.bytes });
  await expect(page.getByTestId("note")).toHaveText("Opened.");
  await guessed(page);
  expect((await labels(page))[0]).toBe(before[0]);
  const again = JSON.parse((await saved(page, "ndjson")).bytes.toString()) as { drawing: number[][][] };
  expect(again.drawing).toHaveLength(FIGURES.house.length);
  const { left, right, top, bottom } = await ink(page);
  expect((right - left) / (bottom - top)).toBeCloseTo((whole.right - whole.left) / (whole.bottom - whole.top), 1);
});

test("a picture is pasted, as a file or as the text of an SVG; other text is nobody's business", async ({
  page,
  site,
}) => {
  await open(page, site);
  const paste = (item: { text: string } | { base64: string }, target = "body") =>
    page.locator(target).evaluate((element, item) => {
      const clipboardData = new DataTransfer();
      if ("text" in item) clipboardData.setData("text/plain", item.text);
      else
        clipboardData.items.add(
          new File([Uint8Array.from(atob(item.base64), (character) => character.charCodeAt(0))], "image.png", {
            type: "image/png",
          }),
        );
      element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, item);
  await paste({ text: "A list of things to buy" });
  await paste({ base64: (await pictureOf(page, FIGURES.envelope, "png")).toString("base64") });
  await expect(page.getByTestId("note")).toHaveText("I followed the lines of the picture.");
  await expect(guesses(page).first()).toHaveAttribute("data-label", "envelope");
  await paste({
    text: ` <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><circle cx="50" cy="50" r="40" fill="none" stroke="red"/></svg>`,
  });
  await expect(page.getByTestId("note")).toHaveText("Opened.");
  await expect(guesses(page).first()).toHaveAttribute("data-label", "circle");
  await paste({ text: record("star", FIGURES.star) });
  await expect(guesses(page).first()).toHaveAttribute("data-label", "star");
  // Where one writes, and where nothing can be opened, a paste is not the page's.
  await page.getByTestId("mode-teach").click();
  await paste({ text: record("circle", FIGURES.circle) }, "#lesson-name");
  await page.getByTestId("mode-draw").click();
  await guessed(page);
  await expect(guesses(page).first()).toHaveAttribute("data-label", "star");
});

test("without network and server a picture is opened, too", async ({ page, site, context }) => {
  await open(page, site);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const buffer = await pictureOf(page, FIGURES.envelope, "png");
  await site.close();
  await context.setOffline(true);
  await page.getByTestId("file").setInputFiles({ name: "scan.png", mimeType: "image/png", buffer });
  await expect(guesses(page).first()).toHaveAttribute("data-label", "envelope");
});

test("a file that is dropped on the page is opened", async ({ page, site }) => {
  await open(page, site);
  const data = await page.evaluateHandle(
    (text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "star.ndjson"));
      return data;
    },
    record("star", FIGURES.star),
  );
  await page.dispatchEvent("body", "dragover", { dataTransfer: data });
  await expect(page.locator("#drop")).toBeVisible();
  await page.dispatchEvent("body", "drop", { dataTransfer: data });
  await expect(page.locator("#drop")).toBeHidden();
  await expect(guesses(page).first()).toHaveAttribute("data-label", "star");
});

test("a link holds the drawing, and no server gets to see it", async ({ page, site, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await open(page, site);
  await draw(page, FIGURES["smiley face"]);
  await guessed(page);
  await page.getByTestId("copy-link").click();
  await expect(page.getByTestId("note")).toContainText("copied");
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toMatch(new RegExp(`^${site.url}#drawing=1[\\w-]+$`));
  expect(link.length).toBeLessThan(2000);

  const friend = await context.newPage();
  await friend.goto(link);
  await guessed(friend);
  expect((await labels(friend))[0]).toBe("smiley face");
  // Who draws on has another drawing than the link: it must not come back.
  expect(friend.url()).toBe(link);
  await draw(friend, FIGURES.line);
  await expect(friend).toHaveURL(`${site.url}#draw`);
  await friend.goto(`${site.url}#drawing=1nonsense!`);
  await expect(friend.getByTestId("note")).toContainText("no drawing");
});

test("where the clipboard is closed, the link is in the address bar", async ({ page, site }) => {
  await page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await open(page, site);
  await draw(page, FIGURES.line);
  await page.getByTestId("copy-link").click();
  await expect(page.getByTestId("note")).toContainText("address bar");
  expect(page.url()).toContain("#drawing=1");
});

test("the drawing is still on the sheet after a reload; another tab begins with an empty one", async ({
  page,
  site,
  context,
}) => {
  await open(page, site);
  await draw(page, FIGURES.house);
  await guessed(page);
  const [before, whole] = [await labels(page), await ink(page)];
  await page.reload();
  await guessed(page);
  expect(await labels(page)).toEqual(before);
  expect(await ink(page)).toEqual(whole);
  // What was drawn before the reload and after it is one drawing, whose times go on.
  await draw(page, FIGURES.line);
  const { bytes } = await saved(page, "ndjson");
  const times = (JSON.parse(bytes.toString()) as { drawing: number[][][] }).drawing.flatMap((stroke) => stroke[2]!);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  // A reload in another mode keeps it, too.
  const more = await ink(page);
  await page.getByTestId("mode-teach").click();
  await page.reload();
  await page.getByTestId("mode-draw").click();
  expect(await ink(page)).toEqual(more);
  await page.getByTestId("clear").click();
  await page.reload();
  await expect(page.getByTestId("idea")).toBeVisible();
  expect((await ink(page)).pixels).toBe(0);

  const other = await context.newPage();
  await open(other, site);
  expect((await ink(other)).pixels).toBe(0);
});

test("what another version of the page kept of a drawing is no drawing", async ({ page, site }) => {
  for (const kept of ["{", "null", "[1]", "[[]]", '[[{"x":1}]]', '[[{"x":1,"y":null,"width":3}]]']) {
    await page.addInitScript((text) => sessionStorage.setItem("quickdraw-rnn.sheet", text), kept);
    await open(page, site);
    expect((await ink(page)).pixels, kept).toBe(0);
  }
});

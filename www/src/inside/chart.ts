/** The chart of a look: probabilities over the points of the drawing, a tick for each stroke's end. */
import { make, makeSvg } from "../element";
import { shareOf } from "../guess-list";
import type { Language } from "../language/language";
import type { Look } from "../recognition";

const HEIGHT = 290;
const TOP = 14;
const BOTTOM = 28;
const LEFT = 44;
const RIGHT = 10;

/** Draws the chart as wide as told, in CSS pixels. */
export function chart(look: Look, width: number, language: Language): SVGElement {
  const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
  const last = look.moments.at(-1);
  const nPoints = Math.max(last?.nPoints ?? 1, 1);
  const plotWidth = Math.max(width - LEFT - RIGHT, 60);
  const x = (points: number) => LEFT + (plotWidth * points) / nPoints;
  const y = (probability: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - probability);
  const drawn: SVGElement[] = [];

  for (const level of [0, 0.5, 1]) {
    drawn.push(makeSvg("path", { class: "grid", d: `M${LEFT} ${y(level)}H${LEFT + plotWidth}` }));
    drawn.push(text(percent.format(level), LEFT - 8, y(level) + 4, "level"));
  }
  let lastTickX = -Infinity;
  for (const moment of look.moments) {
    if (!moment.endsStroke) continue;
    const tickX = x(moment.nPoints);
    drawn.push(makeSvg("path", { class: "tick", d: `M${tickX} ${TOP}V${HEIGHT - BOTTOM + 5}` }));
    if (tickX - lastTickX < 16) continue;
    lastTickX = tickX;
    drawn.push(text(String(moment.nStrokes), tickX, HEIGHT - 6, "number"));
  }

  for (let i = look.labels.length - 1; i >= 0; i--) {
    const points = [
      `${x(0)} ${y(0)}`,
      ...look.moments.map((moment) => `${x(moment.nPoints)} ${y(moment.probabilities[i] ?? 0)}`),
    ];
    drawn.push(makeSvg("path", { class: `line line-${i}`, d: `M${points.join("L")}` }));
  }
  const [best = ""] = look.labels;
  return makeSvg(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      role: "img",
      "aria-label": language.chart(
        last?.nStrokes ?? 0,
        language.name(best),
        percent.format(last?.probabilities[0] ?? 0),
      ),
    },
    ...drawn,
  );
}

/** What each line of the chart stands for, in the order in which they end: items of a list. */
export function legend({ labels, moments }: Look, language: Language): HTMLElement[] {
  const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
  return labels.map((label, i) => {
    const sample = makeSvg(
      "svg",
      { width: 34, height: 8, viewBox: "0 0 34 8", "aria-hidden": "true" },
      makeSvg("path", { class: `line line-${i}`, d: "M2 4H32" }),
    );
    return make(
      "li",
      "",
      sample,
      make("span", "name", language.name(label)),
      make("span", "figure", shareOf(moments.at(-1)?.probabilities[i] ?? 0, percent)),
    );
  });
}

function text(content: string, x: number, y: number, className: string): SVGElement {
  const made = makeSvg("text", { x, y, class: className });
  made.textContent = content;
  return made;
}

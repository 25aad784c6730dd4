/** The chart of a look: probabilities over the points of the drawing, a tick for each stroke's end. */
import { makeSvg } from "../element";
import type { Language } from "../language/language";
import type { Look } from "../messages";

const HEIGHT = 250;
const TOP = 14;
const BOTTOM = 28;
const LEFT = 44;
/** Room for the names at the lines' ends, and the least distance between two of them. */
const NAMES = 118;
const NAME_PITCH = 19;
const LONGEST_NAME = 15;

/** Draws the chart as wide as told, in CSS pixels. */
export function chart(look: Look, width: number, language: Language): SVGElement {
  const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
  const last = look.moments.at(-1);
  const nPoints = Math.max(last?.nPoints ?? 1, 1);
  const plotWidth = Math.max(width - LEFT - NAMES, 60);
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

  const names = look.labels.map((label, i) => ({ label, i, y: y(last?.probabilities[i] ?? 0) })).sort((a, b) => a.y - b.y);
  // Names that would lie upon each other move down; the pile then moves up as far as it hangs out.
  for (const [k, name] of names.entries()) name.y = Math.max(name.y, (names[k - 1]?.y ?? -Infinity) + NAME_PITCH);
  const overhang = Math.max(0, (names.at(-1)?.y ?? 0) - (HEIGHT - BOTTOM + 4));
  for (const [k, name] of names.reverse().entries()) {
    name.y = k === 0 ? name.y - overhang : Math.min(name.y, (names[k - 1]?.y ?? Infinity) - NAME_PITCH);
  }
  for (let i = look.labels.length - 1; i >= 0; i--) {
    const points = [`${x(0)} ${y(0)}`, ...look.moments.map((moment) => `${x(moment.nPoints)} ${y(moment.probabilities[i] ?? 0)}`)];
    drawn.push(makeSvg("path", { class: `line line-${i}`, d: `M${points.join("L")}` }));
  }
  for (const { label, i, y: nameY } of names) {
    const name = language.name(label);
    const end = y(last?.probabilities[i] ?? 0);
    drawn.push(makeSvg("path", { class: `lead line-${i}`, d: `M${LEFT + plotWidth + 3} ${end}L${LEFT + plotWidth + 12} ${nameY}` }));
    drawn.push(text(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name, LEFT + plotWidth + 16, nameY + 4, `name name-${i}`));
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
      "aria-label": language.chart(last?.nStrokes ?? 0, language.name(best), percent.format(last?.probabilities[0] ?? 0)),
    },
    ...drawn,
  );
}

function text(content: string, x: number, y: number, className: string): SVGElement {
  const made = makeSvg("text", { x, y, class: className });
  made.textContent = content;
  return made;
}

/** What spoke for a guess and what against it: the drawing once for each label, with its lines told apart. */
import { make, makeSvg } from "../element";
import { boxAround, pathOf } from "../keep/picture";
import type { Language } from "../language/language";
import type { Part, Stroke } from "../recognition";
import { drawnPart } from "../parts";

/** What changes the log-odds of a label by less than this says nothing. */
const LEAST_EFFECT = 0.15;

export function reasons(
  strokes: readonly Stroke[],
  parts: readonly Part[],
  labels: readonly string[],
  language: Language,
): HTMLElement {
  const figures = labels.map((label, i) =>
    figure(
      strokes,
      parts.map(({ from, to, effects }) => ({ from, to, effect: effects[i] ?? 0 })),
      label,
      language,
    ),
  );
  const made = make(
    "section",
    "reasons",
    make("h3", "", language.reasonsTitle),
    make("p", "", language.reasonsHint),
    make("div", "reasons-figures", ...figures),
  );
  made.dataset["testid"] = "reasons";
  return made;
}

function figure(
  strokes: readonly Stroke[],
  parts: readonly { from: number; to: number; effect: number }[],
  label: string,
  language: Language,
): HTMLElement {
  const { x, y, width, height } = boxAround(strokes);
  const kind = (effect: number) => (effect > LEAST_EFFECT ? "for" : effect < -LEAST_EFFECT ? "against" : "");
  // What spoke for it lies above what did not.
  const lines = [...parts]
    .sort((a, b) => a.effect - b.effect)
    .flatMap((part) =>
      drawnPart(strokes, part).map((stroke) =>
        makeSvg("path", { d: pathOf(stroke), class: kind(part.effect), "vector-effect": "non-scaling-stroke" }),
      ),
    );
  const count = (wanted: string) => parts.filter(({ effect }) => kind(effect) === wanted).length;
  return make(
    "figure",
    "",
    makeSvg("svg", { class: "sketch", viewBox: `${x} ${y} ${width} ${height}`, "aria-hidden": "true" }, ...lines),
    make("figcaption", "", language.reasons(label, count("for"), count("against"))),
  );
}

/** The look inside: how a guess came about, what of the drawing is read, what is mixed up with it, and how long a guess takes. */
import "./inside.css";
import { make, makeSvg } from "../element";
import { shareOf } from "../guess-list";
import { strokesOf } from "../keep/ndjson";
import { boxAround, sketch } from "../keep/picture";
import { isKnown } from "../language/korean-names";
import type { Language } from "../language/language";
import { loaded } from "../later";
import type { Look, Stroke } from "../recognition";
import { chart, legend } from "./chart";
import { confusionsOf } from "./confusions";

/** Of a drawing of many strokes so many stages are shown. */
const MOST_STAGES = 12;

interface Shown {
  readonly look: Look;
  readonly strokes: readonly Stroke[];
}

export class Inside {
  readonly #body: HTMLElement;
  readonly #chart = make("div", "chart-place");
  readonly #legend = make("ol", "legend");
  readonly #stages = make("ol", "stages");
  readonly #sight = make("div", "sight");
  readonly #confusions = make("div", "confusions");
  readonly #timing = make("div", "timing");
  #shown: Shown | undefined;
  #durationsMs: readonly number[] = [];
  #language: Language | undefined;
  #width = 0;

  constructor(body: HTMLElement) {
    this.#body = body;
    this.#legend.dataset["testid"] = "legend";
    this.#stages.dataset["testid"] = "stages";
    this.#sight.dataset["testid"] = "sight";
    this.#confusions.dataset["testid"] = "confusions";
    this.#timing.dataset["testid"] = "timing";
    const part = (key: TitleKey, ...content: HTMLElement[]) => {
      const title = make("h3", "");
      title.dataset["title"] = key;
      return make("section", `part part-${key}`, title, ...content);
    };
    body.append(
      make("div", "inside-main", part("chartTitle", this.#chart, this.#legend), part("stepsTitle", this.#stages)),
      make(
        "div",
        "inside-side",
        part("sightTitle", this.#sight),
        part("confusionsTitle", this.#confusions),
        part("timingTitle", this.#timing),
      ),
    );
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry?.contentRect.width ?? 0);
      if (width === this.#width || width === 0) return;
      this.#width = width;
      this.#writeChart();
    }).observe(this.#chart);
  }

  show(look: Look, strokes: readonly Stroke[], language: Language): void {
    this.#shown = { look, strokes };
    this.write(language);
  }

  showTimings(durationsMs: readonly number[], language: Language): void {
    this.#durationsMs = durationsMs;
    this.#language ??= language;
    this.#writeTimings();
  }

  /** There is nothing to look into. */
  clear(): void {
    this.#shown = undefined;
    for (const each of [this.#chart, this.#legend, this.#stages, this.#sight, this.#confusions]) each.replaceChildren();
  }

  write(language: Language): void {
    this.#language = language;
    for (const title of this.#body.querySelectorAll<HTMLElement>("[data-title]"))
      title.textContent = language[title.dataset["title"] as TitleKey];
    this.#writeTimings();
    if (!this.#shown) return;
    this.#writeChart();
    this.#writeStages(this.#shown, language);
    this.#writeSight(this.#shown, language);
    void this.#writeConfusions(this.#shown, language);
  }

  #writeChart(): void {
    if (!this.#shown || !this.#language) return;
    this.#chart.replaceChildren(chart(this.#shown.look, this.#width || this.#chart.clientWidth || 320, this.#language));
    this.#legend.replaceChildren(...legend(this.#shown.look, this.#language));
  }

  #writeStages({ look, strokes }: Shown, language: Language): void {
    const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
    const ends = look.moments.filter((moment) => moment.endsStroke);
    const nStages = Math.min(ends.length, MOST_STAGES);
    const stages = Array.from(
      { length: nStages },
      (_, i) => ends[Math.round(((i + 1) * ends.length) / nStages) - 1],
    ).filter((end) => end !== undefined);
    const box = boxAround(strokes);
    let before = 0;
    this.#stages.replaceChildren(
      ...stages.map((moment) => {
        const item = make("li", "");
        item.append(
          sketch(strokes.slice(0, moment.nStrokes), box, moment.nStrokes - before),
          make("span", "stage-number", language.stroke(moment.nStrokes)),
          make("span", "stage-name", language.name(moment.best.label)),
          make("span", "stage-figure", shareOf(moment.best.probability, percent)),
        );
        before = moment.nStrokes;
        return item;
      }),
    );
  }

  #writeSight({ look, strokes }: Shown, language: Language): void {
    const number = new Intl.NumberFormat(language.tag);
    const read = strokesOf(look.simplified);
    const count = (drawn: readonly Stroke[]) => drawn.reduce((n, stroke) => n + stroke.length, 0);
    this.#sight.replaceChildren(
      make(
        "figure",
        "",
        dotted(strokes, false),
        make("figcaption", "", language.raw(number.format(count(strokes)), number.format(strokes.length))),
      ),
      make("figure", "", dotted(read, true), make("figcaption", "", language.simplified(number.format(count(read))))),
    );
  }

  async #writeConfusions({ look }: Shown, language: Language): Promise<void> {
    const [label] = look.labels;
    if (label === undefined) return;
    if (!isKnown(label)) {
      this.#confusions.replaceChildren(make("p", "", language.ownConfusions));
      return;
    }
    const confusions = await loaded(() => confusionsOf(label));
    if (!confusions || this.#shown?.look !== look || this.#language !== language) return;
    const { of, nDrawings } = confusions;
    const text =
      of.length > 0
        ? language.confusions(label, new Intl.NumberFormat(language.tag).format(nDrawings))
        : language.noConfusions(label);
    const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
    const items = of.map((each) =>
      make("li", "", make("span", "", language.name(each.label)), make("span", "figure", percent.format(each.share))),
    );
    this.#confusions.replaceChildren(make("p", "", text), make("ol", "mixed", ...items));
  }

  #writeTimings(): void {
    if (!this.#language) return;
    if (this.#durationsMs.length === 0) {
      this.#timing.replaceChildren();
      return;
    }
    const number = new Intl.NumberFormat(this.#language.tag, { maximumFractionDigits: 0 });
    const sorted = [...this.#durationsMs].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    const slowest = sorted.at(-1) ?? 0;
    const ticks = this.#durationsMs.map((ms, i) =>
      makeSvg("path", { d: `M${4 * i + 2} 40V${40 - Math.max(1, (38 * ms) / Math.max(slowest, 1))}` }),
    );
    this.#timing.replaceChildren(
      makeSvg(
        "svg",
        {
          class: "ticks",
          viewBox: `0 0 ${4 * Math.max(ticks.length, 50)} 41`,
          "aria-hidden": "true",
          preserveAspectRatio: "xMinYMax meet",
        },
        ...ticks,
      ),
      make("p", "", this.#language.timing(number.format(median), number.format(slowest), number.format(sorted.length))),
    );
  }
}

type TitleKey = "chartTitle" | "sightTitle" | "stepsTitle" | "confusionsTitle" | "timingTitle";

/** Strokes with a dot at every point; straight from point to point where that is what the model reads. */
function dotted(strokes: readonly Stroke[], straight: boolean): SVGElement {
  const box = boxAround(strokes);
  const size = Math.max(box.width, box.height);
  const drawn = sketch(strokes, box);
  if (straight) {
    drawn.querySelectorAll("path").forEach((path, i) => {
      const points = (strokes[i] ?? []).map(({ x, y }) => `${x} ${y}`);
      path.setAttribute("d", points.length === 1 ? `M${points[0]}h0` : `M${points.join("L")}`);
    });
  }
  const radius = (straight ? 0.011 : 0.005) * size;
  for (const stroke of strokes) {
    for (const [i, { x, y }] of stroke.entries()) {
      drawn.append(
        makeSvg("circle", { cx: x, cy: y, r: i === 0 ? radius * 1.7 : radius, class: i === 0 ? "first" : "" }),
      );
    }
  }
  drawn.classList.add(straight ? "read" : "raw");
  return drawn;
}

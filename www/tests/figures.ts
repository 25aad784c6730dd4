/**
 * Drawings made for these tests, in the order in which a hand would draw them. Coordinates run from 0 to 100, y downwards; the pen goes
 * through every point, straight (`line`) or in a curve (`curve`), and trembles a little, the same on every run.
 */

export type Point = readonly [x: number, y: number];
export type Figure = readonly (readonly Point[])[];

/** Distance between two neighbouring pen positions, in units of the figure. */
const STEP = 2.5;

/** Straight from point to point. */
export function line(...points: Point[]): Point[] {
  const way = points.slice(0, 1);
  for (let i = 1; i < points.length; i++) {
    const [from, to] = [points[i - 1]!, points[i]!];
    const n = Math.max(1, Math.round(Math.hypot(to[0] - from[0], to[1] - from[1]) / STEP));
    for (let k = 1; k <= n; k++)
      way.push([from[0] + ((to[0] - from[0]) * k) / n, from[1] + ((to[1] - from[1]) * k) / n]);
  }
  return way;
}

/** A Catmull-Rom spline through the points. */
export function curve(...points: Point[]): Point[] {
  const at = (i: number) => points[Math.min(Math.max(i, 0), points.length - 1)]!;
  const way = points.slice(0, 1);
  for (let i = 0; i < points.length - 1; i++) {
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    const n = Math.max(2, Math.round(Math.hypot(c[0] - b[0], c[1] - b[1]) / STEP));
    for (let k = 1; k <= n; k++) {
      const t = k / n;
      const along = (axis: 0 | 1) =>
        0.5 *
        (2 * b[axis] +
          (c[axis] - a[axis]) * t +
          (2 * a[axis] - 5 * b[axis] + 4 * c[axis] - d[axis]) * t * t +
          (3 * b[axis] - a[axis] - 3 * c[axis] + d[axis]) * t * t * t);
      way.push([along(0), along(1)]);
    }
  }
  return way;
}

/** Once around, from the top, anticlockwise as most hands go; the end overlaps the beginning a little. */
export function oval(x: number, y: number, radiusX: number, radiusY = radiusX): Point[] {
  const n = Math.max(12, Math.round((2 * Math.PI * Math.max(radiusX, radiusY)) / STEP));
  return Array.from({ length: n + 2 }, (_, i): Point => {
    const angle = -Math.PI / 2 - (2 * Math.PI * i) / n;
    return [x + radiusX * Math.cos(angle), y + radiusY * Math.sin(angle)];
  });
}

const rays = (x: number, y: number, from: number, to: number, n: number): Point[][] =>
  Array.from({ length: n }, (_, i) => {
    const [c, s] = [Math.cos((2 * Math.PI * i) / n), Math.sin((2 * Math.PI * i) / n)];
    return line([x + from * c, y + from * s], [x + to * c, y + to * s]);
  });

/** Figures by their label. */
export const FIGURES = {
  circle: [oval(50, 50, 42)],
  square: [line([10, 10], [10, 90], [90, 90], [90, 10], [10, 10])],
  triangle: [line([50, 12], [8, 88], [92, 88], [50, 12])],
  star: [line([22, 94], [50, 6], [78, 94], [6, 38], [94, 38], [22, 94])],
  line: [line([6, 52], [94, 48])],
  zigzag: [line([4, 40], [20, 64], [36, 38], [52, 64], [68, 38], [84, 64], [97, 40])],
  sun: [oval(50, 50, 20), ...rays(50, 50, 27, 44, 9)],
  house: [
    line([18, 46], [18, 94], [82, 94], [82, 46]),
    line([10, 48], [50, 10], [90, 48], [10, 48]),
    line([42, 94], [42, 66], [58, 66], [58, 94]),
    line([25, 58], [25, 72], [36, 72], [36, 58], [25, 58]),
  ],
  envelope: [line([6, 22], [6, 80], [94, 80], [94, 22], [6, 22]), line([6, 22], [50, 56], [94, 22])],
  ladder: [
    line([34, 4], [32, 96]),
    line([66, 4], [68, 96]),
    ...[16, 30, 44, 58, 72, 86].map((y) => line([33, y], [67, y])),
  ],
  "smiley face": [
    oval(50, 50, 44),
    oval(35, 38, 4, 6),
    oval(65, 38, 4, 6),
    curve([26, 58], [36, 72], [50, 77], [64, 72], [74, 58]),
  ],
  eyeglasses: [
    oval(26, 50, 19),
    oval(74, 50, 19),
    curve([45, 48], [50, 44], [55, 48]),
    line([7, 48], [1, 36]),
    line([93, 48], [99, 36]),
  ],
  lollipop: [
    oval(50, 30, 26),
    curve([50, 30], [55, 27], [52, 21], [43, 25], [42, 36], [53, 41], [63, 33], [60, 19], [47, 14]),
    line([50, 56], [50, 98]),
  ],
  stairs: [line([4, 94], [4, 76], [24, 76], [24, 58], [44, 58], [44, 40], [64, 40], [64, 22], [84, 22], [84, 6])],
  hourglass: [line([22, 6], [78, 6], [24, 94], [78, 94], [22, 6])],
  "ice cream": [
    line([30, 46], [50, 96], [70, 46], [30, 46]),
    curve([28, 46], [24, 32], [34, 16], [50, 10], [66, 16], [76, 32], [72, 46]),
  ],
  fish: [
    curve([84, 50], [64, 30], [38, 28], [12, 50], [38, 72], [64, 70], [84, 50]),
    line([82, 50], [98, 34], [98, 66], [82, 50]),
    oval(28, 45, 2.5),
  ],
  flower: [
    oval(50, 32, 9),
    ...[0, 1, 2, 3, 4].map((i) => {
      const angle = (2 * Math.PI * i) / 5 - Math.PI / 2;
      return oval(50 + 18 * Math.cos(angle), 32 + 18 * Math.sin(angle), 10);
    }),
    line([50, 58], [50, 98]),
    curve([50, 82], [60, 70], [72, 70], [64, 80], [50, 84]),
  ],
  umbrella: [
    curve([6, 50], [12, 28], [30, 12], [50, 8], [70, 12], [88, 28], [94, 50]),
    curve([6, 50], [17, 43], [28, 50], [39, 43], [50, 50], [61, 43], [72, 50], [83, 43], [94, 50]),
    curve([50, 50], [50, 70], [50, 86], [44, 94], [36, 92], [34, 84]),
  ],
  sailboat: [
    curve([8, 74], [18, 90], [34, 94], [66, 94], [82, 90], [92, 74]),
    line([8, 74], [92, 74]),
    line([50, 74], [50, 6]),
    curve([50, 8], [70, 34], [82, 66]),
    line([82, 66], [50, 66]),
    curve([50, 14], [34, 40], [22, 66]),
    line([22, 66], [50, 66]),
  ],
  mountain: [line([2, 92], [34, 18], [52, 62], [68, 34], [98, 92]), line([25, 40], [31, 46], [36, 38], [43, 42])],
  clock: [oval(50, 50, 44), line([50, 50], [50, 20]), line([50, 50], [70, 58]), ...rays(50, 50, 37, 42, 12)],
  cat: [
    curve([26, 30], [14, 50], [20, 76], [50, 90], [80, 76], [86, 50], [74, 30]),
    line([26, 30], [22, 4], [44, 22]),
    curve([44, 22], [50, 21], [56, 22]),
    line([56, 22], [78, 4], [74, 30]),
    oval(37, 46, 3, 5),
    oval(63, 46, 3, 5),
    line([46, 60], [54, 60], [50, 65], [46, 60]),
    curve([50, 65], [48, 73], [41, 74], [37, 69]),
    curve([50, 65], [52, 73], [59, 74], [63, 69]),
    line([30, 60], [2, 54]),
    line([30, 66], [3, 68]),
    line([70, 60], [98, 54]),
    line([70, 66], [97, 68]),
  ],
  snowman: [
    oval(50, 22, 16),
    oval(50, 66, 29),
    oval(44, 19, 1.5),
    oval(56, 19, 1.5),
    line([50, 23], [60, 26], [50, 27]),
    oval(50, 56, 1.5),
    oval(50, 68, 1.5),
    line([22, 56], [4, 42]),
    line([78, 56], [96, 42]),
  ],
  mushroom: [
    curve([8, 52], [12, 28], [32, 10], [50, 8], [68, 10], [88, 28], [92, 52]),
    line([8, 52], [92, 52]),
    curve([38, 52], [40, 72], [36, 92]),
    curve([62, 52], [60, 72], [64, 92]),
    curve([36, 92], [50, 96], [64, 92]),
    oval(36, 30, 6),
    oval(62, 34, 5),
  ],
} satisfies Record<string, Figure>;

export type Label = keyof typeof FIGURES;

/** The same with a third of the points, for tests that are about something else than the drawing: every point is a movement of the mouse. */
export function hasty(figure: Figure): Figure {
  return figure.map((stroke) => stroke.filter((_, i) => i % 3 === 0 || i === stroke.length - 1));
}

/** The figure as a hand would draw it: the pen sways a little to all sides, always in the same way. */
export function byHand(figure: Figure, sway = 0.9): Figure {
  return figure.map((stroke, s) =>
    stroke.map(([x, y], i): Point => {
      const t = s * 2.4 + (i * STEP) / 9;
      return [
        x + sway * Math.sin(t * 0.9 + 1) * Math.cos(t * 0.37),
        y + sway * Math.sin(t * 0.7 + 4) * Math.cos(t * 0.53 + 2),
      ];
    }),
  );
}

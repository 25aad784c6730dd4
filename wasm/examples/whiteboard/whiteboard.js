import { createWorkerClassifier } from "./node_modules/quickdraw-rnn/dist/worker.js";

const svg = document.querySelector("svg");
const output = document.querySelector("output");
const classifier = await createWorkerClassifier();

/** How a shape is drawn into the box of the scribble; corners in units of the box. */
const shapes = {
  circle: ({ x, y, width, height }) => {
    const [rx, ry] = [width / 2, height / 2];
    return element("ellipse", { cx: x + rx, cy: y + ry, rx, ry });
  },
  square: (box) =>
    polygon(box, [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ]),
  triangle: (box) =>
    polygon(box, [
      [0.5, 0],
      [1, 1],
      [0, 1],
    ]),
  diamond: (box) =>
    polygon(box, [
      [0.5, 0],
      [1, 0.5],
      [0.5, 1],
      [0, 0.5],
    ]),
  hexagon: (box) =>
    polygon(box, [
      [0.25, 0],
      [0.75, 0],
      [1, 0.5],
      [0.75, 1],
      [0.25, 1],
      [0, 0.5],
    ]),
  star: (box) =>
    polygon(
      box,
      Array.from({ length: 10 }, (_, i) => {
        const [radius, angle] = [i % 2 === 0 ? 0.5 : 0.2, (i * Math.PI) / 5];
        return [0.5 + radius * Math.sin(angle), 0.5 - radius * Math.cos(angle)];
      }),
    ),
};

let line;
let stroke = [];

svg.onpointerdown = (event) => {
  svg.setPointerCapture(event.pointerId);
  stroke = [];
  line = element("polyline", {});
  draw(event);
};
svg.onpointermove = (event) => {
  if (event.buttons !== 0 && line) draw(event);
};
svg.onpointerup = async () => {
  const [scribble, points] = [line, stroke];
  line = undefined;
  // "other" things stay as they are: the guess is among all labels, not among the shapes alone.
  const [best] = await classifier.classify([points], { maxResults: 1 });
  const shape = shapes[best.label];
  output.textContent = shape ? best.label : "";
  if (!shape) return;
  shape(scribble.getBBox());
  scribble.remove();
};

function draw({ offsetX: x, offsetY: y }) {
  stroke.push({ x, y });
  line.setAttribute("points", stroke.map(({ x, y }) => `${x},${y}`).join(" "));
}

function polygon({ x, y, width, height }, corners) {
  const points = corners.map(([u, v]) => `${x + u * width},${y + v * height}`).join(" ");
  return element("polygon", { points });
}

function element(name, attributes) {
  const created = document.createElementNS("http://www.w3.org/2000/svg", name);
  const style = { fill: "none", stroke: "black", "stroke-width": 3 };
  for (const [key, value] of Object.entries({ ...style, ...attributes })) created.setAttribute(key, value);
  return svg.appendChild(created);
}

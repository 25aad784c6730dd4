import { Classifier } from "quickdraw-rnn";

const classifier = await Classifier.load();
const canvas = document.querySelector("canvas");
const strokes = [];
canvas.onpointerdown = () => strokes.push([]);
canvas.onpointermove = ({ buttons, offsetX: x, offsetY: y }) => {
  if (!buttons || strokes.length === 0) return;
  strokes.at(-1).push({ x, y });
  const [best] = classifier.classify(strokes, { isPenDown: true });
  console.log(best.label, best.probability);
};

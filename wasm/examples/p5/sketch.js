let classifier;
const strokes = [];

function setup() {
  createCanvas(300, 300);
  background(240);
  quickdraw.createWorkerClassifier().then((loaded) => (classifier = loaded));
}

function mousePressed() {
  strokes.push([{ x: mouseX, y: mouseY }]);
}

function mouseDragged() {
  strokes.at(-1).push({ x: mouseX, y: mouseY });
  line(pmouseX, pmouseY, mouseX, mouseY);
}

async function mouseReleased() {
  const [best] = (await classifier?.classify(strokes)) ?? [];
  if (best) document.querySelector("output").textContent = best.label;
}

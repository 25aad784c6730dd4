import { Classifier } from "quickdraw-rnn";
import wasm from "quickdraw-rnn/quickdraw_wasm_bg.wasm";
import modelJson from "quickdraw-rnn/model/model.json";
import weights from "quickdraw-rnn/model/weights.safetensors";

const square = [
  [
    [0, 90, 88, 3, 1],
    [0, 4, 92, 90, 2],
  ],
];
const model = { modelJson: new TextEncoder().encode(JSON.stringify(modelJson)), weights };

export default {
  async fetch() {
    const classifier = await Classifier.load({ wasm, model });
    const [best] = classifier.classify(square);
    classifier.dispose();
    const headers = { "content-type": "text/html" };
    return new Response(`<!doctype html><output>${best.label}</output>`, { headers });
  },
};

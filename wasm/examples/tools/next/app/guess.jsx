"use client";

import { useEffect, useState } from "react";
import { Classifier } from "quickdraw-rnn";
import { createWorkerClassifier } from "quickdraw-rnn/worker";

import { square } from "./square.js";

/** What the server found, and then what the browser finds. */
export function Guess({ before }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const guess = async () => {
      const classifier = await Classifier.load();
      const inWorker = await createWorkerClassifier();
      const found = [classifier.classify(square), await inWorker.classify(square)];
      inWorker.dispose();
      return [...before, ...found.map(([best]) => best.label)].join(", ");
    };
    guess().then(setText, (error) => setText(String(error)));
  }, [before]);
  return <output>{text}</output>;
}

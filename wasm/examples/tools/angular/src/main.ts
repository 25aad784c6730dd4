import { Component, provideZonelessChangeDetection, signal } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import { Classifier, createWorkerClassifier } from "quickdraw-rnn/inline";

const square = [
  [
    [0, 90, 88, 3, 1],
    [0, 4, 92, 90, 2],
  ],
];

@Component({ selector: "app-root", template: "<output>{{ text() }}</output>" })
class App {
  readonly text = signal("");

  constructor() {
    const say = (text: unknown): void => this.text.set(String(text));
    this.guess().then(say, say);
  }

  async guess(): Promise<string> {
    const classifier = await Classifier.load();
    const inWorker = await createWorkerClassifier();
    const found = [classifier.classify(square), await inWorker.classify(square)];
    return found.map(([best]) => best?.label).join(", ");
  }
}

void bootstrapApplication(App, { providers: [provideZonelessChangeDetection()] });

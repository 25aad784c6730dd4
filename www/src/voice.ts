/** The page's voice and the sounds of its pen, off until asked for. Everything is made on the device: no file, no server. */
import type { Announcer } from "./announcer";
import type { PadSounds } from "./pad";
import { recall, remember } from "./storage";

/** How loud the pen is, and the frequency in hertz around which it scratches. */
const LOUDEST_PEN = 0.05;
const PEN_HERTZ = 2600;
/** At this speed, in CSS pixels a millisecond, the pen is at its loudest. */
const LOUD_SPEED = 1.5;
const FADE_SECONDS = 0.04;

export class Voice implements PadSounds {
  #isOn = recall("voice") === "on";
  #audio: { readonly context: AudioContext; readonly pen: GainNode } | undefined;
  #tag = "en";

  /** Speaks what `announcer` says. */
  constructor(announcer: Announcer) {
    announcer.onSaid = (sentence) => this.#say(sentence);
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  set isOn(isOn: boolean) {
    this.#isOn = isOn;
    remember("voice", isOn ? "on" : "off");
    if (!isOn) this.hush();
  }

  /** The language of what is said from now on. */
  set tag(tag: string) {
    if (tag !== this.#tag) this.hush();
    this.#tag = tag;
  }

  hush(): void {
    window.speechSynthesis?.cancel();
    this.onPenUp();
  }

  onPenMove(speed: number): void {
    if (!this.#isOn) return;
    const { context, pen } = (this.#audio ??= scratching());
    void context.resume();
    pen.gain.setTargetAtTime(LOUDEST_PEN * Math.min(1, speed / LOUD_SPEED), context.currentTime, FADE_SECONDS);
    // A pen that rests makes no sound.
    pen.gain.setTargetAtTime(0, context.currentTime + 3 * FADE_SECONDS, FADE_SECONDS);
  }

  onPenUp(): void {
    if (this.#audio) this.#audio.pen.gain.setTargetAtTime(0, this.#audio.context.currentTime, FADE_SECONDS);
  }

  #say(sentence: string): void {
    if (!this.#isOn || !window.speechSynthesis || sentence === "") return;
    const said = new SpeechSynthesisUtterance(sentence);
    said.lang = this.#tag;
    // The newest is what counts.
    speechSynthesis.cancel();
    speechSynthesis.speak(said);
  }
}

/** A noise without end, of which one hears as much as the pen moves. */
function scratching(): { context: AudioContext; pen: GainNode } {
  const context = new AudioContext();
  const noise = context.createBuffer(1, context.sampleRate, context.sampleRate);
  const samples = noise.getChannelData(0);
  for (let i = 0; i < samples.length; i++) samples[i] = 2 * Math.random() - 1;
  const source = new AudioBufferSourceNode(context, { buffer: noise, loop: true });
  const paper = new BiquadFilterNode(context, { type: "bandpass", frequency: PEN_HERTZ, Q: 0.8 });
  const pen = new GainNode(context, { gain: 0 });
  source.connect(paper).connect(pen).connect(context.destination);
  source.start();
  return { context, pen };
}

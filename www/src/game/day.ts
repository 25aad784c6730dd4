/**
 * The six of the day: the same prompts for everybody on the same date, wherever they are, and what became of them here.
 *
 * The prompts are dealt like cards: all in an order that the number of the deal decides, six a day, until fewer than six are left.
 */
import { recall, remember } from "../storage";
import type { Outcome } from "./game";
import { PROMPTS, ROUNDS } from "./prompts";

/** A date of the visitor's calendar, `2026-11-30`. */
export type Day = string;

/** How a day's six went, the first time. */
export interface DayResult {
  readonly recognised: readonly boolean[];
  readonly seconds: readonly number[];
}

/** All days that were played. */
export interface Record {
  readonly nDays: number;
  /** Days in a row until the day asked about, or until the day before where that one was not played yet. */
  readonly streak: number;
  readonly longestStreak: number;
  readonly best: DayResult | undefined;
}

const MS_PER_DAY = 86_400_000;
const FIRST_DAY = Date.UTC(2026, 0, 1);

export function today(): Day {
  const now = new Date();
  const two = (value: number) => String(value).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

export function promptsOf(day: Day): string[] {
  const n = numberOf(day);
  const perDeal = Math.floor(PROMPTS.length / ROUNDS);
  const deal = Math.floor(n / perDeal);
  const at = (n - deal * perDeal) * ROUNDS;
  return shuffled(PROMPTS, deal).slice(at, at + ROUNDS);
}

/** How this day went; undefined where it was not played. */
export function resultOf(day: Day): DayResult | undefined {
  return results().get(day);
}

/** Keeps how a day went; only the first time counts. */
export function keepResult(day: Day, outcomes: readonly Outcome[]): void {
  const all = results();
  if (all.has(day)) return;
  const seconds = outcomes.map((outcome) => Math.round(10 * outcome.seconds) / 10);
  all.set(day, { recognised: outcomes.map(({ recognised }) => recognised), seconds });
  remember("days", JSON.stringify(Object.fromEntries(all)));
}

export function recordUntil(day: Day): Record {
  const all = results();
  const numbers = [...all.keys()].map(numberOf).sort((a, b) => a - b);
  const played = new Set(numbers);
  let streak = 0;
  for (let n = numberOf(day) - (all.has(day) ? 0 : 1); played.has(n); n--) streak += 1;
  let [longestStreak, run] = [0, 0];
  numbers.forEach((n, i) => {
    run = numbers[i - 1] === n - 1 ? run + 1 : 1;
    longestStreak = Math.max(longestStreak, run);
  });
  const best = [...all.values()].sort((a, b) => scoreOf(b) - scoreOf(a) || secondsOf(a) - secondsOf(b))[0];
  return { nDays: all.size, streak, longestStreak, best };
}

export function scoreOf({ recognised }: DayResult): number {
  return recognised.filter(Boolean).length;
}

export function secondsOf({ seconds }: DayResult): number {
  return seconds.reduce((sum, each) => sum + each, 0);
}

function numberOf(day: Day): number {
  return Math.round((Date.parse(`${day}T00:00:00Z`) - FIRST_DAY) / MS_PER_DAY);
}

/** What was kept; whatever else is there counts as no day. */
function results(): Map<Day, DayResult> {
  let kept: unknown;
  try {
    kept = JSON.parse(recall("days") ?? "{}");
  } catch {
    kept = {};
  }
  return new Map(
    Object.entries(kept ?? {}).filter((entry): entry is [Day, DayResult] => isDay(entry[0]) && isResult(entry[1])),
  );
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(numberOf(text));
}

function isResult(value: unknown): value is DayResult {
  const { recognised, seconds } = (value ?? {}) as { recognised?: unknown; seconds?: unknown };
  const isOf = (list: unknown, type: string) =>
    Array.isArray(list) && list.length === ROUNDS && list.every((each) => typeof each === type);
  return isOf(recognised, "boolean") && isOf(seconds, "number");
}

/** The items in an order that the seed decides (Fisher and Yates; Mulberry32 throws the dice). */
function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  let state = (seed * 0x9e3779b1 + 0x85ebca6b) | 0;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const k = Math.floor(random() * (i + 1));
    [order[i], order[k]] = [order[k] as Item, order[i] as Item];
  }
  return order;
}

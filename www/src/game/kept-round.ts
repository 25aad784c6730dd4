/** A round that is not over, while one is elsewhere on the page or reloads it. */
import { areStrokes } from "../keep/kept-sheet";
import { isKnown } from "../language/korean-names";
import { keepInTab, keptInTab } from "../storage";
import type { Outcome, Plan } from "./game";

interface Round {
  readonly plan: Plan;
  /** One for each prompt that was drawn, and at least one. */
  readonly outcomes: readonly Outcome[];
}

/** `asked` is the plan that the visitor asked for, undefined for one by chance: who asks for the same again goes on. */
export function keepRound(asked: Plan | undefined, round: Round): void {
  keepInTab("round", { asked: nameOf(asked), ...round });
}

export function keptRound(asked: Plan | undefined): Round | undefined {
  const kept = (keptInTab("round") ?? {}) as { asked?: unknown; plan?: unknown; outcomes?: unknown };
  const { prompts } = (kept.plan ?? {}) as { prompts?: unknown };
  const { outcomes } = kept;
  if (
    kept.asked !== nameOf(asked) ||
    !Array.isArray(prompts) ||
    !prompts.every((label) => typeof label === "string" && isKnown(label))
  )
    return undefined;
  if (!Array.isArray(outcomes) || outcomes.length === 0 || outcomes.length > prompts.length) return undefined;
  if (!outcomes.every((outcome, i) => isOutcome(outcome, prompts[i] as string))) return undefined;
  // Only the plan by chance is not known otherwise.
  return { plan: asked ?? { prompts: prompts as string[] }, outcomes };
}

/** The round is over, or given up. */
export function forgetRound(asked: Plan | undefined): void {
  if (keptRound(asked)) keepInTab("round", undefined);
}

function nameOf(plan: Plan | undefined): string {
  return plan === undefined ? "by chance" : JSON.stringify(plan);
}

function isOutcome(value: unknown, prompt: string): value is Outcome {
  const { label, beganMs, strokes, recognised, seconds, predictions } = (value ?? {}) as {
    [Key in keyof Outcome]?: unknown;
  };
  if (
    label !== prompt ||
    typeof recognised !== "boolean" ||
    ![beganMs, seconds].every(Number.isFinite) ||
    !areStrokes(strokes)
  )
    return false;
  return (
    Array.isArray(predictions) &&
    predictions.every((each: unknown) => {
      const { label, probability } = (each ?? {}) as { label?: unknown; probability?: unknown };
      return typeof label === "string" && Number.isFinite(probability);
    })
  );
}

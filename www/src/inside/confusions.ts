/** What the model that ships takes each category for, as scripts/confusions.mjs measured it. */

export interface Confusion {
  readonly label: string;
  /** Mean probability over held-out drawings, 0..1. */
  readonly share: number;
}

export interface Confusions {
  /** Greatest first; may be empty. */
  readonly of: readonly Confusion[];
  /** How many drawings of all categories were judged. */
  readonly nDrawings: number;
}

export async function confusionsOf(label: string): Promise<Confusions> {
  const { drawings, labels, confusions } = (await import("./confusions.json")).default as {
    drawings: number;
    labels: string[];
    confusions: number[][][];
  };
  const row = confusions[labels.indexOf(label)] ?? [];
  return {
    nDrawings: drawings,
    of: row.map(([i = 0, percent = 0]) => ({ label: labels[i] ?? "", share: percent / 100 })),
  };
}

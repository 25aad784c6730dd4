/** What the page remembers from visit to visit. Where storage is closed or full, it remembers as long as the page is open. */

const PREFIX = "quickdraw-rnn.";
const session = new Map<string, string>();

export type Memory = "language" | "best-score";

export function remember(what: Memory, value: string): void {
  session.set(what, value);
  try {
    localStorage.setItem(PREFIX + what, value);
  } catch {
    // A private window, blocked cookies, or a full disk: the session's memory has it.
  }
}

export function recall(what: Memory): string | null {
  try {
    return session.get(what) ?? localStorage.getItem(PREFIX + what);
  } catch {
    return null;
  }
}

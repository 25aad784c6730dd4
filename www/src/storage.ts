/**
 * What the page remembers from visit to visit, and what a tab remembers over a reload. Where storage is closed or full, it remembers as
 * long as the page is open.
 */

const PREFIX = "quickdraw-rnn.";
const session = new Map<string, string>();

export type Memory = "language" | "theme" | "voice" | "best-score" | "days" | "book" | "categories";

/** Whether it will be there on the next visit. */
export function remember(what: Memory, value: string): boolean {
  session.set(what, value);
  try {
    localStorage.setItem(PREFIX + what, value);
    return true;
  } catch {
    // A private window, blocked cookies, or a full disk: the session's memory has it.
    return false;
  }
}

export function recall(what: Memory): string | null {
  try {
    return session.get(what) ?? localStorage.getItem(PREFIX + what);
  } catch {
    return null;
  }
}

/** Calls back when another window of the page has remembered something else. */
export function onRememberedElsewhere(what: Memory, listener: () => void): void {
  window.addEventListener("storage", ({ key }) => {
    if (key !== PREFIX + what) return;
    session.delete(what);
    listener();
  });
}

/** What a tab remembers until it is closed: the drawing on the sheet, and the round that is not over. */
export type TabMemory = "sheet" | "round";

/** Keeps a value for this tab; `undefined` forgets it. */
export function keepInTab(what: TabMemory, value: unknown): void {
  const text = JSON.stringify(value) as string | undefined;
  session.set(what, text ?? "");
  try {
    // What does not fit must not leave an older value behind.
    sessionStorage.removeItem(PREFIX + what);
    if (text !== undefined) sessionStorage.setItem(PREFIX + what, text);
  } catch {
    // The session's memory has it.
  }
}

/** What this tab keeps, of this version of the page or of another one; undefined where that is nothing. */
export function keptInTab(what: TabMemory): unknown {
  try {
    return JSON.parse(session.get(what) ?? sessionStorage.getItem(PREFIX + what) ?? "");
  } catch {
    return undefined;
  }
}

/* The pointer that draws on an element: pen, finger or mouse, one at a time. */

import type { PlatformElement, PlatformPointerEvent } from "./platform.js";

/** What {@link followPen} tells. Events carry the place in `clientX` and `clientY`, and a pen's `pressure`. */
export interface PenEvents {
  /** A stroke begins here; false, and the pointer is not followed. */
  onDown(event: PlatformPointerEvent): boolean;
  /** The pen moved, over all of these places: pens and mice report several a frame. */
  onMove(events: readonly PlatformPointerEvent[]): void;
  /** The stroke is whole: the pen was lifted, or has gone where nothing is heard of it. */
  onUp(): void;
  /** The stroke was none: a palm that lay there before the pen, or a gesture of the system's. */
  onCancel(): void;
}

/** The pointer that is followed. */
export interface FollowedPen {
  /** Whether a stroke goes on. */
  readonly isDown: boolean;
  /** Lets go of the pointer; nothing more is told of its stroke. */
  lift(): void;
  /** Stops listening. */
  stop(): void;
}

/** A hand rests beside a pen and touches the screen: so long after the pen was near, no touch is a stroke. */
const PALM_MS = 700;

/**
 * Follows the pointer that draws on an element of your own, as `<quickdraw-pad>` does: one pointer at a time, a pen before the
 * palm that rests beside it, and whatever becomes of a pointer, its stroke ends. The element needs `touch-action: none`.
 */
export function followPen(element: PlatformElement, events: PenEvents): FollowedPen {
  const target = element as HTMLElement;
  const { onDown, onMove, onUp, onCancel } = events;
  const listening = new AbortController();
  const { signal } = listening;
  let current: { readonly id: number; readonly type: string } | undefined;
  let penSeen = -Infinity;

  const lookForPen = ({ pointerType, timeStamp }: PointerEvent): void => {
    if (pointerType === "pen") penSeen = timeStamp;
  };
  const lift = (): void => {
    if (current === undefined) return;
    const { id } = current;
    current = undefined;
    if (target.hasPointerCapture(id)) target.releasePointerCapture(id);
  };
  const end = (tell: () => void): void => {
    lift();
    tell();
  };

  const down = (event: PointerEvent): void => {
    lookForPen(event);
    const { pointerId: id, pointerType: type, button, timeStamp } = event;
    if (button !== 0) return;
    // A palm may rest on the screen before the pen, after it, and while it is lifted between two strokes.
    if (type === "touch" && timeStamp - penSeen < PALM_MS) return;
    if (current !== undefined) {
      if (type === "pen" && current.type !== "pen") end(onCancel);
      // A pointer that is not captured may have gone where no event could tell of it.
      else if (!target.hasPointerCapture(current.id)) end(onUp);
      else return;
    }
    current = { id, type };
    if (!onDown(event)) current = undefined;
    // Not followed, or lifted already.
    if (current?.id !== id) return;
    try {
      target.setPointerCapture(id);
    } catch {
      // The pointer is gone already, or is a program's: it draws as long as it is heard of.
    }
  };
  const move = (event: PointerEvent): void => {
    lookForPen(event);
    if (event.pointerId !== current?.id) return;
    // The button went up where no event could tell of it.
    if (event.buttons === 0) {
      end(onUp);
      return;
    }
    const coalesced = event.getCoalescedEvents?.() ?? [];
    onMove(coalesced.length > 0 ? coalesced : [event]);
  };
  const up = (event: PointerEvent): void => {
    lookForPen(event);
    if (event.pointerId === current?.id) end(onUp);
  };
  /** The system took the pointer. A touch was a gesture of its own, or a palm; what a pen or a mouse drew is drawn. */
  const cancel = (event: PointerEvent): void => {
    if (event.pointerId === current?.id) end(event.pointerType === "touch" ? onCancel : onUp);
  };
  const prevent = (event: Event): void => event.preventDefault();

  target.addEventListener("pointerdown", down, { signal });
  target.addEventListener("pointermove", move, { signal });
  // At the window: a pointer that could not be captured may be lifted anywhere.
  globalThis.addEventListener("pointerup", up, { signal });
  globalThis.addEventListener("pointercancel", cancel, { signal });
  target.addEventListener("lostpointercapture", up, { signal });
  // A long press must neither open a menu nor start Safari's magnifier.
  target.addEventListener("contextmenu", prevent, { signal });
  target.addEventListener("touchstart", prevent, { signal, passive: false });

  return {
    get isDown() {
      return current !== undefined;
    },
    lift,
    stop() {
      lift();
      listening.abort();
    },
  };
}

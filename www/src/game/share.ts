/** A round to show to others: a picture of what was drawn, and a line of text that gives nothing away. */
import { copy, save } from "../keep/keeper";
import { boxAround } from "../keep/picture";
import { drawStroke } from "../nib";
import type { Outcome } from "./game";

/** The picture's own colours: it is on paper wherever it is seen. */
const [DESK, PAPER, INK, SOFT, SEAL] = ["#e7dfcd", "#fbf6ea", "#1b2338", "#565a66", "#b3351e"];
const SIZE = 1080;
const MARGIN = 60;
const GAP = 30;
const COLUMNS = 3;
const SERIF = '"Fraunces", "Gowun Batang", Georgia, serif';

/** One mark a drawing: what was recognised bears a seal. */
export function marksOf(outcomes: readonly Outcome[]): string {
  return outcomes.map(({ recognised }) => (recognised ? "🟥" : "⬜")).join("");
}

/** The drawings without what they are to be: whoever sees them has the same prompts before them. */
export function pictureOf(outcomes: readonly Outcome[], heading: string, line: string): Promise<Blob> {
  const rows = Math.max(1, Math.ceil(outcomes.length / COLUMNS));
  const columns = Math.min(COLUMNS, outcomes.length);
  const width = (SIZE - 2 * MARGIN - (columns - 1) * GAP) / columns;
  const height = Math.min(width, 300);
  const canvas = document.createElement("canvas");
  canvas.width = SIZE;
  canvas.height = 150 + rows * (height + GAP) + 90;
  const context = canvas.getContext("2d");
  if (!context) return Promise.reject(new Error("no 2d context"));
  context.fillStyle = DESK;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = INK;
  context.font = `500 44px ${SERIF}`;
  context.fillText(heading, MARGIN, 98, SIZE - 2 * MARGIN);
  outcomes.forEach((outcome, i) => {
    context.save();
    context.translate(
      MARGIN + (i % COLUMNS) * (width + GAP) + width / 2,
      140 + Math.floor(i / COLUMNS) * (height + GAP) + height / 2,
    );
    context.rotate([-0.012, 0.004, 0.012][i % 3] ?? 0);
    slip(context, outcome, width, height);
    context.restore();
  });
  context.fillStyle = SOFT;
  context.font = `400 34px ${SERIF}`;
  context.fillText(line, MARGIN, canvas.height - 58, SIZE - 2 * MARGIN);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG"))), "image/png"),
  );
}

/** A slip of paper around the origin, with the drawing and its mark. */
function slip(
  context: CanvasRenderingContext2D,
  { strokes, recognised }: Outcome,
  width: number,
  height: number,
): void {
  context.shadowColor = "#4b3d2138";
  context.shadowBlur = 18;
  context.shadowOffsetY = 6;
  context.fillStyle = PAPER;
  context.fillRect(-width / 2, -height / 2, width, height);
  context.shadowColor = "transparent";
  const box = boxAround(strokes);
  const scale = Math.min((width - 50) / box.width, (height - 50) / box.height);
  context.save();
  context.scale(scale, scale);
  context.translate(-box.x - box.width / 2, -box.y - box.height / 2);
  context.strokeStyle = context.fillStyle = INK;
  // As on the small slips of the page, lines are as broad as they look good, whatever the drawing's size.
  for (const stroke of strokes)
    drawStroke(
      context,
      stroke.map((point) => ({ ...point, width: Math.max(point.width, 3) * Math.min(1, 0.75 / scale) })),
    );
  context.restore();
  context.translate(width / 2 - 26, height / 2 - 26);
  context.rotate(-0.06);
  context.lineWidth = 2.5;
  context.strokeStyle = recognised ? SEAL : SOFT;
  context.fillStyle = SEAL;
  context.beginPath();
  context.roundRect(-11, -11, 22, 22, [4, 3, 5, 2]);
  context.stroke();
  if (recognised) context.fill();
}

/** Hands picture and text to whom the visitor chooses, where the system can; else the picture is saved and the text copied. */
export async function share(picture: Blob, name: string, text: string): Promise<"shared" | "saved" | "cancelled"> {
  const data = { files: [new File([picture], name, { type: picture.type })], text };
  if (navigator.canShare?.(data)) {
    try {
      await navigator.share(data);
      return "shared";
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return "cancelled";
    }
  }
  save(picture, name);
  await copy(text);
  return "saved";
}

import { lettersOf } from "../../../lib/text.ts";

/** A part of a drawing, in points from the top left. Every format of a report draws it. */
export type DrawingShape =
  | { kind: "line"; x1: number; y1: number; x2: number; y2: number; color: string; width: number }
  | {
      kind: "path";
      points: [x: number, y: number][];
      color: string;
      width: number;
      fill: string | null;
    }
  | { kind: "rect"; x: number; y: number; width: number; height: number; color: string }
  | {
      kind: "text";
      x: number;
      y: number;
      text: string;
      size: number;
      color: string;
      anchor: "start" | "middle" | "end";
    };

export interface ChartDrawing {
  width: number;
  height: number;
  shapes: DrawingShape[];
}

export const INK = "#222222";

export const GRID = "#dddddd";

export const QUIET = "#666666";

export const WIDTH = 640;

export const HEIGHT = 240;

export const FRAME = { left: 70, right: 30, top: 12, bottom: 34 };

const SIZE = 10;

/** Mean width of a character, as a share of its size. */
const CHARACTER = 0.55;

/** A text cut to a width, so that nothing is drawn over its neighbour. */
export function fittedText(text: string, width: number, size = SIZE): string {
  const most = Math.max(1, Math.floor(width / (size * CHARACTER)));
  const letters = lettersOf(text);
  return letters.length <= most ? text : `${letters.slice(0, Math.max(1, most - 1)).join("")}…`;
}

export const label = (
  x: number,
  y: number,
  text: string,
  anchor: "start" | "middle" | "end",
  color = QUIET,
): DrawingShape => ({
  kind: "text",
  x,
  y,
  text,
  size: SIZE,
  color,
  anchor,
});

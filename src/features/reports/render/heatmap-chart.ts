import type { FilledData } from "../runs/section-data.ts";
import { type ChartDrawing, type DrawingShape, FRAME, label } from "./chart-drawing.ts";

const DAYS = ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** From white to the first colour, by the share of the largest value. */
function shade(share: number): string {
  const mix = (from: number, to: number) =>
    Math.round(from + (to - from) * share)
      .toString(16)
      .padStart(2, "0");
  return `#${mix(0xf4, 0x00)}${mix(0xf7, 0x72)}${mix(0xfa, 0xb2)}`;
}

export function heatmapScene({ cells }: Extract<FilledData, { kind: "heatmap" }>): ChartDrawing {
  const [left, cell] = [40, 24.5];
  const most = Math.max(0, ...cells.map(({ value }) => Number(value ?? 0)));
  const shapes: DrawingShape[] = [];
  for (let day = 1; day <= 7; day++)
    shapes.push(label(left - 6, FRAME.top + (day - 0.5) * 20 + 3, DAYS[day] ?? "", "end"));
  for (let hour = 0; hour < 24; hour += 3)
    shapes.push(label(left + (hour + 0.5) * cell, FRAME.top + 7 * 20 + 14, String(hour), "middle"));
  const known = new Map(
    cells.map((each) => [`${each.day_of_week}/${each.hour_of_day}`, each.value]),
  );
  for (let day = 1; day <= 7; day++)
    for (let hour = 0; hour < 24; hour++) {
      const value = known.get(`${day}/${hour}`) ?? null;
      const color = value === null || most === 0 ? "#f4f7fa" : shade(Number(value) / most);
      shapes.push({
        kind: "rect",
        x: left + hour * cell + 0.5,
        y: FRAME.top + (day - 1) * 20 + 0.5,
        width: cell - 1,
        height: 19,
        color,
      });
    }
  return { width: left + 24 * cell + FRAME.right, height: FRAME.top + 7 * 20 + 24, shapes };
}

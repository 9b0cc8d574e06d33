import type { FilledData } from "../runs/section-data.ts";
import {
  type ChartDrawing,
  type DrawingShape,
  FRAME,
  fittedText,
  GRID,
  HEIGHT,
  INK,
  label,
  QUIET,
  WIDTH,
} from "./chart-drawing.ts";
import { heatmapScene } from "./heatmap-chart.ts";

/** Colours that people with colour blindness tell apart (Okabe and Ito, 2008). */
export const SERIES_COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];

/**
 * Round steps that cover [0, most] in at most `count` parts (Heckbert, "Nice numbers for graph
 * labels", Graphics Gems, 1990).
 */
export function axisTicks(most: number, count = 5): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((each) => each * unit >= rough - unit * 1e-9) ?? 10) * unit;
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(12)),
  );
}

function short(value: number): string {
  for (const [size, letter] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const)
    if (Math.abs(value) >= size * 10 || (Math.abs(value) >= size && value % size === 0))
      return `${Number((value / size).toPrecision(3))}${letter}`;
  return String(Number(value.toPrecision(6)));
}

/** A value of an incomplete bucket: a mark of its own, without a line to it. */
const partMark = (x: number, y: number): DrawingShape => ({
  ...{ kind: "rect", x: x - 1.5, y: y - 1.5, width: 3, height: 3, color: QUIET },
});

function seriesScene({
  buckets,
  complete = [],
  series,
  chart,
}: Extract<FilledData, { kind: "series" }>): ChartDrawing {
  const most = Math.max(0, ...series.flatMap((each) => each.values.map((value) => value ?? 0)));
  const steps = axisTicks(most);
  const top = steps.at(-1) ?? 1;
  const legend = series.length > 1 ? 18 : 0;
  const [right, bottom] = [WIDTH - FRAME.right, HEIGHT - FRAME.bottom];
  const x = (place: number) =>
    buckets.length < 2
      ? (FRAME.left + right) / 2
      : FRAME.left + ((right - FRAME.left) * place) / (buckets.length - 1);
  const y = (value: number) => bottom - ((bottom - FRAME.top) * value) / top;
  const shapes: DrawingShape[] = steps.flatMap((step): DrawingShape[] => [
    { kind: "line", x1: FRAME.left, y1: y(step), x2: right, y2: y(step), color: GRID, width: 0.5 },
    label(FRAME.left - 6, y(step) + 3, short(step), "end"),
  ]);
  if (complete.includes(false))
    shapes.push(label(right, FRAME.top - 3, "grey marks: cut by the range, or not over", "end"));
  const every = Math.max(1, Math.ceil(buckets.length / 8));
  buckets.forEach((bucket, place) => {
    if (place % every === 0)
      shapes.push(label(x(place), bottom + 16, bucket.slice(0, 10), "middle"));
  });
  series.forEach(({ values }, index) => {
    const color = SERIES_COLORS[index % SERIES_COLORS.length] ?? INK;
    // A gap is not a zero: the line ends before it, and a new one begins after it.
    let points: [number, number][] = [];
    const draw = () => {
      const [first, last] = [points[0], points.at(-1)];
      if (!first || !last) return;
      if (chart === "area")
        shapes.push({
          kind: "path",
          points: [...points, [last[0], bottom], [first[0], bottom]],
          color: "none",
          width: 0,
          fill: color,
        });
      if (points.length === 1)
        shapes.push({
          kind: "rect",
          x: first[0] - 1.5,
          y: first[1] - 1.5,
          width: 3,
          height: 3,
          color,
        });
      else shapes.push({ kind: "path", points, color, width: 1.5, fill: null });
      points = [];
    };
    values.forEach((value, place) => {
      if (value === null || complete[place] === false) draw();
      else points.push([x(place), y(value)]);
      if (value !== null && complete[place] === false) shapes.push(partMark(x(place), y(value)));
    });
    draw();
  });
  if (legend) {
    const room = (right - FRAME.left) / series.length;
    series.forEach(({ name }, index) => {
      const left = FRAME.left + room * index;
      shapes.push({
        kind: "rect",
        x: left,
        y: HEIGHT + 2,
        width: 8,
        height: 8,
        color: SERIES_COLORS[index % SERIES_COLORS.length] ?? INK,
      });
      shapes.push(
        label(left + 12, HEIGHT + 10, fittedText(name ?? "none", room - 16), "start", INK),
      );
    });
  }
  return { width: WIDTH, height: HEIGHT + legend, shapes };
}

function barsScene(
  bars: readonly { name: string | null; other: boolean; value: unknown }[],
): ChartDrawing {
  const [row, names] = [18, 150];
  const numbers = bars.map((bar) => Number(bar.value ?? 0));
  const steps = axisTicks(Math.max(0, ...numbers));
  const top = steps.at(-1) ?? 1;
  const bottom = FRAME.top + row * bars.length;
  const x = (value: number) => names + ((WIDTH - FRAME.right - names) * value) / top;
  const shapes: DrawingShape[] = steps.flatMap((step): DrawingShape[] => [
    { kind: "line", x1: x(step), y1: FRAME.top, x2: x(step), y2: bottom, color: GRID, width: 0.5 },
    label(x(step), bottom + 14, short(step), step === top ? "end" : "middle"),
  ]);
  bars.forEach(({ name, other, value }, index) => {
    const y = FRAME.top + row * index;
    shapes.push(
      label(
        names - 6,
        y + 12,
        fittedText(other ? "all others" : (name ?? "none"), names - 16),
        "end",
        INK,
      ),
    );
    if (value !== null)
      shapes.push({
        kind: "rect",
        x: names,
        y: y + 3,
        width: Math.max(0, x(numbers[index] ?? 0) - names),
        height: row - 6,
        color: other ? QUIET : (SERIES_COLORS[0] ?? INK),
      });
  });
  return { width: WIDTH, height: bottom + 22, shapes };
}

/** The drawing of a section, or undefined for a section without one. */
export function drawingOf(data: FilledData): ChartDrawing | undefined {
  if (data.kind === "series") return seriesScene(data);
  if (data.kind === "bars") return barsScene(data.bars);
  if (data.kind === "funnel")
    return barsScene(
      data.steps.map(({ step, name, users }) => ({
        name: `${step}. ${name}`,
        other: false,
        value: users,
      })),
    );
  return data.kind === "heatmap" ? heatmapScene(data) : undefined;
}

import { GAMMA, type SketchCells, sketchValue, ZERO_KEY } from "../sql/sketch.ts";

export interface LatencyClass {
  name: string;
  /** Milliseconds, [from, to); null: without end. */
  from_ms: number;
  to_ms: number | null;
  executions: number;
  share: number | null;
}

const CLASSES: readonly (readonly [name: string, fromMs: number, toMs: number | null])[] = [
  ["0-1s", 0, 1_000],
  ["1-5s", 1_000, 5_000],
  ["5-10s", 5_000, 10_000],
  ["10-30s", 10_000, 30_000],
  ["30-60s", 30_000, 60_000],
  ["60s+", 60_000, null],
];

const total = (cells: SketchCells) => cells.reduce((sum, cell) => sum + cell.count, 0);

/** Classes of latency from a sketch: a run within 1 % of a border may count on its other side. */
export function latencyClasses(cells: SketchCells): LatencyClass[] {
  const all = total(cells);
  return CLASSES.map(([name, from, to]) => {
    const inside = cells.filter(({ key }) => {
      const value = sketchValue(key, 0, Number.POSITIVE_INFINITY);
      return value >= from && (to === null || value < to);
    });
    const executions = total(inside);
    return {
      name,
      from_ms: from,
      to_ms: to,
      executions,
      share: all === 0 ? null : executions / all,
    };
  });
}

/**
 * The whole distribution: every bucket of the sketch with its bounds, (above_ms, up_to_ms], and how
 * many runs it has.
 */
export function distributionOf(
  cells: SketchCells,
): { above_ms: number | null; up_to_ms: number; executions: number }[] {
  return cells.map(({ key, count }) =>
    key === ZERO_KEY
      ? { above_ms: null, up_to_ms: 0, executions: count }
      : {
          above_ms: Math.round(GAMMA ** (key - 1) * 1000) / 1000,
          up_to_ms: Math.round(GAMMA ** key * 1000) / 1000,
          executions: count,
        },
  );
}

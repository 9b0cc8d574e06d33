import { mean, median } from "simple-statistics";

export interface ChangePoint {
  /** Index of the first value of the new level. */
  index: number;
  before: number;
  after: number;
}

/**
 * Variance of the noise: half the mean square of the steps (von Neumann 1941); a change of level is
 * one step among many.
 */
function noise(y: readonly number[]): number {
  const steps = y.slice(1).map((value, index) => (value - (y[index] ?? 0)) ** 2);
  return steps.length === 0 ? 0 : mean(steps) / 2;
}

/**
 * Each value as the median of itself and its neighbours: a single outlier does not become a level,
 * and a step keeps its place.
 */
function withoutSpikes(y: readonly number[]): number[] {
  return y.map((value, index) => median([y[index - 1] ?? value, value, y[index + 1] ?? value]));
}

/** Minimum number of values on each side of a change. */
export const MIN_SEGMENT = 3;

/**
 * Changes of the mean level: PELT (Killick, Fearnhead, Eckley, JASA 107, 2012) with the squared
 * error as cost and the penalty 4 * sigma^2 * log(n), sigma from the steps between neighbours, so
 * that the changes themselves hardly count as noise.
 */
export function changePoints(series: readonly number[]): ChangePoint[] {
  const y = withoutSpikes(series);
  const n = y.length;
  if (n < 2 * MIN_SEGMENT) return [];
  const sums = [0];
  const squares = [0];
  y.forEach((value, i) => {
    sums.push((sums[i] ?? 0) + value);
    squares.push((squares[i] ?? 0) + value * value);
  });
  const cost = (from: number, to: number) => {
    const sum = (sums[to] ?? 0) - (sums[from] ?? 0);
    return (squares[to] ?? 0) - (squares[from] ?? 0) - (sum * sum) / (to - from);
  };
  const penalty = 4 * noise(series) * Math.log(n);
  if (penalty === 0) return [];
  const best = [-penalty];
  const last = [0];
  let candidates = [0];
  for (let to = MIN_SEGMENT; to <= n; to++) {
    const options = candidates
      .filter((from) => to - from >= MIN_SEGMENT)
      .map((from) => ({ from, value: (best[from] ?? 0) + cost(from, to) + penalty }));
    const found = options.reduce((a, b) => (b.value < a.value ? b : a));
    best[to] = found.value;
    last[to] = found.from;
    const kept = new Set(
      options.filter(({ value }) => value - penalty <= found.value).map(({ from }) => from),
    );
    candidates = candidates.filter((from) => to - from < MIN_SEGMENT || kept.has(from));
    if (to - MIN_SEGMENT + 1 >= MIN_SEGMENT) candidates.push(to - MIN_SEGMENT + 1);
  }
  const cuts: number[] = [];
  for (let at = last[n] ?? 0; at > 0; at = last[at] ?? 0) cuts.unshift(at);
  const edges = [0, ...cuts, n];
  return cuts.map((index, i) => ({
    index,
    before: mean(series.slice(edges[i] ?? 0, index)),
    after: mean(series.slice(index, edges[i + 2] ?? n)),
  }));
}

export const MOVING_KINDS = ["sma", "ema", "wma"] as const;
export type MovingKind = (typeof MOVING_KINDS)[number];

/** Trailing mean of the last `window` values; null until there are so many. */
function simple(y: readonly number[], window: number): (number | null)[] {
  return y.map((_, i) => {
    if (i < window - 1) return null;
    return y.slice(i - window + 1, i + 1).reduce((sum, value) => sum + value, 0) / window;
  });
}

/** Exponential: alpha = 2 / (window + 1), from the first value on. */
function exponential(y: readonly number[], window: number): number[] {
  const alpha = 2 / (window + 1);
  let level = y[0] ?? 0;
  return y.map((value, i) => {
    level = i === 0 ? value : alpha * value + (1 - alpha) * level;
    return level;
  });
}

/** Linear weights 1 (oldest) to `window` (newest); null until there are so many values. */
function weighted(y: readonly number[], window: number): (number | null)[] {
  const all = (window * (window + 1)) / 2;
  return y.map((_, i) => {
    if (i < window - 1) return null;
    const last = y.slice(i - window + 1, i + 1);
    return last.reduce((sum, value, k) => sum + value * (k + 1), 0) / all;
  });
}

/** A moving average of a series without gaps, parallel to it. */
export function movingAverages(
  y: readonly number[],
  window: number,
): Record<MovingKind, (number | null)[]> {
  return { sma: simple(y, window), ema: exponential(y, window), wma: weighted(y, window) };
}

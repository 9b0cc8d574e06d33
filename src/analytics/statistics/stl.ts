/**
 * Locally weighted regression of degree 1 at `x` over the `width` nearest places, with tricube
 * weights (Cleveland 1979).
 */
function loessAt(
  y: readonly number[],
  weights: readonly number[],
  x: number,
  width: number,
): number {
  const n = y.length;
  const reach = Math.min(width, n);
  const start = Math.max(0, Math.min(n - reach, Math.round(x) - Math.floor(reach / 2)));
  const end = start + reach - 1;
  let h = Math.max(x - start, end - x, 1);
  // As in the original, a window wider than the series has a wider kernel.
  if (width > n) h += Math.floor((width - n) / 2);
  let sw = 0;
  let swx = 0;
  let swy = 0;
  let swxx = 0;
  let swxy = 0;
  for (let i = start; i <= end; i++) {
    const distance = Math.abs(i - x) / (h * 1.001);
    const w = distance < 1 ? (1 - distance ** 3) ** 3 * (weights[i] ?? 1) : 0;
    const value = y[i] ?? 0;
    sw += w;
    swx += w * i;
    swy += w * value;
    swxx += w * i * i;
    swxy += w * i * value;
  }
  if (sw === 0) return y[Math.max(0, Math.min(n - 1, Math.round(x)))] ?? 0;
  const spread = sw * swxx - swx * swx;
  if (spread < 1e-12 * sw * sw) return swy / sw;
  const slope = (sw * swxy - swx * swy) / spread;
  return (swy - slope * swx) / sw + slope * x;
}

function movingAverage(y: readonly number[], length: number): number[] {
  const result: number[] = [];
  let sum = 0;
  y.forEach((value, index) => {
    sum += value - (y[index - length] ?? 0);
    if (index >= length - 1) result.push(sum / length);
  });
  return result;
}

const odd = (value: number) => {
  const up = Math.ceil(value);
  return up % 2 === 1 ? up : up + 1;
};

/**
 * Smooths each season's own series and extends it by one season at both ends: n + 2 * period
 * values.
 */
function cycleSubseries(
  y: readonly number[],
  weights: readonly number[],
  period: number,
  width: number,
): number[] {
  const result = new Array<number>(y.length + 2 * period).fill(0);
  for (let season = 0; season < period; season++) {
    const sub: number[] = [];
    const subWeights: number[] = [];
    for (let i = season; i < y.length; i += period) {
      sub.push(y[i] ?? 0);
      subWeights.push(weights[i] ?? 1);
    }
    for (let k = -1; k <= sub.length; k++)
      result[season + (k + 1) * period] = loessAt(sub, subWeights, k, width);
  }
  return result;
}

function bisquare(remainder: readonly number[]): number[] {
  const sizes = remainder.map(Math.abs);
  const sorted = [...sizes].sort((a, b) => a - b);
  const h = 6 * (sorted[Math.floor(sorted.length / 2)] ?? 0);
  return sizes.map((size) => {
    if (h === 0) return 1;
    return size >= h ? 0 : (1 - (size / h) ** 2) ** 2;
  });
}

export interface StlDecomposition {
  trend: number[];
  seasonal: number[];
  remainder: number[];
}

/** Smoothing width of the seasonal part, in seasons: 7 is the least that its authors advise. */
const SEASONAL_WIDTH = 7;

/**
 * STL: seasonal-trend decomposition by loess (Cleveland, Cleveland, McRae, Terpenning, "STL: A
 * Seasonal-Trend Decomposition Procedure Based on Loess", J. Official Statistics 6, 1990), with
 * robustness weights. trend + seasonal + remainder = y.
 * @param y at least two periods, without gaps
 */
export function decomposeStl(
  y: readonly number[],
  period: number,
  { inner = 2, outer = 5 } = {},
): StlDecomposition {
  const n = y.length;
  if (n < 2 * period || period < 2) throw new Error("STL needs two whole periods of at least 2");
  const trendWidth = odd((1.5 * period) / (1 - 1.5 / SEASONAL_WIDTH));
  const lowPassWidth = odd(period);
  let trend = new Array<number>(n).fill(0);
  let seasonal = new Array<number>(n).fill(0);
  let weights = new Array<number>(n).fill(1);
  const ones = new Array<number>(n).fill(1);
  for (let round = 0; round <= outer; round++) {
    for (let pass = 0; pass < inner; pass++) {
      const cycle = cycleSubseries(
        y.map((value, i) => value - (trend[i] ?? 0)),
        weights,
        period,
        SEASONAL_WIDTH,
      );
      const smooth = movingAverage(movingAverage(movingAverage(cycle, period), period), 3);
      const low = smooth.map((_, i) => loessAt(smooth, ones, i, lowPassWidth));
      seasonal = ones.map((_, i) => (cycle[i + period] ?? 0) - (low[i] ?? 0));
      const deseasonal = y.map((value, i) => value - (seasonal[i] ?? 0));
      trend = deseasonal.map((_, i) => loessAt(deseasonal, weights, i, trendWidth));
    }
    weights = bisquare(y.map((value, i) => value - (trend[i] ?? 0) - (seasonal[i] ?? 0)));
  }
  return {
    trend,
    seasonal,
    remainder: y.map((value, i) => value - (trend[i] ?? 0) - (seasonal[i] ?? 0)),
  };
}

function variance(list: readonly number[]): number {
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  return list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length;
}

/**
 * Strength of seasonality, 0 to 1: 1 - var(remainder) / var(seasonal + remainder) (Wang, Smith,
 * Hyndman, 2006).
 */
export function seasonalStrength({ seasonal, remainder }: StlDecomposition): number {
  const whole = variance(remainder.map((value, i) => value + (seasonal[i] ?? 0)));
  return whole === 0 ? 0 : Math.max(0, 1 - variance(remainder) / whole);
}

/** Autocorrelation at a lag of what is left of a straight line; between -1 and 1. */
export function autocorrelation(y: readonly number[], lag: number): number {
  const n = y.length;
  const middle = (n - 1) / 2;
  const mean = y.reduce((sum, value) => sum + value, 0) / n;
  const spread = y.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
  const slope =
    spread === 0 ? 0 : y.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0) / spread;
  const rest = y.map((value, i) => value - mean - slope * (i - middle));
  const power = rest.reduce((sum, value) => sum + value * value, 0);
  if (power === 0) return 0;
  return rest.slice(lag).reduce((sum, value, i) => sum + value * (rest[i] ?? 0), 0) / power;
}

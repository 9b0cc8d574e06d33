import { changePoints, MIN_SEGMENT } from "../../analytics/statistics/change-points.ts";
import {
  directionOf,
  MIN_POINTS,
  type SeriesDirection,
} from "../../analytics/statistics/direction.ts";
import { type MovingKind, movingAverages } from "../../analytics/statistics/moving.ts";
import {
  autocorrelation,
  decomposeStl,
  type StlDecomposition,
  seasonalStrength,
} from "../../analytics/statistics/stl.ts";
import type { Granularity } from "../../analytics/time/range.ts";

export interface SeriesPoint {
  bucket: string;
  value: number | null;
  /** Whether the bucket has ended: an open one may still grow, and no test uses it. */
  complete: boolean;
}

export interface TrendInsight {
  kind: "direction" | "change_point" | "seasonality" | "none";
  text: string;
  /** The numbers behind the text. */
  evidence: Record<string, number | string | null>;
}

export interface Seasonality {
  period: number;
  /** 1 - var(remainder) / var(seasonal + remainder). */
  strength: number;
  autocorrelation: number;
  /** The autocorrelation at the period is above the 95 % border of noise, 1.96 / sqrt(n). */
  detected: boolean;
}

export interface TrendAnalysis {
  direction: SeriesDirection;
  change_points: { bucket: string; before: number; after: number }[];
  seasonality: Seasonality | null;
  decomposition: { bucket: string; trend: number; seasonal: number; remainder: number }[] | null;
  moving_averages: { bucket: string; sma: number | null; ema: number | null; wma: number | null }[];
  insights: TrendInsight[];
  /** The tests that were not possible, and why. */
  not_tested: { what: string; why: string }[];
  /**
   * Buckets without a value that lie between two with one: on a straight line, for what needs a
   * series without gaps.
   */
  interpolated: number;
}

/** Buckets of a season: the hours of a day, the days of a week, the weeks and months of a year. */
const PERIODS: Partial<Record<Granularity, number>> = { hour: 24, day: 7, week: 52, month: 12 };

/** The series from its first value to its last, gaps on straight lines. */
function filled(points: readonly SeriesPoint[]): {
  buckets: string[];
  values: number[];
  interpolated: number;
} {
  const first = points.findIndex((point) => point.value !== null);
  const last = points.findLastIndex((point) => point.value !== null);
  const part = first < 0 ? [] : points.slice(first, last + 1);
  let interpolated = 0;
  let before = 0;
  const values = part.map((point, index) => {
    if (point.value !== null) {
      before = index;
      return point.value;
    }
    interpolated++;
    const after = part.findIndex((each, at) => at > index && each.value !== null);
    const a = part[before]?.value ?? 0;
    const b = part[after]?.value ?? 0;
    return a + ((b - a) * (index - before)) / (after - before);
  });
  return { buckets: part.map((point) => point.bucket), values, interpolated };
}

function seasonalityOf(
  values: readonly number[],
  period: number | undefined,
  missing: TrendAnalysis["not_tested"],
) {
  if (period === undefined) {
    missing.push({
      what: "seasonality",
      why: "Minutes have no season of their own; ask by hour or day.",
    });
    return undefined;
  }
  if (values.length < 2 * period) {
    missing.push({
      what: "seasonality",
      why: `Two whole seasons (${2 * period} buckets) are needed; there are ${values.length}.`,
    });
    return undefined;
  }
  const parts = decomposeStl(values, period);
  const correlation = autocorrelation(values, period);
  const seasonality: Seasonality = {
    period,
    strength: seasonalStrength(parts),
    autocorrelation: correlation,
    detected: correlation > 1.96 / Math.sqrt(values.length),
  };
  return { parts, seasonality };
}

const rounded = (value: number) => Number(value.toPrecision(4));

function insightsOf(
  measure: string,
  granularity: string,
  direction: SeriesDirection,
  changes: TrendAnalysis["change_points"],
  season: Seasonality | undefined,
): TrendInsight[] {
  const list: TrendInsight[] = [];
  if (direction.trend !== "none" && direction.slope !== null && direction.p_value !== null) {
    const verb = direction.trend === "up" ? "rises" : "falls";
    list.push({
      kind: "direction",
      text: `${measure} ${verb}: Kendall's tau is ${rounded(direction.tau ?? 0)}, the median slope ${rounded(direction.slope)} a ${granularity}; by chance alone this would be seen with p = ${rounded(direction.p_value)}.`,
      evidence: {
        slope: direction.slope,
        p_value: direction.p_value,
        tau: direction.tau,
        points: direction.points,
      },
    });
  }
  for (const { bucket, before, after } of changes) {
    list.push({
      kind: "change_point",
      text: `The level of ${measure} changed at ${bucket}: from ${rounded(before)} to ${rounded(after)} on average.`,
      evidence: { bucket, before, after },
    });
  }
  if (season?.detected) {
    list.push({
      kind: "seasonality",
      text: `${measure} repeats itself every ${season.period} buckets (a ${granularity} each): autocorrelation ${rounded(season.autocorrelation)}, strength ${rounded(season.strength)}.`,
      evidence: {
        period: season.period,
        autocorrelation: season.autocorrelation,
        strength: season.strength,
      },
    });
  }
  if (list.length > 0) return list;
  if (direction.method === null && season === undefined)
    return [
      {
        kind: "none",
        text: `Nothing of ${measure} could be tested: ${direction.reason ?? ""}`,
        evidence: { points: direction.points },
      },
    ];
  return [
    {
      kind: "none",
      text: `No direction, change of level or season of ${measure} stands out of chance.`,
      evidence: { points: direction.points, p_value: direction.p_value },
    },
  ];
}

const zip = (buckets: readonly string[], parts: StlDecomposition) =>
  buckets.map((bucket, i) => ({
    bucket,
    trend: parts.trend[i] ?? 0,
    seasonal: parts.seasonal[i] ?? 0,
    remainder: parts.remainder[i] ?? 0,
  }));

/** Tests, averages and insights of a series; only buckets that have ended take part. */
export function analyzeTrend(
  measure: string,
  points: readonly SeriesPoint[],
  granularity: Granularity,
  window: number,
): TrendAnalysis {
  const ended = points.filter((point) => point.complete);
  const { buckets, values, interpolated } = filled(ended);
  const missing: TrendAnalysis["not_tested"] = [];
  const direction = directionOf(
    ended.flatMap(({ value }, place) => (value === null ? [] : [{ place, value }])),
  );
  if (direction.method === null)
    missing.push({
      what: "direction",
      why: direction.reason ?? `At least ${MIN_POINTS} buckets are needed.`,
    });
  const changes = changePoints(values).map(({ index, before, after }) => ({
    bucket: buckets[index] ?? "",
    before,
    after,
  }));
  if (values.length < 2 * MIN_SEGMENT)
    missing.push({
      what: "change_points",
      why: `At least ${2 * MIN_SEGMENT} buckets with a value are needed; there are ${values.length}.`,
    });
  const season = seasonalityOf(values, PERIODS[granularity], missing);
  const averages = movingAverages(values, window);
  if (values.length < window)
    missing.push({
      what: "moving_averages",
      why: `sma and wma need ${window} buckets; there are ${values.length}.`,
    });
  const at = (name: MovingKind, i: number) => averages[name][i] ?? null;
  return {
    direction,
    change_points: changes,
    seasonality: season?.seasonality ?? null,
    decomposition: season ? zip(buckets, season.parts) : null,
    moving_averages: buckets.map((bucket, i) => ({
      bucket,
      sma: at("sma", i),
      ema: at("ema", i),
      wma: at("wma", i),
    })),
    insights: insightsOf(measure, granularity, direction, changes, season?.seasonality),
    not_tested: missing,
    interpolated,
  };
}

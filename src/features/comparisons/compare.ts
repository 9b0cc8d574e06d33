import { mean, median, quantileSorted, sampleStandardDeviation } from "simple-statistics";
import type { MeasureValue } from "../../analytics/catalog/measure.ts";
import { type MeasureName, measureOf } from "../../analytics/catalog/measures.ts";
import type { MeasureValues } from "../../analytics/result/rows.ts";
import type { SketchCells } from "../../analytics/sql/sketch.ts";
import {
  mannWhitney,
  type SignificanceTest,
  twoProportions,
} from "../../analytics/statistics/significance.ts";
import { fromMicros, toMicros } from "../../lib/decimal.ts";

export interface ComparedEntity {
  id: string;
  values: MeasureValues;
  sketch: SketchCells;
}

/** The measures by which entities are compared. */
export const COMPARED_MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "failures",
  "timeouts",
  "cancellations",
  "success_rate",
  "failure_rate",
  "duration_avg",
  "duration_p50",
  "duration_p95",
  "credits",
  "credits_avg",
  "active_users",
  "errors",
];
/** The measures of quality: rates, durations and costs of a run, not the amount of use. */
const JUDGED_MEASURES: MeasureName[] = [
  "success_rate",
  "failure_rate",
  "duration_avg",
  "duration_p50",
  "duration_p95",
  "credits_avg",
];

const number = (value: unknown) => Number(value ?? 0);
const ended = (values: MeasureValues) =>
  number(values.successes) +
  number(values.failures) +
  number(values.timeouts) +
  number(values.cancellations);

export interface MeasureDifference {
  measure: MeasureName;
  good: "up" | "down" | null;
  best: string | null;
  worst: string | null;
  spread: MeasureValue;
  spread_ratio: number | null;
}

/**
 * Greatest minus least of a measure, and whom it speaks for. Entities without a value take no part.
 */
export function differenceOf(
  name: MeasureName,
  entities: readonly ComparedEntity[],
): MeasureDifference {
  const { good } = measureOf(name);
  const known = entities.flatMap(({ id, values }) =>
    values[name] === null || values[name] === undefined ? [] : [{ id, value: values[name] }],
  );
  const order = [...known].sort((a, b) => Number(b.value) - Number(a.value));
  const most = order[0];
  const least = order.at(-1);
  if (!most || !least || order.length < 2)
    return { measure: name, good, best: null, worst: null, spread: null, spread_ratio: null };
  const decimal = typeof most.value === "string" && typeof least.value === "string";
  const spread = decimal
    ? fromMicros(toMicros(String(most.value)) - toMicros(String(least.value)))
    : Number(most.value) - Number(least.value);
  const ratio =
    Number(least.value) === 0
      ? null
      : (Number(most.value) - Number(least.value)) / Math.abs(Number(least.value));
  const alone = (at: number, next: number) =>
    order.at(at)?.value === order.at(next)?.value ? null : (order.at(at)?.id ?? null);
  const top = alone(0, 1);
  const bottom = alone(-1, -2);
  const differences = { measure: name, good, best: null, worst: null, spread, spread_ratio: ratio };
  if (good === "up") return { ...differences, best: top, worst: bottom };
  return good === "down" ? { ...differences, best: bottom, worst: top } : differences;
}

export interface PairTest {
  a: string;
  b: string;
  measure: string;
  significance: SignificanceTest;
}

const rates = (name: "success_rate" | "failure_rate", { values }: ComparedEntity) => ({
  hits: number(name === "success_rate" ? values.successes : values.failures),
  of: ended(values),
});

function pairOf(a: ComparedEntity, b: ComparedEntity): PairTest[] {
  const pair = (measure: string, significance: SignificanceTest) => ({
    a: a.id,
    b: b.id,
    measure,
    significance,
  });
  return [
    pair("success_rate", twoProportions(rates("success_rate", a), rates("success_rate", b))),
    pair("failure_rate", twoProportions(rates("failure_rate", a), rates("failure_rate", b))),
    pair("duration", mannWhitney(a.sketch, b.sketch)),
  ];
}

/**
 * Differences, tests of every pair, and the entity that is best in the most of the judged measures.
 */
export function compareEntities(entities: readonly ComparedEntity[]) {
  const differences = COMPARED_MEASURES.map((name) => differenceOf(name, entities));
  const tests = entities.flatMap((a, index) =>
    entities.slice(index + 1).flatMap((b) => pairOf(a, b)),
  );
  const wins = Object.fromEntries(entities.map(({ id }) => [id, 0]));
  for (const { measure, best } of differences)
    if (best !== null && JUDGED_MEASURES.includes(measure)) wins[best] = (wins[best] ?? 0) + 1;
  const order = Object.entries(wins).sort(([, a], [, b]) => b - a);
  const [first, second] = order;
  const winner = first && first[1] > 0 && first[1] !== second?.[1] ? first[0] : null;
  return {
    entities: entities.map(({ id, values }) => ({ id, totals: values })),
    differences,
    tests,
    winner: { id: winner, wins, basis: `best in the most of: ${JUDGED_MEASURES.join(", ")}` },
  };
}

/** An outlier is further from the mean, in standard deviations. */
const OUTLIER_DEVIATIONS = 2;

/**
 * One measure over entities: where each stands, and whether the first and the last differ by more
 * than chance.
 */
export function compareMetric(
  name: MeasureName,
  entities: readonly (ComparedEntity & { label: string | null })[],
) {
  const { good } = measureOf(name);
  const known = entities.flatMap((each) =>
    each.values[name] === null || each.values[name] === undefined
      ? []
      : [{ each, value: Number(each.values[name]) }],
  );
  const sorted = known.map(({ value }) => value).sort((a, b) => a - b);
  const center = sorted.length > 0 ? mean(sorted) : null;
  const spread = sorted.length > 1 ? sampleStandardDeviation(sorted) : null;
  const list = entities.map(({ label, values }) => {
    const value = values[name] ?? null;
    const deviation =
      value === null || center === null || !spread ? null : (Number(value) - center) / spread;
    const below = value === null ? 0 : sorted.filter((other) => other <= Number(value)).length;
    return {
      id: label,
      value,
      executions: number(values.executions),
      percentile: value === null ? null : (below / sorted.length) * 100,
      deviation,
      outlier: deviation !== null && Math.abs(deviation) > OUTLIER_DEVIATIONS,
    };
  });
  const at = (q: number) => (sorted.length > 0 ? quantileSorted(sorted, q) : null);
  const statistics = {
    entities: sorted.length,
    mean: center,
    median: sorted.length > 0 ? median(sorted) : null,
    min: sorted[0] ?? null,
    max: sorted.at(-1) ?? null,
    stddev: spread,
    p25: at(0.25),
    p75: at(0.75),
  };
  const order = [...known].sort((a, b) => b.value - a.value);
  const most = order[0]?.each;
  const least = order.at(-1)?.each;
  const isDuration = name.startsWith("duration_");
  const testable = name === "success_rate" || name === "failure_rate" || isDuration;
  const measured = isDuration ? "duration" : name;
  const test =
    most && least && most !== least && testable
      ? (pairOf(most, least).find((pair) => pair.measure === measured) ?? null)
      : null;
  const difference = differenceOf(name, entities);
  const winner =
    good === null ? null : (entities.find((each) => each.id === difference.best)?.label ?? null);
  return { measure: name, entities: list, statistics, winner, test };
}

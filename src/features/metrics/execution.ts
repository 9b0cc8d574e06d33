import { type Answer, ask, prepareQuery } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runningNow } from "../../analytics/executions/running.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { BY_HOUR_OF_WEEK, cellsOf } from "../../analytics/shapes/heatmap.ts";
import { distributionOf, latencyClasses } from "../../analytics/shapes/latency.ts";
import { bucketsOf, completeOf } from "../../analytics/time/range.ts";
import type { TimeRange } from "../../analytics/time/time-range.ts";
import type { Context } from "../../context.ts";
import { queryOfParams } from "../../http/metrics-params.ts";
import { metricsAnswer, metricsRoute } from "../../http/metrics-route.ts";
import type { Router } from "../../http/router.ts";
import { DAY_US, HOUR_US } from "../../lib/time.ts";
import * as descriptions from "./descriptions.ts";
import * as schema from "./execution-schema.ts";

const tag = "Metrics";
const LATENCY_MEASURES: MeasureName[] = [
  "duration_avg",
  "duration_min",
  "duration_max",
  "duration_stddev",
  "duration_p50",
  "duration_p75",
  "duration_p90",
  "duration_p95",
  "duration_p99",
];

type Base = Omit<Query, "measures">;

/** Fixes the range once, so that all parts and the wall time have one clock. */
function withFixedRange(ctx: Context, base: Base): Base & TimeRange {
  const { timeframe: _timeframe, ...rest } = base;
  return { ...rest, ...rangeOfQuery(base, ctx.nowUs()) };
}

const throughputQuery = (base: Base): Query => ({
  ...base,
  measures: ["executions"],
  granularity: "hour",
});
const latencyQuery = (base: Base): Query => ({
  ...base,
  measures: LATENCY_MEASURES,
  sketches: true,
});
const patternsQuery = (base: Base): Query => ({
  ...base,
  measures: ["executions", "success_rate"],
  ...BY_HOUR_OF_WEEK,
  rowsOnly: true,
});

/** Longer series have one row a day. */
const HOURLY_DAYS = 7;

interface StartedBucket {
  bucket: string;
  complete: boolean;
  executions: number;
}

/** Sums of the hours by local day; each hour lies in one. */
function byDay(
  hours: readonly StartedBucket[],
  base: Base & TimeRange,
  now: number,
): StartedBucket[] {
  const days = bucketsOf(base, "day", base.timezone);
  const complete = completeOf(days, "day", base.timezone, now);
  const starts = bucketsOf(base, "hour", base.timezone);
  const sums = days.map(() => 0);
  let day = 0;
  for (const [index, { executions }] of hours.entries()) {
    while ((starts[index]?.from ?? 0) >= (days[day]?.to ?? Number.POSITIVE_INFINITY)) day++;
    sums[day] = (sums[day] ?? 0) + executions;
  }
  return days.map(({ label }, index) => ({
    bucket: label.slice(0, 10),
    complete: complete[index] ?? false,
    executions: sums[index] ?? 0,
  }));
}

/** Executions over wall time, including hours without any. */
function throughputOf(answer: Answer, base: Base & TimeRange, now: number) {
  const { from, to } = base;
  const series = answer.rows.map(
    ({ bucket = "", complete = false, values }): StartedBucket => ({
      bucket,
      complete,
      executions: Number(values.executions),
    }),
  );
  const executions = Number(answer.totals.executions);
  const hours = Math.max(0, (Math.min(to, now) - from) / HOUR_US);
  const per = (unit: number) => (hours === 0 ? null : (executions * unit) / hours);
  const busiest = series.reduce<StartedBucket | null>(
    (best, each) => (each.executions > (best?.executions ?? 0) ? each : best),
    null,
  );
  const rates = {
    executions,
    hours,
    per_minute: per(1 / 60),
    per_hour: per(1),
    per_day: per(24),
    busiest_hour: busiest,
  };
  if (to - from <= HOURLY_DAYS * DAY_US) return { ...rates, granularity: "hour" as const, series };
  return { ...rates, granularity: "day" as const, series: byDay(series, base, now) };
}

function latencyOf({ totals, totalsSketch = [] }: Answer) {
  return {
    totals,
    histogram: latencyClasses(totalsSketch),
    distribution: distributionOf(totalsSketch),
  };
}

const MAX_PEAKS = 3;

function patternsOf({ rows }: Answer) {
  const heatmap = cellsOf(rows, ({ executions, success_rate: rate }) => ({
    executions: Number(executions),
    success_rate: rate === null ? null : Number(rate),
  }));
  const peaks = (by: "hour_of_day" | "day_of_week") => {
    const sums = new Map<number, number>();
    for (const cell of heatmap) sums.set(cell[by], (sums.get(cell[by]) ?? 0) + cell.executions);
    const order = [...sums].map(([place, executions]) => ({ place, executions }));
    return order
      .sort((a, b) => b.executions - a.executions || a.place - b.place)
      .slice(0, MAX_PEAKS);
  };
  const hours = peaks("hour_of_day");
  const days = peaks("day_of_week");
  return {
    heatmap,
    peak_hours: hours.map(({ place, executions }) => ({ hour_of_day: place, executions })),
    peak_days: days.map(({ place, executions }) => ({ day_of_week: place, executions })),
  };
}

/** Routes of throughput, latency, patterns and running executions: each alone, and all at once. */
export function executionRoutes(router: Router): void {
  const query = schema.executionParams;

  metricsRoute(router, {
    path: "/metrics/execution",
    tag,
    summary: "Execution metrics: running now, throughput, latency, patterns",
    description: descriptions.METRICS_EXECUTION,
    query,
    response: metricsAnswer(schema.executionMetricsShape),
    load: async (ctx, workspaceId, params) => {
      const now = ctx.nowUs();
      const base = withFixedRange(ctx, queryOfParams(params, "24h"));
      const [throughput, latency, patterns, running] = await runInOneSnapshot(ctx.db, [
        prepareQuery(workspaceId, throughputQuery(base), now, params.explain),
        prepareQuery(workspaceId, latencyQuery(base), now, params.explain),
        prepareQuery(workspaceId, patternsQuery(base), now, params.explain),
        runningNow(workspaceId),
      ]);
      const data = {
        realtime: running,
        throughput: throughputOf(throughput, base, now),
        latency: latencyOf(latency),
        patterns: patternsOf(patterns),
      };
      return {
        data,
        meta: combineMeta({
          throughput: throughput.meta,
          latency: latency.meta,
          patterns: patterns.meta,
        }),
      };
    },
  });
  metricsRoute(router, {
    path: "/metrics/throughput",
    tag,
    summary: "Executions over wall time",
    description: descriptions.METRICS_THROUGHPUT,
    query,
    response: metricsAnswer(schema.throughputShape),
    load: async (ctx, workspaceId, params) => {
      const now = ctx.nowUs();
      const base = withFixedRange(ctx, queryOfParams(params, "24h"));
      const query = throughputQuery(base);
      const [answer] = await runInOneSnapshot(ctx.db, [
        prepareQuery(workspaceId, query, now, params.explain),
      ]);
      return { data: throughputOf(answer, base, now), meta: answer.meta };
    },
  });
  metricsRoute(router, {
    path: "/metrics/latency",
    tag,
    summary: "Durations: percentiles and histogram",
    description: descriptions.METRICS_LATENCY,
    query,
    response: metricsAnswer(schema.latencyShape),
    load: async (ctx, workspaceId, params) => {
      const query = latencyQuery(queryOfParams(params, "24h"));
      const answer = await ask(ctx, workspaceId, query, params.explain);
      return { data: latencyOf(answer), meta: answer.meta };
    },
  });
  metricsRoute(router, {
    path: "/metrics/patterns",
    tag,
    summary: "Executions by hour and weekday",
    description: descriptions.METRICS_PATTERNS,
    query,
    response: metricsAnswer(schema.patternsShape),
    load: async (ctx, workspaceId, params) => {
      const query = patternsQuery(queryOfParams(params, "30d"));
      const answer = await ask(ctx, workspaceId, query, params.explain);
      return { data: patternsOf(answer), meta: answer.meta };
    },
  });
}

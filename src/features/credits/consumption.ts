import { type Answer, ask, prepareQuery } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import type { Query } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { directionOf } from "../../analytics/statistics/direction.ts";
import { type Bucket, rangeOfBuckets, wholeBuckets } from "../../analytics/time/range.ts";
import { formatLocal } from "../../analytics/time/zones.ts";
import type { Context } from "../../context.ts";
import { costOf, divideRounded, fromMicros, ratioOf, toMicros } from "../../lib/decimal.ts";
import type { EpochUs } from "../../lib/time.ts";
import {
  type MoneyAmount,
  NO_PRICE,
  settingsOf,
  type WorkspaceSettings,
} from "../../store/workspaces.ts";

/** The measures of every answer about credits. */
export const CREDIT_MEASURES: MeasureName[] = ["credits", "executions", "credits_avg"];
const UNSUCCESSFUL = ["failure", "timeout", "cancelled"];

/** The price of credits as money; without a price the amount is null, with the reason. */
export function pricing({ credit_price: price, currency }: WorkspaceSettings) {
  return (credits: string): MoneyAmount => {
    if (price === null) return { amount: null, currency: null, reason: NO_PRICE };
    return { amount: costOf(credits, price), currency, reason: null };
  };
}

function byStatus({ rows }: Answer, credits: string) {
  return rows.map(({ group, values }) => {
    const part = String(values.credits);
    return {
      status: String(group.status),
      executions: Number(values.executions),
      credits: part,
      share: ratioOf(part, credits),
    };
  });
}

/** The buckets with their credits and the running sum. */
function cumulativeSeries({ rows }: Answer) {
  let sum = 0n;
  return rows.map(({ bucket = "", complete = false, values }) => {
    const credits = String(values.credits);
    sum += toMicros(credits);
    const cumulative = fromMicros(sum);
    return { bucket, complete, credits, cumulative, executions: Number(values.executions) };
  });
}

const sumOf = (list: readonly { credits: string }[]) =>
  list.reduce((sum, each) => sum + toMicros(each.credits), 0n);

/** The answer of `GET /credits/consumption`. */
export async function creditConsumption(
  ctx: Context,
  workspaceId: string,
  base: Omit<Query, "measures">,
  granularity: "hour" | "day" | "week" | "month",
  explain?: boolean,
) {
  const settings = await settingsOf(ctx, workspaceId);
  const cost = pricing(settings);
  const now = ctx.nowUs();
  const part = (more: Partial<Query>) =>
    prepareQuery(workspaceId, { ...base, measures: CREDIT_MEASURES, ...more }, now, explain);
  const [series, whole, statuses] = await runInOneSnapshot(ctx.db, [
    part({ granularity, rowsOnly: true }),
    part({ compare: "previous_period" }),
    part({ group_by: ["status"], rowsOnly: true }),
  ]);
  const credits = String(whole.totals.credits);
  const mean = whole.totals.credits_avg ?? null;
  const parts = byStatus(statuses, credits);
  const lost = fromMicros(sumOf(parts.filter(({ status }) => UNSUCCESSFUL.includes(status))));
  const data = {
    credits,
    cost: cost(credits),
    executions: Number(whole.totals.executions),
    credits_avg: mean === null ? null : String(mean),
    change: whole.totalsComparison ?? {},
    by_status: parts,
    not_successful: { credits: lost, share: ratioOf(lost, credits), cost: cost(lost) },
    series: cumulativeSeries(series),
  };
  return {
    data,
    meta: combineMeta({ whole: whole.meta, series: series.meta, statuses: statuses.meta }),
  };
}

interface BurnDay {
  day: string;
  complete: boolean;
  credits: string;
}

/** Credits of some of the days and their mean per day. */
function burnWindow(list: readonly BurnDay[], days: readonly Bucket[], timezone: string) {
  const total = sumOf(list);
  const range = rangeOfBuckets(days);
  return {
    from: formatLocal(range.from, timezone),
    to: formatLocal(range.to, timezone),
    credits: fromMicros(total),
    per_day: fromMicros(divideRounded(total, BigInt(days.length))),
  };
}

function burnOf(list: readonly BurnDay[], days: readonly Bucket[], timezone: string, now: EpochUs) {
  const recent = sumOf(list.slice(23, 30));
  const before = sumOf(list.slice(16, 23));
  const points = list.slice(0, 30).map(({ credits }, place) => ({ place, value: Number(credits) }));
  return {
    today: {
      from: formatLocal(days.at(-1)?.from ?? now, timezone),
      credits: list.at(-1)?.credits ?? "0.000000",
    },
    last_7_days: burnWindow(list.slice(23, 30), days.slice(23, 30), timezone),
    last_30_days: burnWindow(list.slice(0, 30), days.slice(0, 30), timezone),
    change_ratio: before === 0n ? null : Number(recent - before) / Number(before),
    direction: { measure: "credits", ...directionOf(points) },
    days: [...list],
  };
}

/** The answer of `GET /credits/burn`: the last 30 whole local days, and today. */
export async function creditBurn(
  ctx: Context,
  workspaceId: string,
  timezone: string,
  explain?: boolean,
) {
  const now = ctx.nowUs();
  const days = wholeBuckets({ from: now, to: now + 1 }, "day", timezone, 30);
  const query: Query = {
    measures: ["credits"],
    ...rangeOfBuckets(days),
    timezone,
    granularity: "day",
  };
  const { rows, meta } = await ask(ctx, workspaceId, query, explain);
  const list = rows.map(({ bucket = "", complete = false, values }) => ({
    day: bucket.slice(0, 10),
    complete,
    credits: String(values.credits),
  }));
  return { data: burnOf(list, days, timezone, now), meta };
}

import { type Answer, prepareQuery } from "../../analytics/ask.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import type { Query } from "../../analytics/query.ts";
import { type AnswerMeta, combineMeta } from "../../analytics/result/meta.ts";
import { type Bucket, wholeBuckets } from "../../analytics/time/range.ts";
import { formatLocal } from "../../analytics/time/zones.ts";
import { authorOf } from "../../auth/actor.ts";
import type { Context } from "../../context.ts";
import { divideRounded, fromMicros, ratioOf, toMicros } from "../../lib/decimal.ts";
import type { EpochUs } from "../../lib/time.ts";
import { settingsOf } from "../../store/workspaces.ts";
import { type BudgetPeriod, type CreditBudget, replaceBudgets, storedBudgets } from "./queries.ts";

/** Shares of a budget that are marked, in percent. */
const MARKS = [50, 75, 90, 100];

/** Replaces all budgets of the workspace. */
export async function putBudgets(
  ctx: Context,
  workspaceId: string,
  list: readonly { period: BudgetPeriod; credits: string }[],
): Promise<void> {
  await replaceBudgets(ctx.db, workspaceId, list, authorOf(ctx.actor));
  ctx.cache.invalidate(workspaceId);
}

interface HourCredits {
  bucket: string;
  credits: string;
}

/** The marks of a budget, each with the local hour in which the spending reached it. */
function marksOf(budget: string, hours: readonly HourCredits[]) {
  let sum = 0n;
  const reached = new Map<number, string>();
  for (const { bucket, credits } of hours) {
    sum += toMicros(credits);
    for (const mark of MARKS)
      if (!reached.has(mark) && sum * 100n >= toMicros(budget) * BigInt(mark))
        reached.set(mark, bucket);
  }
  return MARKS.map((mark) => ({
    share: mark / 100,
    credits: fromMicros(divideRounded(toMicros(budget) * BigInt(mark), 100n)),
    reached: reached.has(mark),
    reached_at: reached.get(mark) ?? null,
  }));
}

/** The local day, week or month that contains now. */
function currentPeriod(period: BudgetPeriod, now: EpochUs, timezone: string): Bucket {
  const instant = { from: now, to: now + 1 };
  return wholeBuckets(instant, period, timezone)[0] ?? { ...instant, label: "" };
}

/** A budget with the credits that its current period has spent. */
function usedBudget(
  budget: CreditBudget,
  answer: Answer | undefined,
  { from, to }: Bucket,
  timezone: string,
) {
  const spent = String(answer?.totals.credits ?? "0.000000");
  const hours = (answer?.rows ?? []).map(({ bucket = "", values }) => ({
    bucket,
    credits: String(values.credits ?? "0"),
  }));
  return {
    ...budget,
    credits: fromMicros(toMicros(budget.credits)),
    from: formatLocal(from, timezone),
    to: formatLocal(to, timezone),
    spent,
    remaining: fromMicros(toMicros(budget.credits) - toMicros(spent)),
    used_share: ratioOf(spent, budget.credits),
    exceeded: toMicros(spent) > toMicros(budget.credits),
    marks: marksOf(budget.credits, hours),
  };
}

/** Every budget with the credits that its current period has spent, in the workspace's zone. */
export async function budgetsOf(ctx: Context, workspaceId: string) {
  const now = ctx.nowUs();
  const [list, settings] = await Promise.all([
    storedBudgets(ctx.db, workspaceId),
    settingsOf(ctx, workspaceId),
  ]);
  const timezone = settings.timezone ?? "UTC";
  const creditsIn = ({ from, to }: Bucket, more: Partial<Query> = {}) =>
    prepareQuery(workspaceId, { measures: ["credits"], from, to, timezone, ...more }, now);
  const periods = list.map(({ period }) => currentPeriod(period, now, timezone));
  // The smallest question of all, for the `meta` of an answer without budgets.
  const [about, ...answers] = await runInOneSnapshot(ctx.db, [
    creditsIn(currentPeriod("day", now, timezone)),
    ...periods.map((period) => creditsIn(period, { granularity: "hour" })),
  ]);
  const budgets = list.map((budget, index) => {
    const period = periods[index] ?? currentPeriod(budget.period, now, timezone);
    return usedBudget(budget, answers[index], period, timezone);
  });
  const metas = answers.map(({ meta }, index): [string, AnswerMeta] => [
    list[index]?.period ?? "",
    meta,
  ]);
  return {
    data: { timezone, budgets },
    meta: metas.length === 0 ? about.meta : combineMeta(Object.fromEntries(metas)),
  };
}

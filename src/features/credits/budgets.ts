import { sql } from "drizzle-orm";
import { z } from "zod";
import { prepareQuery } from "../../analytics/ask.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type AnswerMeta, combineMeta } from "../../analytics/result/meta.ts";
import { type Bucket, wholeBuckets } from "../../analytics/time/range.ts";
import { formatLocal } from "../../analytics/time/zones.ts";
import { authorOf } from "../../auth/actor.ts";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";
import { divideRounded, fromMicros, ratioOf, toMicros } from "../../lib/decimal.ts";
import { settingsOf } from "../../store/workspaces.ts";
import { BUDGET_PERIODS } from "./schema.ts";

const row = z.object({
  period: z.enum(BUDGET_PERIODS),
  credits: z.coerce.string(),
  updated_at: z.string(),
  updated_by: z.string(),
});
export type CreditBudget = z.output<typeof row>;
type Period = CreditBudget["period"];

/** Shares of a budget that are worth a mark. */
const MARKS = [50, 75, 90, 100];

async function stored(ctx: Context, workspaceId: string): Promise<CreditBudget[]> {
  const rows = await ctx.db.all({
    sql: sql`select b.period, b.credits, b.updated_at, b.updated_by from budgets b where ${inWorkspace(workspaceId, "b")}`,
    row,
  });
  return rows.sort((a, b) => BUDGET_PERIODS.indexOf(a.period) - BUDGET_PERIODS.indexOf(b.period));
}

/** Puts these budgets in the place of all there were. Two at once go one after the other: the result is what one of them said. */
export async function putBudgets(
  ctx: Context,
  workspaceId: string,
  list: readonly { period: Period; credits: string }[],
): Promise<void> {
  const by = authorOf(ctx.actor);
  const periods = sql`${sql.param(list.map((budget) => budget.period))}::text[]`;
  const lock = sql`select pg_advisory_xact_lock(hashtextextended(${workspaceId}, 0))::text`;
  const replace = sql`with gone as (delete from budgets b where ${inWorkspace(workspaceId, "b")} and b.period <> all(${periods}))
    insert into budgets (workspace_id, period, credits, updated_at, updated_by)
    select ${workspaceId}, period, credits, now(), ${by} from unnest(${periods}, ${sql.param(list.map((budget) => budget.credits))}::numeric[]) as t(period, credits)
    on conflict (workspace_id, period) do update set credits = excluded.credits, updated_at = excluded.updated_at, updated_by = excluded.updated_by`;
  const statements = [lock, replace].map((statement) => ({ sql: statement, row: z.unknown() }));
  await ctx.db.transaction(statements, { isolation: "ReadCommitted" });
  ctx.cache.invalidate(workspaceId);
}

interface Hour {
  bucket: string;
  credits: string;
}

/** The marks of a budget, each with the local hour in which the spending reached it. */
function marksOf(budget: string, hours: readonly Hour[]) {
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

/** Every budget with what its running period has spent, in the workspace's zone. */
export async function budgetsOf(ctx: Context, workspaceId: string) {
  const now = ctx.nowUs();
  const [list, settings] = await Promise.all([
    stored(ctx, workspaceId),
    settingsOf(ctx, workspaceId),
  ]);
  const timezone = settings.timezone ?? "UTC";
  const current = (period: Period): Bucket =>
    wholeBuckets({ from: now, to: now + 1 }, period, timezone)[0] ?? {
      from: now,
      to: now + 1,
      label: "",
    };
  const questions = list.map(({ period }) => {
    const { from, to } = current(period);
    return prepareQuery(
      workspaceId,
      { measures: ["credits"], from, to, timezone, granularity: "hour" },
      now,
    );
  });
  // The smallest question of all, for the `meta` of an answer without budgets.
  const day = current("day");
  const [about, ...answers] = await runInOneSnapshot(ctx.db, [
    prepareQuery(workspaceId, { measures: ["credits"], from: day.from, to: day.to, timezone }, now),
    ...questions,
  ]);
  const budgets = list.map((budget, index) => {
    const answer = answers[index];
    const { from, to } = current(budget.period);
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
  });
  const parts = answers.map(({ meta }, index): [string, AnswerMeta] => [
    list[index]?.period ?? "",
    meta,
  ]);
  return {
    data: { timezone, budgets },
    meta: parts.length === 0 ? about.meta : combineMeta(Object.fromEntries(parts)),
  };
}

import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../../db/client.ts";
import { inWorkspace } from "../../db/scope.ts";
import { BUDGET_PERIODS } from "./schema.ts";

const budgetRow = z.object({
  period: z.enum(BUDGET_PERIODS),
  credits: z.coerce.string(),
  updated_at: z.string(),
  updated_by: z.string(),
});
export type CreditBudget = z.output<typeof budgetRow>;
export type BudgetPeriod = CreditBudget["period"];

/** The workspace's budgets, the shortest period first. */
export async function storedBudgets(db: Db, workspaceId: string): Promise<CreditBudget[]> {
  const rows = await db.all({
    sql: sql`
      select b.period, b.credits, b.updated_at, b.updated_by
      from budgets b
      where ${inWorkspace(workspaceId, "b")}`,
    row: budgetRow,
  });
  const order = (budget: CreditBudget) => BUDGET_PERIODS.indexOf(budget.period);
  return rows.sort((a, b) => order(a) - order(b));
}

/**
 * Replaces all budgets of the workspace. The lock makes two calls at once follow each other: the
 * result is that of one of them.
 */
export async function replaceBudgets(
  db: Db,
  workspaceId: string,
  list: readonly { period: BudgetPeriod; credits: string }[],
  author: string,
): Promise<void> {
  const periods = sql`${sql.param(list.map((budget) => budget.period))}::text[]`;
  const credits = sql`${sql.param(list.map((budget) => budget.credits))}::numeric[]`;
  const lock = sql`select pg_advisory_xact_lock(hashtextextended(${workspaceId}, 0))::text`;
  const replace = sql`
    with gone as (
      delete from budgets b
      where ${inWorkspace(workspaceId, "b")} and b.period <> all(${periods})
    )
    insert into budgets (workspace_id, period, credits, updated_at, updated_by)
    select ${workspaceId}, period, credits, now(), ${author}
    from unnest(${periods}, ${credits}) as t(period, credits)
    on conflict (workspace_id, period) do update set
      credits = excluded.credits,
      updated_at = excluded.updated_at,
      updated_by = excluded.updated_by`;
  const statements = [lock, replace].map((statement) => ({ sql: statement, row: z.unknown() }));
  await db.transaction(statements, { isolation: "ReadCommitted" });
}

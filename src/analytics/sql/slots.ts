import { type SQL, sql } from "drizzle-orm";
import type { QueryPlan } from "../plan/plan-types.ts";
import { commaList } from "./lists.ts";

/**
 * Index of the slot that a moment falls into. What is read lies in slots, so that a single one
 * needs no search.
 */
export const slotIndex = ({ slots }: QueryPlan, column: SQL) =>
  slots.length === 1 ? sql`1` : sql`width_bucket(${column}, (select starts from slot))`;

const groupName = (index: number) => sql.identifier(`g${index}`);

/** The groups that the row itself tells; those of the clock follow from its slot. */
export const groupColumns = (plan: QueryPlan, text: (of: (alias: string) => SQL) => SQL) =>
  plan.groups.flatMap(({ of }, index) =>
    typeof of === "string" ? [] : [sql`${text(of)} as ${groupName(index)}`],
  );

/** Their names. */
export const groupNames = (plan: QueryPlan) =>
  plan.groups.flatMap(({ of }, index) =>
    typeof of === "string" ? [] : [sql`${groupName(index)}`],
  );

/**
 * Rows with the period and the bucket of their slot, and with its clock. Where all slots agree
 * these are literals, which need no grouping.
 */
export function rowsInSlots({ slots, groups }: QueryPlan, rows: SQL): SQL {
  const of = (name: "period" | "bucket") => {
    const [first = 0, ...others] = new Set(slots.map((slot) => slot[name]));
    if (others.length === 0) return sql.raw(String(first));
    return sql`(select ${sql.raw(`${name}s`)} from slot)[r.slot]`;
  };
  const clocks = groups.flatMap((group, index) =>
    typeof group.of === "string"
      ? [sql`((select ${sql.raw(group.of)} from slot)[r.slot])::text as ${groupName(index)}`]
      : [],
  );
  const columns = [
    sql`r.*`,
    sql`${of("period")} as period`,
    sql`${of("bucket")} as out`,
    ...clocks,
  ];
  // The slot is found once a row, and not for each column that is made of it.
  const fence = slots.length === 1 ? sql`` : sql` offset 0`;
  return sql`
    select ${commaList(columns)}
    from (${rows}${fence}) r`;
}

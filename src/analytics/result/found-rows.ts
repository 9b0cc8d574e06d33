import { z } from "zod";
import { type MetaRow, metaRow } from "./meta-row.ts";

const count = z.number().default(0);
const text = z.coerce.string().default("0");
const extreme = z.coerce.number().nullable().default(null);
/** A sum that nobody asked for is absent from the statement's rows, and read by no measure. */
const sums = z.object({
  executions: z.number(),
  successes: count,
  failures: count,
  timeouts: count,
  cancellations: count,
  running: count,
  errors: count,
  duration_count: count,
  rolled_durations: count,
  duration_sum_ms: text,
  duration_stddev_ms: z.number().nullable().default(null),
  duration_min_ms: extreme,
  duration_max_ms: extreme,
  credits: text,
  credits_avg: z.coerce.string().nullable().default(null),
  tokens_in: text,
  tokens_out: text,
  quantile_keys: z.array(z.number()).nullable().default(null),
  quantile_exact_ms: z.array(z.coerce.number()).nullable().default(null),
  active_users: count,
  active_agents: count,
  sketch: z.string().nullable().default(null),
  sketch_digits: z.string().nullable().default(null),
});
const statRow = sums.extend({
  period: z.number(),
  bucket: z.number().nullable().default(null),
  rank: z.number().nullable().default(null),
  groups: z.array(z.string().nullable()).nullable().default(null),
});
export type StatRow = z.output<typeof statRow>;

/** A row of the statement: `meta` in the first, in the others the sums of a place or a part. */
export const resultRow = z.record(z.string(), z.unknown());
type ResultRow = z.output<typeof resultRow>;

/** @throws Error when the statement gave no `meta` */
export function metaOfRows(rows: readonly ResultRow[]): MetaRow {
  const found = rows.find(({ meta }) => meta !== null);
  if (!found) throw new Error("The query's statement gave no meta row");
  return metaRow.parse(found.meta);
}

/** The rows of sums, the parts of a total as one: a part has null for what is not its own. */
export function statsOfRows(rows: readonly ResultRow[]): StatRow[] {
  const totals = new Map<unknown, ResultRow>();
  const stats = rows.flatMap((row) => {
    if (row.period === null) return [];
    if (row.bucket !== null) return [statRow.parse(row)];
    const total = totals.get(row.period) ?? {};
    for (const [name, value] of Object.entries(row)) if (value !== null) total[name] = value;
    totals.set(row.period, total);
    return [];
  });
  return [...[...totals.values()].map((total) => statRow.parse(total)), ...stats];
}

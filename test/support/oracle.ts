import { sql } from "drizzle-orm";
import { z } from "zod";
import type { MeasureValue } from "../../src/analytics/catalog/measure.ts";
import type { MeasureName } from "../../src/analytics/catalog/measures.ts";
import type { Statement } from "../../src/db/client.ts";
import { parseInstant } from "../../src/lib/time.ts";

const row = z.object({
  id: z.string(),
  agent_id: z.string(),
  user_id: z.string().nullable(),
  status: z.string(),
  started_at: z.string(),
  duration_ms: z.number().nullable(),
  credits: z.string().nullable(),
  tokens_in: z.number().nullable(),
  tokens_out: z.number().nullable(),
  model: z.string().nullable(),
  environment: z.string().nullable(),
  version: z.string().nullable(),
  error_type: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
});
export type RawRow = z.output<typeof row>;

/** Every raw row of a workspace, without any aggregate: what the oracle computes from. */
export function rawRows(workspaceId: string): Statement<RawRow> {
  return {
    sql: sql`select id, agent_id, user_id, status, started_at, duration_ms, credits, tokens_in, tokens_out, model, environment, version, error_type, metadata
      from executions where workspace_id = ${workspaceId}`,
    row,
  };
}

export const startOf = (each: RawRow) => parseInstant(each.started_at) ?? Number.NaN;
const micro = (decimal: string) =>
  BigInt(
    decimal.replace(
      /^(\d+)(?:\.(\d*))?$/,
      (_, whole: string, part = "") => whole + String(part).padEnd(6, "0"),
    ),
  );
const decimal = (value: bigint) =>
  `${value / 1_000_000n}.${String(value % 1_000_000n).padStart(6, "0")}`;

/**
 * All measures of a set of raw rows, row by row in JavaScript: sorted arrays for quantiles, big integers for money, sets for
 * distinct ids. Shares nothing with the kernel's SQL.
 */
export function measured(rows: readonly RawRow[]): Record<MeasureName, MeasureValue> {
  const withStatus = (status: string) => rows.filter((each) => each.status === status).length;
  const [successes, failures, timeouts, cancellations, running] = [
    "success",
    "failure",
    "timeout",
    "cancelled",
    "running",
  ].map(withStatus) as [number, number, number, number, number];
  const ended = successes + failures + timeouts + cancellations;
  const durations = rows
    .flatMap((each) =>
      each.status !== "running" && each.duration_ms !== null ? [each.duration_ms] : [],
    )
    .sort((a, b) => a - b);
  const n = durations.length;
  const sum = durations.reduce((total, each) => total + each, 0);
  const mean = sum / n;
  const rank = (q: number) =>
    durations[Math.max(1, Math.ceil(Number((q * n).toFixed(9)))) - 1] ?? null;
  const credits = rows.reduce(
    (total, each) => total + (each.credits === null ? 0n : micro(each.credits)),
    0n,
  );
  const count = BigInt(rows.length);
  return {
    executions: rows.length,
    successes,
    failures,
    timeouts,
    cancellations,
    running,
    success_rate: ended === 0 ? null : successes / ended,
    failure_rate: ended === 0 ? null : failures / ended,
    duration_avg: n === 0 ? null : mean,
    duration_min: durations[0] ?? null,
    duration_max: durations.at(-1) ?? null,
    duration_p50: rank(0.5),
    duration_p75: rank(0.75),
    duration_p90: rank(0.9),
    duration_p95: rank(0.95),
    duration_p99: rank(0.99),
    duration_stddev:
      n < 2
        ? null
        : Math.sqrt(durations.reduce((total, each) => total + (each - mean) ** 2, 0) / (n - 1)),
    credits: decimal(credits),
    credits_avg: rows.length === 0 ? null : decimal((credits * 2n + count) / (2n * count)),
    tokens_in: rows.reduce((total, each) => total + (each.tokens_in ?? 0), 0),
    tokens_out: rows.reduce((total, each) => total + (each.tokens_out ?? 0), 0),
    active_users: new Set(rows.flatMap((each) => each.user_id ?? [])).size,
    active_agents: new Set(rows.map((each) => each.agent_id)).size,
    errors: rows.filter((each) => each.error_type !== null).length,
  };
}

/** True if the kernel's value is the oracle's: sums exactly, quantiles within 1 %, deviations rounded. */
export function agrees(
  name: MeasureName,
  value: MeasureValue | undefined,
  expected: MeasureValue,
): boolean {
  if (value === expected) return true;
  if (typeof value !== "number" || typeof expected !== "number") return false;
  if (/^duration_p/.test(name)) return Math.abs(value - expected) <= expected * 0.01 + 0.001;
  return (
    Math.abs(value - expected) <=
    Math.abs(expected) * 1e-9 + (name === "duration_stddev" ? 1e-6 : 0)
  );
}

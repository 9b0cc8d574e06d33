import { sql } from "drizzle-orm";
import { expect } from "vitest";
import { type Answer, runQuery } from "../../src/analytics/ask.ts";
import { MEASURE_NAMES, type MeasureName } from "../../src/analytics/catalog/measures.ts";
import type { Query } from "../../src/analytics/query.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { runRollups } from "../../src/features/rollups/run.ts";
import { storeChecked } from "../../src/intake/items.ts";
import { DAY_US, parseInstant } from "../../src/lib/time.ts";
import { testContext } from "./context.ts";
import { useOwnDatabase } from "./database.ts";
import { agrees, measured, type RawRow, rawRows, startOf } from "./oracle.ts";

export const W = "kernel";
export const at = (text: string) => parseInstant(text) ?? Number.NaN;
/** A repeatable stream of numbers in [0, 1): Park and Miller's generator (CACM 1988). */
function random(seed: number) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

// Over both clock changes of 2026 of every zone below.
export const CHANGES = [
  "2026-03-07T00:00:00Z",
  "2026-03-28T00:00:00Z",
  "2026-04-03T12:00:00Z",
  "2026-10-03T00:00:00Z",
  "2026-10-24T00:00:00Z",
  "2026-10-31T00:00:00Z",
];

export let ctx: ReturnType<typeof testContext>;
export let all: RawRow[] = [];
export async function fillKernel(): Promise<void> {
  await useOwnDatabase();
  ctx = testContext();
  const next = random(7);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const items = CHANGES.flatMap((start, part) =>
    Array.from({ length: 700 }, (_, n) => ({
      id: `k${part}-${n}`,
      agent_id: pick(["a1", "a1", "a1", "a2", "a3", "a4", "a5"]),
      // Every tenth run is a machine's: of no user.
      user_id: n % 10 === 0 ? undefined : `u${Math.floor(next() ** 2 * 40)}`,
      status: pick(["success", "success", "success", "failure", "timeout", "cancelled", "running"]),
      started_at: new Date((at(start) + next() * 3.3 * DAY_US) / 1000).toISOString(),
      duration_ms: pick([undefined, 0, Math.floor(next() * 40), Math.floor(Math.exp(9 * next()))]),
      credits: pick([undefined, (next() * 10).toFixed(6)]),
      tokens_in: Math.floor(next() * 5000),
      tokens_out: pick([undefined, 7]),
      model: pick([undefined, "m1", "m2", "m3"]),
      environment: pick(["prod", "test"]),
      version: pick([undefined, "1.0"]),
      error: pick([undefined, undefined, { type: "E1" }, { type: "E2", message: "x" }]),
      metadata: pick([
        undefined,
        { region: "eu", n: 1 },
        { region: "us", n: 2.5 },
        { other: true },
      ]),
    })),
  );
  const kind = executionIntake(ctx, W);
  for (let from = 0; from < items.length; from += 1000) {
    const results = await storeChecked(
      kind,
      items
        .slice(from, from + 1000)
        .map((item) => kind.check(item, Date.now(), { id: "", reproducible: false })),
    );
    expect(results.every((result) => result.result === "created")).toBe(true);
  }
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  // Some hours wait for their next rollup, so that all three sources take part.
  await ctx.db.run(
    sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from executions where id like 'k2-%'`,
  );
  all = await ctx.db.all(rawRows(W));
}

export const ask = (query: Query, explain = false) =>
  runQuery(ctx.db, W, query, Date.now() * 1000, explain);

export const within = (rows: readonly RawRow[], from: number, to: number) =>
  rows.filter((row) => startOf(row) >= from && startOf(row) < to);

export function expectValues(
  values: Answer["totals"],
  rows: readonly RawRow[],
  names: readonly MeasureName[] = MEASURE_NAMES,
) {
  const expected = measured(rows);
  expect(
    names
      .filter((name) => !agrees(name, values[name], expected[name]))
      .map((name) => [name, values[name], expected[name]]),
  ).toEqual([]);
}

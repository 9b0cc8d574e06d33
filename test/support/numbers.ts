import { sql } from "drizzle-orm";
import { expect } from "vitest";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { runRollups } from "../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "./client.ts";
import { testContext } from "./context.ts";
import { useOwnDatabase } from "./database.ts";
import { random } from "./days.ts";
import { agrees, measured, type RawRow, rawRows, startOf } from "./oracle.ts";
import { store } from "./store.ts";

/** The views' numbers against plain loops over the raw rows of the workspace. */
export const W = "numbers";

export const FROM = "2026-09-01T00:00:00Z";
export const TO = "2026-10-01T00:00:00Z";
export const RANGE = `from=${FROM}&to=${TO}`;
export let api: ReturnType<typeof clientOf>;
export let all: RawRow[] = [];
export let rows: RawRow[] = [];
export let before: RawRow[] = [];
export const micros = (list: readonly RawRow[]) =>
  list.reduce((sum, row) => sum + BigInt((row.credits ?? "0.000000").replace(".", "")), 0n);

export const decimal = (value: bigint) =>
  `${value / 1_000_000n}.${String(value % 1_000_000n).padStart(6, "0")}`;

export const within = (from: string, to: string) =>
  all.filter(
    (row) => startOf(row) >= Date.parse(from) * 1000 && startOf(row) < Date.parse(to) * 1000,
  );

export const by = (list: readonly RawRow[], key: (row: RawRow) => string | null) =>
  Map.groupBy(list, key);
export function expectMeasures(values: Record<string, unknown>, list: readonly RawRow[]) {
  const expected = measured(list);
  const wrong = Object.keys(expected).filter(
    (name) =>
      name in values && !agrees(name as never, values[name] as never, expected[name as never]),
  );
  expect(wrong.map((name) => [name, values[name], expected[name as never]])).toEqual([]);
}

export async function fillNumbers(): Promise<void> {
  await useOwnDatabase();
  const ctx = testContext();
  const next = random(101);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const items = Array.from({ length: 3000 }, (_, n) => {
    const agent = pick(["a1", "a1", "a1", "a2", "a2", "a3", "a4"]);
    const late = next() < 0.6;
    const failing = agent === "a3" ? 0.5 : 0.1;
    const status = next() < failing ? pick(["failure", "timeout", "cancelled"]) : "success";
    const model = pick(["small", "large"]);
    const at =
      Date.parse(late ? "2026-09-01T00:00:00Z" : "2026-08-02T00:00:00Z") + next() * 30 * 86_400_000;
    return {
      id: `n${n}`,
      agent_id: agent,
      user_id: `u${Math.floor(next() ** 2 * 30)}`,
      status,
      started_at: new Date(at).toISOString(),
      duration_ms: Math.floor(Math.exp(4 + 5 * next()) * (agent === "a2" ? 2 : 1)),
      credits: (next() * (model === "large" ? 10 : 1)).toFixed(6),
      tokens_in: Math.floor(next() * 1000),
      tokens_out: Math.floor(next() * 100),
      model,
      ...(status === "success"
        ? {}
        : {
            error: {
              type: pick(["RateLimit", "ToolError"]),
              message: `Call ${n} to "tool-${n}" failed at step ${n % 9}`,
            },
          }),
    };
  });
  await store(executionIntake(ctx, W), items);
  await store(executionIntake(ctx, "numbers-2"), items.slice(0, 500));
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  await ctx.db.run(
    sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from executions where workspace_id = ${W} and id like 'n10%'`,
  );
  all = await ctx.db.all(rawRows(W));
  rows = within(FROM, TO);
  before = within("2026-08-02T00:00:00Z", FROM);
  api = clientOf(await tokenFor(W, { role: "owner", workspaces: [W, "numbers-2"] }));
}

export const data = async (path: string) => {
  const { status, body } = await api.get(`/api/v1${path}${path.includes("?") ? "&" : "?"}${RANGE}`);
  expect([path, status]).toEqual([path, 200]);
  return body.data;
};

/** Gives the workspace a price of a credit and a zone. */
export async function setPriceAndZone(): Promise<void> {
  const settings = { credit_price: "0.0123", currency: "EUR", timezone: "Asia/Kolkata" };
  const { status } = await api.patch(`/api/v1/workspaces/${W}/settings`, settings);
  expect(status).toBe(200);
}

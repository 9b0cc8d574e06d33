import { sql } from "drizzle-orm";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import migration from "../../../migrations/0009_user_numbers.sql?raw";
import { ask } from "../../../src/analytics/ask.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { reconcileRollups, runRollups } from "../../../src/features/rollups/run.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { runAll } from "../../support/neighbour.ts";
import { store } from "../../support/store.ts";

await useOwnDatabase();
const ctx = testContext();
const [W, OTHER] = ["sets", "sets-neighbour"];
const FROM = Date.parse("2026-03-02T00:00:00Z");
const MINUTES = 3 * 24 * 60;
const RANGE = { from: FROM * 1000, to: (FROM + MINUTES * 60_000) * 1000 };
const SCRIPTS = ["user", "пользователь", "ユーザー", "👩‍💻"];
const nameOf = (n: number) => `${SCRIPTS[n % 4]}-${n}`;

/** Runs of `users` users, from the user `first` on; some of nobody. */
const runsOf = (prefix: string, first: number, users: number, count: number) =>
  Array.from({ length: count }, (_, n) => ({
    id: `${prefix}${n}`,
    agent_id: `agent-${n % 3}`,
    ...(n % 17 === 0 ? {} : { user_id: nameOf(first + ((n * 7919) % users)) }),
    status: n % 5 === 0 ? "failure" : "success",
    started_at: new Date(FROM + ((n * 613) % MINUTES) * 60_000).toISOString(),
    model: n % 2 ? "m1" : "m2",
  }));

const QUESTIONS: Record<string, Partial<Query>> = {
  total: {},
  status: { group_by: ["status"] },
  agent: { group_by: ["agent"] },
  model: { group_by: ["model"] },
  user: { group_by: ["user"], limit: 1000 },
  day: { granularity: "day" },
  hour: { granularity: "hour" },
  "day in Kolkata": { granularity: "day", timezone: "Asia/Kolkata" },
  region: { group_by: ["metadata.region"] },
};

/** Distinct users of the total and of each row of an answer, for every question. */
async function everyAnswer(workspace: string): Promise<Record<string, unknown[]>> {
  const asked = async ([name, question]: [string, Partial<Query>]) => {
    const query: Query = { ...RANGE, timezone: "UTC", measures: ["active_users"], ...question };
    const { totals, rows } = await ask(ctx, workspace, query);
    const each = rows.map(({ bucket, group, values }) => [bucket, group, values.active_users]);
    return [name, [totals.active_users, ...each]];
  };
  return Object.fromEntries(await Promise.all(Object.entries(QUESTIONS).map(asked)));
}

const rollAll = async () => {
  for (const unit of ["hour", "day"] as const) await runRollups(ctx, unit);
};

const numbersOf = (workspace: string) =>
  ctx.db.all({
    sql: sql`select user_id, number from user_numbers where workspace_id = ${workspace} order by number`,
    row: z.object({ user_id: z.string(), number: z.number() }),
  });

beforeAll(async () => {
  await store(executionIntake(ctx, W), runsOf("a", 0, 700, 2000));
  await store(executionIntake(ctx, OTHER), runsOf("a", 300, 40, 200));
}, 60_000);

it("users are counted the same as raw rows, as sets, with marks, and when some have no number yet", async () => {
  const raw = await everyAnswer(W);
  const counted = await ctx.db.one({
    sql: sql`select count(distinct user_id)::int as users from executions where workspace_id = ${W}`,
    row: z.object({ users: z.number() }),
  });
  expect(raw.total?.[0]).toBe(counted.users);
  expect(counted.users).toBeGreaterThan(600);
  await rollAll();
  expect(await everyAnswer(W)).toEqual(raw);
  // 200 users that no rollup knows, and 500 that one does, in hours that are marked again.
  await store(executionIntake(ctx, W), runsOf("late", 200, 700, 1500));
  const late = await everyAnswer(W);
  await rollAll();
  expect(await everyAnswer(W)).toEqual(late);
  expect(late.total?.[0]).toBeGreaterThan(counted.users);
  expect(await reconcileRollups(ctx)).toBe(0);
}, 60_000);

it("each workspace numbers its own users, each once, also when runs meet", async () => {
  const more = runsOf("meet", 2000, 300, 400).map((run, n) => ({
    ...run,
    started_at: new Date(FROM + (n % MINUTES) * 60_000).toISOString(),
  }));
  await store(executionIntake(ctx, W), more);
  await ctx.db.run(
    sql`insert into rollup_marks (unit, workspace_id, bucket) values ('day', ${W}, '2026-03-02T00:00:00Z')`,
  );
  await Promise.all([runRollups(ctx, "hour"), runRollups(ctx, "day"), runRollups(ctx, "hour")]);
  await rollAll();
  for (const workspace of [W, OTHER]) {
    const numbers = await numbersOf(workspace);
    expect(numbers.map(({ number }) => number)).toEqual(numbers.map((_, index) => index));
    const users = await ctx.db.all({
      sql: sql`select distinct user_id from executions
        where workspace_id = ${workspace} and user_id is not null`,
      row: z.object({ user_id: z.string() }),
    });
    expect(new Set(numbers.map(({ user_id }) => user_id))).toEqual(
      new Set(users.map(({ user_id }) => user_id)),
    );
  }
  expect(await reconcileRollups(ctx)).toBe(0);
}, 60_000);

it("a database with lists of ids keeps every number when it is migrated", async () => {
  const before = await everyAnswer(W);
  const tables = ["execution_metrics_daily", "execution_metrics_hourly", "user_activity_daily"];
  // As the migration found it.
  for (const table of tables) {
    const at = sql.identifier(table);
    await runAll(
      ctx.db,
      sql`alter table ${at} add column user_ids text[]`,
      sql`update ${at} r set user_ids = array(
        select n.user_id
        from unnest(r.user_chunks, r.user_bits) u(chunk, bits), generate_series(0, 255) place
        join user_numbers n on n.workspace_id = r.workspace_id
        where n.number = u.chunk * 256 + place and get_bit(u.bits, place) = 1
        order by 1
      )`,
      sql`alter table ${at} drop column user_chunks, drop column user_bits`,
    );
  }
  await runAll(
    ctx.db,
    sql`drop table user_numbers, user_counters`,
    sql`drop function found_by_key`,
    ...migration.split("--> statement-breakpoint").map((text) => sql.raw(text)),
  );
  expect(await everyAnswer(W)).toEqual(before);
  expect(await reconcileRollups(ctx)).toBe(0);
  await store(executionIntake(ctx, W), runsOf("after", 5000, 30, 60));
  await rollAll();
  expect(await reconcileRollups(ctx)).toBe(0);
  const numbers = await numbersOf(W);
  expect(new Set(numbers.map(({ number }) => number)).size).toBe(numbers.length);
}, 60_000);

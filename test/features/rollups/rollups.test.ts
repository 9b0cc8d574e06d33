import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { runQuery } from "../../../src/analytics/ask.ts";
import { MEASURE_NAMES } from "../../../src/analytics/catalog/measures.ts";
import { planQuery } from "../../../src/analytics/plan/plan.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { resultRow, statsOfRows } from "../../../src/analytics/result/found-rows.ts";
import { ROLLUP_TABLES } from "../../../src/analytics/rollups/definition.ts";
import { differingRollups } from "../../../src/analytics/rollups/recompute.ts";
import { queryStatement } from "../../../src/analytics/sql/statement.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import {
  rebuildRollups,
  recomputeRollups,
  reconcileRollups,
  runRollups,
} from "../../../src/features/rollups/run.ts";
import { storeChecked } from "../../../src/intake/items.ts";
import { DAY_US, HOUR_US, parseInstant } from "../../../src/lib/time.ts";
import { queuesTo, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { agrees, measured, type RawRow, rawRows, startOf } from "../../support/oracle.ts";

beforeAll(useOwnDatabase);
const W = ["rollup-a", "rollup-b"];
const FROM = parseInstant("2026-10-01T00:00:00Z") ?? 0;
const SPAN_HOURS = 72;
const nothing = z.unknown();

async function send(ctx: ReturnType<typeof testContext>, workspaceId: string, items: unknown[]) {
  const kind = executionIntake(ctx, workspaceId);
  const results = await storeChecked(
    kind,
    items.map((item) => kind.check(item, Date.now(), { id: "", reproducible: false })),
  );
  expect(results.filter((result) => result.result === "invalid")).toEqual([]);
}

/** The work of privacy and retention on rows: the delete and its marks are one statement. */
async function remove(ctx: ReturnType<typeof testContext>, workspaceId: string, ids: string[]) {
  await ctx.db.run(sql`with gone as (delete from executions where workspace_id = ${workspaceId} and id = any(${sql.param(ids)}::text[]) returning started_at, id),
      keys as (delete from execution_keys k using gone g where k.workspace_id = ${workspaceId} and k.id = g.id)
      insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', ${workspaceId}, date_trunc('hour', started_at, 'UTC') from gone`);
}

const item = fc.record({
  id: fc.integer({ min: 0, max: 400 }).map((n) => `e${n}`),
  agent_id: fc.constantFrom("a1", "a2", "a3"),
  user_id: fc.constantFrom("u1", "u2", "u3", "u4", undefined),
  status: fc.constantFrom("running", "success", "success", "failure", "timeout", "cancelled"),
  minute: fc.integer({ min: 0, max: SPAN_HOURS * 60 - 1 }),
  duration_ms: fc.option(
    fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 10_000_000 }),
    ),
    {
      nil: undefined,
    },
  ),
  credits: fc.option(
    fc.integer({ min: 0, max: 9_999_999 }).map((micro) => (micro / 1e6).toFixed(6)),
    { nil: undefined },
  ),
  tokens_in: fc.option(fc.nat(100_000), { nil: undefined }),
  model: fc.option(fc.constantFrom("m1", "m2"), { nil: undefined }),
  error: fc.option(fc.constantFrom({ type: "E1" }, { type: "E2" }), { nil: undefined }),
  revision: fc.constantFrom(0, 0, 0, 1, 2),
});
const asInput = ({ minute, ...rest }: typeof item extends fc.Arbitrary<infer I> ? I : never) => ({
  ...rest,
  started_at: new Date((FROM + minute * 60_000_000) / 1000).toISOString(),
});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      workspace: fc.nat(1),
      items: fc.array(item, { minLength: 1, maxLength: 25 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("remove" as const),
      workspace: fc.nat(1),
      ids: fc.array(
        fc.nat(400).map((n) => `e${n}`),
        { maxLength: 10 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("hours" as const, "days" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      workspace: fc.nat(1),
      from: fc.nat(SPAN_HOURS * 60),
      minutes: fc.integer({ min: 1, max: SPAN_HOURS * 60 }),
    }),
  },
);

/** The kernel's totals and the raw rows of the same snapshot. */
async function readBoth(ctx: ReturnType<typeof testContext>, workspaceId: string, query: Query) {
  const { plan } = planQuery(workspaceId, query, Date.now() * 1000);
  const [stats = [], rows = []] = await ctx.db.transaction(
    [{ sql: queryStatement(plan), row: resultRow }, rawRows(workspaceId)],
    { isolation: "RepeatableRead", readOnly: true },
  );
  const total = statsOfRows(stats as z.output<typeof resultRow>[]).find(
    (row) => row.period === 0 && row.bucket === null,
  );
  return {
    total,
    rows: (rows as RawRow[]).filter(
      (row) => startOf(row) >= (query.from ?? 0) && startOf(row) < (query.to ?? 0),
    ),
  };
}

it("is exact at every moment while writers, corrections, deletes and rollup runs overlap", async () => {
  const ctx = testContext();
  let reads = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 60 }),
      fc.integer({ min: 3, max: 8 }),
      async (steps, width) => {
        const perform = async (each: (typeof steps)[number]) => {
          const workspaceId = "workspace" in each ? (W[each.workspace] ?? "") : "";
          if (each.kind === "send") await send(ctx, workspaceId, each.items.map(asInput));
          else if (each.kind === "remove") await remove(ctx, workspaceId, each.ids);
          else if (each.kind === "read") {
            const from = FROM + each.from * 60_000_000;
            // Numbers alone are read from quarters of an hour too.
            const countsOnly = each.minutes % 2 === 0;
            const query: Query = {
              measures: countsOnly
                ? ["executions", "success_rate"]
                : ["executions", "successes", "credits", "active_users"],
              from,
              to: from + each.minutes * 60_000_000,
              timezone: "UTC",
            };
            const { total, rows } = await readBoth(ctx, workspaceId, query);
            const expected = measured(rows);
            reads++;
            expect([total?.executions ?? 0, total?.successes ?? 0]).toEqual([
              expected.executions,
              expected.successes,
            ]);
            if (!countsOnly)
              expect([total?.credits ?? "0.000000", total?.active_users ?? 0]).toEqual([
                expected.credits,
                expected.active_users,
              ]);
          } else await runRollups(ctx, each.kind === "hours" ? "hour" : "day");
        };
        for (let at = 0; at < steps.length; at += width)
          await Promise.all(steps.slice(at, at + width).map(perform));
      },
    ),
    { numRuns: 12, endOnFailure: true },
  );
  expect(reads).toBeGreaterThan(20);
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  const marks = await ctx.db.maybe({
    sql: sql`select count(*) as marks from rollup_marks`,
    row: z.object({ marks: z.number() }),
  });
  expect(marks).toEqual({ marks: 0 });
  for (const workspaceId of W) {
    const all = await ctx.db.all(rawRows(workspaceId));
    expect(all.length).toBeGreaterThan(50);
    const quarters: Query = {
      measures: ["executions", "failures"],
      from: FROM,
      to: FROM + SPAN_HOURS * HOUR_US,
      granularity: "hour",
      timezone: "Asia/Kathmandu",
      group_by: ["agent"],
    };
    const local = await runQuery(ctx.db, workspaceId, quarters, Date.now() * 1000);
    expect([local.meta.sources.raw.rows, local.meta.sources.hourly.buckets]).toEqual([0, 0]);
    for (const row of local.rows) {
      const start = parseInstant(row.bucket ?? "") ?? 0;
      const own = all.filter(
        (each) =>
          startOf(each) >= start &&
          startOf(each) < start + HOUR_US &&
          each.agent_id === row.group.agent,
      );
      expect([row.bucket, row.values]).toEqual([
        row.bucket,
        {
          executions: own.length,
          failures: own.filter((each) => each.status === "failure").length,
        },
      ]);
    }
    for (const [unit, length] of [
      ["hour", HOUR_US],
      ["day", DAY_US],
    ] as const) {
      const answer = await runQuery(
        ctx.db,
        workspaceId,
        {
          measures: MEASURE_NAMES,
          from: FROM,
          to: FROM + SPAN_HOURS * HOUR_US,
          granularity: unit,
          timezone: "UTC",
          group_by: ["agent"],
        },
        Date.now() * 1000,
      );
      expect(answer.meta.sources.raw.rows).toBe(0);
      answer.rows.forEach((row) => {
        const start = parseInstant(row.bucket ?? "") ?? 0;
        const expected = measured(
          all.filter(
            (each) =>
              startOf(each) >= start &&
              startOf(each) < start + length &&
              each.agent_id === row.group.agent,
          ),
        );
        const wrong = MEASURE_NAMES.filter(
          (name) => !agrees(name, row.values[name], expected[name]),
        );
        expect(
          wrong.map((name) => [unit, row.bucket, name, row.values[name], expected[name]]),
        ).toEqual([]);
      });
    }
  }
});

it("gives the same rows when everything is rebuilt, and finds a row that was tampered with", async () => {
  const ctx = testContext();
  const snapshot = () =>
    Promise.all(
      Object.values(ROLLUP_TABLES)
        .flat()
        .map((table) =>
          ctx.db.all({
            sql: sql`select md5(string_agg(t::text, '|' order by t::text)) as rows from ${sql.identifier(table)} t`,
            // No row is so new that it has minutes.
            row: z.object({ rows: z.string().nullable() }),
          }),
        ),
    );
  const before = await snapshot();
  await rebuildRollups(ctx);
  await Promise.all([runRollups(ctx, "hour"), runRollups(ctx, "day"), runRollups(ctx, "hour")]);
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  expect(await snapshot()).toEqual(before);
  expect(await reconcileRollups(ctx)).toBe(0);
  // Days that were rolled up before their quarters were kept get them from the next run, without a mark.
  const day = "2026-10-02T00:00:00.000Z";
  await ctx.db.run(sql`delete from execution_quarters_daily where bucket = ${day}`);
  expect(await reconcileRollups(ctx, 1000)).toBe(0);
  expect(await runRollups(ctx, "day")).toBe(W.length);
  expect(await snapshot()).toEqual(before);
  const victim = await ctx.db.maybe({
    sql: sql`update execution_metrics_hourly set credits = credits + 1 where (workspace_id, bucket) = (select workspace_id, bucket from execution_metrics_hourly limit 1)
      returning workspace_id, bucket`,
    row: z.object({ workspace_id: z.string(), bucket: z.string() }),
  });
  expect(await reconcileRollups(ctx, 1000)).toBeGreaterThan(0);
  const bucket = { workspaceId: victim?.workspace_id ?? "", bucket: victim?.bucket ?? "" };
  await recomputeRollups(ctx, "hour", [bucket]);
  expect(await ctx.db.all({ sql: differingRollups("hour", [bucket]), row: nothing })).toEqual([]);
});

it("stays exact when the cron stops for good", async () => {
  const ctx = testContext();
  const workspaceId = "rollup-stopped";
  const items = Array.from({ length: 500 }, (_, n) => ({
    id: `s${n}`,
    agent_id: "a",
    user_id: `u${n % 9}`,
    status: "success",
    started_at: new Date((FROM + n * 400_000_000) / 1000).toISOString(),
    duration_ms: n,
  }));
  await send(ctx, workspaceId, items.slice(0, 250));
  await runRollups(ctx, "hour");
  await send(ctx, workspaceId, items.slice(200));
  const query: Query = {
    measures: MEASURE_NAMES,
    from: FROM,
    to: FROM + 10 * DAY_US,
    timezone: "UTC",
  };
  const answer = await runQuery(ctx.db, workspaceId, query, Date.now() * 1000);
  const expected = measured(await ctx.db.all(rawRows(workspaceId)));
  expect(
    MEASURE_NAMES.filter((name) => !agrees(name, answer.totals[name], expected[name])),
  ).toEqual([]);
  expect(answer.totals.executions).toBe(500);
  expect(answer.meta.sources.hourly.buckets).toBeGreaterThan(10);
  expect(answer.meta.sources.raw.rows).toBeGreaterThan(200);
});

it("hands the rest to the queue when its time is up, up to the mark it started with", async () => {
  let clock = Date.now();
  const sent: unknown[] = [];
  const queues = queuesTo((body) => void sent.push(body));
  const ctx = testContext({ queues, now: () => (clock += 30_000) });
  await rebuildRollups(ctx);
  expect(await runRollups(ctx, "hour")).toBeGreaterThan(0);
  expect(sent).toEqual([{ type: "rollup.run", unit: "hour", upTo: expect.any(Number) }]);
});

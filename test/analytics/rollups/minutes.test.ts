import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { prepareQuery, runQuery } from "../../../src/analytics/ask.ts";
import { MEASURE_NAMES, type MeasureName } from "../../../src/analytics/catalog/measures.ts";
import { prepared, runInOneSnapshot } from "../../../src/analytics/prepared.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import {
  forgetMinutes,
  rebuildRollups,
  reconcileRollups,
  runRollups,
} from "../../../src/features/rollups/run.ts";
import { storeChecked } from "../../../src/intake/items.ts";
import { HOUR_US, MINUTE_US, parseInstant } from "../../../src/lib/time.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { agrees, measured, type RawRow, rawRows, startOf } from "../../support/oracle.ts";

const NOW = Date.now() * 1000;
const HOUR = Math.floor(NOW / HOUR_US) * HOUR_US;
const MINUTE = Math.floor(NOW / MINUTE_US) * MINUTE_US;
let ctx: ReturnType<typeof testContext>;

beforeAll(async () => {
  await useOwnDatabase();
  ctx = testContext();
});

const iso = (us: number) => new Date(us / 1000).toISOString();

async function send(workspaceId: string, items: object[]) {
  const kind = executionIntake(ctx, workspaceId);
  const results = await storeChecked(
    kind,
    items.map((item) =>
      kind.check({ agent_id: "a", status: "success", ...item }, Date.now(), {
        id: "",
        reproducible: false,
      }),
    ),
  );
  expect(results.filter(({ result }) => result === "invalid")).toEqual([]);
}

/** The answer and the raw rows of one snapshot. */
async function askBoth(workspaceId: string, query: Query, now = NOW) {
  const [answer, all] = await runInOneSnapshot(ctx.db, [
    prepareQuery(workspaceId, query, now, true),
    prepared(rawRows(workspaceId), (rows: RawRow[]) => rows),
  ]);
  return { answer, all };
}

function expectAnswers({ answer, all }: Awaited<ReturnType<typeof askBoth>>, query: Query) {
  const [from, to] = [query.from ?? 0, query.to ?? 0];
  const wrong = (values: Record<string, unknown>, rows: RawRow[]) => {
    const expected = measured(rows);
    return query.measures.flatMap((name: MeasureName) =>
      agrees(name, values[name] as never, expected[name])
        ? []
        : [[name, values[name], expected[name]]],
    );
  };
  const asked = all.filter((row) => startOf(row) >= from && startOf(row) < to);
  expect(wrong(answer.totals, asked)).toEqual([]);
  for (const [index, row] of answer.rows.entries()) {
    const group = row.group?.agent;
    const start = Math.max(from, parseInstant(row.bucket ?? "") ?? 0);
    const next = answer.rows.slice(index).find((each) => each.bucket !== row.bucket)?.bucket;
    const end = next ? (parseInstant(next) ?? 0) : to;
    const own = asked.filter(
      (each) =>
        (row.bucket === undefined || (startOf(each) >= start && startOf(each) < end)) &&
        (group === undefined || each.agent_id === group),
    );
    expect([row.bucket, group, wrong(row.values, own)]).toEqual([row.bucket, group, []]);
  }
  const pieces = (name: string) =>
    (answer.meta.plan?.[name] as { pieces: { from: string; to: string }[] } | null)?.pieces ?? [];
  const covered = ["daily", "hourly", "minutely", "quarterly", "raw"]
    .flatMap(pieces)
    .map((piece) => [parseInstant(piece.from) ?? 0, parseInstant(piece.to) ?? 0] as const)
    .sort((a, b) => a[0] - b[0]);
  expect([covered[0]?.[0], covered.at(-1)?.[1]]).toEqual([from, to]);
  for (const [index, piece] of covered.slice(1).entries())
    expect(piece[0]).toBe(covered[index]?.[1]);
  const ofRaw = pieces("raw").map((piece) => [parseInstant(piece.from), parseInstant(piece.to)]);
  const raw = asked.filter((row) =>
    ofRaw.some(([a = 0, b = 0]) => startOf(row) >= a && startOf(row) < b),
  );
  expect(answer.meta.sources.raw.rows).toBe(raw.length);
}

describe("the newest hour", () => {
  const W = "newest";
  const query: Query = { measures: MEASURE_NAMES, from: HOUR - HOUR_US, to: NOW, timezone: "UTC" };

  it("is read from minutes as soon as they have ended and were rolled up", async () => {
    const rows = Array.from({ length: 600 }, (_, n) => ({
      id: `r${n}`,
      user_id: `u${n % 40}`,
      duration_ms: n * 7,
      started_at: iso(NOW - 1 - n * 4_000_000),
    }));
    await send(W, rows);
    const before = await askBoth(W, query);
    expectAnswers(before, query);
    expect(before.answer.meta.sources.hourly).toEqual({ buckets: 0 });
    await runRollups(ctx, "minute");
    const after = await askBoth(W, query);
    expectAnswers(after, query);
    // Sixty seconds hold 15 rows.
    expect(after.answer.meta.sources.raw.rows).toBeLessThanOrEqual(15);
    expect(after.answer.meta.sources.hourly.buckets).toBeGreaterThan(0);
    expect(after.answer.meta.exact).toBe(false);
    expect(after.answer.totals.executions).toBe(before.answer.totals.executions);
  });

  it("is read from raw rows in a minute that has changed, until that is rolled up again", async () => {
    const at = MINUTE - 2 * MINUTE_US;
    const cut = { ...query, from: Math.min(at, HOUR) };
    await send(W, [{ id: "late", started_at: iso(at + 5) }]);
    const late = await askBoth(W, cut);
    expectAnswers(late, cut);
    const { raw } = late.answer.meta.plan as { raw: { pieces: { from: string }[] } };
    expect(raw.pieces.map((piece) => parseInstant(piece.from))).toContain(at);
    await runRollups(ctx, "minute");
    const again = await askBoth(W, cut);
    expectAnswers(again, cut);
    expect(again.answer.meta.sources.raw.rows).toBeLessThan(late.answer.meta.sources.raw.rows);
  });

  it("stays exact for a reader whose clock is hours behind or ahead of the database's", async () => {
    const older = Array.from({ length: 60 }, (_, n) => ({
      id: `older${n}`,
      started_at: iso(HOUR - n * 5 * MINUTE_US),
    }));
    await send(W, older);
    await runRollups(ctx, "minute");
    const whole = { ...query, from: HOUR - 6 * HOUR_US };
    for (const hours of [-30, -4, -3, -2, -1, 1, 2, 30]) {
      const both = await askBoth(W, whole, NOW + hours * HOUR_US);
      expectAnswers(both, whole);
    }
  });

  it("stays exact over a rebuild, and reconciling finds a minute that was tampered with", async () => {
    await rebuildRollups(ctx);
    expectAnswers(await askBoth(W, query), query);
    await runRollups(ctx, "minute");
    expectAnswers(await askBoth(W, query), query);
    expect(await reconcileRollups(ctx, 1000)).toBe(0);
    await ctx.db.run(sql`update execution_metrics_minutely set credits = credits + 1
      where workspace_id = ${W} and bucket >= ${iso(HOUR)}::timestamptz - interval '1 hour'`);
    expect(await reconcileRollups(ctx, 1000)).toBeGreaterThan(0);
    await ctx.db.run(sql`delete from execution_metrics_minutely where workspace_id = ${W}`);
    expect(await reconcileRollups(ctx, 1000)).toBeGreaterThan(0);
    await rebuildRollups(ctx);
    await runRollups(ctx, "minute");
    expect(await reconcileRollups(ctx, 1000)).toBe(0);
  });
});

describe("writers", () => {
  const marksOf = (workspaceId: string) =>
    ctx.db.all({
      sql: sql`select distinct unit, bucket from rollup_marks
        where workspace_id = ${workspaceId} order by unit, bucket`,
      row: z.object({ unit: z.string(), bucket: z.string().transform((at) => parseInstant(at)) }),
    });

  it("mark the minutes of recent rows, and of old ones only the hour", async () => {
    const W = "marking";
    const [recent, old] = [MINUTE - 20 * MINUTE_US, HOUR - 5 * HOUR_US];
    await send(W, [
      { id: "recent", started_at: iso(recent) },
      { id: "old", started_at: iso(old) },
    ]);
    expect(await marksOf(W)).toEqual([
      { unit: "hour", bucket: old },
      { unit: "hour", bucket: Math.floor(recent / HOUR_US) * HOUR_US },
      { unit: "minute", bucket: recent },
    ]);
    // A correction that moves a row marks where it was and where it goes.
    await runRollups(ctx, "minute");
    await runRollups(ctx, "hour");
    const to = MINUTE - 3 * MINUTE_US;
    await send(W, [{ id: "recent", started_at: iso(to), revision: 1 }]);
    const marks = await marksOf(W);
    for (const bucket of [recent, to]) expect(marks).toContainEqual({ unit: "minute", bucket });
  });

  it("of a version without minutes have all minutes of the hour marked for them", async () => {
    const W = "older";
    await send(W, [{ id: "first", started_at: iso(MINUTE - 5 * MINUTE_US) }]);
    await runRollups(ctx, "minute");
    // As such a version writes: the row, its key, and the mark of its hour.
    const at = iso(MINUTE - 5 * MINUTE_US + 7_000_000);
    await ctx.db.run(sql`with written as (
        insert into executions (workspace_id, id, agent_id, status, started_at)
        values (${W}, 'second', 'a', 'success', ${at}) returning started_at
      ), keys as (insert into execution_keys values (${W}, 'second', ${at}))
      insert into rollup_marks (unit, workspace_id, bucket)
      select 'hour', ${W}, date_trunc('hour', started_at, 'UTC') from written`);
    const query: Query = {
      measures: ["executions"],
      from: HOUR - HOUR_US,
      to: NOW,
      timezone: "UTC",
    };
    const { answer, all } = await askBoth(W, query);
    expectAnswers({ answer, all }, query);
    expect(answer.totals.executions).toBe(2);
    expect((await marksOf(W)).filter(({ unit }) => unit === "minute")).toHaveLength(60);
  });
});

describe("old minutes", () => {
  it("are removed with their marks, and those that are read stay", async () => {
    const W = "aged";
    await send(W, [{ id: "new", started_at: iso(MINUTE - 2 * MINUTE_US) }]);
    await runRollups(ctx, "minute");
    const old = iso(HOUR - 4 * HOUR_US);
    await ctx.db.run(sql`insert into execution_metrics_minutely
      select (jsonb_populate_record(m, jsonb_build_object('bucket', ${old}::text))).*
      from execution_metrics_minutely m where workspace_id = ${W}`);
    await ctx.db.run(sql`insert into rollup_marks (unit, workspace_id, bucket, with_minutes)
      values ('minute', ${W}, ${old}, true)`);
    const count = () =>
      ctx.db.one({
        sql: sql`select
            count(*) filter (where bucket = ${old}::timestamptz) as old, count(*) as all,
            (select count(*) from rollup_marks where workspace_id = ${W} and unit = 'minute') as marks
          from execution_metrics_minutely where workspace_id = ${W}`,
        row: z.object({ old: z.number(), all: z.number(), marks: z.number() }),
      });
    const before = await count();
    expect([before.old, before.marks]).toEqual([before.all / 2, 1]);
    await forgetMinutes(ctx);
    expect(await count()).toEqual({ old: 0, all: before.all / 2, marks: 0 });
  });
});

const ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu"];
const BACK = 300;
const sent = fc.record({
  id: fc.nat(150).map((n) => `p${n}`),
  agent_id: fc.constantFrom("a1", "a2"),
  user_id: fc.constantFrom("u1", "u2", undefined),
  status: fc.constantFrom("running", "success", "success", "failure"),
  // Minutes before now, in microseconds' steps; a few lie ahead.
  seconds: fc.integer({ min: -10 * 60, max: BACK * 60 }),
  duration_ms: fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }),
  credits: fc.option(
    fc.nat(999_999).map((n) => (n / 1e6).toFixed(6)),
    { nil: undefined },
  ),
  revision: fc.constantFrom(0, 0, 1, 2),
});
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      items: fc.array(sent, { minLength: 1, maxLength: 20 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("roll" as const),
      unit: fc.constantFrom("minute" as const, "minute" as const, "hour" as const, "day" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("ask" as const),
      minutes: fc.integer({ min: 1, max: BACK }),
      end: fc.constantFrom(NOW, MINUTE, HOUR, NOW - 17 * MINUTE_US, NOW + HOUR_US),
      timezone: fc.constantFrom(...ZONES),
      granularity: fc.constantFrom("minute" as const, "hour" as const, "day" as const, undefined),
      group_by: fc.constantFrom<string[] | undefined>(["agent"], undefined),
      measures: fc.constantFrom<MeasureName[]>(
        ["executions", "success_rate"],
        ["executions", "credits", "active_users", "duration_p95", "duration_max", "running"],
      ),
    }),
  },
);

describe("questions up to now", () => {
  it("are exact at every moment, with rows late, twice, moved or ahead, between runs of minutes, hours and days", async () => {
    let asked = 0;
    let ofMinutes = 0;
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 15, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, width) => {
          const W = `property-${run++}`;
          const perform = async (each: (typeof steps)[number]) => {
            if (each.kind === "send")
              return send(
                W,
                each.items.map(({ seconds, ...item }) => ({
                  ...item,
                  started_at: iso(NOW - seconds * 1_000_000),
                })),
              );
            if (each.kind === "roll") return void (await runRollups(ctx, each.unit));
            if (each.kind === "forget") return forgetMinutes(ctx);
            const { kind: _, minutes, end, ...rest } = each;
            const query: Query = { ...rest, from: end - minutes * MINUTE_US, to: end };
            if (query.group_by) query.limit = 5;
            const both = await askBoth(W, query);
            expectAnswers(both, query);
            asked++;
            const { minutely } = both.answer.meta.plan as {
              minutely: { pieces: unknown[] } | null;
            };
            if (minutely?.pieces.length) ofMinutes++;
            return undefined;
          };
          for (let at = 0; at < steps.length; at += width)
            await Promise.all(steps.slice(at, at + width).map(perform));
        },
      ),
      { numRuns: 15, endOnFailure: true },
    );
    expect(asked).toBeGreaterThan(50);
    expect(ofMinutes).toBeGreaterThan(20);
    expect(await reconcileRollups(ctx, 1000)).toBe(0);
  }, 120_000);
});

it("A timeframe that ends now counts every row once, before and after each run", async () => {
  const W = "timeframe";
  await send(
    W,
    Array.from({ length: 90 }, (_, n) => ({ id: `t${n}`, started_at: iso(NOW - n * 100_000_000) })),
  );
  const query: Query = { measures: ["executions"], timeframe: "24h", timezone: "Asia/Kolkata" };
  for (const unit of ["minute", "hour", "minute", "day"] as const) {
    expect((await runQuery(ctx.db, W, query, NOW + 1)).totals.executions).toBe(90);
    await runRollups(ctx, unit);
  }
  expect((await runQuery(ctx.db, W, query, NOW + 1)).totals.executions).toBe(90);
});

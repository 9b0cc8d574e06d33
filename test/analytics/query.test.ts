import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { type Answer, runQuery } from "../../src/analytics/ask.ts";
import { MEASURE_NAMES, type MeasureName } from "../../src/analytics/catalog/measures.ts";
import type { Query } from "../../src/analytics/query.ts";
import { bucketsOf } from "../../src/analytics/time/range.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { runRollups } from "../../src/features/rollups/run.ts";
import { storeChecked } from "../../src/intake/items.ts";
import { DAY_US, HOUR_US, MINUTE_US, parseInstant, QUARTER_US } from "../../src/lib/time.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { agrees, measured, type RawRow, rawRows, startOf } from "../support/oracle.ts";

const W = "kernel";
const at = (text: string) => parseInstant(text) ?? Number.NaN;
/** A repeatable stream of numbers in [0, 1): Park and Miller's generator (CACM 1988). */
function random(seed: number) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
// Over both clock changes of 2026 of every zone below.
const CHANGES = [
  "2026-03-07T00:00:00Z",
  "2026-03-28T00:00:00Z",
  "2026-04-03T12:00:00Z",
  "2026-10-03T00:00:00Z",
  "2026-10-24T00:00:00Z",
  "2026-10-31T00:00:00Z",
];

let ctx: ReturnType<typeof testContext>;
let all: RawRow[] = [];
beforeAll(async () => {
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
});

const ask = (query: Query, explain = false) =>
  runQuery(ctx.db, W, query, Date.now() * 1000, explain);
const within = (rows: readonly RawRow[], from: number, to: number) =>
  rows.filter((row) => startOf(row) >= from && startOf(row) < to);
function expectValues(
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

describe("days of a zone, over both clock changes", () => {
  it.each([
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/New_York",
    "Europe/Berlin",
    "UTC",
  ])("equal the raw rows in %s and add up to them", async (timezone) => {
    for (const start of CHANGES) {
      const [from, to] = [at(start) - 5 * HOUR_US, at(start) + 4 * DAY_US + 1_234_567];
      const answer = await ask({ measures: MEASURE_NAMES, from, to, timezone, granularity: "day" });
      const days = bucketsOf({ from, to }, "day", timezone);
      expect(answer.rows.map((row) => row.bucket)).toEqual(days.map((day) => day.label));
      for (const [index, day] of days.entries())
        expectValues(answer.rows[index]?.values ?? {}, within(all, day.from, day.to));
      expectValues(answer.totals, within(all, from, to));
      expect(answer.rows.reduce((sum, row) => sum + Number(row.values.executions), 0)).toBe(
        within(all, from, to).length,
      );
    }
  });

  it.each(["Asia/Kolkata", "Australia/Lord_Howe", "America/New_York"])(
    "have their hours and days of the week in %s",
    async (timezone) => {
      const [from, to] = [at(CHANGES[0] ?? ""), at(CHANGES[5] ?? "") + 4 * DAY_US];
      for (const dimension of ["hour_of_day", "day_of_week"] as const) {
        const answer = await ask({
          measures: ["executions", "duration_p95", "active_users"],
          from,
          to,
          timezone,
          group_by: [dimension],
        });
        const format = new Intl.DateTimeFormat("en-GB", {
          timeZone: timezone,
          hour: "2-digit",
          hourCycle: "h23",
          weekday: "short",
        });
        const clocks = new Map(
          all.map((row) => {
            const parts = format.formatToParts(new Date(startOf(row) / 1000));
            const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
            const weekday =
              ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].indexOf(part("weekday")) + 1;
            return [row.id, dimension === "hour_of_day" ? Number(part("hour")) : weekday];
          }),
        );
        expect(new Set(answer.rows.map((row) => row.group[dimension]))).toEqual(
          new Set(clocks.values()),
        );
        for (const row of answer.rows)
          expectValues(
            row.values,
            all.filter((each) => clocks.get(each.id) === row.group[dimension]),
            ["executions", "duration_p95", "active_users"],
          );
      }
    },
  );
});

describe("numbers of executions alone", () => {
  const COUNTS = ["executions", "successes", "failures", "running", "success_rate"] as const;
  const zones = [
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "UTC",
  ];
  it.each(
    zones.flatMap((zone) =>
      (["whole", "hour", "day"] as const).map((step) => [zone, step] as const),
    ),
  )(
    "equal the raw rows of %s by %s, for one agent and for all, with marks and days without quarters",
    async (timezone, step) => {
      // The days of one of the changes have lost their quarters: they were rolled up by nobody who knew them.
      await ctx.db.run(
        sql`delete from execution_quarters_daily where workspace_id = ${W} and bucket >= '2026-10-03' and bucket < '2026-10-05'`,
      );
      const granularity = step === "whole" ? undefined : step;
      for (const [index, start] of CHANGES.entries()) {
        const [from, to] = [
          at(start) - 5 * HOUR_US + 123_456,
          at(start) + 3 * DAY_US + index * 1_234_567_891,
        ];
        const shared = { measures: [...COUNTS], from, to, timezone, granularity };
        const filters = [{ field: "agent", op: "eq" as const, value: "a1" }];
        const [everybody, agent] = [
          await ask(shared),
          await ask({ ...shared, filters, group_by: ["status"] }),
        ];
        const rows = within(all, from, to);
        expectValues(everybody.totals, rows, COUNTS);
        expectValues(
          agent.totals,
          rows.filter((row) => row.agent_id === "a1"),
          COUNTS,
        );
        const buckets = granularity ? bucketsOf({ from, to }, granularity, timezone) : [];
        for (const [place, bucket] of buckets.entries())
          expectValues(
            everybody.rows[place]?.values ?? {},
            within(rows, bucket.from, bucket.to),
            COUNTS,
          );
        for (const row of agent.rows) {
          const bucket = buckets.find((each) => each.label === row.bucket) ?? { from, to };
          const own = within(rows, bucket.from, bucket.to).filter(
            (each) => each.agent_id === "a1" && each.status === row.group.status,
          );
          expectValues(row.values, own, ["executions"]);
        }
        // Without marks only what is no whole quarter is read raw.
        if (![2, 3].includes(index)) {
          const edges = [
            ...within(rows, from, from + QUARTER_US),
            ...within(rows, to - QUARTER_US, to),
          ];
          expect(everybody.meta.sources.raw.rows).toBeLessThanOrEqual(edges.length);
        }
      }
    },
  );

  it("of hours in a zone of quarters come from the quarters, and say so, mark by mark", async () => {
    const [from, to] = [at("2026-04-03T04:17:00Z"), at("2026-04-06T20:40:00Z")];
    for (const timezone of ["Asia/Kathmandu", "Asia/Kolkata", "UTC"]) {
      const { meta } = await ask(
        { measures: ["executions"], from, to, timezone, granularity: "hour" },
        true,
      );
      type Named = Record<
        "daily" | "hourly" | "quarterly" | "raw",
        { pieces: { from: string; to: string }[] }
      >;
      const { daily, hourly, quarterly, raw } = meta.plan as Named;
      const pieces = [daily, hourly, quarterly, raw]
        .flatMap((source) => source.pieces)
        .map((piece) => [at(piece.from), at(piece.to)] as const)
        .sort((a, b) => a[0] - b[0]);
      expect([pieces[0]?.[0], pieces.at(-1)?.[1]]).toEqual([from, to]);
      for (const [index, piece] of pieces.slice(1).entries())
        expect(piece[0]).toBe(pieces[index]?.[1]);
      const rows = raw.pieces.reduce(
        (sum, piece) => sum + within(all, at(piece.from), at(piece.to)).length,
        0,
      );
      expect(meta.sources.raw.rows).toBe(rows);
    }
    const clean = {
      measures: ["executions" as const],
      from: at("2026-10-24T18:15:00Z"),
      to: at("2026-10-25T18:15:00Z"),
    };
    const { meta } = await ask(
      { ...clean, timezone: "Asia/Kathmandu", group_by: ["hour_of_day"] },
      true,
    );
    expect(meta.plan).toMatchObject({
      quarterly: {
        table: "execution_quarters_daily",
        grain: "total",
        pieces: [{ from: "2026-10-24T18:15:00.000Z", to: "2026-10-25T18:15:00.000Z" }],
      },
      raw: { pieces: [] },
    });
    expect(meta.sources).toEqual({
      daily: { buckets: 2 },
      hourly: { buckets: 0 },
      raw: { rows: 0 },
    });
  });
});

describe("groups", () => {
  const range = {
    from: at(CHANGES[0] ?? "") + 90_000_000,
    to: at(CHANGES[5] ?? "") + 3 * DAY_US,
    timezone: "UTC",
  };
  const textOf: Record<string, (row: RawRow) => string | null> = {
    agent: (row) => row.agent_id,
    user: (row) => row.user_id,
    status: (row) => row.status,
    model: (row) => row.model,
    environment: (row) => row.environment,
    version: (row) => row.version,
    error_type: (row) => row.error_type,
    "metadata.region": (row) => (row.metadata?.region as string | undefined) ?? null,
  };

  it.each([
    ["agent"],
    ["user"],
    ["status"],
    ["model"],
    ["environment"],
    ["version"],
    ["error_type"],
    ["metadata.region"],
    ["agent", "model"],
    ["user", "status"],
    ["model", "user"],
  ])("by %s %s equal the raw rows, all measures", async (...group_by) => {
    const answer = await ask({ measures: MEASURE_NAMES, ...range, group_by, limit: 1000 });
    const rows = within(all, range.from, range.to);
    const keyOf = (row: RawRow) =>
      JSON.stringify(group_by.map((name) => textOf[name]?.(row) ?? null));
    expect(
      new Set(answer.rows.map((row) => JSON.stringify(group_by.map((name) => row.group[name])))),
    ).toEqual(new Set(rows.map(keyOf)));
    for (const row of answer.rows)
      expectValues(
        row.values,
        rows.filter(
          (each) => keyOf(each) === JSON.stringify(group_by.map((name) => row.group[name])),
        ),
      );
    expectValues(answer.totals, rows);
  });

  it.each([
    "executions",
    "credits",
    "duration_p95",
    "success_rate",
    "active_users",
    "duration_avg",
  ] as const)("of the best three by %s leave an exact rest", async (measure) => {
    for (const direction of ["asc", "desc"] as const) {
      const answer = await ask({
        measures: MEASURE_NAMES,
        ...range,
        group_by: ["agent"],
        order_by: [{ measure, direction }],
        limit: 3,
      });
      const rows = within(all, range.from, range.to);
      expect(answer.rows.map((row) => row.other)).toEqual([false, false, false, true]);
      const named = answer.rows.slice(0, 3).map((row) => row.group.agent);
      expectValues(
        answer.rows[3]?.values ?? {},
        rows.filter((row) => !named.includes(row.agent_id)),
      );
      const values = answer.rows.slice(0, 3).map((row) => Number(row.values[measure]));
      expect(values).toEqual([...values].sort((a, b) => (direction === "asc" ? a - b : b - a)));
      expect(answer.rows.reduce((sum, row) => sum + Number(row.values.executions), 0)).toBe(
        rows.length,
      );
    }
  });

  it("keep the same groups in every bucket and in the compared range, empty ones filled", async () => {
    const query: Query = {
      measures: MEASURE_NAMES,
      from: at("2026-10-24T00:00:00Z"),
      to: at("2026-10-27T00:00:00Z"),
      timezone: "Europe/Berlin",
      granularity: "day",
      group_by: ["agent"],
      limit: 2,
      compare: "previous_period",
    };
    const answer = await ask(query);
    const days = bucketsOf({ from: query.from ?? 0, to: query.to ?? 0 }, "day", "Europe/Berlin");
    expect(answer.rows).toHaveLength(days.length * 3);
    const named = answer.rows.slice(0, 2).map((row) => row.group.agent);
    answer.rows.forEach((row, index) => {
      const day = days[Math.floor(index / 3)];
      const member = (each: RawRow) =>
        row.other ? !named.includes(each.agent_id) : each.agent_id === row.group.agent;
      expectValues(row.values, within(all, day?.from ?? 0, day?.to ?? 0).filter(member));
      const previous = row.comparison?.executions?.previous;
      expect(previous).toBe(0);
      expect(row.comparison?.executions?.change_ratio).toBeNull();
    });
  });
});

describe("filters", () => {
  const range = {
    from: at(CHANGES[0] ?? "") + 90_000_000,
    to: at(CHANGES[5] ?? "") + 3 * DAY_US,
    timezone: "UTC",
  };
  const cases: [string, NonNullable<Query["filters"]>, (row: RawRow) => boolean][] = [
    ["eq", [{ field: "agent", op: "eq", value: "a1" }], (row) => row.agent_id === "a1"],
    ["ne with absent", [{ field: "model", op: "ne", value: "m1" }], (row) => row.model !== "m1"],
    [
      "in",
      [{ field: "status", op: "in", value: ["failure", "timeout"] }],
      (row) => ["failure", "timeout"].includes(row.status),
    ],
    [
      "not_in",
      [{ field: "model", op: "not_in", value: ["m1", "m2"] }],
      (row) => row.model === null || row.model === "m3",
    ],
    [
      "exists",
      [{ field: "error_type", op: "exists", value: true }],
      (row) => row.error_type !== null,
    ],
    [
      "exists false",
      [{ field: "version", op: "exists", value: false }],
      (row) => row.version === null,
    ],
    ["contains", [{ field: "model", op: "contains", value: "M" }], (row) => row.model !== null],
    [
      "numbers",
      [
        { field: "duration_ms", op: "gte", value: 20 },
        { field: "duration_ms", op: "lt", value: 500 },
      ],
      (row) => row.duration_ms !== null && row.duration_ms >= 20 && row.duration_ms < 500,
    ],
    [
      "metadata text",
      [{ field: "metadata.region", op: "eq", value: "eu" }],
      (row) => row.metadata?.region === "eu",
    ],
    [
      "metadata number",
      [{ field: "metadata.n", op: "gt", value: 1 }],
      (row) => Number(row.metadata?.n ?? 0) > 1,
    ],
    [
      "clock",
      [
        { field: "hour_of_day", op: "gte", value: 12 },
        { field: "agent", op: "eq", value: "a2" },
      ],
      (row) => row.agent_id === "a2" && new Date(startOf(row) / 1000).getUTCHours() >= 12,
    ],
    [
      "user and model",
      [
        { field: "user", op: "eq", value: "u1" },
        { field: "model", op: "exists", value: true },
      ],
      (row) => row.user_id === "u1" && row.model !== null,
    ],
  ];
  it.each(cases)("%s equals the raw rows", async (_, filters, keep) => {
    const rows = within(all, range.from, range.to).filter(keep);
    expect(rows.length).toBeGreaterThan(0);
    expectValues((await ask({ measures: MEASURE_NAMES, ...range, filters })).totals, rows);
  });

  it.each(["'; drop table executions; --", "a' or '1'='1", "$1", "\\", "%"])(
    "take %s for a value and never for SQL",
    async (value) => {
      expect(
        (
          await ask({
            measures: ["executions"],
            ...range,
            filters: [{ field: "agent", op: "eq", value }],
          })
        ).totals.executions,
      ).toBe(0);
      await expect(
        ask({
          measures: ["executions"],
          ...range,
          filters: [{ field: value, op: "eq", value: "x" }],
        }),
      ).rejects.toMatchObject({
        kind: "unprocessable",
      });
      await expect(
        ask({ measures: ["executions"], ...range, group_by: [value] }),
      ).rejects.toMatchObject({ kind: "unprocessable" });
    },
  );

  it.each([
    "metadata.x'] --",
    "metadata.'; drop table executions; --",
    "metadata.{a,b}",
    "metadata.$1",
  ])("take %s for a key and never for SQL", async (field) => {
    const filters = [{ field, op: "exists" as const, value: true }];
    const found = await ask({ measures: ["executions"], ...range, filters });
    expect(found.totals.executions).toBe(0);
    const { rows } = await ask({ measures: ["executions"], ...range, group_by: [field] });
    expect(rows.map((row) => row.group)).toEqual([{ [field]: null }]);
  });
});

describe("answers", () => {
  it("refuse more rows or values than an isolate can hold", async () => {
    const range = {
      from: at(CHANGES[0] ?? ""),
      to: at(CHANGES[0] ?? "") + 9_000 * MINUTE_US,
      timezone: "UTC",
      granularity: "minute" as const,
    };
    const refused = { kind: "unprocessable", code: "too_many_rows" };
    await expect(
      ask({ measures: ["executions"], ...range, group_by: ["agent"], limit: 2 }),
    ).rejects.toMatchObject(refused);
    await expect(ask({ measures: MEASURE_NAMES, ...range })).rejects.toMatchObject(refused);
    await expect(
      ask({ measures: MEASURE_NAMES.slice(0, 12), ...range, compare: "previous_period" }),
    ).rejects.toMatchObject(refused);
    expect((await ask({ measures: MEASURE_NAMES.slice(0, 20), ...range })).rows).toHaveLength(
      9_000,
    );
  });

  it("read no raw row where rollups cover the range, and say which table answered each piece", async () => {
    const range = {
      from: at("2026-10-24T00:00:00Z"),
      to: at("2026-10-26T05:00:00Z"),
      timezone: "UTC",
    };
    const answer = await ask({ measures: ["executions", "duration_p95"], ...range }, true);
    expect(answer.meta.sources).toEqual({
      daily: { buckets: 2 },
      hourly: { buckets: 5 },
      raw: { rows: 0 },
    });
    expect(answer.meta.plan).toMatchObject({
      daily: {
        table: "execution_metrics_daily",
        grain: "total",
        pieces: [{ from: "2026-10-24T00:00:00.000Z", to: "2026-10-26T00:00:00.000Z" }],
      },
      hourly: {
        table: "execution_metrics_hourly",
        grain: "total",
        pieces: [{ from: "2026-10-26T00:00:00.000Z", to: "2026-10-26T05:00:00.000Z" }],
      },
      raw: { pieces: [] },
    });
    expect(answer.meta).toMatchObject({
      exact: false,
      relative_error: 0.01,
      relative_errors: { executions: 0, duration_p95: 0.01 },
    });
  });

  it("say which marked hours and days fell to raw rows", async () => {
    const from = at("2026-04-03T00:00:00Z");
    const answer = await ask(
      { measures: ["executions"], from, to: from + 2 * DAY_US, timezone: "UTC" },
      true,
    );
    const { daily, hourly, raw } = answer.meta.plan as Record<
      "daily" | "hourly" | "raw",
      { pieces: { from: string; to: string }[] }
    >;
    expect(daily.pieces).toEqual([]);
    const covered = [...hourly.pieces, ...raw.pieces]
      .map((piece) => [at(piece.from), at(piece.to)])
      .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
    expect(covered[0]?.[0]).toBe(from);
    expect(covered.at(-1)?.[1]).toBe(from + 2 * DAY_US);
    for (const [index, piece] of covered.slice(1).entries())
      expect(piece[0]).toBe(covered[index]?.[1]);
    const rows = raw.pieces.reduce(
      (sum, piece) => sum + within(all, at(piece.from), at(piece.to)).length,
      0,
    );
    expect([rows, answer.meta.sources.raw.rows]).toEqual([
      within(all, from, from + 2 * DAY_US).length,
      rows,
    ]);
  });

  it("order groups by the exact percentile where it is exact", async () => {
    const kind = executionIntake(ctx, "kernel-order");
    const items = [10_000, 10_060, 10_100].map((duration_ms, n) => ({
      id: `o${n}`,
      agent_id: `a${n}`,
      user_id: "u",
      status: "success",
      started_at: "2026-10-01T00:00:00Z",
      duration_ms,
    }));
    await storeChecked(
      kind,
      items.map((item) => kind.check(item, Date.now(), { id: "", reproducible: false })),
    );
    const query: Query = {
      measures: ["duration_p95"],
      from: at("2026-10-01T00:00:00Z"),
      to: at("2026-10-02T00:00:00Z"),
      timezone: "UTC",
      group_by: ["agent"],
      limit: 1,
    };
    const best = await runQuery(ctx.db, "kernel-order", query, 0);
    expect(best.rows[0]).toMatchObject({
      group: { agent: "a2" },
      values: { duration_p95: 10_100 },
    });
  });

  it("are exact where only raw rows took part", async () => {
    const from = at("2026-04-04T00:00:00Z");
    const answer = await ask({
      measures: MEASURE_NAMES,
      from,
      to: from + 7 * HOUR_US,
      timezone: "UTC",
    });
    expect(answer.meta).toMatchObject({ exact: true, relative_error: 0 });
    const expected = measured(within(all, from, from + 7 * HOUR_US));
    for (const name of ["duration_p50", "duration_p90", "duration_p99"] as const)
      expect(answer.totals[name]).toBe(expected[name]);
  });

  it("say until when nothing was open or waiting", async () => {
    const { meta } = await ask({ measures: ["executions"], timeframe: "7d", timezone: "UTC" });
    const open = all.filter((row) => row.status === "running").map(startOf);
    expect(at(meta.complete_until)).toBe(Math.min(...open));
    expect(Math.abs(at(meta.as_of) / 1000 - Date.now())).toBeLessThan(60_000);
  });

  it("of an empty range are null where 0 would be a claim", async () => {
    const { totals, rows } = await ask({
      measures: MEASURE_NAMES,
      from: at("2020-01-01T00:00:00Z"),
      to: at("2020-01-03T00:00:00Z"),
      timezone: "UTC",
      granularity: "day",
    });
    expectValues(totals, []);
    expect(rows).toHaveLength(2);
    expect(totals).toMatchObject({
      executions: 0,
      success_rate: null,
      duration_p50: null,
      credits: "0.000000",
      credits_avg: null,
      active_users: 0,
    });
  });

  it("never include another workspace", async () => {
    const other = await runQuery(
      ctx.db,
      "kernel-other",
      { measures: MEASURE_NAMES, timeframe: "1y", timezone: "UTC" },
      Date.now() * 1000,
    );
    expect(other.totals.executions).toBe(0);
  });
});

import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { beforeAll, describe, expect, it } from "vitest";
import { runQuery } from "../../../src/analytics/ask.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { namedRange } from "../../../src/analytics/time/calendar-ranges.ts";
import { comparablePeriods, comparedRange } from "../../../src/analytics/time/compared-range.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { metricsSource } from "../../../src/features/exports/sources/computed-sources.ts";
import { rankGroups } from "../../../src/features/leaderboards/board.ts";
import { AGENT_CRITERIA } from "../../../src/features/leaderboards/score.ts";
import { drawingOf } from "../../../src/features/reports/render/charts.ts";
import { sectionSheets } from "../../../src/features/reports/render/sheets.ts";
import { fillSections } from "../../../src/features/reports/runs/fill.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { DAY_US, formatInstant, HOUR_US, MINUTE_US, parseInstant } from "../../../src/lib/time.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { exportedRows, readable } from "../../support/exported.ts";
import { store } from "../../support/store.ts";

const at = (text: string) => parseInstant(text) ?? Number.NaN;
const range = (from: string, to: string) => ({ from: at(from), to: at(to) });

describe("a range that is not over is compared with the same elapsed part", () => {
  it.each([
    // A week on its Thursday: up to Thursday of the week before, at the same time.
    [
      "Europe/Berlin",
      "2026-06-15T00:00:00+02:00/2026-06-22T00:00:00+02:00",
      "2026-06-18T12:30:00+02:00",
      "2026-06-08T00:00:00+02:00/2026-06-11T12:30:00+02:00",
    ],
    // Over a clock change it is the same time of day, not the same duration.
    [
      "Europe/Berlin",
      "2026-10-26T00:00:00+01:00/2026-11-02T00:00:00+01:00",
      "2026-10-29T12:30:00+01:00",
      "2026-10-19T00:00:00+02:00/2026-10-22T12:30:00+02:00",
    ],
    [
      "America/New_York",
      "2026-03-08T00:00:00-05:00/2026-03-09T00:00:00-04:00",
      "2026-03-08T12:00:00-04:00",
      "2026-03-07T00:00:00-05:00/2026-03-07T12:00:00-05:00",
    ],
    // A time that the day before left out is as much later.
    [
      "America/New_York",
      "2026-03-09T00:00:00-04:00/2026-03-10T00:00:00-04:00",
      "2026-03-09T02:30:00-04:00",
      "2026-03-08T00:00:00-05:00/2026-03-08T03:30:00-04:00",
    ],
    // A month, day by day; on the 31st the shorter month before is over.
    [
      "UTC",
      "2026-03-01T00:00:00Z/2026-04-01T00:00:00Z",
      "2026-03-10T06:00:00Z",
      "2026-02-01T00:00:00Z/2026-02-10T06:00:00Z",
    ],
    [
      "UTC",
      "2026-03-01T00:00:00Z/2026-04-01T00:00:00Z",
      "2026-03-31T06:00:00Z",
      "2026-02-01T00:00:00Z/2026-03-01T00:00:00Z",
    ],
    [
      "UTC",
      "2026-07-01T00:00:00Z/2026-10-01T00:00:00Z",
      "2026-08-20T00:00:00Z",
      "2026-04-01T00:00:00Z/2026-05-21T00:00:00Z",
    ],
    // Not of whole days: the same duration.
    [
      "Asia/Kolkata",
      "2026-06-15T10:00:00Z/2026-06-15T20:00:00Z",
      "2026-06-15T13:00:00Z",
      "2026-06-15T00:00:00Z/2026-06-15T03:00:00Z",
    ],
    // Nothing has passed of what has not begun.
    [
      "UTC",
      "2026-06-15T00:00:00Z/2026-06-16T00:00:00Z",
      "2026-06-01T00:00:00Z",
      "2026-06-14T00:00:00Z/2026-06-14T00:00:00Z",
    ],
    // The day that Samoa skipped is no day to go back by.
    [
      "Pacific/Apia",
      "2012-01-01T00:00:00+14:00/2012-01-03T00:00:00+14:00",
      "2012-01-02T06:00:00+14:00",
      "2011-12-29T00:00:00-10:00/2011-12-31T06:00:00+14:00",
    ],
  ])("in %s: %s at %s with %s", (zone, asked, now, expected) => {
    const [from = "", to = ""] = asked.split("/");
    const [first = "", last = ""] = expected.split("/");
    expect(comparedRange(range(from, to), "previous_period", zone, at(now))).toEqual({
      ...range(first, last),
      elapsed: true,
    });
  });

  it("of the year before, up to the same date", () => {
    const asked = range("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    for (const [now, until] of [
      ["2024-03-10T12:00:00Z", "2023-03-10T12:00:00Z"],
      ["2024-02-29T12:00:00Z", "2023-03-01T12:00:00Z"],
    ] as const)
      expect(comparedRange(asked, "previous_year", "UTC", at(now))).toMatchObject({
        ...range("2023-01-01T00:00:00Z", until),
      });
  });

  it("and two periods that a caller names alike, whichever is not over", () => {
    const [last, this_] = [
      range("2026-06-08T00:00:00Z", "2026-06-15T00:00:00Z"),
      range("2026-06-15T00:00:00Z", "2026-06-22T00:00:00Z"),
    ];
    const now = at("2026-06-18T12:00:00Z");
    const part = { from: last.from, to: at("2026-06-11T12:00:00Z"), elapsed: true };
    const whole = { ...this_, elapsed: false };
    expect(comparablePeriods(last, this_, now, "UTC")).toEqual([part, whole]);
    expect(comparablePeriods(this_, last, now, "UTC")).toEqual([whole, part]);
    expect(comparablePeriods(last, this_, this_.to, "UTC")).toEqual([
      { ...last, elapsed: false },
      whole,
    ]);
  });
});

it("A range is compared with a year before as Temporal counts, also around clock changes", () => {
  const zoned = (us: number, zone: string) =>
    Temporal.Instant.fromEpochMilliseconds(us / 1000).toZonedDateTimeISO(zone);
  const us = (of: Temporal.ZonedDateTime) => of.epochMilliseconds * 1000;
  const changes = [
    ["America/New_York", "2026-03-08T07:00:00Z"],
    ["America/New_York", "2026-11-01T06:00:00Z"],
    ["America/New_York", "2025-11-02T06:00:00Z"],
    ["Australia/Lord_Howe", "2019-10-05T15:30:00Z"],
    ["Pacific/Apia", "2011-12-30T10:00:00Z"],
    ["Pacific/Apia", "2012-12-30T10:00:00Z"],
    ["America/Sao_Paulo", "2018-11-04T03:00:00Z"],
    ["Asia/Kolkata", "2024-02-29T18:30:00Z"],
  ] as const;
  const minutes = fc.integer({ min: -2 * 1440, max: 2 * 1440 });
  const lengths = fc.oneof(
    fc.integer({ min: 1, max: 3 * 1440 }),
    fc.integer({ min: 1, max: 367 * 1440 }),
  );
  fc.assert(
    fc.property(
      ...([fc.constantFrom(...changes), minutes, lengths, fc.boolean()] as const),
      ([zone, change], before, length, ends) => {
        const edge = at(change) + before * MINUTE_US;
        const from = ends ? edge - length * MINUTE_US : edge;
        const [first, last] = [zoned(from, zone), zoned(from + length * MINUTE_US, zone)];
        const start = first.subtract({ years: 1 });
        const end = start.add(first.until(last, { largestUnit: "years" }));
        const compare = () =>
          comparedRange({ from, to: us(last) }, "previous_year", zone, us(last));
        if (us(end) > from) expect(compare).toThrow(/overlaps/);
        else expect(compare()).toEqual({ from: us(start), to: us(end), elapsed: false });
      },
    ),
    { numRuns: 1_000 },
  );
});

describe("eight runs a day for ever", () => {
  const W = "eight-a-day";
  const ZONE = "America/New_York";
  /** A Thursday. */
  const NOW = at("2026-06-18T12:30:00-04:00");
  const week = namedRange("this_week", NOW, ZONE);
  let ctx: ReturnType<typeof testContext>;

  beforeAll(async () => {
    await useOwnDatabase();
    ctx = testContext({ now: () => NOW / 1000 });
    const items: unknown[] = [];
    for (let start = at("2026-05-25T00:00:00-04:00"), n = 0; start < NOW; start += 3 * HOUR_US, n++)
      items.push({
        id: `r${n}`,
        agent_id: `a${n % 2}`,
        user_id: "u",
        status: "success",
        started_at: formatInstant(start),
        credits: "1",
      });
    await store(executionIntake(ctx, W), items);
    await runRollups(ctx, "hour");
    await runRollups(ctx, "day");
  });
  const ask = (query: Partial<Query>) =>
    runQuery(
      ctx.db,
      W,
      { measures: ["executions"], ...week, timezone: ZONE, compare: "previous_period", ...query },
      NOW,
    );

  it("are as many on a Thursday as on the Thursday before", async () => {
    const { totalsComparison, meta } = await ask({});
    expect(totalsComparison?.executions).toEqual({
      previous: 29,
      change: 0,
      change_ratio: 0,
      direction: "flat",
    });
    expect(meta).toMatchObject({
      complete: false,
      compared: {
        from: "2026-06-08T00:00:00-04:00",
        to: "2026-06-11T12:30:00-04:00",
        elapsed: true,
      },
    });
  });

  it("are compared day by day as far as the days have come, and each day says whether it is over", async () => {
    const { rows } = await ask({ granularity: "day" });
    expect(rows.map(({ complete }) => complete)).toEqual([
      ...[true, true, true],
      ...[false, false, false, false],
    ]);
    expect(rows.map(({ values }) => values.executions)).toEqual([8, 8, 8, 5, 0, 0, 0]);
    expect(rows.map(({ comparison }) => comparison?.executions?.change_ratio)).toEqual([
      ...[0, 0, 0, 0],
      ...[undefined, undefined, undefined],
    ]);
  });

  it("have a first and a last day that a timeframe cuts, compared with the same parts", async () => {
    const { rows, meta } = await ask({
      from: undefined,
      to: undefined,
      timeframe: "7d",
      granularity: "day",
    });
    expect(meta.complete).toBeUndefined();
    expect(meta.compared?.elapsed).toBeUndefined();
    expect(rows.map(({ complete }) => complete)).toEqual([
      ...[false, true, true, true],
      ...[true, true, true, false],
    ]);
    expect(rows.map(({ values }) => values.executions)).toEqual([3, 8, 8, 8, 8, 8, 8, 5]);
    expect(new Set(rows.map(({ comparison }) => comparison?.executions?.change))).toEqual(
      new Set([0]),
    );
  });

  it("stand on a board at the place they had", async () => {
    const board = await rankGroups(
      ctx,
      W,
      "agent",
      { ...week, timezone: ZONE },
      AGENT_CRITERIA.runs,
      1,
    );
    expect(board.meta.compared).toMatchObject({ to: "2026-06-11T12:30:00-04:00", elapsed: true });
    expect(board.entries.map(({ id, change }) => [id, change])).toEqual([
      ["a0", 0],
      ["a1", 0],
    ]);
  });

  it("are exported with what is over", async () => {
    const question = {
      workspaceId: W,
      range: week,
      timezone: ZONE,
      filters: [],
      query: { measures: ["executions" as const], granularity: "day" as const },
      now: NOW,
    };
    const columns = metricsSource.columns(question);
    expect(columns.slice(0, 2)).toEqual([
      { name: "bucket", kind: "timestamp" },
      { name: "complete", kind: "boolean" },
    ]);
    const opened = await metricsSource.open(readable(ctx.db), question, columns);
    expect(await exportedRows(opened, columns)).toMatchObject([
      { bucket: "2026-06-15T00:00:00-04:00", complete: true, executions: 8 },
      ...[{ complete: true }, { complete: true }, { complete: false, executions: 5 }],
      ...[{ complete: false }, { complete: false }, { complete: false }],
    ]);
  });

  it("are in a report the tile without a change, and the line of the days that are over", async () => {
    const request = {
      name: "Week",
      description: null,
      sections: [
        { type: "metrics" as const, title: "Tiles", measures: ["executions" as const] },
        {
          type: "chart" as const,
          title: "Line",
          chart: "line" as const,
          measure: "executions" as const,
        },
      ],
      format: "json" as const,
      from: formatInstant(week.from),
      to: formatInstant(week.to),
      timezone: ZONE,
      filters: [],
      recipients: [],
    };
    const filled = await fillSections(ctx, W, request, week, NOW, async () => undefined);
    const [tiles, line] = filled.map(({ data }) => data);
    expect(tiles).toMatchObject({
      elapsed: true,
      tiles: [{ measure: "executions", value: 29, comparison: { change_ratio: 0 } }],
    });
    if (line?.kind !== "series") throw new Error("The section has no series");
    expect(line.complete).toEqual([true, true, true, false, false, false, false]);
    // The moment of the statement is the real one: all of these days have begun by then.
    expect(line.series[0]?.values).toEqual([8, 8, 8, 5, 0, 0, 0]);
    const drawn = drawingOf(line)?.shapes ?? [];
    const path = drawn.find((shape) => shape.kind === "path");
    expect(path?.kind === "path" ? path.points : []).toHaveLength(3);
    const [, sheet] = sectionSheets(filled);
    expect(sheet?.rows.map((row) => row.complete)).toEqual(line.complete);
  });
});

describe("a range that is not over, through the API", () => {
  const now = Date.now() * 1000;
  const today = Math.floor(now / DAY_US) * DAY_US;
  const [from, to] = [formatInstant(today - 2 * DAY_US), formatInstant(today + 5 * DAY_US)];
  let api: ReturnType<typeof clientOf>;

  beforeAll(async () => {
    await useOwnDatabase();
    const W = "not-over";
    // Ten a day, all in its first hour, so that the moment of the test does not matter.
    const items = Array.from({ length: 20 }, (_, day) =>
      Array.from({ length: 10 }, (_, n) => ({
        id: `r${day}-${n}`,
        agent_id: `a${n % 2}`,
        user_id: `u${n}`,
        status: "success",
        started_at: formatInstant(today - day * DAY_US),
        credits: "1",
      })),
    ).flat();
    await store(executionIntake(testContext(), W), items);
    api = clientOf(await tokenFor(W));
  });
  const get = async (path: string, more = "") => {
    const { status, body } = await api.get(
      `/api/v1${path}?from=${from}&to=${to}&timezone=UTC${more}`,
    );
    expect([path, status, body.errors]).toEqual([path, 200, undefined]);
    return body;
  };
  const DONE = [true, true, false, false, false, false, false];

  it("is compared with the same elapsed part by every view that compares", async () => {
    const answers = {
      summary: await get("/metrics/summary", "&compare=previous_period"),
      comparison: await get("/metrics/comparison"),
      consumption: await get("/credits/consumption"),
      kpis: await get("/executive/kpis"),
      workspace: await get("/workspaces/not-over"),
      analytics: await get("/agents/a0/analytics"),
    };
    const ratios = [
      answers.summary.data.comparison.changes.executions.change_ratio,
      answers.comparison.data.changes.executions.change_ratio,
      answers.consumption.data.change.credits.change_ratio,
      answers.kpis.data.kpis.executions.change_ratio,
      answers.kpis.data.kpis.credits.change_ratio,
      answers.workspace.data.change.executions.change_ratio,
      answers.analytics.data.comparison.previous_period.executions.change_ratio,
    ];
    expect(ratios).toEqual(ratios.map(() => 0));
    for (const { meta } of Object.values(answers))
      expect(meta).toMatchObject({ complete: false, compared: { elapsed: true } });
  });

  it("compares two named periods alike", async () => {
    const { body } = await api.post("/api/v1/comparisons/periods", {
      a: { from: formatInstant(today - 9 * DAY_US), to: from },
      b: { from, to },
    });
    expect(body.data.entities).toMatchObject([
      { id: "a", totals: { executions: 30 }, complete: true, elapsed: true },
      { id: "b", totals: { executions: 30 }, complete: false, elapsed: false },
    ]);
  });

  it("has users of its days that are over against as many days", async () => {
    const { data } = await get("/executive/overview");
    const day = formatInstant(today - DAY_US).slice(0, 10);
    expect(data.users).toMatchObject({
      day,
      complete: true,
      dau: { value: 10, previous: 10 },
      new_users: { value: 0, previous: 0 },
    });
    const first = `from=${formatInstant(today)}&to=${to}&timezone=UTC`;
    const { body } = await api.get(`/api/v1/executive/overview?${first}`);
    expect(body.data.users).toMatchObject({
      complete: false,
      dau: { value: 10, previous: null, change: null },
    });
  });

  it("has buckets that say so in every series", async () => {
    const series = await get("/metrics/series");
    const lists: { complete: boolean }[][] = [
      series.data.rows,
      (await get("/credits/consumption")).data.series,
      (await get("/errors/timeline")).data,
      (await get("/agents/a0/analytics")).data.trend.days,
      (await get("/executive/trends")).data.days,
      (await get("/workspaces/not-over/analytics")).data.consumption.days,
      (await get("/trends/executions", "&granularity=day")).data.points,
      (await get("/users/activity")).data.days,
    ];
    for (const list of lists) expect(list.map(({ complete }) => complete)).toEqual(DONE);
    const { series: hours } = (await get("/metrics/throughput")).data;
    expect(hours.filter(({ complete }: { complete: boolean }) => !complete).length).toBe(
      7 * 24 - Math.floor((Date.now() * 1000 - today + 2 * DAY_US) / HOUR_US),
    );
    const csv = await api.post("/api/v1/metrics/query", {
      measures: ["executions"],
      from,
      to,
      granularity: "day",
    });
    expect(csv.body.data.rows.map(({ complete }: { complete: boolean }) => complete)).toEqual(DONE);
  });
});

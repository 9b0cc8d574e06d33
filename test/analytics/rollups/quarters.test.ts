import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { bucketsOf } from "../../../src/analytics/time/range.ts";
import { DAY_US, HOUR_US, QUARTER_US } from "../../../src/lib/time.ts";
import {
  all,
  ask,
  at,
  CHANGES,
  ctx,
  expectValues,
  fillKernel,
  W,
  within,
} from "../../support/kernel.ts";

beforeAll(fillKernel);

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

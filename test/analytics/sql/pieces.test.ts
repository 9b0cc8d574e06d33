import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { planQuery } from "../../../src/analytics/plan/plan.ts";
import type { QueryPlan } from "../../../src/analytics/plan/plan-types.ts";
import { recentHours } from "../../../src/analytics/plan/split.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { metaRow } from "../../../src/analytics/result/meta-row.ts";
import { FIRST_MINUTE } from "../../../src/analytics/rollups/marks.ts";
import { piecePairs, pieceTables } from "../../../src/analytics/sql/pieces.ts";
import type { TimeRange } from "../../../src/analytics/time/time-range.ts";
import { instantList } from "../../../src/db/instants.ts";
import { DAY_US, HOUR_US, MINUTE_US, parseInstant } from "../../../src/lib/time.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { runAll } from "../../support/neighbour.ts";

const SOURCES = ["day", "hour", "quarter", "minute", "raw"] as const;
const ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu"];
const NOW = Date.now() * 1000;
/** Of four days, the last of which is today. */
const START = (Math.floor(NOW / DAY_US) - 3) * DAY_US;
const MINUTES = 4 * 24 * 60;

beforeAll(useOwnDatabase);

/** The minutes (from START) that ranges cover. */
const minutesOf = (ranges: readonly TimeRange[]) =>
  new Set(
    ranges.flatMap(({ from, to }) =>
      Array.from(
        { length: Math.max(0, to - from) / MINUTE_US },
        (_, n) => (from - START) / MINUTE_US + n,
      ),
    ),
  );
const unitsOf = (starts: readonly number[], unit: number) =>
  minutesOf(starts.map((at) => ({ from: at, to: at + unit })));

const marks = (unit: number) =>
  fc
    .uniqueArray(fc.nat((MINUTES * MINUTE_US) / unit - 1), { maxLength: 40 })
    .map((list) => list.sort((a, b) => a - b).map((n) => START + n * unit));

/** Which source answers a minute, by the definition: each level in turn. */
function sourceOf(
  minute: number,
  pieces: Record<"day" | "hour" | "quarter", Set<number>> & { fallback: Set<number> },
  marked: Record<"days" | "hours" | "withoutQuarters" | "minutes", Set<number>>,
  hasHours: boolean,
  read: Set<number>,
): "day" | "hour" | "quarter" | "minute" | "raw" {
  if (pieces.day.has(minute) && !marked.days.has(minute)) return "day";
  if (pieces.quarter.has(minute) && !marked.withoutQuarters.has(minute)) return "quarter";
  const isOfHours = [pieces.day, pieces.hour, pieces.fallback].some((list) => list.has(minute));
  if (!hasHours) return "raw";
  if (isOfHours && !marked.hours.has(minute)) return "hour";
  return read.has(minute) && !marked.minutes.has(minute) ? "minute" : "raw";
}

interface Given {
  days: number[];
  hours: number[];
  minutes: number[];
  /** Days that have rows of quarters. */
  quartered: number[];
}

/** Pieces as the database finds them, and the first minute that it lets be read. */
async function foundPieces(plan: QueryPlan, { days, hours, minutes, quartered }: Given) {
  const { db } = testContext();
  const marked = (unit: string, buckets: number[]) => sql`
    insert into rollup_marks (unit, workspace_id, bucket, with_minutes)
    select ${unit}, ${plan.workspaceId}, unnest(${instantList([...buckets, ...buckets])}), true`;
  await runAll(
    db,
    marked("day", days),
    marked("hour", hours),
    marked("minute", minutes),
    sql`insert into execution_quarters_daily
        (workspace_id, grain, bucket, agent_id, status, quarters, executions)
      select ${plan.workspaceId}, 'total', unnest(${instantList(quartered)}), '', '', '{}', '{}'`,
  );
  return db.one({
    sql: sql`with ${pieceTables(plan)}
      select jsonb_build_object(${piecePairs(plan)}) as meta, ${FIRST_MINUTE} as first_minute`,
    row: z.object({ meta: metaRow.pick({ pieces: true }), first_minute: z.string() }),
  });
}

describe("The pieces of a question", () => {
  it("go to the source that answers each by the definition, whatever is marked", async () => {
    let workspaces = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(MINUTES / 2),
        fc.integer({ min: 1, max: MINUTES / 2 }),
        fc.constantFrom(...ZONES),
        fc.constantFrom("hour" as const, "day" as const),
        fc.constantFrom("agent", "model"),
        fc.constantFrom("executions" as const, "credits" as const),
        fc.tuple(marks(DAY_US), marks(HOUR_US), marks(DAY_US)),
        // The clock of the reader is some hours from the database's.
        fc.constantFrom(0, 0, 0, -2, -1, 1, 2),
        fc.uniqueArray(fc.nat(3 * 60 - 1), { maxLength: 30 }),
        async (from, length, timezone, granularity, group, measure, [days, hours, q], away, of) => {
          const now = NOW + away * HOUR_US;
          const recent = recentHours(now);
          const range = {
            from: START + (MINUTES / 2 - from) * MINUTE_US,
            to: START + (MINUTES / 2 - from + length + 1) * MINUTE_US,
          };
          const query: Query = {
            measures: [measure],
            ...range,
            timezone,
            granularity,
            group_by: [group],
            limit: 1,
          };
          const { plan } = planQuery(`pieces-${++workspaces}`, query, now);
          const minutes = of.map((n) => recent.from + n * MINUTE_US);
          const found = await foundPieces(plan, { days, hours, minutes, quartered: q });
          const firstMinute = parseInstant(found.first_minute) ?? 0;
          const { pieces: split, source } = plan;
          const pieces = {
            day: minutesOf(split.day),
            hour: minutesOf(split.hour),
            quarter: minutesOf(split.quarter),
            fallback: minutesOf(split.fallback.hour),
          };
          // A mark outside of the range says nothing of what the day holds inside of it.
          const inside = hours.filter((at) => at + HOUR_US > range.from && at < range.to);
          const dirty = [...days, ...inside.map((at) => Math.floor(at / DAY_US) * DAY_US)];
          const all = Array.from({ length: 4 }, (_, n) => START + n * DAY_US);
          const marked = {
            days: unitsOf(dirty, DAY_US),
            hours: unitsOf(hours, HOUR_US),
            withoutQuarters: unitsOf(
              all.filter((day) => dirty.includes(day) || !q.includes(day)),
              DAY_US,
            ),
            minutes: unitsOf(minutes, MINUTE_US),
          };
          const read = minutesOf([{ from: Math.max(recent.from, firstMinute), to: recent.to }]);
          const asked = [...minutesOf([range])];
          for (const name of SOURCES) {
            const list = (found.meta.pieces[name] ?? []).map(([start, end]) => ({
              from: parseInstant(start) ?? 0,
              to: parseInstant(end) ?? 0,
            }));
            const expected = asked.filter(
              (m) => sourceOf(m, pieces, marked, source.hourly !== undefined, read) === name,
            );
            expect([name, minutesOf(list)]).toEqual([name, new Set(expected)]);
            // Disjoint and apart: what touches is one piece, which one index range reads.
            expect(list.every(({ from: at }, n) => n === 0 || at > (list[n - 1]?.to ?? 0))).toBe(
              true,
            );
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { runInOneSnapshot } from "../../../src/analytics/prepared.ts";
import type { TimeRange } from "../../../src/analytics/time/time-range.ts";
import { type SessionFigures, sessionFigures } from "../../../src/analytics/users/sessions.ts";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { reconcileRollups, runRollups } from "../../../src/features/rollups/run.ts";
import { storeChecked } from "../../../src/intake/items.ts";
import { DAY_US, MINUTE_US, parseInstant } from "../../../src/lib/time.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

beforeAll(useOwnDatabase);
const FROM = parseInstant("2026-10-05T00:00:00Z") ?? 0;
const DAYS = 4;
const GAP = 30 * MINUTE_US;
const CLASSES_US = [30, 120, 300, 900, 1_800].map((seconds) => seconds * 1_000_000);

interface Moment {
  user: string;
  at: number;
  kind: "execution" | "event";
}

/** Minutes that are whole more often than not, near midnight more often than not: where sessions meet. */
const minute = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat(DAYS), fc.integer({ min: -70, max: 70 }))
      .map(([day, offset]) => day * 1_440 + offset),
  },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: DAYS * 1_440 }) },
);
const moment = fc
  .record({
    user: fc.constantFrom("u1", "u2", "u3"),
    minute,
    us: fc.constantFrom(0, 0, 0, 1, 29_999_999, 59_999_999),
    kind: fc.constantFrom("execution" as const, "event" as const),
  })
  .map(({ minute: of, us, ...rest }): Moment => ({ ...rest, at: FROM + of * MINUTE_US + us }));
const range = fc
  .tuple(
    fc.integer({ min: -60, max: DAYS * 1_440 }),
    fc.integer({ min: 1, max: DAYS * 1_440 }),
    fc.boolean(),
  )
  .map(([start, length, whole]): TimeRange => {
    const from = whole ? Math.floor(start / 1_440) * 1_440 : start;
    return {
      from: FROM + from * MINUTE_US,
      to: FROM + (from + (whole ? Math.ceil(length / 1_440) * 1_440 : length)) * MINUTE_US,
    };
  });

/** The rule, told user by user over sorted moments. */
function oracle(moments: readonly Moment[], { from, to }: TimeRange) {
  const found: { user: string; length: number; activities: number }[] = [];
  for (const user of new Set(moments.map((each) => each.user))) {
    const times = moments
      .filter((each) => each.user === user && each.at >= from - GAP && each.at < to)
      .map((each) => each.at);
    let current: number[] = [];
    const close = () => {
      const [first, last] = [current[0], current.at(-1)];
      if (first !== undefined && last !== undefined && first >= from)
        found.push({ user, length: last - first, activities: current.length });
    };
    for (const at of times.sort((a, b) => a - b)) {
      const before = current.at(-1);
      if (before !== undefined && at - before >= GAP) {
        close();
        current = [];
      }
      current.push(at);
    }
    close();
  }
  return found;
}

function check(answer: SessionFigures, found: ReturnType<typeof oracle>) {
  const lengths = found.map((each) => each.length).sort((a, b) => a - b);
  const sum = (list: number[]) => list.reduce((total, each) => total + each, 0);
  const of = (part: number) => (found.length === 0 ? null : part / found.length);
  const users = new Set(found.map((each) => each.user)).size;
  expect(answer).toMatchObject({
    sessions: found.length,
    users,
    sessions_per_user: users === 0 ? null : found.length / users,
    activities_per_session: of(sum(found.map((each) => each.activities))),
    single_activity_rate: of(found.filter((each) => each.activities === 1).length),
  });
  expect(answer.lengths.map((each) => each.sessions)).toEqual(
    [0, ...CLASSES_US].map(
      (low, index) =>
        lengths.filter(
          (each) => each >= low && each < (CLASSES_US[index] ?? Number.POSITIVE_INFINITY),
        ).length,
    ),
  );
  if (found.length === 0)
    return expect(answer.duration_ms).toEqual({ avg: null, p50: null, p90: null });
  expect(answer.duration_ms.avg).toBeCloseTo(sum(lengths) / lengths.length / 1000, 3);
  for (const [q, value] of [
    [0.5, answer.duration_ms.p50],
    [0.9, answer.duration_ms.p90],
  ] as const) {
    const exact = (lengths[Math.max(1, Math.ceil(q * lengths.length)) - 1] ?? 0) / 1000;
    expect(Math.abs((value ?? Number.NaN) - exact)).toBeLessThanOrEqual(
      Math.max(0.01 * exact, exact < 1 ? 1 : 0) + 1e-9,
    );
  }
}

async function store(
  ctx: ReturnType<typeof testContext>,
  workspaceId: string,
  moments: readonly Moment[],
  prefix: string,
) {
  for (const kind of ["execution", "event"] as const) {
    const intake =
      kind === "execution" ? executionIntake(ctx, workspaceId) : eventIntake(ctx, workspaceId);
    const items = moments
      .filter((each) => each.kind === kind)
      .map(({ user, at }, index) => {
        const time = `${new Date(Math.floor(at / 1000)).toISOString().slice(0, -1)}${String(at % 1000).padStart(3, "0")}Z`;
        const id = `${prefix}-${index}`;
        return kind === "execution"
          ? {
              id,
              agent_id: "a",
              user_id: user,
              status: "success",
              started_at: time,
              duration_ms: 5,
            }
          : { id, event_type: "click", user_id: user, occurred_at: time };
      });
    const results = await storeChecked(
      intake as never,
      items.map((item) => intake.check(item, Date.now(), { id: "", reproducible: false })) as never,
    );
    expect(results.filter((each) => each.result !== "created")).toEqual([]);
  }
}

it("sessions are the same from raw moments, from rollups and from both, with events, over every midnight", async () => {
  const ctx = testContext();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.array(moment, { minLength: 40, maxLength: 80 }),
        fc.array(moment, { maxLength: 5 }),
      ),
      fc.array(moment, { maxLength: 5 }),
      fc
        .array(range, { minLength: 3, maxLength: 3 })
        .map((ranges) => [...ranges, { from: FROM, to: FROM + DAYS * DAY_US }]),
      async (early, late, ranges) => {
        const workspaceId = `sessions-${run++}`;
        const ask = async (moments: readonly Moment[]) => {
          const answers = await runInOneSnapshot(
            ctx.db,
            ranges.map((each) => sessionFigures(workspaceId, each)),
          );
          answers.forEach((answer, index) => {
            check(answer, oracle(moments, ranges[index] ?? { from: 0, to: 0 }));
          });
          return answers.map(({ rows: _, rolledDays: __, ...rest }) => rest);
        };
        await store(ctx, workspaceId, early, "early");
        const raw = await ask(early);
        const roll = async () => {
          await runRollups(ctx, "hour");
          await runRollups(ctx, "session");
        };
        await roll();
        expect(await ask(early)).toEqual(raw);
        await store(ctx, workspaceId, late, "late");
        const mixed = await ask([...early, ...late]);
        await roll();
        expect(await ask([...early, ...late])).toEqual(mixed);
      },
    ),
    { numRuns: 25 },
  );
  expect(await reconcileRollups(ctx, 200)).toBe(0);
  const whole = { from: FROM - DAY_US, to: FROM + (DAYS + 1) * DAY_US };
  const [{ rows }] = await runInOneSnapshot(ctx.db, [sessionFigures("sessions-0", whole)]);
  expect(rows).toBe(0);
  const found = await ctx.db.maybe({
    sql: sql`select count(*) as n from sessions_daily`,
    row: z.object({ n: z.number() }),
  });
  expect(found?.n).toBeGreaterThan(20);
});

it("a day that was never rolled up is read from its moments, marked or not", async () => {
  const ctx = testContext();
  const moments = [5, 20, 24 * 60 - 10, 24 * 60 + 10, 30 * 60].map(
    (of, index): Moment => ({
      user: "u",
      at: FROM + of * MINUTE_US,
      kind: index % 2 === 0 ? "event" : "execution",
    }),
  );
  await store(ctx, "sessions-unknown", moments, "all");
  const whole = { from: FROM, to: FROM + 2 * DAY_US };
  const ask = async () =>
    (await runInOneSnapshot(ctx.db, [sessionFigures("sessions-unknown", whole)]))[0];
  for (const unit of ["hour", "session"] as const) await runRollups(ctx, unit);
  const rolled = await ask();
  check(rolled, oracle(moments, whole));
  expect(rolled.rolledDays).toBe(2);
  for (const table of ["rollup_marks", "sessions_daily", "session_edges_daily"])
    await ctx.db.run(
      sql`delete from ${sql.identifier(table)} where workspace_id = 'sessions-unknown'`,
    );
  const unknown = await ask();
  check(unknown, oracle(moments, whole));
  expect([unknown.rolledDays, unknown.rows]).toEqual([0, moments.length]);
});

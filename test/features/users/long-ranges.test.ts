import { beforeAll, expect, it } from "vitest";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { random } from "../../support/days.ts";
import { store } from "../../support/store.ts";

const DAY_MS = 86_400_000;
const FIRST = Date.parse("2000-01-01T00:00:00Z");
/** 27 years by day. */
const DAYS = 9_862;
const RANGE = `from=2000-01-01T00:00:00Z&to=${new Date(FIRST + DAYS * DAY_MS).toISOString()}&timezone=UTC`;
/** Days (from the first one) on which each user was there. */
const users = new Map<string, number[]>();
let api: ReturnType<typeof clientOf>;

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  const next = random(23);
  const items: unknown[] = [];
  for (let n = 0; n < 3_000; n++) {
    // Few months: each is a partition of its own.
    const day = [0, 4_000, 9_700][n % 3] ?? 0;
    const at = day + Math.floor(next() * 28);
    const user = `u${Math.floor(next() * 400)}`;
    users.set(user, [...(users.get(user) ?? []), at]);
    items.push({
      ...{ id: `x${n}`, agent_id: "a", user_id: user, status: "success" },
      started_at: new Date(FIRST + at * DAY_MS + 1000).toISOString(),
    });
  }
  await store(executionIntake(ctx, "long"), items);
  for (const unit of ["hour", "day"] as const) await runRollups(ctx, unit);
  api = clientOf(await tokenFor("long"));
});

it("cohorts of every day of 27 years are a row each, as brute force has them", async () => {
  const { status, body } = await api.get(`/api/v1/users/cohorts?${RANGE}&granularity=day`);
  expect([status, body.data?.cohorts.length]).toEqual([200, DAYS]);
  const over = Math.min(DAYS, Math.floor((Date.now() - FIRST) / DAY_MS));
  const expected = new Map<number, { size: number; returned: number; still_active: number }>();
  for (const days of users.values()) {
    const first = Math.min(...days);
    const cohort = expected.get(first) ?? { size: 0, returned: 0, still_active: 0 };
    cohort.size++;
    if (days.some((day) => day > first)) cohort.returned++;
    if (days.includes(over - 1) && first < over - 1) cohort.still_active++;
    expected.set(first, cohort);
  }
  const none = { size: 0, returned: 0, still_active: 0 };
  const wrong = body.data.cohorts.filter(
    (each: typeof none, day: number) =>
      JSON.stringify([each.size, each.returned, each.still_active]) !==
      JSON.stringify(Object.values(expected.get(day) ?? none)),
  );
  expect(wrong).toEqual([]);
});

it("a matrix of all their days is refused before it is read, with its number of cells", async () => {
  const { status, body } = await api.get(`/api/v1/users/retention?${RANGE}&granularity=day`);
  expect([status, body.code]).toEqual([422, "too_many_cells"]);
  expect(body.errors[0]).toMatchObject({ amount: DAYS * 31, limit: 50_000 });
});

it.each(["classic", "rolling", "bounded"])(
  "a matrix of few offsets over all of them is as brute force has it (%s)",
  async (mode) => {
    const { status, body } = await api.get(
      `/api/v1/users/retention?${RANGE}&granularity=day&max_offset=4&mode=${mode}`,
    );
    expect(status).toBe(200);
    const wrong: unknown[] = [];
    const by = new Map<number, number[][]>();
    for (const days of users.values()) {
      const first = Math.min(...days);
      by.set(first, [...(by.get(first) ?? []), days.map((day) => day - first)]);
    }
    for (const [index, { cells }] of body.data.cohorts.entries()) {
      const members = by.get(index) ?? [];
      for (const { offset, users: found } of cells) {
        const counts = (offsets: number[]) =>
          mode === "rolling"
            ? offsets.some((each) => each >= offset)
            : mode === "bounded" && offset > 0
              ? offsets.some((each) => each >= 1 && each <= offset)
              : offsets.includes(offset);
        if (members.filter(counts).length !== found) wrong.push([index, offset, found]);
      }
    }
    expect(wrong).toEqual([]);
  },
);

import { beforeAll, describe, expect, it } from "vitest";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { daysBetween, localDate, plusDays, random, weekOf } from "../../support/days.ts";
import { store } from "../../support/store.ts";

/** Each cuts UTC days elsewhere: behind UTC, before it, by half an hour, by three quarters, a day ahead. */
const ZONES = [
  "America/New_York",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "Pacific/Honolulu",
];
const FRESH = { "cache-control": "no-cache" };

interface Sign {
  user: string;
  at: string;
  kind: "success" | "failure" | "event";
}

/** Rows as they came, hours rolled up while their days still wait, and all rolled up. */
const STATES = [[], ["hour"], ["day", "session"]] as const;

async function rollUp(units: (typeof STATES)[number]) {
  for (const unit of units) await runRollups(testContext(), unit);
}

async function keep(workspace: string, signs: readonly Sign[]) {
  const ctx = testContext();
  await store(
    executionIntake(ctx, workspace),
    signs.flatMap(({ user, at, kind }, n) =>
      kind === "event"
        ? []
        : [{ id: `x${n}`, agent_id: "a", user_id: user, status: kind, started_at: at }],
    ),
  );
  await store(
    eventIntake(ctx, workspace),
    signs.flatMap(({ user, at, kind }, n) =>
      kind === "event" ? [{ id: `v${n}`, event_type: "e", user_id: user, occurred_at: at }] : [],
    ),
  );
  return clientOf(await tokenFor(workspace));
}

/** The local days of each user's signs, in their order. */
function daysOf(signs: readonly Sign[], zone: string, wanted: (sign: Sign) => boolean) {
  const days = new Map<string, string[]>();
  for (const sign of signs.filter(wanted))
    days.set(sign.user, [...(days.get(sign.user) ?? []), localDate(sign.at, zone)]);
  for (const list of days.values()) list.sort();
  return days;
}

/** Signs of a few users within nine days, many of them close to a midnight of some zone. */
function randomLog(seed: number): Sign[] {
  const next = random(seed);
  return Array.from({ length: 70 }, () => {
    const hours = Math.floor(next() * 9 * 24) + Math.floor(next() * 4) / 4;
    return {
      user: `u${Math.floor(next() * 18)}`,
      at: new Date(Date.parse("2026-05-01T00:00:00Z") + hours * 3_600_000).toISOString(),
      kind: (["success", "failure", "event"] as const)[Math.floor(next() * 3)] ?? "event",
    };
  });
}

/** Moments inside of UTC days, which are local midnights or not. */
function randomRange(seed: number) {
  const next = random(seed);
  const start = Date.parse("2026-05-02T00:00:00Z") + Math.floor(next() * 3 * 96) * 900_000;
  const length = 900_000 + Math.floor(next() * 4 * 96) * 900_000;
  return { from: new Date(start).toISOString(), to: new Date(start + length).toISOString() };
}

const ENTRIES: [query: string, wanted: (sign: Sign) => boolean][] = [
  ["cohort=first_activity", () => true],
  ["cohort=first_success", ({ kind }) => kind === "success"],
  ["cohort=event&event_type=e", ({ kind }) => kind === "event"],
];

beforeAll(useOwnDatabase);

describe("a range that ends inside a UTC day", () => {
  const logs = [3, 5].map((seed) => ({
    workspace: `log-${seed}`,
    seed,
    signs: randomLog(seed),
    api: undefined as ReturnType<typeof clientOf> | undefined,
  }));
  beforeAll(async () => {
    for (const log of logs) log.api = await keep(log.workspace, log.signs);
  });

  async function compare(state: number) {
    await rollUp(STATES[state] ?? []);
    for (const { seed, signs, api } of logs) {
      for (const [place, zone] of ZONES.entries()) {
        const { from, to } = randomRange(seed * 100 + place + 50 * state);
        const range = `from=${from}&to=${to}&timezone=${zone}`;
        const last = localDate(new Date(Date.parse(to) - 1).toISOString(), zone);
        const first = localDate(from, zone);
        const get = async (path: string) => {
          const { status, body } = (await api?.get(`/api/v1${path}`, FRESH)) ?? {};
          expect([path, status]).toEqual([path, 200]);
          return body;
        };
        const at = [seed, zone, range, state];
        const users = [...daysOf(signs, zone, () => true).values()];

        const { data: activity } = await get(`/users/activity?${range}`);
        for (const day of activity.days) {
          const today = users.filter((days) => days.includes(day.day));
          const fresh = today.filter((days) => days[0] === day.day).length;
          const returning = today.length - fresh;
          expect([at, day]).toMatchObject([
            at,
            { dau: today.length, new: fresh, returning, resurrected: 0 },
          ]);
        }
        expect([activity.days[0].day, activity.days.at(-1).day]).toEqual([first, last]);
        expect(activity.active_users).toBe(
          users.filter((days) => days.some((day) => day >= first && day <= last)).length,
        );

        const { data: executive } = await get(`/executive/overview?${range}`);
        expect([at, executive.users.new_users.value]).toEqual([
          at,
          users.filter(([day = ""]) => day >= first && day <= last).length,
        ]);

        for (const [query, wanted] of ENTRIES)
          for (const granularity of ["day", "week"] as const) {
            const bucketOf = granularity === "day" ? (day: string) => day : weekOf;
            const entries = daysOf(signs, zone, wanted);
            // A range of weeks is of whole ones.
            const end = granularity === "day" ? last : plusDays(weekOf(last), 6);
            for (const back of ["", "&return_event_type=e"]) {
              const there = daysOf(signs, zone, ({ kind }) => back === "" || kind === "event");
              const path = `?${range}&granularity=${granularity}&${query}${back}`;
              const { data } = await get(`/users/retention${path}`);
              for (const [index, { cohort, size, cells }] of data.cohorts.entries()) {
                const members = [...entries].filter(([, [day = ""]]) => bucketOf(day) === cohort);
                expect([at, path, cohort, size]).toEqual([at, path, cohort, members.length]);
                for (const { offset, users: found } of cells) {
                  const bucket = data.cohorts[index + offset].cohort;
                  const expected = members.filter(([user]) =>
                    there.get(user)?.some((day) => bucketOf(day) === bucket && day <= end),
                  ).length;
                  expect([at, path, cohort, offset, found]).toEqual([
                    at,
                    path,
                    cohort,
                    offset,
                    expected,
                  ]);
                }
              }
              if (back !== "") continue;
              const { data: list } = await get(`/users/cohorts${path}`);
              expect(list.cohorts.map(({ size }: { size: number }) => size)).toEqual(
                data.cohorts.map(({ size }: { size: number }) => size),
              );
            }
          }

        const { data: churn } = await get(
          `/users/churn?to=${to}&timezone=${zone}&window_days=2&windows=2`,
        );
        for (const window of churn.windows) {
          const [begin, end] = [window.from.slice(0, 10), window.to.slice(0, 10)];
          const active = (days: string[], a: string, b: string) =>
            days.some((day) => day >= a && day < b);
          const before = users.filter((days) => active(days, plusDays(begin, -2), begin));
          const kept = before.filter((days) => active(days, begin, end)).length;
          expect([at, window]).toMatchObject([
            at,
            { active_before: before.length, kept_users: kept },
          ]);
          expect(daysBetween(begin, end)).toBe(2);
        }

        const { data: listed } = await get(`/users?from=${from}&to=${to}&limit=1000`);
        const inside = signs.filter(({ at, kind }) => kind !== "event" && at >= from && at < to);
        expect(new Set(listed.map(({ id }: { id: string }) => id))).toEqual(
          new Set(inside.map(({ user }) => user)),
        );
      }
    }
  }

  it.each([
    ["raw rows", 0],
    ["raw rows of days that wait", 1],
    ["rollups", 2],
  ])("counts nobody who came later, as brute force does, from %s", async (_, state) => {
    await compare(state);
  });
});

describe("users who came after the last local day", () => {
  it("are not new on it, fresh and rolled up", async () => {
    const zone = "America/New_York";
    const today = localDate(new Date().toISOString(), zone);
    const yesterday = plusDays(today, -1);
    // New York's midnight lies between 04:00 and 05:00 UTC: 17:00, 06:00 and 07:00 UTC are noon, and
    // one and two o'clock of the next day (an hour later in winter).
    const signs: Sign[] = [
      { user: "A", at: `${yesterday}T17:00:00Z`, kind: "success" },
      { user: "B", at: `${today}T06:00:00Z`, kind: "success" },
      { user: "C", at: `${today}T07:00:00Z`, kind: "success" },
    ];
    const api = await keep("after-the-day", signs);
    const range = `from=${yesterday}T05:00:00Z&to=${today}T04:00:00Z&timezone=${zone}`;
    for (const units of STATES) {
      await rollUp(units);
      const get = async (path: string) => (await api.get(`/api/v1${path}`, FRESH)).body.data;
      const activity = await get(`/users/activity?${range}`);
      expect(activity.days.at(-1)).toMatchObject({ dau: 1, new: 1, resurrected: 0 });
      const { cohorts } = await get(`/users/cohorts?${range}&granularity=day`);
      expect(cohorts.at(-1)).toMatchObject({ cohort: yesterday, size: 1 });
      const { users } = await get(`/executive/overview?${range}`);
      expect(users.new_users.value).toBe(1);
    }
  });

  it("are of no cohort of first success, fresh and rolled up, whatever counts as coming back", async () => {
    const api = await keep("success-after", [
      { user: "A", at: "2026-05-02T16:00:00Z", kind: "failure" },
      { user: "A", at: "2026-05-03T05:00:00Z", kind: "success" },
    ]);
    const range =
      "from=2026-05-02T00:00:00-04:00&to=2026-05-03T00:00:00-04:00&timezone=America/New_York";
    for (const units of STATES) {
      await rollUp(units);
      for (const back of ["", "&return_event_type=e"])
        for (const view of ["cohorts", "retention"]) {
          const path = `/api/v1/users/${view}?${range}&granularity=day&cohort=first_success`;
          const { body } = await api.get(path + (view === "retention" ? back : ""), FRESH);
          expect(body.data.cohorts).toMatchObject([{ cohort: "2026-05-02", size: 0 }]);
        }
    }
  });
});

import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { daysBetween, localDate, plusDays, random, weekOf } from "../../support/days.ts";
import { store } from "../../support/store.ts";

const W = "users";
const FIRST_DAY = "2026-02-20";
const DAYS = 75;
interface Sign {
  user: string;
  at: string;
  kind: "execution" | "event";
  success: boolean;
  name: string | null;
}
const signs: Sign[] = [];
/** Starts of runs of no user. */
const machines: string[] = [];
let api: ReturnType<typeof clientOf>;

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  const next = random(11);
  const [executions, events]: [unknown[], unknown[]] = [[], []];
  for (let n = 0; n < 2600; n++) {
    const user = `u${Math.floor(next() ** 2 * 60)}`;
    // Users come in spells, so that there is somebody to leave and to come back.
    const spell = Math.floor(next() * 2) * 45 + Number(user.slice(1)) / 4;
    const at = new Date(
      Date.parse(`${FIRST_DAY}T00:00:00Z`) + (spell + next() * next() * 12) * 86_400_000,
    ).toISOString();
    if (next() < 0.6) {
      const success = next() < 0.5;
      executions.push({
        id: `x${n}`,
        agent_id: `a${n % 4}`,
        user_id: user,
        status: success ? "success" : "failure",
        started_at: at,
      });
      signs.push({ user, at, kind: "execution", success, name: null });
    } else {
      const name = ["open", "share", "buy"][Math.floor(next() * 3)] ?? "";
      events.push({
        id: `v${n}`,
        event_type: "feature_use",
        event_name: name,
        user_id: user,
        occurred_at: at,
      });
      signs.push({ user, at, kind: "event", success: false, name });
    }
  }
  // Runs of no user, before, between and after all others, are nobody's activity.
  for (let n = 0; n < 300; n++) {
    const at = new Date(
      Date.parse(`${FIRST_DAY}T00:00:00Z`) + (n * 0.4 - 20) * 86_400_000,
    ).toISOString();
    machines.push(at);
    executions.push({
      id: `machine-${n}`,
      agent_id: "cron",
      ...(n % 2 ? { user_id: null } : {}),
      status: n % 3 ? "success" : "failure",
      started_at: at,
    });
  }
  // Another workspace's user of the same name changes nothing.
  await store(executionIntake(ctx, "users-other"), [
    {
      id: "o",
      agent_id: "a",
      user_id: "u1",
      status: "success",
      started_at: "2026-01-01T00:00:00Z",
    },
  ]);
  await store(executionIntake(ctx, W), executions);
  await store(eventIntake(ctx, W), events);
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  // Part of the days wait for their next rollup: presence then comes from raw rows.
  await ctx.db.run(
    sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from executions where workspace_id = ${W} and (id like 'x1%' or id like 'machine-1%')`,
  );
  api = clientOf(await tokenFor(W));
});

const range = (zone: string) => {
  // Local midnights, given as UTC noon so that they are inside of the day in every zone.
  return `from=${plusDays(FIRST_DAY, 20)}T12:00:00Z&to=${plusDays(FIRST_DAY, DAYS)}T12:00:00Z&timezone=${zone}`;
};
const byUser = (zone: string, keep: (sign: Sign) => boolean = () => true) => {
  const days = new Map<string, Set<string>>();
  for (const sign of signs.filter(keep)) {
    const set = days.get(sign.user) ?? new Set();
    days.set(sign.user, set.add(localDate(sign.at, zone)));
  }
  return days;
};

const ZONES = ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"];

describe("activity", () => {
  it.each(ZONES)(
    "counts users of the day, week and month and their lifecycle, as brute force does, in %s",
    async (zone) => {
      const { status, body } = await api.get(`/api/v1/users/activity?${range(zone)}&explain=true`);
      expect(status).toBe(200);
      const users = [...byUser(zone).values()];
      const [first] = body.data.days;
      expect(first.day).toBe(localDate(`${plusDays(FIRST_DAY, 20)}T12:00:00Z`, zone));
      body.data.days.forEach((day: Record<string, number | string>, index: number) => {
        const date = String(day.day);
        if (index > 0) expect(date).toBe(plusDays(String(body.data.days[index - 1].day), 1));
        const within = (length: number) =>
          users.filter((days) =>
            [...days].some(
              (each) => daysBetween(each, date) >= 0 && daysBetween(each, date) < length,
            ),
          ).length;
        const [dau, wau, mau] = [within(1), within(7), within(30)];
        const today = users.filter((days) => days.has(date));
        const fresh = today.filter((days) => [...days].sort()[0] === date).length;
        const returning = today.filter((days) =>
          [...days].some((each) => daysBetween(each, date) > 0 && daysBetween(each, date) <= 30),
        ).length;
        const dormant = users.filter(
          (days) =>
            days.has(plusDays(date, -30)) &&
            ![...days].some((each) => daysBetween(each, date) >= 0 && daysBetween(each, date) < 30),
        ).length;
        expect(day).toMatchObject({
          dau,
          wau,
          mau,
          new: fresh,
          returning,
          resurrected: dau - fresh - returning,
          dormant,
          stickiness: mau === 0 ? null : dau / mau,
        });
        expect(Number(day.new) + Number(day.returning) + Number(day.resurrected)).toBe(day.dau);
      });
      const asked = new Set(body.data.days.map((day: { day: string }) => day.day));
      expect(body.data.active_users).toBe(
        users.filter((days) => [...days].some((day) => asked.has(day))).length,
      );
      expect(body.data.days.some((day: { dormant: number }) => day.dormant > 0)).toBe(true);
      expect(body.data.days.some((day: { resurrected: number }) => day.resurrected > 0)).toBe(true);
    },
  );

  it.each(["UTC", "Asia/Kolkata"])(
    "finds sessions by the 30-minute rule, features and hours in %s",
    async (zone) => {
      const { body } = await api.get(`/api/v1/users/activity?${range(zone)}`);
      const days = new Set(body.data.days.map((day: { day: string }) => day.day));
      const here = (at: string) => days.has(localDate(at, zone));
      const found: { user: string; lengths: number; n: number }[] = [];
      for (const user of new Set(signs.map((sign) => sign.user))) {
        const times = signs
          .filter((sign) => sign.user === user)
          .map((sign) => sign.at)
          .sort();
        let start = -1;
        times.forEach((at, index) => {
          const before = times[index - 1];
          if (before === undefined || Date.parse(at) - Date.parse(before) >= 1_800_000)
            start = index;
          const after = times[index + 1];
          const ends =
            after === undefined || !here(after) || Date.parse(after) - Date.parse(at) >= 1_800_000;
          if (ends && here(times[start] ?? "") && here(at))
            found.push({
              user,
              lengths: Date.parse(at) - Date.parse(times[start] ?? ""),
              n: index - start + 1,
            });
        });
      }
      const lengths = found.map((each) => each.lengths).sort((a, b) => a - b);
      expect(body.data.sessions).toMatchObject({
        sessions: found.length,
        users: new Set(found.map((each) => each.user)).size,
        single_activity_rate: found.filter((each) => each.n === 1).length / found.length,
        activities_per_session: found.reduce((sum, each) => sum + each.n, 0) / found.length,
      });
      const p90 = lengths[Math.ceil(0.9 * lengths.length) - 1] ?? 0;
      expect(Math.abs(body.data.sessions.duration_ms.p90 - p90)).toBeLessThanOrEqual(0.01 * p90);
      expect(body.data.sessions.duration_ms.avg).toBeCloseTo(
        lengths.reduce((sum, each) => sum + each, 0) / lengths.length,
        3,
      );
      expect(
        body.data.sessions.lengths.reduce(
          (sum: number, each: { sessions: number }) => sum + each.sessions,
          0,
        ),
      ).toBe(found.length);
      for (const feature of body.data.feature_use) {
        const uses = signs.filter((sign) => sign.name === feature.event_name && here(sign.at));
        expect([feature.events, feature.users]).toEqual([
          uses.length,
          new Set(uses.map((sign) => sign.user)).size,
        ]);
        expect(feature.adoption_rate).toBe(feature.users / body.data.active_users);
      }
      const total = body.data.heatmap.reduce(
        (sum: number, cell: { executions: number }) => sum + cell.executions,
        0,
      );
      const starts = signs.flatMap((sign) => (sign.kind === "execution" ? [sign.at] : []));
      expect(total).toBe([...starts, ...machines].filter(here).length);
    },
  );
});

describe("retention", () => {
  const bucketOf = (granularity: string, date: string) =>
    granularity === "week"
      ? weekOf(date)
      : granularity === "month"
        ? `${date.slice(0, 7)}-01`
        : date;
  const kinds: [string, (sign: Sign) => boolean][] = [
    ["cohort=first_activity", () => true],
    ["cohort=first_success", (sign) => sign.success],
    ["cohort=event&event_name=buy", (sign) => sign.name === "buy"],
    [
      "cohort=event&event_type=feature_use&return_event_name=share",
      (sign) => sign.kind === "event",
    ],
  ];
  const cases = ZONES.slice(0, 3).flatMap((zone) =>
    ["day", "week", "month"].flatMap((granularity) =>
      kinds.map(([query, entry]) => [zone, granularity, query, entry] as const),
    ),
  );

  it.each(cases)(
    "in %s by %s, %s, is what brute force gives in all three modes",
    async (zone, granularity, query, entry) => {
      const firsts = new Map(
        [...byUser(zone, entry)].map(([user, days]) => [
          user,
          bucketOf(granularity, [...days].sort()[0] ?? ""),
        ]),
      );
      const back = byUser(
        zone,
        query.includes("return_event_name") ? (sign) => sign.name === "share" : () => true,
      );
      for (const mode of ["classic", "rolling", "bounded"]) {
        const { status, body } = await api.get(
          `/api/v1/users/retention?${range(zone)}&granularity=${granularity}&${query}&mode=${mode}&max_offset=20`,
        );
        expect(status).toBe(200);
        const buckets: string[] = body.data.cohorts.map(
          (cohort: { cohort: string }) => cohort.cohort,
        );
        body.data.cohorts.forEach(
          (
            cohort: {
              size: number;
              cells: { offset: number; users: number; rate: number | null; complete: boolean }[];
            },
            index: number,
          ) => {
            const members = [...firsts]
              .filter(([, bucket]) => bucket === buckets[index])
              .map(([user]) => user);
            expect(cohort.size).toBe(members.length);
            for (const cell of cohort.cells) {
              const offsets = (user: string) =>
                [...(back.get(user) ?? [])].map(
                  (day) => buckets.indexOf(bucketOf(granularity, day)) - index,
                );
              const counts = (list: number[]) =>
                mode === "rolling"
                  ? list.some((each) => each >= cell.offset)
                  : mode === "bounded" && cell.offset > 0
                    ? list.some((each) => each >= 1 && each <= cell.offset)
                    : list.includes(cell.offset);
              const expected = members.filter((user) => counts(offsets(user))).length;
              expect([mode, buckets[index], cell.offset, cell.users]).toEqual([
                mode,
                buckets[index],
                cell.offset,
                expected,
              ]);
              expect(cell).toMatchObject({
                complete: true,
                rate: members.length === 0 ? null : expected / members.length,
              });
            }
          },
        );
        for (const point of body.data.curve) {
          const known = body.data.cohorts.filter(
            (cohort: { size: number; cells: { offset: number }[] }) =>
              cohort.size > 0 && cohort.cells[point.offset],
          );
          expect(point.size).toBe(
            known.reduce((sum: number, cohort: { size: number }) => sum + cohort.size, 0),
          );
        }
      }
    },
  );

  it("a matrix of retention counts everybody of a cohort, also those who never did what counts as coming back, before and after a rollup", async () => {
    const own = clientOf(await tokenFor("users-return"));
    const at = (day: string) => `2026-05-${day}T12:00:00Z`;
    const runs = Array.from({ length: 10 }, (_, n) => ({
      id: `r${n}`,
      agent_id: "a",
      user_id: `u${n}`,
      status: "success",
      started_at: at("04"),
    }));
    await own.post("/api/v1/executions", { executions: runs });
    const pays = [0, 1, 2].map((n) => ({
      id: `p${n}`,
      event_type: "money",
      event_name: "pay",
      user_id: `u${n}`,
      occurred_at: at("13"),
    }));
    await own.post("/api/v1/events", { events: pays });
    for (const cohort of ["first_activity", "first_success"]) {
      const path = `/api/v1/users/retention?from=2026-05-04T00:00:00Z&to=2026-05-18T00:00:00Z&cohort=${cohort}&return_event_name=pay`;
      const asked = async () =>
        (await own.get(path, { "cache-control": "no-cache" })).body.data.cohorts[0];
      const expected = {
        size: 10,
        cells: [
          { offset: 0, users: 0 },
          { offset: 1, users: 3, rate: 0.3, complete: true },
        ],
      };
      expect(await asked()).toMatchObject(expected);
      await runRollups(testContext(), "hour");
      await runRollups(testContext(), "day");
      await runRollups(testContext(), "session");
      expect(await asked()).toMatchObject(expected);
    }
  });

  it("a matrix of retention that is too large is refused", async () => {
    const { status, body } = await api.get(
      "/api/v1/users/retention?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&granularity=day&max_offset=400",
    );
    expect([status, body.code]).toEqual([422, "too_many_cells"]);
  });

  it("users' activity shows an event at once, though the answer before it is cached", async () => {
    const own = clientOf(await tokenFor("users-cache"));
    const users = async () =>
      (await own.get("/api/v1/users/activity?timeframe=7d")).body.data.active_users;
    expect(await users()).toBe(0);
    await own.post("/api/v1/events", {
      id: "1",
      event_type: "e",
      user_id: "a",
      occurred_at: new Date().toISOString(),
    });
    expect(await users()).toBe(1);
  });

  it("a matrix of retention marks cells that have not ended, and gives them no rate", async () => {
    const own = clientOf(await tokenFor("users-now"));
    const now = new Date();
    const ago = (days: number) => new Date(now.getTime() - days * 86_400_000).toISOString();
    await own.post("/api/v1/events", {
      events: [
        { id: "1", event_type: "e", user_id: "a", occurred_at: ago(2) },
        { id: "2", event_type: "e", user_id: "a", occurred_at: ago(0) },
      ],
    });
    const { body } = await own.get("/api/v1/users/retention?timeframe=7d&granularity=day", {
      "cache-control": "no-cache",
    });
    const cohort = body.data.cohorts.find((each: { size: number }) => each.size === 1);
    expect(cohort.cells.at(-1)).toEqual({ offset: 2, users: 1, rate: null, complete: false });
    expect(cohort.cells[1]).toEqual({ offset: 1, users: 0, rate: 0, complete: true });
  });
});

it("churn is the share of a window's users that the next one lacks", async () => {
  const zone = "America/New_York";
  const { body } = await api.get(
    `/api/v1/users/churn?to=${plusDays(FIRST_DAY, DAYS)}T12:00:00Z&timezone=${zone}&window_days=10&windows=4`,
  );
  const users = [...byUser(zone).values()];
  expect(body.data.windows).toHaveLength(4);
  for (const window of body.data.windows) {
    const [from, to] = [window.from.slice(0, 10), window.to.slice(0, 10)];
    const there = (days: Set<string>, a: string, b: string) =>
      [...days].some((day) => day >= a && day < b);
    const before = users.filter((days) => there(days, plusDays(from, -10), from));
    const churned = before.filter((days) => !there(days, from, to)).length;
    expect(window).toMatchObject({
      active_before: before.length,
      churned_users: churned,
      churn_rate: before.length ? churned / before.length : null,
    });
  }
});

it("users are listed page by page, by keyset, and so is a user's timeline", async () => {
  const path = `/api/v1/users?${range("UTC")}&sort=success_rate&direction=asc&limit=7&include_total=true`;
  const seen: { id: string; success_rate: number | null }[] = [];
  for (let cursor = ""; ; ) {
    const { status, body } = await api.get(`${path}${cursor}`);
    expect(status).toBe(200);
    seen.push(...body.data);
    if (!body.page.has_more) {
      expect(body.page.total).toBe(seen.length);
      break;
    }
    cursor = `&cursor=${body.page.next_cursor}`;
  }
  const whole = (
    await api.get(`/api/v1/users?${range("UTC")}&sort=success_rate&direction=asc&limit=1000`)
  ).body.data;
  expect(seen).toEqual(whole);
  expect(new Set(seen.map((user) => user.id)).size).toBe(seen.length);
  const user = seen[0]?.id ?? "";
  const entries: { at: string; id: string }[] = [];
  for (let cursor = ""; ; ) {
    const { body } = await api.get(`/api/v1/users/${user}/timeline?limit=5${cursor}`);
    entries.push(...body.data);
    if (!body.page.has_more) break;
    cursor = `&cursor=${body.page.next_cursor}`;
  }
  expect(entries.map((entry) => entry.at)).toEqual(
    signs
      .filter((sign) => sign.user === user)
      .map((sign) => sign.at)
      .sort()
      .reverse(),
  );
  expect((await api.get("/api/v1/users/nobody")).status).toBe(404);
  expect(
    (await clientOf(await tokenFor("users-empty")).get(`/api/v1/users/${user}/timeline`)).status,
  ).toBe(404);
  expect((await api.get(`/api/v1/users/${user}`)).body.data).toMatchObject({
    id: user,
    last_activity_at: entries[0]?.at,
    first_activity_at: entries.at(-1)?.at,
  });
});

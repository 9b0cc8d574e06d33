import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { eventIntake } from "../../src/features/events/ingest.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { rebuildRollups, runRollups } from "../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { store } from "../support/store.ts";

/** Runs without a user: who counts users must not count them, and who counts runs must. */
const W = "machines";
const DAY = Date.UTC(2026, 9, 5);
let api: ReturnType<typeof clientOf>;
let ctx: ReturnType<typeof testContext>;

interface Run {
  id: string;
  user_id?: string;
  agent_id: string;
  status: string;
  started_at: string;
  credits: string;
  error?: { type: string };
}
/** Three users a day, each with two runs, and twice as many machine's runs at other hours. */
const runs: Run[] = Array.from({ length: 6 }, (_, day) => day).flatMap((day) =>
  Array.from({ length: 18 }, (_, n): Run => {
    const failed = n % 6 === 5;
    return {
      id: `m${day}-${n}`,
      ...(n % 3 === 0 ? { user_id: `u${(n / 3 + day) % 4}` } : {}),
      agent_id: n % 2 ? "cron" : "chat",
      status: failed ? "failure" : "success",
      started_at: new Date(DAY + day * 86_400_000 + n * 4_000_000).toISOString(),
      credits: "1.000000",
      ...(failed ? { error: { type: "Timeout" } } : {}),
    };
  }),
);
const RANGE = "from=2026-10-05T00:00:00Z&to=2026-10-11T00:00:00Z&timezone=UTC";
const users = [...new Set(runs.flatMap((run) => run.user_id ?? []))].sort();

beforeAll(async () => {
  await useOwnDatabase();
  ctx = testContext();
  await store(executionIntake(ctx, W), runs);
  await store(eventIntake(ctx, W), [
    { id: "v", event_type: "open", user_id: "u0", occurred_at: runs[0]?.started_at },
  ]);
  api = clientOf(await tokenFor(W));
});

const get = async (path: string) => {
  const { status, body } = await api.send(`/api/v1${path}`, {
    headers: { "cache-control": "no-cache" },
  });
  expect([path, status]).toEqual([path, 200]);
  return body;
};
const idsOf = (rows: { id: string }[]) => rows.map((row) => row.id).sort();

/** Every number and list of users, from the views as they answer now. */
async function views() {
  const summary = (await get(`/metrics/summary?${RANGE}`)).data;
  const agent = (await get(`/metrics/summary?${RANGE}&agent_id=cron`)).data;
  const grouped = (
    await get(`/metrics/breakdown?${RANGE}&group_by=user&measures=executions,credits,active_users`)
  ).data;
  const activity = (await get(`/users/activity?${RANGE}`)).data;
  const retention = (await get(`/users/retention?${RANGE}&granularity=day`)).data;
  const churn = (await get("/users/churn?to=2026-10-11T00:00:00Z&window_days=2&windows=2")).data;
  return { summary, agent, grouped, activity, retention, churn };
}

function expectViews({
  summary,
  agent,
  grouped,
  activity,
  retention,
}: Awaited<ReturnType<typeof views>>) {
  expect([summary.executions, summary.active_users]).toEqual([runs.length, users.length]);
  const cron = runs.filter((run) => run.agent_id === "cron");
  expect([agent.executions, agent.active_users]).toEqual([
    cron.length,
    new Set(cron.flatMap((run) => run.user_id ?? [])).size,
  ]);
  const of = (user: string | undefined) => runs.filter((run) => run.user_id === user).length;
  const found = new Map(
    grouped.rows.map((row: Record<string, unknown>) => [
      row.user,
      [row.executions, row.credits, row.active_users],
    ]),
  );
  expect(found).toEqual(
    new Map(
      [...users, undefined].map((user) => [
        user ?? null,
        [of(user), `${of(user)}.000000`, user === undefined ? 0 : 1],
      ]),
    ),
  );
  const dates = [...new Set(runs.map((run) => run.started_at.slice(0, 10)))];
  const there = (date: string) =>
    new Set(runs.flatMap((run) => (run.started_at.startsWith(date) ? (run.user_id ?? []) : [])));
  expect(activity.active_users).toBe(users.length);
  expect(activity.days.map((day: { day: string; dau: number }) => [day.day, day.dau])).toEqual(
    dates.map((date) => [date, there(date).size]),
  );
  expect(activity.sessions.users).toBe(users.length);
  expect(
    retention.cohorts.reduce((sum: number, cohort: { size: number }) => sum + cohort.size, 0),
  ).toBe(users.length);
}

it("is of no user in every number, before the rollups, after them, with marks, and after a rebuild", async () => {
  const raw = await views();
  expectViews(raw);
  for (const unit of ["hour", "day", "session"] as const) await runRollups(ctx, unit);
  const rolled = await views();
  expectViews(rolled);
  expect(rolled).toEqual(raw);
  await ctx.db.run(
    sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from executions where id like 'm2-%'`,
  );
  expect(await views()).toEqual(raw);
  await rebuildRollups(ctx);
  for (const unit of ["hour", "day", "session"] as const) await runRollups(ctx, unit);
  expect(await views()).toEqual(raw);
  const named = await ctx.db.all({
    sql: sql`select user_id from user_presence_daily where workspace_id = ${W} union select unnest(user_ids) from execution_metrics_daily where workspace_id = ${W}
      union select unnest(user_ids) from sessions_daily where workspace_id = ${W} union select user_id from session_edges_daily where workspace_id = ${W} order by 1`,
    row: z.object({ user_id: z.string() }),
  });
  expect(named.map((row) => row.user_id)).toEqual(users);
});

describe("a list of users", () => {
  it.each(["/users?", `/workspaces/${W}/members?`, "/leaderboards/users?criteria=activity&"])(
    "of %s names users alone, on every page",
    async (path) => {
      const found: string[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const more = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
        const body = await get(
          `${path}${RANGE.replace("&timezone=UTC", "")}&limit=3&include_total=true${more}`,
        );
        expect(body.page.total).toBe(users.length);
        found.push(...idsOf(Array.isArray(body.data) ? body.data : body.data.rankings));
        cursor = body.page.next_cursor;
      }
      expect(found.sort()).toEqual(users);
    },
  );

  it("stands in analytics, comparisons and errors without the machine's runs", async () => {
    expect(idsOf((await get(`/workspaces/${W}/analytics?${RANGE}`)).data.members.top)).toEqual(
      users,
    );
    const { users: people } = (await get(`/agents/chat/analytics?${RANGE}`)).data;
    expect(people.top.map((row: { user: string | null }) => row.user)).not.toContain(null);
    const [group] = (await get(`/errors?${RANGE.replace("&timezone=UTC", "")}`)).data;
    const failed = runs.filter((run) => run.error);
    const owners = new Set(failed.flatMap((run) => run.user_id ?? []));
    expect([group.executions, group.users]).toEqual([failed.length, owners.size]);
    const { body } = await api.post("/api/v1/comparisons/metrics", {
      measure: "executions",
      by: "user",
      from: "2026-10-05T00:00:00Z",
      to: "2026-10-11T00:00:00Z",
    });
    expect(idsOf(body.data.entities)).toEqual(users);
    expect(
      (await get("/search?q=u&types=users")).data.results.users.map(
        (hit: { id: string }) => hit.id,
      ),
    ).toEqual(users);
  });

  it("is what a funnel is made of", async () => {
    const step = (name: string, agent: string) => ({
      name,
      kind: "execution",
      filters: [{ field: "agent", op: "eq", value: agent }],
    });
    const { body } = await api.post("/api/v1/funnels/analyze", {
      definition: { steps: [step("a", "chat"), step("b", "cron")], window_seconds: 86_400 * 6 },
      from: "2026-10-05T00:00:00Z",
      to: "2026-10-11T00:00:00Z",
    });
    const of = (agent: string) =>
      new Set(runs.flatMap((run) => (run.agent_id === agent ? (run.user_id ?? []) : [])));
    expect(body.data.steps[0].users).toBe(of("chat").size);
  });
});

describe("the user of an execution", () => {
  const base = { agent_id: "a", started_at: "2026-08-01T00:00:00Z" };
  const send = async (item: object) =>
    (await api.post("/api/v1/executions", { ...base, ...item })).body.data.results[0];

  it("may be said by any message, but only once, and is kept by those that do not say it", async () => {
    expect((await send({ id: "said", status: "running" })).result).toBe("created");
    expect((await get("/executions/said")).data.user_id).toBeNull();
    expect((await send({ id: "said", status: "success" })).result).toBe("updated");
    expect((await send({ id: "said", status: "running", user_id: "u" })).result).toBe("updated");
    expect((await send({ id: "said", status: "running", user_id: "u" })).result).toBe("duplicate");
    expect((await send({ id: "said", status: "success", user_id: null })).result).toBe("duplicate");
    expect(await send({ id: "said", status: "success", user_id: "v" })).toMatchObject({
      result: "conflict",
      path: "user_id",
    });
    expect((await get("/executions/said")).data).toMatchObject({ user_id: "u", status: "success" });
  });

  it("is taken away by a correction, and filters find those that have none", async () => {
    await send({ id: "taken", status: "success", user_id: "u" });
    const { body } = await api.patch("/api/v1/executions/taken", { user_id: null });
    expect(body.data).toMatchObject({ user_id: null, revision: 1 });
    const count = async (filter: object) => {
      const answer = await api.post("/api/v1/metrics/query", {
        measures: ["executions"],
        from: "2026-10-05T00:00:00Z",
        to: "2026-10-11T00:00:00Z",
        filters: [{ field: "user", ...filter }],
      });
      return answer.body.data.totals.executions;
    };
    const machine = runs.filter((run) => run.user_id === undefined).length;
    expect(await count({ op: "exists", value: false })).toBe(machine);
    expect(await count({ op: "exists", value: true })).toBe(runs.length - machine);
    expect(await count({ op: "ne", value: "u1" })).toBe(
      runs.filter((run) => run.user_id !== "u1").length,
    );
  });
});

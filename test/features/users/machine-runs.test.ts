import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { rebuildRollups, runRollups } from "../../../src/features/rollups/run.ts";
import {
  api,
  ctx,
  expectViews,
  fillMachineRuns,
  get,
  idsOf,
  RANGE,
  runs,
  users,
  views,
  W,
} from "../../support/machine-runs.ts";

beforeAll(fillMachineRuns);

it("a machine's run is of no user in every number, before the rollups, after them, with marks, and after a rebuild", async () => {
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
    sql: sql`select user_id from user_presence_daily where workspace_id = ${W} union select user_id from user_numbers where workspace_id = ${W}
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

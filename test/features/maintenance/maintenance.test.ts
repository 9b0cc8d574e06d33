import {
  createExecutionContext,
  createMessageBatch,
  createScheduledController,
  getQueueResult,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { runQuery } from "../../../src/analytics/ask.ts";
import { closeStale } from "../../../src/features/maintenance/close-stale.ts";
import { applyRetention } from "../../../src/features/maintenance/delete-old-rows.ts";
import { dropExpired, ensurePartitions } from "../../../src/features/maintenance/partitions.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import worker from "../../../src/index.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

beforeAll(useOwnDatabase);
const marks = async () =>
  (
    await testContext().db.all({
      sql: sql`select unit, count(*) as n from rollup_marks group by unit order by unit`,
      row: z.object({ unit: z.string(), n: z.number() }),
    })
  ).map((row) => [row.unit, row.n]);
const cron = (expression: string) =>
  worker.scheduled(createScheduledController({ cron: expression }), env, createExecutionContext());

it("the cron closes a run that fell silent, and lets a later end or update speak for it", async () => {
  const api = clientOf(await tokenFor("stale"));
  const item = {
    agent_id: "a",
    user_id: "u",
    status: "running",
    started_at: "2026-10-01T00:00:00Z",
  };
  await api.post("/api/v1/executions", {
    executions: ["s1", "s2", "s3", "fresh"].map((id) => ({ ...item, id })),
  });
  const ctx = testContext();
  await ctx.db.run(
    sql`update executions set heard_at = now() - interval '90 minutes' where id like 's_'`,
  );
  expect(await closeStale(ctx)).toBe(0);
  await ctx.db.run(sql`insert into workspaces (id, stale_after_minutes) values ('stale', 60)`);
  expect(await closeStale(ctx)).toBe(3);
  expect(await closeStale(ctx)).toBe(0);
  const stored = async (id: string) => (await api.get(`/api/v1/executions/${id}`)).body.data;
  expect(await stored("s1")).toMatchObject({
    status: "timeout",
    stale: true,
    ended_at: null,
    duration_ms: null,
  });
  expect(await stored("fresh")).toMatchObject({ status: "running", stale: false });
  const results = await api.post("/api/v1/executions", {
    executions: [
      { ...item, id: "s1", status: "success", ended_at: "2026-10-01T00:00:09Z" },
      { ...item, id: "s2", tokens_in: 5 },
      { ...item, id: "s3" },
    ],
  });
  expect(results.body.data.results.map((each: { result: string }) => each.result)).toEqual([
    "updated",
    "updated",
    "updated",
  ]);
  expect(await stored("s1")).toMatchObject({ status: "success", stale: false, duration_ms: 9000 });
  // The same words again are a sign of life too.
  expect(await stored("s3")).toMatchObject({ status: "running", stale: false });
  expect(await stored("s2")).toMatchObject({ status: "running", stale: false, tokens_in: 5 });
  const { body } = await api.get(
    "/api/v1/metrics/summary?from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z",
  );
  expect(body.data).toMatchObject({ executions: 4, successes: 1, timeouts: 0, running: 3 });
});

it("maintenance makes partitions ahead, and on demand for a month that nobody foresaw, by many at once", async () => {
  const ctx = testContext();
  await Promise.all([ensurePartitions(ctx), ensurePartitions(ctx)]);
  const names = async () =>
    (
      await ctx.db.all({
        sql: sql`select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'executions'::regclass`,
        row: z.object({ name: z.string() }),
      })
    ).map((row) => row.name);
  const now = new Date();
  const ahead = [0, 1, 2, 3].map(
    (months) =>
      `executions_${new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1)).toISOString().slice(0, 7).replace("-", "_")}`,
  );
  expect(await names()).toEqual(expect.arrayContaining(ahead));
  const api = clientOf(await tokenFor("months"));
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      api.post("/api/v1/executions", {
        executions: ["2019-05", "2026-01", "2026-02"].map((month) => ({
          id: `${month}-${n}`,
          agent_id: "a",
          user_id: "u",
          status: "success",
          started_at: `${month}-06T00:00:00Z`,
        })),
      }),
    ),
  );
  expect(answers.every((answer) => answer.body.data.counts.created === 3)).toBe(true);
  expect(await names()).toEqual(
    expect.arrayContaining(["executions_old", "executions_2026_01", "executions_2026_02"]),
  );
  expect(await names()).not.toContain("executions_2019_05");
  const second = await api.post("/api/v1/executions", {
    id: "2026-01-0",
    agent_id: "a",
    user_id: "u",
    status: "success",
    started_at: "2019-05-06T00:00:00Z",
  });
  expect(second.body.data.results[0]).toMatchObject({ result: "conflict", path: "started_at" });
});

it("retention drops a month past it with everything that was made from it, and nothing else", async () => {
  const api = clientOf(await tokenFor("retention"));
  const item = { agent_id: "a", user_id: "u", status: "success" };
  await api.post("/api/v1/executions", {
    executions: [
      { ...item, id: "r1", started_at: "2003-01-31T23:59:59Z" },
      { ...item, id: "r2", started_at: "2026-11-02T00:00:00Z" },
    ],
  });
  await cron("5 * * * *");
  await cron("0 1 * * *");
  const ctx = testContext();
  expect(await dropExpired(ctx)).toEqual([]);
  const at = (now: string) => ({
    ...ctx,
    now: () => Date.parse(now),
    config: { ...ctx.config, RETENTION_MONTHS: 12 },
  });
  // Of the partition of old months some rows are kept: no partition goes.
  expect(await dropExpired(at("2026-11-26T00:00:00Z"))).toEqual([]);
  const total = async (from: string, to: string) =>
    (
      await runQuery(
        ctx.db,
        "retention",
        {
          measures: ["executions"],
          from: Date.parse(from) * 1000,
          to: Date.parse(to) * 1000,
          timezone: "UTC",
        },
        0,
      )
    ).totals.executions;
  expect(await total("2003-01-01T00:00:00Z", "2003-02-01T00:00:00Z")).toBe(0);
  expect(await total("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z")).toBe(1);
  expect((await api.get("/api/v1/executions/r1")).status).toBe(404);
  expect(
    (
      await api.post("/api/v1/executions", {
        ...item,
        id: "r1",
        started_at: "2003-01-31T23:59:59Z",
      })
    ).body.data.counts.created,
  ).toBe(1);
  // Where all of it is too old it is emptied, and stays for what is sent again.
  expect(await dropExpired(at("2027-02-15T00:00:00Z"))).toEqual([
    "executions_2026_01",
    "executions_old",
  ]);
  expect(await dropExpired(at("2027-02-15T00:00:00Z"))).toEqual([]);
  expect((await api.get("/api/v1/executions/r1")).status).toBe(404);
  expect((await api.get("/api/v1/executions/r2")).status).toBe(200);
  const again = { ...item, id: "r1", started_at: "2003-01-31T23:59:59Z" };
  expect((await api.post("/api/v1/executions", again)).body.data.results[0].result).toBe("created");
});

it("the cron rolls up only when it may, and fails for a cron that has no task", async () => {
  const api = clientOf(await tokenFor("cron"));
  await api.post("/api/v1/executions", {
    agent_id: "a",
    user_id: "u",
    status: "success",
    started_at: "2026-10-05T00:00:00Z",
    id: "c1",
  });
  const before = await marks();
  env.HOURLY_ROLLUP_ENABLED = "false";
  await worker.scheduled(
    createScheduledController({ cron: "5 * * * *" }),
    { ...env },
    createExecutionContext(),
  );
  expect(await marks()).toEqual(before);
  env.HOURLY_ROLLUP_ENABLED = "true";
  await cron("5 * * * *");
  expect((await marks()).map(([unit]) => unit)).toEqual(["day"]);
  env.DAILY_ROLLUP_ENABLED = "false";
  await worker.scheduled(
    createScheduledController({ cron: "0 1 * * *" }),
    { ...env },
    createExecutionContext(),
  );
  expect((await marks()).map(([unit]) => unit)).toEqual(["day"]);
  env.DAILY_ROLLUP_ENABLED = "true";
  await cron("0 1 * * *");
  expect(await marks()).toEqual([]);
  await expect(cron("1 2 3 4 5")).rejects.toThrow("No task");
});

it("the queue does a message's work once however often it comes, tries again what failed, and stores messages that it does not know", async () => {
  const api = clientOf(await tokenFor("queue"));
  await api.post("/api/v1/executions", {
    agent_id: "a",
    user_id: "u",
    status: "success",
    started_at: "2026-10-05T00:00:00Z",
    id: "q1",
  });
  const body = { type: "rollup.run", unit: "hour", upTo: Number.MAX_SAFE_INTEGER };
  const message = (id: string, content: unknown) => ({
    id,
    timestamp: new Date(),
    attempts: 1,
    body: content,
  });
  const batch = createMessageBatch("shadower-jobs", [
    message("1", body),
    message("2", body),
    message("3", { type: "unknown" }),
    message("4", "text"),
  ]);
  await worker.queue(batch, env, createExecutionContext());
  const done = await getQueueResult(batch, createExecutionContext());
  expect(done.explicitAcks.sort()).toEqual(["1", "2", "3", "4"]);
  const kept = {
    sql: sql`select id, reason from dead_letters order by id`,
    row: z.record(z.string(), z.unknown()),
  };
  expect(await testContext().db.all(kept)).toEqual(
    ["3", "4"].map((id) => ({ id, reason: "TypeError: Unknown message" })),
  );
  expect((await marks()).map(([unit]) => unit)).toEqual(["day", "session"]);
  const failing = createMessageBatch("shadower-jobs", [message("5", body)]);
  const elsewhere: Env = Object.assign({}, env, {
    DATABASE_URL: env.DATABASE_URL.replace(/\/[^/]+$/, "/no_such_database"),
  });
  await worker.queue(failing, elsewhere, createExecutionContext());
  const failed = await getQueueResult(failing, createExecutionContext());
  expect(failed.explicitAcks).toEqual([]);
  expect(failed.retryMessages).toMatchObject([{ msgId: "5" }]);
});

it("maintenance deletes what is older than a workspace's own retention, its rollups with it, and nothing of another", async () => {
  const ctx = testContext();
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  for (const workspace of ["kept-short", "kept-long"]) {
    const api = clientOf(await tokenFor(workspace, { role: "owner" }));
    const executions = [1, 5, 20, 40].map((days) => ({
      id: `d${days}`,
      agent_id: "a",
      user_id: "u",
      status: "success",
      started_at: ago(days),
    }));
    await api.post("/api/v1/executions", { executions });
    await api.post("/api/v1/events", {
      events: [
        { id: "old", event_type: "e", user_id: "u", occurred_at: ago(30) },
        { id: "new", event_type: "e", user_id: "u", occurred_at: ago(2) },
      ],
    });
  }
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  const short = clientOf(await tokenFor("kept-short", { role: "owner" }));
  expect(
    (
      await short.send("/api/v1/workspaces/kept-short/settings", {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ retention_days: 10 }),
      })
    ).status,
  ).toBe(200);
  expect(await applyRetention(ctx)).toBe(3);
  expect(await applyRetention(ctx)).toBe(0);
  const count = async (workspace: string) =>
    (
      await runQuery(
        ctx.db,
        workspace,
        { measures: ["executions"], timeframe: "90d", timezone: "UTC" },
        Date.now() * 1000,
      )
    ).totals.executions;
  expect([await count("kept-short"), await count("kept-long")]).toEqual([2, 4]);
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  expect([await count("kept-short"), await count("kept-long")]).toEqual([2, 4]);
  expect((await short.get("/api/v1/executions/d40")).status).toBe(404);
  expect(
    (await short.get("/api/v1/events")).body.data.map((event: { id: string }) => event.id),
  ).toEqual(["new"]);
  // The id is free again, as it would be for an execution that never was.
  const again = await short.post("/api/v1/executions", {
    id: "d40",
    agent_id: "b",
    user_id: "u",
    status: "success",
    started_at: ago(3),
  });
  expect(again.body.data.counts.created).toBe(1);
});

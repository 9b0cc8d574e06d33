import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { afterEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { withSnapshot } from "../../../src/db/snapshot.ts";
import { definitionOf } from "../../../src/features/reports/definition/define.ts";
import { createReport } from "../../../src/features/reports/definition/queries.ts";
import { reportInput } from "../../../src/features/reports/definition/schema.ts";
import {
  claimReportRun,
  getReportRun,
  reportRunQueue,
} from "../../../src/features/reports/runs/queries.ts";
import { runReport } from "../../../src/features/reports/runs/run.ts";
import { startReport } from "../../../src/features/reports/runs/start.ts";
import { settleJob } from "../../../src/jobs/endings.ts";
import { handleQueue } from "../../../src/queue.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { queuesTo, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

await useOwnDatabase();
const WORKSPACE = "failures";
const ctx = testContext({ queues: queuesTo() });
const client = clientOf(await tokenFor(WORKSPACE));

afterEach(() => vi.restoreAllMocks());

async function queued(format: string): Promise<{ workspaceId: string; id: string }> {
  const sections = [{ type: "metrics", title: "All", measures: ["executions"] }];
  const input = reportInput.parse({ name: "Daily", format, timeframe: "7d", sections });
  const definition = await definitionOf(ctx, WORKSPACE, input);
  const saved = { name: input.name, description: null, definition };
  const report = await createReport(ctx, WORKSPACE, crypto.randomUUID(), "tester", saved);
  const id = crypto.randomUUID();
  await startReport(ctx, WORKSPACE, id, report, { author: "tester" });
  return { workspaceId: WORKSPACE, id };
}

it("a report that cannot be rendered fails at the first attempt with the reason, and an operator sees the cause", async () => {
  const { id } = await queued("json");
  const real = JSON.stringify;
  vi.spyOn(JSON, "stringify").mockImplementation((value, replacer, space) => {
    if (space === 2) throw new TypeError("the library's own words");
    return real(value, replacer as null, space);
  });
  const world = { ...env, JOBS: { send: () => Promise.reject(new Error("no message")) } };
  const batch = createMessageBatch("shadower-jobs", [
    {
      id: "m1",
      timestamp: new Date(),
      attempts: 1,
      body: { type: "report.run", workspaceId: WORKSPACE, id },
    },
  ]);
  const door = createExecutionContext();
  await handleQueue(batch, world as unknown as Env, door);
  expect((await getQueueResult(batch, door)).explicitAcks).toEqual(["m1"]);
  expect((await client.get(`/api/v1/reports/runs/${id}`)).body.data).toMatchObject({
    status: "failed",
    attempts: 1,
    error: { code: "render_failed", message: "The report cannot be rendered as json." },
  });
  const [letter] = (await client.get("/api/v1/jobs/dead-letters")).body.data;
  expect(letter).toMatchObject({
    body: { type: "report.run", id },
    reason: expect.stringContaining("the library's own words"),
  });
});

it("a report whose database is away for a moment is made by the next attempt, when that may begin", async () => {
  const job = await queued("json");
  const nowhere = "http://127.0.0.1:9";
  const away = { ...ctx, config: { ...ctx.config, NEON_ENDPOINT: nowhere } };
  expect(await runReport(away, job)).toMatchObject({ status: "again" });
  expect(await runReport(ctx, job)).toEqual({ status: "lost" });
  expect(await getReportRun(ctx, WORKSPACE, job.id)).toMatchObject({
    status: "queued",
    attempts: 1,
  });
  await ctx.db.run(sql`update report_runs set lease_until = now() where id = ${job.id}`);
  expect(await runReport(ctx, job)).toEqual({ status: "done" });
  expect(await getReportRun(ctx, WORKSPACE, job.id)).toMatchObject({ status: "done", attempts: 2 });
});

it("a report whose questions always take too long is given up after three attempts", async () => {
  const job = await queued("json");
  const late = () =>
    withSnapshot(
      env.DATABASE_URL,
      env.NEON_ENDPOINT,
      (db) => db.all({ sql: sql`select pg_sleep(5)::text`, row: z.unknown() }),
      50,
    ).catch((error: unknown) => error);
  for (let attempts = 1; attempts <= 3; attempts++) {
    const claim = await claimReportRun(ctx, job);
    if (!claim) throw new Error("nothing to claim");
    const outcome = await settleJob(reportRunQueue(ctx), claim, await late());
    expect(outcome.status).toBe(attempts < 3 ? "again" : "failed");
    await ctx.db.run(
      sql`update report_runs set lease_until = now() where id = ${job.id} and status = 'queued'`,
    );
  }
  expect((await getReportRun(ctx, WORKSPACE, job.id)).error?.code).toBe("given_up");
});

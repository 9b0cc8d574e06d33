import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type SQL, sql } from "drizzle-orm";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { QUOTAS } from "../../src/db/quotas.ts";
import { claimExport } from "../../src/features/exports/runs/queries.ts";
import { runExport } from "../../src/features/exports/runs/run.ts";
import { startExport } from "../../src/features/exports/runs/start.ts";
import { exportInput } from "../../src/features/exports/schema.ts";
import { startDue } from "../../src/jobs/due-schedules.ts";
import { continueJobs } from "../../src/jobs/sweep.ts";
import { takeJob } from "../../src/jobs/turns.ts";
import { handleQueue } from "../../src/queue.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { queuesTo, testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";

await useOwnDatabase();
const WORKSPACE = "jobs";
const sent: unknown[] = [];
const base = testContext({ queues: queuesTo((body) => void sent.push(body)) });
const withQuotas = (quotas: Partial<typeof QUOTAS>) => ({
  ...base,
  config: { ...base.config, QUOTAS: { ...QUOTAS, ...quotas } },
});
const ctx = withQuotas({ jobs_at_work: 9 });
const client = clientOf(await tokenFor(WORKSPACE));

const run = (text: SQL) => ctx.db.all({ sql: text, row: z.record(z.string(), z.unknown()) });
const change = (id: string, changes: SQL) =>
  run(sql`update exports set ${changes} where id = ${id}`);
const jobOf = async (id: string) => (await client.get(`/api/v1/exports/${id}`)).body.data;
const [past, future] = [sql`now() - interval '2 minutes'`, sql`now() + interval '1 day'`];

let next = 0;
/** A queued export of nothing, whose message nobody has got. */
async function queued(workspaceId = WORKSPACE, origin = {}): Promise<string> {
  const input = exportInput.parse({
    source: "executions",
    format: "csv",
    from: "2026-03-01T00:00:00Z",
    to: "2026-03-02T00:00:00Z",
  });
  const id = `job-${String(++next).padStart(3, "0")}`;
  await startExport(ctx, workspaceId, id, input, { author: "tester", ...origin });
  return id;
}
const of = (id: string, workspaceId = WORKSPACE) => ({ type: "export.run", workspaceId, id });
const job = (id: string) => ({ workspaceId: WORKSPACE, id });

/** The consumer gets messages of jobs, one after the other; what it sends goes to `more`. */
async function deliver(messages: object[], more: unknown[] = [], changes: object = {}) {
  const to = { send: async (body: unknown) => void more.push(body) };
  const world = { ...env, JOBS: to, DELIVERIES: to, ...changes } as unknown as Env;
  const door = createExecutionContext();
  const list = messages.map((body) => ({
    id: `m-${crypto.randomUUID()}`,
    timestamp: new Date(),
    attempts: 1,
    body,
  }));
  const batch = createMessageBatch("shadower-jobs", list);
  await handleQueue(batch, world, door);
  const { explicitAcks } = await getQueueResult(batch, door);
  expect(explicitAcks.sort()).toEqual(list.map(({ id }) => id).sort());
  return list.map(({ id }) => id);
}

beforeEach(async () => {
  await run(sql`delete from exports`);
  await run(sql`delete from turns`);
  await run(sql`delete from daily_uses`);
  await run(sql`delete from dead_letters`);
  sent.length = 0;
});

describe("a job", () => {
  it("that should have begun is sent again: its consumer or its message was lost, or a clock has jumped", async () => {
    const [lost, waiting, jumped, early] = [
      await queued(),
      await queued(),
      await queued(),
      await queued(),
    ];
    sent.length = 0;
    await continueJobs(ctx);
    expect(sent).toEqual([]);
    await change(lost, sql`status = 'running', claim = 'somebody', lease_until = ${past}`);
    await change(waiting, sql`created_at = ${past}`);
    await change(jumped, sql`status = 'running', claim = 'somebody', lease_until = ${future}`);
    await change(early, sql`lease_until = now() + interval '1 minute', created_at = ${past}`);
    await continueJobs(ctx);
    expect(sent).toHaveLength(2);
    expect(sent).toEqual(expect.arrayContaining([of(lost), of(waiting)]));
    for (const id of [lost, waiting, jumped]) {
      expect(await runExport(ctx, job(id))).toEqual({ status: "done" });
      expect(await jobOf(id)).toMatchObject({ status: "done", rows_done: 0 });
    }
    expect(await runExport(ctx, job(early))).toEqual({ status: "lost" });
  });

  it("whose attempts end their runtime is given up after three of them", async () => {
    const id = await queued();
    // A killed attempt leaves a claim, and a lease that ends.
    for (let kills = 1; kills <= 3; kills++) {
      sent.length = 0;
      expect(await claimExport(ctx, job(id))).toMatchObject({ attempts: kills });
      await change(id, sql`lease_until = ${past}`);
      await continueJobs(ctx);
      expect(sent.length).toBe(kills < 3 ? 1 : 0);
    }
    expect(await claimExport(ctx, job(id))).toBeUndefined();
    expect(await jobOf(id)).toMatchObject({
      status: "failed",
      attempts: 3,
      error: { code: "given_up", message: expect.stringContaining("memory or time") },
    });
    const [letter] = (await client.get("/api/v1/jobs/dead-letters")).body.data;
    expect(letter).toMatchObject({ body: of(id), reason: "Every attempt was cut off" });
  });

  it("fails at six attempts, however many messages come, and an operator sends it again", async () => {
    const id = await queued();
    const FILES = {
      createMultipartUpload: () => Promise.reject(new Error("no storage")),
      list: () => Promise.resolve({ objects: [] }),
    };
    let letterId = "";
    for (let attempts = 1; attempts <= 6; attempts++) {
      const more: unknown[] = [];
      [letterId = ""] = await deliver([of(id)], more, { FILES });
      expect(more).toEqual(attempts < 6 ? [of(id)] : []);
      await deliver([of(id), of(id)], [], { FILES });
      const status = attempts < 6 ? "queued" : "failed";
      expect(await jobOf(id)).toMatchObject({ status, attempts });
      if (attempts < 6) await change(id, sql`lease_until = now()`);
    }
    expect((await jobOf(id)).error.code).toBe("given_up");
    const letters = (await client.get("/api/v1/jobs/dead-letters")).body.data;
    expect(letters).toMatchObject([
      { id: letterId, body: of(id), reason: expect.stringContaining("no storage"), attempts: 6 },
    ]);
    await deliver([{ ...of(id), again: true }]);
    expect(await jobOf(id)).toMatchObject({ status: "done", attempts: 1, error: null });
  });

  it("that cannot be read fails at once, and an operator is told", async () => {
    const id = await queued();
    await change(id, sql`request = '{}'::jsonb`);
    await deliver([of(id)]);
    const [{ status, error_code, attempts } = {}] = await run(
      sql`select status, error_code, attempts from exports where id = ${id}`,
    );
    expect([status, error_code, attempts]).toEqual(["failed", "internal_error", 1]);
    expect((await client.get("/api/v1/jobs/dead-letters")).body.data).toHaveLength(1);
  });
});

describe("workspaces", () => {
  it("take turns: a neighbour's flood puts a job off by one of its jobs, not by all", async () => {
    const flood: object[] = [];
    for (let i = 0; i < 12; i++) flood.push(of(await queued("flood"), "flood"));
    const small = await queued();
    const order: unknown[] = [];
    for (const body of [...flood.slice(0, 3), of(small)]) await deliver([body]);
    const rows = await run(
      sql`select workspace_id from exports where status = 'done' order by finished_at`,
    );
    order.push(...rows.map((row) => row.workspace_id));
    expect(order).toEqual(["flood", WORKSPACE, "flood", "flood"]);
  });

  it("have so many jobs at work and not one more, also when all ask at once; whoever ends calls the next", async () => {
    for (let i = 0; i < 5; i++) await queued();
    const taken = await Promise.all(
      Array.from({ length: 8 }, (_, i) => takeJob(ctx.db, 2, `token-${i}`)),
    );
    expect(taken.filter(Boolean)).toHaveLength(2);
    const other = await queued("other");
    expect(await takeJob(ctx.db, 2, "another")).toMatchObject({ id: other });
    const more: unknown[] = [];
    await run(
      sql`update exports set lease_until = ${past} where status = 'running' and workspace_id = ${WORKSPACE}`,
    );
    await deliver([of("any")], more);
    expect(more).toMatchObject([{ type: "export.run", workspaceId: WORKSPACE }]);
  });

  it("are told by the sweep as many jobs as they have places", async () => {
    for (let i = 0; i < 4; i++) await queued();
    await queued("other");
    await run(sql`update exports set created_at = ${past}`);
    sent.length = 0;
    await continueJobs(withQuotas({ jobs_at_work: 2 }));
    const names = sent.map((body) => (body as { workspaceId: string }).workspaceId);
    expect(names.sort()).toEqual([WORKSPACE, WORKSPACE, "other"].sort());
  });

  it("with many due schedules do not put off those of another", async () => {
    await run(sql`insert into schedules (workspace_id, kind, id, name, target_id, recurrence, timezone, next_run_at, created_at, created_by)
      select case when i <= 600 then 'many' else 'few' end, 'export', 's' || i, 'x', 't', '{"frequency":"daily","time":"06:00"}'::jsonb, 'UTC',
        '2026-03-01T06:00:00Z'::timestamptz + i * interval '1 second', now(), 'x' from generate_series(1, 601) i`);
    const started: string[] = [];
    const start = async ({ workspace_id }: { workspace_id: string }) => started.push(workspace_id);
    const now = Date.parse("2026-03-01T07:00:00Z") * 1000;
    await startDue({ db: ctx.db, kind: "export" }, now, start, () => undefined);
    expect(started).toHaveLength(500);
    expect(started.slice(0, 2)).toContain("few");
    await run(sql`delete from schedules`);
  });
});

describe("a schedule", () => {
  const daily = { frequency: "daily", time: "06:00" };
  const request = { source: "executions", format: "csv", range: "last_full_day" };

  it("whose runs fail three times in a row by their nature is paused with the reason; replacing it begins anew", async () => {
    const template = await client.post("/api/v1/exports/templates", { name: "x", request });
    const input = { name: "x", template_id: template.body.data.id, recurrence: daily };
    const made = await client.post("/api/v1/exports/schedules", input);
    expect(made.body.data).toMatchObject({ enabled: true, failures: 0, paused: null });
    const { id: scheduleId } = made.body.data;
    const scheduled = async () =>
      (await client.get("/api/v1/exports/schedules")).body.data.find(
        (each: { id: string }) => each.id === scheduleId,
      );
    const fail = async () => {
      const id = await queued(WORKSPACE, { scheduleId });
      await change(id, sql`request = '{}'::jsonb`);
      await deliver([of(id)]);
      await run(sql`delete from exports where id = ${id}`);
    };
    await fail();
    await fail();
    expect(await scheduled()).toMatchObject({ enabled: true, failures: 2, paused: null });
    await runExport(ctx, job(await queued(WORKSPACE, { scheduleId })));
    expect(await scheduled()).toMatchObject({ failures: 0 });
    for (let runs = 0; runs < 3; runs++) await fail();
    expect(await scheduled()).toMatchObject({
      enabled: false,
      failures: 3,
      paused: { code: "internal_error", message: expect.any(String), at: expect.any(String) },
    });
    const put = await client.send(`/api/v1/exports/schedules/${scheduleId}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
    });
    expect(put.body.data).toMatchObject({ enabled: true, failures: 0, paused: null });
  });
});

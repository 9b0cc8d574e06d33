import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { parse } from "csv-parse/browser/esm/sync";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { expireExports } from "../../../src/features/exports/runs/maintenance.ts";
import { runExport } from "../../../src/features/exports/runs/run.ts";
import { startScheduledExports as startDue } from "../../../src/features/exports/runs/start.ts";
import { agentSource } from "../../../src/features/exports/sources/computed-sources.ts";
import { handleQueue } from "../../../src/queue.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { queuesTo, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { consumeMessages } from "../../support/queue.ts";
import { store } from "../../support/store.ts";

await useOwnDatabase();
const [WORKSPACE, OTHER] = ["exports-api", "exports-other"];
const sent: unknown[] = [];
const ctx = testContext({ queues: queuesTo((body) => void sent.push(body)) });
const client = clientOf(await tokenFor(WORKSPACE));
const stranger = clientOf(await tokenFor(OTHER));
const FROM = "2026-03-01T00:00:00.000Z";
const TO = "2026-03-03T00:00:00.000Z";
const BASE = { source: "executions", format: "csv", from: FROM, to: TO };
const at = (minute: number) => new Date(Date.parse(FROM) + minute * 60_000).toISOString();

beforeAll(async () => {
  const runs = Array.from({ length: 600 }, (_, i) => ({
    id: `x${i}`,
    agent_id: `agent-${i % 5}`,
    user_id: `user-${i % 9}`,
    status: i % 8 === 0 ? "failure" : "success",
    started_at: at(i * 4),
    ended_at: at(i * 4 + 1),
    credits: `${i % 10}.5`,
    tokens_in: i,
    ...(i % 8 === 0 ? { error: { type: "Broken", message: `line ${i}` } } : {}),
  }));
  await store(executionIntake(ctx, WORKSPACE), runs);
  const happened = Array.from({ length: 50 }, (_, i) => ({
    id: `e${i}`,
    event_type: "click",
    user_id: `user-${i}`,
    occurred_at: at(i),
    properties: { plan: i % 2 ? "pro" : "free" },
  }));
  await store(eventIntake(ctx, WORKSPACE), happened);
});

async function start(body: Record<string, unknown> = {}) {
  const answer = await client.post("/api/v1/exports", { ...BASE, ...body });
  expect(answer.status).toBe(202);
  return answer.body.data.id as string;
}
const jobOf = async (id: string) => (await client.get(`/api/v1/exports/${id}`)).body.data;

/** The real queue has a real consumer here: whoever claims the job first, it ends. */
async function finished(body: Record<string, unknown> = {}) {
  const id = await start(body);
  await runExport(ctx, { workspaceId: WORKSPACE, id });
  return jobOf(id);
}
const rowsOf = async (id: string) => {
  const object = await ctx.files.get(`exports/${WORKSPACE}/${id}/0`);
  return ((await object?.text()) ?? "")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
};
const raw = (token: string | undefined, path: string, headers: Record<string, string> = {}) =>
  import("cloudflare:workers").then(({ exports }) =>
    exports.default.fetch(
      new Request(path.startsWith("http") ? path : `https://shadower.test${path}`, {
        headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
      }),
    ),
  );

describe("POST /exports", () => {
  it("answers 202 with its Location, and the message does the rest", async () => {
    const answer = await client.post("/api/v1/exports", BASE);
    expect(answer.status).toBe(202);
    expect(answer.body.data).toMatchObject({
      status: "queued",
      source: "executions",
      format: "csv",
      rows_done: 0,
      rows_expected: null,
      files: [],
      error: null,
    });
    expect(answer.headers.get("location")).toBe(`/api/v1/exports/${answer.body.data.id}`);
    const { id } = answer.body.data;
    await consumeMessages({ type: "export.run", workspaceId: WORKSPACE, id });
    expect(await jobOf(id)).toMatchObject({
      status: "done",
      rows_done: 600,
      rows_expected: 600,
      files: [{ name: "executions-2026-03-01-2026-03-03.csv", rows: 600 }],
    });
  });

  it("with an Idempotency-Key starts one export", async () => {
    const headers = { "idempotency-key": "once" };
    const [a, b] = [
      await client.post("/api/v1/exports", BASE, headers),
      await client.post("/api/v1/exports", BASE, headers),
    ];
    expect(b.body.data.id).toBe(a.body.data.id);
  });

  it.each([
    [{ source: "secrets" }, 400, "json.source"],
    [{ format: "doc" }, 400, "json.format"],
    [{ surprise: 1 }, 400, "json.surprise"],
    [{ from: TO, to: FROM }, 422, "to"],
    [{ from: undefined, to: undefined }, 422, "from"],
    [{ range: "last_full_week" }, 422, "range"],
    [{ timezone: "Mars/Olympus" }, 422, "timezone"],
    [{ columns: ["id", "pass_word"] }, 422, "columns.1"],
    [{ columns: ["id", "id"] }, 422, "columns.1"],
    [{ filters: [{ field: "nothing", op: "eq", value: "x" }] }, 422, "filters.0.field"],
    [{ filters: [{ field: "credits", op: "gt", value: "many" }] }, 422, "filters.0.value"],
    [{ format: "xlsx", gzip: true }, 422, "gzip"],
    [{ source: "metrics" }, 422, "query"],
    [{ query: { measures: ["credits"] } }, 422, "query"],
    [{ source: "errors", filters: [{ field: "model", op: "eq", value: "x" }] }, 422, "filters.0"],
    [{ source: "events", filters: [{ field: "agent", op: "eq", value: "x" }] }, 422, "filters.0"],
  ])("refuses %j", async (change, status, path) => {
    const answer = await client.post("/api/v1/exports", { ...BASE, ...change });
    expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([status, path]);
  });

  it("is not for viewers", async () => {
    const viewer = clientOf(await tokenFor(WORKSPACE, { role: "viewer" }));
    expect((await viewer.post("/api/v1/exports", BASE)).status).toBe(403);
  });
});

describe("the sources of an export:", () => {
  const ask = async (path: string) => (await client.get(`/api/v1${path}`)).body;

  it("agents and users have the numbers of their lists", async () => {
    for (const source of ["agents", "users"]) {
      const job = await finished({ source, format: "ndjson" });
      const listed = (await ask(`/${source}?from=${FROM}&to=${TO}&limit=100`)).data as Record<
        string,
        unknown
      >[];
      const rows = await rowsOf(job.id);
      expect(rows.length).toBe(listed.length);
      for (const row of rows) {
        const {
          id,
          name: _,
          labels: __,
          ...numbers
        } = listed.find((each) => each.id === row[`${source.slice(0, -1)}_id`]) ?? {};
        const shared = Object.keys(numbers).filter((name) => name in row);
        expect(shared.length).toBeGreaterThan(3);
        for (const name of shared) expect([name, row[name]]).toEqual([name, numbers[name]]);
        expect(id).toBeDefined();
      }
    }
  });

  it("errors are those of the list", async () => {
    const job = await finished({ source: "errors", format: "ndjson" });
    expect(await rowsOf(job.id)).toEqual((await ask(`/errors?from=${FROM}&to=${TO}`)).data);
  });

  it("events may be filtered by what they carry", async () => {
    const job = await finished({
      source: "events",
      format: "ndjson",
      filters: [{ field: "properties.plan", op: "eq", value: "pro" }],
    });
    const rows = await rowsOf(job.id);
    expect(rows.map((row) => row.id)).toEqual(
      Array.from({ length: 25 }, (_, i) => `e${2 * i + 1}`),
    );
    expect(rows[0]).toMatchObject({
      event_type: "click",
      properties: { plan: "pro" },
      occurred_at: at(1),
    });
  });

  it("has the days of its zone in its name", async () => {
    const [from, to] = ["2026-03-01T18:30:00Z", "2026-03-02T18:30:00Z"];
    const { files } = await finished({ from, to, timezone: "Asia/Kolkata" });
    expect(files).toMatchObject([{ name: "executions-2026-03-02-2026-03-03.csv" }]);
  });

  it("a question of metrics has the digits of the API, in its zone", async () => {
    const query = {
      measures: ["executions", "success_rate", "credits", "duration_p95"],
      group_by: ["agent"],
      granularity: "day",
      limit: 3,
    };
    const job = await finished({
      source: "metrics",
      format: "ndjson",
      query,
      timezone: "Asia/Kolkata",
    });
    const { data } = (
      await client.post("/api/v1/metrics/query", {
        ...query,
        from: FROM,
        to: TO,
        timezone: "Asia/Kolkata",
      })
    ).body;
    const rows = await rowsOf(job.id);
    expect(rows.length).toBe(data.rows.length);
    expect(rows).toEqual(
      data.rows.map((row: Record<string, unknown>) => ({
        other: false,
        ...row,
        ...(row.other ? { agent: null } : {}),
      })),
    );
    const { totals } = (await client.get(`/api/v1/exports/${job.id}/manifest`)).body;
    expect(totals).toMatchObject({
      executions: data.totals.executions,
      credits: data.totals.credits,
    });
  });

  it("may name every column that an agent has", () => {
    const question = {
      workspaceId: WORKSPACE,
      range: { from: 0, to: 1 },
      timezone: "UTC",
      filters: [],
      now: 1,
    };
    expect(new Set(agentSource.columns(question).map((column) => column.name)).size).toBe(
      agentSource.columns(question).length,
    );
  });
});

describe("Accept: text/csv", () => {
  const csv = { accept: "text/csv" };
  const lines = (text: string) => parse(text, { columns: true }) as Record<string, string>[];

  it("gives a page of executions, and where the next one is", async () => {
    const token = await tokenFor(WORKSPACE);
    const seen: string[] = [];
    for (let path: string | undefined = "/api/v1/executions?limit=250"; path; ) {
      const answer: Response = await raw(token, path, csv);
      expect(answer.headers.get("content-type")).toBe("text/csv; charset=utf-8");
      seen.push(...lines(await answer.text()).map((row) => row.id ?? ""));
      path = /<(.*)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
      // By PUBLIC_URL, and not by the Host of the request.
      if (path)
        expect(path).toMatch(
          /^https:\/\/analytics\.example\.com\/api\/v1\/executions\?limit=250&cursor=/,
        );
    }
    expect(new Set(seen).size).toBe(600);
    expect(seen.length).toBe(600);
    const [first] = lines(
      await (await raw(token, "/api/v1/executions?limit=1&status=failure", csv)).text(),
    );
    expect(first).toMatchObject({
      id: "x592",
      error_type: "Broken",
      error_message: "line 592",
      credits: "2.500000",
    });
    expect(
      (
        await raw(token, "/api/v1/executions?limit=1", {
          accept: "application/json, text/csv;q=0.5",
        })
      ).headers.get("content-type"),
    ).toContain("json");
  });

  it("gives the rows of a question", async () => {
    const query = { measures: ["executions", "credits"], group_by: ["agent"], from: FROM, to: TO };
    const answer = await (await import("cloudflare:workers")).exports.default.fetch(
      new Request("https://shadower.test/api/v1/metrics/query", {
        method: "POST",
        headers: {
          authorization: `Bearer ${await tokenFor(WORKSPACE)}`,
          "content-type": "application/json",
          ...csv,
        },
        body: JSON.stringify(query),
      }),
    );
    const { rows } = (await client.post("/api/v1/metrics/query", query)).body.data;
    expect(lines(await answer.text())).toEqual(
      rows.map((row: Record<string, unknown>) => ({
        agent: row.agent,
        other: "false",
        executions: String(row.executions),
        credits: row.credits,
      })),
    );
  });
});

describe("downloads", () => {
  it("have ranges, ETags and a name", async () => {
    const { id, files } = await finished();
    const token = await tokenFor(WORKSPACE);
    const path = `/api/v1/exports/${id}/files/0`;
    const whole = await raw(token, path);
    const text = await whole.text();
    expect(whole.status).toBe(200);
    expect(whole.headers.get("content-disposition")).toContain(`filename="${files[0].name}"`);
    expect(whole.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(text.length).toBe(files[0].bytes);
    const etag = whole.headers.get("etag") ?? "";
    for (const [range, from, to] of [
      ["bytes=0-9", 0, 10],
      ["bytes=100-", 100, text.length],
      ["bytes=-7", text.length - 7, text.length],
      [`bytes=50-${text.length * 2}`, 50, text.length],
    ] as const) {
      const part = await raw(token, path, { range });
      expect(part.status).toBe(206);
      expect(part.headers.get("content-range")).toBe(`bytes ${from}-${to - 1}/${text.length}`);
      expect(await part.text()).toBe(text.slice(from, to));
    }
    expect((await raw(token, path, { range: `bytes=${text.length}-` })).status).toBe(416);
    expect((await raw(token, path, { "if-none-match": etag })).status).toBe(304);
    const changed = await raw(token, path, { range: "bytes=0-9", "if-range": '"another"' });
    expect([changed.status, (await changed.text()).length]).toEqual([200, text.length]);
    expect((await raw(token, `/api/v1/exports/${id}/files/1`)).status).toBe(404);
  });

  it("by a link need no token, until it ends", async () => {
    const { id, files } = await finished();
    const link = await client.post(`/api/v1/exports/${id}/links`, { expires_in_seconds: 3600 });
    expect(link.status).toBe(201);
    expect(Date.parse(link.body.data.expires_at) - Date.now()).toBeLessThanOrEqual(3_600_000);
    const answer = await raw(undefined, link.body.data.url);
    expect([answer.status, (await answer.text()).length]).toEqual([200, files[0].bytes]);
    const { url } = link.body.data;
    expect(url).toMatch(/^https:\/\/analytics\.example\.com\/api\/v1\/downloads\//);
    expect((await raw(undefined, `${url.slice(0, -4)}AAAA`)).status).toBe(404);
    // A token of the API opens no download.
    expect((await raw(undefined, `/api/v1/downloads/${await tokenFor(WORKSPACE)}`)).status).toBe(
      404,
    );
    vi.useFakeTimers({ now: Date.now() + 3_601_000, toFake: ["Date"] });
    const late = await raw(undefined, url);
    vi.useRealTimers();
    expect(late.status).toBe(410);
    expect(
      (await client.post(`/api/v1/exports/${id}/links`, { expires_in_seconds: 59 })).status,
    ).toBe(400);
  });

  it("are nobody else's", async () => {
    const { id } = await finished();
    for (const path of [`/exports/${id}`, `/exports/${id}/files/0`, `/exports/${id}/manifest`])
      expect((await stranger.get(`/api/v1${path}`)).status).toBe(404);
    for (const path of [`/exports/${id}/links`, `/exports/${id}/cancel`])
      expect((await stranger.post(`/api/v1${path}`, {})).status).toBe(404);
    expect((await stranger.send(`/api/v1/exports/${id}`, { method: "DELETE" })).status).toBe(404);
    expect((await stranger.get("/api/v1/exports")).body.data).toEqual([]);
    expect((await jobOf(id)).status).toBe("done");
  });

  it("wait for their end, and are gone after their time or a delete", async () => {
    const { id } = await finished();
    await ctx.db.run(
      sql`update exports set expires_at = now() - interval '1 second' where id = ${id}`,
    );
    await expireExports(ctx);
    expect((await client.get(`/api/v1/exports/${id}/files/0`)).status).toBe(410);
    expect((await jobOf(id)).status).toBe("expired");
    expect((await ctx.files.list({ prefix: `exports/${WORKSPACE}/${id}/` })).objects).toEqual([]);
    const second = await finished();
    expect((await client.send(`/api/v1/exports/${second.id}`, { method: "DELETE" })).status).toBe(
      204,
    );
    expect((await client.get(`/api/v1/exports/${second.id}`)).status).toBe(404);
    expect(
      (await ctx.files.list({ prefix: `exports/${WORKSPACE}/${second.id}/` })).objects,
    ).toEqual([]);
    const failed = await finished();
    await ctx.db.run(sql`update exports set status = 'failed' where id = ${failed.id}`);
    expect((await client.get(`/api/v1/exports/${failed.id}/files/0`)).status).toBe(409);
  });
});

describe("templates", () => {
  it("are questions without a range of their own, run again and again", async () => {
    const request = {
      source: "executions",
      format: "ndjson",
      range: "last_full_month",
      timezone: "Europe/Berlin",
      columns: ["id"],
    };
    const made = await client.post("/api/v1/exports/templates", { name: "Monthly", request });
    expect(made.status).toBe(201);
    const { id } = made.body.data;
    expect((await client.get("/api/v1/exports/templates")).body.data).toMatchObject([
      { id, name: "Monthly", request },
    ]);
    const run = await client.post(`/api/v1/exports/templates/${id}/run`, {});
    expect(run.body.data).toMatchObject({
      template_id: id,
      request: { timezone: "Europe/Berlin", columns: ["id"] },
    });
    expect(run.body.data.request.from < run.body.data.request.to).toBe(true);
    expect((await stranger.get(`/api/v1/exports/templates/${id}`)).status).toBe(404);
    expect(
      (
        await client.post("/api/v1/exports/templates", {
          name: "x",
          request: { ...request, columns: ["no"] },
        })
      ).body.errors[0].path,
    ).toBe("request.columns.0");
    expect(
      (await client.send(`/api/v1/exports/templates/${id}`, { method: "DELETE" })).status,
    ).toBe(204);
    expect((await client.get(`/api/v1/exports/templates/${id}`)).status).toBe(404);
  });
});

describe("schedules", () => {
  const request = {
    source: "executions",
    format: "ndjson",
    range: "last_full_day",
    timezone: "Europe/Berlin",
    columns: ["id"],
  };
  const daily = { frequency: "daily", time: "06:00" };
  const template = async () =>
    (await client.post("/api/v1/exports/templates", { name: "Daily", request })).body.data
      .id as string;
  const at = (iso: string) => ({ ...ctx, now: () => Date.parse(iso) });
  const made = async (id: string) =>
    (await client.get("/api/v1/exports?limit=1000")).body.data.filter(
      (job: { schedule_id: string }) => job.schedule_id === id,
    );

  it("start each run once, with the range of its own time, also late, twice, and after an outage", async () => {
    const input = {
      name: "Every morning",
      template_id: await template(),
      recurrence: daily,
      timezone: "Europe/Berlin",
    };
    const { id, next_run_at } = (await client.post("/api/v1/exports/schedules", input)).body.data;
    expect(Date.parse(next_run_at)).toBeGreaterThan(Date.now());
    await ctx.db.run(
      sql`update schedules set next_run_at = '2026-03-28T05:00:00Z' where id = ${id}`,
    );
    await startDue(at("2026-03-28T04:59:00Z"));
    expect(await made(id)).toEqual([]);
    await Promise.all([startDue(at("2026-03-28T05:20:00Z")), startDue(at("2026-03-28T05:20:00Z"))]);
    await startDue(at("2026-03-28T05:25:00Z"));
    // The clock goes forward in the night to the 29th; the 29th to the 31st are missed together.
    await startDue(at("2026-03-31T12:00:00Z"));
    const jobs = await made(id);
    expect(
      jobs
        .map((job: { request: { from: string; to: string } }) => [job.request.from, job.request.to])
        .sort(),
    ).toEqual([
      ["2026-03-26T23:00:00.000Z", "2026-03-27T23:00:00.000Z"],
      ["2026-03-29T22:00:00.000Z", "2026-03-30T22:00:00.000Z"],
    ]);
    const [listed] = (await client.get("/api/v1/exports/schedules")).body.data;
    expect(listed).toMatchObject({
      id,
      last_run_at: "2026-03-31T04:00:00.000Z",
      next_run_at: "2026-04-01T04:00:00.000Z",
    });
    const off = await client.send(`/api/v1/exports/schedules/${id}`, {
      method: "PUT",
      body: JSON.stringify({ ...input, enabled: false }),
      headers: { "content-type": "application/json" },
    });
    expect(off.body.data.enabled).toBe(false);
    await startDue(at("2027-03-31T12:00:00Z"));
    expect(await made(id)).toHaveLength(2);
    expect(
      (await stranger.send(`/api/v1/exports/schedules/${id}`, { method: "DELETE" })).status,
    ).toBe(404);
    expect(
      (await client.send(`/api/v1/exports/schedules/${id}`, { method: "DELETE" })).status,
    ).toBe(204);
  });

  it.each([
    [{ recurrence: { cron: "0 0 30 2 *" } }, 422, "recurrence"],
    [{ recurrence: { cron: "not a schedule" } }, 422, "recurrence"],
    [{ recurrence: { frequency: "daily", time: "24:00" } }, 400, undefined],
    [{ recurrence: { frequency: "monthly", time: "06:00" } }, 400, undefined],
    [{ timezone: "Mars/Olympus" }, 422, "timezone"],
    [{ template_id: "of-nobody" }, 404, undefined],
  ])("refuse %j", async (change, status, path) => {
    const answer = await client.post("/api/v1/exports/schedules", {
      name: "x",
      template_id: await template(),
      recurrence: daily,
      ...change,
    });
    expect(answer.status).toBe(status);
    if (path) expect(answer.body.errors[0].path).toBe(path);
  });
});

describe("jobs that are lost or given up", () => {
  it("what the queue itself gave up, or nobody knows, is kept too", async () => {
    const door = createExecutionContext();
    const dead = createMessageBatch("shadower-jobs-dead", [
      {
        id: "d1",
        timestamp: new Date(),
        attempts: 1,
        body: { type: "export.run", workspaceId: WORKSPACE, id: "x" },
      },
    ]);
    await handleQueue(dead, env as unknown as Env, door);
    expect((await getQueueResult(dead, door)).explicitAcks).toEqual(["d1"]);
    const strange = createMessageBatch("shadower-jobs", [
      {
        id: "d2",
        timestamp: new Date(),
        attempts: 1,
        body: { type: "what", workspaceId: WORKSPACE },
      },
    ]);
    await handleQueue(strange, env as unknown as Env, door);
    const kept = (await client.get("/api/v1/jobs/dead-letters")).body.data.map(
      (letter: { id: string; reason: string }) => [letter.id, letter.reason],
    );
    expect(kept).toEqual(
      expect.arrayContaining([
        ["d1", "Given up by the queue"],
        ["d2", "TypeError: Unknown message"],
      ]),
    );
  });
});

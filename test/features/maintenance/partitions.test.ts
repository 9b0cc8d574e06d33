import { createExecutionContext, createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { executionSource } from "../../../src/features/exports/sources/raw-sources.ts";
import type { ExportQuestion } from "../../../src/features/exports/sources/source.ts";
import worker from "../../../src/index.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { patientDb } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { exportedRows, readable } from "../../support/exported.ts";
import { type Cost, costsDuring, measured } from "../../support/plans.ts";
import { VIEWS, type View } from "../../support/views.ts";

const W = "few-months";
const OLD = "many-months";
const HOUR_MS = 3_600_000;
const NOW = Date.now();
/** A relation and its seven indexes. */
const LOCKS_OF_ONE = 8;
const month = (index: number) => new Date(Date.UTC(2000, index, 15)).toISOString();
const MONTHS = (new Date().getUTCFullYear() - 2000) * 12 + new Date().getUTCMonth();

let api: ReturnType<typeof clientOf>;
let old: ReturnType<typeof clientOf>;
const partitions = async () =>
  (
    await patientDb().all({
      sql: sql`select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'executions'::regclass order by 1`,
      row: z.object({ name: z.string() }),
    })
  ).map(({ name }) => name);
const cron = (expression: string) =>
  worker.scheduled(createScheduledController({ cron: expression }), env, createExecutionContext());
const run = (index: number, at: string) => ({
  id: `r${index}`,
  agent_id: `a${index % 3}`,
  user_id: `u${index % 5}`,
  status: index % 4 === 0 ? "failure" : "success",
  started_at: at,
  duration_ms: 100 + index,
  credits: "1",
  ...(index % 4 === 0 ? { error: { type: "Boom", message: "it went wrong" } } : {}),
});
async function post(to: typeof api, executions: object[]) {
  const { body } = await to.post("/api/v1/executions", { executions });
  expect(body.data.counts.created).toBe(executions.length);
}

beforeAll(async () => {
  await useOwnDatabase();
  [api, old] = [clientOf(await tokenFor(W)), clientOf(await tokenFor(OLD))];
  await post(
    api,
    Array.from({ length: 100 }, (_, n) => run(n, new Date(NOW - n * HOUR_MS).toISOString())),
  );
  await cron("0 1 * * *");
  // One a month since 2000, and each third run never ends.
  const items = Array.from({ length: MONTHS }, (_, n) => ({
    ...run(n, month(n)),
    ...(n % 3 === 0 ? { status: "running", error: undefined, duration_ms: undefined } : {}),
  }));
  await post(old, items);
});

it("a row of every month since 2000 makes no more partitions than the calendar has since 2026", async () => {
  const since2026 = (new Date().getUTCFullYear() - 2026) * 12 + new Date().getUTCMonth() + 1;
  const names = await partitions();
  expect(names.length).toBeLessThanOrEqual(1 + since2026 + 3);
  expect(names).toContain("executions_old");
  const { body } = await old.get(
    "/api/v1/metrics/series?from=2000-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&granularity=month&timezone=UTC",
  );
  expect(body.data.rows.map((row: { executions: number }) => row.executions)).toEqual(
    Array.from({ length: 26 * 12 }, () => 1),
  );
});

/** Views that ask when something was seen first or last, ever, or what is running: they look into every partition. */
const EVER =
  /execution$|realtime|\/agents|\/users|\/errors|overview|dashboard|workspaces\/|search|analytics/;

const objects: Record<string, string> = { agent: "a1", user: "u1", workspace: W };
beforeAll(async () => {
  objects.error = (await api.get("/api/v1/errors")).body.data[0].id;
});

async function ask(view: View): Promise<number> {
  const path = `/api/v1${view.path.replaceAll(/\{(\w+)\}/g, (_, name) => objects[name] ?? "")}`;
  const ranged = view.rangeless ? path : `${path}${path.includes("?") ? "&" : "?"}timeframe=7d`;
  if (view.method === "GET") return (await api.get(ranged, { "cache-control": "no-cache" })).status;
  return (await api.post(path, { timeframe: "7d", ...view.body })).status;
}

/**
 * @param most partitions that a statement may touch
 * @param modes of locks that it may have on each: one to read, another to write
 */
function expectFew(costs: readonly Cost[], most: number, modes = 1) {
  expect(costs.length).toBeGreaterThan(0);
  for (const { locks, partitions: touched, text } of costs) {
    expect(touched, text).toBeLessThanOrEqual(most);
    expect(locks, text).toBeLessThanOrEqual(modes * LOCKS_OF_ONE * touched + 45);
  }
}

it.each(VIEWS.map((view) => [`${view.method} ${view.path}`, view] as const))(
  "%s locks the months it asks for, whatever others have sent",
  async (_, view) => {
    let status = 0;
    const costs = await costsDuring(patientDb(), async () => {
      status = await ask(view);
    });
    expect(status).toBe(200);
    expectFew(costs, EVER.test(view.path) ? (await partitions()).length : 3);
  },
);

it("a run is found by its id in its own month", async () => {
  const costs = await costsDuring(patientDb(), async () => {
    expect((await api.get("/api/v1/executions/r7")).status).toBe(200);
    expect((await old.get("/api/v1/executions/r7")).body.data.started_at).toBe(month(7));
    const { body } = await old.get("/api/v1/search?q=r7&types=executions");
    expect(body.data.results.executions.length).toBeGreaterThan(1);
  });
  expectFew(costs, 1);
});

it("an export reads the months of its range", async () => {
  const range = { from: (NOW - 7 * 24 * HOUR_MS) * 1000, to: NOW * 1000 };
  const watched = await measured(patientDb());
  const question: ExportQuestion = {
    workspaceId: W,
    range,
    filters: [],
    timezone: "UTC",
    now: NOW * 1000,
  };
  const columns = executionSource.columns(question);
  const opened = await executionSource.open(readable(watched.db), question, columns);
  expect(await exportedRows(opened, columns, 40)).toHaveLength(opened.rows);
  expectFew(watched.costs, 2);
});

it("every cron ends, and locks no more than the calendar's months", async () => {
  for (const expression of ["*/5 * * * *", "5 * * * *", "0 1 * * *"])
    expectFew(
      await costsDuring(patientDb(), () => cron(expression)),
      (await partitions()).length,
      2,
    );
});

it("forty dashboards at once are all answered", async () => {
  const statuses = await Promise.all(
    Array.from({ length: 40 }, (_, n) => {
      const [from, to] = [NOW - (n + 8) * 24 * HOUR_MS, NOW - n * HOUR_MS].map((at) =>
        new Date(at).toISOString(),
      );
      return ["metrics/summary", "executive/dashboard", "errors", "agents"].map((name) =>
        api.get(`/api/v1/${name}?from=${from}&to=${to}`),
      );
    }).flat(),
  );
  expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([200]));
});

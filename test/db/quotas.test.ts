import { env } from "cloudflare:workers";
import { type SQL, sql } from "drizzle-orm";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { readConfig } from "../../src/config.ts";
import { countUse, insertWithin, QUOTAS } from "../../src/db/quotas.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";

await useOwnDatabase();
env.QUOTAS =
  "named_agents=2, funnels=2, reports=2, report_templates=2, export_templates=2, export_schedules=2, report_schedules=2, " +
  "exports_under_way=2, exports_per_day=3, report_runs_under_way=1, shares_per_run=2";
const ctx = testContext();
const client = clientOf(await tokenFor("quotas"));
const other = clientOf(await tokenFor("quotas-other"));
const run = (text: SQL) => ctx.db.all({ sql: text, row: z.unknown() });

const RANGE = { from: "2026-03-01T00:00:00Z", to: "2026-03-02T00:00:00Z" };
const REPORT = {
  name: "x",
  format: "json",
  ...RANGE,
  sections: [{ type: "metrics", title: "All", measures: ["executions"] }],
};
const STEPS = ["a", "b"].map((name) => ({ name, kind: "event", event_type: name }));
const daily = { frequency: "daily", time: "06:00" };
const request = { source: "executions", format: "csv", range: "last_full_day" };
/** Jobs that nobody works on, so that they stay under way. */
const held = sql`lease_until = now() + interval '1 minute', status = 'queued'`;

beforeEach(async () => {
  for (const table of ["funnels", "reports", "report_templates", "export_templates", "schedules"])
    await run(sql`delete from ${sql.identifier(table)}`);
});

/** Asks for one more than there may be, at once. */
async function atOnce(path: string, body: unknown): Promise<[number, string | undefined][]> {
  const answers = await Promise.all(Array.from({ length: 5 }, () => client.post(path, body)));
  return answers.map(({ status, body: { code } }) => [status, code]);
}

describe("what a member can fill", () => {
  it.each([
    ["/api/v1/funnels", { name: "x", definition: { steps: STEPS } }],
    ["/api/v1/reports", REPORT],
    ["/api/v1/reports/templates", { name: "x", sections: REPORT.sections }],
    ["/api/v1/exports/templates", { name: "x", request }],
  ])("is full at its quota and not before, also when all ask at once: %s", async (path, body) => {
    const answers = await atOnce(path, body);
    expect(answers.filter(([status]) => status === 201)).toHaveLength(2);
    const refused = answers.filter(([status]) => status !== 201);
    expect(refused).toEqual(refused.map(() => [422, "quota_exceeded"]));
    expect((await other.post(path, body)).status).toBe(201);
  });

  it("takes a change of an agent that is named already, and no name too many", async () => {
    const name = (id: string) => client.patch(`/api/v1/agents/${id}`, { name: "x" });
    const answers = await Promise.all(["a", "b", "c", "d"].map(name));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 422, 422]);
    const [named] = answers.filter(({ status }) => status === 200);
    const again = await client.patch(`/api/v1/agents/${named?.body.data.id}`, { name: "y" });
    expect([again.status, again.body.data.name]).toEqual([200, "y"]);
  });

  it("has room again when something is deleted, and a repeated request counts once", async () => {
    const body = { name: "x", definition: { steps: STEPS } };
    const ask = (key: string) => client.post("/api/v1/funnels", body, { "idempotency-key": key });
    const first = await ask("one");
    expect([(await ask("two")).status, (await ask("one")).status]).toEqual([201, 201]);
    const full = await ask("three");
    expect(full.body).toMatchObject({
      code: "quota_exceeded",
      detail: "A workspace has at most 2 funnels; delete one first.",
    });
    const path = `/api/v1/funnels/${first.body.data.id}`;
    expect((await client.send(path, { method: "DELETE" })).status).toBe(204);
    expect((await ask("three")).status).toBe(201);
  });

  it("counts the schedules of exports and of reports apart", async () => {
    const template = await client.post("/api/v1/exports/templates", { name: "x", request });
    const report = await client.post("/api/v1/reports", REPORT);
    const exported = { name: "x", template_id: template.body.data.id, recurrence: daily };
    const reported = { name: "x", report_id: report.body.data.id, recurrence: daily };
    const count = (answers: [number, string | undefined][]) =>
      answers.filter(([status]) => status === 201).length;
    expect(count(await atOnce("/api/v1/exports/schedules", exported))).toBe(2);
    expect(count(await atOnce("/api/v1/reports/schedules", reported))).toBe(2);
  });

  it("counts jobs under way, and those of a day also when they are deleted", async () => {
    const ask = () =>
      client.post("/api/v1/exports", { source: "executions", format: "csv", ...RANGE });
    const began: string[] = [];
    const start = async () => {
      const answer = await ask();
      expect(answer.status).toBe(202);
      began.push(answer.body.data.id);
      await run(sql`update exports set ${held} where id = ${answer.body.data.id}`);
    };
    await start();
    await start();
    const busy = await ask();
    expect([busy.status, busy.body.code, busy.headers.get("retry-after")]).toEqual([
      429,
      "quota_exceeded",
      "60",
    ]);
    for (const id of began) await run(sql`delete from exports where id = ${id}`);
    await start();
    const today = await ask();
    expect([today.status, today.body.code]).toEqual([429, "quota_exceeded"]);
    expect(Number(today.headers.get("retry-after"))).toBeGreaterThan(60);
    await run(sql`update daily_uses set day = day - 1 where workspace_id = 'quotas'`);
    await start();
  });

  it("counts the links of a run that lead somewhere", async () => {
    const report = await client.post("/api/v1/reports", REPORT);
    const made = await client.post(`/api/v1/reports/${report.body.data.id}/run`, {});
    const { id } = made.body.data;
    await run(sql`update report_runs set ${held} where id = ${id}`);
    expect((await client.post(`/api/v1/reports/${report.body.data.id}/run`, {})).status).toBe(429);
    await run(sql`update report_runs set status = 'done', lease_until = null where id = ${id}`);
    const path = `/api/v1/reports/runs/${id}/share`;
    const [link] = [await client.post(path, {}), await client.post(path, {})];
    expect((await client.post(path, {})).body.code).toBe("quota_exceeded");
    const shares = `/api/v1/reports/runs/${id}/shares/${link.body.data.id}`;
    expect((await client.send(shares, { method: "DELETE" })).status).toBe(204);
    expect((await client.post(path, {})).status).toBe(201);
  });
});

it("a quota of the day is exact, however many ask at once", async () => {
  const owner = { quotas: { ...QUOTAS, deliveries_per_day: 7 }, workspaceId: "many" };
  const asked = Array.from({ length: 20 }, () => countUse(ctx.db, owner, "deliveries_per_day"));
  expect((await Promise.all(asked)).filter(Boolean)).toHaveLength(7);
});

it("a quota of nothing allows nothing", async () => {
  const owner = { quotas: { ...QUOTAS, funnels: 0 }, workspaceId: "none", id: "x" };
  const insert = (
    allowed: SQL,
  ) => sql`insert into funnels (workspace_id, id, name, definition, created_by)
    select 'none', 'x', 'x', '{}'::jsonb, 'x' where ${allowed} returning id`;
  const kept = { table: "funnels", name: "funnels", insert, row: z.unknown() } as const;
  await expect(insertWithin(ctx.db, owner, kept)).rejects.toMatchObject({ code: "quota_exceeded" });
});

it("QUOTAS changes what it names, and a name that is none is an error of the configuration", () => {
  const base = { DATABASE_URL: "postgres://x", JWT_SECRET_KEY: "x".repeat(32) };
  expect(readConfig({ ...base, QUOTAS: "funnels=7" }).QUOTAS).toEqual({ ...QUOTAS, funnels: 7 });
  expect(readConfig({ ...base, QUOTAS: "" }).QUOTAS).toEqual(QUOTAS);
  for (const wrong of ["funnel=7", "funnels=many", "funnels"])
    expect(() => readConfig({ ...base, QUOTAS: wrong })).toThrow(/QUOTAS does not know/);
});

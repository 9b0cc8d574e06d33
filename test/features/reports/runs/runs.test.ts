import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { runReport } from "../../../../src/features/reports/runs/run.ts";
import { startScheduledReports } from "../../../../src/features/reports/runs/start.ts";
import { client, ctx, DEFINITION, fillReports, made, WORKSPACE } from "../../../support/reports.ts";

beforeAll(fillReports);

describe("runs of reports", () => {
  it("that are asked for twice, at once and afterwards, are made once", async () => {
    const run = await made();
    const job = { workspaceId: WORKSPACE, id: run.id };
    await Promise.all([runReport(ctx, job), runReport(ctx, job)]);
    expect((await client.get(`/api/v1/reports/runs/${run.id}`)).body.data).toEqual(run);
  });

  it("come by schedule for the time they are of", async () => {
    const report = await client.post("/api/v1/reports", {
      ...DEFINITION,
      from: undefined,
      to: undefined,
      range: "last_full_week",
      timezone: "Europe/Berlin",
    });
    const schedule = await client.post("/api/v1/reports/schedules", {
      name: "Mondays",
      report_id: report.body.data.id,
      recurrence: { frequency: "weekly", time: "07:00", day_of_week: 1 },
      timezone: "Europe/Berlin",
    });
    expect(schedule.status).toBe(201);
    await ctx.db.run(
      sql`update schedules set next_run_at = '2026-03-09T06:00:00Z' where id = ${schedule.body.data.id}`,
    );
    await startScheduledReports({ ...ctx, now: () => Date.parse("2026-03-10T03:00:00Z") });
    await startScheduledReports({ ...ctx, now: () => Date.parse("2026-03-10T03:05:00Z") });
    const { data } = (await client.get(`/api/v1/reports/${report.body.data.id}/runs`)).body;
    expect(
      data.map((run: { request: { from: string; to: string } }) => [
        run.request.from,
        run.request.to,
      ]),
    ).toEqual([["2026-03-01T23:00:00.000Z", "2026-03-08T23:00:00.000Z"]]);
    expect((await client.get("/api/v1/reports/schedules")).body.data[0]).toMatchObject({
      report_id: report.body.data.id,
      next_run_at: "2026-03-16T06:00:00.000Z",
    });
    expect(
      (
        await client.post("/api/v1/reports/schedules", {
          name: "x",
          report_id: "of-nobody",
          recurrence: { frequency: "daily", time: "07:00" },
        })
      ).status,
    ).toBe(404);
  });
});

it("one Idempotency-Key makes a run of each report, and one of the same", async () => {
  const reports = await Promise.all(
    ["A", "B"].map((name) => client.post("/api/v1/reports", { ...DEFINITION, name })),
  );
  const run = async (index: number) => {
    const { id } = reports[index]?.body.data ?? {};
    return (await client.post(`/api/v1/reports/${id}/run`, {}, { "idempotency-key": "same" })).body
      .data;
  };
  const [a, b, again] = [await run(0), await run(1), await run(0)];
  expect([a.report_id, b.report_id]).toEqual(reports.map((each) => each.body.data.id));
  expect(again.id).toBe(a.id);
});

it("a report's file is gone at its time, before anybody removes it", async () => {
  const run = await made();
  await ctx.db.run(sql`update report_runs set expires_at = now() where id = ${run.id}`);
  expect((await client.get(`/api/v1/reports/runs/${run.id}/download`)).status).toBe(410);
});

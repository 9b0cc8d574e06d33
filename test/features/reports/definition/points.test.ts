import { expect, it } from "vitest";
import { definitionOf } from "../../../../src/features/reports/definition/define.ts";
import { createReport } from "../../../../src/features/reports/definition/queries.ts";
import { reportInput } from "../../../../src/features/reports/definition/schema.ts";
import { getReportRun } from "../../../../src/features/reports/runs/queries.ts";
import { runReport } from "../../../../src/features/reports/runs/run.ts";
import { startReport } from "../../../../src/features/reports/runs/start.ts";
import { clientOf, tokenFor } from "../../../support/client.ts";
import { queuesTo, testContext } from "../../../support/context.ts";
import { useOwnDatabase } from "../../../support/database.ts";

await useOwnDatabase();
const WORKSPACE = "points";
const client = clientOf(await tokenFor(WORKSPACE));

const report = (format: string, charts: number, minutes: number) => ({
  name: "By the minute",
  format,
  from: "2026-05-01T00:00:00Z",
  to: new Date(Date.UTC(2026, 4, 1) + minutes * 60_000).toISOString(),
  sections: Array.from({ length: charts }, (_, n) => ({
    type: "chart",
    chart: "area",
    title: `Chart ${n}`,
    measure: "executions",
    granularity: "minute",
  })),
});

it.each([
  ["pdf", 40, 10_000, 400_000, 50_000],
  ["html", 40, 10_000, 400_000, 100_000],
  ["pdf", 6, 9_000, 54_000, 50_000],
])(
  "a report as %s of %d charts of %d minutes is refused with the number of its values",
  async (format, charts, minutes, amount, limit) => {
    const { status, body } = await client.post("/api/v1/reports", report(format, charts, minutes));
    expect([status, body.errors[0]]).toMatchObject([
      422,
      { path: "sections.0", code: "too_many_points", amount, limit },
    ]);
  },
);

it("a report that has grown too large since it was saved fails at its first attempt, with the number", async () => {
  expect((await client.post("/api/v1/reports", report("pdf", 5, 9_000))).status).toBe(201);
  const ctx = testContext({ queues: queuesTo() });
  const input = reportInput.parse(report("pdf", 5, 9_000));
  const definition = await definitionOf(ctx, WORKSPACE, input);
  const grown = { ...definition, sections: [...definition.sections, ...definition.sections] };
  const saved = { name: input.name, description: null, definition: grown };
  const stored = await createReport(ctx, WORKSPACE, crypto.randomUUID(), "tester", saved);
  const id = crypto.randomUUID();
  await startReport(ctx, WORKSPACE, id, stored, { author: "tester" });
  await runReport(ctx, { workspaceId: WORKSPACE, id });
  const run = await getReportRun(ctx, WORKSPACE, id);
  expect(run).toMatchObject({ status: "failed", attempts: 1, error: { code: "too_many_points" } });
  expect(run.error?.message).toContain("90000");
});

import { beforeAll, describe, expect, it } from "vitest";
import { SYSTEM_TEMPLATES } from "../../../../src/features/reports/definition/system-templates.ts";
import { clientOf, tokenFor } from "../../../support/client.ts";
import {
  bytesOf,
  client,
  DEFINITION,
  documentOf,
  EMPTY,
  FROM,
  fillReports,
  made,
  SECTIONS,
  stranger,
  TO,
  WORKSPACE,
} from "../../../support/reports.ts";

beforeAll(fillReports);

describe("figures of a report", () => {
  it("are those of the API for the query that stands beside them, all of one moment", async () => {
    const run = await made();
    const document = await documentOf(run);
    expect(document).toMatchObject({
      run_id: run.id,
      workspace_id: WORKSPACE,
      from: FROM,
      to: TO,
      timezone: "Asia/Kolkata",
      as_of: run.as_of,
    });
    expect(document.sections.length).toBe(SECTIONS.length);
    for (const { query, meta, data } of document.sections) {
      if (!query) continue;
      expect(meta.as_of).toBe(run.as_of);
      if (data.kind === "matrix") {
        expect(data.cohorts).toEqual((await client.get(query.path)).body.data.cohorts);
        expect(
          data.cohorts.reduce((sum: number, cohort: { size: number }) => sum + cohort.size, 0),
        ).toBe(13);
        continue;
      }
      const { rows, totals, totals_comparison } = (
        await client.post("/api/v1/metrics/query", query)
      ).body.data;
      if (data.kind === "tiles")
        for (const tile of data.tiles)
          expect([tile.value, tile.comparison]).toEqual([
            totals[tile.measure],
            totals_comparison[tile.measure],
          ]);
      if (data.kind === "table") {
        const shown = rows.filter(
          (row: { other?: boolean }) => data.columns[0] !== "rank" || !row.other,
        );
        expect(data.rows.map(({ rank: _, ...row }: { rank?: number }) => row)).toEqual(shown);
        expect(data.totals).toEqual(totals);
      }
      if (data.kind === "bars")
        expect(data.bars.map((bar: { value: unknown }) => bar.value)).toEqual(
          rows.map((row: Record<string, unknown>) => row.executions),
        );
      if (data.kind === "heatmap") {
        const sum = data.cells.reduce(
          (total: number, cell: { value: number }) => total + cell.value,
          0,
        );
        expect(sum).toBe(totals.executions);
      }
      if (data.kind === "series" && data.measure === "executions")
        expect(data.series[0].values).toEqual(
          rows.map((row: Record<string, unknown>) => row.executions),
        );
    }
    const [text] = document.sections;
    expect(text.data.paragraphs[0]).toBe("900 runs for 4,275.000000 credits, 88.89 %.");
  });

  it("of an empty workspace are absent, not zero, where zero would be a claim", async () => {
    const nobody = clientOf(await tokenFor(EMPTY));
    const document = await documentOf(await made({}, nobody, EMPTY), EMPTY);
    const tiles = Object.fromEntries(
      document.sections[1].data.tiles.map((tile: { measure: string; value: unknown }) => [
        tile.measure,
        tile.value,
      ]),
    );
    expect(tiles).toEqual({
      executions: 0,
      success_rate: null,
      credits: "0.000000",
      duration_p95: null,
      active_users: 0,
    });
    expect(document.sections[0].data.paragraphs[0]).toBe("0 runs for 0.000000 credits, –.");
    const html = new TextDecoder().decode(
      await bytesOf(await made({ format: "html" }, nobody, EMPTY), EMPTY),
    );
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  it.each(SYSTEM_TEMPLATES.map(({ id }) => id))(
    "are shown in every format by the template %s",
    async (template_id) => {
      for (const format of ["pdf", "html", "xlsx", "csv", "json"]) {
        const run = await made({ sections: undefined, template_id, format });
        expect(run.file.bytes).toBe((await bytesOf(run)).length);
        expect(run.file.sha256).toBe(
          new Uint8Array(await crypto.subtle.digest("SHA-256", await bytesOf(run))).toHex(),
        );
      }
    },
  );
});

it("a funnel of a report has the numbers of its analysis, in every format", async () => {
  const steps = ["agent-1", "agent-2"].map((agent) => ({
    name: `ran ${agent}`,
    kind: "execution",
    filters: [{ field: "agent", op: "eq", value: agent }],
  }));
  const funnel = await client.post("/api/v1/funnels", { name: "Both", definition: { steps } });
  const section = { type: "funnel", title: "Both agents", funnel_id: funnel.body.data.id };
  const [filled] = (await documentOf(await made({ sections: [section] }))).sections;
  const analysis = (await client.post(filled.query.path, filled.query.body)).body.data;
  expect(filled.data.steps).toEqual(analysis.steps);
  expect(filled.data.steps[0].users).toBe(13);
  for (const format of ["pdf", "html", "xlsx", "csv"])
    expect((await made({ sections: [section], format })).file.bytes).toBeGreaterThan(100);
  expect(
    (
      await client.post("/api/v1/reports", {
        ...DEFINITION,
        sections: [{ ...section, funnel_id: "of-nobody" }],
      })
    ).body.errors[0].path,
  ).toBe("sections.0.funnel_id");
  expect(
    (await stranger.post("/api/v1/reports", { ...DEFINITION, sections: [section] })).status,
  ).toBe(422);
});

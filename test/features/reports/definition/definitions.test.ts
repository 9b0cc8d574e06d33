import { beforeAll, describe, expect, it } from "vitest";
import { SYSTEM_TEMPLATES } from "../../../../src/features/reports/definition/system-templates.ts";
import {
  client,
  DEFINITION,
  FROM,
  fillReports,
  made,
  SECTIONS,
  stranger,
  TO,
} from "../../../support/reports.ts";

beforeAll(fillReports);

describe("definitions of reports", () => {
  it.each<[Record<string, unknown>, number, string?]>([
    [{ sections: [{ type: "metrics", title: "x", measures: ["nothing"] }] }, 400],
    [{ sections: [{ type: "film", title: "x" }] }, 400],
    [{ sections: [] }, 400],
    [{ format: "docx" }, 400],
    [{ from: TO, to: FROM }, 422, "to"],
    [{ timeframe: "7d" }, 422, "timeframe"],
    [{ range: "last_full_week" }, 422, "range"],
    [{ timezone: "Mars/Olympus" }, 422, "timezone"],
    [{ sections: undefined }, 422, "sections"],
    [{ template_id: "credits" }, 422, "template_id"],
    [{ sections: undefined, template_id: "nothing" }, 404],
    [{ sections: [SECTIONS[1], { type: "text", text: "{{revenue}}" }] }, 422, "sections.1.text"],
    [
      {
        sections: [
          { type: "chart", title: "x", chart: "bar", measure: "credits", granularity: "day" },
        ],
      },
      422,
      "sections.0.granularity",
    ],
    [{ filters: [{ field: "nothing", op: "eq", value: "x" }] }, 422, "filters.0.field"],
    [{ filters: [{ field: "agent", op: "eq", value: "x" }] }, 422, "sections.8"],
    [
      {
        from: "2000-01-01T00:00:00Z",
        sections: [
          { type: "chart", title: "x", chart: "line", measure: "credits", granularity: "hour" },
        ],
      },
      422,
    ],
  ])("refuse %j", async (change, status, path) => {
    const answer = await client.post("/api/v1/reports", { ...DEFINITION, ...change });
    expect(answer.status).toBe(status);
    if (path) expect(answer.body.errors[0].path).toBe(path);
  });

  it("are listed, replaced and deleted; what was made keeps its own", async () => {
    const run = await made({ name: "Before" });
    const id = run.report_id;
    const put = await client.send(`/api/v1/reports/${id}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...DEFINITION, name: "After", timezone: "UTC" }),
    });
    expect(put.body.data).toMatchObject({ id, name: "After", timezone: "UTC" });
    expect((await client.get(`/api/v1/reports/runs/${run.id}`)).body.data.request).toMatchObject({
      name: "Before",
      timezone: "Asia/Kolkata",
    });
    expect(
      (await client.get(`/api/v1/reports/${id}/runs`)).body.data.map(
        (each: { id: string }) => each.id,
      ),
    ).toEqual([run.id]);
    expect(
      (await client.get("/api/v1/reports")).body.data.map((each: { id: string }) => each.id),
    ).toContain(id);
    expect((await client.send(`/api/v1/reports/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await client.get(`/api/v1/reports/${id}`)).status).toBe(404);
    expect((await client.get(`/api/v1/reports/runs/${run.id}/download`)).status).toBe(200);
  });

  it("are nobody else's, nor are their runs", async () => {
    const run = await made();
    for (const path of [
      `/reports/${run.report_id}`,
      `/reports/${run.report_id}/runs`,
      `/reports/runs/${run.id}`,
      `/reports/runs/${run.id}/download`,
      `/reports/runs/${run.id}/shares`,
    ])
      expect([path, (await stranger.get(`/api/v1${path}`)).status]).toEqual([path, 404]);
    for (const path of [
      `/reports/${run.report_id}/run`,
      `/reports/runs/${run.id}/cancel`,
      `/reports/runs/${run.id}/share`,
    ])
      expect([path, (await stranger.post(`/api/v1${path}`, {})).status]).toEqual([path, 404]);
    expect((await stranger.get("/api/v1/reports/runs")).body.data).toEqual([]);
    expect((await stranger.get("/api/v1/reports/usage")).body.data).toEqual([]);
  });
});

it("search finds a report by its name", async () => {
  const run = await made({ name: "Quarterly overview" });
  const found = await client.get("/api/v1/search?q=overv&types=reports");
  expect(found.body.data.results.reports).toMatchObject([
    { id: run.report_id, title: "Quarterly overview" },
  ]);
  expect(
    (await stranger.get("/api/v1/search?q=overv&types=reports")).body.data.results.reports,
  ).toEqual([]);
});

it("a workspace has templates of its own", async () => {
  const sections = [{ type: "metrics", title: "Ours", measures: ["credits"] }];
  const own = await client.post("/api/v1/reports/templates", { name: "Ours", sections });
  expect(own.body.data).toMatchObject({ name: "Ours", system: false, sections });
  const { id } = own.body.data;
  expect(
    (await client.get("/api/v1/reports/templates")).body.data.map(
      (each: { id: string }) => each.id,
    ),
  ).toEqual([...SYSTEM_TEMPLATES.map((each) => each.id), id]);
  expect((await stranger.get("/api/v1/reports/templates")).body.data.length).toBe(
    SYSTEM_TEMPLATES.length,
  );
  const begun = { ...DEFINITION, sections: undefined, template_id: id };
  expect((await stranger.post("/api/v1/reports", begun)).status).toBe(404);
  expect((await client.post("/api/v1/reports", begun)).body.data.sections).toEqual(sections);
  expect(
    (
      await client.post("/api/v1/reports/templates", {
        name: "x",
        sections: [{ type: "text", text: "{{nothing}}" }],
      })
    ).body.errors[0].path,
  ).toBe("sections.0.text");
  expect(
    (await stranger.send(`/api/v1/reports/templates/${id}`, { method: "DELETE" })).status,
  ).toBe(404);
  expect((await client.send(`/api/v1/reports/templates/${id}`, { method: "DELETE" })).status).toBe(
    204,
  );
  expect(
    (await client.send("/api/v1/reports/templates/credits", { method: "DELETE" })).status,
  ).toBe(404);
});

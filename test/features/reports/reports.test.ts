import { env, exports } from "cloudflare:workers";
import { parse } from "csv-parse/browser/esm/sync";
import { sql } from "drizzle-orm";
import { unzipSync } from "fflate";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { SYSTEM_TEMPLATES } from "../../../src/features/reports/definition/templates.ts";
import { sceneOf, ticks } from "../../../src/features/reports/render/charts.ts";
import { runReport } from "../../../src/features/reports/runs/run.ts";
import { startScheduledReports } from "../../../src/features/reports/runs/start.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { queuesTo, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { store } from "../../support/store.ts";

await useOwnDatabase();
const [WORKSPACE, OTHER, EMPTY] = ["reports", "reports-other", "reports-empty"];
const ctx = testContext({ queues: queuesTo() });
const client = clientOf(await tokenFor(WORKSPACE));
const stranger = clientOf(await tokenFor(OTHER));
const FROM = "2026-03-02T00:00:00.000Z";
const TO = "2026-03-09T00:00:00.000Z";
const at = (minute: number) => new Date(Date.parse(FROM) + minute * 60_000).toISOString();
const EVIL = '<script>alert("x")</script>';

beforeAll(async () => {
  const runs = Array.from({ length: 900 }, (_, i) => ({
    id: `x${i}`,
    agent_id: `agent-${i % 7}`,
    user_id: `user-${i % 13}`,
    status: i % 9 === 0 ? "failure" : "success",
    started_at: at(i * 11),
    duration_ms: 100 + ((i * 37) % 5000),
    credits: `${i % 10}.25`,
    tokens_in: i,
    model: i % 2 ? "model=a" : EVIL,
    ...(i % 9 === 0 ? { error: { type: i % 2 ? "Broken" : "=1+1", message: "m" } } : {}),
  }));
  await store(executionIntake(ctx, WORKSPACE), runs);
});

const SECTIONS = [
  {
    type: "text",
    text: `{{executions}} runs for {{credits}} credits, {{success_rate}}.\n\nSecond ${EVIL}`,
  },
  {
    type: "metrics",
    title: "At a glance",
    measures: ["executions", "success_rate", "credits", "duration_p95", "active_users"],
  },
  { type: "chart", title: "Days", chart: "line", measure: "executions" },
  { type: "chart", title: "By agent", chart: "area", measure: "credits", group_by: "agent" },
  { type: "chart", title: "Bars", chart: "bar", measure: "executions", group_by: "model" },
  { type: "chart", title: "Week", chart: "heatmap", measure: "executions" },
  {
    type: "table",
    title: "Models & errors",
    measures: ["executions", "credits"],
    group_by: ["model", "error_type"],
  },
  { type: "leaderboard", title: "Agents", by: "agent", measure: "credits", limit: 3 },
  { type: "retention", title: "Came back", granularity: "day", mode: "rolling" },
];
const DEFINITION = {
  name: "Weekly",
  format: "json",
  sections: SECTIONS,
  from: FROM,
  to: TO,
  timezone: "Asia/Kolkata",
};

async function made(change: Record<string, unknown> = {}, by = client, workspace = WORKSPACE) {
  const report = await by.post("/api/v1/reports", { ...DEFINITION, ...change });
  expect([report.status, report.body.errors]).toEqual([201, undefined]);
  const run = await by.post(`/api/v1/reports/${report.body.data.id}/run`, {});
  expect(run.status).toBe(202);
  expect(run.headers.get("location")).toBe(`/api/v1/reports/runs/${run.body.data.id}`);
  await runReport(ctx, { workspaceId: workspace, id: run.body.data.id });
  await vi.waitUntil(
    async () =>
      !["queued", "running"].includes(
        (await by.get(`/api/v1/reports/runs/${run.body.data.id}`)).body.data.status,
      ),
    { timeout: 20_000 },
  );
  const { data } = (await by.get(`/api/v1/reports/runs/${run.body.data.id}`)).body;
  expect(data).toMatchObject({ status: "done", progress: 100, section: null, error: null });
  return data;
}
const bytesOf = async ({ id }: { id: string }, workspace = WORKSPACE) => {
  const object = await ctx.files.get(`reports/${workspace}/${id}`);
  return new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer(0));
};
// biome-ignore lint/suspicious/noExplicitAny: a document is read field by field
const documentOf = async (run: { id: string }, workspace = WORKSPACE): Promise<any> =>
  JSON.parse(new TextDecoder().decode(await bytesOf(run, workspace)));
const raw = (path: string, init: RequestInit = {}) =>
  exports.default.fetch(
    new Request(path.startsWith("http") ? path : `https://shadower.test${path}`, init),
  );

describe("the file of a report", () => {
  it("has the first day of its range in its zone in its name", async () => {
    const run = await made({ from: "2026-03-01T18:30:00.000Z" });
    expect(run.file.name).toBe("Weekly-2026-03-02.json");
  });

  it("says its range in its zone, in its words and at its head", async () => {
    const definition = {
      ...{ from: "2026-03-01T18:30:00.000Z", to: "2026-03-08T18:30:00.000Z", format: "html" },
      sections: [{ type: "text", text: "From {{from}} until {{to}}." }],
    };
    const [first, last] = ["2026-03-02T00:00:00+05:30", "2026-03-09T00:00:00+05:30"];
    const html = new TextDecoder().decode(await bytesOf(await made(definition)));
    expect(html).toContain(`From ${first} until ${last}.`);
    expect(html).toContain(`${first} to ${last} (Asia/Kolkata), as of `);
  });
});

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
    "the template %s makes every format",
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

describe("formats", () => {
  it("HTML needs nothing else, escapes everything, and shows the API's digits", async () => {
    const html = new TextDecoder().decode(
      await bytesOf(await made({ format: "html", name: `Weekly ${EVIL}` })),
    );
    expect(html).not.toContain("<script");
    expect(html).not.toMatch(/(src|href)=|@import|url\(/);
    expect(html).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    expect(html).toContain("4,275.000000");
    expect(html.match(/<svg /g)?.length).toBe(4);
    expect(html).toContain('<html lang="en">');
    expect(html).not.toMatch(/NaN|undefined/);
  });

  it("CSV is a zip with a file for each section, safe for a spreadsheet", async () => {
    const files = unzipSync(await bytesOf(await made({ format: "csv" })));
    expect(Object.keys(files).length).toBe(SECTIONS.length);
    const name = Object.keys(files).find((each) => each.includes("Models")) ?? "";
    const rows = parse(new TextDecoder().decode(files[name]), { columns: true }) as Record<
      string,
      string
    >[];
    expect(rows.reduce((sum, row) => sum + Number(row.executions), 0)).toBe(900);
    expect(rows.map((row) => row.error_type)).toContain("'=1+1");
  });

  it("XLSX has a sheet for each section", async () => {
    const bytes = await bytesOf(await made({ format: "xlsx" }));
    const answer = await fetch(`${env.READER}/xlsx`, { method: "POST", body: bytes });
    const sheets = (await answer.json()) as { sheet: string; data: unknown[][] }[];
    expect(sheets.map(({ sheet }) => sheet)).toEqual([
      "1 text",
      "2 At a glance",
      "3 Days",
      "4 By agent",
      "5 Bars",
      "6 Week",
      "7 Models & errors",
      "8 Agents",
      "9 Came back",
    ]);
    expect(sheets[7]?.data[0]).toEqual(["rank", "agent", "credits", "executions"]);
    const tiles = Object.fromEntries((sheets[1]?.data ?? []).map((row) => [row[0], row[1]]));
    expect(tiles).toMatchObject({ executions: 900, credits: 4275 });
  });
});

describe("PDF", () => {
  interface Text {
    text: string;
    x: number;
    y: number;
    width: number;
    height: number;
  }
  async function read(run: { id: string }) {
    const answer = await fetch(`${env.READER}/pdf`, { method: "POST", body: await bytesOf(run) });
    expect(answer.status).toBe(200);
    return (await answer.json()) as {
      info: Record<string, unknown>;
      outline: string[];
      pages: { view: number[]; texts: Text[] }[];
    };
  }
  const MANY = {
    type: "table",
    title: "Many",
    measures: ["executions", "credits", "success_rate", "duration_p95", "tokens_in"],
    group_by: ["agent", "user"],
    limit: 500,
  };

  it("has the API's digits, a title, a language, an outline and page numbers, in every script", async () => {
    const run = await made({
      format: "pdf",
      name: "Übersicht Обзор Επισκόπηση 概要 개요",
      sections: [...SECTIONS, MANY],
    });
    const { info, outline, pages } = await read(run);
    expect(info).toMatchObject({ Title: "Übersicht Обзор Επισκόπηση 概要 개요", Language: "en" });
    expect(outline).toEqual([...SECTIONS.slice(1), MANY].map(({ title }) => title));
    const all = pages.flatMap((page) => page.texts.map((each) => each.text)).join(" ");
    expect(all).toContain("4,275.000000");
    expect(all).toContain("Обзор Επισκόπηση");
    expect(all).toContain("概要");
    expect(all).toContain("개요");
    expect(pages.length).toBeGreaterThan(3);
    pages.forEach(({ texts }, index) => {
      expect(texts.map((each) => each.text)).toContain(`${index + 1} / ${pages.length}`);
    });
  });

  it("keeps every text on its page, and off every other text", async () => {
    const long =
      "a name that is much longer than its column, a name that is much longer than its column";
    const { pages } = await read(
      await made({
        format: "pdf",
        name: long,
        description: long.repeat(5),
        sections: [...SECTIONS, MANY, { ...SECTIONS[2], title: long }],
      }),
    );
    for (const { view, texts } of pages) {
      const [, , right = 0, top = 0] = view;
      for (const [index, a] of texts.entries()) {
        expect(
          a.x >= 40 && a.x + a.width <= right - 40 && a.y >= 30 && a.y + a.height <= top - 30,
        ).toBe(true);
        for (const b of texts.slice(index + 1)) {
          // Boxes of one line touch; letters are lower than their boxes.
          const over =
            Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > 0.5 &&
            Math.min(a.y + a.height * 0.7, b.y + b.height * 0.7) - Math.max(a.y, b.y) > 0.5;
          expect([over, a.text, b.text]).toEqual([false, a.text, b.text]);
        }
      }
    }
  });
});

describe("drawings", () => {
  it("have round ticks that cover the values", () => {
    for (const most of [0.003, 0.97, 1, 7, 10, 99, 1234, 5_000_001]) {
      const steps = ticks(most);
      expect(steps[0]).toBe(0);
      expect(steps.at(-1)).toBeGreaterThanOrEqual(most * (1 - 1e-9));
      expect(steps.length).toBeLessThanOrEqual(7);
      expect((steps.at(-1) ?? 0) - most).toBeLessThanOrEqual((steps[1] ?? 0) * (1 + 1e-9));
    }
  });

  it("keep every shape inside the frame, and no label on another", () => {
    const buckets = Array.from({ length: 97 }, (_, i) =>
      new Date(Date.UTC(2026, 0, 1 + i)).toISOString(),
    );
    const long = "a very long name of an agent that nobody would want to read in a legend";
    const scenes = [
      sceneOf({
        kind: "series",
        chart: "line",
        measure: "executions",
        buckets,
        series: [{ name: null, values: buckets.map((_, i) => (i % 9 ? i * i : null)) }],
      }),
      sceneOf({
        kind: "series",
        chart: "area",
        measure: "credits",
        buckets: buckets.slice(0, 1),
        series: Array.from({ length: 5 }, () => ({ name: long, values: [3] })),
      }),
      sceneOf({ kind: "series", chart: "line", measure: "credits", buckets: [], series: [] }),
      sceneOf({
        kind: "bars",
        measure: "executions",
        bars: Array.from({ length: 20 }, (_, i) => ({
          name: long,
          other: i === 19,
          value: 10 ** (i / 3),
        })),
      }),
      sceneOf({
        kind: "heatmap",
        measure: "errors",
        cells: [{ day_of_week: 7, hour_of_day: 23, value: 5 }],
      }),
    ];
    for (const scene of scenes) {
      if (!scene) throw new Error("no scene");
      const texts = scene.shapes.flatMap((shape) => {
        if (shape.kind === "rect")
          expect(
            shape.x >= 0 &&
              shape.y >= 0 &&
              shape.x + shape.width <= scene.width &&
              shape.y + shape.height <= scene.height,
          ).toBe(true);
        if (shape.kind === "path")
          for (const [x, y] of shape.points)
            expect(x >= 0 && x <= scene.width && y >= 0 && y <= scene.height).toBe(true);
        if (shape.kind !== "text") return [];
        const width = shape.text.length * shape.size * 0.55;
        const left =
          shape.anchor === "start"
            ? shape.x
            : shape.anchor === "end"
              ? shape.x - width
              : shape.x - width / 2;
        return [{ left, right: left + width, top: shape.y - shape.size, bottom: shape.y + 2 }];
      });
      for (const [index, a] of texts.entries()) {
        expect(
          a.left >= -1 && a.right <= scene.width + 1 && a.top >= -1 && a.bottom <= scene.height + 1,
        ).toBe(true);
        for (const b of texts.slice(index + 1))
          expect(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).toBe(
            false,
          );
      }
    }
  });
});

describe("definitions", () => {
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

it("a funnel has the numbers of its analysis, in every format", async () => {
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

describe("names", () => {
  const sections = [
    { type: "metrics", title: `${"x".repeat(30)}'`, measures: ["executions"] },
    { type: "metrics", title: `${"y".repeat(28)}🚀🚀`, measures: ["executions"] },
    { type: "metrics", title: "History", measures: ["executions"] },
  ];

  it("of sections become sheets that a spreadsheet opens, wherever they have to be cut", async () => {
    const run = await made({ format: "xlsx", sections });
    const answer = await fetch(`${env.READER}/xlsx`, { method: "POST", body: await bytesOf(run) });
    const sheets: { sheet: string }[] = await answer.json();
    const names = sheets.map(({ sheet }) => sheet);
    expect(names).toEqual([`1 ${"x".repeat(29)}`, `2 ${"y".repeat(28)}`, "3 History"]);
  });

  it.each(["xlsx", "pdf", "html", "csv", "json"])(
    "of 79 letters and one outside the BMP are the file's, whole: %s",
    async (format) => {
      const name = `${"n".repeat(79)}𠮷`;
      const run = await made({ name, format, sections });
      expect(run.request.name).toBe(name);
      expect(run.file.name).toMatch(/^n{79}-\d{4}-\d\d-\d\d\.\w+$/);
    },
  );
});

describe("runs", () => {
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

it("a file is gone at its time, before anybody removes it", async () => {
  const run = await made();
  await ctx.db.run(sql`update report_runs set expires_at = now() where id = ${run.id}`);
  expect((await client.get(`/api/v1/reports/runs/${run.id}/download`)).status).toBe(410);
});

describe("links", () => {
  it("lead to the file without a token, are counted, and end", async () => {
    const run = await made({ format: "html" });
    const link = await client.post(`/api/v1/reports/runs/${run.id}/share`, {});
    expect(link.status).toBe(201);
    const { url, id } = link.body.data;
    expect(url.split("/").at(-1)).toHaveLength(43);
    const answer = await raw(url);
    expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, run.file.bytes]);
    expect((await raw(`${url.slice(0, -1)}${url.endsWith("A") ? "B" : "A"}`)).status).toBe(404);
    const kept = await ctx.db.all({
      sql: sql`select * from report_shares where id = ${id}`,
      row: z.record(z.string(), z.unknown()),
    });
    expect(JSON.stringify(kept)).not.toContain(url.split("/").at(-1));
    const shares = await client.get(`/api/v1/reports/runs/${run.id}/shares`);
    expect(shares.body.data).toMatchObject([{ id, views: 1, protected: false, revoked_at: null }]);
    expect(
      (await client.get("/api/v1/reports/usage")).body.data.find(
        (each: { report_id: string }) => each.report_id === run.report_id,
      ),
    ).toMatchObject({ runs: 1, views: 1, failed: 0 });
    expect(
      (await stranger.send(`/api/v1/reports/runs/${run.id}/shares/${id}`, { method: "DELETE" }))
        .status,
    ).toBe(404);
    expect(
      (await client.send(`/api/v1/reports/runs/${run.id}/shares/${id}`, { method: "DELETE" }))
        .status,
    ).toBe(204);
    expect((await raw(url)).status).toBe(410);
    const short = await client.post(`/api/v1/reports/runs/${run.id}/share`, { expires_in_days: 1 });
    await ctx.db.run(
      sql`update report_shares set expires_at = now() where id = ${short.body.data.id}`,
    );
    expect((await raw(short.body.data.url)).status).toBe(410);
    for (const expires_in_days of [0, 91])
      expect(
        (await client.post(`/api/v1/reports/runs/${run.id}/share`, { expires_in_days })).status,
      ).toBe(400);
  });

  it("count who reads the file: no look at its head, no part of it, nothing that has not changed", async () => {
    const run = await made({ format: "html" });
    const { url, id } = (await client.post(`/api/v1/reports/runs/${run.id}/share`, {})).body.data;
    const views = async () =>
      (await client.get(`/api/v1/reports/runs/${run.id}/shares`)).body.data.find(
        (each: { id: string }) => each.id === id,
      ).views;
    const downloads = async () =>
      (await client.get(`/api/v1/reports/runs/${run.id}`)).body.data.downloads;
    const path = `/api/v1/reports/runs/${run.id}/download`;
    const bearer = `Bearer ${await tokenFor(WORKSPACE)}`;
    const ask = async (init: RequestInit & { headers?: Record<string, string> }) => {
      const own = { ...init, headers: { ...init.headers, authorization: bearer } };
      const [shared, download] = [await raw(url, init), await raw(path, own)];
      await Promise.all([shared.arrayBuffer(), download.arrayBuffer()]);
      expect(download.status).toBe(shared.status);
      return shared;
    };
    const etag = (await ask({ method: "HEAD" })).headers.get("etag") ?? "";
    expect((await ask({ headers: { range: "bytes=0-9" } })).status).toBe(206);
    expect((await ask({ headers: { range: "bytes=100-" } })).status).toBe(206);
    expect((await ask({ headers: { range: "bytes=-5" } })).status).toBe(206);
    expect((await ask({ headers: { "if-none-match": etag } })).status).toBe(304);
    expect([await views(), await downloads()]).toEqual([0, 0]);
    // The whole file, asked for as a range by some programs.
    expect((await ask({ headers: { range: "bytes=0-" } })).status).toBe(206);
    expect((await ask({})).status).toBe(200);
    expect([await views(), await downloads()]).toEqual([2, 2]);
  });
});

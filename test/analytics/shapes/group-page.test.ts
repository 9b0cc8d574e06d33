import { beforeAll, describe, expect, it } from "vitest";
import { runQuery } from "../../../src/analytics/ask.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { groupPage } from "../../../src/analytics/shapes/group-page.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { metricsSource } from "../../../src/features/exports/sources/computed-sources.ts";
import { SYSTEM_TEMPLATES } from "../../../src/features/reports/definition/system-templates.ts";
import { fillSections } from "../../../src/features/reports/runs/fill.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { csvText } from "../../../src/formats/csv-text.ts";
import { parseInstant } from "../../../src/lib/time.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { exportedRows, readable } from "../../support/exported.ts";
import { store } from "../../support/store.ts";

const W = "groups";
const at = (text: string) => parseInstant(text) ?? Number.NaN;
const range = { from: at("2026-05-01T00:00:00Z"), to: at("2026-05-03T00:00:00Z") };
let ctx: ReturnType<typeof testContext>;

const REGIONS = [
  ...["", "", "", "eu", "eu", "=eu", null, undefined, undefined, "none"],
  ...["none", "none", "none", "none"],
];
const ERRORS = ["boom", "boom", "late", undefined];

beforeAll(async () => {
  await useOwnDatabase();
  ctx = testContext();
  const regions = REGIONS.map((region, n) => ({
    id: `g${n}`,
    agent_id: "a",
    user_id: "u",
    status: "success",
    started_at: `2026-05-01T00:${String(n).padStart(2, "0")}:00Z`,
    metadata: region === undefined ? { other: 1 } : { region },
  }));
  const errors = ERRORS.map((type, n) => ({
    id: `f${n}`,
    agent_id: "b",
    user_id: "u",
    status: type === "late" ? "timeout" : "failure",
    started_at: `2026-05-02T00:00:0${n}Z`,
    ...(type === undefined ? {} : { error: { type } }),
  }));
  await store(executionIntake(ctx, W), [...regions, ...errors]);
});

/** Both what is there and its number: a map of JavaScript keeps "" and null apart. */
function counted(values: readonly unknown[]): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
const query: Query = { measures: ["executions"], ...range, timezone: "UTC" };
const ask = (more: Partial<Query>) => runQuery(ctx.db, W, { ...query, ...more }, range.to);
const GROUP = "metadata.region";
const byRegion = {
  group_by: [GROUP],
  filters: [{ field: "agent", op: "eq" as const, value: "a" }],
};

describe("the empty text of metadata is a value, and is not the absent one", () => {
  it("in groups", async () => {
    const { rows } = await ask(byRegion);
    expect(new Map(rows.map(({ group, values }) => [group[GROUP], values.executions]))).toEqual(
      counted(REGIONS.map((region) => region ?? null)),
    );
  });

  it.each([
    ["eq", "", 3],
    ["eq", "eu", 2],
    ["ne", "", REGIONS.length - 3],
    ["in", ["", "eu"], 5],
    ["exists", true, REGIONS.length - 3],
    ["exists", false, 3],
  ] as const)("in filters: %s %j", async (op, value, expected) => {
    const filter = { field: GROUP, op, value: typeof value === "object" ? [...value] : value };
    const { totals } = await ask({ filters: [...byRegion.filters, filter] });
    expect(totals.executions).toBe(expected);
  });

  it("over pages of groups", async () => {
    const order_by = [{ measure: "executions" as const, direction: "desc" as const }];
    const seen: unknown[] = [];
    for (let cursor: string | undefined; ; ) {
      const { rows, page } = await groupPage(
        ctx,
        W,
        { ...query, ...byRegion, order_by },
        { limit: 1, cursor },
      );
      seen.push(...rows.map(({ group, values }) => [group[GROUP], values.executions]));
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
    const whole = await ask({ ...byRegion, order_by });
    expect(seen).toEqual(whole.rows.map(({ group, values }) => [group[GROUP], values.executions]));
    expect(seen).toHaveLength(counted(REGIONS.map((region) => region ?? null)).size);
  });

  it("in exports, also as CSV", async () => {
    const asked = { measures: ["executions" as const], group_by: [GROUP] };
    const question = {
      ...{ workspaceId: W, range, timezone: "UTC", now: range.to, query: asked },
      filters: byRegion.filters,
    };
    const columns = metricsSource.columns(question);
    const opened = await metricsSource.open(readable(ctx.db), question, columns);
    const rows = await exportedRows(opened, columns);
    expect(new Set(rows.map((row) => row[GROUP]))).toEqual(
      new Set(["", "eu", "=eu", "none", null]),
    );
    const lines = csvText(columns, rows).split("\r\n");
    expect(lines).toContain('"",false,3');
    expect(lines).toContain(",false,3");
  });
});

it("the columns of an execution are never the empty text, so that rollups and raw rows agree", async () => {
  const api = clientOf(await tokenFor(W));
  const run = {
    ...{ id: "e", agent_id: "a", user_id: "u", status: "failure" },
    started_at: "2026-05-01T00:00:00Z",
  };
  for (const [field, path] of [
    [{ model: "" }, "model"],
    [{ environment: "" }, "environment"],
    [{ version: "" }, "version"],
    [{ error: { type: "" } }, "error.type"],
  ] as const) {
    const { status, body } = await api.post("/api/v1/executions", { ...run, ...field });
    expect([status, body.data.results[0].path]).toEqual([422, path]);
  }
  const event = { event_type: "e", event_name: "", user_id: "u" };
  expect((await api.post("/api/v1/events", event)).status).toBe(422);
});

describe("types of errors", () => {
  it.each([false, true])("of a report are of runs that failed (rolled up: %s)", async (rolled) => {
    if (rolled) for (const unit of ["hour", "day"] as const) await runRollups(ctx, unit);
    const template = SYSTEM_TEMPLATES.find(({ id }) => id === "reliability");
    const chart = { type: "chart" as const, title: "Bars", measure: "executions" as const };
    const request = {
      name: "Reliability",
      description: null,
      sections: [
        ...(template?.sections ?? []),
        { ...chart, chart: "bar" as const, group_by: "error_type" as const },
        {
          type: "leaderboard" as const,
          title: "L",
          by: "error_type" as const,
          measure: chart.measure,
        },
      ],
      format: "json" as const,
      from: "2026-05-01T00:00:00.000Z",
      to: "2026-05-03T00:00:00.000Z",
      timezone: "UTC",
      filters: [],
      recipients: [],
    };
    const filled = await fillSections(ctx, W, request, range, range.to, async () => undefined);
    const table = filled.find(({ title }) => title === "By type of error");
    if (table?.data.kind !== "table") throw new Error("The report has no table");
    const failed = [
      ["boom", 2],
      ["late", 1],
      [null, 1],
    ];
    const found = table.data.rows.map((row) => [row.error_type, row.executions]);
    expect(new Map(found as [unknown, unknown][])).toEqual(new Map(failed as [unknown, unknown][]));
    expect(table.data.totals.executions).toBe(ERRORS.length);
    const bars = filled.find(({ title }) => title === "Bars");
    if (bars?.data.kind !== "bars") throw new Error("The report has no bars");
    expect(bars.data.bars[0]).toMatchObject({ name: "boom", value: 2 });
    const ranked = filled.at(-1);
    expect(ranked?.data).toMatchObject({ rows: [{ rank: 1, error_type: "boom" }, {}, {}] });
    // The figures of the report can be asked for, and are the same.
    const { rows } = await ask({ ...(table.query as Partial<Query>), ...range });
    expect(rows.length).toBe(3);
  });
});

import { beforeAll, describe, expect, it, vi } from "vitest";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runExport } from "../../../src/features/exports/runs/run.ts";
import { escapedKey } from "../../../src/lib/key-path.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { store } from "../../support/store.ts";

const W = "keys";
let api: ReturnType<typeof clientOf>;
const KEYS = [
  "two words",
  "ümlaut ß",
  "quo\"te's",
  "gen_ai.system",
  "a,b",
  "a\\b",
  "",
  "__proto__",
  "$;--",
  "漢字",
  "0",
];
const RANGE = { from: "2026-10-01T00:00:00Z", to: "2026-10-02T00:00:00Z" };
const SPAN = "from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z";

beforeAll(async () => {
  await useOwnDatabase();
  const base = {
    agent_id: "a",
    user_id: "u",
    status: "success",
    started_at: "2026-10-01T10:00:00Z",
  };
  const nested = {
    outer: { "in.ner": { deep: "x" } },
    list: [{ n: 1 }, { n: 2 }],
    dotted: { b: "nested" },
    "dotted.b": "flat",
  };
  await store(executionIntake(testContext(), W), [
    { ...base, id: "keys", metadata: Object.fromEntries(KEYS.map((key, n) => [key, `v${n}`])) },
    { ...base, id: "nested", metadata: nested },
    { ...base, id: "none" },
  ]);
  api = clientOf(await tokenFor(W));
  const send = (id: string, snowflake: string) =>
    api.post(
      "/api/v1/executions",
      `{"id":"${id}","agent_id":"a","status":"success","started_at":"2026-10-01T11:00:00Z","metadata":{"snowflake":${snowflake}}}`,
    );
  expect((await send("s1", "1546130668394913822")).status).toBe(201);
  expect((await send("s2", "1546130668394913823")).status).toBe(201);
});

const idsOf = (rows: { id: string }[]) => rows.map((row) => row.id).sort();
const listed = async (field: string, value: string) =>
  idsOf(
    (await api.get(`/api/v1/executions?${encodeURIComponent(field)}=${encodeURIComponent(value)}`))
      .body.data,
  );
const counted = async (filter: object | string) => {
  const filters = typeof filter === "string" ? filter : JSON.stringify(filter);
  const times = `"from":"${RANGE.from}","to":"${RANGE.to}"`;
  const { status, body } = await api.post(
    "/api/v1/metrics/query",
    `{"measures":["executions"],${times},"filters":[${filters}]}`,
  );
  expect(status).toBe(200);
  return body.data.totals.executions;
};

describe("a key of metadata", () => {
  it.each(KEYS.map((key, n) => [key, n] as const))(
    "%j is asked for in filters, groups, lists and exports",
    async (key, n) => {
      const field = `metadata.${escapedKey(key)}`;
      expect(await listed(field, `v${n}`)).toEqual(["keys"]);
      expect(await listed(field, "other")).toEqual([]);
      expect(await counted({ field, op: "eq", value: `v${n}` })).toBe(1);
      expect(await counted({ field, op: "exists", value: false })).toBe(4);
      const { body } = await api.post("/api/v1/metrics/query", {
        measures: ["executions"],
        ...RANGE,
        group_by: [field],
      });
      expect(body.data.rows).toContainEqual({ [field]: `v${n}`, executions: 1 });
      expect(body.data.rows).toContainEqual({ [field]: null, executions: 4 });
      const breakdown = await api.get(
        `/api/v1/metrics/breakdown?${SPAN}&group_by=${encodeURIComponent(`${field},agent`)}&measures=executions`,
      );
      expect(breakdown.body.data.rows).toContainEqual({
        [field]: `v${n}`,
        agent: "a",
        executions: 1,
      });
    },
  );

  it.each([
    ["metadata.outer.in\\.ner.deep", "x", ["nested"]],
    ["metadata.list.1.n", "2", ["nested"]],
    ["metadata.dotted.b", "nested", ["nested"]],
    ["metadata.dotted\\.b", "flat", ["nested"]],
    ["metadata.outer.none", "x", []],
  ])("%s leads to what is nested", async (field, value, ids) => {
    expect(await listed(field, value)).toEqual(ids);
    expect(await counted({ field, op: "eq", value })).toBe(ids.length);
  });

  it("is compared as a number with all its digits", async () => {
    const filter = (op: string, value: string) =>
      `{"field":"metadata.snowflake","op":"${op}","value":${value}}`;
    expect(await counted(filter("eq", "1546130668394913822"))).toBe(1);
    expect(await counted(filter("gt", "1546130668394913822"))).toBe(1);
    expect(await counted(filter("in", "[1546130668394913822,1546130668394913823]"))).toBe(2);
    expect(await counted(filter("eq", "1546130668394913800"))).toBe(0);
    const { body } = await api.post("/api/v1/metrics/query", {
      measures: ["executions"],
      ...RANGE,
      group_by: ["metadata.snowflake"],
    });
    expect(body.data.rows.map((row: Record<string, unknown>) => row["metadata.snowflake"])).toEqual(
      expect.arrayContaining(["1546130668394913822", "1546130668394913823"]),
    );
  });

  it("is a column of an export", async () => {
    const columns = [
      "id",
      ...KEYS.map((key) => `metadata.${escapedKey(key)}`),
      "metadata.outer.in\\.ner.deep",
      `metadata.${"long".repeat(40)}`,
      "metadata.snowflake",
    ];
    const { status, body } = await api.post("/api/v1/exports", {
      source: "executions",
      format: "json",
      ...RANGE,
      columns,
      gzip: false,
    });
    expect(status).toBe(202);
    await runExport(testContext(), { workspaceId: W, id: body.data.id });
    await vi.waitUntil(
      async () => (await api.get(`/api/v1/exports/${body.data.id}`)).body.data.status === "done",
      { timeout: 20_000 },
    );
    const file = await testContext().files.get(`exports/${W}/${body.data.id}/0`);
    const rows: Record<string, unknown>[] = JSON.parse((await file?.text()) ?? "");
    expect(rows.map((row) => Object.keys(row))).toEqual(rows.map(() => columns));
    const row = (id: string) => rows.find((each) => each.id === id) ?? {};
    for (const [n, key] of KEYS.entries())
      expect(row("keys")[`metadata.${escapedKey(key)}`]).toBe(`v${n}`);
    expect(row("nested")["metadata.outer.in\\.ner.deep"]).toBe("x");
    expect(row("s1")["metadata.snowflake"]).toBe("1546130668394913822");
    const refused = await api.post("/api/v1/exports", {
      source: "executions",
      format: "json",
      ...RANGE,
      columns: ["properties.x"],
    });
    expect([refused.status, refused.body.errors[0].path]).toEqual([422, "columns.0"]);
  });

  it("is refused when its name is malformed", async () => {
    for (const field of ["metadata", "meta.x", "metadata.\u0000", `metadata.${"x".repeat(1024)}`]) {
      const { status } = await api.post("/api/v1/metrics/query", {
        measures: ["executions"],
        ...RANGE,
        group_by: [field],
      });
      expect([field.slice(0, 20), [400, 422].includes(status)]).toEqual([field.slice(0, 20), true]);
      expect((await api.get(`/api/v1/executions?${encodeURIComponent(field)}=x`)).status).toBe(400);
    }
  });
});

import { beforeAll, expect, it } from "vitest";
import { mappingOf, PRESETS } from "../../dev/import-mapping.ts";
import sample from "../../dev/sample/azure-llm-inference-2023-conv.csv.gz?inline";
import { runRollups } from "../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";

beforeAll(useOwnDatabase);
const SUMMARY = "/api/v1/metrics/summary?from=2023-11-16T18:00:00Z&to=2023-11-16T20:00:00Z";

async function rowsOfSample(): Promise<Record<string, string>[]> {
  const bytes = Uint8Array.from(atob(sample.slice(sample.indexOf(",") + 1)), (char) => char.charCodeAt(0));
  const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const [header = "", ...lines] = text.trim().split(/\r?\n/);
  const columns = header.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, index) => [columns[index] ?? "", value])));
}

it("gives the real trace's own sums, before the rollup, after it, and after a second import", async () => {
  const rows = await rowsOfSample();
  expect(rows).toHaveLength(19_366);
  const preset = PRESETS["azure-llm"];
  if (!preset) throw new Error("no preset");
  const body = rows.map((row, index) => JSON.stringify(preset(row, index + 1))).join("\n");
  const api = clientOf(await tokenFor("trace"));
  const send = () => api.post("/api/v1/executions", body, { "content-type": "application/x-ndjson" });
  expect((await send()).body.data.counts).toEqual({ created: 19_366, updated: 0, duplicate: 0, conflict: 0, invalid: 0 });

  const sum = (column: string) => rows.reduce((total, row) => total + Number(row[column]), 0);
  const [tokensIn, tokensOut] = [sum("ContextTokens"), sum("GeneratedTokens")];
  const expected = {
    executions: 19_366,
    successes: 19_366,
    tokens_in: tokensIn,
    tokens_out: tokensOut,
    credits: ((tokensIn + 3 * tokensOut) / 1000).toFixed(6),
    active_users: 500,
    active_agents: 1,
  };
  const asked = async () => (await api.get(SUMMARY, { "cache-control": "no-cache" })).body;
  expect(await asked()).toMatchObject({ data: expected, meta: { sources: { raw: { rows: 19_366 } } } });
  const ctx = testContext();
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  expect(await asked()).toMatchObject({ data: expected, meta: { sources: { hourly: { buckets: 2 }, raw: { rows: 0 } } } });
  expect((await send()).body.data.counts).toEqual({ created: 0, updated: 0, duplicate: 19_366, conflict: 0, invalid: 0 });
  expect(await asked()).toMatchObject({ data: expected, meta: { sources: { raw: { rows: 0 } } } });
});

it("maps columns and constants, and refuses a field that no execution has", () => {
  const mapping = mappingOf(
    ["id=run", "started_at=ts", "tokens_in=n", "metadata.region=zone", "error.type=err"],
    ["status=success", "agent_id=x", "user_id=y"],
  );
  expect(mapping({ run: "r1", ts: "2026-01-01 10:00:00", n: "7", zone: "eu", err: "" }, 1)).toEqual({
    ...{
      id: "r1",
      started_at: "2026-01-01T10:00:00Z",
      tokens_in: 7,
      metadata: { region: "eu" },
      status: "success",
      agent_id: "x",
      user_id: "y",
    },
  });
  expect(mappingOf([], [])({ id: "same" }, 1)).toEqual({ id: "same" });
  expect(() => mappingOf(["colour=c"], [])).toThrow('no field "colour"');
  expect(() => mappingOf(["id"], [])).toThrow("field=column");
});

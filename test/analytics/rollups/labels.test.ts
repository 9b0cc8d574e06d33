import { beforeAll, expect, it } from "vitest";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

beforeAll(useOwnDatabase);
const W = "w".repeat(128);
/** Text of so many bytes that does not compress: of three bytes a character, and the rest of one. */
const noise = (bytes: number) =>
  Array.from({ length: Math.floor(bytes / 3) }, () =>
    String.fromCharCode(0x4e00 + Math.floor(Math.random() * 20_000)),
  ).join("") + "x".repeat(bytes % 3);
const run = (id: string, extra = 0) => ({
  id,
  agent_id: noise(256),
  status: "failure",
  started_at: "2026-03-01T10:00:00Z",
  model: noise(512 + extra),
  environment: noise(256),
  version: noise(256),
  error: { type: noise(512), message: "no" },
});

it("A run whose labels are as long as they may be is rolled up; longer ones are refused with their path", async () => {
  const api = clientOf(await tokenFor(W));
  const executions = [run("long"), run("too-long", 3)];
  const sent = await api.post("/api/v1/executions", { executions });
  expect(sent.body.data.results).toMatchObject([
    { result: "created" },
    { result: "invalid", path: "model" },
  ]);
  const ctx = testContext();
  await runRollups(ctx, "hour");
  expect(await runRollups(ctx, "day")).toBe(1);
  const range = "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z";
  const path = `/api/v1/metrics/breakdown?group_by=model,error_type&${range}`;
  const { body } = await api.get(path, { "cache-control": "no-cache" });
  expect(body.data.rows).toMatchObject([{ model: executions[0]?.model, executions: 1 }]);
  expect(body.meta.sources).toMatchObject({ daily: { buckets: 1 }, raw: { rows: 0 } });
});

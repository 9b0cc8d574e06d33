import { beforeAll, expect, it } from "vitest";
import { mappingOf, PRESETS } from "../../dev/import-mapping.ts";
import sample from "../../dev/sample/azure-llm-inference-2023-conv.csv.gz?inline";
import cdnow from "../../dev/sample/cdnow-sample.txt.gz?inline";
import { runRollups } from "../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";

beforeAll(useOwnDatabase);
const SUMMARY = "/api/v1/metrics/summary?from=2023-11-16T18:00:00Z&to=2023-11-16T20:00:00Z";

async function unpacked(inline: string): Promise<string> {
  const bytes = Uint8Array.from(atob(inline.slice(inline.indexOf(",") + 1)), (char) =>
    char.charCodeAt(0),
  );
  return new Response(
    new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
  ).text();
}

async function rowsOfSample(): Promise<Record<string, string>[]> {
  const [header = "", ...lines] = (await unpacked(sample)).trim().split(/\r?\n/);
  const columns = header.split(",");
  return lines.map((line) =>
    Object.fromEntries(line.split(",").map((value, index) => [columns[index] ?? "", value])),
  );
}

it("an import of the real trace gives its own sums, before the rollup, after it, and after a second import", async () => {
  const rows = await rowsOfSample();
  expect(rows).toHaveLength(19_366);
  const preset = PRESETS["azure-llm"];
  if (!preset) throw new Error("no preset");
  const body = rows.map((row, index) => JSON.stringify(preset.map(row, index + 1))).join("\n");
  const api = clientOf(await tokenFor("trace"));
  const send = () =>
    api.post("/api/v1/executions", body, { "content-type": "application/x-ndjson" });
  expect((await send()).body.data.counts).toEqual({
    created: 19_366,
    updated: 0,
    duplicate: 0,
    conflict: 0,
    invalid: 0,
  });

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
  expect(await asked()).toMatchObject({
    data: expected,
    meta: { sources: { raw: { rows: 19_366 } } },
  });
  const ctx = testContext();
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  expect(await asked()).toMatchObject({
    data: expected,
    meta: { sources: { hourly: { buckets: 2 }, raw: { rows: 0 } } },
  });
  expect((await send()).body.data.counts).toEqual({
    created: 0,
    updated: 0,
    duplicate: 19_366,
    conflict: 0,
    invalid: 0,
  });
  expect(await asked()).toMatchObject({ data: expected, meta: { sources: { raw: { rows: 0 } } } });
});

it("an import maps columns and constants, and refuses a field that no execution has", () => {
  const mapping = mappingOf(
    ["id=run", "started_at=ts", "tokens_in=n", "metadata.region=zone", "error.type=err"],
    ["status=success", "agent_id=x", "user_id=y"],
  );
  expect(mapping({ run: "r1", ts: "2026-01-01 10:00:00", n: "7", zone: "eu", err: "" }, 1)).toEqual(
    {
      ...{
        id: "r1",
        started_at: "2026-01-01T10:00:00Z",
        tokens_in: 7,
        metadata: { region: "eu" },
        status: "success",
        agent_id: "x",
        user_id: "y",
      },
    },
  );
  // A value that is no number is left to the intake, which refuses it; a column of NDJSON may lie deeper.
  expect(
    mappingOf(["tokens_in=n", "model=call.model"], [])({ n: "abc", call: { model: "m" } }, 1),
  ).toEqual({
    tokens_in: "abc",
    model: "m",
  });
  expect(mappingOf([], [])({ id: "same" }, 1)).toEqual({ id: "same" });
  const row = { "my column": "x", "a.b": "flat", a: { b: "nested" }, big: "9007199254740993" };
  const nested = mappingOf(
    ["metadata.two words=my column", "metadata.x.y=a\\.b", "metadata.x.a\\.b=a.b", "tokens_in=big"],
    ["metadata.__proto__=kept"],
  )(row, 1);
  expect(JSON.stringify(nested)).toBe(
    '{"metadata":{"two words":"x","x":{"y":"flat","a.b":"flat"},"__proto__":"kept"},"tokens_in":9007199254740993}',
  );
  expect(() => mappingOf(["metadata.a=a", "metadata.a.b=a"], [])({ a: "1" }, 1)).toThrow(
    "metadata.a.b",
  );
  expect(() => mappingOf(["colour=c"], [])).toThrow('no field "colour"');
  expect(() => mappingOf(["id"], [])).toThrow("field=column");
});

it("an import of CDNOW gives the retention of the real purchases of CDNOW, as months counted by hand give it", async () => {
  const preset = PRESETS.cdnow;
  if (!preset) throw new Error("no preset");
  const lines = (await unpacked(cdnow)).split("\n").filter((line) => line.trim() !== "");
  expect(lines).toHaveLength(6_919);
  const fields = lines.map((line) => line.trim().split(/ +/));
  const rows = fields.map((values) =>
    Object.fromEntries((preset.columns ?? []).map((name, index) => [name, values[index]])),
  );
  const api = clientOf(await tokenFor("cdnow"));
  const body = rows.map((row, index) => JSON.stringify(preset.map(row, index + 1))).join("\n");
  const send = async () =>
    (await api.post("/api/v1/events", body, { "content-type": "application/x-ndjson" })).body.data
      .counts;
  expect(await send()).toMatchObject({ created: 6_919, invalid: 0, conflict: 0 });
  expect(await send()).toMatchObject({ created: 0, duplicate: 6_919 });

  // Months as whole numbers: year * 12 + month, straight from the digits of the file.
  const months = new Map<string, Set<number>>();
  for (const [, customer = "", day = ""] of fields) {
    const month = Number(day.slice(0, 4)) * 12 + Number(day.slice(4, 6)) - 1;
    months.set(customer, (months.get(customer) ?? new Set()).add(month));
  }
  const january = 1997 * 12;
  const count = (keep: (list: Set<number>) => boolean) => [...months.values()].filter(keep).length;
  for (const mode of ["classic", "rolling", "bounded"]) {
    const { status, body: answer } = await api.get(
      `/api/v1/users/retention?from=1997-01-01T00:00:00Z&to=1998-07-01T00:00:00Z&granularity=month&mode=${mode}`,
    );
    expect(status).toBe(200);
    expect(answer.data.cohorts).toHaveLength(18);
    expect(answer.data.cohorts.map((cohort: { size: number }) => cohort.size)).toEqual([
      781,
      857,
      719,
      ...new Array(15).fill(0),
    ]);
    for (const [index, cohort] of answer.data.cohorts.entries()) {
      const first = january + index;
      for (const cell of cohort.cells) {
        const users = count((list) => {
          if (Math.min(...list) !== first) return false;
          const offsets = [...list].map((month) => month - first);
          if (mode === "rolling") return offsets.some((offset) => offset >= cell.offset);
          if (mode === "bounded" && cell.offset > 0)
            return offsets.some((offset) => offset > 0 && offset <= cell.offset);
          return offsets.includes(cell.offset);
        });
        expect([mode, index, cell.offset, cell.users, cell.complete]).toEqual([
          mode,
          index,
          cell.offset,
          users,
          true,
        ]);
      }
    }
  }

  // Two purchases within 90 days of the first quarter, the last instant included: against a loop over the days.
  const steps = [1, 2].map((n) => ({
    name: `purchase ${n}`,
    kind: "event",
    event_type: "purchase",
  }));
  const question = {
    definition: { steps, window_seconds: 90 * 86_400, same_instant: "does_not" },
    from: "1997-01-01T00:00:00Z",
    to: "1997-04-01T00:00:00Z",
  };
  const { body: funnel } = await api.post("/api/v1/funnels/analyze", question);
  const days = new Map<string, number[]>();
  for (const [, customer = "", day = ""] of fields) {
    const at = Date.UTC(
      Number(day.slice(0, 4)),
      Number(day.slice(4, 6)) - 1,
      Number(day.slice(6, 8)),
    );
    days.set(customer, [...(days.get(customer) ?? []), at]);
  }
  const quarter = Date.UTC(1997, 3, 1);
  const entered = [...days.values()].filter((list) => list.some((at) => at < quarter));
  const again = entered.filter((list) =>
    list.some(
      (at) => at < quarter && list.some((next) => next > at && next - at <= 90 * 86_400_000),
    ),
  );
  expect(funnel.data.steps.map((step: { users: number }) => step.users)).toEqual([
    entered.length,
    again.length,
  ]);
});

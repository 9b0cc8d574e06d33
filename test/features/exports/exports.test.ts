import { env } from "cloudflare:workers";
import { parse } from "csv-parse/browser/esm/sync";
import { sql } from "drizzle-orm";
import { unzipSync } from "fflate";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  checkRowCount,
  exportRequestOf,
} from "../../../src/features/exports/definition/request.ts";
import { exportFileKey } from "../../../src/features/exports/runs/keys.ts";
import { getExportProgress } from "../../../src/features/exports/runs/queries.ts";
import { runExport } from "../../../src/features/exports/runs/run.ts";
import { startExport } from "../../../src/features/exports/runs/start.ts";
import { PART_BYTES } from "../../../src/features/exports/runs/upload.ts";
import type { ExportHooks } from "../../../src/features/exports/runs/upload-parts.ts";
import { type ExportJob, exportInput } from "../../../src/features/exports/schema.ts";
import { AppError } from "../../../src/lib/errors.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { queuesTo, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { rawRows } from "../../support/oracle.ts";

await useOwnDatabase();
const WORKSPACE = "exports";
const ctx = testContext({ queues: queuesTo() });
const client = clientOf(await tokenFor(WORKSPACE));
const FROM = "2026-03-01T00:00:00.000Z";
const TO = "2026-03-11T00:00:00.000Z";
const ROWS = 30_000;

const run = (text: ReturnType<typeof sql>) => ctx.db.all({ sql: text, row: z.unknown() });

/** Executions with everything that a format may stumble over. */
beforeAll(async () => {
  await run(sql`select ensure_execution_partition('2026-03-01'::timestamptz)::text`);
  await run(sql`with made as (insert into executions (workspace_id, id, agent_id, user_id, status, started_at, ended_at, duration_given_ms, credits, tokens_in, tokens_out, model, environment, error_type, error_message, metadata)
    select ${WORKSPACE}, 'x' || i, 'agent-' || i % 7, 'user-' || i % 11, case when i % 10 = 0 then 'failure' else 'success' end, t, t + interval '1 second', i % 5000, (i % 1000) / 1000.0 + 0.000001,
      i % 900, case when i % 3 > 0 then i % 70 end, case when i % 4 > 0 then 'model ' || i % 3 end, null, case when i % 10 = 0 then 'Broken' end,
      case when i % 10 = 0 then (array['=1+1', '+cmd', '-2', '@x', E'\ttab', E'\rcr', E'a "quote", and\nline', 'Grüße 🚀'])[1 + i / 10 % 8] end,
      jsonb_build_object('n', i, 'text', 'a,b', 'deep', jsonb_build_object('list', jsonb_build_array(1, 'two', null)), 'pad', repeat(md5(i::text), 8))
    from (select i, ${FROM}::timestamptz + i * interval '28.8 seconds' + i % 1000 * interval '1 microsecond' as t from generate_series(0, ${ROWS - 1}::int) i) g returning id, started_at)
    insert into execution_keys (workspace_id, id, started_at) select ${WORKSPACE}, id, started_at from made`);
  await run(
    sql`insert into rollup_marks (unit, workspace_id, bucket) select 'hour', ${WORKSPACE}, h from generate_series(${FROM}::timestamptz, ${TO}::timestamptz, interval '1 hour') h`,
  );
});

let next = 0;
/** A queued job that no consumer knows of. */
function queued(body: Record<string, unknown> = {}): Promise<ExportJob> {
  const input = exportInput.parse({
    source: "executions",
    format: "ndjson",
    from: FROM,
    to: TO,
    ...body,
  });
  return startExport(ctx, WORKSPACE, `job-${next++}`, input, { author: "tester" });
}

/** An attempt at a job, as the consumer makes it. */
const work = (id: string, hooks: ExportHooks = {}) =>
  runExport(ctx, { workspaceId: WORKSPACE, id }, hooks);
/** An attempt that something ends after a part; the next one may begin at once. */
async function fails(id: string, hooks: ExportHooks = { afterPart: away }): Promise<void> {
  expect(await work(id, hooks)).toMatchObject({ status: "again" });
  expect(await jobOf(id)).toMatchObject({ status: "queued", error: null });
  expect(await work(id)).toEqual({ status: "lost" });
  await run(sql`update exports set lease_until = now() where id = ${id}`);
}
const away = (): never => {
  throw new AppError("unavailable", "away", "Something is away.");
};

async function jobOf(id: string): Promise<ExportJob> {
  return (await client.get(`/api/v1/exports/${id}`)).body.data;
}

async function done(body: Record<string, unknown> = {}): Promise<ExportJob> {
  const { id } = await queued(body);
  await work(id);
  const job = await jobOf(id);
  expect(job).toMatchObject({ status: "done", error: null });
  return job;
}

async function bytesOf({ id }: { id: string }): Promise<Uint8Array> {
  const object = await ctx.files.get(`exports/${WORKSPACE}/${id}/0`);
  return new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer(0));
}
const textOf = async (job: { id: string }) => new TextDecoder().decode(await bytesOf(job));
const linesOf = async (job: { id: string }) =>
  (await textOf(job))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const manifestOf = async ({ id }: { id: string }) =>
  (await client.get(`/api/v1/exports/${id}/manifest`)).body;
const hex = async (bytes: Uint8Array) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
const read = async (path: string, bytes: Uint8Array) => {
  const answer = await fetch(`${env.READER}${path}`, { method: "POST", body: bytes });
  expect(answer.status).toBe(200);
  // biome-ignore lint/suspicious/noExplicitAny: whatever another library made of it
  return (await answer.json()) as any[];
};
const AGENT = [{ field: "agent", op: "eq", value: "agent-3" }];
const rawOf = async (agent: string) =>
  (await ctx.db.all(rawRows(WORKSPACE))).filter((row) => row.agent_id === agent);
const full = async () => {
  const rows = await ctx.db.all({
    sql: sql`select id, error_message, metadata, credits, started_at, duration_ms, tokens_out, model, stale from executions where workspace_id = ${WORKSPACE} and agent_id = 'agent-3' order by started_at, id`,
    row: z.record(z.string(), z.unknown()),
  });
  return rows;
};

describe("rows of an export", () => {
  it("are every execution of the range once, in time order, with the values of the API", async () => {
    const job = await done({ filters: AGENT });
    const [rows, expected] = [await linesOf(job), await rawOf("agent-3")];
    expect(rows.length).toBe(expected.length);
    expect(job).toMatchObject({ rows_done: rows.length, rows_expected: rows.length });
    expect(rows.map((row) => row.started_at)).toEqual(rows.map((row) => row.started_at).sort());
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const row of expected) expect(byId.get(row.id)).toMatchObject(row);
  });

  it("have totals and digests in the manifest; the totals are those of the metrics API", async () => {
    const job = await done({ filters: AGENT, format: "csv" });
    const manifest = await manifestOf(job);
    const question = {
      from: FROM,
      to: TO,
      filters: AGENT,
      measures: ["executions", "credits", "tokens_in", "tokens_out"],
    };
    const { totals } = (await client.post("/api/v1/metrics/query", question)).body.data;
    const { executions, ...sums } = totals;
    expect(manifest.totals).toMatchObject({ rows: executions, ...sums });
    expect(manifest).toMatchObject({ as_of: job.as_of, files: job.files, request: job.request });
    const bytes = await bytesOf(job);
    expect(manifest.files[0].parts).toEqual([
      { rows: executions, bytes: bytes.length, sha256: await hex(bytes) },
    ]);
    expect(manifest.schema.map((column: { name: string }) => column.name)).toEqual(
      job.request.columns,
    );
  });

  it("are of the asked columns, in the asked order", async () => {
    const [header, first] = (
      await textOf(await done({ format: "csv", filters: AGENT, columns: ["status", "id"] }))
    ).split("\r\n");
    expect([header, first]).toEqual(["status,id", "success,x3"]);
  });

  it.each(["csv", "ndjson", "json", "xlsx", "parquet"])("may be absent: %s", async (format) => {
    const job = await done({
      format,
      from: "2020-01-01T00:00:00Z",
      to: "2020-01-02T00:00:00Z",
      columns: ["id", "credits"],
    });
    const bytes = await bytesOf(job);
    const text = new TextDecoder().decode(bytes);
    expect(job).toMatchObject({ rows_done: 0, rows_expected: 0 });
    if (format === "csv") expect(text).toBe("id,credits\r\n");
    if (format === "ndjson") expect(text).toBe("");
    if (format === "json") expect(JSON.parse(text)).toEqual([]);
    if (format === "xlsx")
      expect(await read("/xlsx", bytes)).toMatchObject([{ data: [["id", "credits"]] }]);
    if (format === "parquet")
      expect(await read("/parquet?sql=select count(*)::int as n from file", bytes)).toEqual([
        { n: 0 },
      ]);
  });
});

describe("formats", () => {
  it("CSV is RFC 4180, and no text of it is a formula", async () => {
    const expected = await full();
    const cells = (text: string) =>
      parse(text, { columns: true, record_delimiter: "\r\n" }) as Record<string, string>[];
    const safe = cells(await textOf(await done({ format: "csv", filters: AGENT })));
    const plain = cells(
      await textOf(await done({ format: "csv", filters: AGENT, neutralize: false })),
    );
    expect(plain.map((row) => row.error_message)).toEqual(
      expected.map((row) => row.error_message ?? ""),
    );
    expect(plain.map((row) => JSON.parse(row.metadata ?? ""))).toEqual(
      expected.map((row) => row.metadata),
    );
    expect(plain.map((row) => row.credits)).toEqual(expected.map((row) => row.credits));
    const dangerous = /^[=+\-@\t\r]/;
    expect(safe.some((row) => Object.values(row).some((cell) => dangerous.test(cell)))).toBe(false);
    const escaped = (text: unknown) =>
      dangerous.test(String(text ?? "")) ? `'${text}` : String(text ?? "");
    expect(safe.map((row) => row.error_message)).toEqual(
      expected.map((row) => escaped(row.error_message)),
    );
    expect(new Set(safe.map((row) => row.error_message?.slice(0, 2)))).toContain("'\r");
  });

  it("JSON is one list, and gzip changes no byte of what it holds", async () => {
    const plain = await textOf(await done({ format: "json", filters: AGENT }));
    const packed = await done({ format: "json", filters: AGENT, gzip: true });
    expect(packed.files).toMatchObject([
      { name: "executions-2026-03-01-2026-03-11.json.gz", content_type: "application/gzip" },
    ]);
    const unpacked = new Response(
      new Blob([await bytesOf(packed)]).stream().pipeThrough(new DecompressionStream("gzip")),
    );
    expect(await unpacked.text()).toBe(plain);
    expect(JSON.parse(plain).map((row: { id: string }) => row.id)).toEqual(
      (await full()).map((row) => row.id),
    );
  });

  it("XLSX has typed cells under a frozen header, and widths", async () => {
    const bytes = await bytesOf(await done({ format: "xlsx", filters: AGENT }));
    const [{ data }] = await read("/xlsx", bytes);
    const [header, ...rows] = data as unknown[][];
    const at = (name: string) => (header as string[]).indexOf(name);
    const expected = await full();
    expect(rows.length).toBe(expected.length);
    expect(rows.map((row) => row[at("id")])).toEqual(expected.map((row) => row.id));
    expect(rows.map((row) => row[at("duration_ms")])).toEqual(
      expected.map((row) => row.duration_ms),
    );
    expect(rows.map((row) => row[at("credits")])).toEqual(
      expected.map((row) => Number(row.credits)),
    );
    expect(rows.map((row) => row[at("stale")])).toEqual(expected.map((row) => row.stale));
    expect(rows.map((row) => row[at("tokens_out")])).toEqual(expected.map((row) => row.tokens_out));
    // A cell is a floating number of days: it knows milliseconds, give or take the last one.
    const off = rows.map((row, index) =>
      Math.abs(
        Date.parse(String(row[at("started_at")])) - Date.parse(String(expected[index]?.started_at)),
      ),
    );
    expect(Math.max(...off)).toBeLessThanOrEqual(1);
    const sheet = new TextDecoder().decode(unzipSync(bytes)["xl/worksheets/sheet1.xml"]);
    expect(sheet).toMatch(/<pane [^>]*ySplit="1"[^>]*state="frozen"/);
    expect(sheet.match(/<col /g)?.length).toBe(header?.length);
  });

  it("Parquet has real types, which DuckDB reads", async () => {
    const bytes = await bytesOf(await done({ format: "parquet", filters: AGENT }));
    const types = Object.fromEntries(
      (await read("/parquet?sql=describe select * from file", bytes)).map((row) => [
        row.column_name,
        row.column_type,
      ]),
    );
    expect(types).toMatchObject({
      id: "VARCHAR",
      started_at: "TIMESTAMP WITH TIME ZONE",
      credits: "DECIMAL(38,6)",
      duration_ms: "BIGINT",
      stale: "BOOLEAN",
      metadata: "JSON",
    });
    const sums =
      "select count(*)::int as n, sum(credits)::varchar as credits, sum(duration_ms)::varchar as ms, epoch_us(min(started_at))::varchar as first, count(tokens_out)::int as known from file";
    const rows = await rawOf("agent-3");
    const exact = rows.reduce((sum, row) => sum + BigInt(String(row.credits).replace(".", "")), 0n);
    const [found] = await read(`/parquet?sql=${encodeURIComponent(sums)}`, bytes);
    expect(found).toEqual({
      n: rows.length,
      credits: `${exact / 1_000_000n}.${String(exact % 1_000_000n).padStart(6, "0")}`,
      ms: String(rows.reduce((sum, row) => sum + (row.duration_ms ?? 0), 0)),
      first: String(Date.parse(FROM) * 1000 + 3 * 28_800_000 + 3),
      known: rows.filter((row) => row.tokens_out !== null).length,
    });
    const texts = await read(
      "/parquet?sql=select error_message from file order by started_at, id",
      bytes,
    );
    expect(texts.map((row) => row.error_message)).toEqual(
      (await full()).map((row) => row.error_message),
    );
  });
});

it("Parquet and XLSX hold groups by the clock", async () => {
  const query = { measures: ["executions"], group_by: ["hour_of_day"], limit: 24 };
  const asked = { source: "metrics", query, columns: ["hour_of_day", "executions"] };
  const rows = await read(
    "/parquet?sql=select hour_of_day, executions from file order by 1",
    await bytesOf(await done({ ...asked, format: "parquet" })),
  );
  expect(rows.length).toBe(24);
  expect(rows.map((row) => Number(row.hour_of_day))).toEqual(
    Array.from({ length: 24 }, (_, hour) => hour),
  );
  expect(rows.reduce((sum, row) => sum + Number(row.executions), 0)).toBe(ROWS);
  const [{ data }] = await read("/xlsx", await bytesOf(await done({ ...asked, format: "xlsx" })));
  expect((data as unknown[][]).length).toBe(25);
});

/** Runs a job that dies after every part it stores, until it is done. @returns how often it died */
async function runAndDie(id: string): Promise<number> {
  for (let deaths = 0; ; deaths++) {
    const { status } = await work(id, { afterPart: away });
    if (status === "done") return deaths;
    expect(status).toBe("again");
    await run(sql`update exports set lease_until = now() where id = ${id}`);
  }
}

describe("an attempt that dies after a part", () => {
  it.each([
    ["csv", {}],
    ["json", {}],
    ["ndjson", { gzip: true, columns: ["id", "started_at", "metadata"] }],
    ["parquet", {}],
    ["xlsx", {}],
  ])("is gone on with, and %s has the same bytes", async (format, more) => {
    const whole = await done({ format, ...more });
    const bytes = await bytesOf(whole);
    const { id } = await queued({ format, ...more });
    const deaths = await runAndDie(id);
    expect(deaths).toBe(whole.files[0]?.parts.length);
    expect(await hex(await bytesOf({ id }))).toBe(await hex(bytes));
    const job = await jobOf(id);
    expect(job.attempts).toBe(deaths + 1);
    expect(job.files[0]?.parts.map((part) => part.sha256)).toEqual(
      whole.files[0]?.parts.map((part) => part.sha256),
    );
    expect((await manifestOf({ id })).totals).toEqual((await manifestOf(whole)).totals);
    if (format === "csv") expect(bytes.length).toBeGreaterThan(2 * PART_BYTES);
  });

  it("and whose upload was dropped meanwhile begins again, with the same bytes", async () => {
    const whole = await done({});
    const { id } = await queued();
    await fails(id);
    const { uploadId = "" } = (await getExportProgress(ctx, WORKSPACE, id)) ?? {};
    await ctx.files.resumeMultipartUpload(exportFileKey(WORKSPACE, id, 0), uploadId).abort();
    expect(await work(id)).toMatchObject({ status: "again", error: { code: "upload_lost" } });
    await run(sql`update exports set lease_until = now() where id = ${id}`);
    await work(id);
    expect(await jobOf(id)).toMatchObject({ status: "done", attempts: 3, rows_done: ROWS });
    expect(await hex(await bytesOf({ id }))).toBe(await hex(await bytesOf(whole)));
  });

  it("begins again when the rows have changed meanwhile: the file is of one moment", async () => {
    const { id } = await queued();
    await fails(id);
    const before = await jobOf(id);
    await client.patch(`/api/v1/executions/x1?workspace_id=${WORKSPACE}`, { credits: "77.5" });
    await work(id);
    const after = await jobOf(id);
    expect(Date.parse(after.as_of ?? "")).toBeGreaterThan(Date.parse(before.as_of ?? ""));
    const rows = await linesOf({ id });
    expect(rows.find((row) => row.id === "x1").credits).toBe("77.500000");
    const { totals } = (
      await client.post("/api/v1/metrics/query", {
        from: FROM,
        to: TO,
        measures: ["executions", "credits"],
      })
    ).body.data;
    expect((await manifestOf({ id })).totals).toMatchObject({
      rows: totals.executions,
      credits: totals.credits,
    });
  });
});

it("sees the change of a run that was closed because it fell silent", async () => {
  const { id } = await queued();
  await fails(id);
  const first = await jobOf(id);
  // As the maintenance task closes it: nothing was heard of the run.
  await ctx.db.run(
    sql`update executions set status = 'timeout', stale = true where workspace_id = ${WORKSPACE} and id = 'x2'`,
  );
  await work(id);
  const job = await jobOf(id);
  expect(Date.parse(job.as_of ?? "")).toBeGreaterThan(Date.parse(first.as_of ?? ""));
  const rows = await linesOf({ id });
  expect(rows.length).toBe(ROWS);
  expect(rows.find((row) => row.id === "x2")).toMatchObject({ status: "timeout", stale: true });
});

describe("a limit", () => {
  it("of the format refuses a request at once, with the path; of two sources only the raw ones can reach it", async () => {
    const requestFor = (more: object) =>
      exportRequestOf(
        WORKSPACE,
        {
          ...exportInput.parse({
            source: "executions",
            format: "xlsx",
            from: FROM,
            to: TO,
            ...more,
          }),
          timezone: "UTC",
        },
        Date.now() * 1000,
      );
    const check = (more: object, most: number) =>
      checkRowCount(ctx.db, WORKSPACE, requestFor(more), most);
    await check({ filters: AGENT }, 4_286);
    await expect(check({ filters: AGENT }, 4_285)).rejects.toMatchObject({
      kind: "unprocessable",
      errors: [{ path: "format", code: "too_many_rows" }],
    });
    await expect(check({ source: "events" }, 0)).resolves.toBeUndefined();
    await expect(check({ source: "agents" }, 0)).resolves.toBeUndefined();
    await expect(
      checkRowCount(ctx.db, WORKSPACE, requestFor({ format: "csv" })),
    ).resolves.toBeUndefined();
  });

  it("ends a job at once, with the number of rows it would have had", async () => {
    const { id } = await queued({ filters: AGENT });
    const small = { ...ctx, config: { ...ctx.config, MAX_EXPORT_ROWS: 4_285 } };
    await runExport(small, { workspaceId: WORKSPACE, id });
    expect(await jobOf(id)).toMatchObject({
      status: "failed",
      rows_done: 0,
      error: {
        code: "too_many_rows",
        message: "The export would have 4286 rows; at most 4285 fit.",
      },
    });
  });
});

describe("messages", () => {
  it("that come twice, at once and afterwards, make one file", async () => {
    const { id } = await queued({ filters: AGENT });
    await Promise.all([work(id), work(id), work(id)]);
    const job = await jobOf(id);
    expect(job).toMatchObject({ status: "done", attempts: 1 });
    await work(id);
    await work("of-nothing");
    expect(await jobOf(id)).toEqual(job);
  });

  it("of a cancelled job do nothing; one that is cancelled at work stops, and leaves no file", async () => {
    const early = await queued({ filters: AGENT });
    expect((await client.post(`/api/v1/exports/${early.id}/cancel`, {})).body.data.status).toBe(
      "cancelled",
    );
    await work(early.id);
    expect(await jobOf(early.id)).toMatchObject({ status: "cancelled", attempts: 0 });
    expect((await client.post(`/api/v1/exports/${early.id}/cancel`, {})).status).toBe(409);

    const { id } = await queued();
    let cancelling: Promise<unknown> = Promise.resolve();
    await work(id, {
      afterPart: (parts) => {
        if (parts === 1)
          cancelling = ctx.db.all({
            sql: sql`update exports set status = 'cancelled', claim = null where id = ${id}`,
            row: z.unknown(),
          });
        return cancelling;
      },
    });
    expect(await jobOf(id)).toMatchObject({ status: "cancelled", files: [] });
    expect((await ctx.files.list({ prefix: `exports/${WORKSPACE}/${id}/` })).objects).toEqual([]);
  });
});

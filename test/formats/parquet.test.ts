import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { FileColumn, FileRow } from "../../src/formats/columns.ts";
import {
  FILE_START,
  type FileChunk,
  type ResumePoint,
  type RowPage,
} from "../../src/formats/format.ts";
import { parquetFormat } from "../../src/formats/parquet.ts";
import { cellsOfRows } from "../../src/lib/cells.ts";

const COLUMNS: FileColumn[] = [
  { name: "id", kind: "text" },
  { name: "moment", kind: "timestamp" },
  { name: "n", kind: "integer" },
  { name: "amount", kind: "decimal" },
  { name: "ok", kind: "boolean" },
  { name: "share", kind: "float" },
  { name: "data", kind: "json" },
];
const ROWS = 12_000;
const OPTIONS = { columns: COLUMNS, gzip: false, neutralize: true };

/** Every seventh row has nothing but its id; documents grow until a group ends by their size. */
const rowOf = (index: number): FileRow =>
  index % 7 === 0
    ? { id: `r${index}` }
    : {
        id: `r${index}`,
        moment: `2026-03-01T00:00:00.${String(index % 1_000_000).padStart(6, "0")}Z`,
        n: index % 2 === 0 ? Number.MAX_SAFE_INTEGER - index : -index,
        amount: `${index % 3 === 0 ? "-" : ""}${index}.000001`,
        ok: index % 2 === 0,
        share: index / 3,
        data: { index, text: "x".repeat(index / 10), same: "a text that comes again" },
      };

async function* pages(after: string[] | null): AsyncGenerator<RowPage> {
  for (let from = Number(after?.[0] ?? 0); from < ROWS; from += parquetFormat.pageRows) {
    const rows = Array.from({ length: Math.min(parquetFormat.pageRows, ROWS - from) }, (_, index) =>
      rowOf(from + index),
    );
    const values = rows.map((row) => COLUMNS.map(({ name }) => row[name]));
    yield {
      cells: cellsOfRows(values, COLUMNS.length),
      after: [String(from + parquetFormat.pageRows)],
    };
  }
}

async function chunksFrom(
  from: ResumePoint,
): Promise<(Omit<FileChunk, "from"> & { from: ResumePoint })[]> {
  const chunks = [];
  // The memory of a chunk's bytes is used again for the next.
  for await (const { bytes, rows, from: begin } of parquetFormat.encode(
    pages(from.after),
    OPTIONS,
    from,
  ))
    chunks.push({ bytes: bytes.slice(), rows, from: begin() });
  return chunks;
}

it("a Parquet file can be resumed from the start of every group, with the same bytes, however often", async () => {
  const whole = await chunksFrom(FILE_START);
  expect(whole.length).toBeGreaterThan(4);
  for (const [index, chunk] of whole.entries()) {
    const kept: ResumePoint = JSON.parse(JSON.stringify(chunk.from));
    for (let time = 0; time < 2; time++) {
      const again = await chunksFrom(kept);
      expect(again.map((each) => each.rows)).toEqual(whole.slice(index).map((each) => each.rows));
      expect(again.map((each) => each.bytes)).toEqual(whole.slice(index).map((each) => each.bytes));
    }
  }
});

it("a Parquet file holds what was given, in groups that end by their rows or by their size", async () => {
  const whole = await chunksFrom(FILE_START);
  const groups = whole
    .slice(0, -1)
    .map((chunk, index) => chunk.rows - (whole[index - 1]?.rows ?? 0));
  expect(Math.max(...groups)).toBeLessThanOrEqual(5_000);
  expect(groups.at(-2)).toBeLessThan(4_000);
  const body = new Blob(whole.map((chunk) => chunk.bytes));
  const sql =
    "select id, epoch_us(moment) as us, n, amount::varchar as amount, ok, share, data::varchar as data from file order by substr(id, 2)::int";
  const answer = await fetch(`${env.READER}/parquet?sql=${encodeURIComponent(sql)}`, {
    method: "POST",
    body,
  });
  const found = (await answer.json()) as Record<string, unknown>[];
  expect(found.length).toBe(ROWS);
  for (const [index, row] of found.entries()) {
    const given = rowOf(index);
    const text = (value: unknown) => (value === null || value === undefined ? null : String(value));
    expect([row.id, text(row.n), text(row.amount), row.ok, row.share]).toEqual([
      given.id,
      text(given.n),
      text(given.amount),
      given.ok ?? null,
      given.share ?? null,
    ]);
    expect(text(row.us)).toBe(
      given.moment === undefined
        ? null
        : String(Date.parse("2026-03-01T00:00:00Z") * 1000 + (index % 1_000_000)),
    );
    expect(row.data === null ? undefined : JSON.parse(String(row.data))).toEqual(given.data);
  }
});

import type { RowGroup, SchemaElement } from "hyparquet";
import { toMicros } from "../lib/decimal.ts";
import { parseInstant } from "../lib/time.ts";
import { type Column, DECIMAL_SCALE, type Row } from "./columns.ts";
import type { Format, Resume } from "./format.ts";

/** Columns of the row groups so far, which the footer names: big integers as texts, so that they travel as JSON. */
interface Footer {
  offset: number;
  groups: unknown;
}

const TAG = "big:";
const packed = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${TAG}${each}` : each)));
const unpacked = <T>(value: unknown): T =>
  JSON.parse(JSON.stringify(value), (_, each) =>
    typeof each === "string" && each.startsWith(TAG) ? BigInt(each.slice(TAG.length)) : each,
  );

/** Physical and logical types (Apache Parquet, LogicalTypes.md). */
function elementOf({ name, kind }: Column): SchemaElement {
  const optional = { name, repetition_type: "OPTIONAL" as const };
  switch (kind) {
    case "integer":
      return { ...optional, type: "INT64" };
    case "float":
      return { ...optional, type: "DOUBLE" };
    case "boolean":
      return { ...optional, type: "BOOLEAN" };
    case "decimal":
      return { ...optional, type: "FIXED_LEN_BYTE_ARRAY", type_length: 16, converted_type: "DECIMAL", scale: DECIMAL_SCALE, precision: 38 };
    case "timestamp":
      return {
        ...optional,
        type: "INT64",
        converted_type: "TIMESTAMP_MICROS",
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
      };
    case "json":
      return { ...optional, type: "BYTE_ARRAY", converted_type: "JSON" };
    default:
      return { ...optional, type: "BYTE_ARRAY", converted_type: "UTF8" };
  }
}

function cellOf(value: unknown, { kind }: Column): unknown {
  if (value === null || value === undefined) return null;
  if (kind === "integer") return BigInt(value as number);
  if (kind === "timestamp") return BigInt(parseInstant(String(value)) ?? 0);
  if (kind === "decimal") return toMicros(String(value));
  return value;
}

/** One row group a page; the footer is written from what the state has kept of them. */
export const parquet: Format = {
  contentType: "application/vnd.apache.parquet",
  extension: "parquet",
  gzip: false,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 2_000,
  async *encode(pages, { columns }, from) {
    const { ByteWriter, ParquetWriter } = await import("hyparquet-writer");
    const bytes = new ByteWriter();
    const schema: SchemaElement[] = [{ name: "root", num_children: columns.length }, ...columns.map(elementOf)];
    const file = new ParquetWriter({ writer: bytes, schema, statistics: false, createdBy: "shadower-analytics" });
    const taken = () => {
      const part = bytes.getBytes().slice();
      bytes.index = 0;
      return part;
    };
    const footer = from.state as Footer | null;
    if (footer) {
      bytes.index = 0;
      bytes.offset = footer.offset;
      file.row_groups = unpacked<RowGroup[]>(footer.groups);
      file.num_rows = BigInt(from.rows);
    }
    let [after, done, offset] = [from.after, from.rows, bytes.offset];
    // Groups are only ever added: what the footer of an earlier moment named are the first of them.
    const here = () => {
      const [known, count] = [{ after, rows: done, offset }, file.row_groups.length];
      return (): Resume => {
        const state: Footer | null = known.rows === 0 ? null : { offset: known.offset, groups: packed(file.row_groups.slice(0, count)) };
        return { after: known.after, rows: known.rows, state };
      };
    };
    for await (const page of pages) {
      const start = here();
      const columnData = columns.map((column) => ({
        name: column.name,
        data: page.rows.map((row: Row) => cellOf(row[column.name], column)),
        offsetIndex: false,
      }));
      await file.write({ columnData, rowGroupSize: page.rows.length });
      file.pendingIndexes = [];
      [after, done, offset] = [page.after, done + page.rows.length, bytes.offset];
      yield { bytes: taken(), rows: done, from: start };
    }
    const last = here();
    await file.finish();
    yield { bytes: taken(), rows: done, from: last };
  },
};

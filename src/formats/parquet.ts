import type { RowGroup, SchemaElement } from "hyparquet";
import { toMicros } from "../lib/decimal.ts";
import { parseInstant } from "../lib/time.ts";
import { DECIMAL_SCALE, type FileColumn } from "./columns.ts";
import type { FileChunk, FileFormat, ResumePoint } from "./format.ts";

/** The row groups so far, which the footer names, each as a JSON text. */
interface Footer {
  offset: number;
  groups: string[];
}

/**
 * Rows of a row group. Its entry in the footer is as large as a hundred rows, and the state of
 * every stored part has all entries before it.
 */
const GROUP_ROWS = 5_000;
/** Characters of a row group, plus a page: its write holds several copies of them. */
const GROUP_CHARS = 2 * 1024 * 1024;
/** Different texts of a column that are kept once, however often they come. */
const MAX_SHARED = 256;

const TAG = "big:";
const packed = (group: RowGroup): string =>
  JSON.stringify(group, (_, each) => (typeof each === "bigint" ? `${TAG}${each}` : each));
const unpacked = (text: string): RowGroup =>
  JSON.parse(text, (_, each) =>
    typeof each === "string" && each.startsWith(TAG) ? BigInt(each.slice(TAG.length)) : each,
  );

/** Physical and logical types (Apache Parquet, LogicalTypes.md). */
function elementOf({ name, kind }: FileColumn): SchemaElement {
  const optional = { name, repetition_type: "OPTIONAL" as const };
  switch (kind) {
    case "integer":
      return { ...optional, type: "INT64" };
    case "float":
      return { ...optional, type: "DOUBLE" };
    case "boolean":
      return { ...optional, type: "BOOLEAN" };
    case "decimal":
      return {
        ...optional,
        type: "FIXED_LEN_BYTE_ARRAY",
        type_length: 16,
        converted_type: "DECIMAL",
        scale: DECIMAL_SCALE,
        precision: 38,
      };
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

/**
 * Values of a column until their row group is written. Big integers and repeated texts are not
 * objects of their own: half a million of them a group would need a full collection to be freed.
 */
class Gathered {
  readonly #column: FileColumn;
  readonly #numbers: Float64Array | null;
  readonly #values: unknown[] = [];
  readonly #shared = new Map<unknown, unknown>();
  #rows = 0;
  /** Characters of the texts and documents that are held. */
  chars = 0;

  constructor(column: FileColumn) {
    this.#column = column;
    const isNumber =
      column.kind === "integer" || column.kind === "float" || column.kind === "timestamp";
    this.#numbers = isNumber ? new Float64Array(GROUP_ROWS) : null;
  }

  add(value: unknown): void {
    const at = this.#rows++;
    if (this.#numbers) {
      const number = typeof value === "string" ? parseInstant(value) : value;
      this.#numbers[at] = typeof number === "number" ? number : Number.NaN;
      return;
    }
    this.#values[at] = this.#column.kind === "json" ? this.#document(value) : this.#once(value);
  }

  #once(value: unknown): unknown {
    const known = this.#shared.get(value);
    if (known !== undefined) return known;
    if (this.#shared.size < MAX_SHARED) this.#shared.set(value, value);
    else if (typeof value === "string") this.chars += value.length;
    return value ?? null;
  }

  #document(value: unknown): unknown {
    if (value === null || value === undefined) return null;
    this.chars += JSON.stringify(value).length;
    return value;
  }

  /** The input of the writer. It reads one column at a time, so that only its values exist. */
  source() {
    const [column, numbers, values, rows] = [this.#column, this.#numbers, this.#values, this.#rows];
    return {
      name: column.name,
      offsetIndex: false,
      get data(): unknown[] {
        if (!numbers)
          return values
            .slice(0, rows)
            .map((value) =>
              column.kind === "decimal" && value !== null ? toMicros(String(value)) : value,
            );
        const present = Array.from(numbers.subarray(0, rows), (value) =>
          Number.isNaN(value) ? null : value,
        );
        return column.kind === "float"
          ? present
          : present.map((value) => (value === null ? null : BigInt(value)));
      },
    };
  }

  clear(): void {
    this.#values.fill(null);
    this.#rows = 0;
    this.chars = 0;
  }
}

/** Row groups of several pages each. The footer is written from the entries in the state. */
export const parquetFormat: FileFormat = {
  contentType: "application/vnd.apache.parquet",
  extension: "parquet",
  gzip: false,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 150,
  async *encode(pages, { columns }, from) {
    const { ByteWriter, ParquetWriter } = await import("hyparquet-writer");
    const bytes = new ByteWriter();
    const schema: SchemaElement[] = [
      { name: "root", num_children: columns.length },
      ...columns.map(elementOf),
    ];
    const file = new ParquetWriter({
      writer: bytes,
      schema,
      statistics: false,
      createdBy: "shadower-analytics",
    });
    // The writer's own buffer: what comes out is valid until the next chunk is asked for.
    const taken = () => {
      const part = bytes.getBytes();
      bytes.index = 0;
      return part;
    };
    const footer = from.state as Footer | null;
    const groups = [...(footer?.groups ?? [])];
    if (footer) {
      bytes.index = 0;
      bytes.offset = footer.offset;
      file.num_rows = BigInt(from.rows);
    }
    let [after, done, offset] = [from.after, from.rows, bytes.offset];
    // Groups are only ever added: what the footer of an earlier moment named are the first of them.
    const here = () => {
      const [known, count] = [{ after, rows: done, offset }, groups.length];
      return (): ResumePoint => {
        const state: Footer | null =
          known.rows === 0 ? null : { offset: known.offset, groups: groups.slice(0, count) };
        return { after: known.after, rows: known.rows, state };
      };
    };
    const gathered = columns.map((column) => new Gathered(column));
    let [rows, position] = [0, from.after];
    const written = async (): Promise<FileChunk> => {
      const start = here();
      await file.write({
        columnData: gathered.map((column) => column.source()),
        rowGroupSize: rows,
      });
      groups.push(...file.row_groups.map(packed));
      for (const column of gathered) column.clear();
      [after, done, offset] = [position, done + rows, bytes.offset];
      [rows, file.row_groups, file.pendingIndexes] = [0, [], []];
      return { bytes: taken(), rows: done, from: start };
    };
    for await (const page of pages) {
      for (const row of page.rows)
        for (const [index, { name }] of columns.entries()) gathered[index]?.add(row[name]);
      [rows, position] = [rows + page.rows.length, page.after];
      const chars = gathered.reduce((sum, column) => sum + column.chars, 0);
      if (rows + parquetFormat.pageRows > GROUP_ROWS || chars >= GROUP_CHARS) yield await written();
    }
    if (rows > 0) yield await written();
    const last = here();
    file.row_groups = groups.map(unpacked);
    await file.finish();
    yield { bytes: taken(), rows: done, from: last };
  },
};

import type { RowGroup, SchemaElement } from "hyparquet";
import type { Cells } from "../lib/cells.ts";
import type { FileColumn } from "./columns.ts";
import type { FileChunk, FileFormat, ResumePoint } from "./format.ts";
import {
  type GatheredColumn,
  gatheredColumn,
  parquetElement,
  writtenElement,
} from "./parquet-column.ts";

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

const TAG = "big:";
const packed = (group: RowGroup): string =>
  JSON.stringify(group, (_, each) => (typeof each === "bigint" ? `${TAG}${each}` : each));
const unpacked = (text: string): RowGroup =>
  JSON.parse(text, (_, each) =>
    typeof each === "string" && each.startsWith(TAG) ? BigInt(each.slice(TAG.length)) : each,
  );

const schemaOf = (
  columns: readonly FileColumn[],
  element: (column: FileColumn) => SchemaElement,
): SchemaElement[] => [{ name: "root", num_children: columns.length }, ...columns.map(element)];

function gather({ bytes, bounds, width, rows }: Cells, gathered: readonly GatheredColumn[]): void {
  for (const [index, column] of gathered.entries())
    for (let row = 0, at = 2 * index; row < rows; row++, at += 2 * width) {
      const begin = bounds[at] ?? -1;
      if (begin < 0) column.addAbsent();
      else column.add(bytes, begin, bounds[at + 1] ?? begin);
    }
}

/** The input of the writer. It reads one column at a time, so that only its values exist. */
const sourceOf = ({ name }: FileColumn, gathered: GatheredColumn | undefined) => ({
  name,
  offsetIndex: false,
  get data(): unknown[] {
    return gathered?.values() ?? [];
  },
});

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
    const file = new ParquetWriter({
      writer: bytes,
      schema: schemaOf(columns, writtenElement),
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
    const gathered = columns.map((column) => gatheredColumn(column, GROUP_ROWS));
    let [rows, position] = [0, from.after];
    const written = async (): Promise<FileChunk> => {
      const start = here();
      await file.write({
        columnData: columns.map((column, index) => sourceOf(column, gathered[index])),
        rowGroupSize: rows,
      });
      groups.push(...file.row_groups.map(packed));
      for (const column of gathered) column.clear();
      [after, done, offset] = [position, done + rows, bytes.offset];
      [rows, file.row_groups, file.pendingIndexes] = [0, [], []];
      return { bytes: taken(), rows: done, from: start };
    };
    for await (const page of pages) {
      gather(page.cells, gathered);
      [rows, position] = [rows + page.cells.rows, page.after];
      const chars = gathered.reduce((sum, column) => sum + column.chars, 0);
      if (rows + parquetFormat.pageRows > GROUP_ROWS || chars >= GROUP_CHARS) yield await written();
    }
    if (rows > 0) yield await written();
    const last = here();
    file.schema = schemaOf(columns, parquetElement);
    file.row_groups = groups.map(unpacked);
    await file.finish();
    yield { bytes: taken(), rows: done, from: last };
  },
};

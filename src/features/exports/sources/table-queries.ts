import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { documentText } from "../../../analytics/catalog/dimensions.ts";
import type { Db } from "../../../db/client.ts";
import { withinRange } from "../../../db/instants.ts";
import { RowBytes } from "../../../db/row-bytes.ts";
import { inWorkspace } from "../../../db/scope.ts";
import type { Snapshot } from "../../../db/snapshot.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import type { RowPage } from "../../../formats/format.ts";
import { someCells, storedText } from "../../../lib/cells.ts";
import { keysOf } from "../../../lib/key-path.ts";
import type { ExportQuestion, OpenedRows } from "./source.ts";

/** A condition on a row of a source's table. */
export type RowCondition = SQL;

/** A condition of which unknown counts as false. */
export const orFalse = (condition: RowCondition): RowCondition =>
  sql`coalesce(${condition}, false)`;

/** Texts that change whenever the row does; `heard_at` stays when a stale run is closed. */
export const ROW_VERSIONS = {
  executions: sql`concat_ws(' ', e.heard_at, e.status, e.revision, e.stale)`,
  events: sql`v.created_at::text`,
};

export interface SourceTable {
  name: keyof typeof ROW_VERSIONS;
  alias: string;
  /** The column that orders the file, oldest first; ties by id. */
  time: string;
  columns: FileColumn[];
  /** The column with a document, whose values may be columns of a file too. */
  document: "metadata" | "properties";
  filters(question: ExportQuestion): RowCondition[];
}

export const isNestedColumn = ({ document }: SourceTable, name: string): boolean =>
  name.startsWith(`${document}.`);

const tableOf = ({ name, alias }: SourceTable) =>
  sql`${sql.identifier(name)} ${sql.identifier(alias)}`;
const columnOf = ({ alias }: SourceTable, name: string) =>
  sql`${sql.identifier(alias)}.${sql.identifier(name)}`;

function conditionsOf(table: SourceTable, question: ExportQuestion): SQL {
  const conditions = [
    inWorkspace(question.workspaceId, table.alias),
    withinRange(columnOf(table, table.time), question.range),
    ...table.filters(question),
  ];
  return sql.join(conditions, sql` and `);
}

/** @returns the number of rows, at most `limit` */
export async function countTable(
  db: Db,
  table: SourceTable,
  question: ExportQuestion,
  limit: number,
): Promise<number> {
  const { rows } = await db.one({
    sql: sql`
      select count(*) as rows
      from (
        select 1
        from ${tableOf(table)}
        where ${conditionsOf(table, question)}
        limit ${limit}
      ) x`,
    row: z.object({ rows: z.number() }),
  });
  return rows;
}

const survey = z.object({ rows: z.number(), fingerprint: z.string() });

function surveyTable(db: Db, table: SourceTable, where: SQL) {
  const version = sql`${columnOf(table, "id")} || ' ' || ${ROW_VERSIONS[table.name]}`;
  return db.one({
    sql: sql`
      select
        count(*) as rows,
        coalesce(sum(hashtextextended(${version}, 0)), 0)::text as fingerprint
      from ${tableOf(table)}
      where ${where}`,
    row: survey,
  });
}

function selected(table: SourceTable, { name }: FileColumn): SQL {
  if (!isNestedColumn(table, name)) return columnOf(table, name);
  const keys = keysOf(name.slice(table.document.length + 1));
  return documentText(columnOf(table, table.document), keys);
}

/** Pages that are read at once, if their rows are of the usual size. */
const MOST_PAGES = 12;
const READ_BYTES = 768 * 1024;

/** The number of pages to read next: a row may have 16 KiB of metadata, and all must fit into memory. */
function pagesAtOnce({ rows, size }: RowBytes, pageRows: number): number {
  const pageBytes = (size / Math.max(rows, 1)) * pageRows;
  return Math.max(1, Math.min(MOST_PAGES, Math.floor(READ_BYTES / pageBytes)));
}

/** Reads a table piece by piece, each behind the last row of the one before. */
export async function openTable(
  db: Snapshot,
  table: SourceTable,
  question: ExportQuestion,
  columns: readonly FileColumn[],
): Promise<OpenedRows> {
  const where = conditionsOf(table, question);
  const { rows, fingerprint } = await surveyTable(db, table, where);
  const [time, id] = [columnOf(table, table.time), columnOf(table, "id")];
  // Every row has its position behind the values of the file.
  const columnList = sql.join(
    [
      ...columns.map((column) => selected(table, column)),
      sql`${time} as position_time`,
      sql`${id} as position_id`,
    ],
    sql`, `,
  );
  const positionOf = (read: RowBytes, row: number) =>
    [0, 1].map((place) => storedText(read, row, columns.length + place) ?? "");

  const readRows = (after: string[] | null, limit: number, into: RowBytes): Promise<void> => {
    const [lastTime, lastId] = after ?? [];
    const behind =
      lastTime === undefined
        ? sql``
        : sql`
          and ${time} >= ${lastTime}::timestamptz
          and (${time}, ${id}) > (${lastTime}::timestamptz, ${lastId}::text)`;
    const statement = sql`
      select ${columnList}
      from ${tableOf(table)}
      where ${where}${behind}
      order by ${time}, ${id}
      limit ${limit}`;
    const reading = db.read(statement, into);
    // It may fail while nobody waits for it yet.
    reading.catch(() => undefined);
    return reading;
  };

  async function* pages(after: string[] | null, size: number): AsyncGenerator<RowPage> {
    let [read, next] = [new RowBytes(), new RowBytes()];
    let limit = size;
    for (let reading = readRows(after, limit, read); ; [read, next] = [next, read]) {
      await reading;
      const isLast = read.rows < limit;
      if (!isLast) {
        // The server makes the next rows while these are written.
        limit = size * pagesAtOnce(read, size);
        reading = readRows(positionOf(read, read.rows - 1), limit, next);
      }
      for (let row = 0; row < read.rows; row += size) {
        const end = Math.min(row + size, read.rows);
        yield { cells: someCells(read, row, end), after: positionOf(read, end - 1) };
      }
      if (isLast) return;
    }
  }
  return { rows, fingerprint, pages };
}

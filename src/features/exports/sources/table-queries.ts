import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { documentText } from "../../../analytics/catalog/dimensions.ts";
import type { Db } from "../../../db/client.ts";
import { withinRange } from "../../../db/instants.ts";
import { inWorkspace } from "../../../db/scope.ts";
import type { FileColumn, FileRow } from "../../../formats/columns.ts";
import type { RowPage } from "../../../formats/format.ts";
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

/** The row is not checked value by value: that would copy a million rows of known columns. */
const anyRow = z.custom<FileRow>((value) => typeof value === "object" && value !== null);

/** PostgreSQL cuts column names at 63 bytes: values of a document get short names on the way. */
const nestedAlias = (index: number) => `nested_${index}`;

function selected(table: SourceTable, plain: readonly string[], nested: readonly string[]): SQL {
  const document = columnOf(table, table.document);
  const nestedColumns = nested.map((name, index) => {
    const keys = keysOf(name.slice(table.document.length + 1));
    return sql`${documentText(document, keys)} as ${sql.identifier(nestedAlias(index))}`;
  });
  return sql.join([...plain.map((name) => columnOf(table, name)), ...nestedColumns], sql`, `);
}

/** Reads a table page by page, each behind the last row of the one before. */
export async function openTable(
  db: Db,
  table: SourceTable,
  question: ExportQuestion,
  columns: readonly FileColumn[],
): Promise<OpenedRows> {
  const where = conditionsOf(table, question);
  const { rows, fingerprint } = await surveyTable(db, table, where);
  // Every row has its position, wanted in the file or not.
  const names = [...new Set([table.time, "id", ...columns.map((column) => column.name)])];
  const nested = names.filter((name) => isNestedColumn(table, name));
  const plain = names.filter((name) => !nested.includes(name));
  const columnList = selected(table, plain, nested);
  const time = columnOf(table, table.time);
  const id = columnOf(table, "id");

  const readPage = async (after: string[] | null, size: number): Promise<FileRow[]> => {
    const [lastTime, lastId] = after ?? [];
    const behind =
      lastTime === undefined
        ? sql``
        : sql`
          and ${time} >= ${lastTime}::timestamptz
          and (${time}, ${id}) > (${lastTime}::timestamptz, ${lastId}::text)`;
    const page = await db.all({
      sql: sql`
        select ${columnList}
        from ${tableOf(table)}
        where ${where}${behind}
        order by ${time}, ${id}
        limit ${size}`,
      row: anyRow,
    });
    for (const [index, name] of nested.entries())
      for (const row of page) row[name] = row[nestedAlias(index)];
    return page;
  };

  async function* pages(after: string[] | null, size: number): AsyncGenerator<RowPage> {
    for (let before = after; ; ) {
      const page = await readPage(before, size);
      const last = page.at(-1);
      if (!last) return;
      const end = [String(last[table.time]), String(last.id)];
      yield { rows: page, before, after: end };
      if (page.length < size) return;
      before = end;
    }
  }
  return { rows, fingerprint, pages };
}

import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { documentText, fieldOf, filterPredicate } from "../../../analytics/catalog/dimensions.ts";
import { eventCondition } from "../../../analytics/funnels/step-conditions.ts";
import { checkOperand } from "../../../analytics/plan/fields.ts";
import type { Db } from "../../../db/client.ts";
import { withinRange } from "../../../db/instants.ts";
import { inWorkspace } from "../../../db/scope.ts";
import type { FileColumn, FileRow } from "../../../formats/columns.ts";
import { unprocessable } from "../../../lib/errors.ts";
import { keysOf } from "../../../lib/key-path.ts";
import type { ExportQuestion, ExportSource, OpenedRows } from "./source.ts";

interface Table {
  name: string;
  alias: string;
  /** Orders the file, oldest first; ties by id. */
  time: string;
  /** Says of a row (of the alias) whether it has changed. */
  version: SQL;
  columns: FileColumn[];
  /** The column with a free document, whose values may be columns of a file too. */
  document: "metadata" | "properties";
  filters(question: ExportQuestion): SQL[];
}

const surveyed = z.object({ rows: z.number(), fingerprint: z.string() });
/** The columns are ours, and each has one kind: checking a million rows value by value would only make copies of them. */
const row = z.custom<FileRow>((value) => typeof value === "object" && value !== null);

function conditions(table: Table, question: ExportQuestion): SQL {
  const at = sql`${sql.identifier(table.alias)}.${sql.identifier(table.time)}`;
  const list = [
    inWorkspace(question.workspaceId, table.alias),
    withinRange(at, question.range),
    ...table.filters(question),
  ];
  return sql.join(list, sql` and `);
}

async function countTable(
  db: Db,
  table: Table,
  question: ExportQuestion,
  limit: number,
): Promise<number> {
  const found = await db.maybe({
    sql: sql`select count(*) as rows from (select 1 from ${sql.identifier(table.name)} ${sql.identifier(table.alias)} where ${conditions(table, question)} limit ${limit}) x`,
    row: z.object({ rows: z.number() }),
  });
  return found?.rows ?? 0;
}

async function openTable(
  db: Db,
  table: Table,
  question: ExportQuestion,
  columns: readonly FileColumn[],
): Promise<OpenedRows> {
  const [name, alias, time] = [
    sql.identifier(table.name),
    sql.identifier(table.alias),
    sql.identifier(table.time),
  ];
  const where = conditions(table, question);
  const found = await db.maybe({
    sql: sql`select count(*) as rows, coalesce(sum(hashtextextended(${alias}.id || ' ' || ${table.version}, 0)), 0)::text as fingerprint
      from ${name} ${alias} where ${where}`,
    row: surveyed,
  });
  // The position is read with every row, wanted in the file or not.
  const names = [...new Set([table.time, "id", ...columns.map((column) => column.name)])];
  // PostgreSQL cuts the name of a column at 63 bytes; such a name is put back in each row.
  const nested = names.filter((each) => isNested(table, each));
  const listed = sql.join(
    [
      ...names
        .filter((each) => !nested.includes(each))
        .map((each) => sql`${alias}.${sql.identifier(each)}`),
      ...nested.map((each, index) => {
        const keys = keysOf(each.slice(table.document.length + 1));
        const document = sql`${alias}.${sql.identifier(table.document)}`;
        return sql`${documentText(document, keys)} as ${sql.identifier(`nested_${index}`)}`;
      }),
    ],
    sql`, `,
  );
  return {
    rows: found?.rows ?? 0,
    fingerprint: found?.fingerprint ?? "",
    async *pages(after, size) {
      for (let before = after; ; ) {
        const [at, id] = before ?? [];
        const behind =
          at === undefined
            ? sql``
            : sql` and ${alias}.${time} >= ${at}::timestamptz and (${alias}.${time}, ${alias}.id) > (${at}::timestamptz, ${id}::text)`;
        const rows: FileRow[] = await db.all({
          sql: sql`select ${listed} from ${name} ${alias} where ${where}${behind}
            order by ${alias}.${time}, ${alias}.id limit ${size}`,
          row,
        });
        for (const each of nested.length > 0 ? rows : [])
          nested.forEach((name, index) => {
            each[name] = each[`nested_${index}`];
          });
        const last = rows.at(-1);
        if (!last) return;
        const end = [String(last[table.time]), String(last.id)];
        yield { rows, before, after: end };
        if (rows.length < size) return;
        before = end;
      }
    },
  };
}

const isNested = ({ document }: Table, name: string) => name.startsWith(`${document}.`);

const sourceOf = (table: Table, totals: string[]): ExportSource => ({
  columns: () => table.columns,
  named: (name) => (isNested(table, name) ? { name, kind: "text" } : undefined),
  totals: () => totals,
  check: (question) => void table.filters(question),
  count: (db, question, limit) => countTable(db, table, question, limit),
  open: (db, question, columns) => openTable(db, table, question, columns),
});

const column = (kind: FileColumn["kind"], ...names: string[]) =>
  names.map((name): FileColumn => ({ name, kind }));

export const executionSource = sourceOf(
  {
    name: "executions",
    alias: "e",
    time: "started_at",
    // A run that is closed because it fell silent was not heard of again.
    document: "metadata",
    version: sql`concat_ws(' ', e.heard_at, e.status, e.revision, e.stale)`,
    columns: [
      ...column("text", "id", "agent_id", "user_id", "status"),
      ...column("timestamp", "started_at", "ended_at"),
      ...column("integer", "duration_ms"),
      ...column("decimal", "credits"),
      ...column("integer", "tokens_in", "tokens_out"),
      ...column(
        "text",
        "model",
        "parent_execution_id",
        "environment",
        "version",
        "error_type",
        "error_message",
      ),
      ...column("json", "metadata"),
      ...column("integer", "revision"),
      ...column("boolean", "stale"),
    ],
    filters: ({ filters }) =>
      filters.map((filter, index) => {
        const field = fieldOf(filter.field, `filters.${index}.field`);
        if (field.kind === "clock")
          throw unprocessable(
            `filters.${index}.field`,
            "not_applicable",
            `${filter.field} is no field of a single run.`,
          );
        checkOperand(filter, field, `filters.${index}.value`);
        return sql`coalesce(${filterPredicate(filter, field, "e", false)}, false)`;
      }),
  },
  ["duration_ms", "credits", "tokens_in", "tokens_out"],
);

export const eventSource = sourceOf(
  {
    name: "events",
    alias: "v",
    time: "occurred_at",
    document: "properties",
    version: sql`v.created_at::text`,
    columns: [
      ...column("text", "id", "event_type", "event_name", "user_id", "session_id"),
      ...column("timestamp", "occurred_at"),
      ...column("json", "properties"),
    ],
    filters: ({ filters }) =>
      filters.map(
        (filter, index) => sql`coalesce(${eventCondition(filter, `filters.${index}`)}, false)`,
      ),
  },
  [],
);

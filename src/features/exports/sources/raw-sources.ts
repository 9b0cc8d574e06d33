import { type Filter, fieldOf, filterPredicate } from "../../../analytics/catalog/dimensions.ts";
import { eventCondition } from "../../../analytics/funnels/step-conditions.ts";
import { checkOperand } from "../../../analytics/plan/fields.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import { unprocessable } from "../../../lib/errors.ts";
import type { ExportSource } from "./source.ts";
import {
  countTable,
  isNestedColumn,
  openTable,
  orFalse,
  type RowCondition,
  type SourceTable,
} from "./table-queries.ts";

const sourceOf = (table: SourceTable, totals: string[]): ExportSource => ({
  columns: () => table.columns,
  named: (name) => (isNestedColumn(table, name) ? { name, kind: "text" } : undefined),
  totals: () => totals,
  check: (question) => void table.filters(question),
  count: (db, question, limit) => countTable(db, table, question, limit),
  open: (db, question, columns) => openTable(db, table, question, columns),
});

const columnsOf = (kind: FileColumn["kind"], ...names: string[]) =>
  names.map((name): FileColumn => ({ name, kind }));

/** @throws AppError unprocessable for an unknown field, or one that a single run does not have */
function executionFilter(filter: Filter, index: number): RowCondition {
  const field = fieldOf(filter.field, `filters.${index}.field`);
  if (field.kind === "clock")
    throw unprocessable(
      `filters.${index}.field`,
      "not_applicable",
      `${filter.field} is not a field of a single run.`,
    );
  checkOperand(filter, field, `filters.${index}.value`);
  return orFalse(filterPredicate(filter, field, "e", false));
}

export const executionSource = sourceOf(
  {
    name: "executions",
    alias: "e",
    time: "started_at",
    document: "metadata",
    columns: [
      ...columnsOf("text", "id", "agent_id", "user_id", "status"),
      ...columnsOf("timestamp", "started_at", "ended_at"),
      ...columnsOf("integer", "duration_ms"),
      ...columnsOf("decimal", "credits"),
      ...columnsOf("integer", "tokens_in", "tokens_out"),
      ...columnsOf("text", "model", "parent_execution_id", "environment", "version"),
      ...columnsOf("text", "error_type", "error_message"),
      ...columnsOf("json", "metadata"),
      ...columnsOf("integer", "revision"),
      ...columnsOf("boolean", "stale"),
    ],
    filters: ({ filters }) => filters.map(executionFilter),
  },
  ["duration_ms", "credits", "tokens_in", "tokens_out"],
);

export const eventSource = sourceOf(
  {
    name: "events",
    alias: "v",
    time: "occurred_at",
    document: "properties",
    columns: [
      ...columnsOf("text", "id", "event_type", "event_name", "user_id", "session_id"),
      ...columnsOf("timestamp", "occurred_at"),
      ...columnsOf("json", "properties"),
    ],
    filters: ({ filters }) =>
      filters.map((filter, index) => orFalse(eventCondition(filter, `filters.${index}`))),
  },
  [],
);

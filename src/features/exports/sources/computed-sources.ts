import { prepareQuery } from "../../../analytics/ask.ts";
import { OF_SOME_USER } from "../../../analytics/catalog/dimensions.ts";
import { MEASURE_NAMES, type MeasureName, measureOf } from "../../../analytics/catalog/measures.ts";
import { type ErrorGroup, errorGroups } from "../../../analytics/errors/error-groups.ts";
import { planQuery } from "../../../analytics/plan/plan.ts";
import { runInOneSnapshot } from "../../../analytics/prepared.ts";
import type { Query } from "../../../analytics/query.ts";
import {
  columnsOfQuery,
  isMeasure,
  measureColumn,
  tableOf,
} from "../../../analytics/shapes/table.ts";
import type { Db } from "../../../db/client.ts";
import type { FileColumn, FileRow } from "../../../formats/columns.ts";
import { unprocessable } from "../../../lib/errors.ts";
import { withAgentNames } from "./agent-queries.ts";
import { type ExportQuestion, type ExportSource, openRows } from "./source.ts";

/** Groups of one query, and of an export: all of them are in memory. */
const GROUPS_AT_ONCE = 5_000;
const MAX_GROUPS = 50_000;
/** Characters of all messages of errors. */
const MAX_GROUP_CHARS = 16 * 1024 * 1024;

const additive = (names: readonly MeasureName[]) =>
  names.filter((name) => measureOf(name).additive);
const tooMany = (rows: number) =>
  unprocessable(
    "source",
    "too_many_rows",
    `There are more than ${rows} rows; narrow the range or the filters.`,
  );

const base = ({ range, timezone, filters }: ExportQuestion): Omit<Query, "measures"> => ({
  ...range,
  timezone,
  filters,
});

/** Every group of a dimension with its measures, the most executions first. */
async function groups(
  db: Db,
  question: ExportQuestion,
  dimension: "agent" | "user",
  measures: MeasureName[],
): Promise<FileRow[]> {
  const rows: FileRow[] = [];
  for (let after: Query["after"]; ; ) {
    const order = [{ measure: "executions" as const, direction: "desc" as const }];
    const limit = Math.min(GROUPS_AT_ONCE, Math.floor(190_000 / measures.length));
    const query: Query = {
      ...base(question),
      ...(dimension === "user" ? { filters: [OF_SOME_USER, ...question.filters] } : {}),
      measures,
      group_by: [dimension],
      order_by: order,
      limit,
      after,
      rowsOnly: true,
    };
    const [answer] = await runInOneSnapshot(db, [
      prepareQuery(question.workspaceId, query, question.now),
    ]);
    const found = answer.rows;
    for (const { group, values } of found)
      rows.push({ [`${dimension}_id`]: group?.[dimension], ...values });
    if (rows.length > MAX_GROUPS) throw tooMany(MAX_GROUPS);
    after = found.at(-1)?.position;
    if (found.length < limit || !after) return rows;
  }
}

function groupSource(dimension: "agent" | "user"): ExportSource {
  // A group by agent has no count of agents, one by user none of users.
  const measures = MEASURE_NAMES.filter(
    (name) => name !== (dimension === "agent" ? "active_agents" : "active_users"),
  );
  const names: FileColumn[] =
    dimension === "agent"
      ? [
          { name: "name", kind: "text" },
          { name: "labels", kind: "json" },
        ]
      : [];
  return {
    columns: () => [
      { name: `${dimension}_id`, kind: "text" },
      ...names,
      ...measures.map(measureColumn),
    ],
    totals: () => additive(measures),
    check: (question) =>
      void planQuery(
        question.workspaceId,
        { ...base(question), measures: ["executions"] },
        question.now,
      ),
    open: async (db, question, columns) => {
      const wanted = columns.map((column) => column.name).filter(isMeasure);
      const rows = await groups(
        db,
        question,
        dimension,
        wanted.length > 0 ? wanted : ["executions"],
      );
      return openRows(
        dimension === "agent" ? await withAgentNames(db, question.workspaceId, rows) : rows,
        columns,
      );
    },
  };
}

const ERROR_COLUMNS: FileColumn[] = [
  { name: "id", kind: "text" },
  { name: "error_type", kind: "text" },
  { name: "sample_message", kind: "text" },
  { name: "sample_execution_id", kind: "text" },
  { name: "status", kind: "text" },
  { name: "reopened", kind: "boolean" },
  { name: "executions", kind: "integer" },
  { name: "users", kind: "integer" },
  { name: "agents", kind: "integer" },
  { name: "credits_lost", kind: "decimal" },
  { name: "first_seen_at", kind: "timestamp" },
  { name: "last_seen_at", kind: "timestamp" },
  { name: "share", kind: "float" },
];

function errorFilter({ filters }: ExportQuestion) {
  const of = { agentId: undefined as string | undefined, userId: undefined as string | undefined };
  for (const [index, { field, op, value }] of filters.entries()) {
    const name = field === "agent" ? "agentId" : field === "user" ? "userId" : undefined;
    if (!name || op !== "eq" || of[name] !== undefined)
      throw unprocessable(
        `filters.${index}`,
        "not_applicable",
        "Errors are filtered by one agent and one user, each by eq.",
      );
    of[name] = String(value);
  }
  return of;
}

export const errorSource: ExportSource = {
  columns: () => ERROR_COLUMNS,
  totals: () => ["executions", "credits_lost"],
  check: (question) => void errorFilter(question),
  open: async (db, question, columns) => {
    const rows: ErrorGroup[] = [];
    let chars = 0;
    for (let more = true; more; ) {
      const filter = { ...errorFilter(question), after: rows.at(-1), limit: GROUPS_AT_ONCE };
      const [page] = await runInOneSnapshot(db, [
        errorGroups(question.workspaceId, question.range, filter),
      ]);
      rows.push(...page.groups);
      for (const { sample_message } of page.groups) chars += sample_message?.length ?? 0;
      if (rows.length > MAX_GROUPS || chars > MAX_GROUP_CHARS) throw tooMany(rows.length - 1);
      more = page.found > page.groups.length || page.found === GROUPS_AT_ONCE;
    }
    return openRows(
      rows.map((row) => ({ ...row })),
      columns,
    );
  },
};

function metricsQuery(question: ExportQuestion): Query {
  if (!question.query)
    throw unprocessable("query", "query_missing", "The source metrics needs a query.");
  return { ...base(question), ...question.query };
}

/** The rows of POST /metrics/query. Groups past the limit are one row with `other`. */
export const metricsSource: ExportSource = {
  columns: (question) => columnsOfQuery(metricsQuery(question)),
  totals: (question) => additive(metricsQuery(question).measures),
  check: (question) => void planQuery(question.workspaceId, metricsQuery(question), question.now),
  open: async (db, question, columns) => {
    const query = metricsQuery(question);
    const [answer] = await runInOneSnapshot(db, [
      prepareQuery(question.workspaceId, query, question.now),
    ]);
    return openRows(tableOf(query, answer), columns);
  },
};

export const agentSource = groupSource("agent");
export const userSource = groupSource("user");

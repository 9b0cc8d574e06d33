import { type SQL, sql } from "drizzle-orm";
import { unprocessable } from "../../lib/errors.ts";
import { keysOf } from "../../lib/key-path.ts";
import {
  comparison,
  documentNumber,
  documentText,
  type Field,
  type FieldFilter,
  type Filter,
  fieldOf,
  filterPredicate,
  isNumeric,
  nameText,
  valueText,
} from "../catalog/dimensions.ts";
import { checkOperand } from "../plan/fields.ts";

/** Executions or events that can take a step of a funnel. */
export interface StepFilter {
  kind: "execution" | "event";
  event_type?: string | undefined;
  event_name?: string | undefined;
  filters?: FieldFilter[] | undefined;
}

const EVENT_COLUMNS: Record<string, string> = {
  event_type: "event_type",
  event_name: "event_name",
  session_id: "session_id",
  user: "user_id",
};
const PROPERTIES = "properties.";
const DOCUMENT = sql`v.properties`;

interface EventValue {
  value: SQL;
  /** Of a property: its place in the document. */
  keys: string[] | undefined;
}

function eventValue(field: string, path: string): EventValue {
  if (field.startsWith(PROPERTIES)) {
    const keys = keysOf(field.slice(PROPERTIES.length));
    return { value: documentText(DOCUMENT, keys), keys };
  }
  const column = Object.hasOwn(EVENT_COLUMNS, field) ? EVENT_COLUMNS[field] : undefined;
  if (column === undefined)
    throw unprocessable(
      path,
      "unknown_field",
      `An event has no field "${field}"; its properties are properties.<key>.`,
    );
  return { value: sql`v.${sql.identifier(column)}`, keys: undefined };
}

/**
 * A filter as a condition on an event (alias v).
 * @throws AppError unprocessable for a field or a value that does not fit
 */
export function eventCondition(filter: Filter, path: string): SQL {
  const { value, keys } = eventValue(filter.field, path);
  if (keys === undefined) {
    checkOperand(filter, { kind: "dimension", name: "model" }, path);
    return comparison(value, filter, false);
  }
  checkOperand(filter, { kind: "metadata", keys }, path);
  const numeric = isNumeric(filter.value);
  return comparison(numeric ? documentNumber(DOCUMENT, keys) : value, filter, numeric);
}

function executionCondition(filter: Filter, path: string): SQL {
  const field: Field = fieldOf(filter.field, path);
  if (field.kind === "clock")
    throw unprocessable(
      path,
      "not_applicable",
      `${filter.field} is not a field of a single execution.`,
    );
  checkOperand(filter, field, path);
  return filterPredicate(filter, field, "e", false);
}

/**
 * A step's filters as one condition on an execution (alias e) or an event (alias v).
 * @throws AppError unprocessable for a field or a value that does not fit
 */
export function stepCondition(step: StepFilter, path: string): SQL {
  const conditionOf = step.kind === "event" ? eventCondition : executionCondition;
  const filters = (step.filters ?? []).map((filter, index) =>
    conditionOf(filter, `${path}.filters.${index}`),
  );
  const names: SQL[] = [];
  if (step.event_type !== undefined) names.push(sql`v.event_type = ${step.event_type}`);
  if (step.event_name !== undefined) names.push(sql`v.event_name = ${step.event_name}`);
  if (step.kind === "execution" && names.length > 0)
    throw unprocessable(path, "not_applicable", "An execution has no event_type or event_name.");
  const all = [...names, ...filters];
  return all.length === 0 ? sql`true` : sql`(${sql.join(all, sql` and `)})`;
}

/**
 * The text of a property that a funnel is broken down by, for occurrences of a step.
 * @throws AppError unprocessable for a property that has no groups
 */
export function breakdownText(step: StepFilter, property: string): SQL {
  if (step.kind === "event")
    return sql`(${nameText(eventValue(property, "breakdown").value)})::text`;
  const field = fieldOf(property, "breakdown");
  if (field.kind === "clock" || field.kind === "number")
    throw unprocessable(
      "breakdown",
      "not_groupable",
      `"${property}" is not a property that a funnel can be broken down by.`,
    );
  return valueText(field, "e");
}

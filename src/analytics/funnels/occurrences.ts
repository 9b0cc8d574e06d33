import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { keyInWorkspace } from "../../db/scope.ts";
import { unprocessable } from "../../lib/errors.ts";
import { keysOf } from "../../lib/key-path.ts";
import { type EpochUs, formatInstant } from "../../lib/time.ts";
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
import { type PreparedQuery, prepared } from "../prepared.ts";
import type { TimeRange } from "../time/time-range.ts";

/** What a moment of a user's life is looked for: an execution or an event, with filters. */
export interface StepFilter {
  kind: "execution" | "event";
  event_type?: string | undefined;
  event_name?: string | undefined;
  filters?: FieldFilter[] | undefined;
}

/** A user's moments in the order of time. Bit n of a mask: the moment is of the n-th kind that was asked for. */
export interface UserOccurrences {
  userId: string;
  /** Microseconds since 1970. */
  times: EpochUs[];
  masks: number[];
  /** Of the moments of the first kind, in their order; null for none. Empty without a property. */
  properties: (string | null)[];
}

export const MAX_MOMENTS = 750_000;
const EVENT_COLUMNS: Record<string, string> = {
  event_type: "event_type",
  event_name: "event_name",
  session_id: "session_id",
  user: "user_id",
};
const PROPERTIES = "properties.";
const DOCUMENT = sql`v.properties`;

function eventValue(field: string, path: string): { value: SQL; keys: string[] | undefined } {
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

export function eventCondition(filter: Filter, path: string): SQL {
  const { value, keys } = eventValue(filter.field, path);
  const field: Field =
    keys === undefined ? { kind: "dimension", name: "model" } : { kind: "metadata", keys };
  checkOperand(filter, field, path);
  const numeric = keys !== undefined && isNumeric(filter.value);
  return comparison(numeric ? documentNumber(DOCUMENT, keys) : value, filter, numeric);
}

function executionCondition(filter: Filter, path: string): SQL {
  const field = fieldOf(filter.field, path);
  if (field.kind === "clock")
    throw unprocessable(path, "not_applicable", `${filter.field} is no field of a single run.`);
  checkOperand(filter, field, path);
  return filterPredicate(filter, field, "e", false);
}

function conditionOf(wanted: StepFilter, path: string): SQL {
  const filters = (wanted.filters ?? []).map((filter, index) => {
    const at = `${path}.filters.${index}`;
    return wanted.kind === "event" ? eventCondition(filter, at) : executionCondition(filter, at);
  });
  const named = [
    ...(wanted.event_type === undefined ? [] : [sql`v.event_type = ${wanted.event_type}`]),
    ...(wanted.event_name === undefined ? [] : [sql`v.event_name = ${wanted.event_name}`]),
  ];
  if (wanted.kind === "execution" && named.length > 0)
    throw unprocessable(path, "not_applicable", "An execution has no event_type or event_name.");
  const all = [...named, ...filters];
  return all.length === 0 ? sql`true` : sql`(${sql.join(all, sql` and `)})`;
}

function propertyOf(wanted: StepFilter, property: string): SQL {
  if (wanted.kind === "event")
    return sql`(${nameText(eventValue(property, "breakdown").value)})::text`;
  const field = fieldOf(property, "breakdown");
  if (field.kind === "clock" || field.kind === "number")
    throw unprocessable(
      "breakdown",
      "not_groupable",
      `"${property}" is no property to break down by.`,
    );
  return valueText(field, "e");
}

const row = z.object({
  user_id: z.string(),
  moments: z.string(),
  properties: z.array(z.string().nullable()).nullable(),
});

/**
 * Moments of each user in a range, of the asked kinds only. One row a user, as text: a fraction of the size of an object a moment.
 * @param more `property` of the moments of the first kind; `others`: with every other moment of a user, whose mask is 0
 * @throws AppError unprocessable for a field or a value that does not fit; `finish` throws it for more than MAX_MOMENTS
 */
export function occurrences(
  workspaceId: string,
  range: TimeRange,
  wanted: readonly StepFilter[],
  paths: readonly string[],
  { property, others = false }: { property?: string | undefined; others?: boolean } = {},
): PreparedQuery<UserOccurrences[]> {
  const conditions = wanted.map((each, index) => ({
    kind: each.kind,
    bit: 2 ** index,
    condition: conditionOf(each, paths[index] ?? ""),
  }));
  const [first] = wanted;
  const part = (kind: StepFilter["kind"]): SQL[] => {
    const mine = conditions.filter((each) => each.kind === kind);
    if (mine.length === 0 && !others) return [];
    const [alias, table, column] =
      kind === "event" ? ["v", "events", "occurred_at"] : ["e", "executions", "started_at"];
    const at = sql`${sql.raw(alias)}.${sql.raw(column)}`;
    const bits = mine.map(
      ({ bit, condition }) => sql`case when ${condition} then ${sql.raw(String(bit))} else 0 end`,
    );
    const mask = sql.join([sql`0`, ...bits], sql` | `);
    const each = mine.map(({ condition }) => condition);
    const sought = others ? sql`true` : sql`(${sql.join(each, sql` or `)})`;
    const value =
      property !== undefined && first?.kind === kind
        ? propertyOf(first, property)
        : sql`null::text`;
    return [
      sql`select ${sql.raw(alias)}.user_id, ${at} as at, ${mask} as mask, ${value} as property from ${sql.raw(table)} ${sql.raw(alias)}
        where ${keyInWorkspace(workspaceId, alias)} and ${at} >= ${formatInstant(range.from)}::timestamptz and ${at} < ${formatInstant(range.to)}::timestamptz
          and ${sql.raw(alias)}.user_id is not null and ${sought}`,
    ];
  };
  const parts = [...part("execution"), ...part("event")];
  const origin = sql`${formatInstant(range.from)}::timestamptz`;
  const properties =
    property === undefined
      ? sql`null::text[]`
      : sql`array_agg(property) filter (where mask & 1 = 1)`;
  // Unsorted: a few numbers a user sort faster in the Worker than all rows by texts in the server.
  const statement = sql`with found as materialized (select * from (${sql.join(parts, sql` union all `)}) all_moments limit ${MAX_MOMENTS + 1})
    select user_id, string_agg(round(date_part('epoch', at - ${origin}) * 1000000)::bigint || ':' || mask, ',') as moments, ${properties} as properties
    from found group by user_id order by user_id`;
  return prepared({ sql: statement, row }, (rows) => {
    const users = rows.map((each) => inOrder(each, range.from));
    if (users.reduce((total, user) => total + user.times.length, 0) > MAX_MOMENTS)
      throw unprocessable(
        "from",
        "too_many_rows",
        `The range has more than ${MAX_MOMENTS} matching moments; ask for less at once.`,
      );
    return users;
  });
}

/** Ties by mask, then property: the same for the same moments, in whatever order they were stored. */
function inOrder(
  { user_id, moments, properties }: z.output<typeof row>,
  from: EpochUs,
): UserOccurrences {
  let firsts = 0;
  const cells = moments.split(",").map((cell) => {
    const colon = cell.indexOf(":");
    const mask = Number(cell.slice(colon + 1));
    const property = properties && mask & 1 ? (properties[firsts++] ?? null) : null;
    return { at: from + Number(cell.slice(0, colon)), mask, property };
  });
  cells.sort(
    (a, b) => a.at - b.at || a.mask - b.mask || (a.property ?? "").localeCompare(b.property ?? ""),
  );
  return {
    userId: user_id,
    times: cells.map(({ at }) => at),
    masks: cells.map(({ mask }) => mask),
    properties: properties
      ? cells.filter(({ mask }) => mask & 1).map(({ property }) => property)
      : [],
  };
}

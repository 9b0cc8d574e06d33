import { sql } from "drizzle-orm";
import { impossible } from "../../lib/errors.ts";
import { isExactNumber } from "../../lib/json.ts";
import { type EpochUs, isTimeZone } from "../../lib/time.ts";
import {
  CLOCK_DIMENSIONS,
  type Dimension,
  type Field,
  type Filter,
  fieldOf,
  groupText,
  isNumeric,
  predicate,
} from "../catalog/dimensions.ts";
import { type Measure, type MeasureName, measureOf, SUM_NAMES } from "../catalog/measures.ts";
import { basesOf, type Parts } from "../sql/aggregates.ts";
import type { Order, Position } from "../sql/order.ts";
import type { Group, Plan } from "../sql/scan.ts";
import { sketchValueSql } from "../sql/sketch.ts";
import { type Compare, type ComparedRange, comparedRange } from "../time/compared-range.ts";
import {
  type Bucket,
  bucketsOf,
  completeOf,
  type Granularity,
  TIMEFRAMES,
  type Timeframe,
} from "../time/range.ts";
import { slotsOfPeriods } from "../time/slots.ts";
import type { TimeRange } from "../time/time-range.ts";
import { checkSize, possibleGroups } from "./answer-size.ts";
import { chooseSource, cut } from "./rollup-choice.ts";

/** A question as its caller asks it. Either `timeframe`, which ends now, or `from` and `to`. */
export interface Query {
  measures: MeasureName[];
  timeframe?: Timeframe | undefined;
  from?: EpochUs | undefined;
  to?: EpochUs | undefined;
  granularity?: Granularity | undefined;
  timezone: string;
  group_by?: string[] | undefined;
  filters?: Filter[] | undefined;
  compare?: Compare | undefined;
  order_by?: { measure: MeasureName; direction: "asc" | "desc" }[] | undefined;
  limit?: number | undefined;
  /** Of our own questions: the page of groups after this one, how many groups there are, and whole sketches of durations. */
  after?: Position | undefined;
  count?: boolean | undefined;
  sketches?: boolean | undefined;
  /** The rows alone, without what costs as much as all of them: their total, and the row of all other groups. */
  rowsOnly?: boolean | undefined;
}

export const DEFAULT_GROUPS = 100;
const EARLIEST = Date.UTC(1900, 0, 1) * 1000;

/** A question with its range fixed and its names resolved. */
export interface Resolved {
  plan: Plan;
  range: TimeRange;
  compared: ComparedRange | undefined;
  buckets: Bucket[];
  /** Of each bucket: whether it is over and not cut by the range. */
  complete: boolean[];
  comparedBuckets: Bucket[];
  /** The moment of asking. */
  now: EpochUs;
  /** So many buckets, from the first on, have one of the compared range each; 0 where only totals can be compared. */
  paired: number;
}

/** @throws AppError impossible for a name that is no time zone's */
export function zoneOf(name: string): string {
  if (!isTimeZone(name))
    throw impossible(
      "timezone",
      "unknown_timezone",
      `"${name}" is not a time zone of the IANA database.`,
    );
  return name;
}

/** @throws AppError impossible for a range that is empty, reversed or incomplete */
export function rangeOf(query: Pick<Query, "timeframe" | "from" | "to">, now: EpochUs): TimeRange {
  if (query.timeframe && (query.from !== undefined || query.to !== undefined)) {
    throw impossible("timeframe", "range_twice", "Give timeframe, or from and to, not both.");
  }
  if (query.timeframe) return { from: now - TIMEFRAMES[query.timeframe], to: now };
  if (query.from === undefined || query.to === undefined)
    throw impossible("from", "range_missing", "Give timeframe, or both from and to.");
  if (query.from >= query.to)
    throw impossible("to", "range_reversed", "The range must end after it starts.");
  return { from: query.from, to: query.to };
}

function groupOf(name: string, field: Field): Group {
  if (field.kind === "number")
    throw impossible("group_by", "not_groupable", `"${name}" is a number; group by a dimension.`);
  const { kind } = field;
  if (kind !== "clock") return { name, kind, of: (alias) => groupText(field, alias) };
  return { name, kind, of: field.name === "hour_of_day" ? "hours" : "days" };
}

/** @throws AppError impossible when the operand does not fit the field or the operator */
export function checkOperand(filter: Filter, field: Field, path: string): void {
  if (filter.op === "search") return;
  const list = filter.op === "in" || filter.op === "not_in";
  const operands = [filter.value].flat();
  if (Array.isArray(filter.value) !== list)
    throw impossible(path, "wrong_operand", `${filter.op} takes ${list ? "a list" : "one value"}.`);
  if (filter.op === "contains" && typeof filter.value !== "string")
    throw impossible(path, "wrong_operand", "contains takes a text.");
  if (filter.op === "exists" && typeof filter.value !== "boolean")
    throw impossible(path, "wrong_operand", "exists takes true or false.");
  const numeric = field.kind === "number" || field.kind === "clock";
  const isNumber = (operand: unknown) =>
    !isExactNumber(operand) && /^-?\d{1,15}(\.\d{1,6})?$/.test(String(operand));
  if (numeric && filter.op !== "exists" && !operands.every(isNumber))
    throw impossible(path, "wrong_operand", `${filter.field} is a number.`);
  if (numeric && filter.op === "contains")
    throw impossible(path, "wrong_operand", "contains takes a text field.");
  if (
    field.kind === "metadata" &&
    new Set(operands.map((operand) => isNumeric(operand))).size > 1
  ) {
    throw impossible(path, "wrong_operand", "All values of the list must be numbers, or none.");
  }
}

const FLOATS: readonly MeasureName[] = ["success_rate", "failure_rate", "duration_stddev"];

const orderOf = (query: Query) =>
  query.order_by ??
  query.measures.slice(0, 1).map((measure) => ({ measure, direction: "desc" as const }));

/** What these measures need; the quantiles stay the asked list, so that their places in it hold. */
function partsOf(measures: readonly Measure[], quantiles: number[]): Parts {
  return {
    sums: SUM_NAMES.filter((name) => measures.some((measure) => measure.sums.includes(name))),
    quantiles: measures.some((measure) => measure.quantile !== undefined) ? quantiles : [],
    users: measures.some((measure) => measure.needs === "users"),
    agents: measures.some((measure) => measure.needs === "agents"),
    sketches: false,
  };
}

function orderColumns(query: Query, quantiles: readonly number[]): Order[] {
  return orderOf(query).map(({ measure, direction }) => {
    const { quantile } = measureOf(measure);
    const index = sql.raw(String(quantiles.indexOf(quantile ?? 0) + 1));
    const ended = sql`nullif(successes + failures + timeouts + cancellations, 0)::float8`;
    const special: Partial<Record<MeasureName, ReturnType<typeof sql>>> = {
      success_rate: sql`successes / ${ended}`,
      failure_rate: sql`failures / ${ended}`,
      duration_avg: sql`duration_sum_ms / nullif(duration_count, 0)`,
      duration_min: sql`duration_min_ms`,
      duration_max: sql`duration_max_ms`,
      duration_stddev: sql`duration_stddev_ms`,
    };
    const exact = sql`case when rolled_durations = 0 then quantile_exact_ms[${index}]::float8 else ${sketchValueSql(sql`quantile_keys[${index}]`)} end`;
    const column = quantile === undefined ? (special[measure] ?? sql.identifier(measure)) : exact;
    const type = quantile !== undefined || FLOATS.includes(measure) ? "float8" : "numeric";
    return { column: sql`${column}`, type, descending: direction === "desc" };
  });
}

/** The buckets of the range and of what it is compared with, and which of them say something already. */
function periodsOf(query: Query, range: TimeRange, now: EpochUs) {
  const { compare, granularity, timezone } = query;
  const compared = compare && comparedRange(range, compare, timezone, now);
  if (compared && compared.from < EARLIEST)
    throw impossible("compare", "too_early", "The compared range must not begin before 1900.");
  const cut = (of: TimeRange): Bucket[] =>
    of.from === of.to
      ? []
      : granularity
        ? bucketsOf(of, granularity, timezone)
        : [{ ...of, label: "" }];
  const buckets = cut(range);
  const comparedBuckets = compared ? cut(compared) : [];
  const begun = compared?.elapsed
    ? buckets.filter((bucket) => bucket.from < now).length
    : buckets.length;
  return {
    compared,
    buckets,
    comparedBuckets,
    now,
    complete: granularity ? completeOf(buckets, granularity, timezone, now) : [],
    paired: comparedBuckets.length === begun ? begun : 0,
  };
}

/**
 * Fixes the range, cuts it, and resolves every name against the catalogue.
 * @param now the moment of asking: a timeframe ends at it, and what ends later is not over
 * @throws AppError impossible for what cannot be asked
 */
export function resolve(
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): Resolved {
  zoneOf(query.timezone);
  const range = rangeOf(query, now);
  const periods = periodsOf(query, range, now);
  const { buckets, comparedBuckets } = periods;

  const fields = (query.group_by ?? []).map((name) => ({ name, field: fieldOf(name, "group_by") }));
  const filters = (query.filters ?? []).map((filter, index) => ({
    filter,
    field: fieldOf(filter.field, `filters.${index}.field`),
    path: `filters.${index}.value`,
  }));
  for (const { filter, field, path } of filters) checkOperand(filter, field, path);
  const used = [...fields, ...filters].map(({ field }) => field);
  if (fields.length === 0 && (query.order_by || query.limit !== undefined)) {
    throw impossible(
      query.order_by ? "order_by" : "limit",
      "groups_missing",
      "order_by and limit choose among groups; give group_by.",
    );
  }
  const clocks = used.flatMap((field) => (field.kind === "clock" ? [field.name] : []));
  const clock = CLOCK_DIMENSIONS.find((name) => clocks.includes(name));
  const clockFilters = filters.filter(({ field }) => field.kind === "clock");
  const slots = slotsOfPeriods(
    periods,
    { name: clock, filters: clockFilters.map(({ filter }) => filter) },
    query.timezone,
  );
  checkSize(
    buckets.length + comparedBuckets.length,
    possibleGroups(fields, query.filters ?? [], slots),
    fields.length > 0 ? (query.limit ?? DEFAULT_GROUPS) : Number.POSITIVE_INFINITY,
    query.measures.length,
  );

  if (query.rowsOnly && fields.length === 0 && !query.granularity)
    throw new Error("A question of rows only has buckets or groups");
  const rawOnly = used.some((field) => field.kind === "number" || field.kind === "metadata");
  const dimensions = used.flatMap((field): Dimension[] =>
    field.kind === "dimension" ? [field.name] : [],
  );
  const measures = [
    ...new Set([...query.measures, ...(query.order_by ?? []).map((order) => order.measure)]),
  ].map(measureOf);
  const quantiles = [...new Set(measures.flatMap((measure) => measure.quantile ?? []))].sort(
    (a, b) => a - b,
  );
  const parts = { ...partsOf(measures, quantiles), sketches: query.sketches ?? false };
  const source = chooseSource(
    rawOnly ? undefined : dimensions,
    parts.sums.length === 0 && basesOf(parts).length === 0,
  );
  const plan: Plan = {
    workspaceId,
    slots,
    source,
    pieces: cut(slots, source),
    groups: fields.map(({ name, field }) => groupOf(name, field)),
    explain,
    byStatus: dimensions.includes("status"),
    parted: query.granularity !== undefined || fields.length > 0,
    filters: filters
      .filter(({ field }) => field.kind !== "clock")
      .map(
        ({ filter, field }) =>
          (alias, rollup) =>
            predicate(filter, field, alias, rollup),
      ),
    ...parts,
    totalled: !query.rowsOnly,
    top:
      fields.length > 0
        ? {
            by: orderColumns(query, quantiles),
            parts: partsOf(
              orderOf(query).map((order) => measureOf(order.measure)),
              quantiles,
            ),
            limit: query.limit ?? DEFAULT_GROUPS,
            after: query.after,
            count: query.count ?? false,
          }
        : undefined,
  };
  return { plan, range, ...periods };
}

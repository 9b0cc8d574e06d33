import { unprocessable } from "../../lib/errors.ts";
import type { EpochUs } from "../../lib/time.ts";
import {
  CLOCK_DIMENSIONS,
  type Dimension,
  type Field,
  type Filter,
  fieldOf,
  filterPredicate,
} from "../catalog/dimensions.ts";
import { measureOf } from "../catalog/measures.ts";
import { checkedTimezone, type Query, rangeOfQuery } from "../query.ts";
import { basesOf, type QueryParts } from "../sql/query-parts.ts";
import { type ComparedRange, comparedRange } from "../time/compared-range.ts";
import { type Bucket, bucketsOf, completeOf } from "../time/range.ts";
import { slotsOfPeriods } from "../time/slots.ts";
import type { TimeRange } from "../time/time-range.ts";
import { checkSize, type GroupedField, possibleGroups } from "./answer-size.ts";
import { checkOperand, groupColumnOf } from "./fields.ts";
import { orderColumns, orderOf, partsOf } from "./order-columns.ts";
import type { QueryPlan, TimeSlot } from "./plan-types.ts";
import { chooseRollups } from "./rollup-choice.ts";
import { splitByGrain } from "./split.ts";

export const DEFAULT_GROUPS = 100;
/** An answer of more rows has its quantiles found by PostgreSQL: a packed sketch takes some KB. */
const PACKED_SLOTS = 100;
const EARLIEST = Date.UTC(1900, 0, 1) * 1000;

/** A range in its buckets, and what it is compared with. */
interface AskedRange {
  range: TimeRange;
  compared: ComparedRange | undefined;
  buckets: Bucket[];
  /** Of each bucket: whether it has ended and the range does not cut it. */
  complete: boolean[];
  comparedBuckets: Bucket[];
  /** The moment of asking. */
  now: EpochUs;
  /**
   * So many buckets, from the first on, have one of the compared range each; 0 where only totals
   * can be compared.
   */
  paired: number;
}

/** A question with its range fixed and its names resolved. */
export interface PlannedQuery extends AskedRange {
  plan: QueryPlan;
}

interface AskedFilter {
  filter: Filter;
  field: Field;
  path: string;
}

/** Groups and filters, with every name resolved against the catalogue. */
interface AskedFields {
  groups: GroupedField[];
  filters: AskedFilter[];
  all: Field[];
}

function bucketsIn(range: TimeRange, { granularity, timezone }: Query): Bucket[] {
  if (range.from === range.to) return [];
  return granularity ? bucketsOf(range, granularity, timezone) : [{ ...range, label: "" }];
}

/** The buckets of the range and of what it is compared with, and which of them are complete. */
function resolveRange(query: Query, now: EpochUs): AskedRange {
  const { compare, granularity } = query;
  const timezone = checkedTimezone(query.timezone);
  const range = rangeOfQuery(query, now);
  const compared = compare && comparedRange(range, compare, timezone, now);
  if (compared && compared.from < EARLIEST)
    throw unprocessable("compare", "too_early", "The compared range must not begin before 1900.");
  const buckets = bucketsIn(range, query);
  const comparedBuckets = compared ? bucketsIn(compared, query) : [];
  const begun = compared?.elapsed
    ? buckets.filter((bucket) => bucket.from < now).length
    : buckets.length;
  return {
    range,
    compared,
    buckets,
    comparedBuckets,
    now,
    complete: granularity ? completeOf(buckets, granularity, timezone, now) : [],
    paired: comparedBuckets.length === begun ? begun : 0,
  };
}

function resolveFields(query: Query): AskedFields {
  const groups = (query.group_by ?? []).map((name) => ({ name, field: fieldOf(name, "group_by") }));
  const filters = (query.filters ?? []).map((filter, index) => ({
    filter,
    field: fieldOf(filter.field, `filters.${index}.field`),
    path: `filters.${index}.value`,
  }));
  for (const { filter, field, path } of filters) checkOperand(filter, field, path);
  if (groups.length === 0 && (query.order_by || query.limit !== undefined))
    throw unprocessable(
      query.order_by ? "order_by" : "limit",
      "groups_missing",
      "order_by and limit choose among groups; give group_by.",
    );
  return { groups, filters, all: [...groups, ...filters].map(({ field }) => field) };
}

/** One slot a bucket, or one a local hour (or day) where the clock is asked for. */
function slotsFor(asked: AskedRange, { all, filters }: AskedFields, timezone: string): TimeSlot[] {
  const clocks = all.flatMap((field) => (field.kind === "clock" ? [field.name] : []));
  const ofClock = filters.filter(({ field }) => field.kind === "clock");
  const clock = {
    name: CLOCK_DIMENSIONS.find((name) => clocks.includes(name)),
    filters: ofClock.map(({ filter }) => filter),
  };
  return slotsOfPeriods(asked, clock, timezone);
}

function assertAnswerFits(
  query: Query,
  { buckets, comparedBuckets }: AskedRange,
  { groups }: AskedFields,
  slots: readonly TimeSlot[],
): void {
  checkSize(
    buckets.length + comparedBuckets.length,
    possibleGroups(groups, query.filters ?? [], slots),
    groups.length > 0 ? (query.limit ?? DEFAULT_GROUPS) : Number.POSITIVE_INFINITY,
    query.measures.length,
  );
}

/**
 * The parts that all asked measures need, and their quantiles in rising order.
 * @param packed whether sketches shall come packed
 */
function partsOfQuery(query: Query, packed: boolean): QueryParts {
  const ordering = (query.order_by ?? []).map(({ measure }) => measure);
  const measures = [...new Set([...query.measures, ...ordering])].map(measureOf);
  const quantiles = new Set(measures.flatMap(({ quantile }) => quantile ?? []));
  const parts = partsOf(
    measures,
    [...quantiles].sort((a, b) => a - b),
  );
  return { ...parts, sketches: query.sketches ?? false, packed };
}

/** The groups that keep their own row. */
function topOf(query: Query, { quantiles }: QueryParts): QueryPlan["top"] {
  const measures = orderOf(query).map((order) => measureOf(order.measure));
  return {
    by: orderColumns(query, quantiles),
    parts: partsOf(measures, quantiles),
    limit: query.limit ?? DEFAULT_GROUPS,
    after: query.after,
    count: query.count ?? false,
  };
}

/** Which rollups answer which piece, and what the statement is made of. */
function choosePlan(
  workspaceId: string,
  query: Query,
  { groups, filters, all }: AskedFields,
  slots: TimeSlot[],
  now: EpochUs,
  explain: boolean,
): QueryPlan {
  const isRawOnly = all.some(({ kind }) => kind === "number" || kind === "metadata");
  const dimensions = all.flatMap((field): Dimension[] =>
    field.kind === "dimension" ? [field.name] : [],
  );
  const parts = partsOfQuery(query, groups.length === 0 && slots.length <= PACKED_SLOTS);
  const countsOnly = parts.sums.length === 0 && basesOf(parts).length === 0;
  const source = chooseRollups(isRawOnly ? undefined : dimensions, countsOnly);
  const predicates = filters
    .filter(({ field }) => field.kind !== "clock")
    .map(
      ({ filter, field }): QueryPlan["filters"][number] =>
        (alias, rollup) =>
          filterPredicate(filter, field, alias, rollup),
    );
  return {
    workspaceId,
    slots,
    source,
    pieces: splitByGrain(slots, source, now),
    groups: groups.map(({ name, field }) => groupColumnOf(name, field)),
    explain,
    byStatus: dimensions.includes("status"),
    hasRows: query.granularity !== undefined || groups.length > 0,
    filters: predicates,
    ...parts,
    withTotals: !query.rowsOnly,
    top: groups.length > 0 ? topOf(query, parts) : undefined,
  };
}

/**
 * Fixes the range, cuts it, and resolves every name against the catalogue.
 * @param now the moment of asking: a timeframe ends at it, and what ends later is not over
 * @throws AppError unprocessable for what cannot be asked
 */
export function planQuery(
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): PlannedQuery {
  const asked = resolveRange(query, now);
  const fields = resolveFields(query);
  const slots = slotsFor(asked, fields, query.timezone);
  assertAnswerFits(query, asked, fields, slots);
  if (query.rowsOnly && fields.groups.length === 0 && !query.granularity)
    throw new Error("A question of rows only has buckets or groups");
  return { ...asked, plan: choosePlan(workspaceId, query, fields, slots, now, explain) };
}

import { type SQL, sql } from "drizzle-orm";
import { withinRange } from "../../db/instants.ts";
import { keyInWorkspace } from "../../db/scope.ts";
import type { TimeRange } from "../time/time-range.ts";
import { breakdownText, type StepFilter, stepCondition } from "./step-conditions.ts";

type StepKind = StepFilter["kind"];

const SOURCES = {
  execution: { table: sql.raw("executions"), alias: "e", time: "started_at" },
  event: { table: sql.raw("events"), alias: "v", time: "occurred_at" },
} as const;

interface StepBit {
  kind: StepKind;
  bit: number;
  condition: SQL;
}

export interface OccurrenceOptions {
  /** A property of the occurrences that fit the first filter. */
  property?: string | undefined;
  /** Whether a user's other executions and events are read too, with mask 0. */
  others?: boolean;
}

/**
 * Occurrences in one table, in the order of time. The order keeps the planner from an index by user,
 * which is smaller, and whose rows lie all over the table.
 */
function occurrencesIn(
  kind: StepKind,
  workspaceId: string,
  range: TimeRange,
  bits: readonly StepBit[],
  { property, others }: { property: SQL; others: boolean },
): SQL {
  const { table, alias, time } = SOURCES[kind];
  const row = sql.raw(alias);
  const at = sql`${row}.${sql.raw(time)}`;
  const masks = bits.map(
    ({ bit, condition }) => sql`case when ${condition} then ${sql.raw(String(bit))} else 0 end`,
  );
  return sql`
        select user_id, at, mask, property
        from (
          select ${row}.user_id,
            ${at} as at,
            ${sql.join([sql`0`, ...masks], sql` | `)} as mask,
            ${property} as property
          from ${table} ${row}
          where ${keyInWorkspace(workspaceId, alias)}
            and ${withinRange(at, range)}
            and ${row}.user_id is not null
          order by ${row}.workspace_id, ${at}
          offset 0
        ) ${row}
        where ${others ? sql`true` : sql`mask <> 0`}`;
}

function occurrenceTables(
  workspaceId: string,
  range: TimeRange,
  filters: readonly StepFilter[],
  paths: readonly string[],
  { property, others = false }: OccurrenceOptions,
): SQL[] {
  const bits = filters.map(
    (filter, index): StepBit => ({
      kind: filter.kind,
      bit: 2 ** index,
      condition: stepCondition(filter, paths[index] ?? ""),
    }),
  );
  const [first] = filters;
  const tables: SQL[] = [];
  for (const kind of ["execution", "event"] as const) {
    const own = bits.filter((each) => each.kind === kind);
    if (own.length === 0 && !others) continue;
    const isBrokenDown = property !== undefined && first?.kind === kind;
    const text = isBrokenDown
      ? sql`case when ${own[0]?.condition} then ${breakdownText(first, property)} end`
      : sql`null::text`;
    tables.push(occurrencesIn(kind, workspaceId, range, own, { property: text, others }));
  }
  return tables;
}

/** A property as its length and its bytes; null is the length -1. */
const PROPERTY_BYTES = sql`case
      when property is null then int4send(-1)
      else int4send(octet_length(property)) || convert_to(property, 'UTF8')
    end`;

/**
 * The executions and events of each user in a range that fit one of the filters, packed
 * (unpack.ts). One row a user, the largest first: user_id, moments, properties (null if not asked
 * for), total: the moments of all users, at most `limit` and one, and most: those of a user.
 * @throws AppError unprocessable for a field or a value that does not fit
 */
export function packedOccurrences(
  workspaceId: string,
  range: TimeRange,
  filters: readonly StepFilter[],
  paths: readonly string[],
  limit: number,
  options: OccurrenceOptions = {},
): SQL {
  const tables = occurrenceTables(workspaceId, range, filters, paths, options);
  const properties =
    options.property === undefined
      ? sql`null::bytea`
      : sql`string_agg(${PROPERTY_BYTES}, '') filter (where mask & 1 = 1)`;
  return sql`select *
  from (
    select user_id,
      string_agg(timestamptz_send(at) || int2send(mask::smallint), '') as moments,
      ${properties} as properties,
      (sum(count(*)) over ())::integer as total,
      (max(count(*)) over ())::integer as most
    from (
      select *
      from (${sql.join(tables, sql`\n        union all `)}
      ) all_moments
      limit ${limit + 1}
    ) found
    group by user_id
  ) users
  order by octet_length(moments) + coalesce(octet_length(properties), 0) desc`;
}

/** The same as texts; of more than `limit` moments one row alone, without them. */
export function occurrenceTexts(packed: SQL, limit: number): SQL {
  return sql`select user_id,
    case when total <= ${limit} then encode(moments, 'base64') end as moments,
    case when total <= ${limit} then encode(properties, 'base64') end as properties,
    total
  from (
    select *, row_number() over () as place
    from (${packed}) users
  ) placed
  where total <= ${limit} or place = 1`;
}

import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { instantSql, withinRange } from "../../db/instants.ts";
import { keyInWorkspace } from "../../db/scope.ts";
import { unprocessable } from "../../lib/errors.ts";
import type { EpochUs } from "../../lib/time.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import type { TimeRange } from "../time/time-range.ts";
import { breakdownText, type StepFilter, stepCondition } from "./step-conditions.ts";

/** Occurrences of a user in the order of time. Bit n of a mask: it fits the n-th filter. */
export interface UserOccurrences {
  userId: string;
  /** Microseconds since 1970. */
  times: EpochUs[];
  masks: number[];
  /** Of those that fit the first filter, in order; null without a value. Empty if not asked for. */
  properties: (string | null)[];
}

export const MAX_OCCURRENCES = 750_000;

const occurrencesRow = z.object({
  user_id: z.string(),
  moments: z.string(),
  properties: z.array(z.string().nullable()).nullable(),
});

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

interface OccurrenceOptions {
  /** A property of the occurrences that fit the first filter. */
  property?: string | undefined;
  /** Whether a user's other executions and events are read too, with mask 0. */
  others?: boolean;
}

/** Occurrences in one table. */
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
  const conditions = bits.map(({ condition }) => condition);
  const isSought = others ? sql`true` : sql`(${sql.join(conditions, sql` or `)})`;
  return sql`
        select ${row}.user_id,
          ${at} as at,
          ${sql.join([sql`0`, ...masks], sql` | `)} as mask,
          ${property} as property
        from ${table} ${row}
        where ${keyInWorkspace(workspaceId, alias)}
          and ${withinRange(at, range)}
          and ${row}.user_id is not null
          and ${isSought}`;
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
    const text = isBrokenDown ? breakdownText(first, property) : sql`null::text`;
    tables.push(occurrencesIn(kind, workspaceId, range, own, { property: text, others }));
  }
  return tables;
}

/**
 * The executions and events of each user in a range that fit one of the filters. One row a user, as
 * text: a fraction of the size of an object for each.
 * @throws AppError unprocessable for a field or a value that does not fit; `finish` throws it for
 * more than MAX_OCCURRENCES
 */
export function funnelOccurrences(
  workspaceId: string,
  range: TimeRange,
  filters: readonly StepFilter[],
  paths: readonly string[],
  options: OccurrenceOptions = {},
): PreparedQuery<UserOccurrences[]> {
  const tables = occurrenceTables(workspaceId, range, filters, paths, options);
  const sinceStart = sql`date_part('epoch', at - ${instantSql(range.from)}) * 1000000`;
  const properties =
    options.property === undefined
      ? sql`null::text[]`
      : sql`array_agg(property) filter (where mask & 1 = 1)`;
  // Unsorted: a few numbers a user sort faster in the Worker than all rows by texts in the server.
  const statement = sql`with found as materialized (
    select *
    from (${sql.join(tables, sql`\n        union all `)}
    ) all_moments
    limit ${MAX_OCCURRENCES + 1}
  )
  select user_id,
    string_agg(round(${sinceStart})::bigint || ':' || mask, ',') as moments,
    ${properties} as properties
  from found
  group by user_id
  order by user_id`;
  return prepared({ sql: statement, row: occurrencesRow }, (rows) => {
    const users = rows.map((row) => sortedOccurrences(row, range.from));
    if (users.reduce((total, user) => total + user.times.length, 0) > MAX_OCCURRENCES)
      throw unprocessable(
        "from",
        "too_many_rows",
        `The range has more than ${MAX_OCCURRENCES} matching executions and events; ` +
          "ask for a shorter range or stricter filters.",
      );
    return users;
  });
}

/** Ties by mask, then property: the same order however the rows were stored. */
function sortedOccurrences(
  { user_id, moments, properties }: z.output<typeof occurrencesRow>,
  from: EpochUs,
): UserOccurrences {
  let nextProperty = 0;
  const cells = moments.split(",").map((cell) => {
    const colon = cell.indexOf(":");
    const mask = Number(cell.slice(colon + 1));
    const property = properties && mask & 1 ? (properties[nextProperty++] ?? null) : null;
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

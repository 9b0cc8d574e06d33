import { type SQL, sql } from "drizzle-orm";
import { keyInList } from "../../db/scope.ts";
import { DAY_US, HOUR_US, MINUTE_US, parseInstant } from "../../lib/time.ts";
import { sketchKey } from "../sql/sketch.ts";
import type { TimeRange } from "../time/time-range.ts";
import type { RollupUnit } from "./definition.ts";
import { factTables, labelKeys } from "./facts.ts";
import { inRanges } from "./marks.ts";
import { QUARTER_COLUMN } from "./quarters.ts";
import { sessionParts } from "./session-rows.ts";
import { numbersOfUsers } from "./user-sets.ts";

/**
 * One minute, hour or day (UTC) of one workspace; the sessions of a day are a unit of their own.
 * `bucket` is RFC 3339.
 */
export interface RollupBucket {
  workspaceId: string;
  bucket: string;
}

/**
 * The asked buckets as rows (workspace_id, bucket, place): inside a statement a bucket is its
 * place, a shorter key to hash.
 */
export function bucketRows(buckets: readonly RollupBucket[]): SQL {
  const workspaces = sql.param(buckets.map((bucket) => bucket.workspaceId));
  const starts = sql.param(buckets.map((bucket) => bucket.bucket));
  return sql`unnest(${workspaces}::text[], ${starts}::timestamptz[])
    with ordinality as w(workspace_id, bucket, place)`;
}

const LENGTHS_US: Record<RollupUnit, number> = {
  minute: MINUTE_US,
  hour: HOUR_US,
  day: DAY_US,
  session: DAY_US,
};

/** The length of a bucket. */
export const bucketLength = (unit: RollupUnit): SQL =>
  sql.raw(`interval '${LENGTHS_US[unit] / MINUTE_US} minutes'`);

/** Key columns as rollups have them: an absent value is the empty string. */
const keyColumn = (name: string) =>
  name === "agent_id" || name === "status" ? `e.${name}` : `coalesce(e.${name}, '') as ${name}`;

/**
 * Raw rows of the buckets, each column that some grain of the unit needs once. `offset 0` keeps the
 * planner from turning one index range a bucket into a hash join over every partition.
 */
function rawRows(unit: RollupUnit, ranges: readonly TimeRange[]): SQL {
  const keys = ["user_id", ...labelKeys(unit)];
  return sql`
    select w.place, w.space, r.*,
      case when r.ms is not null then ${sketchKey(sql`r.ms`)} end as cell
    from asked w
    cross join lateral (
      select ${sql.raw(keys.map(keyColumn).join(", "))},
        e.error_type is not null as failed,
        case when e.status <> 'running' then e.duration_ms end as ms,
        e.credits, e.tokens_in, e.tokens_out${unit === "day" ? QUARTER_COLUMN : sql``}
      from executions e
      where ${keyInList("w", "e")}
        and e.started_at >= w.bucket and e.started_at < w.bucket + ${bucketLength(unit)}
        and ${inRanges(sql`e.started_at`, ranges)}
      offset 0
    ) r`;
}

function rangesOf(unit: RollupUnit, buckets: readonly RollupBucket[]): TimeRange[] {
  return buckets.map(({ bucket }) => {
    const from = parseInstant(bucket);
    if (from === undefined) throw new Error(`No bucket begins at ${bucket}`);
    return { from, to: from + LENGTHS_US[unit] };
  });
}

/**
 * CTEs: the asked buckets with a number for each workspace (`space`), their raw rows (`raw`), and
 * what the unit's grains are made of.
 * @param writes whether users without a number get one
 */
export function sourceTables(
  unit: RollupUnit,
  buckets: readonly RollupBucket[],
  writes: boolean,
): SQL {
  const asked = sql`asked as materialized (
    select workspace_id, bucket, place::int as place,
      (dense_rank() over (order by workspace_id))::int as space
    from ${bucketRows(buckets)}
  )`;
  const ranges = rangesOf(unit, buckets);
  if (unit === "session") return sql`${asked},\n  ${sessionParts(ranges)}`;
  return sql`${asked},
  raw as materialized (${rawRows(unit, ranges)}),
  ${numbersOfUsers(writes)},
  ${factTables(unit)}`;
}

import { type SQL, sql } from "drizzle-orm";
import { keyInList } from "../../db/scope.ts";
import { DAY_US, HOUR_US, MINUTE_US, parseInstant } from "../../lib/time.ts";
import { sketchKey } from "../sql/sketch.ts";
import type { TimeRange } from "../time/time-range.ts";
import type { RollupUnit } from "./definition.ts";
import { inRanges } from "./marks.ts";
import { QUARTER_COLUMN } from "./quarters.ts";
import { sessionParts } from "./session-rows.ts";
import { numbersOfUsers, USER_BIT, USER_CHUNK } from "./user-sets.ts";

/**
 * One minute, hour or day (UTC) of one workspace; the sessions of a day are a unit of their own.
 * `bucket` is RFC 3339.
 */
export interface RollupBucket {
  workspaceId: string;
  bucket: string;
}

/** The finest groups of raw rows that rows of several grains are made of: a CTE each. */
export const FINEST_PARTS = {
  agents: { name: "agent_parts", keys: ["agent_id", "status"] },
  cube: {
    name: "cube_parts",
    keys: ["agent_id", "model", "environment", "version", "error_type", "status"],
  },
  users: { name: "user_parts", keys: ["user_id", "status"] },
} as const;
export type FinestPart = keyof typeof FINEST_PARTS;

const PARTS_OF_UNIT: Record<RollupUnit, readonly FinestPart[]> = {
  minute: ["agents"],
  hour: ["agents"],
  day: ["cube", "users"],
  session: [],
};

/** Sums of a part, as they are called on their way to a rollup row. */
export const PART_SUMS: readonly string[] = [
  "n",
  "errors",
  "durations",
  "sum_ms",
  "sum_squares",
  "min_ms",
  "max_ms",
  "credits",
  "tokens_in",
  "tokens_out",
];

/** The columns of a set of users, in a part that carries none. */
const NO_CHUNK = sql.raw("null::int as user_chunk, null::bit(256) as user_bits");

/** Sums of a part that only carries an id or a sketch cell. */
export const NO_SUMS = sql.raw(
  PART_SUMS.map((name) => `${/^m/.test(name) ? "null::bigint" : "0"} as ${name}`).join(", "),
);

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
  const parts = PARTS_OF_UNIT[unit].flatMap((part) => FINEST_PARTS[part].keys);
  const keys = new Set(["agent_id", "user_id", ...parts]);
  return sql`
    select w.place, r.*,
      case when r.ms is not null then ${sketchKey(sql`r.ms`)} end as sketch_key
    from asked w
    cross join lateral (
      select ${sql.raw([...keys].map(keyColumn).join(", "))},
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

/**
 * Exact. Squares of durations below 34 days fit a bigint, whose sum is several times cheaper than a
 * numeric's.
 */
const SUM_SQUARES = sql.raw(`coalesce(sum(case when ms < 3000000000 then ms * ms end), 0)
        + coalesce(sum(case when ms >= 3000000000 then ms::numeric * ms end), 0)`);

/**
 * Parts of the finest groups, from the CTE `raw` by hashes: cells (a group's rows of one sketch
 * bucket, with their sums and `weight`), and the distinct ids of each group.
 */
function finestParts(keys: readonly string[]): SQL {
  const by = sql.raw(["place", ...keys].join(", "));
  return sql`
    select ${by}, sketch_key, ${NO_CHUNK}, null::text as agent_set,
      count(*) as n,
      count(*) filter (where failed) as errors,
      count(ms) as durations,
      coalesce(sum(ms), 0) as sum_ms,
      ${SUM_SQUARES} as sum_squares,
      min(ms) as min_ms,
      max(ms) as max_ms,
      coalesce(sum(credits), 0) as credits,
      coalesce(sum(tokens_in), 0) as tokens_in,
      coalesce(sum(tokens_out), 0) as tokens_out,
      count(*) as weight
    from raw
    group by ${by}, sketch_key
    union all${keys.includes("user_id") ? agentParts(by) : userParts(by)}`;
}

const agentParts = (by: SQL) => sql`
    select ${by}, null, ${NO_CHUNK}, agent_id, ${NO_SUMS}, 0
    from (select distinct ${by}, agent_id from raw where agent_id <> '') pairs`;

const userParts = (by: SQL) => sql`
    select ${by}, null, ${USER_CHUNK}, bit_or(${USER_BIT}), null, ${NO_SUMS}, 0
    from (select distinct ${by}, user_id from raw where user_id <> '') pairs
    join numbers using (place, user_id)
    group by ${by}, ${USER_CHUNK}`;

function rangesOf(unit: RollupUnit, buckets: readonly RollupBucket[]): TimeRange[] {
  return buckets.map(({ bucket }) => {
    const from = parseInstant(bucket);
    if (from === undefined) throw new Error(`No bucket begins at ${bucket}`);
    return { from, to: from + LENGTHS_US[unit] };
  });
}

/**
 * CTEs: the raw rows of the buckets (`raw`), and the parts that the unit's grains are made of.
 * @param writes whether users without a number get one
 */
export function sourceTables(
  unit: RollupUnit,
  buckets: readonly RollupBucket[],
  writes: boolean,
): SQL {
  const asked = sql`asked as materialized (select * from ${bucketRows(buckets)})`;
  const ranges = rangesOf(unit, buckets);
  if (unit === "session") return sql`${asked},\n  ${sessionParts(ranges)}`;
  const parts = PARTS_OF_UNIT[unit].map((part) => {
    const { name, keys } = FINEST_PARTS[part];
    return sql`,\n  ${sql.identifier(name)} as materialized (${finestParts(keys)})`;
  });
  return sql`${asked},
  raw as materialized (${rawRows(unit, ranges)}),
  ${numbersOfUsers(writes)}${sql.join(parts)}`;
}

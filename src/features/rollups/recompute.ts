import { type SQL, sql } from "drizzle-orm";
import { sketchKey } from "../../analytics/sketch.ts";

export type Unit = "hour" | "day";
/** One hour or day (UTC) of one workspace. `bucket` is RFC 3339. */
export interface Bucket {
  workspaceId: string;
  bucket: string;
}

interface Target {
  table: string;
  /** The grain's name, for tables that hold several. */
  grain: string | undefined;
  /** Columns that the grain keeps apart, beside workspace and bucket. */
  keys: string[];
}

/** The rollup rows of a unit: each grain is one GROUP BY of the raw rows (analytics/source.ts chooses among them). */
const TARGETS: Record<Unit, readonly Target[]> = {
  hour: [
    { table: "execution_metrics_hourly", grain: "total", keys: ["status"] },
    { table: "execution_metrics_hourly", grain: "agent", keys: ["agent_id", "status"] },
  ],
  day: [
    { table: "execution_metrics_daily", grain: "total", keys: ["status"] },
    { table: "execution_metrics_daily", grain: "agent", keys: ["agent_id", "status"] },
    { table: "execution_metrics_daily", grain: "cube", keys: ["agent_id", "model", "environment", "version", "error_type", "status"] },
    { table: "user_activity_daily", grain: undefined, keys: ["user_id", "status"] },
  ],
};
export const TABLES: Record<Unit, readonly string[]> = {
  hour: ["execution_metrics_hourly"],
  day: ["execution_metrics_daily", "user_activity_daily"],
};

const MERGEABLE = [
  ...["executions", "errors", "duration_count", "duration_sum_ms", "duration_sum_squares", "duration_min_ms", "duration_max_ms"],
  ...["credits", "tokens_in", "tokens_out", "sketch_keys", "sketch_counts", "user_ids", "agent_ids"],
].join(", ");

/** The asked buckets as rows (workspace_id, bucket). */
export function wanted(buckets: readonly Bucket[]): SQL {
  const workspaces = sql.param(buckets.map((bucket) => bucket.workspaceId));
  const starts = sql.param(buckets.map((bucket) => bucket.bucket));
  return sql`unnest(${workspaces}::text[], ${starts}::timestamptz[]) as w(workspace_id, bucket)`;
}

/** Raw rows of the buckets, each column that some grain needs once. */
function rawRows(unit: Unit, buckets: readonly Bucket[]): SQL {
  return sql`select w.workspace_id, w.bucket, e.agent_id, e.user_id, e.status, coalesce(e.model, '') as model, coalesce(e.environment, '') as environment,
      coalesce(e.version, '') as version, coalesce(e.error_type, '') as error_type, e.error_type is not null as failed, d.ms,
      case when d.ms is not null then ${sketchKey(sql`d.ms`)} end as sketch_key, e.credits, e.tokens_in, e.tokens_out
    from ${wanted(buckets)} join executions e on e.workspace_id = w.workspace_id
      and e.started_at >= w.bucket and e.started_at < w.bucket + ${sql.raw(unit === "hour" ? "interval '1 hour'" : "interval '24 hours'")}
    cross join lateral (select case when e.status <> 'running' then e.duration_ms end as ms) d`;
}

/**
 * Rows of one grain from the CTE `raw`; the columns are the table's, in the order of `columnsOf`. First cells (a group's rows
 * of one sketch bucket) and the distinct ids of each group, by hashes; then groups of those. Stacked, not joined: a planner
 * that knows nothing of the sizes can then choose no bad plan.
 */
function grainRows({ grain, keys }: Target): SQL {
  const by = sql.raw(["workspace_id", "bucket", ...keys].join(", "));
  const ids = (["user_id", "agent_id"] as const).filter((id) => !keys.includes(id));
  const nulls = sql`0, 0, 0, 0, 0, null, null, 0, 0, 0`;
  const cells = sql`select ${by}, sketch_key, null::text as user_set, null::text as agent_set, count(*) as n, count(*) filter (where failed) as errors,
      count(ms) as durations, coalesce(sum(ms), 0) as sum_ms, coalesce(sum(ms::numeric * ms), 0) as sum_squares, min(ms) as min_ms, max(ms) as max_ms,
      coalesce(sum(credits), 0) as credits, coalesce(sum(tokens_in), 0) as tokens_in, coalesce(sum(tokens_out), 0) as tokens_out
    from raw group by ${by}, sketch_key`;
  const sets = ids.map((id) => {
    const [users, agents] = id === "user_id" ? [sql`user_id`, sql`null`] : [sql`null`, sql`agent_id`];
    return sql` union all select ${by}, null, ${users}, ${agents}, ${nulls} from (select distinct ${by}, ${sql.identifier(id)} from raw) pairs`;
  });
  const listed = (column: string, order: string) =>
    sql.raw(`coalesce(array_agg(${column} order by ${order}) filter (where ${order} is not null), '{}')`);
  return sql`select ${grain ? sql`${sql.raw(`'${grain}'`)}, ` : sql``}${by}, sum(n)::bigint, sum(errors)::bigint, sum(durations)::bigint, sum(sum_ms), sum(sum_squares),
      min(min_ms), max(max_ms), sum(credits), sum(tokens_in), sum(tokens_out), ${listed("sketch_key", "sketch_key")}, ${listed("n::int", "sketch_key")},
      ${listed("user_set", "user_set")}, ${listed("agent_set", "agent_set")}
    from (${cells}${sql.join(sets)}) parts group by ${by}`;
}

const columnsOf = ({ grain, keys }: Target) =>
  sql.raw([...(grain ? ["grain"] : []), "workspace_id", "bucket", ...keys, MERGEABLE].join(", "));

/**
 * Statements that replace the rollup rows of these buckets. They belong in one REPEATABLE READ transaction: marks and raw
 * rows are then of one snapshot, and a second run that took the same marks fails and is tried again.
 */
export function replace(unit: Unit, buckets: readonly Bucket[]): SQL[] {
  const using = sql`using ${wanted(buckets)}`;
  const same = (table: string) =>
    sql`${sql.identifier(table)}.workspace_id = w.workspace_id and ${sql.identifier(table)}.bucket = w.bucket`;
  const inserts = TARGETS[unit].map((target, index) => {
    const name = sql.identifier(`insert_${index}`);
    return sql`${name} as (insert into ${sql.identifier(target.table)} (${columnsOf(target)}) ${grainRows(target)})`;
  });
  return [
    sql`delete from rollup_marks ${using} where unit = ${unit} and ${same("rollup_marks")}`,
    // A changed hour changes its day: the day waits for its own run.
    ...(unit === "hour"
      ? [
          sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'day', w.workspace_id, date_trunc('day', w.bucket, 'UTC') from ${wanted(buckets)}`,
        ]
      : []),
    ...TABLES[unit].map((table) => sql`delete from ${sql.identifier(table)} ${using} where ${same(table)}`),
    sql`with raw as materialized (${rawRows(unit, buckets)}), ${sql.join(inserts, sql`, `)} select 1 where false`,
  ];
}

/**
 * Rows that differ between the stored rollups of these buckets and what the raw rows give now, leaving out buckets with a
 * mark. One statement, so one snapshot. Columns: workspace_id, bucket, detail.
 */
export function differences(unit: Unit, buckets: readonly Bucket[]): SQL {
  const marked = sql`exists (select from rollup_marks m where m.workspace_id = r.workspace_id and (m.unit = ${unit} and m.bucket = r.bucket
    or m.unit = 'hour' and m.bucket >= r.bucket and m.bucket < r.bucket + ${sql.raw(unit === "hour" ? "interval '1 hour'" : "interval '24 hours'")}))`;
  const parts = TARGETS[unit].map((target) => {
    const table = sql.identifier(target.table);
    const grain = target.grain ? sql` and ${table}.grain = ${target.grain}` : sql``;
    const columns = columnsOf(target);
    const stored = sql`select ${columns} from (select ${table}.* from ${table} join ${wanted(buckets)} using (workspace_id, bucket) where true${grain}) s`;
    const raw = sql`select * from (${grainRows(target)}) as g(${columns})`;
    return sql`select workspace_id, bucket, ${target.grain ?? "user"} || ': ' || count(*) || ' rows differ' as detail from (
      (${raw} except all ${stored}) union all (${stored} except all ${raw})) r group by 1, 2`;
  });
  return sql`with raw as materialized (${rawRows(unit, buckets)}) select * from (${sql.join(parts, sql` union all `)}) r where not ${marked}`;
}

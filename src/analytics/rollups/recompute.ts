import { type SQL, sql } from "drizzle-orm";
import { keyInList } from "../../db/scope.ts";
import { DAY_US, HOUR_US, parseInstant } from "../../lib/time.ts";
import { sketchKey } from "../sql/sketch.ts";
import type { TimeRange } from "../time/time-range.ts";
import { ROLLUP_TABLES } from "./definition.ts";
import { inRanges } from "./marks.ts";
import {
  PRESENCE_COLUMNS,
  presenceRows,
  QUARTER,
  QUARTER_COLUMNS,
  quarterRows,
} from "./quarters.ts";
import {
  EDGE_COLUMNS,
  edgeRows,
  SESSION_COLUMNS,
  sessionParts,
  sessionRows,
} from "./session-rows.ts";

export type Unit = "hour" | "day" | "session";
/** One hour or day (UTC) of one workspace; the sessions of a day are a unit of their own. `bucket` is RFC 3339. */
export interface Bucket {
  workspaceId: string;
  bucket: string;
}

/** The finest groups that rows of several grains are made of. */
const PARTS = {
  agents: { name: "agent_parts", keys: ["agent_id", "status"] },
  cube: {
    name: "cube_parts",
    keys: ["agent_id", "model", "environment", "version", "error_type", "status"],
  },
  users: { name: "user_parts", keys: ["user_id", "status"] },
};

interface Target {
  table: string;
  /** The grain's name, for tables that hold several. */
  grain: string | undefined;
  /** Columns that the grain keeps apart, beside workspace and bucket. */
  keys: string[];
  from: keyof typeof PARTS;
}

/** The rollup rows of a unit (analytics/source.ts chooses among the grains). */
const TARGETS: Record<Unit, readonly Target[]> = {
  hour: [
    { table: "execution_metrics_hourly", grain: "total", keys: ["status"], from: "agents" },
    { table: "execution_metrics_hourly", grain: "agent", keys: PARTS.agents.keys, from: "agents" },
  ],
  day: [
    { table: "execution_metrics_daily", grain: "total", keys: ["status"], from: "cube" },
    { table: "execution_metrics_daily", grain: "agent", keys: PARTS.agents.keys, from: "cube" },
    { table: "execution_metrics_daily", grain: "cube", keys: PARTS.cube.keys, from: "cube" },
    { table: "user_activity_daily", grain: undefined, keys: PARTS.users.keys, from: "users" },
  ],
  session: [],
};
interface Beside {
  name: string;
  table: string;
  columns: SQL;
  rows(): SQL;
  /** A bucket without any row of it is read from elsewhere. */
  optional?: boolean;
}
/** What a unit has beside sums. */
const BESIDES: Record<Unit, readonly Beside[]> = {
  hour: [],
  day: [
    {
      name: "presence",
      table: "user_presence_daily",
      columns: PRESENCE_COLUMNS,
      rows: presenceRows,
    },
    {
      name: "quarters",
      table: "execution_quarters_daily",
      columns: QUARTER_COLUMNS,
      rows: quarterRows,
      optional: true,
    },
  ],
  session: [
    { name: "sessions", table: "sessions_daily", columns: SESSION_COLUMNS, rows: sessionRows },
    { name: "session edges", table: "session_edges_daily", columns: EDGE_COLUMNS, rows: edgeRows },
  ],
};

const MERGEABLE = [
  ...[
    "executions",
    "errors",
    "duration_count",
    "duration_sum_ms",
    "duration_sum_squares",
    "duration_min_ms",
    "duration_max_ms",
  ],
  ...[
    "credits",
    "tokens_in",
    "tokens_out",
    "sketch_keys",
    "sketch_counts",
    "user_ids",
    "agent_ids",
  ],
].join(", ");

/** The asked buckets as rows (workspace_id, bucket, place): inside a statement a bucket is its place, a shorter key to hash. */
export function wanted(buckets: readonly Bucket[]): SQL {
  const workspaces = sql.param(buckets.map((bucket) => bucket.workspaceId));
  const starts = sql.param(buckets.map((bucket) => bucket.bucket));
  return sql`unnest(${workspaces}::text[], ${starts}::timestamptz[]) with ordinality as w(workspace_id, bucket, place)`;
}

/** Key columns as rollups have them: an absent value is the empty string. */
const KEY_COLUMNS: Record<string, string> = Object.fromEntries([
  ...["agent_id", "status"].map((name) => [name, `e.${name}`]),
  ...["user_id", "model", "environment", "version", "error_type"].map((name) => [
    name,
    `coalesce(e.${name}, '') as ${name}`,
  ]),
]);

/**
 * Raw rows of the buckets, each column that some grain of the unit needs once. `offset 0` keeps the planner from turning one
 * index range a bucket into a hash join over every partition.
 */
function rawRows(unit: Unit, ranges: readonly TimeRange[]): SQL {
  const keys = new Set(["agent_id", "user_id", ...TARGETS[unit].flatMap((target) => target.keys)]);
  return sql`select w.place, r.*, case when r.ms is not null then ${sketchKey(sql`r.ms`)} end as sketch_key
    from asked w cross join lateral (
      select ${sql.raw([...keys].map((key) => KEY_COLUMNS[key] ?? key).join(", "))}, e.error_type is not null as failed,
        case when e.status <> 'running' then e.duration_ms end as ms, e.credits, e.tokens_in, e.tokens_out${unit === "day" ? QUARTER : sql``}
      from executions e where ${keyInList("w", "e")}
        and e.started_at >= w.bucket and e.started_at < w.bucket + ${sql.raw(unit === "hour" ? "interval '1 hour'" : "interval '24 hours'")}
        and ${inRanges(sql`e.started_at`, ranges)} offset 0
    ) r`;
}

const SUMS = [
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
const resum = sql.raw(
  SUMS.map((name) => `${/^(min|max)/.exec(name)?.[0] ?? "sum"}(${name}) as ${name}`).join(", "),
);
/** Exact; squares of durations below 34 days fit a bigint, whose sum is several times cheaper than a numeric's. */
const SUM_SQUARES = sql.raw(
  "coalesce(sum(case when ms < 3000000000 then ms * ms end), 0) + coalesce(sum(case when ms >= 3000000000 then ms::numeric * ms end), 0)",
);
/** Sums of a part that only carries an id or a sketch cell. */
const NO_SUMS = sql.raw(
  SUMS.map((name) => `${/^m/.test(name) ? "null::bigint" : "0"} as ${name}`).join(", "),
);

/**
 * Parts of the finest groups, from the CTE `raw` by hashes: cells (a group's rows of one sketch bucket, with their sums and
 * `weight`) and the distinct ids of each group.
 */
function partsOf(keys: readonly string[]): SQL {
  const by = sql.raw(["place", ...keys].join(", "));
  const [id, columns] = keys.includes("user_id")
    ? ["agent_id", sql`null, agent_id`]
    : ["user_id", sql`user_id, null`];
  return sql`select ${by}, sketch_key, null::text as user_set, null::text as agent_set, count(*) as n, count(*) filter (where failed) as errors,
      count(ms) as durations, coalesce(sum(ms), 0) as sum_ms, ${SUM_SQUARES} as sum_squares, min(ms) as min_ms, max(ms) as max_ms,
      coalesce(sum(credits), 0) as credits, coalesce(sum(tokens_in), 0) as tokens_in, coalesce(sum(tokens_out), 0) as tokens_out, count(*) as weight
    from raw group by ${by}, sketch_key
    union all select ${by}, null, ${columns}, ${NO_SUMS}, 0 from (select distinct ${by}, ${sql.identifier(id ?? "")} from raw where ${sql.identifier(id ?? "")} <> '') pairs`;
}

/**
 * Rows of one grain from the CTE of its finest parts; the columns are the table's, in the order of `columnsOf`. Parts are stacked
 * and grouped, not joined: a planner that knows nothing of the sizes can then choose no bad plan.
 * A row of status '' holds the sketch and the ids of all statuses together and no sums, so that a question that does not ask
 * for the status has a fraction of them to unite.
 */
function grainRows({ grain, keys, from }: Target): SQL {
  const kept = ["place", ...keys.filter((key) => key !== "status")];
  const by = sql.raw([...kept, "status"].join(", "));
  const base = sql.identifier(PARTS[from].name);
  const agents = sql` union all select ${by}, null, null, agent_id, ${NO_SUMS}, 0 from (select distinct ${by}, agent_id from ${base}) pairs`;
  const coarser = sql`select ${by}, sketch_key, user_set, agent_set, ${resum}, sum(weight) as weight from ${base}
    group by ${by}, sketch_key, user_set, agent_set${keys.includes("agent_id") ? sql`` : agents}`;
  const parts =
    keys.length === PARTS[from].keys.length
      ? sql`select ${by}, sketch_key, user_set, agent_set, ${sql.raw(SUMS.join(", "))}, weight from ${base}`
      : coarser;
  const together = sql`select ${sql.raw(kept.join(", "))}, '' as status, sketch_key, user_set, agent_set, ${NO_SUMS}, sum(weight) as weight
    from parts group by ${sql.raw(kept.join(", "))}, sketch_key, user_set, agent_set`;
  const listed = (column: string, order: string) =>
    sql.raw(
      `coalesce(array_agg(${column} order by ${order}) filter (where ${order} is not null), '{}')`,
    );
  return sql`with parts as materialized (${parts})
    select ${grain ? sql`${sql.raw(`'${grain}'`)}, ` : sql``}w.workspace_id, w.bucket, ${sql.raw(keys.map((key) => `g.${key}`).join(", "))},
      g.n, g.errors, g.durations, g.sum_ms, g.sum_squares, g.min_ms, g.max_ms, g.credits, g.tokens_in, g.tokens_out, g.sketch_keys, g.sketch_counts, g.users, g.agents
    from (
      select ${by}, sum(n)::bigint as n, sum(errors)::bigint as errors, sum(durations)::bigint as durations, sum(sum_ms) as sum_ms, sum(sum_squares) as sum_squares,
        min(min_ms) as min_ms, max(max_ms) as max_ms, sum(credits) as credits, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
        ${listed("sketch_key", "sketch_key")} as sketch_keys, ${listed("weight::int", "sketch_key")} as sketch_counts,
        ${listed("user_set", "user_set")} as users, ${listed("agent_set", "agent_set")} as agents
      from (select * from parts union all ${together}) stacked group by ${by}
    ) g join asked w using (place)`;
}

/** The raw rows of the buckets and the parts that the unit's grains are made of. */
function sources(unit: Unit, buckets: readonly Bucket[]): SQL {
  const asked = sql`asked as materialized (select * from ${wanted(buckets)})`;
  const ranges = buckets.map(({ bucket }) => {
    const from = parseInstant(bucket);
    if (from === undefined) throw new Error(`No bucket begins at ${bucket}`);
    return { from, to: from + (unit === "hour" ? HOUR_US : DAY_US) };
  });
  if (unit === "session") return sql`${asked}, ${sessionParts(ranges)}`;
  const used = [...new Set(TARGETS[unit].map((target) => target.from))].map((name) => PARTS[name]);
  const parts = used.map(
    ({ name, keys }) => sql`${sql.identifier(name)} as materialized (${partsOf(keys)})`,
  );
  return sql`${asked}, raw as materialized (${rawRows(unit, ranges)}), ${sql.join(parts, sql`, `)}`;
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
  for (const [index, { table, columns, rows }] of BESIDES[unit].entries())
    inserts.push(
      sql`${sql.identifier(`beside_${index}`)} as (insert into ${sql.identifier(table)} (${columns}) ${rows()})`,
    );
  return [
    sql`delete from rollup_marks ${using} where unit = ${unit} and ${same("rollup_marks")}`,
    // A changed hour changes its day, and the sessions of that: they wait for their own runs.
    ...(unit === "hour"
      ? [
          sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct u.unit, w.workspace_id, date_trunc('day', w.bucket, 'UTC')
            from ${wanted(buckets)} cross join (values ('day'), ('session')) u(unit)`,
        ]
      : []),
    ...ROLLUP_TABLES[unit].map(
      (table) => sql`delete from ${sql.identifier(table)} ${using} where ${same(table)}`,
    ),
    sql`with ${sources(unit, buckets)}, ${sql.join(inserts, sql`, `)} select 1 where false`,
  ];
}

/**
 * Rows that differ between the stored rollups of these buckets and what the raw rows give now, leaving out buckets with a
 * mark. One statement, so one snapshot. Columns: workspace_id, bucket, detail.
 */
export function differences(unit: Unit, buckets: readonly Bucket[]): SQL {
  const marked = sql`exists (select from rollup_marks m where m.workspace_id = r.workspace_id and (m.unit = ${unit} and m.bucket = r.bucket
    or m.unit = 'hour' and m.bucket >= r.bucket and m.bucket < r.bucket + ${sql.raw(unit === "hour" ? "interval '1 hour'" : "interval '24 hours'")}))`;
  const compared = (
    name: string,
    rows: SQL,
    of: string,
    columns: SQL,
    { grain = sql``, optional = false } = {},
  ) => {
    const table = sql.identifier(of);
    const stored = sql`select ${columns} from (select s.* from asked w cross join lateral (select ${table}.* from ${table}
      where ${keyInList("w", of)} and ${table}.bucket = w.bucket${grain} offset 0) s) s`;
    const raw = sql`select * from (${rows}) as g(${columns})`;
    return sql`select workspace_id, bucket, ${name} || ': ' || count(*) || ' rows differ' as detail from (
      (${raw} except all ${stored}) union all (${stored} except all ${raw})) r${optional ? sql` where exists (select from ${table} t where t.workspace_id = r.workspace_id and t.bucket = r.bucket)` : sql``} group by 1, 2`;
  };
  const parts = TARGETS[unit].map((target) => {
    const grain = target.grain
      ? sql` and ${sql.identifier(target.table)}.grain = ${target.grain}`
      : sql``;
    return compared(target.grain ?? "user", grainRows(target), target.table, columnsOf(target), {
      grain,
    });
  });
  parts.push(
    ...BESIDES[unit].map(({ name, table, columns, rows, optional }) =>
      compared(name, rows(), table, columns, { optional }),
    ),
  );
  return sql`with ${sources(unit, buckets)} select * from (${sql.join(parts, sql` union all `)}) r where not ${marked}`;
}

import { type SQL, sql } from "drizzle-orm";
import { inWorkspace } from "../db/scope.ts";
import { DAY_US, formatInstant, HOUR_US } from "../lib/time.ts";
import type { TimeRange } from "./range.ts";
import { sketchKey } from "./sketch.ts";
import type { Grain, Pieces, Source } from "./source.ts";

/** One local bucket of the compared or the asked range, and what its rows count for. */
export interface Slot extends TimeRange {
  /** Index of the answer's bucket. */
  bucket: number;
  /** 0: the asked range; 1: the one it is compared with. */
  period: 0 | 1;
  hourOfDay: number;
  dayOfWeek: number;
}

export interface Group {
  name: string;
  /** Text over a raw row or a rollup row; `alias` names the row, `slot` is the index of its bucket. Never null. */
  text(alias: string, slot: SQL): SQL;
}

/** A query with every name resolved: what the statement is made of. */
export interface Plan {
  workspaceId: string;
  slots: Slot[];
  source: Source;
  pieces: Pieces;
  groups: Group[];
  /** Predicates over a row of the given alias. */
  filters: ((alias: string, rollup: boolean) => SQL)[];
  quantiles: number[];
  users: boolean;
  agents: boolean;
  /** The groups that keep their own row; the rest becomes one row. Absent without groups. */
  top: { by: { column: SQL; descending: boolean }[]; limit: number } | undefined;
}

const SUMS = sql`executions, errors, duration_count, duration_sum_ms, duration_sum_squares, duration_min_ms, duration_max_ms, credits, tokens_in, tokens_out`;

const times = (list: readonly number[]) => sql`${sql.param(list.map(formatInstant))}::timestamptz[]`;
const intervals = (list: readonly TimeRange[]) =>
  sql`unnest(${times(list.map((piece) => piece.from))}, ${times(list.map((piece) => piece.to))}) as s(lo, hi)`;
const list = (items: readonly SQL[]) => sql.join([...items], sql`, `);
const names = (items: readonly string[]) => list(items.map((name) => sql`${sql.identifier(name)}`));

const keyNames = (plan: Plan) => plan.groups.map((_, index) => `g${index}`);

/**
 * Marks inside the range, by a loose index scan: an hour that is being written has thousands of marks, and one probe finds it.
 */
function dirtyHours(plan: Plan, from: number, to: number): SQL {
  const bounds = sql`m.unit = 'hour' and ${inWorkspace(plan.workspaceId, "m")} and m.bucket < ${formatInstant(to)}::timestamptz`;
  return sql`dirty_hours_scan(hour) as (
    (select m.bucket from rollup_marks m where ${bounds} and m.bucket >= ${formatInstant(from)}::timestamptz order by m.bucket limit 1)
    union all
    select (select m.bucket from rollup_marks m where ${bounds} and m.bucket > d.hour order by m.bucket limit 1)
    from dirty_hours_scan d where d.hour is not null
  ), dirty_hours as materialized (select hour from dirty_hours_scan where hour is not null),
  dirty_days as materialized (
    select date_trunc('day', hour, 'UTC') as day from dirty_hours
    union
    select m.bucket from rollup_marks m where m.unit = 'day' and ${inWorkspace(plan.workspaceId, "m")}
      and m.bucket >= ${formatInstant(Math.floor(from / DAY_US) * DAY_US)}::timestamptz and m.bucket < ${formatInstant(to)}::timestamptz
  )`;
}

const slotOf = (column: SQL) => sql`width_bucket(${column}, (select starts from slot))`;

/** Rows of one rollup table over the given intervals. */
function rollupRows(plan: Plan, grain: Grain, unit: "day" | "hour", over: SQL, clean: SQL): SQL {
  const row = sql.identifier(grain.table);
  const grainOf = grain.table === "user_activity_daily" ? sql`true` : sql`${row}.grain = ${grain.grain}`;
  const users = grain.grain === "user" ? sql`array[${row}.user_id]` : sql`${row}.user_ids`;
  const agents = grain.dimensions.includes("agent") ? sql`array[${row}.agent_id]` : sql`${row}.agent_ids`;
  const columns = [
    sql`${sql.raw(`'${unit}'`)} as unit`,
    sql`${row}.bucket as at`,
    sql`${slotOf(sql`${row}.bucket`)} as slot`,
    ...plan.groups.map((group, index) => sql`${group.text(grain.table, slotOf(sql`${row}.bucket`))} as ${sql.identifier(`g${index}`)}`),
    sql`${row}.status`,
    SUMS,
    sql`sketch_keys, sketch_counts`,
    ...(plan.users ? [sql`${users} as users`] : []),
    ...(plan.agents ? [sql`${agents} as agents`] : []),
  ];
  const filters = plan.filters.map((filter) => sql` and ${filter(grain.table, true)}`);
  return sql`select ${list(columns)} from ${over} join ${row} on ${inWorkspace(plan.workspaceId, grain.table)} and ${grainOf}
    and ${row}.bucket >= s.lo and ${row}.bucket < s.hi${sql.join(filters)} where ${clean}`;
}

function rollups(plan: Plan): SQL {
  const { daily, hourly } = plan.source;
  const parts: SQL[] = [];
  if (daily && plan.pieces.day.length > 0) {
    const clean = sql`not exists (select from dirty_days d where d.day = ${sql.identifier(daily.table)}.bucket)`;
    parts.push(rollupRows(plan, daily, "day", intervals(plan.pieces.day), clean));
  }
  if (hourly) {
    const clean = sql`not exists (select from dirty_hours d where d.hour = ${sql.identifier(hourly.table)}.bucket)`;
    const over = sql`(select lo, hi from ${intervals(plan.pieces.hour)} union all select lo, hi from dirty_day_pieces) as s`;
    parts.push(rollupRows(plan, hourly, "hour", over, clean));
  }
  if (parts.length === 0) return emptyRollups(plan);
  return sql.join(parts, sql` union all `);
}

/** The same columns without a row: no rollup keeps the asked dimensions apart. */
function emptyRollups(plan: Plan): SQL {
  const columns = [
    sql`null::text as unit, null::timestamptz as at, null::int as slot`,
    ...plan.groups.map((_, index) => sql`null::text as ${sql.identifier(`g${index}`)}`),
    sql`null::text as status, 0::bigint as executions, 0::bigint as errors, 0::bigint as duration_count, 0::numeric as duration_sum_ms`,
    sql`0::numeric as duration_sum_squares, null::bigint as duration_min_ms, null::bigint as duration_max_ms, 0::numeric as credits`,
    sql`0::numeric as tokens_in, 0::numeric as tokens_out, null::int[] as sketch_keys, null::int[] as sketch_counts`,
    ...(plan.users ? [sql`null::text[] as users`] : []),
    ...(plan.agents ? [sql`null::text[] as agents`] : []),
  ];
  return sql`select ${list(columns)} where false`;
}

/** Raw rows of the pieces no rollup may answer: what only they can cut, and every hour (or day) with a mark. */
function rawRows(plan: Plan): SQL {
  const columns = [
    sql`${slotOf(sql`e.started_at`)} as slot`,
    ...plan.groups.map((group, index) => sql`${group.text("e", slotOf(sql`e.started_at`))} as ${sql.identifier(`g${index}`)}`),
    sql`e.status, (e.error_type is not null)::int as errors`,
    sql`case when e.status <> 'running' then e.duration_ms end as duration_ms, e.credits, e.tokens_in, e.tokens_out`,
    ...(plan.users ? [sql`e.user_id`] : []),
    ...(plan.agents ? [sql`e.agent_id`] : []),
  ];
  const filters = plan.filters.map((filter) => sql` and ${filter("e", false)}`);
  return sql`select ${list(columns)} from raw_pieces s join executions e on ${inWorkspace(plan.workspaceId, "e")}
    and e.started_at >= s.lo and e.started_at < s.hi${sql.join(filters)}`;
}

function pieces(plan: Plan): SQL {
  const dirtyDay = sql`select d.day as lo, d.day + interval '24 hours' as hi from ${intervals(plan.pieces.day)} join dirty_days d on d.day >= s.lo and d.day < s.hi`;
  const dirtyHour = sql`select d.hour, d.hour + interval '1 hour' from covered s join dirty_hours d on d.hour >= s.lo and d.hour < s.hi`;
  // Without hourly rows for these dimensions a marked day is read raw as a whole.
  const [hours, rest] = plan.source.hourly
    ? [dirtyDay, dirtyHour]
    : [sql`select null::timestamptz as lo, null::timestamptz as hi where false`, dirtyDay];
  return sql`dirty_day_pieces(lo, hi) as materialized (${hours}),
    covered(lo, hi) as (select lo, hi from ${intervals([...plan.pieces.day, ...plan.pieces.hour])}),
    raw_pieces(lo, hi) as materialized (select lo, hi from ${intervals(plan.pieces.raw)} union all ${rest})`;
}

const count = (status: string) => sql`coalesce(sum(executions) filter (where status = ${sql.raw(`'${status}'`)}), 0)::bigint`;

function sumsBy(keys: readonly string[]): SQL {
  const key = names(keys);
  return sql`select ${key}, sum(executions)::bigint as executions, ${count("success")} as successes, ${count("failure")} as failures,
    ${count("timeout")} as timeouts, ${count("cancelled")} as cancellations, ${count("running")} as running, sum(errors)::bigint as errors,
    sum(duration_count)::bigint as duration_count, coalesce(sum(duration_count) filter (where rolled), 0)::bigint as rolled_durations,
    coalesce(sum(duration_sum_ms), 0) as duration_sum_ms, min(duration_min_ms) as duration_min_ms, max(duration_max_ms) as duration_max_ms,
    case when sum(duration_count) > 1 then sqrt(greatest(0, sum(duration_sum_squares) - sum(duration_sum_ms) ^ 2 / sum(duration_count))
      / (sum(duration_count) - 1))::float8 end as duration_stddev_ms,
    round(coalesce(sum(credits), 0), 6) as credits, round(coalesce(sum(credits), 0) / sum(executions), 6) as credits_avg,
    coalesce(sum(tokens_in), 0) as tokens_in, coalesce(sum(tokens_out), 0) as tokens_out
    from (
      select ${key}, true as rolled, status, ${SUMS} from rolls
      union all
      select ${key}, false, status, 1, errors, (duration_ms is not null)::int, duration_ms, duration_ms::numeric ^ 2, duration_ms, duration_ms,
        credits, tokens_in, tokens_out from raws
    ) rows group by ${key}`;
}

/** The rank of a quantile is ceil(q n), as percentile_disc has it: the sketch and the exact value mean the same rank. */
function keysBy(keys: readonly string[], quantiles: readonly number[]): SQL {
  const key = names(keys);
  const at = quantiles.map((q) => sql`min(sketch_key) filter (where reached >= greatest(1, ceil(${sql.raw(String(q))}::numeric * total)))`);
  return sql`select ${key}, array[${list(at)}] as quantile_keys from (
    select ${key}, sketch_key, sum(n) over (partition by ${key} order by sketch_key) as reached, sum(n) over (partition by ${key}) as total from (
      select ${key}, sketch_key, sum(n) as n from (
        select ${key}, u.sketch_key, u.n from rolls, unnest(sketch_keys, sketch_counts) as u(sketch_key, n)
        union all select ${key}, ${sketchKey(sql`duration_ms`)}, 1 from raws where duration_ms is not null
      ) counts group by ${key}, sketch_key
    ) merged
  ) ranked group by ${key}`;
}

function exactBy(keys: readonly string[], quantiles: readonly number[]): SQL {
  const key = names(keys);
  return sql`select ${key}, percentile_disc(array[${sql.raw(quantiles.join(", "))}]::float8[]) within group (order by duration_ms) as quantile_exact_ms
    from raws where duration_ms is not null group by ${key}`;
}

function distinctBy(keys: readonly string[], rolled: string, raw: string, as: string): SQL {
  const key = names(keys);
  return sql`select ${key}, count(*) as ${sql.identifier(as)} from (
    select ${key}, unnest(${sql.identifier(rolled)}) as id from rolls union select ${key}, ${sql.identifier(raw)} from raws
  ) ids group by ${key}`;
}

const SUM_COLUMNS = [
  ...["executions", "successes", "failures", "timeouts", "cancellations", "running", "errors", "duration_count", "rolled_durations"],
  ...["duration_sum_ms", "duration_stddev_ms", "duration_min_ms", "duration_max_ms", "credits", "credits_avg", "tokens_in", "tokens_out"],
];
const STAT_COLUMNS = [...SUM_COLUMNS, "quantile_keys", "quantile_exact_ms", "active_users", "active_agents"];

/**
 * All sums for every combination of the keys (at least one), from `rolls` and `raws`. The parts are stacked and grouped, not
 * joined: their sizes are unknown to the planner, and it could run one of them again for each row of another.
 */
function stats(keys: readonly string[], plan: Plan): SQL {
  const quantiles = plan.quantiles.length > 0;
  const parts: { query: SQL; column: string }[] = [
    ...(quantiles ? [{ query: keysBy(keys, plan.quantiles), column: "quantile_keys" }] : []),
    ...(quantiles ? [{ query: exactBy(keys, plan.quantiles), column: "quantile_exact_ms" }] : []),
    ...(plan.users ? [{ query: distinctBy(keys, "users", "user_id", "active_users"), column: "active_users" }] : []),
    ...(plan.agents ? [{ query: distinctBy(keys, "agents", "agent_id", "active_agents"), column: "active_agents" }] : []),
  ];
  const extra = parts.map(({ column }) => column);
  const stacked = parts.map(({ query, column }) => {
    const others = [...SUM_COLUMNS, ...extra].map((name) => (name === column ? sql`${sql.identifier(name)}` : sql`null`));
    return sql` union all select ${names(keys)}, ${list(others)} from (${query}) ${sql.identifier(column)}`;
  });
  const typed: Record<string, SQL> = { quantile_keys: sql`null::int[]`, quantile_exact_ms: sql`null::bigint[]` };
  const empty = extra.map((name) => sql`${typed[name] ?? sql`null::bigint`} as ${sql.identifier(name)}`);
  const first = sql`select ${names(keys)}, ${list([...SUM_COLUMNS.map((name) => sql`${sql.identifier(name)}`), ...empty])} from (${sumsBy(keys)}) sums`;
  const result = STAT_COLUMNS.map((name) => {
    const absent = !SUM_COLUMNS.includes(name) && !extra.includes(name);
    return sql`${absent ? (typed[name] ?? sql`0::bigint`) : sql`max(${sql.identifier(name)})`} as ${sql.identifier(name)}`;
  });
  return sql`select ${names(keys)}, ${list(result)} from (${first}${sql.join(stacked)}) parts group by ${names(keys)}`;
}

/** Adds to a row its period, its bucket, and the rank of its group; everything past the limit has rank 0 and no group of its own. */
function placed(plan: Plan, table: string): SQL {
  const row = sql`${sql.identifier(table)} r`;
  const keys = keyNames(plan);
  const rest = sql`r.*, (select periods from slot)[r.slot] as period, (select buckets from slot)[r.slot] as out`;
  if (!plan.top) return sql`select ${rest}, 0 as rank from ${row}`;
  const same = sql.join(
    keys.map((name) => sql`k.${sql.identifier(name)} = r.${sql.identifier(name)}`),
    sql` and `,
  );
  return sql`select ${rest}, coalesce(k.rank, 0) as rank from ${row} left join top k on ${same}`;
}

/**
 * The whole query as one statement, so that all it reads is one snapshot: rollups where they are valid, raw rows elsewhere.
 * Rows: one for each (period, bucket, rank) with its group, one total for each period (bucket null), and one (period null)
 * with as_of and what each source gave.
 */
export function compile(plan: Plan): SQL {
  const first = plan.slots[0]?.from ?? 0;
  const last = plan.slots.at(-1)?.to ?? 0;
  const ints = (of: (slot: Slot) => number) => sql`${sql.param(plan.slots.map(of))}::int[]`;
  const keys = keyNames(plan);
  const groups = plan.top ? sql`, ${topGroups(plan, plan.top)}` : sql``;
  const labels = plan.top ? list(keys.map((name) => sql`t.${sql.identifier(name)}`)) : undefined;
  const joinTop = plan.top ? sql` left join top t on t.rank = f.rank` : sql``;
  return sql`with recursive
  slot as materialized (select ${times(plan.slots.map((slot) => slot.from))} as starts, ${ints((slot) => slot.bucket)} as buckets, ${ints((slot) => slot.period)} as periods,
    ${ints((slot) => slot.hourOfDay)} as hours, ${ints((slot) => slot.dayOfWeek)} as days),
  ${dirtyHours(plan, Math.floor(first / HOUR_US) * HOUR_US, last)},
  ${pieces(plan)},
  rolls0 as materialized (${rollups(plan)}),
  raws0 as materialized (${rawRows(plan)})${groups},
  rolls as ${plan.top ? sql`materialized` : sql``} (${placed(plan, "rolls0")}),
  raws as ${plan.top ? sql`materialized` : sql``} (${placed(plan, "raws0")}),
  fine as (${stats(["period", "out", "rank"], plan)}),
  total as (${stats(["period"], plan)})
  select f.period, f.out as bucket, f.rank::int as rank, ${labels ? sql`array[${labels}]` : sql`null::text[]`} as groups, ${columns("f")}, null::jsonb as meta
    from fine f${joinTop}
  union all select period, null, null, null, ${columns("total")}, null from total
  union all select null, null, null, null, ${list(STAT_COLUMNS.map(() => sql`null`))}, ${meta(plan)}`;
}

const columns = (alias: string) => list(STAT_COLUMNS.map((name) => sql`${sql.identifier(alias)}.${sql.identifier(name)}`));

/** What the answer is true for, and what each source gave. */
function meta(plan: Plan): SQL {
  return sql`jsonb_build_object(
    'as_of', now(),
    'complete_until', least(now(),
      (select min(bucket) from rollup_marks m where m.unit = 'hour' and ${inWorkspace(plan.workspaceId, "m")}),
      (select min(started_at) from executions e where ${inWorkspace(plan.workspaceId, "e")} and e.status = 'running')),
    'daily', (select count(distinct at) from rolls0 where unit = 'day'),
    'hourly', (select count(distinct at) from rolls0 where unit = 'hour'),
    'raw', (select count(*) from raws0))`;
}

/** The best groups of the asked range by the asked order; ties by the group's own name, so that a rank is stable. */
function topGroups(plan: Plan, top: NonNullable<Plan["top"]>): SQL {
  const keys = keyNames(plan);
  const order = top.by.map(({ column, descending }) => sql`${column} ${sql.raw(descending ? "desc" : "asc")} nulls last`);
  const asked = (table: string) => sql`select * from ${sql.identifier(table)} where (select periods from slot)[slot] = 0`;
  // Groups that only the compared range has are part of the rest.
  return sql`top as materialized (
    select * from (
      with rolls as (${asked("rolls0")}), raws as (${asked("raws0")})
      select ${names(keys)}, row_number() over (order by ${list([...order, names(keys)])}) as rank from (${stats(keys, plan)}) ranked_groups
    ) ranked where rank <= ${top.limit}
  )`;
}

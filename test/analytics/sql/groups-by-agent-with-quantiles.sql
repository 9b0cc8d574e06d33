with recursive slot as materialized (
  select '{2026-10-01T00:00:00.000Z}'::timestamptz[] as starts, '{0}'::int[] as buckets,
    '{0}'::int[] as periods, '{0}'::int[] as hours, '{0}'::int[] as days
),
marked_hours(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz
      and m.bucket >= '2026-10-01T00:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz and m.bucket > d.bucket
    order by m.bucket
    limit 1
  )
  from marked_hours d
  where d.bucket is not null
),
dirty_hours as materialized (select bucket as hour from marked_hours where bucket is not null),
marked_days(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'day' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz
      and m.bucket >= '2026-10-01T00:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'day' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz and m.bucket > d.bucket
    order by m.bucket
    limit 1
  )
  from marked_days d
  where d.bucket is not null
),
dirty_days as materialized (
  select date_trunc('day', hour, 'UTC') as day
  from dirty_hours
  union
  select bucket
  from marked_days
  where bucket is not null
),
fallback_hours(lo, hi) as materialized (
  select d.day as lo, d.day + interval '24 hours' as hi
  from dirty_days d
  where d.day < ('{2026-10-05T00:00:00.000Z}'::timestamptz[])[width_bucket(d.day, '{2026-10-01T00:00:00.000Z}'::timestamptz[])]
),
raw_pieces(lo, hi) as materialized (
  select lo, hi
  from unnest('{}'::timestamptz[], '{}'::timestamptz[]) as s(lo, hi)
  union all
  select min(at) as lo, max(at) + interval '1 hour' as hi
  from (
    select at, at - row_number() over (order by at) * interval '1 hour' as run
    from (
      select d.hour as at
      from dirty_hours d
      where d.hour < ('{2026-10-05T00:00:00.000Z}'::timestamptz[])[width_bucket(
        d.hour, '{2026-10-01T00:00:00.000Z}'::timestamptz[]
      )]
    ) units
  ) numbered
  group by run
),
rollup_rows as materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 'day' as unit, "execution_metrics_daily".bucket as at, 1 as slot,
      coalesce(nullif("execution_metrics_daily"."agent_id", ''), '') as "g0",
      "execution_metrics_daily".status, "execution_metrics_daily".executions,
      "execution_metrics_daily"."duration_count", "execution_metrics_daily"."duration_min_ms",
      "execution_metrics_daily"."duration_max_ms", case
      when "execution_metrics_daily".status = '' then sketch_keys end as sketch_keys, case
      when "execution_metrics_daily".status = '' then sketch_counts end as sketch_counts
    from unnest(
      '{2026-10-01T00:00:00.000Z}'::timestamptz[], '{2026-10-05T00:00:00.000Z}'::timestamptz[]
    ) as s(lo, hi)
    cross join lateral (
      select "execution_metrics_daily".*
      from "execution_metrics_daily"
      where "execution_metrics_daily"."workspace_id" = any(
        array[(select 'acme'::text), (select 'acme'::text)]
      )
        and "execution_metrics_daily".grain = 'agent' and "execution_metrics_daily".bucket >= s.lo
        and "execution_metrics_daily".bucket < s.hi
      offset 0
    ) "execution_metrics_daily"
    where "execution_metrics_daily".bucket not in (select day from dirty_days)
    union all
    select 'hour' as unit, "execution_metrics_hourly".bucket as at, 1 as slot,
      coalesce(nullif("execution_metrics_hourly"."agent_id", ''), '') as "g0",
      "execution_metrics_hourly".status, "execution_metrics_hourly".executions,
      "execution_metrics_hourly"."duration_count", "execution_metrics_hourly"."duration_min_ms",
      "execution_metrics_hourly"."duration_max_ms", case
      when "execution_metrics_hourly".status = '' then sketch_keys end as sketch_keys, case
      when "execution_metrics_hourly".status = '' then sketch_counts end as sketch_counts
    from (
      select lo, hi
      from unnest('{}'::timestamptz[], '{}'::timestamptz[]) as s(lo, hi)
      union all
      select lo, hi
      from fallback_hours
    ) as s
    cross join lateral (
      select "execution_metrics_hourly".*
      from "execution_metrics_hourly"
      where "execution_metrics_hourly"."workspace_id" = any(
        array[(select 'acme'::text), (select 'acme'::text)]
      )
        and "execution_metrics_hourly".grain = 'agent' and "execution_metrics_hourly".bucket >= s.lo
        and "execution_metrics_hourly".bucket < s.hi
      offset 0
    ) "execution_metrics_hourly"
    where "execution_metrics_hourly".bucket not in (select hour from dirty_hours)
  ) r
),
raw_rows as materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 1 as slot, coalesce(nullif("e"."agent_id", ''), '') as "g0", e.status, case
      when e.status <> 'running' then e.duration_ms end as duration_ms
    from raw_pieces s
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= s.lo and e.started_at < s.hi
        and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
        and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz
      offset 0
    ) e
  ) r
),
rolled as materialized (select unit, at from rollup_rows group by unit, at),
cells_unranked as materialized (
  select "period", "out", "g0", "status", sum(executions)::bigint as executions,
    sum(duration_count)::bigint as duration_count, min(duration_min_ms)::bigint as duration_min_ms,
    max(duration_max_ms)::bigint as duration_max_ms,
    sum(duration_count)::bigint as rolled_durations, 0 as raw_rows
  from "rollup_rows"
  group by "period", "out", "g0", "status"
  union all
  select "period", "out", "g0", "status", count(*) as executions,
    count(duration_ms) as duration_count, min(duration_ms) as duration_min_ms,
    max(duration_ms) as duration_max_ms, 0 as rolled_durations, count(*) as raw_rows
  from "raw_rows"
  group by "period", "out", "g0", "status"
),
sketches_unranked as materialized (
  select "period", "out", "g0", sketch_key, sum(n)::float8 as n
  from (
    select "period", "out", "g0", unnest(sketch_keys) as sketch_key, unnest(sketch_counts) as n
    from rollup_rows
    where status = ''
    union all
    select "period", "out", "g0", case
      when duration_ms > 0 then ceil(ln(duration_ms::float8) / 0.020000666706669435)::int
      else -1 end, 1
    from raw_rows
    where duration_ms is not null
  ) counts
  group by "period", "out", "g0", sketch_key
),
top as materialized (
  select *
  from (
    with "cells" as (select * from "cells_unranked" where period = 0),
    "sketches" as (select * from "sketches_unranked" where period = 0),
    "raws" as (select * from "raw_rows" where period = 0)
    select "g0",
      (
        case when rolled_durations = 0 then quantile_exact_ms[1]::float8 else case
        when quantile_keys[1] = -1 then 0
        else 2 * power(1.02020202020202::float8, quantile_keys[1]) / 2.02020202020202 end end
      )::float8::text as sort_value,
      row_number() over (
        order by case when rolled_durations = 0 then quantile_exact_ms[1]::float8 else case
          when quantile_keys[1] = -1 then 0
          else 2 * power(1.02020202020202::float8, quantile_keys[1]) / 2.02020202020202 end end desc nulls last,
          "g0"
      ) as rank
    from (
      select "g0", max(executions) as executions, max(rolled_durations) as rolled_durations,
        max(duration_count) as duration_count, max(duration_min_ms) as duration_min_ms,
        max(duration_max_ms) as duration_max_ms, max(quantile_keys) as quantile_keys,
        max(quantile_exact_ms) as quantile_exact_ms
      from (
        select sums.*, null::int[] as quantile_keys, null::bigint[] as quantile_exact_ms
        from (
          select "g0", sum(executions)::bigint as executions,
            sum(rolled_durations)::bigint as rolled_durations,
            sum(duration_count)::bigint as duration_count, min(duration_min_ms) as duration_min_ms,
            max(duration_max_ms) as duration_max_ms
          from cells
          group by "g0"
        ) sums
        union all
        select "g0", null, null, null, null, null, "quantile_keys", null
        from (
          select "g0",
            array[found[width_bucket(
              greatest(1, ceil(0.95::numeric * total::numeric))::float8 - 1, reached
            ) + 1]] as quantile_keys
          from (
            select "g0", array_agg(sketch_key order by sketch_key) as found,
              array_agg(reached order by sketch_key) as reached, max(reached) as total
            from (
              select "g0", sketch_key,
                sum(n) over (partition by "g0" order by sketch_key) as reached
              from (
                select "g0", sketch_key, sum(n) as n from sketches group by "g0", sketch_key
              ) merged
            ) cumulated
            group by "g0"
          ) ranked
        ) "quantile_keys"
        union all
        select "g0", null, null, null, null, null, null, "quantile_exact_ms"
        from (
          select "g0", percentile_disc(array[0.95]::float8[]) within
          group (order by duration_ms) as quantile_exact_ms
          from raws
          where duration_ms is not null
          group by "g0"
        ) "quantile_exact_ms"
      ) parts
      group by "g0"
    ) ranked_groups
  ) ranked
  where rank <= 10
),
cells as materialized (
  select r.*, coalesce(k.rank, 0) as rank from "cells_unranked" r left join top k on k."g0" = r."g0"
),
sketches as materialized (
  select r.*, coalesce(k.rank, 0) as rank
  from "sketches_unranked" r
  left join top k on k."g0" = r."g0"
),
raws as (
  select r.*, coalesce(k.rank, 0) as rank from "raw_rows" r left join top k on k."g0" = r."g0"
),
groups as (
  select "period", "out", "rank", max(executions) as executions,
    max(rolled_durations) as rolled_durations, max(duration_count) as duration_count,
    max(duration_min_ms) as duration_min_ms, max(duration_max_ms) as duration_max_ms,
    max(quantile_keys) as quantile_keys, max(quantile_exact_ms) as quantile_exact_ms
  from (
    select sums.*, null::int[] as quantile_keys, null::bigint[] as quantile_exact_ms
    from (
      select "period", "out", "rank", sum(executions)::bigint as executions,
        sum(rolled_durations)::bigint as rolled_durations,
        sum(duration_count)::bigint as duration_count, min(duration_min_ms) as duration_min_ms,
        max(duration_max_ms) as duration_max_ms
      from cells
      group by "period", "out", "rank"
    ) sums
    union all
    select "period", "out", "rank", null, null, null, null, null, "quantile_keys", null
    from (
      select "period", "out", "rank",
        array[found[width_bucket(
          greatest(1, ceil(0.95::numeric * total::numeric))::float8 - 1, reached
        ) + 1]] as quantile_keys
      from (
        select "period", "out", "rank", array_agg(sketch_key order by sketch_key) as found,
          array_agg(reached order by sketch_key) as reached, max(reached) as total
        from (
          select "period", "out", "rank", sketch_key,
            sum(n) over (partition by "period", "out", "rank" order by sketch_key) as reached
          from (
            select "period", "out", "rank", sketch_key, sum(n) as n
            from sketches
            group by "period", "out", "rank", sketch_key
          ) merged
        ) cumulated
        group by "period", "out", "rank"
      ) ranked
    ) "quantile_keys"
    union all
    select "period", "out", "rank", null, null, null, null, null, null, "quantile_exact_ms"
    from (
      select "period", "out", "rank", percentile_disc(array[0.95]::float8[]) within
      group (order by duration_ms) as quantile_exact_ms
      from raws
      where duration_ms is not null
      group by "period", "out", "rank"
    ) "quantile_exact_ms"
  ) parts
  group by "period", "out", "rank"
),
total as (
  select "period", max(executions) as executions, max(rolled_durations) as rolled_durations,
    max(duration_count) as duration_count, max(duration_min_ms) as duration_min_ms,
    max(duration_max_ms) as duration_max_ms, max(quantile_keys) as quantile_keys,
    max(quantile_exact_ms) as quantile_exact_ms
  from (
    select sums.*, null::int[] as quantile_keys, null::bigint[] as quantile_exact_ms
    from (
      select "period", sum(executions)::bigint as executions,
        sum(rolled_durations)::bigint as rolled_durations,
        sum(duration_count)::bigint as duration_count, min(duration_min_ms) as duration_min_ms,
        max(duration_max_ms) as duration_max_ms
      from cells
      group by "period"
    ) sums
    union all
    select "period", null, null, null, null, null, "quantile_keys", null
    from (
      select "period",
        array[found[width_bucket(
          greatest(1, ceil(0.95::numeric * total::numeric))::float8 - 1, reached
        ) + 1]] as quantile_keys
      from (
        select "period", array_agg(sketch_key order by sketch_key) as found,
          array_agg(reached order by sketch_key) as reached, max(reached) as total
        from (
          select "period", sketch_key,
            sum(n) over (partition by "period" order by sketch_key) as reached
          from (
            select "period", sketch_key, sum(n) as n from sketches group by "period", sketch_key
          ) merged
        ) cumulated
        group by "period"
      ) ranked
    ) "quantile_keys"
    union all
    select "period", null, null, null, null, null, null, "quantile_exact_ms"
    from (
      select "period", percentile_disc(array[0.95]::float8[]) within
      group (order by duration_ms) as quantile_exact_ms
      from raws
      where duration_ms is not null
      group by "period"
    ) "quantile_exact_ms"
  ) parts
  group by "period"
)
select null::int as period, null::int as bucket, null::int as rank, null::text[] as groups,
  null as executions, null as rolled_durations, null as duration_count, null as duration_min_ms,
  null as duration_max_ms, null as quantile_keys, null as quantile_exact_ms,
  jsonb_build_object(
    'as_of', now(), 'complete_until',
    least(
      now(),
      (
        select min(bucket)
        from rollup_marks m
        where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      ),
      running_since(
        'acme',
        (
          select min(h.bucket)
          from execution_metrics_hourly h
          where "h"."workspace_id" = (select 'acme'::text) and h.grain = 'total'
            and h.status = 'running'
        )
      )
    ),
    'daily', (select count(*) from rolled where unit = 'day'), 'hourly',
    (select count(*) from rolled where unit = 'hour'), 'raw',
    (select coalesce(sum(raw_rows), 0) from cells_unranked)
  ) as meta
union all
select period, null, null, null, total.executions, total.rolled_durations, total.duration_count,
  total.duration_min_ms, total.duration_max_ms, total.quantile_keys, total.quantile_exact_ms, null
from total
union all
select f.period, f.out, f.rank::int, array[t."g0", t.sort_value], f.executions, f.rolled_durations,
  f.duration_count, f.duration_min_ms, f.duration_max_ms, f.quantile_keys, f.quantile_exact_ms, null
from groups f
left join top t on t.rank = f.rank;

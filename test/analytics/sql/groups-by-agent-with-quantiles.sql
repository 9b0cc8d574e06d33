with slot as materialized (
  select '{2026-10-01T00:00:00.000Z}'::timestamptz[] as starts, '{0}'::int[] as buckets,
    '{0}'::int[] as periods, '{0}'::int[] as hours, '{0}'::int[] as days
),
marked as materialized (
  select hours, minutes,
    days + coalesce(
      (
        select range_agg(
          tstzrange(
            date_trunc('day', lower(r), 'UTC'),
            date_trunc('day', upper(r) - interval '1 microsecond', 'UTC') + interval '24 hours'
          )
        )
        from unnest(hours) r
      ),
      '{}'
    ) as days
  from (
    select marked_ranges(
      'acme', 'day', interval '24 hours', '2026-10-01T00:00:00.000Z'::timestamptz,
      '2026-10-05T00:00:00.000Z'::timestamptz
    ) as days,
      marked_ranges(
        'acme', 'hour', interval '1 hour', '2026-10-01T00:00:00.000Z'::timestamptz,
        '2026-10-05T00:00:00.000Z'::timestamptz
      ) as hours,
      '{}'::tstzmultirange as minutes
    offset 0
  ) m
),
pieces as materialized (
  select '{[2026-10-01T00:00:00.000Z,2026-10-05T00:00:00.000Z)}'::tstzmultirange - m.days as day,
    '{}'::tstzmultirange as quarter, a.hours - m.hours as hour,
    b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) - m.minutes as minute,
    '{}'::tstzmultirange + (a.hours * m.hours - '{}'::tstzmultirange) + (
      b.minutes - tstzmultirange(
        tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
      )
    ) + b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) * m.minutes as raw
  from marked m
  cross join lateral (
    select '{}'::tstzmultirange + '{[2026-10-01T00:00:00.000Z,2026-10-05T00:00:00.000Z)}'::tstzmultirange * m.days as hours
  ) a
  cross join lateral (
    select '{}'::tstzmultirange + a.hours * m.hours * '{}'::tstzmultirange as minutes
  ) b
),
rollup_rows as materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 'day' as unit, r.bucket as at, 1 as slot,
      coalesce(nullif("r"."agent_id", ''), '') as "g0", r.status, r.executions, r.duration_count,
      r.duration_min_ms, r.duration_max_ms, case
      when r.status = '' then r.sketch_keys end as sketch_keys, case
      when r.status = '' then r.sketch_counts end as sketch_counts
    from unnest((select day from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_daily r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'agent' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
      offset 0
    ) r
    union all
    select 'hour' as unit, r.bucket as at, 1 as slot,
      coalesce(nullif("r"."agent_id", ''), '') as "g0", r.status, r.executions, r.duration_count,
      r.duration_min_ms, r.duration_max_ms, case
      when r.status = '' then r.sketch_keys end as sketch_keys, case
      when r.status = '' then r.sketch_counts end as sketch_counts
    from unnest((select hour from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_hourly r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'agent' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
      offset 0
    ) r
  ) r
),
raw_rows as materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 1 as slot, coalesce(nullif("e"."agent_id", ''), '') as "g0", e.status, case
      when e.status <> 'running' then e.duration_ms end as duration_ms
    from unnest((select raw from pieces)) as s(piece)
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= lower(s.piece) and e.started_at < upper(s.piece)
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
        select "g0", null, null, null, null, null, quantile_keys, null
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
        ) quantile_keys
        union all
        select "g0", null, null, null, null, null, null, quantile_exact_ms
        from (
          select "g0", percentile_disc(array[0.95]::float8[]) within
          group (order by duration_ms) as quantile_exact_ms
          from raws
          where duration_ms is not null
          group by "g0"
        ) quantile_exact_ms
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
    select "period", "out", "rank", null, null, null, null, null, quantile_keys, null
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
    ) quantile_keys
    union all
    select "period", "out", "rank", null, null, null, null, null, null, quantile_exact_ms
    from (
      select "period", "out", "rank", percentile_disc(array[0.95]::float8[]) within
      group (order by duration_ms) as quantile_exact_ms
      from raws
      where duration_ms is not null
      group by "period", "out", "rank"
    ) quantile_exact_ms
  ) parts
  group by "period", "out", "rank"
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
  select "period", null, null, null, null, null, quantile_keys, null
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
  ) quantile_keys
  union all
  select "period", null, null, null, null, null, null, quantile_exact_ms
  from (
    select "period", percentile_disc(array[0.95]::float8[]) within
    group (order by duration_ms) as quantile_exact_ms
    from raws
    where duration_ms is not null
    group by "period"
  ) quantile_exact_ms
) total
union all
select f.period, f.out, f.rank::int, array[t."g0", t.sort_value], f.executions, f.rolled_durations,
  f.duration_count, f.duration_min_ms, f.duration_max_ms, f.quantile_keys, f.quantile_exact_ms, null
from groups f
left join top t on t.rank = f.rank;

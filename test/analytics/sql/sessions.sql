with dirty_hours(hour) as materialized (
  select generate_series(lower(r), upper(r) - interval '1 hour', interval '1 hour')
  from unnest(
    marked_ranges(
      'acme', 'hour', interval '1 hour', '2026-10-01T00:00:00.000Z'::timestamptz,
      '2026-10-05T00:00:00.000Z'::timestamptz
    )
  ) r
),
dirty_days(day) as materialized (
  select date_trunc('day', hour, 'UTC')
  from dirty_hours
  union
  select generate_series(lower(r), upper(r) - interval '24 hours', interval '24 hours')
  from unnest(
    marked_ranges(
      'acme', 'session', interval '24 hours', '2026-10-01T00:00:00.000Z'::timestamptz,
      '2026-10-05T00:00:00.000Z'::timestamptz
    )
  ) r
),
rolled as materialized (
  select s.*
  from unnest(
    '{2026-10-01T00:00:00.000Z, ... 4 values ..., 2026-10-04T00:00:00.000Z}'::timestamptz[]
  ) d(day)
  cross join lateral (
    select s.*
    from sessions_daily s
    where "s"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and s.bucket = d.day
    offset 0
  ) s
  where not exists (select from dirty_days x where x.day = d.day)
),
rest as materialized (
  select lo, hi
  from unnest(
    '{2026-09-30T23:30:00.000Z,2026-10-05T00:00:00.000Z}'::timestamptz[],
    '{2026-10-01T00:00:00.000Z,2026-10-05T01:00:00.000Z}'::timestamptz[]
  ) r(lo, hi)
  union all
  select day, day + interval '24 hours'
  from unnest(
    '{2026-10-01T00:00:00.000Z, ... 4 values ..., 2026-10-04T00:00:00.000Z}'::timestamptz[]
  ) d(day)
  where not exists (select from rolled r where r.bucket = d.day)
),
raw_pieces as materialized (
  select "user_id", min(began) as began, max(ended) as ended, sum(activities)::bigint as activities
  from (
    select "user_id", began, ended, activities,
      sum(begins) over (partition by "user_id" order by began) as place_of_session
    from (
      select *, case
        when began - lag(ended) over (partition by "user_id" order by began) < interval '30 minutes' then 0
        else 1 end as begins
      from (
        select m.user_id, m.at as began, m.at as ended, 1 as activities
        from rest r
        cross join lateral (
          select x.user_id, x."started_at" as at
          from "executions" x
          where "x"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
            and x."started_at" >= r.lo and x."started_at" < r.hi
            and x."started_at" >= '2026-09-30T23:30:00.000Z'::timestamptz
            and x."started_at" < '2026-10-05T01:00:00.000Z'::timestamptz and x.user_id is not null
          union all
          select x.user_id, x."occurred_at" as at
          from "events" x
          where "x"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
            and x."occurred_at" >= r.lo and x."occurred_at" < r.hi
            and x."occurred_at" >= '2026-09-30T23:30:00.000Z'::timestamptz
            and x."occurred_at" < '2026-10-05T01:00:00.000Z'::timestamptz and x.user_id is not null
          offset 0
        ) m
      ) pieces
    ) marked
  ) numbered
  group by "user_id", place_of_session
),
found as materialized (
  select user_id, activities,
    round(date_part('epoch', ended - began) * 1000000)::bigint as length_us
  from (
    select "user_id", min(began) as began, max(ended) as ended,
      sum(activities)::bigint as activities
    from (
      select "user_id", began, ended, activities,
        sum(begins) over (partition by "user_id" order by began) as place_of_session
      from (
        select *, case
          when began - lag(ended) over (partition by "user_id" order by began) < interval '30 minutes' then 0
          else 1 end as begins
        from (
          select user_id, began, ended, activities
          from raw_pieces
          union all
          select e.user_id, e.started_at, e.ended_at, e.activities
          from rolled r
          cross join lateral (
            select e.*
            from session_edges_daily e
            where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
              and e.bucket = r.bucket
            offset 0
          ) e
        ) pieces
      ) marked
    ) numbered
    group by "user_id", place_of_session
  ) s
  where began >= '2026-10-01T00:00:00.000Z'::timestamptz
),
every as (
  select sessions, singles, activities, length_sum_us, length_min_us, length_max_us, classes
  from rolled
  union all
  select count(*) as sessions, count(*) filter (where activities = 1) as singles,
    coalesce(sum(activities), 0)::bigint as activities,
    coalesce(sum(length_us), 0) as length_sum_us, min(length_us) as length_min_us,
    max(length_us) as length_max_us,
    array[count(*) filter (
      where width_bucket(
        length_us, '{30000000,120000000,300000000,900000000,1800000000}'::bigint[]
      ) = 0
    ),
    count(*) filter (
      where width_bucket(
        length_us, '{30000000,120000000,300000000,900000000,1800000000}'::bigint[]
      ) = 1
    ),
    count(*) filter (
      where width_bucket(
        length_us, '{30000000,120000000,300000000,900000000,1800000000}'::bigint[]
      ) = 2
    ),
    count(*) filter (
      where width_bucket(
        length_us, '{30000000,120000000,300000000,900000000,1800000000}'::bigint[]
      ) = 3
    ),
    count(*) filter (
      where width_bucket(
        length_us, '{30000000,120000000,300000000,900000000,1800000000}'::bigint[]
      ) = 4
    ),
    count(*) filter (
      where width_bucket(
        length_us, '{30000000,120000000,300000000,900000000,1800000000}'::bigint[]
      ) = 5
    )]::int[] as classes
  from found
),
cells as (
  select key, sum(n) as n
  from (
    select unnest(sketch_keys) as key, unnest(sketch_counts) as n
    from rolled
    union all
    select case
      when (
        case when length_us > 0 then greatest(length_us / 1000.0, 1) else 0 end
      ) > 0 then ceil(
        ln(
          (case when length_us > 0 then greatest(length_us / 1000.0, 1) else 0 end)::float8
        ) / 0.020000666706669435
      )::int
      else -1 end, 1
    from found
  ) c
  group by key
)
select sum(sessions) as sessions, sum(singles) as singles, sum(activities) as activities,
  sum(length_sum_us) as length_sum_us, coalesce(min(length_min_us), 0) as length_min_us,
  coalesce(max(length_max_us), 0) as length_max_us, array[sum(classes[1]), sum(classes[2]),
  sum(classes[3]), sum(classes[4]), sum(classes[5]), sum(classes[6])] as classes,
  (
    select count(*)
    from (
      select id
      from (select unnest(user_ids) as id from rolled union all select user_id from found) ids
      group by id
    ) users
  ) as users,
  (select string_agg(key || ':' || n, ',' order by key) from cells) as sketch,
  (select coalesce(sum(activities), 0) from raw_pieces) as rows,
  (select count(*) from rolled) as days
from every;

delete from rollup_marks
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where unit = 'session' and "rollup_marks".workspace_id = w.workspace_id
  and "rollup_marks".bucket = w.bucket;

delete from "sessions_daily"
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where "sessions_daily".workspace_id = w.workspace_id and "sessions_daily".bucket = w.bucket;

delete from "session_edges_daily"
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where "session_edges_daily".workspace_id = w.workspace_id
  and "session_edges_daily".bucket = w.bucket;

with asked as materialized (
  select workspace_id, bucket, place::int as place,
    (dense_rank() over (order by workspace_id))::int as space
  from unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
  with ordinality as w(workspace_id, bucket, place)
),
session_parts as materialized (
  select w.workspace_id, w.bucket, s.*,
    round(date_part('epoch', ended - began) * 1000000)::bigint as length_us,
    began >= w.bucket + interval '30 minutes'
    and ended <= w.bucket + interval '24 hours' - interval '30 minutes' as is_inner
  from (
    select "place", "user_id", min(began) as began, max(ended) as ended,
      sum(activities)::bigint as activities
    from (
      select "place", "user_id", began, ended, activities,
        sum(begins) over (partition by "place", "user_id" order by began) as place_of_session
      from (
        select *, case
          when began - lag(ended) over (partition by "place", "user_id" order by began) < interval '30 minutes' then 0
          else 1 end as begins
        from (
          select w.place, m.user_id, m.at as began, m.at as ended, 1 as activities
          from asked w
          cross join lateral (
            select x.user_id, x."started_at" as at
            from "executions" x
            where "x"."workspace_id" = any(array["w"."workspace_id", "w"."workspace_id"])
              and x."started_at" >= w.bucket and x."started_at" < w.bucket + interval '24 hours'
              and x."started_at" >= '2026-10-01T00:00:00.000Z'::timestamptz
              and x."started_at" < '2026-10-02T00:00:00.000Z'::timestamptz and x.user_id is not null
            union all
            select x.user_id, x."occurred_at" as at
            from "events" x
            where "x"."workspace_id" = any(array["w"."workspace_id", "w"."workspace_id"])
              and x."occurred_at" >= w.bucket and x."occurred_at" < w.bucket + interval '24 hours'
              and x."occurred_at" >= '2026-10-01T00:00:00.000Z'::timestamptz
              and x."occurred_at" < '2026-10-02T00:00:00.000Z'::timestamptz
              and x.user_id is not null
            offset 0
          ) m
        ) pieces
      ) marked
    ) numbered
    group by "place", "user_id", place_of_session
  ) s
  join asked w
  using (place)
),
"insert_0" as (
  insert into "sessions_daily" (
    workspace_id, bucket, sessions, singles, activities, length_sum_us, length_min_us,
    length_max_us, classes, sketch_keys, sketch_counts, user_ids
  )
  select w.workspace_id, w.bucket, coalesce(s.sessions, 0), coalesce(s.singles, 0),
    coalesce(s.activities, 0), coalesce(s.length_sum_us, 0), s.length_min_us, s.length_max_us,
    coalesce(s.classes, '{}'::int[]), coalesce(k.sketch_keys, '{}'::int[]),
    coalesce(k.sketch_counts, '{}'::int[]), coalesce(s.user_ids, '{}'::text[])
  from asked w
  left join (
    select place, count(*) as sessions, count(*) filter (where activities = 1) as singles,
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
      )]::int[] as classes,
      array_agg(distinct user_id order by user_id) as user_ids
    from session_parts
    where is_inner
    group by place
  ) s
  using (place)
  left join (
    select place, array_agg(key order by key) as sketch_keys,
      array_agg(n order by key) as sketch_counts
    from (
      select place, case
        when (
          case when length_us > 0 then greatest(length_us / 1000.0, 1) else 0 end
        ) > 0 then ceil(
          ln(
            (case when length_us > 0 then greatest(length_us / 1000.0, 1) else 0 end)::float8
          ) / 0.020000666706669435
        )::int
        else -1 end as key, count(*)::int as n
      from session_parts
      where is_inner
      group by 1, 2
    ) cells
    group by place
  ) k
  using (place)
),
"insert_1" as (
  insert into "session_edges_daily" (
    workspace_id, bucket, user_id, started_at, ended_at, activities
  )
  select workspace_id, bucket, user_id, began, ended, activities
  from session_parts
  where not is_inner
)
select 1
where false;

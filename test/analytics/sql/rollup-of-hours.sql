delete from rollup_marks
using unnest('{acme}'::text[], '{2026-10-01T05:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where unit = 'hour' and "rollup_marks".workspace_id = w.workspace_id
  and "rollup_marks".bucket = w.bucket;

insert into rollup_marks (unit, workspace_id, bucket)
select distinct u.unit, w.workspace_id, date_trunc('day', w.bucket, 'UTC')
from unnest('{acme}'::text[], '{2026-10-01T05:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
cross join (values ('day'), ('session')) u(unit);

delete from "execution_metrics_hourly"
using unnest('{acme}'::text[], '{2026-10-01T05:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where "execution_metrics_hourly".workspace_id = w.workspace_id
  and "execution_metrics_hourly".bucket = w.bucket;

with asked as materialized (
  select *
  from unnest('{acme}'::text[], '{2026-10-01T05:00:00.000Z}'::timestamptz[])
  with ordinality as w(workspace_id, bucket, place)
),
raw as materialized (
  select w.place, r.*, case when r.ms is not null then case
    when r.ms > 0 then ceil(ln(r.ms::float8) / 0.020000666706669435)::int
    else -1 end end as sketch_key
  from asked w
  cross join lateral (
    select e.agent_id, coalesce(e.user_id, '') as user_id, e.status,
      e.error_type is not null as failed, case
      when e.status <> 'running' then e.duration_ms end as ms, e.credits, e.tokens_in, e.tokens_out
    from executions e
    where "e"."workspace_id" = any(array["w"."workspace_id", "w"."workspace_id"])
      and e.started_at >= w.bucket and e.started_at < w.bucket + interval '60 minutes'
      and e.started_at >= '2026-10-01T05:00:00.000Z'::timestamptz
      and e.started_at < '2026-10-01T06:00:00.000Z'::timestamptz
    offset 0
  ) r
),
people as materialized (
  select w.workspace_id, r.user_id, array_agg(place) as places, min(place) as first
  from (select distinct place, user_id from raw where user_id <> '') r
  join asked w
  using (place)
  group by w.workspace_id, r.user_id
),
met as materialized (
  select workspace_id, user_id, p.places, p.first, k.number
  from people p full
  join (
    select g.workspace_id, n.user_id, n.number
    from (select workspace_id, array_agg(user_id) as ids from people group by workspace_id) g
    cross join lateral (
      select n.user_id, n.number
      from user_numbers n
      where "n"."workspace_id" = any(array["g"."workspace_id", "g"."workspace_id"])
        and n.user_id = any(g.ids) and found_by_key(n.number)
      offset 0
    ) n
  ) k
  using (workspace_id, user_id)
),
unknown as materialized (
  select workspace_id, user_id, places,
    row_number() over (partition by workspace_id order by first desc, user_id desc) as back
  from met
  where number is null
),
counted as (
  insert into user_counters (workspace_id, next)
  select workspace_id, count(*)
  from unknown
  group by workspace_id
  order by workspace_id on conflict (workspace_id) do
  update
  set next = user_counters.next + excluded.next
  returning workspace_id, next
),
given as materialized (
  select u.workspace_id, u.user_id, u.places, (c.next - u.back)::int as number
  from unknown u
  join counted c
  using (workspace_id)
),
added as (
  insert into user_numbers (workspace_id, user_id, number)
  select workspace_id, user_id, number
  from given
),
numbers as materialized (
  select unnest(places) as place, user_id, number
  from met
  where number is not null
  union all
  select unnest(places), user_id, number
  from given
),
"agent_parts" as materialized (
  select place, agent_id, status, sketch_key, null::int as user_chunk, null::bit(256) as user_bits,
    null::text as agent_set, count(*) as n, count(*) filter (where failed) as errors,
    count(ms) as durations, coalesce(sum(ms), 0) as sum_ms,
    coalesce(sum(case when ms < 3000000000 then ms * ms end), 0) + coalesce(
      sum(case when ms >= 3000000000 then ms::numeric * ms end), 0
    ) as sum_squares,
    min(ms) as min_ms, max(ms) as max_ms, coalesce(sum(credits), 0) as credits,
    coalesce(sum(tokens_in), 0) as tokens_in, coalesce(sum(tokens_out), 0) as tokens_out,
    count(*) as weight
  from raw
  group by place, agent_id, status, sketch_key
  union all
  select place, agent_id, status, null, number / 256,
    bit_or(set_bit(repeat('0', 256)::bit(256), number % 256, 1)), null, 0 as n, 0 as errors,
    0 as durations, 0 as sum_ms, 0 as sum_squares, null::bigint as min_ms, null::bigint as max_ms,
    0 as credits, 0 as tokens_in, 0 as tokens_out, 0
  from (select distinct place, agent_id, status, user_id from raw where user_id <> '') pairs
  join numbers
  using (place, user_id)
  group by place, agent_id, status, number / 256
),
"insert_0" as (
  insert into "execution_metrics_hourly" (
    grain, workspace_id, bucket, status, executions, errors, duration_count, duration_sum_ms,
    duration_sum_squares, duration_min_ms, duration_max_ms, credits, tokens_in, tokens_out,
    sketch_keys, sketch_counts, sketch_sum, user_chunks, user_bits, agent_ids
  )
  with parts as materialized (
    select place, status, sketch_key, user_chunk, bit_or(user_bits) as user_bits, agent_set,
      sum(n) as n, sum(errors) as errors, sum(durations) as durations, sum(sum_ms) as sum_ms,
      sum(sum_squares) as sum_squares, min(min_ms) as min_ms, max(max_ms) as max_ms,
      sum(credits) as credits, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
      sum(weight) as weight
    from "agent_parts"
    group by place, status, sketch_key, user_chunk, agent_set
    union all
    select place, status, null, null, null, agent_id, 0 as n, 0 as errors, 0 as durations,
      0 as sum_ms, 0 as sum_squares, null::bigint as min_ms, null::bigint as max_ms, 0 as credits,
      0 as tokens_in, 0 as tokens_out, 0
    from (select distinct place, status, agent_id from "agent_parts") pairs
  )
  select 'total', w.workspace_id, w.bucket, g.status, g.n, g.errors, g.durations, g.sum_ms,
    g.sum_squares, g.min_ms, g.max_ms, g.credits, g.tokens_in, g.tokens_out, g.sketch_keys,
    g.sketch_counts, case
    when cardinality(g.sketch_keys) >= 32 then (
      select sum(c.n * ('1e' || 12 * (c.key - -1))::numeric)
      from unnest(g.sketch_keys, g.sketch_counts) c(key, n)
    ) end,
    g.user_chunks, g.user_bits, g.agents
  from (
    select place, status, sum(n)::bigint as n, sum(errors)::bigint as errors,
      sum(durations)::bigint as durations, sum(sum_ms) as sum_ms, sum(sum_squares) as sum_squares,
      min(min_ms) as min_ms, max(max_ms) as max_ms, sum(credits) as credits,
      sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
      coalesce(
        array_agg(sketch_key order by sketch_key) filter (where sketch_key is not null), '{}'
      ) as sketch_keys,
      coalesce(
        array_agg(weight::int order by sketch_key) filter (where sketch_key is not null), '{}'
      ) as sketch_counts,
      coalesce(
        array_agg(user_chunk order by user_chunk) filter (where user_chunk is not null), '{}'
      ) as user_chunks,
      coalesce(
        array_agg(user_bits order by user_chunk) filter (where user_chunk is not null), '{}'
      ) as user_bits,
      coalesce(
        array_agg(agent_set order by agent_set) filter (where agent_set is not null), '{}'
      ) as agents
    from (
      select *
      from parts
      union all
      select place, '' as status, sketch_key, user_chunk, bit_or(user_bits), agent_set, 0 as n,
        0 as errors, 0 as durations, 0 as sum_ms, 0 as sum_squares, null::bigint as min_ms,
        null::bigint as max_ms, 0 as credits, 0 as tokens_in, 0 as tokens_out, sum(weight) as weight
      from parts
      group by place, sketch_key, user_chunk, agent_set
    ) stacked
    group by place, status
  ) g
  join asked w
  using (place)
),
"insert_1" as (
  insert into "execution_metrics_hourly" (
    grain, workspace_id, bucket, agent_id, status, executions, errors, duration_count,
    duration_sum_ms, duration_sum_squares, duration_min_ms, duration_max_ms, credits, tokens_in,
    tokens_out, sketch_keys, sketch_counts, sketch_sum, user_chunks, user_bits, agent_ids
  )
  with parts as materialized (
    select place, agent_id, status, sketch_key, user_chunk, user_bits, agent_set, n, errors,
      durations, sum_ms, sum_squares, min_ms, max_ms, credits, tokens_in, tokens_out, weight
    from "agent_parts"
  )
  select 'agent', w.workspace_id, w.bucket, g.agent_id, g.status, g.n, g.errors, g.durations,
    g.sum_ms, g.sum_squares, g.min_ms, g.max_ms, g.credits, g.tokens_in, g.tokens_out,
    g.sketch_keys, g.sketch_counts, case
    when cardinality(g.sketch_keys) >= 32 then (
      select sum(c.n * ('1e' || 12 * (c.key - -1))::numeric)
      from unnest(g.sketch_keys, g.sketch_counts) c(key, n)
    ) end,
    g.user_chunks, g.user_bits, g.agents
  from (
    select place, agent_id, status, sum(n)::bigint as n, sum(errors)::bigint as errors,
      sum(durations)::bigint as durations, sum(sum_ms) as sum_ms, sum(sum_squares) as sum_squares,
      min(min_ms) as min_ms, max(max_ms) as max_ms, sum(credits) as credits,
      sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
      coalesce(
        array_agg(sketch_key order by sketch_key) filter (where sketch_key is not null), '{}'
      ) as sketch_keys,
      coalesce(
        array_agg(weight::int order by sketch_key) filter (where sketch_key is not null), '{}'
      ) as sketch_counts,
      coalesce(
        array_agg(user_chunk order by user_chunk) filter (where user_chunk is not null), '{}'
      ) as user_chunks,
      coalesce(
        array_agg(user_bits order by user_chunk) filter (where user_chunk is not null), '{}'
      ) as user_bits,
      coalesce(
        array_agg(agent_set order by agent_set) filter (where agent_set is not null), '{}'
      ) as agents
    from (
      select *
      from parts
      union all
      select place, agent_id, '' as status, sketch_key, user_chunk, bit_or(user_bits), agent_set,
        0 as n, 0 as errors, 0 as durations, 0 as sum_ms, 0 as sum_squares, null::bigint as min_ms,
        null::bigint as max_ms, 0 as credits, 0 as tokens_in, 0 as tokens_out, sum(weight) as weight
      from parts
      group by place, agent_id, sketch_key, user_chunk, agent_set
    ) stacked
    group by place, agent_id, status
  ) g
  join asked w
  using (place)
)
select 1
where false;

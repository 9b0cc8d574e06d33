delete from rollup_marks
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where unit = 'day' and "rollup_marks".workspace_id = w.workspace_id
  and "rollup_marks".bucket = w.bucket;

delete from "execution_metrics_daily"
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where "execution_metrics_daily".workspace_id = w.workspace_id
  and "execution_metrics_daily".bucket = w.bucket;

delete from "execution_quarters_daily"
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where "execution_quarters_daily".workspace_id = w.workspace_id
  and "execution_quarters_daily".bucket = w.bucket;

delete from "user_activity_daily"
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where "user_activity_daily".workspace_id = w.workspace_id
  and "user_activity_daily".bucket = w.bucket;

delete from "user_presence_daily"
using unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
with ordinality as w(workspace_id, bucket, place)
where "user_presence_daily".workspace_id = w.workspace_id
  and "user_presence_daily".bucket = w.bucket;

with asked as materialized (
  select workspace_id, bucket, place::int as place,
    (dense_rank() over (order by workspace_id))::int as space
  from unnest('{acme}'::text[], '{2026-10-01T00:00:00.000Z}'::timestamptz[])
  with ordinality as w(workspace_id, bucket, place)
),
raw as materialized (
  select w.place, w.space, r.*, case when r.ms is not null then case
    when r.ms > 0 then ceil(ln(r.ms::float8) / 0.020000666706669435)::int else -1 end end as cell
  from asked w
  cross join lateral (
    select coalesce(e.user_id, '') as user_id, e.agent_id, coalesce(e.model, '') as model,
      coalesce(e.environment, '') as environment, coalesce(e.version, '') as version,
      coalesce(e.error_type, '') as error_type, e.status, e.error_type is not null as failed, case
      when e.status <> 'running' then e.duration_ms end as ms, e.credits, e.tokens_in, e.tokens_out,
      floor(extract(epoch from e.started_at - w.bucket) / 900)::int as quarter
    from executions e
    where "e"."workspace_id" = any(array["w"."workspace_id", "w"."workspace_id"])
      and e.started_at >= w.bucket and e.started_at < w.bucket + interval '1440 minutes'
      and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
      and e.started_at < '2026-10-02T00:00:00.000Z'::timestamptz
    offset 0
  ) r
),
people as materialized (
  select space, user_id, min(place) as first from raw group by space, user_id
),
met as materialized (
  select space, user_id, p.first, k.number
  from people p full
  join (
    select s.space, n.user_id, n.number
    from (
      select g.space, g.ids, w.workspace_id
      from (select space, array_agg(user_id) as ids from people group by space) g
      join (select distinct space, workspace_id from asked) w
      using (space)
      offset 0
    ) s
    cross join lateral (
      select n.user_id, n.number
      from user_numbers n
      where "n"."workspace_id" = any(array["s"."workspace_id", "s"."workspace_id"])
        and n.user_id = any(s.ids) and found_by_key(n.number)
      offset 0
    ) n
  ) k
  using (space, user_id)
),
unknown as materialized (
  select w.workspace_id, m.space, m.user_id,
    row_number() over (partition by m.space order by m.first desc, m.user_id desc) as back
  from met m
  join (select distinct space, workspace_id from asked) w
  using (space)
  where m.number is null and m.user_id <> ''
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
  select u.workspace_id, u.space, u.user_id, (c.next - u.back)::int as number
  from unknown u
  join counted c
  using (workspace_id)
),
added as (
  insert into user_numbers (workspace_id, user_id, number)
  select workspace_id, user_id, number
  from given
),
users as materialized (
  select space, user_id, (row_number() over (order by space, user_id))::int as person,
    number / 256 as chunk, set_bit(repeat('0', 256)::bit(256), number % 256, 1) as bits
  from (
    select space, user_id, number
    from met
    where number is not null or user_id = ''
    union all
    select space, user_id, number
    from given
  ) numbers
),
labels as materialized (
  select agent_id, model, environment, version, error_type, status,
    (dense_rank() over (order by agent_id))::int as agent,
    (dense_rank() over (order by agent_id, model, environment, version, error_type))::int as cube,
    (dense_rank() over (order by status))::int as state
  from (
    select agent_id, model, environment, version, error_type, status
    from raw
    group by agent_id, model, environment, version, error_type, status
  ) l
),
facts as materialized (
  select r.place, l.agent, l.cube, r.quarter, r.status, r.agent_id, l.state, u.person, u.chunk,
    u.bits, r.cell, r.failed, r.ms, r.credits, r.tokens_in, r.tokens_out
  from raw r full
  join users u
  using (space, user_id) full
  join labels l
  using (agent_id, model, environment, version, error_type, status)
),
cube_sums as materialized (
  select place, agent, cube, state, count(*) as n, count(*) filter (where failed) as errors,
    count(ms) as durations, coalesce(sum(ms), 0) as sum_ms,
    coalesce(sum(case when ms < 3000000000 then ms * ms end), 0) + coalesce(
      sum(ms::numeric * ms) filter (where ms >= 3000000000), 0
    ) as sum_squares,
    min(ms) as min_ms, max(ms) as max_ms, coalesce(sum(credits), 0) as credits,
    coalesce(sum(tokens_in), 0) as tokens_in, coalesce(sum(tokens_out), 0) as tokens_out
  from facts
  group by place, agent, cube, state
),
cube_cells as materialized (
  select place, agent, cube, state, cell, count(*)::int as n
  from facts
  group by place, agent, cube, state, cell
),
cube_chunks as materialized (
  select place, agent, cube, state, chunk, bit_or(bits) as bits
  from facts
  where chunk is not null
  group by place, agent, cube, state, chunk
),
agent_sums as materialized (
  select place, agent, state, sum(n) as n, sum(errors) as errors, sum(durations) as durations,
    sum(sum_ms) as sum_ms, sum(sum_squares) as sum_squares, min(min_ms) as min_ms,
    max(max_ms) as max_ms, sum(credits) as credits, sum(tokens_in) as tokens_in,
    sum(tokens_out) as tokens_out
  from cube_sums
  group by place, agent, state
),
agent_cells as materialized (
  select place, agent, state, cell, sum(n)::int as n
  from cube_cells
  group by place, agent, state, cell
),
agent_chunks as materialized (
  select place, agent, state, chunk, bit_or(bits) as bits
  from cube_chunks
  where chunk is not null
  group by place, agent, state, chunk
),
total_sums as materialized (
  select place, state, sum(n) as n, sum(errors) as errors, sum(durations) as durations,
    sum(sum_ms) as sum_ms, sum(sum_squares) as sum_squares, min(min_ms) as min_ms,
    max(max_ms) as max_ms, sum(credits) as credits, sum(tokens_in) as tokens_in,
    sum(tokens_out) as tokens_out
  from agent_sums
  group by place, state
),
total_cells as materialized (
  select place, state, cell, sum(n)::int as n from agent_cells group by place, state, cell
),
total_chunks as materialized (
  select place, state, chunk, bit_or(bits) as bits
  from agent_chunks
  where chunk is not null
  group by place, state, chunk
),
person_sums as materialized (
  select place, person, state, count(*) as n, count(*) filter (where failed) as errors,
    count(ms) as durations, coalesce(sum(ms), 0) as sum_ms,
    coalesce(sum(case when ms < 3000000000 then ms * ms end), 0) + coalesce(
      sum(ms::numeric * ms) filter (where ms >= 3000000000), 0
    ) as sum_squares,
    min(ms) as min_ms, max(ms) as max_ms, coalesce(sum(credits), 0) as credits,
    coalesce(sum(tokens_in), 0) as tokens_in, coalesce(sum(tokens_out), 0) as tokens_out
  from facts
  group by place, person, state
),
person_cells as materialized (
  select place, person, state, cell, count(*)::int as n
  from facts
  group by place, person, state, cell
),
"insert_0" as (
  insert into "execution_metrics_daily" (
    grain, workspace_id, bucket, status, executions, errors, duration_count, duration_sum_ms,
    duration_sum_squares, duration_min_ms, duration_max_ms, credits, tokens_in, tokens_out,
    sketch_keys, sketch_counts, sketch_sum, user_chunks, user_bits, agent_ids
  )
  select 'total', w.workspace_id, w.bucket, case
    when g.state > 0 then (
      select array_agg(status order by state)
      from (select distinct state, status from labels) states
    )[g.state]
    else '' end, coalesce(s.n, 0), coalesce(s.errors, 0), coalesce(s.durations, 0),
    coalesce(s.sum_ms, 0), coalesce(s.sum_squares, 0), s.min_ms, s.max_ms, coalesce(s.credits, 0),
    coalesce(s.tokens_in, 0), coalesce(s.tokens_out, 0), g.sketch_keys, g.sketch_counts, case
    when cardinality(g.sketch_keys) >= 32 then (
      select sum(c.n * ('1e' || 12 * (c.key - -1))::numeric)
      from unnest(g.sketch_keys, g.sketch_counts) c(key, n)
    ) end,
    g.user_chunks, g.user_bits, g.agents
  from (
    select place, state,
      coalesce(
        array_agg(item order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_keys,
      coalesce(
        array_agg(n order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_counts,
      coalesce(array_agg(item order by item) filter (where bits is not null), '{}') as user_chunks,
      coalesce(array_agg(bits order by item) filter (where bits is not null), '{}') as user_bits,
      coalesce(
        array_agg(agent_id order by item) filter (where agent_id is not null), '{}'
      ) as agents
    from (
      select place, coalesce(state, 0) as state, cell as item, sum(n)::int as n,
        null::bit(256) as bits, null as agent_id
      from total_cells
      group by grouping sets ((place, state, cell), (place, cell))
      union all
      select place, coalesce(state, 0) as state, chunk, null, bit_or(bits), null
      from total_chunks
      group by grouping sets ((place, state, chunk), (place, chunk))
      union all
      select place, coalesce(state, 0) as state, agent, null, null, agent_id
      from agent_sums full
      join (select distinct agent, agent_id from labels) a
      using (agent)
      group by grouping sets ((place, state, agent, agent_id), (place, agent, agent_id))
    ) items
    group by place, state
  ) g full
  join total_sums s
  using (place, state)
  join asked w
  using (place)
  order by place, state
),
"insert_1" as (
  insert into "execution_metrics_daily" (
    grain, workspace_id, bucket, agent_id, status, executions, errors, duration_count,
    duration_sum_ms, duration_sum_squares, duration_min_ms, duration_max_ms, credits, tokens_in,
    tokens_out, sketch_keys, sketch_counts, sketch_sum, user_chunks, user_bits, agent_ids
  )
  select 'agent', w.workspace_id, w.bucket, t.agent_id, case
    when g.state > 0 then (
      select array_agg(status order by state)
      from (select distinct state, status from labels) states
    )[g.state]
    else '' end, coalesce(s.n, 0), coalesce(s.errors, 0), coalesce(s.durations, 0),
    coalesce(s.sum_ms, 0), coalesce(s.sum_squares, 0), s.min_ms, s.max_ms, coalesce(s.credits, 0),
    coalesce(s.tokens_in, 0), coalesce(s.tokens_out, 0), g.sketch_keys, g.sketch_counts, case
    when cardinality(g.sketch_keys) >= 32 then (
      select sum(c.n * ('1e' || 12 * (c.key - -1))::numeric)
      from unnest(g.sketch_keys, g.sketch_counts) c(key, n)
    ) end,
    g.user_chunks, g.user_bits, g.agents
  from (
    select place, agent, state,
      coalesce(
        array_agg(item order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_keys,
      coalesce(
        array_agg(n order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_counts,
      coalesce(array_agg(item order by item) filter (where bits is not null), '{}') as user_chunks,
      coalesce(array_agg(bits order by item) filter (where bits is not null), '{}') as user_bits,
      coalesce(
        array_agg(agent_id order by item) filter (where agent_id is not null), '{}'
      ) as agents
    from (
      select place, agent, coalesce(state, 0) as state, cell as item, sum(n)::int as n,
        null::bit(256) as bits, null as agent_id
      from agent_cells
      group by grouping sets ((place, agent, state, cell), (place, agent, cell))
      union all
      select place, agent, coalesce(state, 0) as state, chunk, null, bit_or(bits), null
      from agent_chunks
      group by grouping sets ((place, agent, state, chunk), (place, agent, chunk))
    ) items
    group by place, agent, state
  ) g full
  join agent_sums s
  using (place, agent, state) full
  join (select distinct agent, agent_id from labels) t
  using (agent)
  join asked w
  using (place)
  order by place, agent, state
),
"insert_2" as (
  insert into "user_activity_daily" (
    workspace_id, bucket, user_id, status, executions, errors, duration_count, duration_sum_ms,
    duration_sum_squares, duration_min_ms, duration_max_ms, credits, tokens_in, tokens_out,
    sketch_keys, sketch_counts, sketch_sum, user_chunks, user_bits, agent_ids
  )
  select w.workspace_id, w.bucket, t.user_id, case
    when g.state > 0 then (
      select array_agg(status order by state)
      from (select distinct state, status from labels) states
    )[g.state]
    else '' end, coalesce(s.n, 0), coalesce(s.errors, 0), coalesce(s.durations, 0),
    coalesce(s.sum_ms, 0), coalesce(s.sum_squares, 0), s.min_ms, s.max_ms, coalesce(s.credits, 0),
    coalesce(s.tokens_in, 0), coalesce(s.tokens_out, 0), g.sketch_keys, g.sketch_counts,
    null::numeric, g.user_chunks, g.user_bits, g.agents
  from (
    select place, person, state,
      coalesce(
        array_agg(item order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_keys,
      coalesce(
        array_agg(n order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_counts,
      coalesce(array_agg(item order by item) filter (where bits is not null), '{}') as user_chunks,
      coalesce(array_agg(bits order by item) filter (where bits is not null), '{}') as user_bits,
      coalesce(
        array_agg(agent_id order by item) filter (where agent_id is not null), '{}'
      ) as agents
    from (
      select place, person, coalesce(state, 0) as state, cell as item, sum(n)::int as n,
        null::bit(256) as bits, null as agent_id
      from person_cells
      group by grouping sets ((place, person, state, cell), (place, person, cell))
      union all
      select place, person, coalesce(state, 0) as state, agent, null, null, agent_id
      from facts
      where agent_id <> ''
      group by grouping sets (
        (place, person, state, agent, agent_id), (place, person, agent, agent_id)
      )
    ) items
    group by place, person, state
  ) g full
  join person_sums s
  using (place, person, state) full
  join (select person, user_id from users) t
  using (person)
  join asked w
  using (place)
  order by place, person, state
),
"insert_3" as (
  insert into "execution_metrics_daily" (
    grain, workspace_id, bucket, agent_id, model, environment, version, error_type, status,
    executions, errors, duration_count, duration_sum_ms, duration_sum_squares, duration_min_ms,
    duration_max_ms, credits, tokens_in, tokens_out, sketch_keys, sketch_counts, sketch_sum,
    user_chunks, user_bits, agent_ids
  )
  select 'cube', w.workspace_id, w.bucket, t.agent_id, t.model, t.environment, t.version,
    t.error_type, case
    when g.state > 0 then (
      select array_agg(status order by state)
      from (select distinct state, status from labels) states
    )[g.state]
    else '' end, coalesce(s.n, 0), coalesce(s.errors, 0), coalesce(s.durations, 0),
    coalesce(s.sum_ms, 0), coalesce(s.sum_squares, 0), s.min_ms, s.max_ms, coalesce(s.credits, 0),
    coalesce(s.tokens_in, 0), coalesce(s.tokens_out, 0), g.sketch_keys, g.sketch_counts,
    null::numeric, g.user_chunks, g.user_bits, g.agents
  from (
    select place, cube, state,
      coalesce(
        array_agg(item order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_keys,
      coalesce(
        array_agg(n order by item) filter (where n is not null and item is not null), '{}'
      ) as sketch_counts,
      coalesce(array_agg(item order by item) filter (where bits is not null), '{}') as user_chunks,
      coalesce(array_agg(bits order by item) filter (where bits is not null), '{}') as user_bits,
      coalesce(
        array_agg(agent_id order by item) filter (where agent_id is not null), '{}'
      ) as agents
    from (
      select place, cube, coalesce(state, 0) as state, cell as item, sum(n)::int as n,
        null::bit(256) as bits, null as agent_id
      from cube_cells
      group by grouping sets ((place, cube, state, cell), (place, cube, cell))
      union all
      select place, cube, coalesce(state, 0) as state, chunk, null, bit_or(bits), null
      from cube_chunks
      group by grouping sets ((place, cube, state, chunk), (place, cube, chunk))
    ) items
    group by place, cube, state
  ) g full
  join cube_sums s
  using (place, cube, state) full
  join (select distinct cube, agent_id, model, environment, version, error_type from labels) t
  using (cube)
  join asked w
  using (place)
  order by place, cube, state
),
"insert_4" as (
  insert into "user_presence_daily" (workspace_id, bucket, user_id, present, succeeded)
  select w.workspace_id, w.bucket, u.user_id, p.present, p.succeeded
  from (
    select place, person, bit_or(set_bit(repeat('0', 96)::bit(96), quarter, 1)) as present,
      bit_or(
        case when status = 'success' then set_bit(repeat('0', 96)::bit(96), quarter, 1)
        else repeat('0', 96)::bit(96) end
      ) as succeeded
    from facts
    group by place, person
  ) p full
  join users u
  using (person)
  join asked w
  using (place)
  where u.user_id <> ''
  order by place, person
),
"insert_5" as (
  insert into "execution_quarters_daily" (
    workspace_id, grain, bucket, agent_id, status, quarters, executions
  )
  select w.workspace_id, case when q.agent = 0 then 'total' else 'agent' end, w.bucket,
    coalesce(a.agent_id, ''), s.status, q.quarters, q.executions
  from (
    select place, agent, state, array_agg(quarter order by quarter) as quarters,
      array_agg(n order by quarter) as executions
    from (
      select place, coalesce(agent, 0) as agent, state, quarter, sum(n)::int as n
      from (
        select place, agent, state, quarter, count(*)::int as n from facts group by 1, 2, 3, 4
      ) cells
      group by grouping sets ((place, agent, state, quarter), (place, state, quarter))
    ) counted
    group by place, agent, state
  ) q full
  join (select distinct agent, agent_id from labels) a
  using (agent) full
  join (select distinct state, status from labels) s
  using (state)
  join asked w
  using (place)
  order by place, agent, state
)
select 1
where false;

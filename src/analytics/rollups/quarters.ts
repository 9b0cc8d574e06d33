import { type SQL, sql } from "drizzle-orm";

/** Column: the quarter of an hour of its day in which a raw row starts, from 0 to 95. */
export const QUARTER_COLUMN = sql.raw(
  ", floor(extract(epoch from e.started_at - w.bucket) / 900)::int as quarter",
);

export const PRESENCE_COLUMNS = sql.raw("workspace_id, bucket, user_id, present, succeeded");
export const QUARTER_COLUMNS = sql.raw(
  "workspace_id, grain, bucket, agent_id, status, quarters, executions",
);

const NO_BITS = "repeat('0', 96)::bit(96)";
const QUARTER_BIT = `set_bit(${NO_BITS}, quarter, 1)`;
const SUCCESS_BIT = `case when status = 'success' then ${QUARTER_BIT} else ${NO_BITS} end`;

/** Rows of `user_presence_daily` from the CTEs of a day's recomputation. */
export function presenceRows(): SQL {
  return sql`
    select w.workspace_id, w.bucket, u.user_id, p.present, p.succeeded
    from (
      select place, person,
        bit_or(${sql.raw(QUARTER_BIT)}) as present,
        bit_or(${sql.raw(SUCCESS_BIT)}) as succeeded
      from facts
      group by place, person
    ) p
    full join users u using (person)
    join asked w using (place)
    where u.user_id <> ''
    order by place, person`;
}

/** Numbers of executions by agent and of all agents, status and quarter. */
const COUNTED_QUARTERS = sql`
        select place, coalesce(agent, 0) as agent, state, quarter, sum(n)::int as n
        from (
          select place, agent, state, quarter, count(*)::int as n
          from facts
          group by 1, 2, 3, 4
        ) cells
        group by grouping sets ((place, agent, state, quarter), (place, state, quarter))`;

/** Rows of `execution_quarters_daily` from the same CTEs. */
export function quarterRows(): SQL {
  return sql`
    select w.workspace_id, case when q.agent = 0 then 'total' else 'agent' end,
      w.bucket, coalesce(a.agent_id, ''), s.status, q.quarters, q.executions
    from (
      select place, agent, state,
        array_agg(quarter order by quarter) as quarters,
        array_agg(n order by quarter) as executions
      from (${COUNTED_QUARTERS}
      ) counted
      group by place, agent, state
    ) q
    full join (select distinct agent, agent_id from labels) a using (agent)
    full join (select distinct state, status from labels) s using (state)
    join asked w using (place)
    order by place, agent, state`;
}

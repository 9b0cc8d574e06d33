import { type SQL, sql } from "drizzle-orm";
import { keyInList, keyInWorkspace } from "../../db/scope.ts";

/**
 * Sets of users in rollups are bits: a workspace gives each user a number (`user_numbers`), and a
 * set keeps, for each chunk of CHUNK_BITS numbers that has a user of it, the bits of those. Sets of
 * equal chunks are united bit by bit, whatever their ids are and however many they are.
 */
const CHUNK_BITS = 256;

export const USER_CHUNK = sql.raw(`number / ${CHUNK_BITS}`);

/** The bits of a chunk with the column `number` alone. */
export const USER_BIT = sql.raw(
  `set_bit(repeat('0', ${CHUNK_BITS})::bit(${CHUNK_BITS}), number % ${CHUNK_BITS}, 1)`,
);

/**
 * Numbers of a workspace's users (SQL: `user_id`, `number`), as far as they have one. One scan of
 * the index finds them all. `found_by_key` is true and dear: a table of few pages would else be
 * read as a whole, once for each list.
 * @param ids list of ids (SQL)
 */
const numbersIn = (scope: SQL, ids: SQL) => sql`
      select n.user_id, n.number
      from user_numbers n
      where ${scope} and n.user_id = any(${ids}) and found_by_key(n.number)
      offset 0`;

/**
 * CTEs: the users of the CTE `raw` (`users`: space, user_id, and `person`, an integer that stands
 * for both, with the chunk and the bits of the user's number). A run that writes gives each user
 * without a number the next; another run that does the same at once fails, for both change the
 * counter of a snapshot, and is tried again. Joins are full ones, though all users are on their
 * left: the planner, which knows no sizes here, would loop over any other.
 */
export function numbersOfUsers(writes: boolean): SQL {
  const met = sql`people as materialized (
    select space, user_id, min(place) as first
    from raw
    group by space, user_id
  ),
  met as materialized (
    select space, user_id, p.first, k.number
    from people p
    full join (
      select s.space, n.user_id, n.number
      from (
        select g.space, g.ids, w.workspace_id
        from (select space, array_agg(user_id) as ids from people group by space) g
        join (select distinct space, workspace_id from asked) w using (space)
        offset 0
      ) s
      cross join lateral (${numbersIn(keyInList("s", "n"), sql`s.ids`)}
      ) n
    ) k using (space, user_id)
  )`;
  const users = (numbers: SQL) => sql`
  users as materialized (
    select space, user_id, (row_number() over (order by space, user_id))::int as person,
      ${USER_CHUNK} as chunk,
      ${USER_BIT} as bits
    from (${numbers}) numbers
  )`;
  if (!writes) return sql`${met},${users(sql`select * from met`)}`;
  return sql`${met},
  unknown as materialized (
    select w.workspace_id, m.space, m.user_id,
      row_number() over (partition by m.space order by m.first desc, m.user_id desc) as back
    from met m
    join (select distinct space, workspace_id from asked) w using (space)
    where m.number is null and m.user_id <> ''
  ),
  counted as (
    insert into user_counters (workspace_id, next)
    select workspace_id, count(*) from unknown group by workspace_id order by workspace_id
    on conflict (workspace_id) do update set next = user_counters.next + excluded.next
    returning workspace_id, next
  ),
  given as materialized (
    select u.workspace_id, u.space, u.user_id, (c.next - u.back)::int as number
    from unknown u
    join counted c using (workspace_id)
  ),
  added as (
    insert into user_numbers (workspace_id, user_id, number)
    select workspace_id, user_id, number from given
  ),${users(sql`
      select space, user_id, number from met where number is not null or user_id = ''
      union all
      select space, user_id, number from given`)}`;
}

/**
 * Users of raw rows as rows of a set: the keys, `chunk`, `bits` and `id`. A user without a number
 * is in no rollup, and stands as `id`.
 * @param users the keys and `user_id`, distinct (SQL)
 */
export function userSetRows(keys: SQL, users: SQL, workspaceId: string): SQL {
  const ids = sql`array(select user_id from raw_rows where user_id is not null group by user_id)`;
  return sql`
    select ${keys},
      ${USER_CHUNK} as chunk,
      case when number is not null then ${USER_BIT} end as bits,
      case when number is null then user_id end as id
    from (${users}) users
    full join (${numbersIn(keyInWorkspace(workspaceId, "n"), ids)}
    ) numbers using (user_id)`;
}

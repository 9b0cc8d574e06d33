import { type SQL, sql } from "drizzle-orm";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import { asOneRow, keyInList, keyInWorkspace } from "../../db/scope.ts";
import {
  ADDED_METADATA,
  BYTES_BEHIND,
  IS_HEARD,
  MERGE_VERDICT,
  STATE_COLUMNS,
  STATED_COLUMNS,
} from "./merge.ts";
import type { Message } from "./message.ts";

const listed = (texts: string[]) => sql.raw(texts.join(", "));
const FIELDS = listed([
  "id text",
  ...STATED_COLUMNS.map(({ column, type }) => `${column} ${type}`),
]);
const stated = listed(STATED_COLUMNS.map(({ column }) => column));
const state = listed(STATE_COLUMNS.map(({ column }) => column));

/**
 * Stores executions that nobody has told of before, in one statement: key, row and mark of each.
 * Rows: the ids it created; the others are known already (`foldKnown`). Messages must be about
 * different executions and have a start. Keys are taken in the order of ids, so that writers of the
 * same ids wait for each other and cannot deadlock.
 */
export function insertNew(workspaceId: string, messages: readonly Message[]): SQL {
  return sql`with input as materialized (
    select * from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) as i(${FIELDS})
  ),
  keys as (
    insert into execution_keys (workspace_id, id, started_at)
    select ${workspaceId}, id, started_at from input order by id
    on conflict (workspace_id, id) do nothing
    returning id
  ),
  written as (
    insert into executions (workspace_id, id, ${stated})
    select ${workspaceId}, id, ${stated} from input where id in (select id from keys)
    returning id, started_at
  ),
  marks as (${insertMarks("hour", "started_at", sql`written`, sql`${workspaceId}`)})
  select id from written`;
}

/** Where in a list of messages those about one execution are, one behind the other. */
export interface MessageChain {
  id: string;
  first: number;
  last: number;
}

const chainRows = (chains: readonly MessageChain[]) =>
  sql`jsonb_to_recordset(${JSON.stringify(chains)}::jsonb) as i(id text, first int, last int)`;
/**
 * The key of each id. Looked up one by one: whatever the planner thinks of a workspace, it is not
 * read as a whole.
 */
const keyOf = (workspaceId: string, lock: SQL) => sql`lateral (
    select k.workspace_id, k.id, k.started_at from execution_keys k
    where ${keyInWorkspace(workspaceId, "k")} and k.id = i.id ${lock}
  ) k`;

/**
 * Locks the keys of these executions in the order of their ids: what follows in the transaction
 * sees every row that another writer had under way, and no other intake comes between.
 */
export function lockKeys(workspaceId: string, chains: readonly MessageChain[]): SQL {
  return sql`select k.id from (select id from ${chainRows(chains)} order by id offset 0) i
  cross join ${keyOf(workspaceId, sql`for update`)}`;
}

/** The row that a correction was made from: it is stored only if nobody has changed the row since. */
export interface CorrectionBasis {
  heardAt: string;
}

/** The executions as they are stored, in the shape of `STEP`. */
const stored = (
  workspaceId: string,
  chains: readonly MessageChain[],
  basis: CorrectionBasis | undefined,
) => sql`select k.workspace_id, k.id, i.first - 1, i.last, e.started_at::timestamptz,
      e.heard_at::timestamptz, false, false, null::text, null::text, null::bigint,
      ${listed(STATE_COLUMNS.map(({ column, type }) => `e.${column}::${type}`))}
    from ${chainRows(chains)}
    cross join ${keyOf(workspaceId, sql`offset 0`)}
    cross join lateral (
      select e.* from executions e
      where ${keyInList("k", "e")} and e.started_at = k.started_at and e.id = k.id
        ${basis ? sql`and e.heard_at = ${basis.heardAt}::timestamptz` : sql``}
      limit 1
    ) e`;

/** The next message of each execution, looked up by its place: a step costs what it costs. */
const STEP = sql`select e.workspace_id, e.id, e.place + 1, e.last, e.began, e.heard_at,
      e.heard or ${sql.raw(IS_HEARD)}, e.changed or v.outcome = 'updated', v.outcome, v.path,
      ${listed([BYTES_BEHIND, ...STATE_COLUMNS.map(({ behind }) => behind)])}
    from fold e
    cross join lateral jsonb_to_record((select messages from whole) -> (e.place + 1))
      as x(${FIELDS})
    cross join lateral (${sql.raw(ADDED_METADATA)}) a
    cross join lateral (${sql.raw(MERGE_VERDICT)} offset 0) v
    where e.place < e.last`;

/** Of a higher revision that says another start: the row goes, and is written where it belongs. */
const MOVES = {
  away: sql`gone as (
    delete from executions e using finals f
    where ${keyInList("f", "e")} and e.started_at = f.began and e.id = f.id
      and e.heard_at = f.heard_at and f.began <> f.started_at and ${asOneRow("f")}
    returning e.workspace_id, e.id, f.started_at as moved_to
  ),
  keys as (
    update execution_keys k set started_at = g.moved_to from gone g
    where ${keyInList("g", "k")} and k.id = g.id
  ),`,
  only: sql`where began = started_at or id in (select id from gone)`,
  hours: sql`union select workspace_id, moved_to from gone`,
};
/** Without a higher revision there is nothing of that to plan. */
const NO_MOVES: typeof MOVES = { away: sql``, only: sql``, hours: sql`` };

/**
 * Takes messages about known executions one after the other, in memory, and writes what each
 * execution is behind the last of them. Rows: a message's place, its outcome, the path of a
 * contradiction, the user behind it, and whether the execution was written; none for a message of
 * an execution that is not there. A row whose `heard_at` is another by now was changed by a writer
 * whose key was not there to be locked: it is not written, and its messages must be sent again.
 * A run that repeats itself is heard, at most once a minute.
 * @param messages in the order of `chains`
 * @param basis stores a correction of exactly this row or nothing
 */
export function foldKnown(
  workspaceId: string,
  messages: readonly Message[],
  chains: readonly MessageChain[],
  basis?: CorrectionBasis,
): SQL {
  const moves = messages.some((message) => message.revision > 0) ? MOVES : NO_MOVES;
  return sql`with recursive whole as materialized (
    select ${JSON.stringify(messages)}::jsonb as messages
  ),
  fold(
    workspace_id, id, place, last, began, heard_at, heard, changed, outcome, path, bytes, ${state}
  ) as (
    ${stored(workspaceId, chains, basis)}
    union all
    ${STEP}
  ),
  finals as materialized (
    select * from fold
    where place = last and (changed or heard and heard_at < now() - interval '1 minute')
  ),
  ${moves.away}
  written as (
    insert into executions as e (workspace_id, id, heard_at, ${state})
    select workspace_id, id, case when began = started_at then heard_at else now() end, ${state}
    from finals ${moves.only}
    on conflict (workspace_id, started_at, id) do update set heard_at = now(),
      ${listed(STATE_COLUMNS.map(({ column }) => `${column} = excluded.${column}`))}
    where e.heard_at = excluded.heard_at
    returning e.id
  ),
  changed_hours as (
    select workspace_id, began as at from finals where changed ${moves.hours}
  ),
  marks as (${insertMarks("hour", "at", sql`changed_hours`)})
  select place, outcome, path, user_id, id in (select id from written) as written
  from fold where outcome is not null`;
}

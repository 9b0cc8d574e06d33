import { type SQL, sql } from "drizzle-orm";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import { asOneRow, keyInList, keyInWorkspace } from "../../db/scope.ts";
import { FINAL_BIT, MERGED, type Message } from "./message.ts";

/**
 * How messages about one execution become one row, whatever their order (docs/intake.md proves it):
 * a higher revision replaces the row; within a revision a field that a final message stated stands, and one that only
 * messages of the running execution gave takes their greatest value. Both are joins of a semilattice.
 */
const COLUMNS = [
  "agent_id",
  "user_id",
  "status",
  ...MERGED.map((field) => field.column),
  "revision",
  "settled",
];
const columnList = sql.raw(COLUMNS.join(", "));
const FIELDS = sql.raw(
  ["id text", "agent_id text", "user_id text", "status text", "started_at timestamptz"]
    .concat(
      MERGED.map(({ column, type }) => `${column} ${type}`),
      "revision int",
      "settled int",
    )
    .join(", "),
);

const inputRows = (messages: readonly Message[]) =>
  sql`input as materialized (select * from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) as i(${FIELDS}))`;

/** The key of each message. Looked up one by one: whatever the planner thinks of a workspace, it is not read as a whole. */
const keyOf = (workspaceId: string, lock = sql`offset 0`) =>
  sql`lateral (select k.workspace_id, k.id, k.started_at from execution_keys k where ${keyInWorkspace(workspaceId, "k")} and k.id = i.id ${lock}) k`;
/** Keys in the order of ids, locked. */
const lockedKeys = (workspaceId: string, which = sql``) =>
  sql`select k.id, k.started_at from (select id from input ${which} order by id offset 0) i cross join ${keyOf(workspaceId, sql`for update`)}`;
/** `e` by the keys of the list `k`. */
const BY_KEY = sql`${keyInList("k", "e")} and e.started_at = k.started_at and e.id = k.id`;

/** Metadata of running messages joins key by key. */
const JOIN_METADATA = `case when e.metadata is null or x.metadata is null then coalesce(e.metadata, x.metadata) else
  (select coalesce(jsonb_object_agg(key, greatest(e.metadata -> key, x.metadata -> key)), '{}') from jsonb_object_keys(e.metadata || x.metadata) as key) end`;

/** An error is one fact: its message goes with its type. */
const JOIN_ERROR_MESSAGE = `case when x.error_type is null or e.error_type > x.error_type then e.error_message
  when e.error_type is null or x.error_type > e.error_type then x.error_message else greatest(e.error_message, x.error_message) end`;

/** The statement's text for one field; `e` is the stored row and `x` the message. */
function merged({ column, bit }: (typeof MERGED)[number]): string {
  const special: Record<string, string> = {
    metadata: JOIN_METADATA,
    error_message: JOIN_ERROR_MESSAGE,
  };
  const joined = special[column] ?? `greatest(e.${column}, x.${column})`;
  return `${column} = case when x.revision > e.revision then x.${column} when e.settled & ${bit} <> 0 then e.${column}
    when x.settled & ${bit} <> 0 then x.${column} else ${joined} end`;
}

/** Whether a message of the running execution raises this field. */
function raises({ column, type, bit }: (typeof MERGED)[number]): string {
  if (column === "error_message")
    return `(e.settled & ${bit} = 0 and e.error_message is distinct from (${JOIN_ERROR_MESSAGE}))`;
  const more =
    type === "jsonb"
      ? `x.metadata is not null and e.metadata is distinct from (${JOIN_METADATA})`
      : `x.${column} > e.${column}`;
  return `(e.settled & ${bit} = 0 and (${more} or e.${column} is null and x.${column} is not null))`;
}

/** Facts of one revision that the message states otherwise than the stored row: the path, and when. */
const CONTRADICTIONS: [path: string, when: string][] = [
  ["agent_id", "x.agent_id <> e.agent_id"],
  ["user_id", "coalesce(x.user_id <> e.user_id, false)"],
  ["status", `x.settled & e.settled & ${FINAL_BIT} <> 0 and x.status <> e.status`],
  ...MERGED.map(({ column, path, bit }): [string, string] => [
    path,
    `x.settled & e.settled & ${bit} <> 0 and x.${column} is distinct from e.${column}`,
  ]),
];
/** A message that names no user says nothing of it: one that does adds it, at any time. */
const NAMES_USER = "e.user_id is null and x.user_id is not null";
const ENDS_BEFORE_START = "coalesce(x.ended_at < e.started_at, false)";
/** What a correction was made from: it is stored only if nobody has changed the row since. */
export interface Basis {
  heardAt: string;
}
const unchanged = (basis: Basis | undefined) =>
  basis ? sql` and e.heard_at = ${basis.heardAt}::timestamptz` : sql``;
const SUPERSEDES = `not ${ENDS_BEFORE_START} and x.revision > e.revision`;
const ADVANCES = `not ${ENDS_BEFORE_START} and (x.revision > e.revision or x.revision = e.revision
  and not (${CONTRADICTIONS.map(([, when]) => `(${when})`).join(" or ")})
  and (x.settled & ~e.settled <> 0 or ${NAMES_USER} or x.settled = 0 and (e.stale or ${MERGED.map(raises).join(" or ")})))`;

/** An update reopens a run that was closed because it fell silent; a final status stands. */
const SET = `agent_id = x.agent_id, user_id = case when x.revision > e.revision then x.user_id else coalesce(e.user_id, x.user_id) end,
  status = case when x.revision > e.revision or x.settled <> 0 then x.status when e.settled <> 0 then e.status else 'running' end,
  ${MERGED.map(merged).join(",\n  ")},
  settled = case when x.revision > e.revision then x.settled else e.settled | x.settled end,
  revision = x.revision, stale = false, heard_at = now()`;

const excluded = (text: string) => sql.raw(text.replaceAll(/\bx\./g, "excluded."));

/**
 * Stores executions that nobody has told of before, in one statement that costs half of a merge: key, row and mark of each.
 * Rows: the ids it created; the others are known already (`upsert`). Messages must be about different executions and have a start.
 * Keys are taken in the order of ids, so that writers of the same ids wait for each other and cannot deadlock.
 */
export function insertNew(workspaceId: string, messages: readonly Message[]): SQL {
  return sql`with ${inputRows(messages)},
  keys as (
    insert into execution_keys (workspace_id, id, started_at) select ${workspaceId}, id, started_at from input order by id
    on conflict (workspace_id, id) do nothing returning id
  ),
  written as (
    insert into executions (workspace_id, id, started_at, ${columnList}) select ${workspaceId}, id, started_at, ${columnList}
    from input where id in (select id from keys) returning id, started_at
  ),
  marks as (${insertMarks("hour", "started_at", sql`written`, sql`${workspaceId}`)})
  select id from written`;
}

/**
 * Writes messages about different executions: keys, rows and marks in one statement. Rows: the ids that it created or
 * changed, with their user; an id that is missing was a duplicate, a conflict or unknown (`classify`).
 * The key row is locked first and in the order of ids, as in `insertNew`.
 * @param basis stores a correction of exactly this row or nothing, instead of joining
 */
export function upsert(workspaceId: string, messages: readonly Message[], basis?: Basis): SQL {
  const known = messages.some((message) => message.started_at === undefined)
    ? lockedKeys(workspaceId, sql`where started_at is null`)
    : sql`select null::text as id, null::timestamptz as started_at where false`;
  return sql`with ${inputRows(messages)},
  known as materialized (${known}),
  keys as (
    insert into execution_keys as k (workspace_id, id, started_at)
    select ${workspaceId}, id, started_at from input where started_at is not null order by id
    on conflict (workspace_id, id) do update set started_at = k.started_at where k.started_at <> excluded.started_at
    returning new.id, old.id is not null as elsewhere
  ),
  written as (
    insert into executions as e (workspace_id, id, started_at, ${columnList})
    select ${workspaceId}, i.id, coalesce(i.started_at, n.started_at), ${sql.raw(COLUMNS.map((column) => `i.${column}`).join(", "))}
    from input i left join known n on n.id = i.id
    where coalesce(i.started_at, n.started_at) is not null and not exists (select from keys k where k.id = i.id and k.elsewhere)
    order by i.id
    on conflict (workspace_id, started_at, id) do update set ${excluded(SET)} where ${excluded(basis ? SUPERSEDES : ADVANCES)}${unchanged(basis)}
    returning new.id, new.started_at, new.user_id, old.id is null as created
  ),
  marks as (${insertMarks("hour", "started_at", sql`written`, sql`${workspaceId}`)})
  select id, user_id, created from written`;
}

/** Locks the keys of these messages: what follows in the transaction sees every row that another writer had under way. */
export function lockKeys(workspaceId: string, messages: readonly Message[]): SQL {
  return sql`with ${inputRows(messages)} ${lockedKeys(workspaceId)}`;
}

/** Takes away the rows that a higher revision moves to another start; `upsert` then writes them there. Rows: their ids. */
export function moveStarts(workspaceId: string, messages: readonly Message[], basis?: Basis): SQL {
  return sql`with ${inputRows(messages)},
  known as materialized (select k.*, i.started_at as moved_to, i.revision from input i cross join ${keyOf(workspaceId)} where ${asOneRow("i")}),
  gone as (
    delete from executions e using known k where ${BY_KEY} and k.moved_to <> k.started_at and k.revision > e.revision${unchanged(basis)}
    returning e.workspace_id, e.id, e.started_at, k.moved_to
  ),
  keys as (update execution_keys k set started_at = g.moved_to from gone g where ${keyInList("g", "k")} and k.id = g.id),
  marks as (${insertMarks("hour", "started_at", sql`gone`, sql`${workspaceId}`)})
  select id from gone`;
}

/**
 * Why messages were not written. Rows: id; `stored` (false: unknown); `newer` (the message has a higher revision: it lost a
 * race and should be sent again); `superseded` (an end of an earlier revision than the open row's: refused, not repeated);
 * `path` of the first contradiction, null for a duplicate. A run that repeats itself is heard, though nothing changes; `case`
 * keeps the index of running runs out of that, which holds all of the workspace's.
 */
export function classify(workspaceId: string, messages: readonly Message[]): SQL {
  const same = (text: string) => sql.raw(text);
  const cases = CONTRADICTIONS.map(([path, when]) => sql`when ${same(when)} then ${path}`);
  return sql`with ${inputRows(messages)},
  known as materialized (select k.*, i.settled, i.revision from input i cross join ${keyOf(workspaceId)} where ${asOneRow("i")}),
  beats as (
    update executions e set heard_at = now() from known k
    where ${BY_KEY} and case when e.status = 'running' and k.settled = 0 then k.revision = e.revision and e.heard_at < now() - interval '1 minute' end
  )
  select x.id, e.id is not null as stored, coalesce(x.revision > e.revision, false) as newer,
    coalesce(x.revision < e.revision and x.settled <> 0 and e.settled = 0, false) as superseded,
    case when e.id is null or x.revision <> e.revision then null when x.started_at <> e.started_at then 'started_at' ${sql.join(cases, sql` `)} end as path,
    ${same(ENDS_BEFORE_START)} and x.revision >= e.revision as reversed
  from input x left join known k using (id)
  left join lateral (select e.* from executions e where ${BY_KEY} offset 0) e on true`;
}

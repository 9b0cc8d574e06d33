import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { inWorkspace } from "../../db/scope.ts";

export const hitRow = z.object({
  id: z.string(),
  title: z.string(),
  detail: z.string().nullable(),
  score: z.number(),
});

/** The text, and its words as prefixes for full text search (null if it has none). */
export interface SearchQuestion {
  workspaceId: string;
  text: string;
  words: string | null;
  limit: number;
}

const scoreOf = (id: SQL, { text }: SearchQuestion) => sql`
  case
    when lower(${id}) = lower(${text}::text) then 3
    when starts_with(lower(${id}), lower(${text}::text)) then 2
    else 1
  end`;

const beginsIgnoringCase = (value: SQL, { text }: SearchQuestion) =>
  sql`starts_with(lower(${value}), lower(${text}::text))`;

function matchesWords(document: SQL, { words }: SearchQuestion): SQL {
  if (words === null) return sql`false`;
  const text = sql`regexp_replace(${document}, '[^[:alnum:]]+', ' ', 'g')`;
  return sql`to_tsvector('simple', ${text}) @@ to_tsquery('simple', ${words})`;
}

/**
 * An id that begins with the text, as it is written. The ends, of which the last character is the
 * greatest, are a range of the index whatever the collation; without them a search that finds
 * nothing reads every id of the workspace.
 */
const beginsExactly = (id: SQL, { text }: SearchQuestion) => sql`
  ${id} >= ${text}::text
  and ${id} <= ${text}::text || chr(1114111)
  and starts_with(${id}, ${text}::text)`;

/**
 * Ids that begin with the text: a loose index scan, so that an id with many rows costs one step.
 */
function idsOf(asked: SearchQuestion, table: string, columnName: string): SQL {
  const column = sql`x.${sql.identifier(columnName)}`;
  const next = (after: SQL) => sql`(
    select ${column}
    from ${sql.identifier(table)} x
    where ${inWorkspace(asked.workspaceId, "x")}
      and ${beginsExactly(column, asked)}
      and ${after}
    order by ${column}
    limit 1
  )`;
  return sql`
    with recursive found(id) as (
      select ${next(sql`true`)}
      union all
      select ${next(sql`${column} > f.id`)}
      from found f
      where f.id is not null
    )
    select id
    from found
    where id is not null
    limit ${asked.limit}`;
}

function namedAgents(asked: SearchQuestion): SQL {
  const name = sql`coalesce(a.name, '')`;
  const document = sql`${name} || ' ' || array_to_string(a.labels, ' ')`;
  return sql`
    select a.id, coalesce(a.name, a.id) as title, array_to_string(a.labels, ', ') as detail,
      greatest(${scoreOf(sql`a.id`, asked)}, ${scoreOf(name, asked)}) as score
    from agents a
    where ${inWorkspace(asked.workspaceId, "a")}
      and (${beginsIgnoringCase(sql`a.id`, asked)}
        or ${beginsIgnoringCase(name, asked)}
        or ${matchesWords(document, asked)})
    order by score desc, a.id
    limit ${asked.limit}`;
}

const agentsThatRan = (asked: SearchQuestion) => sql`
  select f.id, coalesce(a.name, f.id), null, ${scoreOf(sql`f.id`, asked)}
  from (${idsOf(asked, "executions", "agent_id")}) f
  left join agents a on ${inWorkspace(asked.workspaceId, "a")} and a.id = f.id`;

const agentHits = (asked: SearchQuestion) => sql`
  select id, max(title) as title, max(detail) as detail, max(score) as score
  from (
    (${namedAgents(asked)})
    union all
    (${agentsThatRan(asked)})
  ) both_kinds
  group by id
  order by score desc, id
  limit ${asked.limit}`;

const userHits = (asked: SearchQuestion) => sql`
  select id, id as title, null::text as detail, ${scoreOf(sql`id`, asked)} as score
  from (
    (${idsOf(asked, "executions", "user_id")})
    union
    (${idsOf(asked, "events", "user_id")})
  ) ids
  order by score desc, id
  limit ${asked.limit}`;

const executionHits = (asked: SearchQuestion) => sql`
  select k.id, k.id as title, e.agent_id || ', ' || e.status as detail,
    ${scoreOf(sql`k.id`, asked)} as score
  from (
    select k.id, k.started_at
    from execution_keys k
    where ${inWorkspace(asked.workspaceId, "k")} and ${beginsExactly(sql`k.id`, asked)}
    order by k.id
    limit ${asked.limit}
  ) k
  cross join lateral execution_at(${asked.workspaceId}, k.started_at, k.id) e
  order by k.id`;

/**
 * Errors by their text. `>= ''` says "not null" as a condition of the index of errors: without one
 * another index of the workspace stands in for it, and all of its runs are looked through.
 */
function errorHits(asked: SearchQuestion): SQL {
  const document = sql`coalesce(e.error_type, '') || ' ' || coalesce(e.error_message, '')`;
  return sql`
    select e.error_fingerprint as id, max(e.error_type) as title, max(e.error_message) as detail,
      max(${scoreOf(sql`e.error_type`, asked)}) as score
    from executions e
    where ${inWorkspace(asked.workspaceId, "e")}
      and e.error_fingerprint >= ''
      and ${matchesWords(document, asked)}
    group by e.error_fingerprint
    order by score desc, count(*) desc, 1
    limit ${asked.limit}`;
}

/** Rows with a name and a description. */
function describedHits(asked: SearchQuestion, table: "funnels" | "reports"): SQL {
  const document = sql`f.name || ' ' || coalesce(f.description, '')`;
  return sql`
    select f.id, f.name as title, f.description as detail,
      ${scoreOf(sql`f.name`, asked)} as score
    from ${sql.identifier(table)} f
    where ${inWorkspace(asked.workspaceId, "f")}
      and (${beginsIgnoringCase(sql`f.name`, asked)} or ${matchesWords(document, asked)})
    order by score desc, f.id
    limit ${asked.limit}`;
}

/** The kinds of hits: each statement gives id, title, detail and score, the best first. */
export const SEARCH_KINDS = {
  agents: { collection: "/agents", find: agentHits },
  users: { collection: "/users", find: userHits },
  executions: { collection: "/executions", find: executionHits },
  errors: { collection: "/errors", find: errorHits },
  funnels: { collection: "/funnels", find: (asked) => describedHits(asked, "funnels") },
  reports: { collection: "/reports", find: (asked) => describedHits(asked, "reports") },
} as const satisfies Record<string, { collection: string; find(asked: SearchQuestion): SQL }>;

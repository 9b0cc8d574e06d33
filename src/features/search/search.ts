import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { type PreparedQuery, prepared, runInOneSnapshot } from "../../analytics/prepared.ts";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";
import { pathOf } from "../../http/path-id.ts";

export interface SearchHit {
  type: SearchType;
  id: string;
  title: string;
  detail: string | null;
  /** 3: it is the text; 2: it begins with it; 1: its words do. */
  score: number;
  href: string;
}

const row = z.object({
  id: z.string(),
  title: z.string(),
  detail: z.string().nullable(),
  score: z.number(),
});

/** What is asked: the text as it is, and its words as prefixes of words for full text search (null when it has none). */
interface Asked {
  workspaceId: string;
  text: string;
  words: string | null;
  limit: number;
}

const score = (id: SQL, { text }: Asked) =>
  sql`case when lower(${id}) = lower(${text}::text) then 3 when starts_with(lower(${id}), lower(${text}::text)) then 2 else 1 end`;
const matches = (document: SQL, { words }: Asked) =>
  words === null
    ? sql`false`
    : sql`to_tsvector('simple', regexp_replace(${document}, '[^[:alnum:]]+', ' ', 'g')) @@ to_tsquery('simple', ${words})`;

/**
 * An id that begins with the text, as it is written. The ends, of which the last character is the greatest, are a range of the index
 * whatever the collation; without them a search that finds nothing reads every id of the workspace.
 */
const begins = (id: SQL, { text }: Asked) =>
  sql`${id} >= ${text}::text and ${id} <= ${text}::text || chr(1114111) and starts_with(${id}, ${text}::text)`;

/**
 * Ids of a kind that begin with the text, as it is written: a loose scan, so that an id with many rows costs one step.
 */
function idsOf(asked: Asked, table: string, column: string): SQL {
  const [t, c] = [sql.identifier(table), sql.identifier(column)];
  const next = (after: SQL) =>
    sql`(select x.${c} from ${t} x where ${inWorkspace(asked.workspaceId, "x")} and ${begins(sql`x.${c}`, asked)} and ${after} order by x.${c} limit 1)`;
  return sql`with recursive found(id) as (
    select ${next(sql`true`)} union all select ${next(sql`x.${c} > f.id`)} from found f where f.id is not null
  ) select id from found where id is not null limit ${asked.limit}`;
}

function named(asked: Asked): SQL {
  const name = sql`coalesce(a.name, '') || ' ' || array_to_string(a.labels, ' ')`;
  return sql`select a.id, coalesce(a.name, a.id) as title, array_to_string(a.labels, ', ') as detail,
      greatest(${score(sql`a.id`, asked)}, ${score(sql`coalesce(a.name, '')`, asked)}) as score
    from agents a where ${inWorkspace(asked.workspaceId, "a")} and (starts_with(lower(a.id), lower(${asked.text}::text))
      or starts_with(lower(coalesce(a.name, '')), lower(${asked.text}::text)) or ${matches(name, asked)})
    order by score desc, a.id limit ${asked.limit}`;
}

/** What has a name and a description. */
function described(asked: Asked, table: "funnels" | "reports"): SQL {
  return sql`select f.id, f.name as title, f.description as detail, ${score(sql`f.name`, asked)} as score from ${sql.identifier(table)} f
    where ${inWorkspace(asked.workspaceId, "f")} and (starts_with(lower(f.name), lower(${asked.text}::text)) or ${matches(sql`f.name || ' ' || coalesce(f.description, '')`, asked)})
    order by score desc, f.id limit ${asked.limit}`;
}

/** One entry a kind: a further one is a line here. Each gives id, title, detail, score; the best first. */
const KINDS = {
  agents: {
    collection: "/agents",
    find: (
      asked: Asked,
    ) => sql`select id, max(title) as title, max(detail) as detail, max(score) as score from (
        (${named(asked)}) union all (select f.id, coalesce(a.name, f.id), null, ${score(sql`f.id`, asked)} from (${idsOf(asked, "executions", "agent_id")}) f
          left join agents a on ${inWorkspace(asked.workspaceId, "a")} and a.id = f.id)
      ) both_kinds group by id order by score desc, id limit ${asked.limit}`,
  },
  users: {
    collection: "/users",
    find: (
      asked: Asked,
    ) => sql`select id, id as title, null::text as detail, ${score(sql`id`, asked)} as score from (
        (${idsOf(asked, "executions", "user_id")}) union (${idsOf(asked, "events", "user_id")})
      ) ids order by score desc, id limit ${asked.limit}`,
  },
  executions: {
    collection: "/executions",
    find: (
      asked: Asked,
    ) => sql`select k.id, k.id as title, e.agent_id || ', ' || e.status as detail, ${score(sql`k.id`, asked)} as score
      from (select k.id, k.started_at from execution_keys k where ${inWorkspace(asked.workspaceId, "k")}
          and ${begins(sql`k.id`, asked)} order by k.id limit ${asked.limit}) k
        cross join lateral execution_at(${asked.workspaceId}, k.started_at, k.id) e order by k.id`,
  },
  errors: {
    collection: "/errors",
    find: (
      asked: Asked,
    ) => sql`select e.error_fingerprint as id, max(e.error_type) as title, max(e.error_message) as detail, max(${score(sql`e.error_type`, asked)}) as score
      from executions e where ${inWorkspace(asked.workspaceId, "e")} and e.error_fingerprint is not null
        and ${matches(sql`coalesce(e.error_type, '') || ' ' || coalesce(e.error_message, '')`, asked)}
      group by e.error_fingerprint order by score desc, count(*) desc, 1 limit ${asked.limit}`,
  },
  funnels: {
    collection: "/funnels",
    find: (asked: Asked) => described(asked, "funnels"),
  },
  reports: {
    collection: "/reports",
    find: (asked: Asked) => described(asked, "reports"),
  },
} as const satisfies Record<string, { collection: string; find(asked: Asked): SQL }>;

export type SearchType = keyof typeof KINDS;
export const SEARCH_TYPES = Object.keys(KINDS) as [SearchType, ...SearchType[]];

/** Words of the text as a query of prefixes: `rate lim` finds "rate limit". Everything but letters and digits parts words. */
function wordsOf(text: string): string | null {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.length === 0 ? null : words.map((word) => `${word}:*`).join(" & ");
}

/** The best matches of each kind, all from one snapshot. */
export async function searchWorkspace(
  ctx: Context,
  workspaceId: string,
  text: string,
  types: readonly SearchType[],
  limit: number,
): Promise<Record<string, SearchHit[]>> {
  const asked = { workspaceId, text, words: wordsOf(text), limit };
  const parts = types.map((type): PreparedQuery<SearchHit[]> => {
    const { collection, find } = KINDS[type];
    return prepared({ sql: find(asked), row }, (rows) =>
      rows.map((hit) => ({
        type,
        ...hit,
        href: pathOf(collection, hit.id, { workspace_id: workspaceId }),
      })),
    );
  });
  const found = await runInOneSnapshot(ctx.db, parts);
  return Object.fromEntries(types.map((type, index) => [type, found[index] ?? []]));
}

import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../context.ts";
import type { Db } from "../db/client.ts";
import { listByTime, type PageQuery } from "../db/keyset.ts";
import { insertWithin } from "../db/quotas.ts";
import { inWorkspace } from "../db/scope.ts";
import { AppError, notFound } from "../lib/errors.ts";

const keyRow = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  expires_at: z.string().nullable(),
  last_used_at: z.string().nullable(),
  previous_until: z.string().nullable(),
  created_at: z.string(),
  created_by: z.string(),
});
export type ApiKey = z.output<typeof keyRow>;

export interface ApiKeyInput {
  name: string;
  scopes: string[];
  expires_at?: string | null | undefined;
}

const COLUMNS = sql.raw(
  [
    "e.id, e.name, e.scopes, e.expires_at, e.last_used_at",
    "case when e.previous_until > now() then e.previous_until end as previous_until",
    "e.created_at, e.created_by",
  ].join(", "),
);

/** Newest first, ties by id. */
export function listKeys(db: Db, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`api_keys e`,
    columns: COLUMNS,
    row: keyRow,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
  };
  return listByTime(db, { ...list, timeOf: (row) => row.created_at }, query);
}

/**
 * Stores a key. An id that exists already is a request that was sent again.
 * @throws AppError unprocessable, `quota_exceeded`; conflict, for the secret is shown only once
 */
export async function createKey(
  { db, config }: Pick<Context, "db" | "config">,
  workspaceId: string,
  key: { id: string; hash: string; author: string },
  { name, scopes, expires_at = null }: ApiKeyInput,
): Promise<ApiKey> {
  const { created, ...stored } = await insertWithin(
    db,
    { quotas: config.QUOTAS, workspaceId, id: key.id },
    {
      table: "api_keys",
      name: "api_keys",
      insert: (allowed) => sql`
        insert into api_keys as e
          (workspace_id, id, name, hash, scopes, expires_at, created_by)
        select ${workspaceId}, ${key.id}, ${name}, ${key.hash}, ${sql.param(scopes)}::text[],
          ${expires_at}::timestamptz, ${key.author}
        where ${allowed}
        on conflict (id) do update set id = excluded.id where e.workspace_id = excluded.workspace_id
        returning ${COLUMNS}, e.hash = ${key.hash} as created`,
      row: keyRow.extend({ created: z.boolean() }),
    },
  );
  if (!created)
    throw new AppError(
      "conflict",
      "key_exists",
      `This Idempotency-Key has created the key ${key.id}; its secret was shown once.`,
    );
  return stored;
}

const one = (db: Db, statement: SQL) => db.maybe({ sql: statement, row: keyRow });

/**
 * Gives a key another secret. The one before it is accepted for a while; one before that is not.
 * @throws AppError not_found, also for a key of another workspace
 */
export async function rotateKey(
  db: Db,
  workspaceId: string,
  id: string,
  hash: string,
  overlapSeconds: number,
): Promise<ApiKey> {
  const rotated = await one(
    db,
    sql`update api_keys e
      set previous_hash = e.hash,
        previous_until = now() + make_interval(secs => ${overlapSeconds}::float8),
        hash = ${hash}
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id}
      returning ${COLUMNS}`,
  );
  if (!rotated) throw notFound("key");
  return rotated;
}

/** @throws AppError not_found, also for a key of another workspace */
export async function deleteKey(db: Db, workspaceId: string, id: string): Promise<void> {
  const deleted = await db.maybe({
    sql: sql`delete from api_keys e
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id}
      returning e.id`,
    row: z.object({ id: z.string() }),
  });
  if (!deleted) throw notFound("key");
}

const foundKey = keyRow.pick({ id: true, name: true, scopes: true }).extend({
  workspace_id: z.string(),
  /** The accepted digests: the key's own, and that of before while it overlaps. */
  hashes: z.array(z.string()),
  expires_ms: z.number().nullable(),
  previous_until_ms: z.number().nullable(),
});
export type FoundKey = z.output<typeof foundKey>;

/** The key of an id, of whatever workspace, unless it has expired. */
export async function findKey(db: Db, id: string): Promise<FoundKey | undefined> {
  return db.maybe({
    sql: sql`
      select k.id, k.name, k.scopes, k.workspace_id,
        array_remove(
          array[k.hash, case when k.previous_until > now() then k.previous_hash end], null
        ) as hashes,
        floor(extract(epoch from k.expires_at) * 1000)::float8 as expires_ms,
        floor(extract(epoch from
          case when k.previous_until > now() then k.previous_until end
        ) * 1000)::float8 as previous_until_ms
      from api_keys k
      where k.id = ${id} and (k.expires_at is null or k.expires_at > now())`,
    row: foundKey,
  });
}

/** Notes that a key was used, at most once a minute. */
export async function noteKeyUse(db: Db, id: string): Promise<void> {
  await db.run(sql`
    update api_keys
    set last_used_at = now()
    where id = ${id} and (last_used_at is null or last_used_at < now() - interval '1 minute')`);
}

import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Credential } from "../auth/actor.ts";
import type { Context } from "../context.ts";
import type { Db } from "../db/client.ts";
import { listByTime, type PageQuery } from "../db/keyset.ts";
import { insertWithin } from "../db/quotas.ts";
import { inWorkspace } from "../db/scope.ts";
import { notFound } from "../lib/errors.ts";

const revocation = z.object({
  id: z.string(),
  jti: z.string().nullable(),
  user_id: z.string().nullable(),
  before: z.string().nullable(),
  created_at: z.string(),
  created_by: z.string(),
});
export type Revocation = z.output<typeof revocation>;

/** One token by its `jti`, or all tokens of a user that were issued before a moment. */
export type RevocationInput = { jti: string } | { user_id: string; before: string };

const NOTHING = { jti: null, user_id: null, before: null };
const COLUMNS = sql.raw("e.id, e.jti, e.user_id, e.before, e.created_at, e.created_by");

/** Newest first, ties by id. */
export function listRevocations(db: Db, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`revocations e`,
    columns: COLUMNS,
    row: revocation,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
  };
  return listByTime(db, { ...list, timeOf: (row) => row.created_at }, query);
}

/**
 * Stores a revocation. What is revoked already stays so: of two moments of a user the later one
 * holds.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export async function createRevocation(
  { db, config }: Pick<Context, "db" | "config">,
  workspaceId: string,
  { id, author }: { id: string; author: string },
  input: RevocationInput,
): Promise<Revocation> {
  const { jti, user_id, before } = { ...NOTHING, ...input };
  const known = sql.raw(jti === null ? "user_id" : "jti");
  return insertWithin(
    db,
    { quotas: config.QUOTAS, workspaceId, id },
    {
      table: "revocations",
      name: "revocations",
      insert: (allowed) => sql`
        insert into revocations as e (workspace_id, id, jti, user_id, before, created_by)
        select ${workspaceId}, ${id}, ${jti}, ${user_id}, ${before}::timestamptz, ${author}
        where ${allowed} or exists (
          select from revocations r
          where ${inWorkspace(workspaceId, "r")} and r.${known} = ${jti ?? user_id}
        )
        on conflict (workspace_id, ${known}) do update
        set before = greatest(e.before, excluded.before)
        returning ${COLUMNS}`,
      row: revocation,
    },
  );
}

/** @throws AppError not_found, also for a revocation of another workspace */
export async function deleteRevocation(db: Db, workspaceId: string, id: string): Promise<void> {
  const deleted = await db.maybe({
    sql: sql`delete from revocations e
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id}
      returning e.id`,
    row: z.object({ id: z.string() }),
  });
  if (!deleted) throw notFound("revocation");
}

/** The workspaces, of a list, in which a token is revoked. */
export async function revokingWorkspaces(
  db: Db,
  workspaceIds: readonly string[],
  userId: string,
  { jti, issuedAtMs }: Credential,
): Promise<string[]> {
  const rows = await db.all({
    sql: sql`
      select w.id
      from unnest(${sql.param([...workspaceIds])}::text[]) w(id)
      where exists (
        select from revocations r where r.workspace_id = w.id and r.jti = ${jti ?? null}::text
      )
        or exists (
          select from revocations r
          where r.workspace_id = w.id and r.user_id = ${userId}
            and r.before > to_timestamp(${issuedAtMs / 1000}::float8)
        )`,
    row: z.object({ id: z.string() }),
  });
  return rows.map(({ id }) => id);
}

/** Which of the connections of a workspace have a token that is revoked, or a key that has ended. */
export async function endedConnections(
  db: Db,
  workspaceId: string,
  connections: readonly { userId: string; credential: Credential }[],
): Promise<Set<number>> {
  const texts = (of: (each: (typeof connections)[number]) => string | undefined) =>
    sql`${sql.param(connections.map((each) => of(each) ?? null))}::text[]`;
  const issued = connections.map(({ credential }) => credential.issuedAtMs / 1000);
  const rows = await db.all({
    sql: sql`
      select c.place::int as place
      from unnest(
        ${texts(({ userId }) => userId)},
        ${texts(({ credential }) => credential.jti)},
        ${texts(({ credential }) => credential.key)},
        ${sql.param(issued)}::float8[]
      ) with ordinality c(user_id, jti, key, issued, place)
      where (
        c.key is not null
        and not exists (
          select from api_keys k
          where ${inWorkspace(workspaceId, "k")} and k.id = c.key
            and (k.expires_at is null or k.expires_at > now())
        )
      )
        or exists (
          select from revocations r where ${inWorkspace(workspaceId, "r")} and r.jti = c.jti
        )
        or exists (
          select from revocations r
          where ${inWorkspace(workspaceId, "r")} and r.user_id = c.user_id
            and r.before > to_timestamp(c.issued)
        )`,
    row: z.object({ place: z.number() }),
  });
  return new Set(rows.map(({ place }) => place - 1));
}

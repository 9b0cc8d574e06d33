import type { User } from "../auth/actor.ts";
import { idOfKey, invalidKey } from "../auth/api-key.ts";
import { LAST_MS } from "../auth/claims.ts";
import type { Context } from "../context.ts";
import { BoundedStore, bytesOf } from "../lib/bounded-store.ts";
import { sha256Hex } from "../lib/digest.ts";
import { type FoundKey, findKey, noteKeyUse } from "../store/api-keys.ts";

/** A key that was deleted or rotated in another isolate is accepted for so long. */
const REMEMBERED_MS = 30_000;
const MAX_BYTES = 1024 * 1024;

interface KnownKey {
  digests: Uint8Array[];
  user: User;
}

const remembered = new BoundedStore<KnownKey>(MAX_BYTES);

const accepts = ({ digests }: KnownKey, digest: Uint8Array) =>
  digests.some((known) => crypto.subtle.timingSafeEqual(known, digest));

const userOfKey = ({ id, name, scopes, workspace_id, expires_ms }: FoundKey): User => ({
  kind: "user",
  key: { id, name },
  credential: { key: id, issuedAtMs: 0 },
  id: `key:${id}`,
  email: undefined,
  workspaces: new Map([[workspace_id, undefined]]),
  workspaceId: workspace_id,
  permissions: new Set(scopes),
  expiresAtMs: expires_ms ?? LAST_MS,
});

function remember(found: FoundKey, nowMs: number): KnownKey {
  const known = {
    digests: found.hashes.map((hash) => Uint8Array.fromHex(hash)),
    user: userOfKey(found),
  };
  const ends = [nowMs + REMEMBERED_MS, found.expires_ms, found.previous_until_ms];
  const untilMs = Math.min(...ends.filter((end) => end !== null));
  remembered.set(found.id, known, { bytes: 2 * bytesOf(JSON.stringify(found)), untilMs });
  return known;
}

/** Forgets a key in this isolate, at once; others do so when they look it up again. */
export const forgetKey = (id: string): void => remembered.delete(id);

/**
 * The actor of an API key's text. A key is looked up every 30 seconds at most.
 * @throws AppError unauthenticated for a key that is malformed, unknown, expired or deleted
 */
export async function authenticateKey(ctx: Context, text: string): Promise<User> {
  const id = await idOfKey(text);
  const digest = Uint8Array.fromHex(await sha256Hex(text));
  const held = remembered.get(id, ctx.now());
  if (held && accepts(held, digest)) return held.user;
  // A key that is not known by this digest may have been rotated since.
  const found = await findKey(ctx.db, id);
  if (!found) throw invalidKey();
  const known = remember(found, ctx.now());
  if (!accepts(known, digest)) throw invalidKey();
  ctx.waitUntil(noteKeyUse(ctx.db, id));
  return known.user;
}

import type { User } from "../auth/actor.ts";
import type { Context } from "../context.ts";
import { AppError } from "../lib/errors.ts";
import { revokingWorkspaces } from "../store/revocations.ts";

/** A token that was revoked through another isolate is accepted for so long. */
const CHECKED_MS = 30_000;
/** Where the database does not answer, what was known holds for so long. */
const KEPT_MS = 300_000;

interface CheckedToken {
  /** The user without the workspaces in which the token is revoked. */
  user: User;
  atMs: number;
}

/** By the user of a remembered token (auth/jwt.ts), which lives as long as it is remembered. */
let checked = new WeakMap<User, CheckedToken>();

/** Every token is checked anew in this isolate. */
export function forgetChecks(): void {
  checked = new WeakMap();
}

async function check(ctx: Context, user: User): Promise<CheckedToken> {
  const all = [...user.workspaces.keys()];
  const revoking = await revokingWorkspaces(ctx.db, all, user.id, user.credential);
  const left = [...user.workspaces].filter(([id]) => !revoking.includes(id));
  const found = {
    user: revoking.length === 0 ? user : { ...user, workspaces: new Map(left) },
    atMs: ctx.now(),
  };
  checked.set(user, found);
  return found;
}

/**
 * The user of a token, without the workspaces in which it is revoked: each speaks for itself.
 * @throws AppError unauthenticated where none is left, unavailable
 */
export async function withoutRevoked(ctx: Context, user: User): Promise<User> {
  const known = checked.get(user);
  const ageMs = known ? ctx.now() - known.atMs : Number.POSITIVE_INFINITY;
  const found =
    known && ageMs < CHECKED_MS
      ? known
      : await check(ctx, user).catch((error: unknown) => {
          if (known && ageMs < KEPT_MS) return known;
          throw error;
        });
  if (found.user.workspaces.size === 0 && user.workspaces.size > 0)
    throw new AppError("unauthenticated", "token_revoked", "The token is revoked.");
  return found.user;
}

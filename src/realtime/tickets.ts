import { errors, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import type { Credential } from "../auth/actor.ts";
import { derivedKey } from "../auth/derived-keys.ts";
import type { Config } from "../config.ts";
import { AppError } from "../lib/errors.ts";
import { TICKET_SECONDS } from "./protocol.ts";
import { credentialShape } from "./visitor.ts";

const AUDIENCE = "shadower-realtime";
const claims = z.object({
  sub: z.string(),
  ws: z.string(),
  until: z.number(),
  of: credentialShape,
  jti: z.string(),
  exp: z.number(),
});

export interface FeedTicket {
  /** Used once. */
  id: string;
  workspaceId: string;
  userId: string;
  /** When the token of its user ends. */
  tokenEndsMs: number;
  credential: Credential;
  /** When the ticket itself ends. */
  endsMs: number;
}

/**
 * A ticket for one connection within a minute.
 * @throws AppError unavailable without a secret to sign with
 */
export async function signTicket(
  config: Config,
  nowMs: number,
  of: Pick<FeedTicket, "workspaceId" | "userId" | "tokenEndsMs" | "credential">,
): Promise<{ ticket: string; endsMs: number }> {
  const exp = Math.floor(nowMs / 1000) + TICKET_SECONDS;
  const ticket = await new SignJWT({ ws: of.workspaceId, until: of.tokenEndsMs, of: of.credential })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(of.userId)
    .setAudience(AUDIENCE)
    .setJti(crypto.randomUUID())
    .setExpirationTime(exp)
    .sign(await derivedKey(config, AUDIENCE));
  return { ticket, endsMs: exp * 1000 };
}

/**
 * The content of a ticket whose signature is valid; only the feed knows whether it was used.
 * @throws AppError unauthenticated for a ticket that has expired, is forged, or is of another
 *   workspace
 */
export async function readTicket(
  config: Config,
  nowMs: number,
  ticket: string,
  workspaceId: string | undefined,
): Promise<FeedTicket> {
  const refused = (detail: string) => new AppError("unauthenticated", "invalid_ticket", detail);
  const key = await derivedKey(config, AUDIENCE);
  const options = { audience: AUDIENCE, algorithms: ["HS256"], currentDate: new Date(nowMs) };
  const parsed = await jwtVerify(ticket, key, options).then(
    ({ payload }) => claims.safeParse(payload),
    (error: unknown) => {
      const isExpired = error instanceof errors.JWTExpired;
      throw refused(isExpired ? "The ticket has expired." : "This is no ticket of this server.");
    },
  );
  if (!parsed.success) throw refused("This is no ticket of this server.");
  const { sub, ws, until, of, jti, exp } = parsed.data;
  if (workspaceId !== undefined && workspaceId !== ws)
    throw refused("The ticket is of another workspace.");
  const whose = { workspaceId: ws, userId: sub, tokenEndsMs: until, credential: of };
  return { id: jti, ...whose, endsMs: exp * 1000 };
}

import { z } from "zod";
import { FEED_SUBPROTOCOL } from "./protocol.ts";

/** The marks by which its token or key can be revoked (auth/actor.ts). */
export const credentialShape = z.object({
  jti: z.string().optional(),
  issuedAtMs: z.number(),
  key: z.string().optional(),
});

/** The user of a connection. */
export const visitorShape = z.object({
  userId: z.string(),
  expiresAtMs: z.number(),
  credential: credentialShape,
  /** The one-time ticket of the connection, and when it ends. */
  ticket: z.object({ id: z.string(), endsMs: z.number() }).optional(),
});

export type FeedVisitor = z.output<typeof visitorShape>;

/** The feed's refusals, as the status of its answer. */
export const FEED_REFUSALS = { ticketUsed: 401, userFull: 429, workspaceFull: 503 } as const;

export const VISITOR_HEADER = "x-feed-visitor";

export const WORKSPACE_HEADER = "x-feed-workspace";

/** The request that the Worker, having authenticated it, hands to the feed. */
export function feedRequest(request: Request, workspaceId: string, from: FeedVisitor): Request {
  const headers = new Headers({
    upgrade: "websocket",
    [WORKSPACE_HEADER]: encodeURIComponent(workspaceId),
    [VISITOR_HEADER]: encodeURIComponent(JSON.stringify(from)),
  });
  // A client closes the connection for a subprotocol that it did not offer.
  const offered = (request.headers.get("sec-websocket-protocol") ?? "")
    .split(",")
    .map((name) => name.trim());
  if (offered.includes(FEED_SUBPROTOCOL)) headers.set("sec-websocket-protocol", FEED_SUBPROTOCOL);
  return new Request("https://feed/", { headers });
}

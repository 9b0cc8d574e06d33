import { createRoute, z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { missingToken } from "../../auth/actor.ts";
import { authenticateText, credentialOf, workspaceOf } from "../../http/auth.ts";
import { problemResponses } from "../../http/errors.ts";
import { idParam, workspaceParam } from "../../http/params.ts";
import { type AppEnv, createRouter, plainResponse } from "../../http/router.ts";
import { answerWithin } from "../../lib/deadline.ts";
import { AppError, malformed } from "../../lib/errors.ts";
import { BEARER_PREFIX, CLOSE_CODES, FEED_SUBPROTOCOL } from "../../realtime/protocol.ts";
import { readTicket, signTicket } from "../../realtime/tickets.ts";
import { FEED_REFUSALS, type FeedVisitor, feedRequest } from "../../realtime/visitor.ts";

const tags = ["Realtime"];
const router = createRouter();

/** After which a refused client may find a free connection. */
const RETRY_SECONDS = 30;
/** The time that the feed has to answer. */
const LIMIT_MS = 5_000;

/**
 * The token that a client offers as a subprotocol.
 * @throws AppError malformed for several: none of them is the one
 */
function offeredToken(header: string | undefined): string | undefined {
  const [token, ...others] = (header ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name.startsWith(BEARER_PREFIX));
  if (others.length > 0)
    throw malformed(
      "header.sec-websocket-protocol",
      "several_tokens",
      `Offer one subprotocol ${BEARER_PREFIX}<token>.`,
    );
  return token?.slice(BEARER_PREFIX.length);
}

/**
 * The visitor: by a ticket, or by a token in a header or a subprotocol. Never by a token in the
 * URL, which logs keep.
 */
async function visitorOf(
  c: HonoContext<AppEnv>,
  ticket: string | undefined,
): Promise<{ workspaceId: string; visitor: FeedVisitor }> {
  const ctx = c.get("ctx");
  const named = c.req.query("workspace_id");
  if (ticket !== undefined) {
    const read = await readTicket(ctx.config, ctx.now(), ticket, named);
    const { id, workspaceId, userId, tokenEndsMs: expiresAtMs, credential, endsMs } = read;
    const visitor = { userId, expiresAtMs, credential, ticket: { id, endsMs } };
    return { workspaceId, visitor };
  }
  const token = offeredToken(c.req.header("sec-websocket-protocol")) ?? credentialOf(c);
  if (!token)
    throw new AppError(
      "unauthenticated",
      "missing_token",
      `Offer the subprotocols ${FEED_SUBPROTOCOL} and ${BEARER_PREFIX}<token>, or use a ticket.`,
    );
  const user = await authenticateText(ctx, token);
  const workspaceId = workspaceOf(user, named, "read:realtime");
  const { id: userId, expiresAtMs, credential } = user;
  return { workspaceId, visitor: { userId, expiresAtMs, credential } };
}

/** The feed's refusal, as the caller is told it. */
function refusedBy(status: number): AppError {
  if (status === FEED_REFUSALS.ticketUsed)
    return new AppError("unauthenticated", "invalid_ticket", "The ticket was used already.");
  const isUser = status === FEED_REFUSALS.userFull;
  return new AppError(
    "rate_limited",
    isUser ? "too_many_connections" : "workspace_connections",
    isUser
      ? "This user has too many connections to this workspace's feed."
      : "This workspace's feed has too many connections.",
    { retryAfterSeconds: RETRY_SECONDS },
  );
}

router.openapi(
  createRoute({
    method: "get",
    path: "/realtime",
    tags,
    summary: "The live feed (WebSocket)",
    description: [
      `Authenticate by the subprotocols \`${FEED_SUBPROTOCOL}, ${BEARER_PREFIX}<token>\`, by an Authorization header, or by a one-time ticket.`,
      "Frames: hello, executions, events, metrics; each has a `seq` that grows by one. `ping` is answered `pong`.",
      'A frame may carry `ack`: send `{"type":"ack","ack":"…"}` with its text, and what was sent so far counts as read.',
      `Close codes: ${CLOSE_CODES.expired.code} the token has ended; ${CLOSE_CODES.revoked.code} it is revoked, or the key deleted (within a minute); ${CLOSE_CODES.unread.code} too much was sent and not acknowledged (8 MiB of a connection, less where a user or a workspace has many): acknowledge, or connect again. Any other code: connect again.`,
      "What is refused is refused before the upgrade, with a problem; 429 beyond the connections of a user or of a workspace.",
    ].join(" "),
    security: [],
    request: {
      query: z.strictObject({ ...workspaceParam, ticket: z.string().max(2048).optional() }),
    },
    responses: {
      101: { description: "The feed." },
      ...problemResponses("malformed", "rate_limited"),
    },
  }),
  async (c) => {
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      throw malformed(
        "header.upgrade",
        "not_a_websocket",
        "Connect with a WebSocket client (Upgrade: websocket).",
      );
    }
    const { workspaceId, visitor } = await visitorOf(c, c.req.valid("query").ticket);
    const { feed } = c.get("ctx");
    const upgrade = feedRequest(c.req.raw, workspaceId, visitor);
    const opened = feed.get(feed.idFromName(workspaceId)).fetch(upgrade);
    const answer = await answerWithin("The feed", LIMIT_MS, opened);
    if (answer.status !== 101) throw refusedBy(answer.status);
    return plainResponse(answer);
  },
);

const ticketAnswer = z.object({
  data: z.object({ ticket: z.string(), workspace_id: z.string(), expires_at: z.string() }),
});

router.openapi(
  createRoute({
    method: "post",
    path: "/realtime/tickets",
    tags,
    summary: "A one-time ticket for the feed",
    description:
      "For clients that can set neither a header nor a subprotocol. Signed; valid once, for a minute, for this workspace. Nothing is stored before it is used.",
    request: { query: z.strictObject({ workspace_id: idParam.optional() }) },
    responses: {
      201: {
        description: "The ticket.",
        content: { "application/json": { schema: ticketAnswer } },
      },
      ...problemResponses("malformed"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const token = credentialOf(c);
    if (!token) throw missingToken();
    const user = await authenticateText(ctx, token);
    const workspaceId = workspaceOf(user, c.req.valid("query").workspace_id, "read:realtime");
    const { id: userId, expiresAtMs: tokenEndsMs, credential } = user;
    const of = { workspaceId, userId, tokenEndsMs, credential };
    const { ticket, endsMs } = await signTicket(ctx.config, ctx.now(), of);
    const expires_at = new Date(endsMs).toISOString();
    return c.json({ data: { ticket, workspace_id: workspaceId, expires_at } }, 201);
  },
);

export default router;

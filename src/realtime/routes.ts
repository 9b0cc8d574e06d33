import { createRoute, z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { authenticateToken } from "../auth/jwt.ts";
import { bearerOf, workspaceOf } from "../auth/middleware.ts";
import { problems } from "../http/errors.ts";
import { idParam, workspaceParam } from "../http/params.ts";
import { type AppEnv, createRouter } from "../http/router.ts";
import { AppError } from "../lib/errors.ts";
import { ID_PATTERN } from "../lib/ids.ts";
import { feedRequest, type Visitor } from "./feed.ts";
import { BEARER_PREFIX, SUBPROTOCOL } from "./protocol.ts";

const tags = ["Realtime"];
const router = createRouter();

const feedOf = (c: HonoContext<AppEnv>, workspaceId: string) => {
  const { feed } = c.get("ctx");
  return feed.get(feed.idFromName(workspaceId));
};

/** Who connects: by a ticket, or by a token in a header or a subprotocol. Never by a token in the URL, which logs keep. */
async function visitorOf(
  c: HonoContext<AppEnv>,
  ticket: string | undefined,
): Promise<{ workspaceId: string; visitor: Visitor }> {
  const ctx = c.get("ctx");
  if (ticket !== undefined) {
    const [workspaceId = "", secret = ""] = ticket.split("~");
    if ((c.req.query("workspace_id") ?? workspaceId) !== workspaceId)
      throw new AppError(
        "unauthenticated",
        "invalid_ticket",
        "The ticket is of another workspace.",
      );
    const visitor =
      ID_PATTERN.test(workspaceId) && secret
        ? await feedOf(c, workspaceId).redeemTicket(secret)
        : null;
    if (!visitor)
      throw new AppError(
        "unauthenticated",
        "invalid_ticket",
        "The ticket is used, expired or unknown.",
      );
    return { workspaceId, visitor };
  }
  const offered = (c.req.header("sec-websocket-protocol") ?? "")
    .split(",")
    .map((name) => name.trim());
  const token =
    offered.find((name) => name.startsWith(BEARER_PREFIX))?.slice(BEARER_PREFIX.length) ??
    bearerOf(c.req.header("authorization"));
  if (!token)
    throw new AppError(
      "unauthenticated",
      "missing_token",
      `Offer the subprotocols ${SUBPROTOCOL} and ${BEARER_PREFIX}<token>, or use a ticket.`,
    );
  const user = await authenticateToken(ctx.config, token, ctx.now());
  const workspaceId = workspaceOf(user, c.req.query("workspace_id"), "read:realtime");
  return { workspaceId, visitor: { userId: user.id, expiresAtMs: user.expiresAtMs } };
}

router.openapi(
  createRoute({
    method: "get",
    path: "/realtime",
    tags,
    summary: "The live feed (WebSocket)",
    description: `Authenticate by the subprotocols \`${SUBPROTOCOL}, ${BEARER_PREFIX}<token>\`, by an Authorization header, or by a one-time ticket. Frames: hello, executions, events, metrics; each has a \`seq\` that grows by one.`,
    security: [],
    request: {
      query: z.strictObject({ ...workspaceParam, ticket: z.string().max(512).optional() }),
    },
    responses: { 101: { description: "The feed." }, ...problems("malformed") },
  }),
  async (c) => {
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      throw new AppError(
        "malformed",
        "not_a_websocket",
        "Connect with a WebSocket client (Upgrade: websocket).",
      );
    }
    const { workspaceId, visitor } = await visitorOf(c, c.req.valid("query").ticket);
    return (await feedOf(c, workspaceId).fetch(
      feedRequest(c.req.raw, workspaceId, visitor),
    )) as never;
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
      "For clients that can set neither a header nor a subprotocol. Valid once, for a minute.",
    request: { query: z.strictObject({ workspace_id: idParam.optional() }) },
    responses: {
      201: {
        description: "The ticket.",
        content: { "application/json": { schema: ticketAnswer } },
      },
      ...problems("malformed"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const token = bearerOf(c.req.header("authorization"));
    if (!token)
      throw new AppError("unauthenticated", "missing_token", "Send Authorization: Bearer <token>.");
    const user = await authenticateToken(ctx.config, token, ctx.now());
    const workspaceId = workspaceOf(user, c.req.valid("query").workspace_id, "read:realtime");
    const { secret, expiresAtMs } = await feedOf(c, workspaceId).issueTicket({
      userId: user.id,
      expiresAtMs: user.expiresAtMs,
    });
    return c.json(
      {
        data: {
          ticket: `${workspaceId}~${secret}`,
          workspace_id: workspaceId,
          expires_at: new Date(expiresAtMs).toISOString(),
        },
      },
      201,
    );
  },
);

export default router;

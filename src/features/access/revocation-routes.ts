import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { deleteRoute, listRoute, pageQuery, workspaceQuery } from "../../http/resource-routes.ts";
import { forgetChecks } from "../../http/revoked-tokens.ts";
import type { Router } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import { unprocessable } from "../../lib/errors.ts";
import { formatInstant, parseInstant } from "../../lib/time.ts";
import { createRevocation, deleteRevocation, listRevocations } from "../../store/revocations.ts";
import * as schema from "./schema.ts";

const PATH = "/auth/revocations";
const MAX_BODY_BYTES = 4 * 1024;

/** @throws AppError unprocessable for a moment that has not come: tokens to come are not revoked */
function revocationOf(input: z.output<typeof schema.revocationInput>, nowUs: number) {
  if ("jti" in input) return input;
  const before = input.before === undefined ? nowUs : (parseInstant(input.before) ?? nowUs);
  if (before > nowUs)
    throw unprocessable("json.before", "in_the_future", "The moment must not be in the future.");
  return { user_id: input.user_id, before: formatInstant(before) };
}

/** Adds the routes of revoked tokens. */
export function addRevocationRoutes(router: Router): void {
  listRoute(router, {
    path: PATH,
    tag: "Access",
    summary: "Revoked tokens, newest first",
    permission: "manage:keys",
    query: pageQuery,
    item: schema.revocationShape,
    load: ({ db }, workspaceId, query) => listRevocations(db, workspaceId, query),
  });

  const route = createRoute({
    method: "post",
    path: PATH,
    tags: ["Access"],
    summary: "Revoke tokens",
    description: [
      "One token by its `jti`, or all of a user that were issued before a moment (now, if nothing is",
      "said; a token without `iat` counts as issued long ago). They are refused in this workspace:",
      "by every instance within 30 seconds, connections to the feed end within a minute.",
    ].join(" "),
    middleware: [requirePermission("manage:keys"), limitBody(MAX_BODY_BYTES)] as const,
    request: {
      query: workspaceQuery,
      body: { required: true, content: { "application/json": { schema: schema.revocationInput } } },
    },
    responses: {
      201: jsonContent("The revocation.", z.object({ data: schema.revocationShape })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  });
  router.openapi(route, async (c) => {
    const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
    const input = revocationOf(c.req.valid("json"), ctx.nowUs());
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), "revocations\n");
    const stored = { id: made(0).id, author: authorOf(ctx.actor) };
    const data = await createRevocation(ctx, workspaceId, stored, input);
    forgetChecks();
    return c.json({ data }, 201);
  });

  deleteRoute(router, {
    path: `${PATH}/{id}`,
    tag: "Access",
    summary: "Take a revocation back",
    description: "What it revoked is accepted again, unless it has ended meanwhile.",
    permission: "manage:keys",
    remove: async (ctx, workspaceId, id) => {
      await deleteRevocation(ctx.db, workspaceId, id);
      forgetChecks();
    },
  });
}

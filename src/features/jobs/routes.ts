import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { listRoute, pageQuery, resourceParam, workspaceQuery } from "../../http/resource-routes.ts";
import { createRouter } from "../../http/router.ts";
import { deadLetterShape, listDeadLetters, replayDeadLetter } from "../../jobs/dead-letters.ts";

const tag = "Jobs";
const router = createRouter();

listRoute(router, {
  path: "/jobs/dead-letters",
  tag,
  summary: "Dead letters, newest first",
  description: "A message becomes a dead letter after its last attempt, with the last failure.",
  permission: "manage:jobs",
  query: pageQuery,
  item: deadLetterShape,
  load: listDeadLetters,
});

router.openapi(
  createRoute({
    method: "post",
    path: "/jobs/dead-letters/{id}/replay",
    tags: [tag],
    summary: "Send a dead letter again",
    middleware: [requirePermission("manage:jobs")] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      202: jsonContent("The message was sent.", z.object({ data: deadLetterShape })),
      ...problemResponses("malformed", "not_found", "conflict"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const { id } = c.req.valid("param");
    const author = authorOf(ctx.actor);
    const data = await replayDeadLetter(ctx, c.get("workspaceId"), id, author);
    return c.json({ data }, 202);
  },
);

export default router;

import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import {
  DEFAULT_LIMIT,
  idParam,
  pageParams,
  pageShape,
  workspaceParam,
} from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { deadLetter, listDeadLetters, replayDeadLetter } from "../../jobs/dead-letters.ts";

const tags = ["Jobs"];
const router = createRouter();
const middleware = requirePermission("manage:jobs");

router.openapi(
  createRoute({
    method: "get",
    path: "/jobs/dead-letters",
    tags,
    summary: "Messages that were given up, newest first",
    description: "A message is given up after its last retry, with the reason of the last failure.",
    middleware: [middleware] as const,
    request: { query: z.strictObject({ ...workspaceParam, ...pageParams }) },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(deadLetter), page: pageShape })),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    return c.json(
      await listDeadLetters(c.get("ctx"), c.get("workspaceId"), { ...paging, limit }),
      200,
    );
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/jobs/dead-letters/{id}/replay",
    tags,
    summary: "Send a message again",
    middleware: [middleware] as const,
    request: { query: z.strictObject(workspaceParam), params: z.object({ id: idParam }) },
    responses: {
      202: jsonContent("It is on its way.", z.object({ data: deadLetter })),
      ...problemResponses("malformed", "not_found", "conflict"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const by = authorOf(ctx.actor);
    return c.json(
      { data: await replayDeadLetter(ctx, c.get("workspaceId"), c.req.valid("param").id, by) },
      202,
    );
  },
);

export default router;

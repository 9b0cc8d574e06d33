import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { require } from "../../http/auth.ts";
import { problems } from "../../http/errors.ts";
import { json } from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, idParam, page, pageParams, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { deadLetter, listDeadLetters, replay } from "../../jobs/dead-letters.ts";

const tags = ["Jobs"];
const router = createRouter();
const middleware = require("manage:jobs");

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
      200: json("A page.", z.object({ data: z.array(deadLetter), page })),
      ...problems("malformed", "impossible"),
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
      202: json("It is on its way.", z.object({ data: deadLetter })),
      ...problems("malformed", "not_found", "conflict"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const by = authorOf(ctx.actor);
    return c.json(
      { data: await replay(ctx, c.get("workspaceId"), c.req.valid("param").id, by) },
      202,
    );
  },
);

export default router;

import { createRoute, z } from "@hono/zod-openapi";
import { requirePermission } from "../../http/auth.ts";
import { problemResponses } from "../../http/errors.ts";
import { textInput } from "../../http/fields.ts";
import {
  callerIdParam,
  DEFAULT_LIMIT,
  instantParam,
  pageParams,
  pageShape,
  workspaceParam,
} from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { intakeBody, intakeResponses } from "../../intake/answer.ts";
import { receiveItems } from "../../intake/receive.ts";
import { eventIntake } from "./ingest.ts";
import { listEvents } from "./queries.ts";
import { event, eventInput } from "./schema.ts";

const tags = ["Events"];
const router = createRouter();
router.openAPIRegistry.register("EventInput", eventInput);

router.openapi(
  createRoute({
    method: "post",
    path: "/events",
    tags,
    summary: "Store events",
    description:
      "One object, up to 1,000 in `events`, or NDJSON; gzip accepted. Events do not change: the same id with other content is a conflict.",
    middleware: [requirePermission("write:events")] as const,
    request: { query: z.strictObject(workspaceParam), body: intakeBody("EventInput", "events") },
    responses: {
      ...intakeResponses(),
      ...problemResponses("malformed", "too_large", "unsupported_media_type"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const kind = eventIntake(ctx, c.get("workspaceId"));
    const { data, status } = await receiveItems(c.req.raw, kind, ctx.now);
    return c.json({ data }, status);
  },
);

const listParams = z.strictObject({
  ...workspaceParam,
  ...pageParams,
  event_type: textInput(128).optional(),
  event_name: textInput(256).optional(),
  user_id: callerIdParam.optional(),
  session_id: callerIdParam.optional(),
  from: instantParam.optional(),
  to: instantParam.optional(),
});

router.openapi(
  createRoute({
    method: "get",
    path: "/events",
    tags,
    summary: "List events, newest first",
    middleware: [requirePermission("read:events")] as const,
    request: { query: listParams },
    responses: {
      200: {
        description: "A page.",
        content: {
          "application/json": { schema: z.object({ data: z.array(event), page: pageShape }) },
        },
      },
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...query } = c.req.valid("query");
    return c.json(
      await listEvents(c.get("ctx").db, c.get("workspaceId"), { ...query, limit }),
      200,
    );
  },
);

export default router;

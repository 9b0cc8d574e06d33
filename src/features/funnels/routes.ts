import { createRoute, z } from "@hono/zod-openapi";
import { checkDefinition } from "../../analytics/funnels/run-funnel.ts";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { cachedAnswer } from "../../http/cached-response.ts";
import { problemResponses } from "../../http/errors.ts";
import { metaShape } from "../../http/metrics-params.ts";
import { jsonContent, metricsRoute, pagedMetricsAnswer } from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, pageShape, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import {
  createFunnel,
  deleteFunnel,
  type Funnel,
  getFunnel,
  listFunnels,
  replaceFunnel,
} from "../../store/funnels.ts";
import { analyzeFunnel, journeysOf } from "./analyze.ts";
import * as schema from "./schema.ts";

const tags = ["Funnels"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const body = <T extends z.ZodType>(of: T) => ({
  required: true,
  content: { "application/json": { schema: of } },
});
const one = z.object({ data: schema.funnelShape });
const refused = ["malformed", "too_large", "unsupported_media_type", "unprocessable"] as const;
const ANALYSIS =
  "Users by how far they came. Journeys begin in the range; the window runs on from there. A user's journey is the earliest of the furthest attempts, with each step at its earliest time. ordered: step by step, other moments may stand between; strict: an instant with moments of steps that brings no next step ends the attempt; contiguous: any other event or execution of the user does; any: in any order, each step by a moment of its own, and `users` of step n are those with n steps. An exclusion after its from_step and before a step up to its to_step ends the attempt. A step at the end of the window counts. in_progress_users have an attempt whose window is open and that may still take them further; they are not among dropped_users: users = dropped_users + in_progress_users + users of the next step. With same_instant=counts a step at the same moment counts as after (and an exclusion as between), with does_not it does not. Quantiles are the value at rank ceil(q n).";

/** The stored definition in the order of the schema: jsonb keeps none of its own. */
const shownFunnel = (found: Funnel) => schema.funnelShape.parse(found);

router.openapi(
  createRoute({
    method: "get",
    path: "/funnels",
    tags,
    summary: "Saved funnels, newest first",
    middleware: [requirePermission("read:metrics")] as const,
    request: { query: schema.funnelListParams },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(schema.funnelShape), page: pageShape })),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    const found = await listFunnels(c.get("ctx"), c.get("workspaceId"), { ...paging, limit });
    return c.json({ data: found.data.map(shownFunnel), page: found.page }, 200);
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/funnels",
    tags,
    summary: "Save a funnel",
    description: "With an Idempotency-Key the request may be repeated: it saves one funnel.",
    middleware: [requirePermission("write:funnels"), limitBody(64 * 1024)] as const,
    request: { query, body: body(schema.funnelInput) },
    responses: { 201: jsonContent("The funnel.", one), ...problemResponses(...refused) },
  }),
  async (c) => {
    const [ctx, input] = [c.get("ctx"), c.req.valid("json")];
    const workspaceId = c.get("workspaceId");
    const author = authorOf(ctx.actor);
    checkDefinition(input.definition);
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now());
    const data = await createFunnel(ctx, workspaceId, made(0).id, author, input);
    const location = `/api/v1/funnels/${data.id}`;
    return c.json({ data: shownFunnel(data) }, 201, { location });
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/funnels/analyze",
    tags,
    summary: "Analyse a funnel that is not saved",
    description: ANALYSIS,
    middleware: [requirePermission("read:metrics"), limitBody(64 * 1024)] as const,
    request: { query, body: body(schema.analyzeUnsaved) },
    responses: {
      200: jsonContent(
        "Steps, breakdown and trend.",
        z.object({ data: schema.funnelAnalysisShape, meta: metaShape }),
      ),
      ...problemResponses(...refused),
    },
  }),
  async (c) => {
    const { definition, ...question } = c.req.valid("json");
    return cachedAnswer(c, "funnel", { definition, ...question }, (ctx, workspaceId) =>
      analyzeFunnel(ctx, workspaceId, definition, question),
    );
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/funnels/{id}",
    tags,
    summary: "One funnel",
    middleware: [requirePermission("read:metrics")] as const,
    request: { query, params: schema.funnelParam },
    responses: {
      200: jsonContent("The funnel.", one),
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    const { id } = c.req.valid("param");
    const found = await getFunnel(c.get("ctx"), c.get("workspaceId"), id);
    return c.json({ data: shownFunnel(found) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "put",
    path: "/funnels/{id}",
    tags,
    summary: "Replace a funnel",
    middleware: [requirePermission("write:funnels"), limitBody(64 * 1024)] as const,
    request: { query, params: schema.funnelParam, body: body(schema.funnelInput) },
    responses: {
      200: jsonContent("The funnel.", one),
      ...problemResponses(...refused, "not_found"),
    },
  }),
  async (c) => {
    const [{ id }, input] = [c.req.valid("param"), c.req.valid("json")];
    checkDefinition(input.definition);
    const found = await replaceFunnel(c.get("ctx"), c.get("workspaceId"), id, input);
    return c.json({ data: shownFunnel(found) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/funnels/{id}",
    tags,
    summary: "Delete a funnel",
    middleware: [requirePermission("write:funnels")] as const,
    request: { query, params: schema.funnelParam },
    responses: {
      204: { description: "It is gone." },
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    await deleteFunnel(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id);
    return c.body(null, 204);
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/funnels/{id}/analyze",
    tags,
    summary: "Analyse a saved funnel",
    description: ANALYSIS,
    middleware: [requirePermission("read:metrics"), limitBody(16 * 1024)] as const,
    request: { query, params: schema.funnelParam, body: body(schema.analyzeBody) },
    responses: {
      200: jsonContent(
        "Steps, breakdown and trend.",
        z.object({ data: schema.funnelAnalysisShape, meta: metaShape }),
      ),
      ...problemResponses(...refused, "not_found"),
    },
  }),
  async (c) => {
    const question = c.req.valid("json");
    const { definition } = await getFunnel(
      c.get("ctx"),
      c.get("workspaceId"),
      c.req.valid("param").id,
    );
    return cachedAnswer(c, "funnel", { definition, ...question }, (ctx, workspaceId) =>
      analyzeFunnel(ctx, workspaceId, definition, question),
    );
  },
);

metricsRoute(router, {
  path: "/funnels/{id}/journeys",
  tag: "Funnels",
  summary: "The users behind a number of a funnel",
  description:
    "By user id. reached with step n lists exactly the `users` of step n, dropped its `dropped_users`, in_progress its `in_progress_users`, converted the `users` of the last step.",
  query: schema.journeysParams,
  params: schema.funnelParam,
  response: pagedMetricsAnswer(schema.funnelJourneysShape),
  load: async (ctx, workspaceId, { limit = DEFAULT_LIMIT, ...asked }, { id }) => {
    const { definition } = await getFunnel(ctx, workspaceId, id);
    return journeysOf(ctx, workspaceId, definition, { ...asked, limit });
  },
});

export default router;

import { createRoute, z } from "@hono/zod-openapi";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { csvAnswer, wantsCsv } from "../../http/cached-response.ts";
import { problemResponses } from "../../http/errors.ts";
import { callerIdPath, pageShape, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { intakeBody, intakeResponses, MAX_BATCH } from "../../intake/answer.ts";
import { receiveItems } from "../../intake/receive.ts";
import { notFound } from "../../lib/errors.ts";
import { executionShape } from "../../store/execution.ts";
import { getExecution, isKnownAgent, listExecutions } from "../../store/executions.ts";
import { correctExecution } from "./correct.ts";
import { executionIntake } from "./ingest.ts";
import { executionListParams, executionListQuery } from "./list-schema.ts";
import { executionInput, executionPatch } from "./schema.ts";

const tags = ["Executions"];
const router = createRouter();
router.openAPIRegistry.register("ExecutionInput", executionInput);

router.openapi(
  createRoute({
    method: "post",
    path: "/executions",
    tags,
    summary: "Store executions",
    description: `One object, up to ${MAX_BATCH} in \`executions\`, or NDJSON; gzip accepted. Sending an execution again changes nothing; with an \`Idempotency-Key\` that holds for items without an id too.`,
    middleware: [requirePermission("write:executions")] as const,
    request: {
      query: z.strictObject(workspaceParam),
      body: intakeBody("ExecutionInput", "executions"),
    },
    responses: {
      ...intakeResponses(),
      ...problemResponses("malformed", "too_large", "unsupported_media_type"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const kind = executionIntake(ctx, c.get("workspaceId"));
    const { data, status } = await receiveItems(c.req.raw, kind, ctx.now);
    return c.json({ data }, status);
  },
);
/** An error's type and message are columns of their own. */
const CSV_COLUMNS = Object.keys(executionShape.shape).flatMap((name) =>
  name === "error" ? ["error_type", "error_message"] : [name],
);
/** The largest metadata and error, written with escapes. */
const MAX_PATCH_BYTES = 128 * 1024;
router.openapi(
  createRoute({
    method: "get",
    path: "/executions",
    tags,
    summary: "List executions, newest first",
    description:
      "Filters combine with and; `metadata.<key>=<value>` compares a value of the metadata as text; `metadata.a.b` is the key b inside of a, and `\\\\.` a dot of a key. With `Accept: text/csv` the page is a CSV, and the Link header leads to the next one.",
    middleware: [requirePermission("read:executions")] as const,
    request: { query: executionListParams },
    responses: {
      200: {
        description: "A page.",
        content: {
          "application/json": {
            schema: z.object({ data: z.array(executionShape), page: pageShape }),
          },
          "text/csv": { schema: z.string() },
        },
      },
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const answer = await listExecutions(
      c.get("ctx").db,
      c.get("workspaceId"),
      executionListQuery(c.req.valid("query")),
    );
    if (!wantsCsv(c)) return c.json(answer, 200);
    const { next_cursor: cursor } = answer.page;
    const rows = answer.data.map(({ error, ...rest }) => ({
      ...rest,
      error_type: error?.type ?? null,
      error_message: error?.message ?? null,
    }));
    return csvAnswer(c, CSV_COLUMNS, rows, cursor);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/agents/{id}/executions",
    tags: ["Agents"],
    summary: "Executions of an agent, newest first",
    description: "The list of executions with its filters, for one agent.",
    middleware: [requirePermission("read:executions")] as const,
    request: { params: z.object({ id: callerIdPath }), query: executionListParams },
    responses: {
      200: {
        description: "A page.",
        content: {
          "application/json": {
            schema: z.object({ data: z.array(executionShape), page: pageShape }),
          },
        },
      },
      ...problemResponses("malformed", "unprocessable", "not_found"),
    },
  }),
  async (c) => {
    const [{ db }, workspaceId, { id }] = [
      c.get("ctx"),
      c.get("workspaceId"),
      c.req.valid("param"),
    ];
    const query = { ...executionListQuery(c.req.valid("query")), agent_id: id };
    if (!(await isKnownAgent(db, workspaceId, id))) throw notFound("agent");
    return c.json(await listExecutions(db, workspaceId, query), 200);
  },
);

const single = z.object({ data: executionShape });
const params = z.object({ id: callerIdPath });

router.openapi(
  createRoute({
    method: "get",
    path: "/executions/{id}",
    tags,
    summary: "One execution",
    middleware: [requirePermission("read:executions")] as const,
    request: { params, query: z.strictObject(workspaceParam) },
    responses: {
      200: { description: "The execution.", content: { "application/json": { schema: single } } },
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) =>
    c.json(
      { data: await getExecution(c.get("ctx").db, c.get("workspaceId"), c.req.valid("param").id) },
      200,
    ),
);

router.openapi(
  createRoute({
    method: "patch",
    path: "/executions/{id}",
    tags,
    summary: "Correct an execution",
    description:
      "Stores the given fields as the next revision; null takes a field away. Messages of earlier revisions no longer change it.",
    middleware: [requirePermission("write:executions"), limitBody(MAX_PATCH_BYTES)] as const,
    request: {
      params,
      query: z.strictObject(workspaceParam),
      body: { required: true, content: { "application/json": { schema: executionPatch } } },
    },
    responses: {
      200: {
        description: "The execution as it is now.",
        content: { "application/json": { schema: single } },
      },
      ...problemResponses(
        "malformed",
        "not_found",
        "conflict",
        "too_large",
        "unsupported_media_type",
        "unprocessable",
      ),
    },
  }),
  async (c) =>
    c.json(
      {
        data: await correctExecution(
          c.get("ctx"),
          c.get("workspaceId"),
          c.req.valid("param").id,
          c.req.valid("json"),
        ),
      },
      200,
    ),
);

export default router;

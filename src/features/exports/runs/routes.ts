import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../../auth/actor.ts";
import type { Context } from "../../../context.ts";
import { requirePermission } from "../../../http/auth.ts";
import { limitBody } from "../../../http/body.ts";
import { problemResponses } from "../../../http/errors.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import {
  deleteRoute,
  listRoute,
  readRoute,
  resourceParam,
  workspaceQuery,
} from "../../../http/resource-routes.ts";
import { createRouter } from "../../../http/router.ts";
import { idGenerator } from "../../../intake/generated-id.ts";
import { cancelJob, deleteJob } from "../../../jobs/lease.ts";
import { cancelExport, exportQueue, getExport, listExports } from "../queries.ts";
import { exportInput, exportJob, exportListParams } from "../schema.ts";
import { removeExportFiles } from "./files.ts";
import { startExport } from "./start.ts";

const MAX_BODY_BYTES = 256 * 1024;
const tag = "Exports";
const router = createRouter();
const exportAnswer = z.object({ data: exportJob });
const canWrite = requirePermission("write:exports");

router.openapi(
  createRoute({
    method: "post",
    path: "/exports",
    tags: [tag],
    summary: "Start an export",
    description: [
      "A queue consumer writes the rows of one snapshot (as_of) to files.",
      "Poll the Location until the status is done.",
      "A request repeated with the same Idempotency-Key starts one export.",
    ].join(" "),
    middleware: [canWrite, limitBody(MAX_BODY_BYTES)] as const,
    request: {
      query: workspaceQuery,
      body: { required: true, content: { "application/json": { schema: exportInput } } },
    },
    responses: {
      202: jsonContent("The queued export.", exportAnswer),
      ...problemResponses(
        "malformed",
        "too_large",
        "unsupported_media_type",
        "unprocessable",
        "rate_limited",
      ),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const generate = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const data = await startExport(ctx, workspaceId, generate(0).id, c.req.valid("json"), {
      author: authorOf(ctx.actor),
    });
    return c.json({ data }, 202, { location: `/api/v1/exports/${data.id}` });
  },
);

listRoute(router, {
  path: "/exports",
  tag,
  summary: "Exports, newest first",
  permission: "read:exports",
  query: exportListParams,
  item: exportJob,
  load: listExports,
});

readRoute(router, {
  path: "/exports/{id}",
  tag,
  summary: "An export: its progress and its files",
  permission: "read:exports",
  item: exportJob,
  answer: "The export.",
  load: getExport,
});

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/{id}/cancel",
    tags: [tag],
    summary: "Cancel an export",
    middleware: [canWrite] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      200: jsonContent("The cancelled export.", exportAnswer),
      ...problemResponses("malformed", "not_found", "conflict"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    const data = await cancelExport(ctx, workspaceId, id);
    await removeExportFiles(ctx, workspaceId, id);
    return c.json({ data }, 200);
  },
);

/** Cancelled first, so that no worker writes files behind their removal. */
async function deleteExport(ctx: Context, workspaceId: string, id: string): Promise<void> {
  await getExport(ctx, workspaceId, id);
  await cancelJob(exportQueue(ctx), { workspaceId, id });
  await removeExportFiles(ctx, workspaceId, id);
  await deleteJob(exportQueue(ctx), { workspaceId, id });
}

deleteRoute(router, {
  path: "/exports/{id}",
  tag,
  summary: "Delete an export and its files",
  permission: "write:exports",
  remove: deleteExport,
});

export default router;

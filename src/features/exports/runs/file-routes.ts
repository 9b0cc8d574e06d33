import { createRoute, z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import type { Context } from "../../../context.ts";
import { requirePermission } from "../../../http/auth.ts";
import { limitBody } from "../../../http/body.ts";
import { problemResponses } from "../../../http/errors.ts";
import { publicUrl } from "../../../http/links.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import { fileResponses, resourceParam, workspaceQuery } from "../../../http/resource-routes.ts";
import { type AppEnv, createRouter, plainResponse } from "../../../http/router.ts";
import { isExpired } from "../../../jobs/expiry.ts";
import { AppError, notFound } from "../../../lib/errors.ts";
import { formatInstant } from "../../../lib/time.ts";
import { readLink, signLink } from "../../../storage/links.ts";
import { serveObject } from "../../../storage/serve.ts";
import { getExport } from "../queries.ts";
import { downloadLink, downloadLinkInput, type ExportJob, exportFileParam } from "../schema.ts";
import { exportFileKey, exportManifestKey } from "./keys.ts";

const DEFAULT_LINK_SECONDS = 86_400;
const tags = ["Exports"];
const router = createRouter();
const canRead = requirePermission("read:exports");

/** @throws AppError not_found, gone */
async function unexpiredExport(ctx: Context, workspaceId: string, id: string): Promise<ExportJob> {
  const job = await getExport(ctx, workspaceId, id);
  if (isExpired(job, ctx.now()))
    throw new AppError("gone", "export_expired", "The files of this export have expired.");
  return job;
}

/**
 * An export whose files are stored.
 * @throws AppError not_found, gone, conflict
 */
async function finishedExport(c: HonoContext<AppEnv>, id: string): Promise<ExportJob> {
  const job = await unexpiredExport(c.get("ctx"), c.get("workspaceId"), id);
  if (job.status !== "done")
    throw new AppError("conflict", "export_not_done", `The export is ${job.status}.`);
  return job;
}

/**
 * @param place index of the file in the export
 * @throws AppError not_found
 */
function serveExportFile(
  c: HonoContext<AppEnv>,
  workspaceId: string,
  job: ExportJob,
  place: number,
): Promise<Response> {
  const file = job.files[place];
  if (!file) throw notFound("file");
  const key = exportFileKey(workspaceId, job.id, place);
  return serveObject(c.get("ctx").files, key, c.req.raw, file.name, file.content_type);
}

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/{id}/files/{n}",
    tags,
    summary: "A file of an export",
    description: "Supports Range (one range), If-Range and If-None-Match.",
    middleware: [canRead] as const,
    request: { query: workspaceQuery, params: exportFileParam },
    responses: {
      ...fileResponses,
      ...problemResponses("malformed", "not_found", "conflict", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const { id, n: place } = c.req.valid("param");
    const job = await finishedExport(c, id);
    return plainResponse(await serveExportFile(c, c.get("workspaceId"), job, place));
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/{id}/manifest",
    tags,
    summary: "The manifest of an export",
    description: [
      "Its request, as_of, schema, totals and the digests of every part.",
      "The totals equal those of the API for the same question.",
    ].join(" "),
    middleware: [canRead] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      200: { description: "The manifest." },
      ...problemResponses("malformed", "not_found", "conflict", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const { id } = await finishedExport(c, c.req.valid("param").id);
    const key = exportManifestKey(c.get("workspaceId"), id);
    const { files } = c.get("ctx");
    const name = `export-${id}.json`;
    return plainResponse(await serveObject(files, key, c.req.raw, name, "application/json"));
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/{id}/links",
    tags,
    summary: "Create a link to a file, for a reader without a token",
    middleware: [requirePermission("write:exports"), limitBody(4 * 1024)] as const,
    request: {
      query: workspaceQuery,
      params: resourceParam,
      body: { required: true, content: { "application/json": { schema: downloadLinkInput } } },
    },
    responses: {
      201: jsonContent("The link.", z.object({ data: downloadLink })),
      ...problemResponses(
        "malformed",
        "not_found",
        "conflict",
        "gone",
        "unsupported_media_type",
        "too_large",
      ),
    },
  }),
  async (c) => {
    const { file = 0, expires_in_seconds = DEFAULT_LINK_SECONDS } = c.req.valid("json");
    const job = await finishedExport(c, c.req.valid("param").id);
    if (!job.files[file]) throw notFound("file");
    const ctx = c.get("ctx");
    const untilMs = ctx.now() + expires_in_seconds * 1000;
    const target = { workspaceId: c.get("workspaceId"), id: job.id, file };
    const token = await signLink(ctx.config, target, untilMs);
    const data = {
      url: publicUrl(c, `/api/v1/downloads/${token}`),
      expires_at: formatInstant(Math.floor(untilMs / 1000) * 1_000_000),
    };
    return c.json({ data }, 201);
  },
);

/** Routes that need no token: the link in the path is signed. */
export const downloads = createRouter();

downloads.openapi(
  createRoute({
    method: "get",
    path: "/downloads/{token}",
    tags,
    summary: "Download a file by its link",
    description: "Needs no token: the signed link names one file and expires.",
    security: [],
    request: { params: z.object({ token: z.string().max(2048) }) },
    responses: {
      ...fileResponses,
      ...problemResponses("malformed", "not_found", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const target = await readLink(ctx.config, c.req.valid("param").token, ctx.now());
    const job = await unexpiredExport(ctx, target.workspaceId, target.id);
    return plainResponse(await serveExportFile(c, target.workspaceId, job, target.file));
  },
);

export default router;

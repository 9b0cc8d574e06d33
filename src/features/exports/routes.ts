import { createRoute, z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { publicUrl } from "../../http/links.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, pageShape, workspaceParam } from "../../http/params.ts";
import { type AppEnv, createRouter } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import { cancelJob, deleteJob, isExpired } from "../../jobs/lease.ts";
import { AppError, notFound } from "../../lib/errors.ts";
import { formatInstant } from "../../lib/time.ts";
import { signLink } from "../../storage/links.ts";
import { serveObject } from "../../storage/serve.ts";
import { cancelExport, getExport, jobs, listExports } from "./queries.ts";
import { removeFiles } from "./runs/files.ts";
import { startExport } from "./runs/start.ts";
import { fileKey, manifestKey } from "./runs/walk.ts";
import * as schema from "./schema.ts";

const tags = ["Exports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const params = schema.exportParam;
const one = z.object({ data: schema.exportJob });
const [read, write] = [requirePermission("read:exports"), requirePermission("write:exports")];

/** A finished job whose files are there. @throws AppError not_found, gone, conflict */
async function finished(c: HonoContext<AppEnv>, id: string): Promise<schema.ExportJob> {
  const job = await getExport(c.get("ctx"), c.get("workspaceId"), id);
  if (isExpired(job, c.get("ctx").now()))
    throw new AppError("gone", "export_expired", "The files of this export have expired.");
  if (job.status !== "done")
    throw new AppError("conflict", "export_not_done", `The export is ${job.status}.`);
  return job;
}

router.openapi(
  createRoute({
    method: "post",
    path: "/exports",
    tags,
    summary: "Start an export",
    description:
      "Rows of one snapshot (as_of), read by a consumer and written to files. Ask the Location until the status is done. With an Idempotency-Key the request may be repeated: it starts one export.",
    middleware: [write, limitBody(256 * 1024)] as const,
    request: {
      query,
      body: { required: true, content: { "application/json": { schema: schema.exportInput } } },
    },
    responses: {
      202: jsonContent("The queued export.", one),
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
    const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const data = await startExport(ctx, workspaceId, made(0).id, c.req.valid("json"), {
      author: authorOf(ctx.actor),
    });
    return c.json({ data }, 202, { location: `/api/v1/exports/${data.id}` });
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/exports",
    tags,
    summary: "Exports, newest first",
    middleware: [read] as const,
    request: { query: schema.listParams },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(schema.exportJob), page: pageShape })),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...rest } = c.req.valid("query");
    return c.json(await listExports(c.get("ctx"), c.get("workspaceId"), { ...rest, limit }), 200);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/{id}",
    tags,
    summary: "One export: how far it is, and its files",
    middleware: [read] as const,
    request: { query, params },
    responses: {
      200: jsonContent("The export.", one),
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) =>
    c.json(
      { data: await getExport(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id) },
      200,
    ),
);

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/{id}/files/{n}",
    tags,
    summary: "A file of an export",
    description: "Answers Range (one range), If-Range and If-None-Match.",
    middleware: [read] as const,
    request: { query, params: schema.fileParam },
    responses: {
      200: { description: "The file." },
      206: { description: "The asked part of it." },
      304: { description: "It is the one that the caller has." },
      ...problemResponses("malformed", "not_found", "conflict", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const { id, n } = c.req.valid("param");
    const job = await finished(c, id);
    const file = job.files[n];
    if (!file) throw notFound("file");
    return (await serveObject(
      c.get("ctx").files,
      fileKey(c.get("workspaceId"), id, n),
      c.req.raw,
      file.name,
      file.content_type,
    )) as never;
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/{id}/manifest",
    tags,
    summary: "What an export contains",
    description:
      "Its request, as_of, schema, totals (the same as the API gives for the question), and the digests of every part.",
    middleware: [read] as const,
    request: { query, params },
    responses: {
      200: { description: "The manifest." },
      ...problemResponses("malformed", "not_found", "conflict", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const { id } = await finished(c, c.req.valid("param").id);
    const key = manifestKey(c.get("workspaceId"), id);
    return (await serveObject(
      c.get("ctx").files,
      key,
      c.req.raw,
      `export-${id}.json`,
      "application/json",
    )) as never;
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/{id}/links",
    tags,
    summary: "A link to a file, for somebody without a token",
    middleware: [write, limitBody(4 * 1024)] as const,
    request: {
      query,
      params,
      body: { required: true, content: { "application/json": { schema: schema.linkInput } } },
    },
    responses: {
      201: jsonContent("The link.", z.object({ data: schema.link })),
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
    const { file = 0, expires_in_seconds: seconds = 86_400 } = c.req.valid("json");
    const job = await finished(c, c.req.valid("param").id);
    if (!job.files[file]) throw notFound("file");
    const ctx = c.get("ctx");
    const until = ctx.now() + seconds * 1000;
    const token = await signLink(
      ctx.config,
      { workspaceId: c.get("workspaceId"), id: job.id, file },
      until,
    );
    const url = publicUrl(c, `/api/v1/downloads/${token}`);
    return c.json(
      { data: { url, expires_at: formatInstant(Math.floor(until / 1000) * 1_000_000) } },
      201,
    );
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/{id}/cancel",
    tags,
    summary: "Stop an export",
    middleware: [write] as const,
    request: { query, params },
    responses: {
      200: jsonContent("The cancelled export.", one),
      ...problemResponses("malformed", "not_found", "conflict"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    const data = await cancelExport(ctx, workspaceId, id);
    await removeFiles(ctx, workspaceId, id);
    return c.json({ data }, 200);
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/exports/{id}",
    tags,
    summary: "Delete an export and its files",
    middleware: [write] as const,
    request: { query, params },
    responses: {
      204: { description: "It is gone." },
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    await getExport(ctx, workspaceId, id);
    await cancelJob(jobs(ctx), { workspaceId, id });
    await removeFiles(ctx, workspaceId, id);
    await deleteJob(jobs(ctx), { workspaceId, id });
    return c.body(null, 204);
  },
);

export default router;

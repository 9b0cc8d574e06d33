import { createRoute, z } from "@hono/zod-openapi";
import { problemResponses } from "../../http/errors.ts";
import { createRouter } from "../../http/router.ts";
import { isExpired } from "../../jobs/lease.ts";
import { AppError, notFound } from "../../lib/errors.ts";
import { readLink } from "../../storage/links.ts";
import { serveObject } from "../../storage/serve.ts";
import { getExport } from "./queries.ts";
import { fileKey } from "./runs/walk.ts";

const router = createRouter();

router.openapi(
  createRoute({
    method: "get",
    path: "/downloads/{token}",
    tags: ["Exports"],
    summary: "A file by its link",
    description: "Needs no token: the link is one, for one file and until its time.",
    security: [],
    request: { params: z.object({ token: z.string().max(2048) }) },
    responses: {
      200: { description: "The file." },
      206: { description: "The asked part of it." },
      304: { description: "It is the one that the caller has." },
      ...problemResponses("malformed", "not_found", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const {
      workspaceId,
      id,
      file: n,
    } = await readLink(ctx.config, c.req.valid("param").token, ctx.now());
    const job = await getExport(ctx, workspaceId, id);
    if (isExpired(job, ctx.now()))
      throw new AppError("gone", "export_expired", "The files of this export have expired.");
    const file = job.files[n];
    if (!file) throw notFound("file");
    return (await serveObject(
      ctx.files,
      fileKey(workspaceId, id, n),
      c.req.raw,
      file.name,
      file.content_type,
    )) as never;
  },
);

export default router;

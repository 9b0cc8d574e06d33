import { createRoute, z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { publicUrl } from "../../http/links.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { idParam, workspaceParam } from "../../http/params.ts";
import { type AppEnv, createRouter } from "../../http/router.ts";
import { AppError } from "../../lib/errors.ts";
import { isWholeRead } from "../../storage/serve.ts";
import { getRun } from "./queries.ts";
import { fileOf } from "./runs/file.ts";
import * as schema from "./schema.ts";
import { countView, createShare, listShares, openShare, revokeShare } from "./sharing/shares.ts";

const tags = ["Reports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const params = schema.reportParam;
const [read, write] = [requirePermission("read:reports"), requirePermission("write:reports")];

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/runs/{id}/share",
    tags,
    summary: "A link to a run, for people without a token",
    description: "The link is given once: only the hash of its 32 random bytes is kept.",
    middleware: [write, limitBody(4 * 1024)] as const,
    request: {
      query,
      params,
      body: { required: true, content: { "application/json": { schema: schema.shareInput } } },
    },
    responses: {
      201: jsonContent("The link.", z.object({ data: schema.share.extend({ url: z.string() }) })),
      ...problemResponses(
        "malformed",
        "not_found",
        "conflict",
        "gone",
        "too_large",
        "unsupported_media_type",
        "unprocessable",
      ),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    const { expires_in_days: days = 7, password } = c.req.valid("json");
    const { status } = await getRun(ctx, workspaceId, id);
    if (status !== "done") throw new AppError("conflict", "run_not_done", `The run is ${status}.`);
    const { share, token } = await createShare(ctx, workspaceId, id, {
      author: authorOf(ctx.actor),
      days,
      password,
    });
    return c.json({ data: { ...share, url: publicUrl(c, `/api/v1/shared/${token}`) } }, 201);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}/shares",
    tags,
    summary: "Links to a run, newest first",
    middleware: [read] as const,
    request: { query, params },
    responses: {
      200: jsonContent("The links.", z.object({ data: z.array(schema.share) })),
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    await getRun(ctx, workspaceId, id);
    return c.json({ data: await listShares(ctx, workspaceId, id) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/reports/runs/{id}/shares/{share}",
    tags,
    summary: "End a link",
    middleware: [write] as const,
    request: { query, params: params.extend({ share: idParam }) },
    responses: {
      204: { description: "It leads nowhere any more." },
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    const { id, share } = c.req.valid("param");
    await revokeShare(c.get("ctx"), c.get("workspaceId"), id, share);
    return c.body(null, 204);
  },
);

/** The file that a link leads to; whoever reads it is counted as a view. */
async function fileBehind(
  c: HonoContext<AppEnv>,
  secret: string,
  visit?: Parameters<typeof openShare>[2],
) {
  const ctx = c.get("ctx");
  const { workspaceId, runId } = await openShare(ctx, secret, visit);
  const answer = await fileOf(ctx, workspaceId, runId, c.req.raw);
  if (isWholeRead(c.req.raw, answer)) await countView(ctx, secret);
  return answer;
}

/** What needs no token: the link is one. */
export const shared = createRouter();
const token = z.object({ token: z.string().max(128) });
const answers = {
  200: { description: "The file." },
  206: { description: "The asked part of it." },
  304: { description: "It is the one that the caller has." },
  ...problemResponses(
    "malformed",
    "not_found",
    "conflict",
    "gone",
    "range_not_satisfiable",
    "rate_limited",
  ),
};

shared.openapi(
  createRoute({
    method: "get",
    path: "/shared/{token}",
    tags,
    summary: "A shared report",
    security: [],
    request: { params: token },
    responses: answers,
  }),
  async (c) => (await fileBehind(c, c.req.valid("param").token)) as never,
);

shared.openapi(
  createRoute({
    method: "post",
    path: "/shared/{token}",
    tags,
    summary: "A shared report that has a password",
    description:
      "An address may give five wrong passwords; each further one doubles its wait (30 s to an hour), which Retry-After says. All addresses together may give 100 in an hour; those that have had the right one are not held by that.",
    security: [],
    middleware: [limitBody(4 * 1024)] as const,
    request: {
      params: token,
      body: {
        required: true,
        content: {
          "application/json": { schema: z.strictObject({ password: z.string().max(256) }) },
        },
      },
    },
    responses: { ...answers, ...problemResponses("too_large", "unsupported_media_type") },
  }),
  async (c) =>
    (await fileBehind(c, c.req.valid("param").token, {
      password: c.req.valid("json").password,
      // The platform's word, not the caller's: it replaces what a request brings.
      address: c.req.header("cf-connecting-ip") ?? "",
    })) as never,
);

export default router;

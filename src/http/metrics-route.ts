import { createRoute, z } from "@hono/zod-openapi";
import type { AnswerMeta } from "../analytics/result/meta.ts";
import type { Permission } from "../auth/actor.ts";
import type { Context } from "../context.ts";
import {
  requirePermission,
  requirePermissionInAnyWorkspace,
  requirePermissionInPathWorkspace,
} from "./auth.ts";
import { cachedAnswer } from "./cached-response.ts";
import { problemResponses } from "./errors.ts";
import { metaShape, type WithTimezone, withTimezone } from "./metrics-params.ts";
import { pageShape } from "./params.ts";
import { type Router, validated } from "./router.ts";

export const jsonContent = <T extends z.ZodType>(description: string, of: T) => ({
  description,
  content: { "application/json": { schema: of } },
});

/** The schema of an answer: data and what the data is true for. */
export const metricsAnswer = <D extends z.ZodType>(data: D) => z.object({ data, meta: metaShape });

/** The same for a page of a list. */
export const pagedMetricsAnswer = <D extends z.ZodType>(data: D) =>
  z.object({ data, page: pageShape, meta: metaShape });

/** Which workspace a route answers for, and how it requires the permission there. */
const WORKSPACE_CHECKS = {
  /** The one that the query names, or the token's. */
  query: requirePermission,
  /** The one that the path's `id` names. */
  path: requirePermissionInPathWorkspace,
  /** All of the token: the answer is cached for each set of workspaces and permissions. */
  token: requirePermissionInAnyWorkspace,
};

interface MetricsRoute<Q extends z.ZodObject, P extends z.ZodObject, R extends z.ZodObject> {
  path: string;
  tag: string;
  summary: string;
  /** The computation of its numbers, in words. */
  description?: string;
  permission?: Permission;
  workspace?: keyof typeof WORKSPACE_CHECKS;
  query: Q;
  params?: P;
  /** The whole answer: `metricsAnswer` or `pagedMetricsAnswer`. */
  response: R;
  /** The answer in the words of the API's description. */
  responseText?: string;
  load(
    ctx: Context,
    workspaceId: string,
    query: WithTimezone<z.output<Q>>,
    params: z.output<P>,
  ): Promise<Omit<z.input<R>, "meta"> & { data: unknown; meta: AnswerMeta }>;
}

/** Workspaces and permissions of the user, as a part of the cache's key. */
function grantsOf({ actor }: Context): object {
  if (actor.kind !== "user") return {};
  return { asker: [...actor.workspaces], granted: [...actor.permissions] };
}

/** A GET route that answers numbers through the cache: one definition, one call. */
export function metricsRoute<
  Q extends z.ZodObject,
  R extends z.ZodObject,
  P extends z.ZodObject = z.ZodObject,
>(router: Router, definition: MetricsRoute<Q, P, R>): void {
  const { path, query, params, workspace = "query", permission = "read:metrics" } = definition;
  const problems = params
    ? problemResponses("malformed", "unprocessable", "not_found")
    : problemResponses("malformed", "unprocessable");
  const { tag, summary, description, response, responseText = "The numbers." } = definition;
  const route = createRoute({
    method: "get",
    path,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    middleware: [WORKSPACE_CHECKS[workspace](permission)] as const,
    request: { query, ...(params ? { params } : {}) },
    responses: { 200: jsonContent(responseText, response), ...problems },
  });
  router.openapi(route, async (c) => {
    const asked = validated<z.output<Q>>(c, "query");
    const named = params ? validated<z.output<P>>(c, "param") : ({} as z.output<P>);
    const grants = workspace === "token" ? grantsOf(c.get("ctx")) : {};
    return cachedAnswer(c, path, { ...asked, ...named, ...grants }, async (ctx, workspaceId) => {
      const inZone =
        "timezone" in query.shape ? await withTimezone(ctx, workspaceId, asked) : asked;
      return definition.load(ctx, workspaceId, inZone as WithTimezone<z.output<Q>>, named);
    });
  });
}

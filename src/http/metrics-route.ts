import { createRoute, z } from "@hono/zod-openapi";
import type { AnswerMeta } from "../analytics/result/meta.ts";
import type { Permission } from "../auth/actor.ts";
import type { Context } from "../context.ts";
import type { ListPage } from "../db/keyset.ts";
import {
  requirePermission,
  requirePermissionInAnyWorkspace,
  requirePermissionInPathWorkspace,
} from "./auth.ts";
import { cachedAnswer } from "./cached-response.ts";
import { problemResponses } from "./errors.ts";
import { metaShape, type WithTimezone, withTimezone } from "./metrics-params.ts";
import { pageShape } from "./params.ts";
import type { Router } from "./router.ts";

export const jsonContent = <T extends z.ZodType>(description: string, of: T) => ({
  description,
  content: { "application/json": { schema: of } },
});

interface View<Q extends z.ZodObject, P extends z.ZodObject> {
  path: string;
  tag: string;
  summary: string;
  /** How its numbers are computed. */
  description: string;
  permission?: Permission;
  query: Q;
  params?: P;
  /** The shape of `data`. */
  data: z.ZodType;
  /** Whether the answer is a page of a list. */
  paged?: boolean;
  /** Whether the path's `id` is the workspace. */
  ofWorkspace?: boolean;
  /** Whether it depends on who asks: it is then cached for each set of workspaces and roles. */
  perUser?: boolean;
  load(
    ctx: Context,
    workspaceId: string,
    query: WithTimezone<z.output<Q>>,
    params: z.output<P>,
  ): Promise<{ data: unknown; page?: ListPage; meta: AnswerMeta }>;
}

/** A GET route that answers numbers through the cache: one definition, one call. */
export function metricsRoute<Q extends z.ZodObject, P extends z.ZodObject = z.ZodObject>(
  router: Router,
  of: View<Q, P>,
): void {
  const {
    path,
    tag,
    summary,
    description,
    permission = "read:metrics",
    query,
    params,
    data,
    paged,
  } = of;
  const answer = z.object({ data, ...(paged ? { page: pageShape } : {}), meta: metaShape });
  const route = createRoute({
    method: "get",
    path,
    tags: [tag],
    summary,
    description,
    middleware: [
      (of.ofWorkspace
        ? requirePermissionInPathWorkspace
        : of.perUser
          ? requirePermissionInAnyWorkspace
          : requirePermission)(permission),
    ] as const,
    request: { query, ...(params ? { params } : {}) },
    responses: {
      200: jsonContent("The numbers.", answer),
      ...problemResponses(
        "malformed",
        "unprocessable",
        ...(params ? (["not_found"] as const) : []),
      ),
    },
  });
  router.openapi(route, async (c) => {
    const asked = c.req.valid("query" as never) as z.output<Q>;
    const named = (params ? c.req.valid("param" as never) : {}) as z.output<P>;
    const { actor } = c.get("ctx");
    const asker =
      of.perUser && actor.kind === "user"
        ? { asker: [...actor.workspaces], granted: [...actor.permissions] }
        : {};
    const inZone = async (ctx: Context, workspaceId: string) =>
      ("timezone" in query.shape
        ? await withTimezone(ctx, workspaceId, asked)
        : asked) as WithTimezone<typeof asked>;
    return cachedAnswer(c, path, { ...asked, ...named, ...asker }, async (ctx, workspaceId) =>
      of.load(ctx, workspaceId, await inZone(ctx, workspaceId), named),
    );
  });
}

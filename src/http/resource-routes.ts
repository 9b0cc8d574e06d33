import { createRoute, z } from "@hono/zod-openapi";
import type { Permission } from "../auth/actor.ts";
import type { Context } from "../context.ts";
import type { PageQuery } from "../db/keyset.ts";
import { requirePermission } from "./auth.ts";
import { problemResponses } from "./errors.ts";
import { jsonContent } from "./metrics-route.ts";
import { DEFAULT_LIMIT, idParam, pageParams, pageShape, workspaceParam } from "./params.ts";
import { plainResponse, type Router, validated } from "./router.ts";

/** Query of a route that has no parameters of its own. */
export const workspaceQuery = z.strictObject(workspaceParam);
/** Query of a list that has no filters of its own. */
export const pageQuery = z.strictObject({ ...workspaceParam, ...pageParams });
/** Path parameters of a route of one resource. */
export const resourceParam = z.object({ id: idParam });

interface ResourceRoute {
  path: string;
  tag: string;
  summary: string;
  description?: string;
  permission: Permission;
}

const describedBy = ({ path, tag, summary, description, permission }: ResourceRoute) => ({
  path,
  tags: [tag],
  summary,
  ...(description === undefined ? {} : { description }),
  middleware: [requirePermission(permission)],
});

interface ListRoute<Item extends z.ZodType, Query extends z.ZodObject> extends ResourceRoute {
  item: Item;
  query: Query;
  load(
    ctx: Context,
    workspaceId: string,
    query: Omit<z.output<Query>, "workspace_id" | keyof PageQuery> & PageQuery,
  ): Promise<{ data: z.output<Item>[]; page: z.output<typeof pageShape> }>;
}

/** Adds GET of a list, page by page. */
export function listRoute<Item extends z.ZodType, Query extends z.ZodObject>(
  router: Router,
  { item, query, load, ...rest }: ListRoute<Item, Query>,
): void {
  const route = createRoute({
    method: "get",
    ...describedBy(rest),
    request: { query },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(item), page: pageShape })),
      ...problemResponses("malformed", "unprocessable"),
    },
  });
  router.openapi(route, async (c) => {
    const valid = validated<z.output<typeof pageQuery>>(c, "query");
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...others } = valid;
    const asked = { ...others, limit } as Parameters<typeof load>[2];
    return plainResponse(c.json(await load(c.get("ctx"), c.get("workspaceId"), asked), 200));
  });
}

interface ReadRoute<Item extends z.ZodType> extends ResourceRoute {
  item: Item;
  /** Description of the answer of status 200. */
  answer: string;
  /** @throws AppError not_found */
  load(ctx: Context, workspaceId: string, id: string): Promise<z.output<Item>>;
}

/** Adds GET of one resource by the `id` of the path. */
export function readRoute<Item extends z.ZodType>(
  router: Router,
  { item, answer, load, ...rest }: ReadRoute<Item>,
): void {
  const route = createRoute({
    method: "get",
    ...describedBy(rest),
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      200: jsonContent(answer, z.object({ data: item })),
      ...problemResponses("malformed", "not_found"),
    },
  });
  router.openapi(route, async (c) => {
    const data = await load(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id);
    return plainResponse(c.json({ data }, 200));
  });
}

interface DeleteRoute extends ResourceRoute {
  /** @throws AppError not_found */
  remove(ctx: Context, workspaceId: string, id: string): Promise<void>;
}

/** Adds DELETE of one resource by the `id` of the path. */
export function deleteRoute(router: Router, { remove, ...rest }: DeleteRoute): void {
  const route = createRoute({
    method: "delete",
    ...describedBy(rest),
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      204: { description: "It is deleted." },
      ...problemResponses("malformed", "not_found"),
    },
  });
  router.openapi(route, async (c) => {
    await remove(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id);
    return c.body(null, 204);
  });
}

/** Responses of a route that sends a stored file. */
export const fileResponses = {
  200: { description: "The file." },
  206: { description: "The requested range of the file." },
  304: { description: "The file has not changed." },
} as const;

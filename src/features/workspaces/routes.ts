import { createRoute, z } from "@hono/zod-openapi";
import { OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { firstAndLastSeen } from "../../analytics/executions/seen.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { checkedTimezone, rangeOfQuery } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { rawMeta } from "../../analytics/result/raw-meta.ts";
import { groupPage } from "../../analytics/shapes/group-page.ts";
import { permittedWorkspaces, requireUser } from "../../auth/actor.ts";
import { decodeCursor, paginate } from "../../db/keyset.ts";
import { requirePermissionInPathWorkspace } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams } from "../../http/metrics-params.ts";
import {
  jsonContent,
  metricsAnswer,
  metricsRoute,
  pagedMetricsAnswer,
} from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { changeSettings, settingsOf } from "../../store/workspaces.ts";
import {
  ENGAGEMENT_EXECUTIONS,
  engagementOf,
  workspaceAnalytics,
  workspaceOverview,
  workspaceTotals,
} from "./answers.ts";
import * as descriptions from "./descriptions.ts";
import * as schema from "./schema.ts";

const tag = "Workspaces";
const router = createRouter();
const GROUP_MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "success_rate",
  "duration_avg",
  "credits",
];
/** Workspaces of one page: each costs a query of its own. */
const MAX_LISTED = 50;
metricsRoute(router, {
  path: "/workspaces",
  tag,
  summary: "Workspaces of the token",
  description: `By id, with their numbers of the range (default 30d). At most ${MAX_LISTED} a page.`,
  query: schema.workspaceListParams,
  response: pagedMetricsAnswer(schema.workspaceListShape),
  workspace: "token",
  load: async (ctx, workspaceId, { limit = DEFAULT_LIMIT, cursor, include_total, ...query }) => {
    const user = requireUser(ctx);
    const all = permittedWorkspaces(user, "read:metrics").sort();
    const [after] = cursor === undefined ? [] : decodeCursor(cursor, 1);
    const rest = after === undefined ? all : all.filter((id) => id > after);
    const size = Math.min(limit, MAX_LISTED);
    const total = include_total ? all.length : undefined;
    const { shown: ids, page } = paginate(rest, size, (id) => [id], { total });
    const base = queryOfParams(query, "30d");
    const range = rangeOfQuery(base, ctx.nowUs());
    const [found, settings, [about]] = await Promise.all([
      workspaceTotals(ctx, ids, base, query.explain),
      Promise.all(ids.map((id) => settingsOf(ctx, id))),
      runInOneSnapshot(ctx.db, [rawMeta(workspaceId, range, base.timezone)]),
    ]);
    const data = found.map(({ id, totals }, index) => ({
      id,
      name: settings[index]?.name ?? null,
      role: user.workspaces.get(id) ?? "viewer",
      totals,
    }));
    const metas = Object.fromEntries(found.flatMap(({ id, meta }) => (meta ? [[id, meta]] : [])));
    return { data, page, meta: ids.length > 0 ? combineMeta(metas) : about };
  },
});

metricsRoute(router, {
  path: "/workspaces/{id}",
  tag,
  workspace: "path",
  summary: "One workspace: settings, numbers, health",
  description: descriptions.WORKSPACE_OVERVIEW,
  query: schema.overviewParams,
  params: schema.workspacePath,
  response: metricsAnswer(schema.workspaceOverviewShape),
  load: (ctx, workspaceId, query) =>
    workspaceOverview(ctx, workspaceId, queryOfParams(query, "30d"), query.explain),
});

metricsRoute(router, {
  path: "/workspaces/{id}/analytics",
  tag,
  workspace: "path",
  summary: "A workspace's members, agents and consumption",
  description: descriptions.WORKSPACE_ANALYTICS,
  query: schema.overviewParams,
  params: schema.workspacePath,
  response: metricsAnswer(schema.workspaceAnalyticsShape),
  load: (ctx, workspaceId, query) =>
    workspaceAnalytics(ctx, workspaceId, queryOfParams(query, "30d"), query.explain),
});

metricsRoute(router, {
  path: "/workspaces/{id}/members",
  tag,
  workspace: "path",
  summary: "Users of a workspace",
  description: `Users with an execution in the range (default 30d). engagement: high from ${ENGAGEMENT_EXECUTIONS.high} executions on, medium from ${ENGAGEMENT_EXECUTIONS.medium}.`,
  query: schema.groupParams,
  params: schema.workspacePath,
  response: pagedMetricsAnswer(schema.workspaceMembersShape),
  load: async (
    ctx,
    workspaceId,
    {
      limit = DEFAULT_LIMIT,
      cursor,
      skip,
      include_total,
      sort = "executions",
      direction = "desc",
      ...query
    },
  ) => {
    const asked = {
      ...queryOfParams(query, "30d"),
      measures: GROUP_MEASURES,
      group_by: ["user"],
      filters: [OF_SOME_USER],
      order_by: [{ measure: sort, direction }],
    };
    const { rows, page, meta } = await groupPage(
      ctx,
      workspaceId,
      asked,
      { limit, cursor, skip, include_total },
      query.explain,
    );
    const ids = rows.map((row) => String(row.group.user));
    const seen = await firstAndLastSeen(ctx, workspaceId, "user", ids);
    const data = rows.map(({ group, values }) => {
      const id = String(group.user);
      const engagement = engagementOf(Number(values.executions));
      return { id, ...values, engagement, last_activity_at: seen.get(id)?.last ?? null };
    });
    return { data, page, meta };
  },
});

metricsRoute(router, {
  path: "/workspaces/{id}/agents",
  tag,
  workspace: "path",
  summary: "Agents of a workspace",
  description: descriptions.WORKSPACE_AGENTS,
  query: schema.groupParams,
  params: schema.workspacePath,
  response: pagedMetricsAnswer(schema.workspaceAgentsShape),
  load: async (
    ctx,
    workspaceId,
    {
      limit = DEFAULT_LIMIT,
      cursor,
      skip,
      include_total,
      sort = "executions",
      direction = "desc",
      ...query
    },
  ) => {
    const asked = {
      ...queryOfParams(query, "30d"),
      measures: GROUP_MEASURES,
      group_by: ["agent"],
      order_by: [{ measure: sort, direction }],
    };
    const { rows, page, meta } = await groupPage(
      ctx,
      workspaceId,
      asked,
      { limit, cursor, skip, include_total },
      query.explain,
    );
    return {
      data: rows.map((row) => ({ id: String(row.group.agent), ...row.values })),
      page,
      meta,
    };
  },
});

router.openapi(
  createRoute({
    method: "patch",
    path: "/workspaces/{id}/settings",
    tags: [tag],
    summary: "Change the settings of a workspace",
    description: descriptions.WORKSPACE_SETTINGS,
    middleware: [requirePermissionInPathWorkspace("write:settings"), limitBody(16 * 1024)] as const,
    request: {
      params: schema.workspacePath,
      query: z.strictObject({}),
      body: { required: true, content: { "application/json": { schema: schema.settingsChange } } },
    },
    responses: {
      200: jsonContent("The settings.", z.object({ data: schema.settingsShape })),
      ...problemResponses(
        "malformed",
        "not_found",
        "too_large",
        "unsupported_media_type",
        "unprocessable",
      ),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const change = c.req.valid("json");
    if (typeof change.timezone === "string") checkedTimezone(change.timezone);
    const settings = await changeSettings(ctx, workspaceId, change);
    ctx.cache.invalidate(workspaceId);
    return c.json({ data: { id: workspaceId, ...settings } }, 200);
  },
);

export default router;

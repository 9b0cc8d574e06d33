import { createRoute, z } from "@hono/zod-openapi";
import { ask } from "../../analytics/ask.ts";
import { type Filter, OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { firstAndLastSeen } from "../../analytics/executions/seen.ts";
import { groupPage } from "../../analytics/shapes/group-page.ts";
import { requirePermission } from "../../http/auth.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams, rangeParams } from "../../http/metrics-params.ts";
import {
  jsonContent,
  metricsAnswer,
  metricsRoute,
  pagedMetricsAnswer,
} from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, pageShape } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { notFound } from "../../lib/errors.ts";
import { userActivity } from "./activity.ts";
import { userChurn } from "./churn.ts";
import { userCohorts, userRetention } from "./cohorts.ts";
import * as descriptions from "./descriptions.ts";
import { userTimeline } from "./queries.ts";
import * as schema from "./schema.ts";

const tag = "Users";
const router = createRouter();
const USER_MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "failures",
  "success_rate",
  "credits",
  "tokens_in",
  "tokens_out",
  "duration_avg",
  "active_agents",
];

metricsRoute(router, {
  path: "/users",
  tag,
  summary: "Users with their numbers of a range",
  description: descriptions.USER_LIST,
  query: schema.userListParams,
  response: pagedMetricsAnswer(schema.userListShape),
  load: async (
    ctx,
    workspaceId,
    {
      limit = DEFAULT_LIMIT,
      cursor,
      skip,
      include_total,
      q,
      sort = "executions",
      direction = "desc",
      ...query
    },
  ) => {
    const filters: Filter[] = [OF_SOME_USER];
    if (q !== undefined) filters.push({ field: "user", op: "contains", value: q });
    const asked = {
      ...queryOfParams(query, "30d"),
      measures: USER_MEASURES,
      group_by: ["user"],
      filters,
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
      return { id, ...values, last_activity_at: seen.get(id)?.last ?? null };
    });
    return { data, page, meta };
  },
});

metricsRoute(router, {
  path: "/users/activity",
  tag,
  summary: "Active users, their lifecycle, sessions and features",
  description: descriptions.USER_ACTIVITY,
  query: schema.activityParams,
  response: metricsAnswer(schema.userActivityShape),
  load: userActivity,
});

metricsRoute(router, {
  path: "/users/cohorts",
  tag,
  summary: "Cohorts of users",
  description: descriptions.USER_COHORTS,
  query: schema.cohortsParams,
  response: metricsAnswer(schema.cohortsShape),
  load: userCohorts,
});

metricsRoute(router, {
  path: "/users/retention",
  tag,
  summary: "Retention: matrix and curve",
  description: descriptions.USER_RETENTION,
  query: schema.retentionParams,
  response: metricsAnswer(schema.retentionShape),
  load: userRetention,
});

metricsRoute(router, {
  path: "/users/churn",
  tag,
  summary: "Churn over windows",
  description: descriptions.USER_CHURN,
  query: schema.churnParams,
  response: metricsAnswer(schema.churnShape),
  load: userChurn,
});

metricsRoute(router, {
  path: "/users/{id}",
  tag,
  summary: "One user",
  description: descriptions.USER_DETAIL,
  query: z.strictObject(rangeParams),
  params: schema.userParam,
  response: metricsAnswer(schema.userShape),
  load: async (ctx, workspaceId, query, { id }) => {
    const seen = (await firstAndLastSeen(ctx, workspaceId, "user", [id])).get(id);
    if (!seen?.last) throw notFound("user");
    const filters = [{ field: "user", op: "eq" as const, value: id }];
    const asked = { ...queryOfParams(query, "30d"), measures: USER_MEASURES, filters };
    const { totals, meta } = await ask(ctx, workspaceId, asked, query.explain);
    return {
      data: { id, first_activity_at: seen.first, last_activity_at: seen.last, totals },
      meta,
    };
  },
});

router.openapi(
  createRoute({
    method: "get",
    path: "/users/{id}/timeline",
    tags: [tag],
    summary: "Executions and events of a user, newest first",
    middleware: [requirePermission("read:executions")] as const,
    request: { params: schema.userParam, query: schema.userTimelineParams },
    responses: {
      200: jsonContent(
        "A page.",
        z.object({ data: z.array(schema.timelineEntryShape), page: pageShape }),
      ),
      ...problemResponses("malformed", "unprocessable", "not_found"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _workspaceId, ...query } = c.req.valid("query");
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    if (!(await firstAndLastSeen(ctx, workspaceId, "user", [id])).get(id)?.last)
      throw notFound("user");
    return c.json(await userTimeline(ctx, workspaceId, id, { ...query, limit }), 200);
  },
);

export default router;

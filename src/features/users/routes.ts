import { createRoute, z } from "@hono/zod-openapi";
import { ask } from "../../analytics/ask.ts";
import { OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
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
import { userActivity, userChurn, userCohorts, userRetention } from "./answers.ts";
import { userTimeline } from "./queries.ts";
import * as schema from "./schema.ts";

const tag = "Users";
const router = createRouter();
const MEASURES: MeasureName[] = [
  ...([
    "executions",
    "successes",
    "failures",
    "success_rate",
    "credits",
    "tokens_in",
    "tokens_out",
    "duration_avg",
    "active_agents",
  ] as const),
];

metricsRoute(router, {
  path: "/users",
  tag,
  summary: "Users with their numbers of a range",
  description:
    "Users with an execution in the range (default 30d), ordered by a measure, ties by id.",
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
    const base = queryOfParams(query, "30d");
    const found = q === undefined ? [] : [{ field: "user", op: "contains" as const, value: q }];
    const asked = {
      ...base,
      measures: MEASURES,
      group_by: ["user"],
      filters: [OF_SOME_USER, ...found],
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
  description:
    "A user is active on a local day with an execution that starts or an event that occurs in it. wau and mau: distinct users of the 7 and 30 days that end with the day; stickiness = dau / mau. new: first activity ever; returning: active in the 30 days before too; resurrected: active before those; new + returning + resurrected = dau. dormant: left the month on this day. The range is taken as whole local days. Sessions end after 30 minutes without activity. adoption_rate: users of a feature / active users of the range. The heatmap counts starts of all executions, also of those of no user.",
  query: schema.activityParams,
  response: metricsAnswer(schema.userActivityShape),
  load: userActivity,
});

metricsRoute(router, {
  path: "/users/cohorts",
  tag,
  summary: "Cohorts of users",
  description:
    "Users by the day, week or month of their first sign ever. returned: came back in a later bucket; still_active: there in the last bucket that is over. Rates are null while the cohort's own bucket is not over.",
  query: schema.cohortsParams,
  response: metricsAnswer(schema.cohortsShape),
  load: userCohorts,
});

metricsRoute(router, {
  path: "/users/retention",
  tag,
  summary: "Retention: matrix and curve",
  description:
    "A cell counts users of a cohort that were there `offset` buckets after their first sign; rate = users / size. A cell whose bucket is not over is marked `complete: false` and has no rate. The curve sums users and sizes over the cohorts whose cell is complete.",
  query: schema.retentionParams,
  response: metricsAnswer(schema.retentionShape),
  load: userRetention,
});

metricsRoute(router, {
  path: "/users/churn",
  tag,
  summary: "Churn over windows",
  description:
    "churn_rate = users active in one window of whole local days and not in the next, divided by the users active in the first. The last window ends with the last whole day before `to` (default: now).",
  query: schema.churnParams,
  response: metricsAnswer(schema.churnShape),
  load: userChurn,
});

metricsRoute(router, {
  path: "/users/{id}",
  tag,
  summary: "One user",
  description:
    "First and last activity (executions and events), and the numbers of the range (default 30d).",
  query: z.strictObject(rangeParams),
  params: schema.userParam,
  response: metricsAnswer(schema.userShape),
  load: async (ctx, workspaceId, query, { id }) => {
    const seen = (await firstAndLastSeen(ctx, workspaceId, "user", [id])).get(id);
    if (!seen?.last) throw notFound("user");
    const filters = [{ field: "user", op: "eq" as const, value: id }];
    const { totals, meta } = await ask(
      ctx,
      workspaceId,
      { ...queryOfParams(query, "30d"), measures: MEASURES, filters },
      query.explain,
    );
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
    summary: "What a user did, newest first",
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
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...query } = c.req.valid("query");
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    if (!(await firstAndLastSeen(ctx, workspaceId, "user", [id])).get(id)?.last)
      throw notFound("user");
    return c.json(await userTimeline(ctx, workspaceId, id, { ...query, limit }), 200);
  },
);

export default router;

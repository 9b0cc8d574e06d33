import { createRoute, z } from "@hono/zod-openapi";
import { ask } from "../../analytics/ask.ts";
import type { Filter } from "../../analytics/catalog/dimensions.ts";
import { MEASURE_NAMES, type MeasureName } from "../../analytics/catalog/measures.ts";
import { firstAndLastSeen } from "../../analytics/executions/seen.ts";
import { groupPage } from "../../analytics/shapes/group-page.ts";
import { distributionOf, latencyClasses } from "../../analytics/shapes/latency.ts";
import type { Context } from "../../context.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams, rangeParams } from "../../http/metrics-params.ts";
import { jsonContent, metricsAnswer, metricsRoute, pagedMetricsAnswer } from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { notFound } from "../../lib/errors.ts";
import { agentNames, describeAgent, findAgentIds } from "../../store/agents.ts";
import { agentAnalytics } from "./analytics.ts";
import * as schema from "./schema.ts";

const tag = "Agents";
const router = createRouter();
const LISTED: MeasureName[] = [
  ...([
    "executions",
    "successes",
    "failures",
    "success_rate",
    "duration_avg",
    "duration_p95",
    "credits",
    "active_users",
    "errors",
  ] as const),
];
const byAgent = (id: string) => [{ field: "agent", op: "eq" as const, value: id }];

/** @throws AppError not_found for an agent that has neither run here nor been named */
async function knownAgent(ctx: Context, workspaceId: string, id: string) {
  const [names, seen] = await Promise.all([
    agentNames(ctx, workspaceId, [id]),
    firstAndLastSeen(ctx, workspaceId, "agent", [id]),
  ]);
  const [name, times] = [names.get(id), seen.get(id)];
  if (!name && !times?.last) throw notFound("agent");
  return {
    agent: name ?? { id, name: null, labels: [] },
    first: times?.first ?? null,
    last: times?.last ?? null,
  };
}

metricsRoute(router, {
  path: "/agents",
  tag,
  summary: "Agents with their numbers of a range",
  description:
    "Agents with an execution in the range (default 30d), ordered by a measure, ties by id. An agent needs no registration.",
  query: schema.agentListParams,
  response: pagedMetricsAnswer(schema.agentListShape),
  load: async (
    ctx,
    workspaceId,
    {
      limit = DEFAULT_LIMIT,
      cursor,
      skip,
      include_total,
      q,
      label,
      sort = "executions",
      direction = "desc",
      ...query
    },
  ) => {
    const filters: Filter[] = [];
    if (q !== undefined)
      filters.push({
        field: "agent",
        op: "search",
        value: [q, ...(await findAgentIds(ctx, workspaceId, { name: q }))],
      });
    if (label !== undefined)
      filters.push({
        field: "agent",
        op: "in",
        value: await findAgentIds(ctx, workspaceId, { label }),
      });
    const asked = {
      ...queryOfParams(query, "30d"),
      measures: LISTED,
      group_by: ["agent"],
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
    const ids = rows.map((row) => String(row.group.agent));
    const [names, seen] = await Promise.all([
      agentNames(ctx, workspaceId, ids),
      firstAndLastSeen(ctx, workspaceId, "agent", ids),
    ]);
    const data = rows.map((row, index) => {
      const id = ids[index] ?? "";
      const { name = null, labels = [] } = names.get(id) ?? {};
      return { id, name, labels, ...row.values, last_execution_at: seen.get(id)?.last ?? null };
    });
    return { data, page, meta };
  },
});

metricsRoute(router, {
  path: "/agents/{id}",
  tag,
  summary: "One agent",
  description:
    "Name, labels, first and last run ever, and all measures of the range (default 30d).",
  query: z.strictObject(rangeParams),
  params: schema.agentParam,
  response: metricsAnswer(schema.agentShape),
  load: async (ctx, workspaceId, query, { id }) => {
    const { agent, first, last } = await knownAgent(ctx, workspaceId, id);
    const asked = { ...queryOfParams(query, "30d"), measures: MEASURE_NAMES, filters: byAgent(id) };
    const { totals, meta } = await ask(ctx, workspaceId, asked, query.explain);
    return { data: { ...agent, first_execution_at: first, last_execution_at: last, totals }, meta };
  },
});

metricsRoute(router, {
  path: "/agents/{id}/stats",
  tag,
  summary: "An agent's numbers and its distribution of latency",
  description:
    "histogram: classes of latency; distribution: every bucket of the sketch, (above_ms, up_to_ms]. A run within 1 % of a border may count on its other side.",
  query: z.strictObject(rangeParams),
  params: schema.agentParam,
  response: metricsAnswer(schema.agentStatsShape),
  load: async (ctx, workspaceId, query, { id }) => {
    await knownAgent(ctx, workspaceId, id);
    const asked = {
      ...queryOfParams(query, "30d"),
      measures: MEASURE_NAMES,
      filters: byAgent(id),
      sketches: true,
    };
    const { totals, totalsSketch = [], meta } = await ask(ctx, workspaceId, asked, query.explain);
    return {
      data: {
        id,
        totals,
        histogram: latencyClasses(totalsSketch),
        distribution: distributionOf(totalsSketch),
      },
      meta,
    };
  },
});

metricsRoute(router, {
  path: "/agents/{id}/analytics",
  tag,
  summary: "All that is known of an agent in a range",
  description:
    "One snapshot (default 30d). performance: all measures, runs_per_hour over wall time, the distribution of latency; resources by model; errors by fingerprint; the users who ran it most; starts by hour and weekday; change against the period before and against the whole workspace; days with the direction of executions (Mann-Kendall over whole days that are over); suggestions, each with the numbers that it rests on.",
  query: z.strictObject(rangeParams),
  params: schema.agentParam,
  response: metricsAnswer(schema.agentAnalyticsShape),
  load: async (ctx, workspaceId, query, { id }) => {
    const { agent } = await knownAgent(ctx, workspaceId, id);
    return agentAnalytics(ctx, workspaceId, agent, queryOfParams(query, "30d"), query.explain);
  },
});

router.openapi(
  createRoute({
    method: "patch",
    path: "/agents/{id}",
    tags: [tag],
    summary: "Name an agent, label it",
    description:
      "What is left out stays as it is; a null name takes the name away. The agent may be one that has not run yet.",
    middleware: [requirePermission("write:agents"), limitBody(16 * 1024)] as const,
    request: {
      params: schema.agentParam,
      query: z.strictObject(workspaceParam),
      body: { required: true, content: { "application/json": { schema: schema.agentChange } } },
    },
    responses: {
      200: jsonContent("The agent.", z.object({ data: schema.agentNameShape })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
    const data = await describeAgent(
      ctx,
      workspaceId,
      c.req.valid("param").id,
      c.req.valid("json"),
    );
    ctx.cache.invalidate(workspaceId);
    return c.json({ data }, 200);
  },
);

export default router;

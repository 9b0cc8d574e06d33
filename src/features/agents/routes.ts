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
import {
  jsonContent,
  metricsAnswer,
  metricsRoute,
  pagedMetricsAnswer,
} from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { notFound } from "../../lib/errors.ts";
import { agentNames, describeAgent, findAgentIds } from "../../store/agents.ts";
import { agentAnalytics } from "./analytics.ts";
import * as descriptions from "./descriptions.ts";
import * as schema from "./schema.ts";

const tag = "Agents";
const router = createRouter();
const LISTED_MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "failures",
  "success_rate",
  "duration_avg",
  "duration_p95",
  "credits",
  "active_users",
  "errors",
];
const byAgent = (id: string): Filter[] => [{ field: "agent", op: "eq", value: id }];

/** @throws AppError not_found for an agent that has neither run here nor has a name */
async function knownAgent(ctx: Context, workspaceId: string, id: string) {
  const [names, seen] = await Promise.all([
    agentNames(ctx, workspaceId, [id]),
    firstAndLastSeen(ctx, workspaceId, "agent", [id]),
  ]);
  const name = names.get(id);
  const times = seen.get(id);
  if (!name && !times?.last) throw notFound("agent");
  return {
    agent: name ?? { id, name: null, labels: [] },
    first: times?.first ?? null,
    last: times?.last ?? null,
  };
}

/** Agents by a part of their id or name, and by a label. */
async function searchFilters(
  ctx: Context,
  workspaceId: string,
  text: string | undefined,
  label: string | undefined,
): Promise<Filter[]> {
  const filters: Filter[] = [];
  if (text !== undefined) {
    const named = await findAgentIds(ctx, workspaceId, { name: text });
    filters.push({ field: "agent", op: "search", value: [text, ...named] });
  }
  if (label !== undefined) {
    const labelled = await findAgentIds(ctx, workspaceId, { label });
    filters.push({ field: "agent", op: "in", value: labelled });
  }
  return filters;
}

metricsRoute(router, {
  path: "/agents",
  tag,
  summary: "Agents with their numbers of a range",
  description: descriptions.AGENT_LIST,
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
    const asked = {
      ...queryOfParams(query, "30d"),
      measures: LISTED_MEASURES,
      group_by: ["agent"],
      filters: await searchFilters(ctx, workspaceId, q, label),
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
  description: descriptions.AGENT_DETAIL,
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
  description: descriptions.AGENT_STATS,
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
  summary: "Performance, resources, errors, users and trend of an agent",
  description: descriptions.AGENT_ANALYTICS,
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
    summary: "Change the name and the labels of an agent",
    description: descriptions.AGENT_CHANGE,
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
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    const data = await describeAgent(ctx, workspaceId, id, c.req.valid("json"));
    ctx.cache.invalidate(workspaceId);
    return c.json({ data }, 200);
  },
);

export default router;

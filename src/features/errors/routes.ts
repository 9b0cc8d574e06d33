import { createRoute, z } from "@hono/zod-openapi";
import { ask } from "../../analytics/ask.ts";
import type { ErrorStatus } from "../../analytics/errors/error-filter.ts";
import {
  type ErrorGroup,
  errorGroupCount,
  errorGroups,
} from "../../analytics/errors/error-groups.ts";
import { errorOwners, errorTimeline } from "../../analytics/errors/error-timeline.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { rangeOfQuery } from "../../analytics/query.ts";
import { rawMeta } from "../../analytics/result/raw-meta.ts";
import { bucketsOf, completeOf } from "../../analytics/time/range.ts";
import { checkWholePage, decodeCursor, oneWay, paginate } from "../../db/keyset.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams, rangeOrDefault } from "../../http/metrics-params.ts";
import {
  jsonContent,
  metricsAnswer,
  metricsRoute,
  pagedMetricsAnswer,
} from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { notFound, unprocessable } from "../../lib/errors.ts";
import { DAY_US } from "../../lib/time.ts";
import { decideError, decisionOf } from "./decide.ts";
import * as schema from "./schema.ts";

const tag = "Errors";
const router = createRouter();
/** Intake takes nothing from before. */
const FIRST = Date.UTC(2000, 0, 1) * 1000;
const OWNERS = 10;

metricsRoute(router, {
  path: "/errors",
  tag,
  summary: "Errors of a range, grouped",
  description:
    "A group is one fingerprint: the type, whatever its case, and the message without quoted text, ids, numbers and line numbers; q looks at its type and latest message. The most frequent first (default 7d). status: a resolved group is open again, and `reopened`, as soon as a run that carries it ends (by its end or its duration, or starts when neither is known) later than the decision. share: of all errors of the range, and of the agent or user if one is named. credits_lost: credits of the failed runs.",
  query: schema.errorListParams,
  response: pagedMetricsAnswer(schema.errorListShape),
  load: async (
    ctx,
    workspaceId,
    { limit = DEFAULT_LIMIT, cursor, skip, include_total, ...query },
  ) => {
    const { timezone } = query;
    const range = rangeOfQuery(rangeOrDefault(query, "7d"), ctx.nowUs());
    oneWay({ cursor, skip });
    const [executions, id = ""] = cursor === undefined ? [] : decodeCursor(cursor, 2);
    if (executions !== undefined && !/^\d{1,15}$/.test(executions))
      throw unprocessable(
        "query.cursor",
        "invalid_cursor",
        "This cursor was not given by this list.",
      );
    const after = executions === undefined ? undefined : { executions: Number(executions), id };
    const filter = {
      agentId: query.agent_id,
      userId: query.user_id,
      status: query.status,
      search: query.q,
    };
    const [{ groups, found }, meta, ...totals] = await runInOneSnapshot(ctx.db, [
      errorGroups(workspaceId, range, { ...filter, after, skip, limit: limit + 1 }),
      rawMeta(workspaceId, range, timezone),
      ...(include_total ? [errorGroupCount(workspaceId, range, filter)] : []),
    ] as const);
    checkWholePage(groups, found, { limit, skip });
    const positionOf = (group: ErrorGroup) => [String(group.executions), group.id];
    const counts = { total: totals[0], found };
    const { shown: data, page } = paginate(groups, limit, positionOf, counts);
    return {
      data,
      page,
      meta: {
        ...meta,
        sources: {
          ...meta.sources,
          raw: { rows: data.reduce((sum, group) => sum + group.executions, 0) },
        },
      },
    };
  },
});

metricsRoute(router, {
  path: "/errors/timeline",
  tag,
  summary: "Errors over time",
  description: "errors: runs that carry an error; error_rate = errors / executions (default 7d).",
  query: schema.errorTimelineParams,
  response: metricsAnswer(schema.errorTimelineShape),
  load: async (ctx, workspaceId, query) => {
    const asked = {
      ...queryOfParams(query, "7d"),
      measures: ["errors" as const, "executions" as const],
      granularity: query.granularity ?? ("day" as const),
    };
    const { rows, meta } = await ask(ctx, workspaceId, asked, query.explain);
    const data = rows.map(({ bucket = "", complete = false, values }) => {
      const [errors, executions] = [Number(values.errors), Number(values.executions)];
      return {
        bucket,
        complete,
        errors,
        executions,
        error_rate: executions === 0 ? null : errors / executions,
      };
    });
    return { data, meta };
  },
});

metricsRoute(router, {
  path: "/errors/{id}",
  tag,
  summary: "One group of errors",
  description: "Its numbers are of all time; the timeline is of the range (default 30d).",
  query: schema.errorDetailParams,
  params: schema.errorParam,
  response: metricsAnswer(schema.errorGroupShape),
  load: async (ctx, workspaceId, query, { id }) => {
    const { timezone } = query;
    const now = ctx.nowUs();
    const range = rangeOfQuery(rangeOrDefault(query, "30d"), now);
    const ever = { from: FIRST, to: now + DAY_US };
    const granularity = query.granularity ?? "day";
    const buckets = bucketsOf(range, granularity, timezone);
    const complete = completeOf(buckets, granularity, timezone, now);
    const [{ groups }, agents, users, timeline, meta] = await runInOneSnapshot(ctx.db, [
      errorGroups(workspaceId, ever, { fingerprint: id, limit: 1 }),
      errorOwners(workspaceId, ever, id, "agent", OWNERS),
      errorOwners(workspaceId, ever, id, "user", OWNERS),
      errorTimeline(workspaceId, buckets, complete, { fingerprint: id }),
      rawMeta(workspaceId, range, timezone),
    ]);
    const [group] = groups;
    if (!group) throw notFound("error");
    const decision = await decisionOf(ctx, workspaceId, id);
    const raw = { rows: group.executions };
    return {
      data: { ...group, decision, top_agents: agents, top_users: users, timeline },
      meta: { ...meta, sources: { ...meta.sources, raw } },
    };
  },
});

const DECISIONS: [verb: string, status: ErrorStatus, summary: string][] = [
  ["resolve", "resolved", "Resolve a group of errors; it opens again by itself when it comes back"],
  ["ignore", "ignored", "Ignore a group of errors"],
  ["reopen", "open", "Open a group of errors again"],
];
for (const [verb, status, summary] of DECISIONS) {
  router.openapi(
    createRoute({
      method: "post",
      path: `/errors/{id}/${verb}`,
      tags: [tag],
      summary,
      middleware: [requirePermission("write:errors"), limitBody(16 * 1024)] as const,
      request: {
        params: schema.errorParam,
        query: z.strictObject(workspaceParam),
        body: {
          required: false,
          content: { "application/json": { schema: schema.errorDecisionInput } },
        },
      },
      responses: {
        200: jsonContent("The decision.", z.object({ data: schema.errorStateShape })),
        ...problemResponses("malformed", "not_found", "too_large", "unsupported_media_type"),
      },
    }),
    async (c) => {
      const { note = null } = c.req.valid("json") ?? {};
      return c.json(
        {
          data: await decideError(
            c.get("ctx"),
            c.get("workspaceId"),
            c.req.valid("param").id,
            status,
            note,
          ),
        },
        200,
      );
    },
  );
}

export default router;

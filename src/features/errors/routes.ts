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
import type { AnswerMeta } from "../../analytics/result/meta.ts";
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
import * as descriptions from "./descriptions.ts";
import * as schema from "./schema.ts";

const tag = "Errors";
const router = createRouter();
/** Intake refuses what started earlier. */
const EARLIEST = Date.UTC(2000, 0, 1) * 1000;
const MAX_OWNERS = 10;
const EXECUTION_COUNT = /^\d{1,15}$/;

/**
 * The position of a cursor of the list.
 * @throws AppError unprocessable for a cursor of another list
 */
function positionOfCursor(cursor: string | undefined) {
  if (cursor === undefined) return undefined;
  const [executions = "", id = ""] = decodeCursor(cursor, 2);
  if (!EXECUTION_COUNT.test(executions))
    throw unprocessable(
      "query.cursor",
      "invalid_cursor",
      "This cursor was not given by this list.",
    );
  return { executions: Number(executions), id };
}

/** `meta` of an answer that was read from so many raw rows. */
const withRawRows = (meta: AnswerMeta, rows: number): AnswerMeta => ({
  ...meta,
  sources: { ...meta.sources, raw: { rows } },
});

metricsRoute(router, {
  path: "/errors",
  tag,
  summary: "Errors of a range, grouped",
  description: descriptions.ERROR_LIST,
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
    const after = positionOfCursor(cursor);
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
    const executions = data.reduce((sum, group) => sum + group.executions, 0);
    return { data, page, meta: withRawRows(meta, executions) };
  },
});

metricsRoute(router, {
  path: "/errors/timeline",
  tag,
  summary: "Errors over time",
  description: descriptions.ERROR_TIMELINE,
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
      const errors = Number(values.errors);
      const executions = Number(values.executions);
      const rate = executions === 0 ? null : errors / executions;
      return { bucket, complete, errors, executions, error_rate: rate };
    });
    return { data, meta };
  },
});

metricsRoute(router, {
  path: "/errors/{id}",
  tag,
  summary: "One group of errors",
  description: descriptions.ERROR_GROUP,
  query: schema.errorDetailParams,
  params: schema.errorParam,
  response: metricsAnswer(schema.errorGroupShape),
  load: async (ctx, workspaceId, query, { id }) => {
    const { timezone } = query;
    const now = ctx.nowUs();
    const range = rangeOfQuery(rangeOrDefault(query, "30d"), now);
    const ever = { from: EARLIEST, to: now + DAY_US };
    const granularity = query.granularity ?? "day";
    const buckets = bucketsOf(range, granularity, timezone);
    const complete = completeOf(buckets, granularity, timezone, now);
    const [{ groups }, agents, users, timeline, meta] = await runInOneSnapshot(ctx.db, [
      errorGroups(workspaceId, ever, { fingerprint: id, limit: 1 }),
      errorOwners(workspaceId, ever, id, "agent", MAX_OWNERS),
      errorOwners(workspaceId, ever, id, "user", MAX_OWNERS),
      errorTimeline(workspaceId, buckets, complete, { fingerprint: id }),
      rawMeta(workspaceId, range, timezone),
    ]);
    const [group] = groups;
    if (!group) throw notFound("error");
    const decision = await decisionOf(ctx, workspaceId, id);
    return {
      data: { ...group, decision, top_agents: agents, top_users: users, timeline },
      meta: withRawRows(meta, group.executions),
    };
  },
});

const DECISIONS: { verb: string; status: ErrorStatus; summary: string }[] = [
  {
    verb: "resolve",
    status: "resolved",
    summary: "Resolve a group of errors; it opens again when the error comes back",
  },
  { verb: "ignore", status: "ignored", summary: "Ignore a group of errors" },
  { verb: "reopen", status: "open", summary: "Open a group of errors again" },
];
for (const { verb, status, summary } of DECISIONS) {
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
      const { id } = c.req.valid("param");
      const data = await decideError(c.get("ctx"), c.get("workspaceId"), id, status, note);
      return c.json({ data }, 200);
    },
  );
}

export default router;

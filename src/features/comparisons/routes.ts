import { createRoute, z } from "@hono/zod-openapi";
import { type Answer, prepareQuery } from "../../analytics/ask.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { comparablePeriods } from "../../analytics/time/compared-range.ts";
import { formatLocal } from "../../analytics/time/zones.ts";
import { requireUser } from "../../auth/actor.ts";
import type { Context } from "../../context.ts";
import {
  requirePermission,
  requirePermissionInAnyWorkspace,
  workspaceOf,
} from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { cachedAnswer } from "../../http/cached-response.ts";
import { problemResponses } from "../../http/errors.ts";
import { metaShape, queryOfParams, withTimezone } from "../../http/metrics-params.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import {
  COMPARED_MEASURES,
  type ComparedEntity,
  compareEntities,
  compareMetric,
} from "./compare.ts";
import * as schema from "./schema.ts";

const router = createRouter();
const TESTS =
  "tests: every pair, two-proportion z for success_rate and failure_rate, Mann-Whitney on the " +
  "sketches of durations (runs of one bucket, within 2 %, are ties), two-sided, significant below " +
  "0.05; a pair that could not be tested has the reason. With many pairs some are significant by " +
  "chance alone.";

const PERIODS =
  "a against b, of the whole workspace or of one agent. A period that has not ended is compared with " +
  `the same elapsed part of the other (\`elapsed\`, with the from and to that were taken). ${TESTS}`;

const METRICS =
  "The groups with the most executions (default 30d): percentile (share of entities that are not " +
  "above), deviation from their mean in standard deviations, outlier beyond 2. test: the greatest " +
  "value against the least, for rates and durations.";

/** A route that compares what its body names. */
const comparisonRoute = <B extends z.ZodType>(
  path: string,
  summary: string,
  description: string,
  body: B,
  data: z.ZodType,
) =>
  createRoute({
    method: "post",
    path,
    tags: ["Comparisons"],
    summary,
    description,
    middleware: [
      (path.endsWith("workspaces") ? requirePermissionInAnyWorkspace : requirePermission)(
        "read:metrics",
      ),
      limitBody(64 * 1024),
    ] as const,
    request: {
      query: z.strictObject(workspaceParam),
      body: { required: true, content: { "application/json": { schema: body } } },
    },
    responses: {
      200: jsonContent("The comparison.", z.object({ data, meta: metaShape })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  });

const entityOf = (id: string, { totals, totalsSketch = [] }: Answer): ComparedEntity => ({
  id,
  values: totals,
  sketch: totalsSketch,
});
const metaOf = (ids: readonly string[], answers: readonly Answer[]) =>
  combineMeta(Object.fromEntries(answers.map((answer, index) => [ids[index] ?? "", answer.meta])));

/** Compares entities by the same question, from one snapshot. */
async function askEach(
  ctx: Context,
  parts: readonly { workspaceId: string; id: string; query: Omit<Query, "measures"> }[],
) {
  const now = ctx.nowUs();
  const answers = await runInOneSnapshot(
    ctx.db,
    parts.map(({ workspaceId, query }) =>
      prepareQuery(workspaceId, { ...query, measures: COMPARED_MEASURES, sketches: true }, now),
    ),
  );
  const ids = parts.map(({ id }) => id);
  const data = compareEntities(answers.map((answer, index) => entityOf(ids[index] ?? "", answer)));
  return { data, meta: metaOf(ids, answers) };
}

/** Fixes the range, so that all entities have one clock. */
function withFixedRange(ctx: Context, query: Omit<Query, "measures">): Omit<Query, "measures"> {
  const { timeframe: _timeframe, ...rest } = query;
  return { ...rest, ...rangeOfQuery(query, ctx.nowUs()) };
}

router.openapi(
  comparisonRoute(
    "/comparisons/agents",
    "Compare 2 to 10 agents",
    `Values, differences, winner (default 30d). ${TESTS}`,
    schema.compareAgentsBody,
    schema.entityComparisonShape,
  ),
  async (c) => {
    const { agent_ids: ids, ...asked } = c.req.valid("json");
    return cachedAnswer(c, "compare-agents", { ids, ...asked }, async (ctx, workspaceId) => {
      const query = withFixedRange(
        ctx,
        queryOfParams(await withTimezone(ctx, workspaceId, asked), "30d"),
      );
      return askEach(
        ctx,
        ids.map((id) => ({
          workspaceId,
          id,
          query: { ...query, filters: [{ field: "agent", op: "eq" as const, value: id }] },
        })),
      );
    });
  },
);

router.openapi(
  comparisonRoute(
    "/comparisons/periods",
    "Compare two periods",
    PERIODS,
    schema.comparePeriodsBody,
    schema.entityComparisonShape,
  ),
  async (c) => {
    const { a, b, agent_id, ...asked } = c.req.valid("json");
    const filters =
      agent_id === undefined ? [] : [{ field: "agent", op: "eq" as const, value: agent_id }];
    return cachedAnswer(
      c,
      "compare-periods",
      { a, b, agent_id, ...asked },
      async (ctx, workspaceId) => {
        const { timezone } = await withTimezone(ctx, workspaceId, asked);
        const now = ctx.nowUs();
        const first = rangeOfQuery(a, now);
        const second = rangeOfQuery(b, now);
        const periods = comparablePeriods(first, second, now, timezone);
        const { data, meta } = await askEach(
          ctx,
          periods.map(({ from, to }, index) => ({
            workspaceId,
            id: index === 0 ? "a" : "b",
            query: { from, to, timezone, filters },
          })),
        );
        const entities = data.entities.map((entity, index) => {
          const { from = 0, to = 0, elapsed = false } = periods[index] ?? {};
          const span = { from: formatLocal(from, timezone), to: formatLocal(to, timezone) };
          return { ...entity, ...span, complete: to <= now, elapsed };
        });
        return { data: { ...data, entities }, meta };
      },
    );
  },
);

router.openapi(
  comparisonRoute(
    "/comparisons/workspaces",
    "Compare 2 to 20 workspaces of the token",
    `Each must be in the token and readable: 403 otherwise (default 30d). ${TESTS}`,
    schema.compareWorkspacesBody,
    schema.entityComparisonShape,
  ),
  async (c) => {
    const { workspace_ids: ids, ...asked } = c.req.valid("json");
    const user = requireUser(c.get("ctx"));
    for (const id of ids) workspaceOf(user, id, "read:metrics");
    return cachedAnswer(c, "compare-workspaces", { ids, ...asked }, async (ctx, workspaceId) => {
      const query = withFixedRange(
        ctx,
        queryOfParams(await withTimezone(ctx, workspaceId, asked), "30d"),
      );
      return askEach(
        ctx,
        ids.map((id) => ({ workspaceId: id, id, query })),
      );
    });
  },
);

router.openapi(
  comparisonRoute(
    "/comparisons/metrics",
    "Compare one measure over entities",
    METRICS,
    schema.compareMetricsBody,
    schema.metricComparisonShape,
  ),
  async (c) => {
    const { measure: name, by = "agent", limit = 20, ...asked } = c.req.valid("json");
    return cachedAnswer(
      c,
      "compare-metrics",
      { name, by, limit, ...asked },
      async (ctx, workspaceId) => {
        const measures = [...new Set([name, "executions" as const, ...COMPARED_MEASURES])];
        const query = {
          ...queryOfParams(await withTimezone(ctx, workspaceId, asked), "30d"),
          measures,
          group_by: [by],
          order_by: [{ measure: "executions" as const, direction: "desc" as const }],
          // One more: runs without a user are not an entity.
          limit: limit + 1,
          sketches: true,
        };
        const [answer] = await runInOneSnapshot(ctx.db, [
          prepareQuery(workspaceId, query, ctx.nowUs()),
        ]);
        const entities = answer.rows
          .filter((row) => !row.other && !(by === "user" && row.group.user === null))
          .slice(0, limit)
          .map(({ group, values, sketch = [] }) => {
            const label = group[by] === null || group[by] === undefined ? null : String(group[by]);
            return { id: label ?? "", label, values, sketch };
          });
        return {
          data: { by, ...compareMetric(name, entities), total: answer.totals[name] ?? null },
          meta: answer.meta,
        };
      },
    );
  },
);

export default router;

import { z } from "@hono/zod-openapi";
import { permittedWorkspaces, requireUser } from "../../auth/actor.ts";
import { measureValues, queryOfParams, rangeParams } from "../../http/metrics-params.ts";
import { metricsAnswer, metricsRoute, pagedMetricsAnswer } from "../../http/metrics-route.ts";
import { callerIdPath, DEFAULT_LIMIT, pageParams } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { AppError, notFound } from "../../lib/errors.ts";
import { boardPage, type Leaderboard, rankGroups, rankWorkspaces } from "./board.ts";
import { AGENT_CRITERIA, USER_CRITERIA, WORKSPACE_CRITERIA } from "./score.ts";

const tag = "Leaderboards";
const router = createRouter();
/** The executions that a contender needs. */
const LEAST = { agent: 5, user: 1, workspace: 10 };
const MAX_WORKSPACES = 50;

const criteriaOf = <T extends Record<string, unknown>>(table: T) =>
  z.enum(Object.keys(table) as [keyof T & string, ...(keyof T & string)[]]);
const agentCriteria = criteriaOf(AGENT_CRITERIA);
const userCriteria = criteriaOf(USER_CRITERIA);
const workspaceCriteria = criteriaOf(WORKSPACE_CRITERIA);
const paging = {
  limit: pageParams.limit,
  cursor: pageParams.cursor,
  include_total: pageParams.include_total,
};
const entry = z.object({
  id: z.string(),
  rank: z.int(),
  previous_rank: z.int().nullable(),
  change: z.int().nullable(),
  percentile: z.number(),
  badge: z.enum(["gold", "silver", "bronze"]).nullable(),
  score: z.number(),
  volume: z.int(),
  metrics: measureValues,
});
const board = z
  .object({
    criterion: z.string(),
    formula: z.string(),
    least_executions: z.int(),
    rankings: z.array(entry),
  })
  .openapi("Leaderboard");

const RULES =
  "S: success in percent, N: executions, U: users, A: agents, D: mean duration in seconds, C: " +
  "credits a run. Equal scores are ordered by executions, then id; equal score and executions share " +
  "a rank. previous_rank is that of the period before by the same rule, change the places up since. " +
  "percentile = (n - rank + 1) / n * 100. The answer has the formula.";

function answerOf(
  found: Leaderboard,
  criterion: string,
  formula: string,
  least: number,
  paged: { limit: number; cursor?: string | undefined; include_total?: boolean | undefined },
) {
  const { data, page } = boardPage(found, paged.limit, paged.cursor, paged.include_total);
  return {
    data: { criterion, formula, least_executions: least, rankings: data },
    page,
    meta: found.meta,
  };
}

metricsRoute(router, {
  path: "/leaderboards/agents",
  tag,
  summary: "Agents, ranked",
  description: `Agents with at least ${LEAST.agent} executions in the range (default 7d). ${RULES}`,
  query: z.strictObject({
    ...rangeParams,
    ...paging,
    criteria: agentCriteria.optional().openapi({ description: "Default success_rate." }),
  }),
  response: pagedMetricsAnswer(board),
  load: async (
    ctx,
    workspaceId,
    { criteria = "success_rate", limit = DEFAULT_LIMIT, cursor, include_total, ...query },
  ) => {
    const formula = AGENT_CRITERIA[criteria];
    const found = await rankGroups(
      ctx,
      workspaceId,
      "agent",
      queryOfParams(query, "7d"),
      formula,
      LEAST.agent,
      query.explain,
    );
    return answerOf(found, criteria, formula.formula, LEAST.agent, {
      limit,
      cursor,
      include_total,
    });
  },
});

metricsRoute(router, {
  path: "/leaderboards/users",
  tag,
  summary: "Users, ranked",
  description: `Users with an execution in the range (default 7d). ${RULES}`,
  query: z.strictObject({
    ...rangeParams,
    ...paging,
    criteria: userCriteria.optional().openapi({ description: "Default activity." }),
  }),
  response: pagedMetricsAnswer(board),
  load: async (
    ctx,
    workspaceId,
    { criteria = "activity", limit = DEFAULT_LIMIT, cursor, include_total, ...query },
  ) => {
    const formula = USER_CRITERIA[criteria];
    const found = await rankGroups(
      ctx,
      workspaceId,
      "user",
      queryOfParams(query, "7d"),
      formula,
      LEAST.user,
      query.explain,
    );
    return answerOf(found, criteria, formula.formula, LEAST.user, { limit, cursor, include_total });
  },
});

metricsRoute(router, {
  path: "/leaderboards/workspaces",
  tag,
  summary: "Workspaces of the token, ranked",
  description:
    "Only workspaces that the token includes and may read, with at least " +
    `${LEAST.workspace} executions in the range (default 7d). ${RULES}`,
  query: z.strictObject({
    ...rangeParams,
    ...paging,
    criteria: workspaceCriteria.optional().openapi({ description: "Default activity." }),
  }),
  response: pagedMetricsAnswer(board),
  workspace: "token",
  load: async (
    ctx,
    _workspaceId,
    { criteria = "activity", limit = DEFAULT_LIMIT, cursor, include_total, ...query },
  ) => {
    const ids = permittedWorkspaces(requireUser(ctx), "read:metrics");
    if (ids.length > MAX_WORKSPACES)
      throw new AppError(
        "unprocessable",
        "too_many_workspaces",
        `At most ${MAX_WORKSPACES} workspaces are ranked at once.`,
      );
    const formula = WORKSPACE_CRITERIA[criteria];
    const found = await rankWorkspaces(
      ctx,
      ids,
      queryOfParams(query, "7d"),
      formula,
      LEAST.workspace,
      query.explain,
    );
    return answerOf(found, criteria, formula.formula, LEAST.workspace, {
      limit,
      cursor,
      include_total,
    });
  },
});

metricsRoute(router, {
  path: "/leaderboards/agents/{id}/rank",
  tag,
  summary: "One agent's rank",
  description:
    "The agent's entry alone, and how many are ranked; not_found for an agent without " +
    `${LEAST.agent} executions in the range (default 7d). ${RULES}`,
  query: z.strictObject({
    ...rangeParams,
    criteria: agentCriteria.optional().openapi({ description: "Default success_rate." }),
  }),
  params: z.object({ id: callerIdPath }),
  response: metricsAnswer(
    entry.extend({ criterion: z.string(), formula: z.string(), ranked: z.int() }),
  ),
  load: async (ctx, workspaceId, { criteria = "success_rate", ...query }, { id }) => {
    const formula = AGENT_CRITERIA[criteria];
    const { entries, meta } = await rankGroups(
      ctx,
      workspaceId,
      "agent",
      queryOfParams(query, "7d"),
      formula,
      LEAST.agent,
      query.explain,
    );
    const found = entries.find((each) => each.id === id);
    if (!found) throw notFound("ranked agent");
    return {
      data: { criterion: criteria, formula: formula.formula, ranked: entries.length, ...found },
      meta,
    };
  },
});

export default router;

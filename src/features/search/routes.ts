import { z } from "@hono/zod-openapi";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { rawMeta } from "../../analytics/result/raw-meta.ts";
import { textInput } from "../../http/fields.ts";
import { metricsAnswer, metricsRoute } from "../../http/metrics-route.ts";
import { wholeNumberParam, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { zoneIn } from "../../store/workspaces.ts";
import { SEARCH_TYPES, searchWorkspace } from "./search.ts";

const router = createRouter();
const type = z.enum(SEARCH_TYPES);
const hit = z.object({
  type,
  id: z.string(),
  title: z.string(),
  detail: z.string().nullable(),
  score: z.int(),
  href: z.string(),
});
const DEFAULT_HITS = 10;

metricsRoute(router, {
  path: "/search",
  tag: "Search",
  summary: "Find agents, users, executions, errors, funnels and reports",
  description:
    "Ids by their beginning; names, labels, errors, funnels and reports also by the beginnings of " +
    "their words. score: 3 the name or id is the text, 2 it begins with it, 1 its words do. The " +
    "best `limit` of each kind.",
  query: z.strictObject({
    ...workspaceParam,
    q: textInput(256).trim().min(1),
    types: z
      .string()
      .max(128)
      .transform((text) => text.split(","))
      .pipe(z.array(type).min(1).max(SEARCH_TYPES.length))
      .optional()
      .openapi({ type: "string", example: "agents,errors" }),
    limit: wholeNumberParam(1, 50)
      .optional()
      .openapi({ description: `Of each kind; default ${DEFAULT_HITS}.` }),
  }),
  response: metricsAnswer(
    z
      .object({ total: z.int(), results: z.record(z.string(), z.array(hit)) })
      .openapi("SearchResults"),
  ),
  load: async (ctx, workspaceId, { q, types = SEARCH_TYPES, limit = DEFAULT_HITS }) => {
    const now = ctx.nowUs();
    const timezone = await zoneIn(ctx, workspaceId, undefined);
    const [results, [meta]] = await Promise.all([
      searchWorkspace(ctx, workspaceId, q, [...new Set(types)], limit),
      runInOneSnapshot(ctx.db, [rawMeta(workspaceId, { from: now, to: now + 1 }, timezone)]),
    ]);
    return {
      data: { total: Object.values(results).reduce((sum, hits) => sum + hits.length, 0), results },
      meta,
    };
  },
});

export default router;

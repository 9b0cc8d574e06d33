import { createRoute, z } from "@hono/zod-openapi";
import { sql } from "drizzle-orm";
import type { Context } from "../../context.ts";
import { connect } from "../../db/client.ts";
import { DEADLINES, GRACE_MS } from "../../db/deadlines.ts";
import { createRouter } from "../../http/router.ts";
import { answered } from "../../lib/deadline.ts";

const tags = ["System"];
const router = createRouter();
const json = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { "application/json": { schema } },
});

router.openapi(
  createRoute({
    method: "get",
    path: "/",
    tags,
    summary: "What this is",
    security: [],
    responses: {
      200: json(
        "Name and where to read on.",
        z.object({ name: z.string(), api: z.string(), docs: z.string(), openapi: z.string() }),
      ),
    },
  }),
  (c) =>
    c.json(
      { name: "Shadower Analytics", api: "/api/v1", docs: "/docs", openapi: "/openapi.json" },
      200,
    ),
);

router.openapi(
  createRoute({
    method: "get",
    path: "/health",
    tags,
    summary: "Alive",
    security: [],
    responses: { 200: json("It runs.", z.object({ status: z.literal("ok") })) },
  }),
  (c) => c.json({ status: "ok" as const }, 200),
);

const probeResult = z.object({ name: z.string(), ok: z.boolean(), latency_ms: z.number() });
const readiness = z.object({ ready: z.boolean(), checks: z.array(probeResult) });

const PROBES: { name: string; run(ctx: Context): Promise<unknown> }[] = [
  {
    name: "database",
    run: ({ config: { DATABASE_URL, NEON_ENDPOINT } }) =>
      connect(DATABASE_URL, NEON_ENDPOINT, DEADLINES.probe).query({
        sql: sql`select 1 as one`,
        row: z.object({ one: z.number() }),
      }),
  },
  { name: "kv", run: (ctx) => ctx.kv.get("probe") },
  { name: "r2", run: (ctx) => ctx.files.head("probe") },
  { name: "queue", run: (ctx) => ctx.queue.metrics() },
];

async function probe(ctx: Context, { name, run }: (typeof PROBES)[number]) {
  const started = performance.now();
  let ok = true;
  try {
    await answered(name, DEADLINES.probe + GRACE_MS, run(ctx));
  } catch (error) {
    ok = false;
    ctx.log.error("probe", error, { name });
  }
  return { name, ok, latency_ms: Math.round((performance.now() - started) * 10) / 10 };
}

router.openapi(
  createRoute({
    method: "get",
    path: "/ready",
    tags,
    summary: "Whether everything that a request needs answers",
    security: [],
    responses: {
      200: json("Ready.", readiness),
      503: json("Something does not answer.", readiness),
    },
  }),
  async (c) => {
    const checks = await Promise.all(PROBES.map((each) => probe(c.get("ctx"), each)));
    const ready = checks.every((check) => check.ok);
    return c.json({ ready, checks }, ready ? 200 : 503);
  },
);

export default router;

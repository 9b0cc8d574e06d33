import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "../../context.ts";
import { connect } from "../../db/client.ts";
import { DEADLINES, GRACE_MS } from "../../db/deadlines.ts";
import { busyDatabase, sqlState } from "../../db/faults.ts";
import {
  lastMigration,
  NEVER_MIGRATED,
  SCHEMA_FAULTS,
  schemaFault,
} from "../../db/schema-version.ts";
import { createRouter } from "../../http/router.ts";
import { answerWithin } from "../../lib/deadline.ts";
import { AppError } from "../../lib/errors.ts";

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

const probeResult = z.object({
  name: z.string(),
  ok: z.boolean(),
  latency_ms: z.number(),
  code: z
    .string()
    .optional()
    .describe("What is wrong, such as `schema_older`, `schema_newer`, `database_unavailable`."),
  detail: z.string().optional(),
});
const readiness = z.object({ ready: z.boolean(), checks: z.array(probeResult) });

/** Connections are pooled by the text of their address: another name is a connection of its own. */
function probeAddress(databaseUrl: string): string {
  const address = new URL(databaseUrl);
  address.searchParams.set("application_name", "shadower_probe");
  return address.href;
}

/**
 * Asks twice: on a connection of its own, and on those that requests use.
 * @throws AppError unavailable `database_busy` when only the former answers, or for another schema
 */
async function probeDatabase({ config: { DATABASE_URL, NEON_ENDPOINT } }: Context): Promise<void> {
  const ask = (url: string) => connect(url, NEON_ENDPOINT, DEADLINES.probe).all(lastMigration);
  const [own, shared] = await Promise.allSettled([
    ask(probeAddress(DATABASE_URL)),
    ask(DATABASE_URL),
  ]);
  const isNeverMigrated =
    own.status === "rejected" && NEVER_MIGRATED.includes(sqlState(own.reason) ?? "");
  if (own.status === "rejected" && !isNeverMigrated) throw own.reason;
  const applied = own.status === "fulfilled" ? own.value : [];
  if (own.status === "fulfilled" && shared.status === "rejected") throw busyDatabase(shared.reason);
  const fault = schemaFault(applied[0]?.applied);
  if (fault) throw new AppError("unavailable", fault, SCHEMA_FAULTS[fault]);
}

const PROBES: { name: string; run(ctx: Context): Promise<unknown> }[] = [
  { name: "database", run: probeDatabase },
  { name: "kv", run: (ctx) => ctx.kv.get("probe") },
  { name: "r2", run: (ctx) => ctx.files.head("probe") },
  { name: "queue", run: (ctx) => ctx.queues.jobs.metrics() },
];

async function probe(ctx: Context, { name, run }: (typeof PROBES)[number]) {
  const started = performance.now();
  const latency = () => Math.round((performance.now() - started) * 10) / 10;
  try {
    await answerWithin(name, DEADLINES.probe + GRACE_MS, run(ctx));
    return { name, ok: true, latency_ms: latency() };
  } catch (error) {
    ctx.log.error("probe", error, { name });
    const why = error instanceof AppError ? { code: error.code, detail: error.message } : {};
    return { name, ok: false, latency_ms: latency(), ...why };
  }
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
      503: json("Something does not answer, or the database is of another version.", readiness),
    },
  }),
  async (c) => {
    const checks = await Promise.all(PROBES.map((each) => probe(c.get("ctx"), each)));
    const ready = checks.every((check) => check.ok);
    return c.json({ ready, checks }, ready ? 200 : 503);
  },
);

export default router;

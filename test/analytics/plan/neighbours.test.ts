import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { rebuildRollups, runRollups } from "../../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { patientDb, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { keepStatistics, settleNeighbour } from "../../support/neighbour.ts";
import { type Cost, costsDuring } from "../../support/plans.ts";
import { store } from "../../support/store.ts";
import { VIEWS, type View } from "../../support/views.ts";

const W = "newcomer";
const ROWS = 6_000;
const FROM = Date.parse("2026-10-01T00:00:00Z");
let api: ReturnType<typeof clientOf>;
const objects: Record<string, string> = { agent: "a1", user: "u1", workspace: W };

/** Views that differ in their statements, not only in a measure. */
const ASKED = VIEWS.filter(
  ({ path }) =>
    !/criteria=(?!runs|activity|growth)|trends\/(?!executions)|by=(agent|user)/.test(path),
);

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext({ db: patientDb() });
  await settleNeighbour(ctx.db);
  await rebuildRollups(ctx);
  const roll = async () => {
    for (const unit of ["hour", "day", "session"] as const) await runRollups(ctx, unit);
  };
  await roll();
  // As autovacuum leaves the index of texts: cheap, so that the planner intersects it with another.
  await ctx.db.run(sql`select gin_clean_pending_list(i.indexrelid)::text from pg_index i
    join pg_class c on c.oid = i.indexrelid and c.relkind = 'i'
    join pg_am a on a.oid = c.relam and a.amname = 'gin'`);
  await keepStatistics(ctx.db, "fresh");
  // The newcomer: a run every six minutes of 25 days, of which the last two days wait for their rollups.
  api = clientOf(await tokenFor(W));
  const runs = Array.from({ length: ROWS }, (_, n) => ({
    id: `r${n}`,
    agent_id: `a${n % 3}`,
    user_id: `u${n % 50}`,
    status: n % 4 === 0 ? "failure" : "success",
    started_at: new Date(FROM + n * 360_000).toISOString(),
    duration_ms: n,
    ...(n % 4 === 0 ? { error: { type: "Boom", message: "it went wrong" } } : {}),
  }));
  const opened = runs.map(({ id, user_id, started_at }) => ({
    id,
    event_type: "open",
    user_id,
    occurred_at: started_at,
  }));
  const rolled = ROWS - 480;
  await store(executionIntake(ctx, W), runs.slice(0, rolled));
  await store(eventIntake(ctx, W), opened.slice(0, rolled));
  await roll();
  await store(executionIntake(ctx, W), runs.slice(rolled));
  await store(eventIntake(ctx, W), opened.slice(rolled));
  objects.error = (
    await api.get("/api/v1/errors?from=2026-10-01T00:00:00Z&to=2026-11-01T00:00:00Z")
  ).body.data[0].id;
}, 180_000);

/** Pages and rows of all statements of a view, over two days of which one waits for its rollups. */
async function costOf(view: View): Promise<{ buffers: number; rows: number; plans: string }> {
  const path = `/api/v1${view.path.replaceAll(/\{(\w+)\}/g, (_, name) => objects[name] ?? "")}`;
  const range = { from: "2026-10-23T00:00:00Z", to: "2026-10-25T00:00:00Z" };
  const query = new URLSearchParams(range).toString();
  const ranged = view.rangeless ? path : `${path}${path.includes("?") ? "&" : "?"}${query}`;
  const anew = { "cache-control": "no-cache" };
  const costs = await costsDuring(patientDb(), async () => {
    const answer =
      view.method === "GET"
        ? await api.get(ranged, anew)
        : await api.post(path, { ...range, ...view.body }, anew);
    expect(answer.status).toBe(200);
  });
  const total = (of: (cost: Cost) => number) => costs.reduce((sum, cost) => sum + of(cost), 0);
  return {
    buffers: total((cost) => cost.buffers),
    rows: total((cost) => cost.rows),
    plans: costs.map(({ text, plan }) => `${text.slice(0, 300)}\n${plan}`).join("\n"),
  };
}

const known = new Map<View, { buffers: number; rows: number }>();
const NAMED = ASKED.map((view) => [`${view.method} ${view.path}`, view] as const);

it.each(NAMED)(
  "%s reads what it asks for, of a workspace unknown to the statistics",
  async (_, view) => {
    const cost = await costOf(view);
    known.set(view, cost);
    // The newcomer's 6,000 runs and as many events are on about 600 pages.
    expect(cost.buffers, cost.plans).toBeLessThan(9_000);
    expect(cost.rows, cost.plans).toBeLessThan(110_000);
  },
);

describe.each(["none", "tiny"] as const)("with %s statistics", (statistics) => {
  beforeAll(() => keepStatistics(patientDb(), statistics));

  it.each(NAMED)("%s reads about the same", async (_, view) => {
    const before = known.get(view) ?? { buffers: 0, rows: 0 };
    const after = await costOf(view);
    expect(after.buffers, after.plans).toBeLessThan(6 * before.buffers + 500);
    expect(after.rows, after.plans).toBeLessThan(4 * before.rows + 5_000);
  });
});

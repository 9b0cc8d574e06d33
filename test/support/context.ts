import { env } from "cloudflare:workers";
import { type Context, createContext } from "../../src/context.ts";
import { connect } from "../../src/db/client.ts";
import { DEADLINES } from "../../src/db/deadlines.ts";
import type { Log } from "../../src/lib/log.ts";

/** Queues that hand what is sent to `take`, instead of to a consumer. */
export function queuesTo(take: (body: unknown) => void = () => undefined): Context["queues"] {
  const queue = { send: async (body: unknown) => take(body) } as unknown as typeof env.JOBS;
  return { jobs: queue, deliveries: queue, rollups: queue };
}

const silent: Log = { info: () => undefined, error: () => undefined };

/** A context as a door builds it, and `settled`: waits for what was left to run behind. */
export function testContext(
  changes: Partial<Context> = {},
): Context & { settled(): Promise<void> } {
  const behind: Promise<unknown>[] = [];
  const door = { waitUntil: (work: Promise<unknown>) => void behind.push(work) };
  const ctx = createContext(env, door, { kind: "system", task: "test" }, silent);
  return { ...ctx, ...changes, settled: async () => void (await Promise.all(behind)) };
}

/** The database with the deadline of crons: what fills and measures tables takes long on a busy machine. */
export const patientDb = () => connect(env.DATABASE_URL, env.NEON_ENDPOINT, DEADLINES.maintenance);

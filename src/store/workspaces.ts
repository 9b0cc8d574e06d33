import { sql } from "drizzle-orm";
import { z } from "zod";
import { checkedTimezone } from "../analytics/query.ts";
import type { Context } from "../context.ts";
import { BoundedStore, bytesOf } from "../lib/bounded-store.ts";

const settingsRow = z.object({
  name: z.string().nullable(),
  timezone: z.string().nullable(),
  credit_price: z.string().nullable(),
  currency: z.string().nullable(),
  retention_days: z.number().nullable(),
  stale_after_minutes: z.number().nullable(),
});
export type WorkspaceSettings = z.output<typeof settingsRow>;
const NO_SETTINGS: WorkspaceSettings = {
  name: null,
  timezone: null,
  credit_price: null,
  currency: null,
  retention_days: null,
  stale_after_minutes: null,
};
const COLUMNS = sql.raw(
  "name, timezone, credit_price::text, currency, retention_days, stale_after_minutes",
);

/** Settings of a workspace; null where nothing is set. */
export async function settingsOf(ctx: Context, workspaceId: string): Promise<WorkspaceSettings> {
  const found = await ctx.db.maybe({
    sql: sql`select ${COLUMNS} from workspaces where id = ${workspaceId}`,
    row: settingsRow,
  });
  return found ?? NO_SETTINGS;
}

/** As long as an answer is fresh: other isolates notice a change of the zone as late as that. */
const ZONE_MS = 5_000;
const ZONES_BYTES = 512 * 1024;
const zones = new BoundedStore<string>(ZONES_BYTES);
/** Changes of settings by this isolate: what was read before one is not remembered after it. */
let changes = 0;

/**
 * The zone of a question: the requested one, else the workspace's, else UTC.
 * @throws AppError unprocessable if the name is not an IANA time zone
 */
export async function zoneIn(
  { db }: Pick<Context, "db">,
  workspaceId: string,
  asked: string | undefined,
): Promise<string> {
  if (asked !== undefined) return checkedTimezone(asked);
  const nowMs = Date.now();
  const known = zones.get(workspaceId, nowMs);
  if (known !== undefined) return known;
  const before = changes;
  const zone = await storedZone(db, workspaceId);
  if (changes === before)
    zones.set(workspaceId, zone, { bytes: bytesOf(zone), untilMs: nowMs + ZONE_MS });
  return zone;
}

async function storedZone(db: Context["db"], workspaceId: string): Promise<string> {
  const found = await db.maybe({
    sql: sql`select timezone from workspaces where id = ${workspaceId}`,
    row: settingsRow.pick({ timezone: true }),
  });
  return found?.timezone ?? "UTC";
}

/** Sets the given fields (null removes a setting) and leaves the others. Safe to run twice. */
export async function changeSettings(
  ctx: Context,
  workspaceId: string,
  change: { [K in keyof WorkspaceSettings]?: WorkspaceSettings[K] | undefined },
): Promise<WorkspaceSettings> {
  const names = Object.keys(NO_SETTINGS) as (keyof WorkspaceSettings)[];
  const given = names.filter((name) => change[name] !== undefined);
  const columns = given.map((name) => sql`, ${sql.identifier(name)}`);
  const values = given.map((name) => sql`, ${change[name]}`);
  const sets = given.map((name) => sql`${sql.identifier(name)} = excluded.${sql.identifier(name)}`);
  const update = sets.length === 0 ? sql`id = excluded.id` : sql.join(sets, sql`, `);
  const settings = await ctx.db.one({
    sql: sql`
      insert into workspaces (id${sql.join(columns)})
      values (${workspaceId}${sql.join(values)})
      on conflict (id) do update set ${update}
      returning ${COLUMNS}`,
    row: settingsRow,
  });
  changes++;
  zones.delete(workspaceId);
  return settings;
}

export interface MoneyAmount {
  amount: string | null;
  currency: string | null;
  /** Reason for an amount of null. */
  reason: string | null;
}

export const NO_PRICE = "The workspace has no credit_price; set it to know amounts of money.";

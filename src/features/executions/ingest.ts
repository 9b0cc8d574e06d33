import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import type { Statement } from "../../db/client.ts";
import { sqlState } from "../../db/faults.ts";
import { type IntakeKind, type ItemVerdict, UNKNOWN_START } from "../../intake/items.ts";
import { FRAME_EXECUTIONS } from "../../realtime/protocol.ts";
import { publishExecutions } from "../../realtime/publish.ts";
import { type Basis, classify, insertNew, lockKeys, moveStarts, upsert } from "./merge.ts";
import { checkMessage, type Message } from "./message.ts";

const writtenRow = z.object({
  id: z.string(),
  user_id: z.string().nullable(),
  created: z.boolean(),
});
const idRow = z.object({ id: z.string() });
const reasonRow = z.object({
  id: z.string(),
  stored: z.boolean(),
  newer: z.boolean(),
  path: z.string().nullable(),
  reversed: z.boolean().nullable(),
  superseded: z.boolean(),
});
const NO_PARTITION = "23514";
const MAX_RESENDS = 3;
const NOTHING_MOVED = sql`select null::text as id where false`;

/** Months are made on demand: the first row of a month that nobody foresaw finds no partition, and the statement wrote nothing. */
async function withPartitions<T>(
  ctx: Context,
  messages: readonly Message[],
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (sqlState(error) !== NO_PARTITION) throw error;
    const months = [
      ...new Set(messages.flatMap((message) => message.started_at?.slice(0, 7) ?? [])),
    ].sort();
    for (const month of months) {
      await ctx.db.run(
        sql`select ensure_execution_partition(${`${month}-01T00:00:00Z`}::timestamptz)::text`,
      );
    }
    return await write();
  }
}

/** Puts messages about one execution into different waves, in their order: one statement can change a row only once. */
function wavesOf(messages: readonly Message[]): Message[][] {
  const waves: Message[][] = [];
  const seen = new Map<string, number>();
  for (const message of messages) {
    const wave = seen.get(message.id) ?? 0;
    seen.set(message.id, wave + 1);
    const list = waves[wave] ?? [];
    waves[wave] = list;
    list.push(message);
  }
  return waves;
}

function verdictOf(reason: z.output<typeof reasonRow>): ItemVerdict {
  if (!reason.stored) {
    return {
      result: "invalid",
      code: UNKNOWN_START,
      path: "started_at",
      detail: "An id without started_at must be of a known execution.",
    };
  }
  if (reason.reversed)
    return {
      result: "invalid",
      code: "end_before_start",
      path: "ended_at",
      detail: "must not be before the stored started_at",
    };
  if (reason.superseded) {
    return {
      result: "conflict",
      code: "superseded",
      path: "revision",
      detail:
        "The stored execution has a higher revision and is open; an end needs that revision or a higher one.",
    };
  }
  if (reason.path === null) return { result: "duplicate" };
  const detail = `The stored execution says otherwise about ${reason.path}; a correction needs a higher revision.`;
  return { result: "conflict", code: "contradiction", path: reason.path, detail };
}

/**
 * Merges messages into what is stored: one statement a wave, then why some of the wave were not written, and for corrections
 * a lock and a move before it; all in one transaction and one round trip.
 */
async function merge(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
  { resends = 0, basis }: { resends?: number; basis?: Basis } = {},
): Promise<Map<Message, ItemVerdict>> {
  const waves = wavesOf(messages);
  const corrects = messages.some((message) => message.revision > 0);
  const statements = waves.flatMap((wave): Statement<unknown>[] => [
    ...(corrects ? [{ sql: lockKeys(workspaceId, wave), row: idRow }] : []),
    { sql: corrects ? moveStarts(workspaceId, wave, basis) : NOTHING_MOVED, row: idRow },
    { sql: upsert(workspaceId, wave, basis), row: writtenRow },
    { sql: classify(workspaceId, wave), row: reasonRow },
  ]);
  const results = await withPartitions(ctx, messages, () =>
    ctx.db.transaction(statements, { isolation: "ReadCommitted" }),
  );
  const perWave = statements.length / waves.length;
  const verdicts = new Map<Message, ItemVerdict>();
  const again: Message[] = [];
  waves.forEach((wave, index) => {
    const [moves, writes, reasons] = results
      .slice(index * perWave, (index + 1) * perWave)
      .slice(-3);
    const moved = new Set(
      idRow
        .array()
        .parse(moves)
        .map((row) => row.id),
    );
    const written = new Map(
      writtenRow
        .array()
        .parse(writes)
        .map((row) => [row.id, row]),
    );
    const why = new Map(
      reasonRow
        .array()
        .parse(reasons)
        .map((row) => [row.id, row]),
    );
    for (const message of wave) {
      const row = written.get(message.id);
      const reason = why.get(message.id);
      if (row) {
        // Who the run is of may have been said by another message: the feed tells it of this one too.
        message.user_id ??= row.user_id ?? undefined;
        const created = row.created && !moved.has(row.id);
        verdicts.set(message, { result: created ? "created" : "updated" });
      } else if (reason?.newer && !reason.reversed && !basis && resends < MAX_RESENDS)
        again.push(message);
      else if (reason) verdicts.set(message, verdictOf(reason));
    }
  });
  // A correction that lost its race to another start: the key is there now, and the next attempt moves it.
  if (again.length > 0)
    for (const [message, verdict] of await merge(ctx, workspaceId, again, { resends: resends + 1 }))
      verdicts.set(message, verdict);
  return verdicts;
}

/** Stores the first message of every new execution, in one statement. */
async function create(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<Map<Message, ItemVerdict>> {
  const firsts = new Map<string, Message>();
  for (const message of messages)
    if (message.started_at !== undefined && !firsts.has(message.id))
      firsts.set(message.id, message);
  const wave = [...firsts.values()];
  if (wave.length === 0) return new Map();
  const created = await withPartitions(ctx, wave, () =>
    ctx.db.all({ sql: insertNew(workspaceId, wave), row: idRow }),
  );
  const verdicts = new Map<Message, ItemVerdict>();
  for (const { id } of created) {
    const message = firsts.get(id);
    if (message) verdicts.set(message, { result: "created" });
  }
  return verdicts;
}

async function store(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<Map<Message, ItemVerdict>> {
  const verdicts = await create(ctx, workspaceId, messages);
  const known = messages.filter((message) => !verdicts.has(message));
  for (const message of known) if (message.startMade) message.started_at = undefined;
  return known.length === 0
    ? verdicts
    : new Map([...verdicts, ...(await merge(ctx, workspaceId, known))]);
}

function announce(ctx: Context, workspaceId: string, verdicts: Map<Message, ItemVerdict>): void {
  const changed = [...verdicts].flatMap(([message, { result }]) =>
    result === "created" || result === "updated" ? [{ message, change: result }] : [],
  );
  if (changed.length === 0) return;
  ctx.cache.invalidate(workspaceId);
  const created = changed.filter(({ change }) => change === "created").length;
  const executions = changed
    .slice(0, FRAME_EXECUTIONS)
    .map(({ message: { id, agent_id, user_id, status }, change }) => ({
      id,
      agent_id,
      user_id: user_id ?? null,
      status,
      change,
    }));
  publishExecutions(ctx, workspaceId, {
    type: "executions",
    created,
    updated: changed.length - created,
    executions,
  });
}

/** Maps each message that repeats an earlier one of the list word for word to that one. */
function repetitions(messages: readonly Message[]): Map<Message, Message> {
  const byId = new Map<string, { first: Message; byText?: Map<string, Message> }>();
  const repeated = new Map<Message, Message>();
  for (const message of messages) {
    const known = byId.get(message.id);
    if (!known) {
      byId.set(message.id, { first: message });
      continue;
    }
    known.byText ??= new Map([[JSON.stringify(known.first), known.first]]);
    const text = JSON.stringify(message);
    const same = known.byText.get(text);
    if (same) repeated.set(message, same);
    else known.byText.set(text, message);
  }
  return repeated;
}

/** Stores messages, tells the cache and the feed, and gives a verdict for each. */
export async function ingestMessages(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<ItemVerdict[]> {
  // The same message twice in one chunk: the first speaks for both.
  const repeated = repetitions(messages);
  const verdicts = await store(
    ctx,
    workspaceId,
    repeated.size === 0 ? messages : messages.filter((message) => !repeated.has(message)),
  );
  announce(ctx, workspaceId, verdicts);
  return messages.map((message): ItemVerdict => {
    const first = repeated.get(message);
    const verdict = verdicts.get(first ?? message) ?? { result: "duplicate" };
    return first && (verdict.result === "created" || verdict.result === "updated")
      ? { result: "duplicate" }
      : verdict;
  });
}

/**
 * Stores a message as the next revision of exactly the row it was made from: where that has changed meanwhile nothing is written.
 * @returns whether it was stored
 */
export async function supersede(
  ctx: Context,
  workspaceId: string,
  message: Message,
  basis: Basis,
): Promise<boolean> {
  const verdicts = await merge(ctx, workspaceId, [message], { basis });
  announce(ctx, workspaceId, verdicts);
  return verdicts.get(message)?.result === "updated";
}

/** Intake of executions into one workspace. */
export function executionIntake(ctx: Context, workspaceId: string): IntakeKind<Message> {
  return {
    key: "executions",
    workspaceId,
    check: checkMessage,
    store: (messages) => ingestMessages(ctx, workspaceId, messages),
    idOf: (message) => message.id,
    dependsOnEarlier: (message) => message.started_at === undefined,
  };
}

import { z } from "zod";
import type { Context } from "../../context.ts";
import { type ItemVerdict, UNKNOWN_START } from "../../intake/items.ts";
import { AppError } from "../../lib/errors.ts";
import {
  type CorrectionBasis,
  foldKnown,
  insertNew,
  lockKeys,
  type MessageChain,
} from "./intake-queries.ts";
import { MAX_JOINED_BYTES, MERGE_OUTCOMES, type MergeOutcome } from "./merge.ts";
import type { Message } from "./message.ts";
import { withPartitions } from "./partition-queries.ts";

const idRow = z.object({ id: z.string() });
const foldedRow = z.object({
  place: z.number(),
  outcome: z.enum(MERGE_OUTCOMES),
  path: z.string().nullable(),
  user_id: z.string().nullable(),
  written: z.boolean(),
});
const MAX_ATTEMPTS = 4;

/** The outcome of a message, and the user of its execution. */
export interface MessageOutcome {
  verdict: ItemVerdict;
  userId: string | null;
}

const UNKNOWN: ItemVerdict = {
  result: "invalid",
  code: UNKNOWN_START,
  path: "started_at",
  detail: "An id without started_at must be of a known execution.",
};

const SUPERSEDED =
  "The stored execution has a higher revision and is open; " +
  "an end needs that revision or a higher one.";
const contradictionOf = (path: string | null) =>
  `The stored execution says otherwise about ${path}; a correction needs a higher revision.`;

function verdictOf(outcome: MergeOutcome, path: string | null): ItemVerdict {
  switch (outcome) {
    case "updated":
    case "duplicate":
      return { result: outcome };
    case "too_large":
      return {
        result: "invalid",
        code: outcome,
        path: "metadata",
        detail: `All metadata of a running execution has at most ${MAX_JOINED_BYTES} bytes.`,
      };
    case "end_before_start":
      return {
        result: "invalid",
        code: outcome,
        path: "ended_at",
        detail: "must not be before the stored started_at",
      };
    case "superseded":
      return {
        result: "conflict",
        code: outcome,
        path: "revision",
        detail: SUPERSEDED,
      };
    case "contradiction":
      return {
        result: "conflict",
        code: outcome,
        path: path ?? "",
        detail: contradictionOf(path),
      };
  }
}

/** The messages by execution, those of one in their order, and where each execution's are. */
function chained(messages: readonly Message[]): { ordered: Message[]; chains: MessageChain[] } {
  const ordered = [...Map.groupBy(messages, (message) => message.id).values()];
  let next = 0;
  const chains = ordered.flatMap((those): MessageChain[] => {
    const first = next;
    next += those.length;
    return those[0] ? [{ id: those[0].id, first, last: next - 1 }] : [];
  });
  return { ordered: ordered.flat(), chains };
}

/** Stores the first message of every new execution, in one statement. */
async function create(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<Map<Message, MessageOutcome>> {
  const firsts = new Map<string, Message>();
  for (const message of messages)
    if (message.started_at !== undefined && !firsts.has(message.id))
      firsts.set(message.id, message);
  const news = [...firsts.values()];
  if (news.length === 0) return new Map();
  const created = await withPartitions(ctx, news, () =>
    ctx.db.all({ sql: insertNew(workspaceId, news), row: idRow }),
  );
  const stored = new Map<Message, MessageOutcome>();
  for (const { id } of created) {
    const message = firsts.get(id);
    const userId = message?.user_id ?? null;
    if (message) stored.set(message, { verdict: { result: "created" }, userId });
  }
  return stored;
}

/**
 * Merges messages into known executions, in one transaction and one round trip, however many there
 * are of one.
 * @returns what became of each; one whose execution is not there, or was written by another
 * meanwhile, is left out
 */
export async function mergeKnown(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
  basis?: CorrectionBasis,
): Promise<Map<Message, MessageOutcome>> {
  const { ordered, chains } = chained(messages);
  const [, rows] = await withPartitions(ctx, messages, () =>
    ctx.db.transaction(
      [
        { sql: lockKeys(workspaceId, chains), row: idRow },
        { sql: foldKnown(workspaceId, ordered, chains, basis), row: foldedRow },
      ],
      { isolation: "ReadCommitted" },
    ),
  );
  const folded = foldedRow.array().parse(rows);
  const lost = new Set(
    folded.flatMap(({ place, outcome, written }) =>
      outcome === "updated" && !written ? (ordered[place]?.id ?? []) : [],
    ),
  );
  const stored = new Map<Message, MessageOutcome>();
  for (const { place, outcome, path, user_id } of folded) {
    const message = ordered[place];
    if (message && !lost.has(message.id))
      stored.set(message, { verdict: verdictOf(outcome, path), userId: user_id });
  }
  return stored;
}

/**
 * Stores messages as if one came after the other; but an execution begins with the first that has a
 * start, wherever it stands.
 * @returns what became of each
 * @throws AppError unavailable when others make and delete the same executions at every attempt
 */
export async function storeMessages(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<Map<Message, MessageOutcome>> {
  const stored = new Map<Message, MessageOutcome>();
  let left = messages;
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt === MAX_ATTEMPTS)
      throw new AppError(
        "unavailable",
        "concurrent_change",
        "The executions are being changed by others; try again.",
        { retryAfterSeconds: 1 },
      );
    for (const [message, became] of await create(ctx, workspaceId, left))
      stored.set(message, became);
    const known = left.filter((message) => !stored.has(message));
    for (const message of known) if (message.startMade) message.started_at = undefined;
    if (known.length > 0)
      for (const [message, became] of await mergeKnown(ctx, workspaceId, known))
        stored.set(message, became);
    left = known.filter((message) => !stored.has(message) && message.started_at !== undefined);
  }
  for (const message of messages)
    if (!stored.has(message)) stored.set(message, { verdict: UNKNOWN, userId: null });
  return stored;
}

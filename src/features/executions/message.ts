import { documentError, timeOf } from "../../http/fields.ts";
import type { GeneratedId } from "../../intake/generated-id.ts";
import { type CheckedItem, fieldErrorOf, givenId, hiddenField } from "../../intake/items.ts";
import type { FieldError } from "../../lib/errors.ts";
import { type EpochUs, formatInstant } from "../../lib/time.ts";
import { plainInput } from "./plain.ts";
import { creditsText, type ExecutionInput, executionInput } from "./schema.ts";

/**
 * The statement of one caller about one execution, checked: columns of `executions` as the intake statement takes them. What was not
 * said is undefined, so that JSON leaves it out: half of the bytes of a chunk.
 */
export interface Message {
  id: string;
  agent_id: string;
  user_id: string | undefined;
  status: ExecutionInput["status"];
  started_at: string | undefined;
  ended_at: string | undefined;
  duration_given_ms: number | undefined;
  credits: string | undefined;
  tokens_in: number | undefined;
  tokens_out: number | undefined;
  model: string | undefined;
  parent_execution_id: string | undefined;
  environment: string | undefined;
  version: string | undefined;
  error_type: string | undefined;
  error_message: string | undefined;
  metadata: Record<string, unknown> | undefined;
  revision: number;
  /** The fields that a final message states, as bits of SETTLED; 0 for a message of a running execution. */
  settled: number;
  /** The server made the start for a request that may come again: if the execution is known, its own start holds. */
  startMade?: boolean;
}

/** The fields that several messages may give. Two columns of one bit are one fact. */
export const MERGED = [
  { column: "ended_at", path: "ended_at", type: "timestamptz", bit: 1 },
  { column: "duration_given_ms", path: "duration_ms", type: "bigint", bit: 2 },
  { column: "credits", path: "credits", type: "numeric", bit: 4 },
  { column: "tokens_in", path: "tokens_in", type: "bigint", bit: 8 },
  { column: "tokens_out", path: "tokens_out", type: "bigint", bit: 16 },
  { column: "model", path: "model", type: "text", bit: 32 },
  { column: "parent_execution_id", path: "parent_execution_id", type: "text", bit: 64 },
  { column: "environment", path: "environment", type: "text", bit: 128 },
  { column: "version", path: "version", type: "text", bit: 256 },
  { column: "error_type", path: "error", type: "text", bit: 512 },
  { column: "error_message", path: "error", type: "text", bit: 512 },
  { column: "metadata", path: "metadata", type: "jsonb", bit: 1024 },
] as const;
/** Set by every final message: the status itself. */
export const FINAL_BIT = 2048;

/**
 * Checks one item of an intake body and makes it a message; never throws.
 * @param nowMs the server's clock: start of an item without one, and the border of "the far future"
 * @param made the id of an item that brings none
 */
export function checkMessage(
  item: unknown,
  nowMs: number,
  made: GeneratedId,
): CheckedItem<Message> {
  const given = givenId(item);
  const plain = plainInput(item);
  const hidden = plain ? undefined : hiddenField(item, "error");
  if (hidden) return { ok: false, id: given, error: hidden };
  const parsed = plain ? undefined : executionInput.safeParse(item);
  if (parsed && !parsed.success) return { ok: false, id: given, error: fieldErrorOf(parsed.error) };
  const input = plain ?? parsed?.data;
  if (!input) throw new Error("An item is either plain or parsed");
  const refuse = (error: FieldError): CheckedItem<Message> => ({ ok: false, id: given, error });

  let started: EpochUs | undefined = input.id === undefined ? nowMs * 1000 : undefined;
  if (input.started_at !== undefined) {
    const at = timeOf("started_at", input.started_at, nowMs);
    if (typeof at !== "number") return refuse(at);
    started = at;
  }
  let ended: EpochUs | undefined;
  if (input.ended_at != null) {
    const at = timeOf("ended_at", input.ended_at, nowMs);
    if (typeof at !== "number") return refuse(at);
    if (started !== undefined && at < started)
      return refuse({
        path: "ended_at",
        code: "end_before_start",
        message: "must not be before started_at",
      });
    if (input.status === "running")
      return refuse({
        path: "ended_at",
        code: "ended_while_running",
        message: "a running execution has no end",
      });
    ended = at;
  }
  const unstorable = input.metadata && documentError("metadata", input.metadata);
  if (unstorable) return refuse(unstorable);
  return { ok: true, message: messageOf(input, started, ended, made) };
}

function messageOf(
  input: ExecutionInput,
  started: EpochUs | undefined,
  ended: EpochUs | undefined,
  made: GeneratedId,
): Message {
  const message: Message = {
    id: input.id ?? made.id,
    ...(made.reproducible && input.id === undefined && input.started_at === undefined
      ? { startMade: true }
      : {}),
    agent_id: input.agent_id,
    user_id: input.user_id ?? undefined,
    status: input.status,
    started_at: started === undefined ? undefined : formatInstant(started),
    ended_at: ended === undefined ? undefined : formatInstant(ended),
    duration_given_ms: input.duration_ms ?? undefined,
    credits: creditsText(input.credits),
    tokens_in: input.tokens_in ?? undefined,
    tokens_out: input.tokens_out ?? undefined,
    model: input.model ?? undefined,
    parent_execution_id: input.parent_execution_id ?? undefined,
    environment: input.environment ?? undefined,
    version: input.version ?? undefined,
    error_type: input.error?.type ?? undefined,
    error_message: input.error?.message ?? undefined,
    metadata: input.metadata ?? undefined,
    revision: input.revision ?? 0,
    settled: 0,
  };
  return { ...message, settled: settledOf(message) };
}

/** Bits of the fields that a final message states; a running one settles nothing. */
export function settledOf(message: Message): number {
  if (message.status === "running") return 0;
  let bits = FINAL_BIT;
  for (const { column, bit } of MERGED) if (message[column] !== undefined) bits |= bit;
  return bits;
}

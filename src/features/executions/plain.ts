import { isDocument } from "../../http/fields.ts";
import { isCallerId } from "../../lib/ids.ts";
import { EXECUTION_STATUSES } from "../../store/execution.ts";
import { creditsText, type ExecutionInput, MAX_COUNT } from "./schema.ts";

/**
 * The schema's answer for the usual item, at a tenth of its cost: a chunk of an intake stream is mostly such items. Whatever is
 * not plainly valid goes to the schema, which alone refuses. A test holds the two against each other.
 */
const statuses: ReadonlySet<unknown> = new Set(EXECUTION_STATUSES);
const absent = (value: unknown) => value === undefined || value === null;
const isId = (value: unknown) => typeof value === "string" && isCallerId(value);
const isCount = (value: unknown) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_COUNT;
/** Printable ASCII: well-formed, and without the NUL that PostgreSQL cannot store. */
const isLabel = (max: number) => (value: unknown) =>
  typeof value === "string" &&
  value.length > 0 &&
  value.length <= max &&
  /^[\x20-\x7e]+$/.test(value);
const isTime = (value: unknown) => typeof value === "string";
const isCredits = (value: unknown) => creditsText(value) !== undefined;
const or = (check: (value: unknown) => boolean) => (value: unknown) =>
  absent(value) || check(value);

const CHECKS = new Map<string, (value: unknown) => boolean>(
  Object.entries({
    id: isId,
    agent_id: isId,
    user_id: or(isId),
    status: (value) => statuses.has(value),
    started_at: isTime,
    ended_at: or(isTime),
    duration_ms: or(isCount),
    credits: or(isCredits),
    tokens_in: or(isCount),
    tokens_out: or(isCount),
    model: or(isLabel(256)),
    parent_execution_id: or(isId),
    environment: or(isLabel(128)),
    version: or(isLabel(128)),
    error: absent,
    metadata: or(isDocument),
    revision: (value) => isCount(value) && (value as number) <= 1_000_000_000,
  } satisfies Record<keyof ExecutionInput, (value: unknown) => boolean>),
);

/** The item itself when it is plainly valid, undefined when the schema must decide. */
export function plainInput(item: unknown): ExecutionInput | undefined {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return undefined;
  for (const [key, value] of Object.entries(item)) if (!CHECKS.get(key)?.(value)) return undefined;
  const { agent_id, status } = item as Partial<ExecutionInput>;
  return agent_id === undefined || status === undefined ? undefined : (item as ExecutionInput);
}

import { z } from "@hono/zod-openapi";
import type { FieldError } from "../lib/errors.ts";
import { MAX_ID_BYTES } from "../lib/ids.ts";
import { cutText } from "../lib/text.ts";
import type { GeneratedId } from "./generated-id.ts";

const OUTCOMES = ["created", "updated", "duplicate", "conflict", "invalid"] as const;

export type ItemOutcome = (typeof OUTCOMES)[number];

export const itemResult = z
  .object({
    index: z.int().openapi({ description: "Place in the input, from 0." }),
    line: z.int().optional().openapi({ description: "NDJSON: line, from 1." }),
    id: z.string().nullable(),
    result: z.enum(OUTCOMES),
    code: z.string().optional(),
    detail: z.string().optional(),
    path: z.string().optional(),
  })
  .openapi("ItemResult");

export type ItemResult = z.output<typeof itemResult>;

/** Code of an item that can only be stored after another of the same id, which is not there (yet). */
export const UNKNOWN_START = "unknown_execution";

export type ItemVerdict = Pick<ItemResult, "result" | "code" | "detail" | "path">;

export interface IntakeResult {
  results: ItemResult[];
  counts: Record<ItemOutcome, number>;
}

export type CheckedItem<M> =
  | { ok: true; message: M }
  | { ok: false; id: string | null; error: FieldError };

/** A kind of item: its check, and the storage of checked ones (one verdict for each, in their order). */
export interface IntakeKind<M> {
  /** Name of the list in a JSON body. */
  key: string;
  workspaceId: string;
  /** @param made the id of an item that brings none */
  check(item: unknown, nowMs: number, made: GeneratedId): CheckedItem<M>;
  store(messages: readonly M[]): Promise<ItemVerdict[]>;
  idOf(message: M): string;
  /** Whether the message can only be stored after another of the same id; its verdict is UNKNOWN_START without that. */
  dependsOnEarlier(message: M): boolean;
}

export function emptyCounts(): Record<ItemOutcome, number> {
  return { created: 0, updated: 0, duplicate: 0, conflict: 0, invalid: 0 };
}

/** The first issue of a failed parse as a path, a code and a sentence. */
export function fieldErrorOf(error: z.ZodError): FieldError {
  const [issue] = error.issues;
  if (!issue) return { path: "", code: "invalid", message: "invalid" };
  if (issue.code === "unrecognized_keys") {
    const key = [...issue.path, issue.keys[0] ?? ""].join(".");
    return { path: key, code: "unknown_field", message: `There is no field "${key}".` };
  }
  return { path: issue.path.join("."), code: issue.code, message: issue.message };
}

/** A field called `__proto__` of an item, or of its part `within`: a schema drops it without a word. */
export function hiddenField(item: unknown, within?: string): FieldError | undefined {
  const has = (value: unknown) =>
    typeof value === "object" && value !== null && Object.hasOwn(value, "__proto__");
  const error = (path: string) => ({
    path,
    code: "unknown_field",
    message: `There is no field "${path}".`,
  });
  if (has(item)) return error("__proto__");
  if (within === undefined || typeof item !== "object" || item === null) return undefined;
  return has((item as Record<string, unknown>)[within]) ? error(`${within}.__proto__`) : undefined;
}

/** The `id` that an item gives, even if nothing else of it is right. */
export function givenId(item: unknown): string | null {
  return typeof item === "object" && item !== null && "id" in item && typeof item.id === "string"
    ? cutText(item.id.toWellFormed(), MAX_ID_BYTES)
    : null;
}

/** Stores what passed the check, in one chunk. One result for each item, in the order of the input. */
export async function storeChecked<M>(
  kind: IntakeKind<M>,
  checked: readonly CheckedItem<M>[],
): Promise<ItemResult[]> {
  const verdicts = await kind.store(checked.flatMap((item) => (item.ok ? [item.message] : [])));
  let next = 0;
  return checked.map((item, index): ItemResult => {
    if (!item.ok)
      return {
        index,
        id: item.id,
        result: "invalid",
        code: item.error.code,
        path: item.error.path,
        detail: item.error.message,
      };
    const verdict = verdicts[next++];
    if (!verdict) throw new Error("store() gave fewer verdicts than messages");
    return { index, id: kind.idOf(item.message), ...verdict };
  });
}

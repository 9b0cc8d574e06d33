import { z } from "@hono/zod-openapi";
import { AppError, type FieldError, malformed } from "../lib/errors.ts";
import { MAX_ID_BYTES, uuidv7 } from "../lib/ids.ts";
import type { JsonFault } from "../lib/json.ts";
import { cutText } from "../lib/text.ts";
import { decodedBody, MAX_BATCH_BYTES, mediaType, readJson } from "./body.ts";
import { withRoom } from "./body-room.ts";
import { takeInStream } from "./intake-stream.ts";
import { linesOf } from "./lines.ts";

export const MAX_BATCH = 1000;
const NDJSON = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

const OUTCOMES = ["created", "updated", "duplicate", "conflict", "invalid"] as const;
export type Outcome = (typeof OUTCOMES)[number];

const itemResult = z
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
export type Verdict = Pick<ItemResult, "result" | "code" | "detail" | "path">;

export const intakeAnswer = z
  .object({
    data: z.object({
      results: z.array(itemResult),
      counts: z.object({
        created: z.int(),
        updated: z.int(),
        duplicate: z.int(),
        conflict: z.int(),
        invalid: z.int(),
      }),
    }),
  })
  .openapi("IntakeAnswer");
export interface IntakeResult {
  results: ItemResult[];
  counts: Record<Outcome, number>;
}

/** What became of a single object, as a status; a list or a stream has many outcomes and is always 207. */
const SINGLE = { created: 201, updated: 200, duplicate: 200, conflict: 409, invalid: 422 } as const;
export type IntakeStatus = 207 | (typeof SINGLE)[Outcome];

/** The answers of an intake route, for its OpenAPI description. */
export function intakeResponses() {
  const of = (description: string) => ({
    description,
    content: { "application/json": { schema: intakeAnswer } },
  });
  return {
    200: of("One object: it was known, and is updated or a duplicate."),
    201: of("One object: created."),
    207: of(
      "A list: one result for each item. NDJSON: counts, and the first 1,000 items not stored.",
    ),
    409: of("One object: it contradicts what is stored, and changed nothing."),
    422: of("One object: it cannot be; `path`, `code` and `detail` of its result say why."),
  };
}

/** An id made by the server; `again` is true when the same request, sent again, makes the same one. */
export interface MadeId {
  id: string;
  again: boolean;
}

/**
 * Ids for items that bring none, by their place in the body. With an `Idempotency-Key` they follow from it, so that a request
 * sent again stores nothing twice.
 * @param scope what is asked, where the same key may be used for different things
 * @throws AppError malformed for a key that is empty or too long
 */
export async function idMaker(
  request: Request,
  workspaceId: string,
  nowMs: number,
  scope = "",
): Promise<(place: number) => MadeId> {
  const key = request.headers.get("idempotency-key");
  if (key === null) return () => ({ id: uuidv7(nowMs), again: false });
  if (key === "" || key.length > 255)
    throw malformed(
      "header.idempotency-key",
      "invalid_idempotency_key",
      "Idempotency-Key must have 1 to 255 characters.",
    );
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(`${workspaceId}\n${scope}${key}`),
  );
  const prefix = [...new Uint8Array(digest).slice(0, 16)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  return (place) => ({ id: `${prefix}-${place}`, again: true });
}

export type Checked<M> =
  | { ok: true; message: M }
  | { ok: false; id: string | null; error: FieldError };

/** What is taken in: how an item is checked, and how checked ones are stored (one verdict for each, in their order). */
export interface IntakeKind<M> {
  /** Name of the list in a JSON body. */
  key: string;
  workspaceId: string;
  /** @param made the id of an item that brings none */
  check(item: unknown, nowMs: number, made: MadeId): Checked<M>;
  store(messages: readonly M[]): Promise<Verdict[]>;
  idOf(message: M): string;
  /** Whether the message can only be stored after another of the same id; its verdict is UNKNOWN_START without that. */
  leans(message: M): boolean;
}

export function emptyCounts(): Record<Outcome, number> {
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
  checked: readonly Checked<M>[],
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

/** The items of a JSON body: one object, or the list under `key`. */
function itemsOf(body: unknown, key: string): { items: unknown[]; single: boolean } {
  const refuse = (path: string, code: string, message: string) =>
    new AppError("malformed", "invalid_request", message, { errors: [{ path, code, message }] });
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw refuse("json", "invalid_type", "The body must be a JSON object.");
  if (!Object.hasOwn(body, key)) return { items: [body], single: true };
  const { [key]: items, ...others } = body as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw refuse(unknown, "unknown_field", `There is no field "${unknown}" beside "${key}".`);
  if (!Array.isArray(items)) throw refuse(key, "invalid_type", "must be a list");
  if (items.length > MAX_BATCH)
    throw refuse(key, "too_many_items", `At most ${MAX_BATCH} at once; send NDJSON for more.`);
  return { items, single: false };
}

/**
 * The first fault of each item, with its path inside of it.
 * @throws AppError malformed for one that is in no item
 */
function faultsByItem(
  faults: readonly JsonFault[],
  key: string | undefined,
): Map<number, FieldError> {
  const found = new Map<number, FieldError>();
  for (const fault of faults) {
    const [first, place, ...rest] = fault.path.split(".");
    const item = key === undefined ? 0 : Number(place);
    if (key !== undefined && (first !== key || !(item >= 0)))
      throw new AppError("malformed", "invalid_request", fault.message, { errors: [fault] });
    if (!found.has(item))
      found.set(item, key === undefined ? fault : { ...fault, path: rest.join(".") });
  }
  return found;
}

/**
 * Takes in a request's body: one object, a list of at most 1,000, or NDJSON of any length; gzip or not.
 * @returns the answer's `data` and its status
 * @throws AppError malformed, too_large, unsupported (nothing is stored then), unavailable
 */
export async function takeIn<M>(
  request: Request,
  kind: IntakeKind<M>,
  now: () => number,
): Promise<{ data: IntakeResult; status: IntakeStatus }> {
  const type = mediaType(request);
  if (type !== "application/json" && !NDJSON.includes(type)) {
    throw new AppError(
      "unsupported",
      "media_type",
      "Send application/json or application/x-ndjson.",
    );
  }
  const nowMs = now();
  const made = await idMaker(request, kind.workspaceId, nowMs);
  if (type !== "application/json") {
    const data = await takeInStream(kind, linesOf(decodedBody(request)), now, made);
    return { data, status: 207 };
  }
  return withRoom(request, MAX_BATCH_BYTES, () => takeInJson(request, kind, nowMs, made));
}

async function takeInJson<M>(
  request: Request,
  kind: IntakeKind<M>,
  nowMs: number,
  made: (place: number) => MadeId,
): Promise<{ data: IntakeResult; status: IntakeStatus }> {
  const faults: JsonFault[] = [];
  const { items, single } = itemsOf(await readJson(request, faults), kind.key);
  const faulty = faultsByItem(faults, single ? undefined : kind.key);
  const results = await storeChecked(
    kind,
    items.map((item, index): Checked<M> => {
      const error = faulty.get(index);
      return error ? { ok: false, id: givenId(item), error } : kind.check(item, nowMs, made(index));
    }),
  );
  const counts = emptyCounts();
  for (const { result } of results) counts[result]++;
  const [first] = results;
  return { data: { results, counts }, status: single && first ? SINGLE[first.result] : 207 };
}

/** The body of an intake route in OpenAPI. It is read in the handler: no validator may take a stream into memory. */
export function intakeBody(schema: string, key: string) {
  const one = { $ref: `#/components/schemas/${schema}` };
  const list = {
    type: "object" as const,
    required: [key],
    properties: { [key]: { type: "array" as const, maxItems: MAX_BATCH, items: one } },
  };
  return {
    required: true,
    content: {
      "application/json": { schema: { oneOf: [one, list] } },
      "application/x-ndjson": {
        schema: {
          type: "string" as const,
          description: `One ${schema} a line, a stream of any length.`,
        },
      },
    },
  };
}

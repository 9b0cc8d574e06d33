import { decodedBody, MAX_BATCH_BYTES, mediaType, readJson } from "../http/body.ts";
import { withRoom } from "../http/body-room.ts";
import { AppError, type FieldError } from "../lib/errors.ts";
import type { JsonFault } from "../lib/json.ts";
import { MAX_BATCH } from "./answer.ts";
import { type GeneratedId, idGenerator } from "./generated-id.ts";
import {
  type CheckedItem,
  emptyCounts,
  givenId,
  type IntakeKind,
  type IntakeResult,
  type ItemOutcome,
  storeChecked,
} from "./items.ts";
import { linesOf } from "./lines.ts";
import { receiveStream } from "./stream.ts";

const NDJSON = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
/** The outcome of a single object, as a status; a list or a stream has many outcomes and is always 207. */
const SINGLE = { created: 201, updated: 200, duplicate: 200, conflict: 409, invalid: 422 } as const;
export type IntakeStatus = 207 | (typeof SINGLE)[ItemOutcome];

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
 * @throws AppError malformed, too_large, unsupported_media_type (nothing is stored then), unavailable
 */
export async function receiveItems<M>(
  request: Request,
  kind: IntakeKind<M>,
  now: () => number,
): Promise<{ data: IntakeResult; status: IntakeStatus }> {
  const type = mediaType(request);
  if (type !== "application/json" && !NDJSON.includes(type)) {
    throw new AppError(
      "unsupported_media_type",
      "media_type",
      "Send application/json or application/x-ndjson.",
    );
  }
  const nowMs = now();
  const made = await idGenerator(request, kind.workspaceId, nowMs);
  if (type !== "application/json") {
    const data = await receiveStream(kind, linesOf(decodedBody(request)), now, made);
    return { data, status: 207 };
  }
  return withRoom(request, MAX_BATCH_BYTES, () => receiveJson(request, kind, nowMs, made));
}

async function receiveJson<M>(
  request: Request,
  kind: IntakeKind<M>,
  nowMs: number,
  made: (place: number) => GeneratedId,
): Promise<{ data: IntakeResult; status: IntakeStatus }> {
  const faults: JsonFault[] = [];
  const { items, single } = itemsOf(await readJson(request, faults), kind.key);
  const faulty = faultsByItem(faults, single ? undefined : kind.key);
  const results = await storeChecked(
    kind,
    items.map((item, index): CheckedItem<M> => {
      const error = faulty.get(index);
      return error ? { ok: false, id: givenId(item), error } : kind.check(item, nowMs, made(index));
    }),
  );
  const counts = emptyCounts();
  for (const { result } of results) counts[result]++;
  const [first] = results;
  return { data: { results, counts }, status: single && first ? SINGLE[first.result] : 207 };
}

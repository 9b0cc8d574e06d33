import { z } from "@hono/zod-openapi";
import type { FieldError } from "../lib/errors.ts";
import { isExactNumber } from "../lib/exact-number.ts";
import { isCallerId, MAX_ID_BYTES } from "../lib/ids.ts";
import { DAY_US, type EpochUs, parseInstant } from "../lib/time.ts";
import { isObject } from "../store/document.ts";

/** Fields that items of several kinds have, and their limits. */
export const idInput = z
  .string()
  .refine(isCallerId, `must be 1 to ${MAX_ID_BYTES} bytes of text without control characters`)
  .openapi({ minLength: 1, maxLength: MAX_ID_BYTES, example: "alice@example.com" });
export const timeInput = z
  .string()
  .openapi({ format: "date-time", example: "2026-03-01T12:00:00Z" });

const UNSTORABLE = "must be well-formed text without NUL";
/** PostgreSQL's text cannot hold NUL, and a lone surrogate is not a character. */
export const textInput = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes("\0") && value.isWellFormed(), UNSTORABLE);

const MAX_DEPTH = 64;
export const MAX_DOCUMENT_BYTES = 16 * 1024;
// A NUL or a lone surrogate as JSON.stringify writes it, behind an even number of backslashes.
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;
const encoder = new TextEncoder();

/** An RFC 3339 time from `firstYear` on, at most 24 hours ahead of the server's clock. */
export function timeOf(
  path: string,
  text: string,
  nowMs: number,
  firstYear = 2000,
): EpochUs | FieldError {
  const at = parseInstant(text);
  if (at === undefined)
    return { path, code: "invalid_time", message: "must be an RFC 3339 time with an offset" };
  if (at < Date.UTC(firstYear, 0, 1) * 1000)
    return { path, code: "too_early", message: `must not be before ${firstYear}-01-01` };
  if (at > nowMs * 1000 + DAY_US)
    return { path, code: "too_late", message: "must not be more than 24 hours ahead" };
  return at;
}

export const MAX_KEY_CHARS = 256;
export const isDocument = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.keys(value).every((key) => key.length <= MAX_KEY_CHARS);
/** A document from a caller; `documentError` checks its other limits. */
export const documentInput = z
  .custom<Record<string, unknown>>(isDocument, {
    error: `must be an object with keys of at most ${MAX_KEY_CHARS} characters`,
  })
  .openapi({ type: "object", additionalProperties: true });

/** Whether a value is nested deeper than MAX_DEPTH; recursion would exhaust the stack. */
function isTooDeep(value: unknown): boolean {
  let level = [value];
  for (let depth = 0; depth <= MAX_DEPTH && level.length > 0; depth++) {
    level = level.flatMap((each) =>
      typeof each === "object" && each !== null && !isExactNumber(each) ? Object.values(each) : [],
    );
  }
  return level.length > 0;
}

/**
 * The fault of a JSON object: too deep, larger than 16 KiB, or text that PostgreSQL cannot hold.
 */
export function documentError(
  path: string,
  document: Record<string, unknown>,
): FieldError | undefined {
  if (isTooDeep(document))
    return { path, code: "too_deep", message: `must be nested at most ${MAX_DEPTH} levels deep` };
  const text = JSON.stringify(document);
  if (text.length * 3 > MAX_DOCUMENT_BYTES && encoder.encode(text).length > MAX_DOCUMENT_BYTES) {
    return {
      path,
      code: "too_large",
      message: `must be at most ${MAX_DOCUMENT_BYTES} bytes of JSON`,
    };
  }
  return UNSTORABLE_ESCAPE.test(text)
    ? { path, code: "invalid_text", message: UNSTORABLE }
    : undefined;
}

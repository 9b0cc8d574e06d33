import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { AppError, type FieldError, malformed } from "../lib/errors.ts";
import { type JsonFault, parseJson } from "../lib/json.ts";
import { unpackGzip } from "./gzip.ts";

/** The limit of a batch; every other body has the limit of its route. */
export const MAX_BATCH_BYTES = 10 * 1024 * 1024;
/** Commas and opening brackets: a megabyte of text may take twenty once parsed. */
const MAX_BATCH_PARTS = 500_000;
const MAX_PARTS = 50_000;

function tooLarge(maxBytes: number): AppError {
  return new AppError(
    "too_large",
    "body_too_large",
    `The body must be at most ${maxBytes} bytes; send NDJSON for more.`,
  );
}

/** An upper bound of the number of values in a JSON text, without parsing it. */
export function countParts(text: string): number {
  let parts = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x2c || code === 0x5b || code === 0x7b) parts++;
  }
  return parts;
}

/** @throws AppError too_large for JSON with too many values */
function checkParts(text: string, most: number): void {
  const parts = countParts(text);
  if (parts > most)
    throw new AppError(
      "too_large",
      "too_many_values",
      `The body has ${parts} values; at most ${most} are possible. Send NDJSON for more.`,
    );
}

const unreadable = (what: string) => malformed("json", "invalid_json", what);

/** @throws AppError malformed for bytes that are not UTF-8 */
function textOf(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw unreadable("The body cannot be read: it is not UTF-8, or not gzip as announced.");
  }
}

/**
 * The body without its content coding.
 * @throws AppError unsupported_media_type for a coding other than gzip
 */
export function decodedBody(request: Request): ReadableStream<Uint8Array> {
  const body = request.body ?? new ReadableStream({ start: (controller) => controller.close() });
  const coding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity") return body;
  if (coding === "gzip" || coding === "x-gzip") return unpackGzip(body);
  throw new AppError(
    "unsupported_media_type",
    "content_coding",
    "Content-Encoding may be gzip or nothing.",
  );
}

/** The bytes of a body, refused as soon as they are too many, before and after unpacking. */
async function bytesOf(request: Request, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get("content-length") ?? Number.NaN);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  // A body of a known length and without a coding needs no count of its chunks, which would cost
  // more
  // than most bodies.
  if (announced <= maxBytes && !request.headers.has("content-encoding"))
    return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of decodedBody(request)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/**
 * A whole JSON body of a batch.
 * @param faults receives the values that cannot be stored; items that have one must be refused
 * @throws AppError too_large, malformed
 */
export async function readJson(request: Request, faults: JsonFault[]): Promise<unknown> {
  try {
    const text = textOf(await bytesOf(request, MAX_BATCH_BYTES));
    checkParts(text, MAX_BATCH_PARTS);
    return parseJson(text, faults);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw error instanceof SyntaxError
      ? unreadable(`The body is not JSON: ${error.message}`)
      : unreadable("The body cannot be read: it is not UTF-8, or not gzip as announced.");
  }
}

/** Media type of the body in lower case, without parameters. */
export function mediaType(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/**
 * The path of a `__proto__` member, which a schema would drop silently; free documents may have
 * one.
 */
function protoPath(value: unknown, path: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, part] of Object.entries(value)) {
    const place = `${path}.${key}`;
    if (key === "__proto__") return place;
    const found = key === "metadata" ? undefined : protoPath(part, place);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The parsed body for the validator.
 * @throws AppError malformed
 */
function checkedBody(text: string): unknown {
  const faults: JsonFault[] = [];
  let value: unknown;
  try {
    value = parseJson(text, faults);
  } catch (error) {
    throw unreadable(`The body is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  const [fault] = faults.map(({ path, ...rest }) => ({ path: `json.${path}`, ...rest }));
  const proto = fault ? undefined : protoPath(value, "json");
  const error: FieldError | undefined =
    fault ??
    (proto === undefined
      ? undefined
      : { path: proto, code: "unknown_field", message: 'Unknown field "__proto__".' });
  if (error) throw new AppError("malformed", "invalid_request", error.message, { errors: [error] });
  return value;
}

/**
 * Refuses a body of more bytes or values before it is parsed, on routes whose body the validator
 * reads.
 */
export function limitBody(maxBytes: number): MiddlewareHandler {
  const limited = bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw tooLarge(maxBytes);
    },
  });
  return (c, next) =>
    limited(c, async () => {
      if (mediaType(c.req.raw) === "application/json") {
        const text = textOf(await c.req.arrayBuffer());
        checkParts(text, MAX_PARTS);
        // The validator's own parser would round numbers.
        if (text !== "") {
          const value = checkedBody(text);
          c.req.json = <T>() => Promise.resolve(value as T);
        }
      }
      await next();
    });
}

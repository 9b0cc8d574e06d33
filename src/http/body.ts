import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { AppError } from "../lib/errors.ts";

export const MAX_JSON_BYTES = 10 * 1024 * 1024;
/** Commas and opening brackets of a body: ten megabytes of empty objects would take a whole isolate's memory once parsed. */
const MAX_JSON_PARTS = 1_000_000;

function tooLarge(maxBytes: number): AppError {
  return new AppError(
    "too_large",
    "body_too_large",
    `The body must be at most ${maxBytes} bytes; send NDJSON for more.`,
  );
}

function partsOf(text: string): number {
  let parts = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x2c || code === 0x5b || code === 0x7b) parts++;
  }
  return parts;
}

/**
 * The body without its content coding.
 * @throws AppError unsupported for a coding other than gzip
 */
export function decodedBody(request: Request): ReadableStream<Uint8Array> {
  const body = request.body ?? new ReadableStream({ start: (controller) => controller.close() });
  const coding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity") return body;
  if (coding === "gzip" || coding === "x-gzip")
    return body.pipeThrough(new DecompressionStream("gzip"));
  throw new AppError("unsupported", "content_coding", "Content-Encoding may be gzip or nothing.");
}

/** The bytes of a body, refused as soon as they are too many, before and after unpacking. */
async function bytesOf(request: Request, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get("content-length") ?? Number.NaN);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  // A body of a known length and without a coding needs no watching; most are small, and a walk over chunks costs more than they do.
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
 * A whole JSON body.
 * @throws AppError too_large, malformed
 */
export async function readJson(request: Request, maxBytes = MAX_JSON_BYTES): Promise<unknown> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(
      await bytesOf(request, maxBytes),
    );
    if (partsOf(text) > MAX_JSON_PARTS) {
      throw new AppError(
        "too_large",
        "too_many_values",
        `The body must have at most ${MAX_JSON_PARTS} values; send NDJSON for more.`,
      );
    }
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof AppError) throw error;
    const what =
      error instanceof SyntaxError
        ? `The body is not JSON: ${error.message}`
        : "The body cannot be read: it is not UTF-8, or not gzip as announced.";
    throw new AppError("malformed", "invalid_json", what);
  }
}

/** Media type of the body in lower case, without parameters. */
export function mediaType(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** Refuses a larger body before it is parsed, on routes whose body the validator reads. */
export function limitBody(maxBytes = MAX_JSON_BYTES): MiddlewareHandler {
  return bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw tooLarge(maxBytes);
    },
  });
}

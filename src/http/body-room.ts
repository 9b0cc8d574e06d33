import { sleep } from "../lib/backoff.ts";
import { AppError } from "../lib/errors.ts";

/**
 * Bytes of whole bodies that an isolate handles at once. Parsed and made into a statement, a body
 * takes several times as much.
 */
const MAX_HELD_BYTES = 20 * 1024 * 1024;
const MAX_WAIT_MS = 5_000;
const POLL_MS = 20;
/** A body that was held for longer belongs to a request that was killed. */
const MAX_HELD_MS = 60_000;
/** The maximum ratio of deflate (RFC 1951: 258 bytes in two bits). */
const MAX_DEFLATE_RATIO = 1_032;

const held = new Map<symbol, { bytes: number; sinceMs: number }>();

function heldBytes(): number {
  let bytes = 0;
  for (const [key, each] of held) {
    if (Date.now() - each.sinceMs > MAX_HELD_MS) held.delete(key);
    else bytes += each.bytes;
  }
  return bytes;
}

/** The maximum size of a body once it is unpacked. */
function mostBytes({ headers }: Request, maxBytes: number): number {
  const announced = Number(headers.get("content-length") ?? Number.NaN);
  if (Number.isNaN(announced)) return maxBytes;
  return Math.min(maxBytes, announced * (headers.has("content-encoding") ? MAX_DEFLATE_RATIO : 1));
}

/**
 * Runs the work of a request that reads its body whole, once the isolate has room for the body.
 * @param maxBytes the limit of such a body
 * @throws AppError unavailable without room for five seconds; nothing has been read then
 */
export async function withRoom<T>(
  request: Request,
  maxBytes: number,
  work: () => Promise<T>,
): Promise<T> {
  const bytes = mostBytes(request, maxBytes);
  const untilMs = Date.now() + MAX_WAIT_MS;
  while (heldBytes() + bytes > MAX_HELD_BYTES) {
    if (Date.now() > untilMs)
      throw new AppError("unavailable", "busy", "Too many large bodies at once; send NDJSON.", {
        retryAfterSeconds: 2,
      });
    await sleep(POLL_MS);
  }
  const key = Symbol();
  held.set(key, { bytes, sinceMs: Date.now() });
  try {
    return await work();
  } finally {
    held.delete(key);
  }
}

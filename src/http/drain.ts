const MAX_DRAIN_BYTES = 16 * 1024 * 1024;
const MAX_DRAIN_MS = 10_000;

/**
 * Reads and discards the rest of a refused request. The runtime closes a connection with more than
 * 64 KiB unread, and a client that is still writing would then see a broken connection instead of
 * the answer.
 */
export async function drainBody({ body, bodyUsed }: Request): Promise<void> {
  if (!body || bodyUsed || body.locked) return;
  const reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const untilMs = Date.now() + MAX_DRAIN_MS;
  try {
    for (let bytes = 0; bytes < MAX_DRAIN_BYTES && Date.now() < untilMs; ) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // The client has left.
  }
}

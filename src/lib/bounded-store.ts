interface Held<T> {
  value: T;
  bytes: number;
  untilMs: number;
}

/** The bytes of a map's entry beside its key and its value. */
const ENTRY_BYTES = 200;
const SWEEP_INTERVAL_MS = 60_000;

/** Bytes of a text in memory: two a character, as the runtime keeps what goes beyond Latin-1. */
export const bytesOf = (text: string) => 2 * text.length;

/**
 * A part of the isolate's memory that never grows past its bytes: the oldest entries make room, and
 * those that have ended leave by themselves.
 */
export class BoundedStore<T> {
  readonly #held = new Map<string, Held<T>>();
  readonly #maxBytes: number;
  #bytes = 0;
  #sweptMs = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now, as they were counted. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string, nowMs: number): T | undefined {
    const held = this.#held.get(key);
    return held && held.untilMs > nowMs ? held.value : undefined;
  }

  /**
   * @param bytes of the value; a value that would take more than an eighth of the store is not kept
   */
  set(key: string, value: T, { bytes, untilMs }: { bytes: number; untilMs: number }): void {
    this.delete(key);
    const size = bytes + bytesOf(key) + ENTRY_BYTES;
    if (size > this.#maxBytes / 8) return;
    this.#held.set(key, { value, bytes: size, untilMs });
    this.#bytes += size;
    this.#sweep();
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const held = this.#held.get(key);
    if (!held) return;
    this.#held.delete(key);
    this.#bytes -= held.bytes;
  }

  /** Looks at all entries once a minute at the most. */
  #sweep(): void {
    const nowMs = Date.now();
    if (nowMs - this.#sweptMs < SWEEP_INTERVAL_MS) return;
    this.#sweptMs = nowMs;
    for (const [key, { untilMs }] of this.#held) if (untilMs <= nowMs) this.delete(key);
  }
}

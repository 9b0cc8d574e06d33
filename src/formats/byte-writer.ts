import { resized } from "../lib/bytes.ts";

const FIRST_BYTES = 64 * 1024;
/** Shorter runs of bytes are copied one by one: a call costs as much as forty of them. */
const SHORT = 40;

/** Bytes of a chunk. The array serves all chunks of a file, one after the other. */
export class ByteWriter {
  /** The bytes that are written, and room behind them. `reserve` may replace it. */
  bytes = new Uint8Array(FIRST_BYTES);
  size = 0;

  /** The bytes written so far; valid until the next `clear`. */
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.size);
  }

  clear(): void {
    this.size = 0;
  }

  /** Makes room, so that `byte` may be called so often. */
  reserve(more: number): void {
    const wanted = this.size + more;
    if (wanted <= this.bytes.length) return;
    this.bytes = resized(this.bytes, Math.max(wanted, 2 * this.bytes.length));
  }

  /** One byte, for which room was made. */
  byte(value: number): void {
    this.bytes[this.size++] = value;
  }

  copy(from: Uint8Array, begin = 0, end = from.length): void {
    const length = end - begin;
    this.reserve(length);
    const bytes = this.bytes;
    let size = this.size;
    if (length < SHORT) for (let at = begin; at < end; at++) bytes[size++] = from[at] ?? 0;
    else bytes.set(from.subarray(begin, end), size);
    this.size += length;
  }
}

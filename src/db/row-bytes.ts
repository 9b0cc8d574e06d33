import { resized } from "../lib/bytes.ts";
import type { Cells } from "../lib/cells.ts";

/** Of a message: its kind, and its length without the kind (PostgreSQL, "Message Formats"). */
const HEADER_BYTES = 5;
const DATA_ROW = 0x44;
const FIRST_BYTES = 256 * 1024;
const FIRST_BOUNDS = 16 * 1024;
/** The memory of a page of unusual rows is not kept for the next. */
const KEPT_BYTES = 2 * 1024 * 1024;

const int32At = (bytes: Uint8Array, at: number) =>
  ((bytes[at] ?? 0) << 24) |
  ((bytes[at + 1] ?? 0) << 16) |
  ((bytes[at + 2] ?? 0) << 8) |
  (bytes[at + 3] ?? 0);

/**
 * The rows of one statement, as they came. The driver would make a text of each value, in
 * JavaScript, and a list of each row: that costs more than all else that an export does.
 */
export class RowBytes implements Cells {
  bytes = new Uint8Array(FIRST_BYTES);
  bounds = new Int32Array(FIRST_BOUNDS);
  width = 0;
  rows = 0;
  #size = 0;
  /** Where the next message begins. */
  #at = 0;
  #known = 0;

  clear(): void {
    if (this.bytes.length > KEPT_BYTES) this.bytes = resized(this.bytes, FIRST_BYTES);
    [this.width, this.rows, this.#size, this.#at, this.#known] = [0, 0, 0, 0, 0];
  }

  /** Bytes that the rows took on their way. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes what the server has sent next, which may end in the middle of a message.
   * @returns messages that are no rows
   */
  add(chunk: Uint8Array): Uint8Array[] {
    this.#append(chunk);
    const others: Uint8Array[] = [];
    while (this.#size - this.#at >= HEADER_BYTES) {
      const end = this.#at + 1 + int32At(this.bytes, this.#at + 1);
      if (end > this.#size) break;
      if (this.bytes[this.#at] === DATA_ROW) this.#row(this.#at + HEADER_BYTES);
      else others.push(this.bytes.slice(this.#at, end));
      this.#at = end;
    }
    return others;
  }

  #append(chunk: Uint8Array): void {
    const size = this.#size + chunk.length;
    if (size > this.bytes.length)
      this.bytes = resized(this.bytes, Math.max(size, 2 * this.bytes.length));
    this.bytes.set(chunk, this.#size);
    this.#size = size;
  }

  /** DataRow: the number of values, then each behind its length, or -1 for null. */
  #row(start: number): void {
    const { bytes } = this;
    this.width = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
    if (this.#known + 2 * this.width > this.bounds.length) {
      const grown = new Int32Array(2 * this.bounds.length + 2 * this.width);
      grown.set(this.bounds);
      this.bounds = grown;
    }
    const { bounds, width } = this;
    let [at, place] = [start + 2, this.#known];
    for (let column = 0; column < width; column++) {
      const length = int32At(bytes, at);
      at += 4;
      const isAbsent = length < 0;
      bounds[place++] = isAbsent ? -1 : at;
      if (!isAbsent) at += length;
      bounds[place++] = isAbsent ? -1 : at;
    }
    this.#known = place;
    this.rows++;
  }
}

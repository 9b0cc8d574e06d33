import { ByteWriter } from "./byte-writer.ts";

/** Different texts of a column that are kept once, however often they come. */
const MAX_SHARED = 256;
/** Places of the table of shared texts: few texts of 256 then meet at one place. */
const PLACES = 1024;

/** UTF-16 code units of a text in UTF-8. */
function unitsOf(bytes: Uint8Array, begin: number, end: number): number {
  let units = 0;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

function hashOf(bytes: Uint8Array, begin: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = begin; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return (hash ^ (hash >>> 15)) & (PLACES - 1);
}

/**
 * Texts of a column, as bytes, until their row group is written. A text that comes again is the
 * same object again: the writer of the file then encodes it once.
 */
export class GatheredTexts<T> {
  readonly #make: (bytes: Uint8Array) => T;
  readonly #own = new ByteWriter();
  readonly #shared: { bytes: Uint8Array; value: T }[] = [];
  readonly #places = new Int16Array(PLACES).fill(-1);
  /** Of each row: where its own text ends, or the number of a shared one below zero. */
  readonly #ends: Int32Array;
  readonly #isAbsent: Uint8Array;
  #knowsAbsent = false;
  #rows = 0;
  /** Characters of the texts that are held. */
  chars = 0;

  /** @param make what the writer takes; the bytes are valid until `clear` */
  constructor(most: number, make: (bytes: Uint8Array) => T) {
    this.#make = make;
    this.#ends = new Int32Array(most);
    this.#isAbsent = new Uint8Array(most);
  }

  addAbsent(): void {
    this.#knowsAbsent = true;
    this.#isAbsent[this.#rows++] = 1;
  }

  /** Adds a text of a column whose texts are likely to come again. */
  add(bytes: Uint8Array, begin: number, end: number): void {
    const shared = this.#sharedOf(bytes, begin, end);
    if (shared >= 0) {
      this.#ends[this.#rows++] = -1 - shared;
      return;
    }
    this.#own.copy(bytes, begin, end);
    this.chars += unitsOf(bytes, begin, end);
    this.#ends[this.#rows++] = this.#own.size;
  }

  addOwn(write: (to: ByteWriter) => void): void {
    const begin = this.#own.size;
    write(this.#own);
    this.chars += unitsOf(this.#own.written, begin, this.#own.size);
    this.#ends[this.#rows++] = this.#own.size;
  }

  /** The number of a shared text; -1 if this one is not shared. */
  #sharedOf(bytes: Uint8Array, begin: number, end: number): number {
    let place = hashOf(bytes, begin, end);
    for (; ; place = (place + 1) & (PLACES - 1)) {
      const known = this.#places[place] ?? -1;
      if (known < 0) break;
      const text = this.#shared[known]?.bytes;
      if (text && isSame(text, bytes, begin, end)) return known;
    }
    const count = this.#shared.length;
    if (count + (this.#knowsAbsent ? 1 : 0) >= MAX_SHARED) return -1;
    const text = bytes.slice(begin, end);
    this.#shared.push({ bytes: text, value: this.#make(text) });
    this.#places[place] = count;
    return count;
  }

  /** The texts of all rows. */
  values(): (T | null)[] {
    const [own, values] = [this.#own.written, [] as (T | null)[]];
    let begin = 0;
    for (let row = 0; row < this.#rows; row++) {
      const end = this.#ends[row] ?? 0;
      if (this.#isAbsent[row] === 1) values.push(null);
      else if (end < 0) values.push(this.#shared[-1 - end]?.value ?? null);
      else {
        values.push(this.#make(own.subarray(begin, end)));
        begin = end;
      }
    }
    return values;
  }

  clear(): void {
    this.#own.clear();
    this.#isAbsent.fill(0);
    [this.#rows, this.chars] = [0, 0];
  }
}

function isSame(text: Uint8Array, bytes: Uint8Array, begin: number, end: number): boolean {
  if (text.length !== end - begin) return false;
  for (let at = 0; at < text.length; at++) if (text[at] !== bytes[begin + at]) return false;
  return true;
}

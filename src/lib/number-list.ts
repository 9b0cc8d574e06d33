const CHUNK = 2_048;
const LOW = 2 ** 32;

/** Whole numbers from 0 to 2^48 - 1 that are added one by one, in six bytes each. */
export class NumberList {
  readonly #low: Uint32Array[] = [];
  readonly #high: Uint16Array[] = [];
  length = 0;

  add(value: number): void {
    const place = this.length % CHUNK;
    if (place === 0) {
      this.#low.push(new Uint32Array(CHUNK));
      this.#high.push(new Uint16Array(CHUNK));
    }
    const [low, high] = [this.#low.at(-1), this.#high.at(-1)];
    if (low) low[place] = value % LOW;
    if (high) high[place] = Math.floor(value / LOW);
    this.length++;
  }

  at(index: number): number {
    const [chunk, place] = [Math.floor(index / CHUNK), index % CHUNK];
    return (this.#high[chunk]?.[place] ?? 0) * LOW + (this.#low[chunk]?.[place] ?? 0);
  }

  /** All of them in ascending order. */
  sorted(): Float64Array {
    const all = new Float64Array(this.length);
    for (let index = 0; index < all.length; index++) all[index] = this.at(index);
    return all.sort();
  }
}

/** The first rows by id (by its UTF-16 units) of many that come in any order. */
export class FirstById<T> {
  readonly #limit: number;
  readonly #idOf: (row: T) => string;
  #rows: T[] = [];

  /** At most twice as many rows as `limit` are held. */
  constructor(limit: number, idOf: (row: T) => string) {
    this.#limit = limit;
    this.#idOf = idOf;
  }

  add(row: T): void {
    this.#rows.push(row);
    if (this.#rows.length >= 2 * this.#limit) this.#rows = this.rows();
  }

  /** At most `limit`, in order. */
  rows(): T[] {
    const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
    return this.#rows
      .toSorted((a, b) => compare(this.#idOf(a), this.#idOf(b)))
      .slice(0, this.#limit);
  }
}

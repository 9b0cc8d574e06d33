const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;
/** Of a webhook's message, whose parts are compared. */
const SIGNATURE = /\bv1,[A-Za-z0-9+/]{43}=/g;
/** A cursor is base64url of a list of texts, which begins with a bracket and a quote. */
const CURSOR = /\bWy[IJ][A-Za-z0-9_-]{6,}/g;
/** A signed text: its claims are compared, its signature follows from them. */
const SIGNED = /\beyJ[A-Za-z0-9_-]+\.(eyJ[A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{43}/g;
const SHARED = /(\/shared\/)[A-Za-z0-9_-]{43}/g;
/** The text of an API key, whose id follows from the request. */
const KEY = /\b(sk_[a-z]+_[a-z0-9]{8}_)[A-Za-z0-9_-]{49}/g;
/** A hook's URL is shown with a random key behind it. */
const HOOK_KEY = /(\/\*\*\*)[A-Za-z0-9_-]+/g;

const decoded = (text: string) => Buffer.from(text, "base64url").toString();

/** Whether a text has an id in it that the Worker has drawn. */
export const hasDrawnId = (text: string): boolean => text.search(UUID) >= 0;

/**
 * Names for what the Worker draws at random: the answer in which it is first seen and its place
 * there, so that another one more in an answer leaves the names of later answers as they are.
 */
export class RecordedNames {
  readonly #known = new Map<string, string>();
  readonly #values: ReadonlyMap<string, string>;

  /** @param values texts of this run alone, e.g. its address, and what stands for each */
  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** @param where what new names begin with */
  normalize(text: string, where: string): string {
    let drawn = 0;
    const nameOf = (value: string) => {
      const name = this.#known.get(value) ?? `<id ${where}.${++drawn}>`;
      this.#known.set(value, name);
      return name;
    };
    let result = text;
    for (const [value, name] of this.#values) result = result.replaceAll(value, name);
    return result
      .replace(SIGNED, (_, claims: string) => `<signed ${decoded(claims)}>`)
      .replace(CURSOR, (cursor) => `<cursor ${decoded(cursor)}>`)
      .replace(SIGNATURE, "v1,<signature>")
      .replace(SHARED, "$1<token>")
      .replace(KEY, "$1<secret>")
      .replace(HOOK_KEY, "$1<key>")
      .replace(UUID, nameOf);
  }
}

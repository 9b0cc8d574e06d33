import { type ExactNumber, isExactNumber, MAX_WRITTEN_CHARS, numberOf } from "./exact-number.ts";

/** A value that JSON's syntax allows and we cannot keep; `path` names the place with dots. */
export interface JsonFault {
  path: string;
  code:
    | "duplicate_key"
    | "number_out_of_range"
    | "too_deep"
    | "too_many_digits"
    | "too_many_faults";
  message: string;
}
/**
 * One is enough for each item of a batch, which has a thousand at the most; with more the whole
 * text is refused.
 */
const MAX_FAULTS = 1_001;
/** Nested deeper than what could ever be stored; the walk below is recursive. */
const MAX_DEPTH = 256;

interface Shape {
  /** Members of all objects. */
  members: number;
  /**
   * Whether some number is not written as the double that JSON.parse makes of it, or has an
   * exponent.
   */
  odd: boolean;
  depth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const isNumeric = (code: number) =>
  (code >= 0x30 && code <= 0x39) ||
  code === 0x2d ||
  code === 0x2e ||
  code === 0x2b ||
  code === 0x65 ||
  code === 0x45;

/** Where the string that begins at `start` ends: the place of its closing quote. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}

/** One pass over a valid JSON text. */
function shapeOf(text: string): Shape {
  const shape = { members: 0, odd: false, depth: 0 };
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x3a) shape.members++;
    else if (code === 0x7b || code === 0x5b) shape.depth = Math.max(shape.depth, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const start = at;
      while (isNumeric(text.charCodeAt(at + 1))) at++;
      const source = text.slice(start, at + 1);
      shape.odd ||= String(Number(source)) !== source || source.includes("e");
    }
  }
  return shape;
}

/** Members of all objects of a value. */
function membersOf(value: unknown): number {
  let members = 0;
  const left = [value];
  while (left.length > 0) {
    const each = left.pop();
    if (typeof each !== "object" || each === null) continue;
    const values = Object.values(each);
    if (!Array.isArray(each)) members += values.length;
    for (const part of values) if (typeof part === "object" && part !== null) left.push(part);
  }
  return members;
}

/**
 * Reads a valid JSON text value by value; what it makes is what JSON.parse makes, but for numbers
 * and equal keys.
 */
class Reader {
  readonly #text: string;
  readonly #faults: JsonFault[];
  readonly #faulty = new Set<string>();
  #written = 0;
  #at = 0;

  constructor(text: string, faults: JsonFault[]) {
    this.#text = text;
    this.#faults = faults;
  }

  /** The first of each item of a batch is kept. */
  #fault(path: string, code: JsonFault["code"], message: string): void {
    const item = path.split(".", 2).join(".");
    if (this.#faulty.has(item) || this.#faulty.size > MAX_FAULTS) return;
    this.#faulty.add(item);
    if (this.#faulty.size <= MAX_FAULTS) this.#faults.push({ path, code, message });
    else this.#faults.push({ path: "", code: "too_many_faults", message: "has too many faults" });
  }

  #number(source: string, path: string): number | ExactNumber | null {
    const isShort = !/[eE]/.test(source);
    if (!isShort && this.#written > MAX_WRITTEN_CHARS) {
      this.#fault(path, "too_many_digits", "has too many digits once it is written out");
      return null;
    }
    const number = numberOf(source);
    if (number === undefined)
      this.#fault(path, "number_out_of_range", "must be between 5e-324 and 1.8e308 in size");
    else if (!isShort && isExactNumber(number)) this.#written += number.rawJSON.length;
    return number ?? null;
  }

  value(path: string): unknown {
    const code = this.#next();
    if (code === 0x7b) return this.#object(path);
    if (code === 0x5b) return this.#array(path);
    if (code === QUOTE) return this.#string();
    const token = /[^\s,\]}]+/y;
    token.lastIndex = this.#at;
    const [source = ""] = token.exec(this.#text) ?? [];
    this.#at += source.length;
    if (!/^[-\d]/.test(source)) return JSON.parse(source);
    return this.#number(source, path);
  }

  /** The next character that is no white space. */
  #next(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09)
      code = this.#text.charCodeAt(++this.#at);
    return code;
  }

  #string(): string {
    const end = endOfString(this.#text, this.#at) + 1;
    const text = JSON.parse(this.#text.slice(this.#at, end)) as string;
    this.#at = end;
    return text;
  }

  #array(path: string): unknown[] {
    const list: unknown[] = [];
    this.#at++;
    for (; this.#next() !== 0x5d; ) {
      if (this.#next() === 0x2c) this.#at++;
      list.push(this.value(joined(path, String(list.length))));
    }
    this.#at++;
    return list;
  }

  #object(path: string): Record<string, unknown> {
    const members = new Map<string, unknown>();
    this.#at++;
    for (; this.#next() !== 0x7d; ) {
      if (this.#next() === 0x2c) this.#at++;
      this.#next();
      const key = this.#string();
      const place = joined(path, key);
      if (members.has(key)) this.#fault(place, "duplicate_key", "must be there only once");
      this.#next();
      this.#at++;
      members.set(key, this.value(place));
    }
    this.#at++;
    // Unlike an assignment, this keeps a member that is called __proto__.
    return Object.fromEntries(members);
  }
}

const joined = (path: string, key: string) => (path === "" ? key : `${path}.${key}`);

/**
 * The value of a caller's JSON text, all of it.
 * @param faults gets the keys that come twice and the numbers beyond a double's range: what has one
 * must be refused
 * @throws SyntaxError for what is no JSON
 */
export function parseJson(text: string, faults: JsonFault[]): unknown {
  const value: unknown = JSON.parse(text);
  const { members, odd, depth } = shapeOf(text);
  if (!odd && members === membersOf(value)) return value;
  if (depth <= MAX_DEPTH) return new Reader(text, faults).value("");
  faults.push({ path: "", code: "too_deep", message: "is nested too deep" });
  return value;
}

/** The value of our own database's JSON: it has no equal keys, and numbers without exponents. */
export function parseStored(text: string): unknown {
  // Sixteen digits in a row, with or without a point, are the fewest that a double may alter; a
  // small fraction has as many.
  return /\d[\d.]{15}|0\.0{6}/.test(text) ? new Reader(text, []).value("") : JSON.parse(text);
}

import type { SQL } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";

const WIDTH = 100;
/** Longer lists of parameters are shown by their ends and their length. */
const MAX_SHOWN = 3;
const CLAUSES = [
  "with",
  "select",
  "from",
  "where",
  "group",
  "order",
  "having",
  "limit",
  "offset",
  "union",
  "except",
  "join",
  "left",
  "cross",
  "using",
  "values",
  "insert",
  "delete",
  "update",
  "set",
  "returning",
];
/** Words that a clause begins with only when none of these stands before it. */
const CONTINUES: Record<string, readonly string[]> = {
  join: ["left", "cross"],
  from: ["delete", "distinct"],
  select: ["explain"],
  order: ["group"],
};

interface Token {
  text: string;
  /** White space stood before it. */
  spaced: boolean;
  /** The tokens inside the parentheses that it opens. */
  inner?: Token[];
}

const dialect = new PgDialect();
const quoted = (value: unknown) => `'${String(value).replaceAll("'", "''")}'`;

function literal(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (!Array.isArray(value)) return quoted(value);
  if (value.length <= MAX_SHOWN) return quoted(`{${value.join(",")}}`);
  return quoted(`{${value[0]}, ... ${value.length} values ..., ${value.at(-1)}}`);
}

const WORD = /\s+|'(?:[^']|'')*'|"[^"]*"|[\w.$]+|::|[^\s\w]/g;

/** @returns the tokens up to the parenthesis that closes this level */
function tokensOf(words: Iterator<string>): Token[] {
  const tokens: Token[] = [];
  let spaced = false;
  for (let next = words.next(); !next.done; next = words.next()) {
    const text = next.value;
    if (text.trim() === "") {
      spaced = true;
      continue;
    }
    if (text === ")") return tokens;
    if (text === "(") tokens.push({ text, spaced, inner: tokensOf(words) });
    else tokens.push({ text, spaced: spaced && text !== "," });
    spaced = false;
  }
  return tokens;
}

function flat(tokens: readonly Token[]): string {
  const texts = tokens.map(({ text, spaced, inner }, index) => {
    const own = inner ? `(${flat(inner)})` : text;
    return spaced && index > 0 ? ` ${own}` : own;
  });
  return texts.join("");
}

/** Parts that each begin with a token of this kind. */
function partsAt(
  tokens: readonly Token[],
  begins: (token: Token, before: Token | undefined) => boolean,
): Token[][] {
  const parts: Token[][] = [];
  for (const [index, token] of tokens.entries()) {
    const last = parts.at(-1);
    if (last && !begins(token, tokens[index - 1])) last.push(token);
    else parts.push([token]);
  }
  return parts;
}

const beginsClause = ({ text }: Token, before: Token | undefined) =>
  CLAUSES.includes(text) && !CONTINUES[text]?.includes(before?.text ?? "");
const beginsItem = ({ text }: Token, before: Token | undefined) =>
  before?.text === "," || ["and", "or", "when", "else"].includes(text);

/** A part that is wider than a line: its parentheses open onto lines of their own. */
function opened(tokens: readonly Token[], indent: string): string {
  const texts = tokens.map(({ text, spaced, inner }, index) => {
    const space = spaced && index > 0 ? " " : "";
    if (!inner) return `${space}${text}`;
    if (flat(inner).length <= WIDTH / 2) return `${space}(${flat(inner)})`;
    return `${space}(\n${laidOut(inner, `${indent}  `)}\n${indent})`;
  });
  return texts.join("");
}

function clauseText(tokens: readonly Token[], indent: string): string {
  const [first] = tokens;
  const isWith = first?.text === "with";
  const isClause = first !== undefined && beginsClause(first, undefined);
  const inside = isClause && !isWith ? `${indent}  ` : indent;
  const lines: string[] = [];
  for (const item of partsAt(tokens, beginsItem)) {
    const own = lines.length === 0 ? indent : inside;
    const text = flat(item);
    const last = lines.at(-1);
    const joined = last === undefined || isWith ? undefined : `${last} ${text}`;
    if (joined !== undefined && !last?.includes("\n") && joined.length <= WIDTH)
      lines[lines.length - 1] = joined;
    else if (own.length + text.length <= WIDTH) lines.push(`${own}${text}`);
    else lines.push(`${own}${opened(item, own)}`);
  }
  return lines.join("\n");
}

function laidOut(tokens: readonly Token[], indent: string): string {
  const line = `${indent}${flat(tokens)}`;
  if (line.length <= WIDTH) return line;
  return partsAt(tokens, beginsClause)
    .map((clause) => clauseText(clause, indent))
    .join("\n");
}

/** Quarters of a day: runs of the same bit are shown as in a regular expression, `0{88}1{8}`. */
const shortBits = (bits: string) =>
  bits.replaceAll(/(.)\1+/g, (run, bit) => `${bit}{${run.length}}`);

/**
 * A statement as a file that can be read: parameters in their places, one clause a line, indented by
 * the depth of its parentheses. White space of the source plays no part.
 */
export function sqlText(statement: SQL): string {
  const { sql, params } = dialect.sqlToQuery(statement);
  const text = sql.replaceAll(/\$(\d+)/g, (_, index) => literal(params[Number(index) - 1]));
  const short = text.replaceAll(/\b[01]{96}\b/g, shortBits);
  const words = [...short.matchAll(WORD)].map(([word]) => word);
  return laidOut(tokensOf(words.values()), "");
}

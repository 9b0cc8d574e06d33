import { type SQL, sql } from "drizzle-orm";
import { unprocessable } from "../../lib/errors.ts";
import { decimalText, type ExactNumber, isExactNumber } from "../../lib/exact-number.ts";
import { keysOf } from "../../lib/key-path.ts";

/** Dimensions that are columns. Rollup tables and raw rows name them alike. */
export const DIMENSIONS = {
  agent: "agent_id",
  user: "user_id",
  status: "status",
  model: "model",
  environment: "environment",
  version: "version",
  error_type: "error_type",
} as const;
export type Dimension = keyof typeof DIMENSIONS;

/** Dimensions of time; they come from the local bucket that a row falls into. */
export const CLOCK_DIMENSIONS = ["hour_of_day", "day_of_week"] as const;
export type ClockDimension = (typeof CLOCK_DIMENSIONS)[number];

/** Numbers of one execution that a filter may compare; only raw rows have them. */
const NUMBERS = {
  duration_ms: "duration_ms",
  credits: "credits",
  tokens_in: "tokens_in",
  tokens_out: "tokens_out",
} as const;
const METADATA = "metadata.";

export const OPERATORS = [
  "eq",
  "ne",
  "in",
  "not_in",
  "gt",
  "gte",
  "lt",
  "lte",
  "exists",
  "contains",
] as const;
export type Operator = (typeof OPERATORS)[number];
/** A number that a double would alter comes as its digits. */
type Scalar = string | number | boolean | ExactNumber;
/** A condition on a field, as a caller may give it. */
export interface FieldFilter {
  field: string;
  op: Operator;
  value: Scalar | Scalar[];
}
/** `search`, of our own questions only: contains the first text, or is one of the others. */
export type Filter = Omit<FieldFilter, "op"> & { op: Operator | "search" };

/** Runs of some user: what a list of users is made of. */
export const OF_SOME_USER: Filter = { field: "user", op: "exists", value: true };

export type Field =
  | { kind: "dimension"; name: Dimension }
  | { kind: "clock"; name: ClockDimension }
  | { kind: "number"; name: keyof typeof NUMBERS }
  /** The way to a value: keys, or places in a list. */
  | { kind: "metadata"; keys: string[] };

const has = <T extends object>(table: T, name: string): name is string & keyof T =>
  Object.hasOwn(table, name);

/**
 * A field by the caller's name. The name only ever chooses from what is here.
 * @throws AppError unprocessable for an unknown name
 */
export function fieldOf(name: string, path: string): Field {
  if (has(DIMENSIONS, name)) return { kind: "dimension", name };
  const clock = CLOCK_DIMENSIONS.find((dimension) => dimension === name);
  if (clock) return { kind: "clock", name: clock };
  if (has(NUMBERS, name)) return { kind: "number", name };
  if (name.startsWith(METADATA))
    return { kind: "metadata", keys: keysOf(name.slice(METADATA.length)) };
  throw unprocessable(path, "unknown_field", `There is no field "${name}".`);
}

/** Bytes of a value that is a group's name as it is. */
const MAX_NAME_BYTES = 256;

/**
 * A value of free text as the name of a group, which stands in an answer once for each bucket: a
 * long one is shown by its beginning and a digest, so that different values stay different groups.
 */
export function nameText(value: SQL): SQL {
  const shortened = sql`left(${value}, 48) || '…' || md5(${value})`;
  const isLong = sql`octet_length(${value}) > ${sql.raw(String(MAX_NAME_BYTES))}`;
  return sql`case when ${isLong} then ${shortened} else ${value} end`;
}

/** Text of a dimension; null where it is absent. `alias` is a rollup row or a raw row. */
export function valueText(field: Field, alias: string): SQL {
  if (field.kind === "metadata")
    return nameText(documentText(sql`${sql.identifier(alias)}.metadata`, field.keys));
  if (field.kind !== "dimension") throw new Error(`${field.name} is not a column`);
  return sql`nullif(${sql.identifier(alias)}.${sql.identifier(DIMENSIONS[field.name])}, '')`;
}

/**
 * Stands before a value of metadata, which may be the empty string: a group without a value is that
 * string alone.
 */
const PRESENT = "=";

/** The key of a group, never null. A column is never the empty string: intake refuses it. */
export const groupText = (field: Field, alias: string): SQL =>
  field.kind === "metadata"
    ? sql`coalesce(${PRESENT}::text || ${valueText(field, alias)}, '')`
    : sql`coalesce(${valueText(field, alias)}, '')`;

/** The value of a group's key: null for a group without one. */
export function groupValue(kind: Field["kind"], key: string | null): string | number | null {
  if (key === null || key === "") return null;
  if (kind === "metadata") return key.slice(PRESENT.length);
  return kind === "clock" ? Number(key) : key;
}

const COMPARISON = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/** A filter as a predicate over a raw row or a rollup row (where the empty string is "absent"). */
export function filterPredicate(filter: Filter, field: Field, alias: string, rollup: boolean): SQL {
  const row = sql.identifier(alias);
  if (field.kind === "clock") throw new Error(`${field.name} is not a column`);
  const numeric = field.kind === "number" || (field.kind === "metadata" && isNumeric(filter.value));
  let value: SQL;
  if (field.kind === "number") value = sql`${row}.${sql.identifier(NUMBERS[field.name])}`;
  else if (field.kind === "metadata") {
    const document = sql`${row}.metadata`;
    value = (numeric ? documentNumber : documentText)(document, field.keys);
  } else {
    const column = sql`${row}.${sql.identifier(DIMENSIONS[field.name])}`;
    const always = field.name === "agent" || field.name === "status";
    value = rollup && !always ? sql`nullif(${column}, '')` : column;
  }
  return comparison(value, filter, numeric);
}

const keyPath = (keys: readonly string[]) => sql`${sql.param([...keys])}::text[]`;

/** A value of a jsonb document as text; null for none and for JSON's null. */
export const documentText = (document: SQL, keys: readonly string[]): SQL =>
  sql`${document} #>> ${keyPath(keys)}`;

/** The same as a number; null for a value of another type. */
export function documentNumber(document: SQL, keys: readonly string[]): SQL {
  const isNumber = sql`jsonb_typeof(${document} #> ${keyPath(keys)}) = 'number'`;
  return sql`case when ${isNumber} then (${documentText(document, keys)})::numeric end`;
}

/** Whether a filter's values are numbers: the first one says it for all. */
export function isNumeric(value: Filter["value"]): boolean {
  const [first] = [value].flat();
  return typeof first === "number" || isExactNumber(first);
}

const operandText = (operand: Scalar) =>
  typeof operand === "number" || isExactNumber(operand) ? decimalText(operand) : String(operand);

/** A filter over any SQL value. */
export function comparison(value: SQL, { op, value: operand }: Filter, numeric: boolean): SQL {
  const type = sql.raw(numeric ? "numeric" : "text");
  const texts = [operand].flat().map(operandText);
  const one = sql`${texts[0] ?? ""}::${type}`;
  switch (op) {
    case "eq":
      return sql`${value} = ${one}`;
    case "ne":
      return sql`${value} is distinct from ${one}`;
    case "in":
      return sql`${value} = any(${sql.param(texts)}::${type}[])`;
    case "not_in":
      return sql`(${value} is null or ${value} <> all(${sql.param(texts)}::${type}[]))`;
    case "exists":
      return operand === false ? sql`${value} is null` : sql`${value} is not null`;
    case "search": {
      const [part = "", ...others] = texts;
      const contains = sql`position(lower(${part}) in lower(${value})) > 0`;
      return sql`(${contains} or ${value} = any(${sql.param(others)}::text[]))`;
    }
    case "contains":
      return sql`position(lower(${one}) in lower(${value})) > 0`;
    default:
      return sql`${value} ${sql.raw(COMPARISON[op])} ${one}`;
  }
}

import { isExactNumber } from "../src/lib/exact-number.ts";
import { type JsonFault, parseJson } from "../src/lib/json.ts";
import { keysOf } from "../src/lib/key-path.ts";

/** A row of the file: column name -> text (CSV) or value (NDJSON). */
export type Row = Record<string, unknown>;
/** Makes an execution or event, as its intake takes it, of a row; `number` counts rows from 1. */
export type Mapping = (row: Row, number: number) => Record<string, unknown>;

export interface Preset {
  into: "executions" | "events";
  /** Of a file without a header, whose columns are parted by spaces. */
  columns?: string[];
  map: Mapping;
}

const NUMBERS = new Set(["duration_ms", "tokens_in", "tokens_out", "revision"]);
const FIELDS = new Set(
  [
    "id",
    "agent_id",
    "user_id",
    "status",
    "started_at",
    "ended_at",
    "credits",
    "model",
    "parent_execution_id",
    "environment",
    "version",
    "error.type",
    "error.message",
  ].concat(...NUMBERS),
);

/** A time without an offset is UTC. */
const utc = (text: string) =>
  /([zZ]|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text.trim().replace(" ", "T")}Z`;

export const PRESETS: Record<string, Preset> = {
  /** AzureLLMInferenceTrace (2023). Its durations are not known. */
  "azure-llm": {
    into: "executions",
    map: (row, number) => {
      const [tokensIn, tokensOut] = [Number(row.ContextTokens), Number(row.GeneratedTokens)];
      return {
        id: `azure-conv-${number}`,
        agent_id: "conversation",
        user_id: `u${number % 500}`,
        status: "success",
        started_at: utc(String(row.TIMESTAMP)),
        tokens_in: tokensIn,
        tokens_out: tokensOut,
        credits: ((tokensIn + 3 * tokensOut) / 1000).toFixed(3),
      };
    },
  },
  /** CDNOW (1997-98): purchases by day, at noon: the same day in most zones. */
  cdnow: {
    into: "events",
    columns: ["master_id", "sample_id", "day", "quantity", "amount"],
    map: (row, number) => ({
      id: `cdnow-${number}`,
      event_type: "purchase",
      user_id: `customer-${row.sample_id}`,
      occurred_at: `${String(row.day).replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3")}T12:00:00Z`,
      properties: { quantity: Number(row.quantity), amount: Number(row.amount) },
    }),
  },
};

function put(target: Record<string, unknown>, field: string, value: unknown): void {
  if (value === undefined || value === null || value === "") return;
  if (field.includes(".")) {
    const keys = keysOf(field);
    const last = keys.pop() ?? "";
    let nested = target;
    for (const key of keys) {
      const inner = Object.hasOwn(nested, key) ? nested[key] : {};
      if (!isRow(inner)) throw new Error(`--map ${field}: "${key}" has a value of its own`);
      setMember(nested, key, inner);
      nested = inner;
    }
    setMember(nested, last, value);
  } else if (NUMBERS.has(field)) target[field] = numberOf(value);
  else if (field.endsWith("_at")) target[field] = utc(textOf(value));
  else target[field] = typeof value === "number" && field === "credits" ? value : textOf(value);
}

const isRow = (value: unknown): value is Row => typeof value === "object" && value !== null;

/** Unlike an assignment, this can make a member that is called __proto__. */
const setMember = (target: Row, key: string, value: unknown) =>
  void Object.defineProperty(target, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });

const textOf = (value: unknown) => (isExactNumber(value) ? value.rawJSON : String(value));

/** A cell's text as a number with all its digits; other text stays, so that the server refuses it. */
function numberOf(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const text = value
    .trim()
    .replace(/^\+/, "")
    .replace(/^(-?)0+(?=\d)/, "$1");
  const faults: JsonFault[] = [];
  const number = /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? parseJson(text, faults) : value;
  return faults.length > 0 ? value : number;
}

/** A column's value; of NDJSON also one that lies deeper, by the names on the way to it. */
export function cellOf(row: Row, column: string): unknown {
  if (Object.hasOwn(row, column)) return row[column];
  return keysOf(column).reduce<unknown>(
    (at, name) => (isRow(at) && Object.hasOwn(at, name) ? at[name] : undefined),
    row,
  );
}

/** The columns that `field=column` pairs read. */
export const sourcesOf = (columns: readonly string[]): string[] =>
  columns.map((text) => text.split(/=(.*)/s)[1] ?? "");

/**
 * A mapping from `field=column` and `field=constant` pairs. Without any, columns are fields of the
 * same name.
 * @throws Error for a field that no execution has
 */
export function mappingOf(columns: readonly string[], constants: readonly string[]): Mapping {
  const pairs = (list: readonly string[], what: string) =>
    list.map((text): [string, string] => {
      const [field = "", value] = text.split(/=(.*)/s);
      if (value === undefined)
        throw new Error(`--${what} ${text}: write field=${what === "map" ? "column" : "value"}`);
      if (!FIELDS.has(field) && !field.startsWith("metadata."))
        throw new Error(`--${what} ${text}: an execution has no field "${field}"`);
      return [field, value];
    });
  const mapped = pairs(columns, "map");
  const fixed = pairs(constants, "set");
  if (mapped.length === 0 && fixed.length === 0) {
    return (row) => {
      const execution: Record<string, unknown> = {};
      for (const [name, value] of Object.entries(row)) {
        if (FIELDS.has(name)) put(execution, name, value);
        else execution[name] = value;
      }
      return execution;
    };
  }
  return (row) => {
    const execution: Record<string, unknown> = {};
    for (const [field, column] of mapped) put(execution, field, cellOf(row, column));
    for (const [field, value] of fixed) put(execution, field, value);
    return execution;
  };
}

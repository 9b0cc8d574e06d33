import type { SchemaElement } from "hyparquet";
import { textBetween } from "../lib/cells.ts";
import { toMicros } from "../lib/decimal.ts";
import { DECIMAL_SCALE, type FileColumn } from "./columns.ts";
import { GatheredTexts } from "./gathered-texts.ts";
import { instantBetween, microsBetween, numberBetween, writeDocument } from "./stored-values.ts";

const DECIMAL_BYTES = 16;

/** Physical and logical types (Apache Parquet, LogicalTypes.md). */
export function parquetElement({ name, kind }: FileColumn): SchemaElement {
  const optional = { name, repetition_type: "OPTIONAL" as const };
  switch (kind) {
    case "integer":
      return { ...optional, type: "INT64" };
    case "float":
      return { ...optional, type: "DOUBLE" };
    case "boolean":
      return { ...optional, type: "BOOLEAN" };
    case "decimal":
      return {
        ...optional,
        type: "FIXED_LEN_BYTE_ARRAY",
        type_length: DECIMAL_BYTES,
        converted_type: "DECIMAL",
        scale: DECIMAL_SCALE,
        precision: 38,
      };
    case "timestamp":
      return {
        ...optional,
        type: "INT64",
        converted_type: "TIMESTAMP_MICROS",
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
      };
    case "json":
      return { ...optional, type: "BYTE_ARRAY", converted_type: "JSON" };
    default:
      return { ...optional, type: "BYTE_ARRAY", converted_type: "UTF8" };
  }
}

/**
 * The type by which the values are written: they are made here as the file holds them, and the
 * writer would convert them again, value by value.
 */
export function writtenElement(column: FileColumn): SchemaElement {
  const { name, repetition_type, type, type_length } = parquetElement(column);
  const isText = column.kind === "text" || column.kind === "json";
  return {
    name,
    ...(repetition_type ? { repetition_type } : {}),
    ...(type ? { type } : {}),
    ...(type_length ? { type_length } : {}),
    ...(isText ? { converted_type: "UTF8" as const } : {}),
  };
}

function isAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] ?? 0) > 0x7f) return false;
  return true;
}

/** The writer takes either; by its length it decides on dictionaries, in characters. */
const writtenText = (bytes: Uint8Array) =>
  isAscii(bytes) ? bytes : textBetween(bytes, 0, bytes.length);

/** Millionths as a whole number of 16 bytes, the highest first. */
function writtenDecimal(bytes: Uint8Array): Uint8Array {
  const written = new Uint8Array(DECIMAL_BYTES);
  const view = new DataView(written.buffer);
  const short = microsBetween(bytes, 0, bytes.length);
  if (short >= 0 && short <= Number.MAX_SAFE_INTEGER) {
    view.setUint32(8, Math.floor(short / 2 ** 32));
    view.setUint32(12, short >>> 0);
    return written;
  }
  const micros = toMicros(textBetween(bytes, 0, bytes.length));
  view.setBigInt64(0, micros >> 64n);
  view.setBigUint64(8, BigInt.asUintN(64, micros));
  return written;
}

/** Values of a column until their row group is written; no value is an object of its own. */
export interface GatheredColumn {
  add(bytes: Uint8Array, begin: number, end: number): void;
  addAbsent(): void;
  /** All values, as the writer takes them. */
  values(): unknown[];
  clear(): void;
  /** Characters of the texts and documents that are held. */
  readonly chars: number;
}

/** Numbers in one array, also times and truth values. */
class GatheredNumbers implements GatheredColumn {
  readonly #kind: FileColumn["kind"];
  readonly #numbers: Float64Array;
  #rows = 0;
  readonly chars = 0;

  constructor(most: number, kind: FileColumn["kind"]) {
    this.#kind = kind;
    this.#numbers = new Float64Array(most);
  }

  add(bytes: Uint8Array, begin: number, end: number): void {
    const kind = this.#kind;
    if (kind === "boolean") this.#numbers[this.#rows++] = bytes[begin] === 0x74 ? 1 : 0;
    else
      this.#numbers[this.#rows++] =
        kind === "timestamp" ? instantBetween(bytes, begin, end) : numberBetween(bytes, begin, end);
  }

  addAbsent(): void {
    this.#numbers[this.#rows++] = Number.NaN;
  }

  values(): unknown[] {
    const kind = this.#kind;
    return Array.from(this.#numbers.subarray(0, this.#rows), (value) => {
      if (Number.isNaN(value)) return null;
      if (kind === "boolean") return value === 1;
      return kind === "float" ? value : BigInt(value);
    });
  }

  clear(): void {
    this.#rows = 0;
  }
}

class GatheredDocuments extends GatheredTexts<Uint8Array> {
  constructor(most: number) {
    super(most, (bytes) => bytes);
  }

  override add(bytes: Uint8Array, begin: number, end: number): void {
    this.addOwn((to) => writeDocument(to, bytes, begin, end));
  }
}

/** @param most rows of a row group */
export function gatheredColumn({ kind }: FileColumn, most: number): GatheredColumn {
  if (kind === "text") return new GatheredTexts<Uint8Array | string>(most, writtenText);
  if (kind === "decimal") return new GatheredTexts<Uint8Array>(most, writtenDecimal);
  if (kind === "json") return new GatheredDocuments(most);
  return new GatheredNumbers(most, kind);
}

import { csvFormat } from "./csv.ts";
import type { FileFormat } from "./format.ts";
import { jsonFormat, ndjsonFormat } from "./json-rows.ts";
import { parquetFormat } from "./parquet.ts";
import { xlsxFormat } from "./xlsx.ts";

export const FILE_FORMATS = {
  csv: csvFormat,
  ndjson: ndjsonFormat,
  json: jsonFormat,
  xlsx: xlsxFormat,
  parquet: parquetFormat,
} as const satisfies Record<string, FileFormat>;
export type FormatName = keyof typeof FILE_FORMATS;
export const FORMAT_NAMES = Object.keys(FILE_FORMATS) as [FormatName, ...FormatName[]];

import type { Format } from "./format.ts";
import { parquet } from "./parquet.ts";
import { csv, json, ndjson } from "./text.ts";
import { xlsx } from "./xlsx.ts";

export const FORMATS = { csv, ndjson, json, xlsx, parquet } as const satisfies Record<
  string,
  Format
>;
export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as [FormatName, ...FormatName[]];

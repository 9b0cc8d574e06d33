/** Kind of the values of a column; each format has a type for it. */
export type ColumnKind =
  | "text"
  | "integer"
  | "float"
  | "decimal"
  | "timestamp"
  | "boolean"
  | "json";

export interface FileColumn {
  name: string;
  kind: ColumnKind;
}

/** Values by column: RFC 3339 for a timestamp, a string for a decimal, null for no value. */
export type FileRow = Record<string, unknown>;

/** Decimals have six places, as credits do. */
export const DECIMAL_SCALE = 6;

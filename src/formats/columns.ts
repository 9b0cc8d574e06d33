/** What a column holds, so that each format can give it its own type. */
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

/** Values by column: RFC 3339 for a timestamp, a decimal string for a decimal, any JSON for json; null for nothing. */
export type FileRow = Record<string, unknown>;

/** Decimals have six places, as credits do. */
export const DECIMAL_SCALE = 6;

/** What a column holds, so that each format can give it its own type. */
export type Kind = "text" | "integer" | "float" | "decimal" | "timestamp" | "boolean" | "json";

export interface Column {
  name: string;
  kind: Kind;
}

/** Values by column: RFC 3339 for a timestamp, a decimal string for a decimal, any JSON for json; null for nothing. */
export type Row = Record<string, unknown>;

/** Decimals have six places, as credits do. */
export const DECIMAL_SCALE = 6;

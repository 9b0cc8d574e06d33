import type { Filter } from "../../../analytics/catalog/dimensions.ts";
import type { MeasureName } from "../../../analytics/catalog/measures.ts";
import type { Query } from "../../../analytics/query.ts";
import type { TimeRange } from "../../../analytics/time/time-range.ts";
import type { Db } from "../../../db/client.ts";
import type { Snapshot } from "../../../db/snapshot.ts";
import type { FileColumn, FileRow } from "../../../formats/columns.ts";
import type { RowPage } from "../../../formats/format.ts";
import { cellsOfRows } from "../../../lib/cells.ts";
import type { EpochUs } from "../../../lib/time.ts";

/** A fixed range, and the filters that narrow it. */
export interface ExportQuestion {
  workspaceId: string;
  range: TimeRange;
  timezone: string;
  filters: Filter[];
  /** Of the source `metrics`. */
  query?: MetricsQuestion | undefined;
  /** Moment of the snapshot: buckets that end later are incomplete. */
  now: EpochUs;
}

export interface MetricsQuestion {
  measures: MeasureName[];
  granularity?: Query["granularity"];
  group_by?: string[] | undefined;
  order_by?: Query["order_by"];
  limit?: number | undefined;
}

/** The rows of a question in one snapshot. */
export interface OpenedRows {
  rows: number;
  /** Changes when a row of the question is added, taken away or changed. */
  fingerprint: string;
  /**
   * Pages of at most `size` rows behind the position of an earlier page. The same rows give the
   * same pages; their cells are those of the columns that were opened.
   */
  pages(after: string[] | null, size: number): AsyncIterable<RowPage>;
}

export interface ExportSource {
  /** Columns in the order of the file. */
  columns(question: ExportQuestion): FileColumn[];
  /** A further column that a request may name. */
  named?(name: string): FileColumn | undefined;
  /** Columns whose sum a manifest states. */
  totals(question: ExportQuestion): string[];
  /**
   * Checks a question without reading.
   * @throws AppError unprocessable
   */
  check(question: ExportQuestion): void;
  /** Counts rows up to a limit. Absent if every format can hold all rows. */
  count?(db: Db, question: ExportQuestion, limit: number): Promise<number>;
  /** @param columns of the file */
  open(db: Snapshot, question: ExportQuestion, columns: readonly FileColumn[]): Promise<OpenedRows>;
}

/** Rows that were computed at once, cut into pages. A position is the number of rows before it. */
export async function openRows(
  rows: readonly FileRow[],
  columns: readonly FileColumn[],
): Promise<OpenedRows> {
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(JSON.stringify(rows)),
  );
  return {
    rows: rows.length,
    fingerprint: new Uint8Array(digest).toHex(),
    async *pages(after, size) {
      for (let from = Number(after?.[0] ?? 0); from < rows.length; from += size) {
        const values = rows
          .slice(from, from + size)
          .map((row) => columns.map(({ name }) => row[name]));
        yield { cells: cellsOfRows(values, columns.length), after: [String(from + size)] };
      }
    },
  };
}

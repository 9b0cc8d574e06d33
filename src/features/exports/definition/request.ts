import { checkedTimezone, rangeOfQuery } from "../../../analytics/query.ts";
import { namedRange } from "../../../analytics/time/calendar-ranges.ts";
import type { TimeRange } from "../../../analytics/time/time-range.ts";
import type { Db } from "../../../db/client.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import { FILE_FORMATS } from "../../../formats/table.ts";
import { AppError, unprocessable } from "../../../lib/errors.ts";
import { type EpochUs, formatInstant, parseInstant } from "../../../lib/time.ts";
import type { ExportInput, ExportRequest } from "../schema.ts";
import { EXPORT_SOURCES } from "../sources/catalog.ts";
import type { ExportQuestion, ExportSource } from "../sources/source.ts";

function rangeOfInput(
  { timeframe, range, from, to }: ExportInput,
  timezone: string,
  now: EpochUs,
): TimeRange {
  if (range === undefined) return rangeOfQuery({ timeframe, from, to }, now);
  if (timeframe !== undefined || from !== undefined || to !== undefined)
    throw unprocessable(
      "range",
      "range_twice",
      "Give range, timeframe, or from and to: one of them.",
    );
  return namedRange(range, now, timezone);
}

/** A request with its time zone: its own, or else the workspace's. */
type ZonedInput = Omit<ExportInput, "timezone"> & { timezone: string };

/**
 * The columns of a request.
 * @throws AppError unprocessable for a column that the source does not have
 */
export function exportColumns(
  source: ExportSource,
  question: ExportQuestion,
  names: readonly string[] | undefined,
): FileColumn[] {
  const all = source.columns(question);
  if (names === undefined) return all;
  return names.map((name, index) => {
    const found = all.find((column) => column.name === name) ?? source.named?.(name);
    if (!found)
      throw unprocessable(
        `columns.${index}`,
        "unknown_column",
        `The source has no column "${name}".`,
      );
    if (names.indexOf(name) < index)
      throw unprocessable(
        `columns.${index}`,
        "column_twice",
        `The column "${name}" is there already.`,
      );
    return found;
  });
}

/** The question of a stored request at a moment. */
export function exportQuestion(
  workspaceId: string,
  { from, to, timezone, filters, query }: ExportRequest,
  now: EpochUs,
): ExportQuestion {
  return {
    workspaceId,
    now,
    range: { from: parseInstant(from) ?? 0, to: parseInstant(to) ?? 0 },
    timezone,
    filters,
    query,
  };
}

/**
 * Fixes the range and fills in the defaults.
 * @param under prefix of the paths of errors
 * @throws AppError unprocessable, with the path
 */
export function exportRequestOf(
  workspaceId: string,
  input: ZonedInput,
  now: EpochUs,
  under = "",
): ExportRequest {
  try {
    return checked(workspaceId, input, now);
  } catch (error) {
    if (!(error instanceof AppError) || under === "") throw error;
    const errors = error.errors.map((each) => ({ ...each, path: `${under}${each.path}` }));
    throw new AppError(error.kind, error.code, error.message, { errors });
  }
}

/**
 * Checks that the format can hold the current rows.
 * @throws AppError unprocessable, with the path of the format
 */
export async function checkRowCount(
  db: Db,
  workspaceId: string,
  request: ExportRequest,
  most = FILE_FORMATS[request.format].maxRows,
): Promise<void> {
  const source: ExportSource = EXPORT_SOURCES[request.source];
  if (most === Number.POSITIVE_INFINITY || !source.count) return;
  const question = exportQuestion(workspaceId, request, Number.POSITIVE_INFINITY);
  if ((await source.count(db, question, most + 1)) > most)
    throw unprocessable(
      "format",
      "too_many_rows",
      `There are more than the ${most} rows that ${request.format} holds.`,
    );
}

function checked(workspaceId: string, input: ZonedInput, now: EpochUs): ExportRequest {
  const timezone = checkedTimezone(input.timezone);
  const range = rangeOfInput(input, timezone, now);
  const { source: name, format, query, filters = [], gzip = false, neutralize = true } = input;
  if (gzip && !FILE_FORMATS[format].gzip)
    throw unprocessable("gzip", "not_applicable", `${format} is compressed already.`);
  if (neutralize && input.neutralize !== undefined && format !== "csv")
    throw unprocessable("neutralize", "not_applicable", "Only a CSV has formulas to neutralize.");
  if (name === "metrics" && !query)
    throw unprocessable("query", "query_missing", "The source metrics needs a query.");
  if (name !== "metrics" && query)
    throw unprocessable("query", "not_applicable", "Only the source metrics takes a query.");
  const source: ExportSource = EXPORT_SOURCES[name];
  const question: ExportQuestion = { workspaceId, range, timezone, filters, query, now };
  source.check(question);
  const columns = exportColumns(source, question, input.columns).map((column) => column.name);
  return {
    source: name,
    format,
    timezone,
    filters,
    columns,
    gzip,
    neutralize,
    from: formatInstant(range.from),
    to: formatInstant(range.to),
    ...(query ? { query } : {}),
  };
}

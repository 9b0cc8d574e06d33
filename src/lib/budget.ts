import { AppError } from "./errors.ts";

interface Budget {
  limit: number;
  code: string;
  /** The counted things, in the plural. */
  of: string;
}

/** Limits of one request. docs/limits.md has them all, with the reason of each. */
export const WORK_BUDGETS = {
  buckets: { limit: 10_000, code: "too_many_buckets", of: "buckets of this granularity" },
  /** Local hours of five years. */
  slots: { limit: 43_920, code: "range_too_long", of: "local hours or days to tell apart" },
  /** An answer is held in memory whole, and an isolate has 128 MB. */
  rows: { limit: 20_000, code: "too_many_rows", of: "rows" },
  values: { limit: 200_000, code: "too_many_rows", of: "values" },
  /** A test of direction compares each bucket with each: two million pairs. */
  series: { limit: 2_000, code: "too_many_buckets", of: "buckets to compare with each other" },
  /** A matrix of retention is held in memory and in an answer whole. */
  cells: { limit: 50_000, code: "too_many_cells", of: "cells of a matrix of retention" },
  /** Of a funnel, counted before any is evaluated. */
  moments: {
    limit: 12_000_000,
    code: "too_many_rows",
    of: "matching executions and events",
  },
  /** The moments of a user are evaluated at once, at about 50 bytes each. */
  momentsOfUser: {
    limit: 750_000,
    code: "too_many_rows",
    of: "matching executions and events of one user",
  },
  bytesOfUser: {
    limit: 32 * 1024 * 1024,
    code: "too_many_rows",
    of: "bytes of the breakdown's values of one user",
  },
  /** Six bytes each, and eight more of those of one step: funnels/journey-tally.ts. */
  conversions: {
    limit: 6_000_000,
    code: "too_many_rows",
    of: "times between steps, and users of a breakdown",
  },
  /** Each value of the property is kept until the most frequent ones are known. */
  breakdown: {
    limit: 16 * 1024 * 1024,
    code: "too_many_groups",
    of: "characters of the breakdown's values, and 40 for each of them",
  },
  trend: { limit: 400, code: "too_many_buckets", of: "buckets of a funnel's trend" },
  filters: { limit: 20, code: "too_many_filters", of: "filters" },
  queryChars: { limit: 16_384, code: "query_too_long", of: "characters of a query string" },
  parameters: { limit: 100, code: "too_many_parameters", of: "query parameters" },
  /**
   * 80,000 of an area by the minute, and 55,000 cells of tables, were the most that an isolate was
   * seen to make.
   */
  pdfPoints: { limit: 50_000, code: "too_many_points", of: "values of a report as PDF" },
  reportPoints: { limit: 100_000, code: "too_many_points", of: "values of a report" },
} as const satisfies Record<string, Budget>;
export type BudgetName = keyof typeof WORK_BUDGETS;

/**
 * Refuses work by its amount, which is counted from what was asked before anything is built.
 * @param path what of the input makes it large
 * @throws AppError unprocessable, with the amount and the limit in its words and in its `errors`
 */
export function checkWork(
  name: BudgetName,
  amount: number,
  path: string,
  advice = "Ask for less at once.",
): void {
  const { limit, code, of } = WORK_BUDGETS[name];
  if (amount <= limit) return;
  const message = `This would be ${amount} ${of}; at most ${limit} are possible. ${advice}`;
  throw new AppError("unprocessable", code, message, {
    errors: [{ path, code, message, amount, limit }],
  });
}

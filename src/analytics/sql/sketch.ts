import { type SQL, sql } from "drizzle-orm";

/**
 * A DDSketch with a logarithmic mapping (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable
 * quantile sketch with relative-error guarantees", VLDB 2019): a duration of d ms > 0 counts in
 * bucket ceil(log_gamma(d)), a zero in ZERO_KEY. Counts of buckets add up, so sketches merge in any
 * order to the same sketch.
 */
export const RELATIVE_ERROR = 0.01;
export const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
/** Below every bucket of a positive duration (the smallest is 1 ms, bucket 0). */
export const ZERO_KEY = -1;
const ZERO = sql.raw(String(ZERO_KEY));
const LOG_GAMMA = sql.raw(String(Math.log(GAMMA)));

/**
 * Bucket of a duration column in SQL: the only place where durations become buckets, so that all
 * rows agree at the borders.
 */
export function sketchKey(durationMs: SQL): SQL {
  const key = sql`ceil(ln(${durationMs}::float8) / ${LOG_GAMMA})::int`;
  return sql`case when ${durationMs} > 0 then ${key} else ${ZERO} end`;
}

/**
 * The value that stands for a bucket: within RELATIVE_ERROR of each duration in it.
 * @returns milliseconds, kept inside the exact [min, max] of the set
 */
export function sketchValue(key: number, minMs: number, maxMs: number): number {
  const value = key === ZERO_KEY ? 0 : (2 * GAMMA ** key) / (GAMMA + 1);
  return Math.min(Math.max(value, minMs), maxMs);
}

/** `sketchValue` in SQL, to order groups by; not kept inside [min, max]. */
export function sketchValueSql(key: SQL): SQL {
  const base = sql.raw(`${GAMMA}::float8`);
  const value = sql`2 * power(${base}, ${key}) / ${sql.raw(String(GAMMA + 1))}`;
  return sql`case when ${key} = ${ZERO} then 0 else ${value} end`;
}

/**
 * Decimal digits of one bucket's count in a packed sketch: one number with the count of the bucket
 * `key` at 10^(DIGITS (key - ZERO_KEY)). Packed sketches merge by addition, as long as no bucket
 * has 10^DIGITS executions.
 */
const DIGITS = 12;

/** The number that `n` executions of a bucket add to a packed sketch. */
export function packedCells(key: SQL, n: SQL): SQL {
  return sql`${n} * ('1e' || ${sql.raw(String(DIGITS))} * (${key} - ${ZERO}))::numeric`;
}

/** The buckets of a packed sketch. */
export function unpackSketch(digits: string): SketchCells {
  const cells: SketchCells = [];
  for (let end = digits.length, key = ZERO_KEY; end > 0; end -= DIGITS, key++) {
    const count = Number(digits.slice(Math.max(0, end - DIGITS), end));
    if (count > 0) cells.push({ key, count });
  }
  return cells;
}

/**
 * The bucket of each quantile, that of the rank ceil(q n), as `percentile_disc` has it.
 * @param quantiles whole hundredths, so that ranks are exact
 */
export function quantileKeys(cells: SketchCells, quantiles: readonly number[]): number[] {
  const total = cells.reduce((sum, { count }) => sum + count, 0);
  return quantiles.map((q) => {
    let left = Math.max(1, Math.ceil((Math.round(q * 100) * total) / 100));
    for (const { key, count } of cells) {
      left -= count;
      if (left <= 0) return key;
    }
    throw new Error("A sketch without cells has no quantiles");
  });
}

/** Buckets of a sketch with their counts, in the order of buckets. */
export type SketchCells = { key: number; count: number }[];

/** A merged sketch as the statement gives it: `key:count,…`. */
export function parseSketch(text: string | null | undefined): SketchCells {
  if (!text) return [];
  return text.split(",").map((cell) => {
    const [key = "0", count = "0"] = cell.split(":");
    return { key: Number(key), count: Number(count) };
  });
}

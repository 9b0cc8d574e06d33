/** Descriptions of the routes, for the API's document. */

export const METRICS_SUMMARY =
  "Rates and means come from merged sums; percentiles over rollups are within 1 % of the true " +
  "value at their rank (see meta).";

export const METRICS_BREAKDOWN =
  "The best groups, and one exact row `other` for all the rest, so that the rows add up to the " +
  "total.";

export const METRICS_QUERY =
  "With `Accept: text/csv` the rows are a CSV, without comparison, totals and meta.";

export const METRICS_EXECUTION =
  "The four parts of one snapshot (default 24h); each is described at its own route. " +
  "`realtime` does not depend on the range.";

export const METRICS_THROUGHPUT =
  "Starts divided by the wall time of the range that has passed, including hours without any " +
  "(default 24h); the hours, and the busiest.";

export const METRICS_LATENCY =
  "Ended runs whose duration is known (default 24h). distribution: every bucket of the sketch, " +
  "(above_ms, up_to_ms]; a run within 1 % of a border may count on its other side.";

export const METRICS_PATTERNS =
  "Starts by local hour (0-23) and ISO weekday (1 is Monday) of the zone (default 30d); cells " +
  "without any are left out.";

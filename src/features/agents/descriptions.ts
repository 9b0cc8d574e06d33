/** Descriptions of the routes, for the API's document. */

export const AGENT_LIST =
  "Agents with an execution in the range (default 30d), ordered by a measure, ties by id. An " +
  "agent needs no registration.";

export const AGENT_DETAIL =
  "Name, labels, first and last run ever, and all measures of the range (default 30d).";

export const AGENT_STATS =
  "histogram: classes of latency; distribution: every bucket of the sketch, (above_ms, " +
  "up_to_ms]. A run within 1 % of a border may count on its other side.";

export const AGENT_ANALYTICS =
  "One snapshot (default 30d). performance: all measures, runs_per_hour over wall time, the " +
  "distribution of latency; resources by model; errors by fingerprint; the users who ran it " +
  "most; starts by hour and weekday; change against the period before and against the whole " +
  "workspace; days with the direction of executions (Mann-Kendall over whole days that have " +
  "ended); suggestions, each with the numbers that support it.";

export const AGENT_CHANGE =
  "Fields that are left out stay as they are; a null name removes the name. The agent need not " +
  "have run yet.";

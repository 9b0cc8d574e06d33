/** Descriptions of the routes, for the API's document. */

export const ERROR_LIST =
  "A group is one fingerprint: the type, whatever its case, and the message without quoted " +
  "text, ids, numbers and line numbers; q searches its type and latest message. The most " +
  "frequent first (default 7d). status: a resolved group is open again, and `reopened`, as " +
  "soon as a run that carries it ends (by its end or its duration, or starts if neither is " +
  "known) later than the decision. share: of all errors of the range, and of the agent or user " +
  "if one is named. credits_lost: credits of the failed runs.";

export const ERROR_TIMELINE =
  "errors: runs that carry an error; error_rate = errors / executions (default 7d).";

export const ERROR_GROUP =
  "Its numbers are of all time; the timeline is of the range (default 30d).";

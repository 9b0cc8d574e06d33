/** The tables of rollups: what a run of hours, and one of days, replaces. */
export const ROLLUP_TABLES = {
  hour: ["execution_metrics_hourly"],
  day: ["execution_metrics_daily", "user_activity_daily", "user_presence_daily", "sessions_daily", "session_edges_daily"],
} as const;

/** The tables of rollups: what a run of hours, of days, and of the sessions of days replaces. */
export const ROLLUP_TABLES = {
  hour: ["execution_metrics_hourly"],
  day: [
    "execution_metrics_daily",
    "execution_quarters_daily",
    "user_activity_daily",
    "user_presence_daily",
  ],
  session: ["sessions_daily", "session_edges_daily"],
} as const;

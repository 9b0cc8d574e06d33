/** Every view, with what it takes to ask it; `{agent}` and the like are filled in for each workspace. */
export interface View {
  method: "GET" | "POST";
  path: string;
  body?: Record<string, unknown>;
  /** The object of the path does not exist in an empty workspace. */
  object?: boolean;
  /** It takes no range. */
  rangeless?: boolean;
  /** Rollups can answer it whole. */
  rolled?: boolean;
}
const STEPS = [
  { name: "first", kind: "execution", filters: [{ field: "agent", op: "eq", value: "a1" }] },
  { name: "second", kind: "execution", filters: [{ field: "agent", op: "eq", value: "a2" }] },
];
export const get = (path: string, more: Partial<View> = {}): View => ({
  method: "GET",
  path,
  ...more,
});
export const VIEWS: View[] = [
  ...[
    "summary",
    "series",
    "breakdown?group_by=agent",
    "comparison",
    "execution",
    "throughput",
    "latency",
    "patterns",
    "trends",
  ].map((name) => get(`/metrics/${name}`, { rolled: true })),
  get("/metrics/realtime", { rangeless: true }),
  get("/agents", { rolled: true }),
  get("/agents/{agent}", { object: true, rolled: true }),
  get("/agents/{agent}/stats", { object: true, rolled: true }),
  get("/agents/{agent}/analytics", { object: true }),
  get("/users", { rolled: true }),
  get("/users/{user}", { object: true, rolled: true }),
  // Its features are made of events, and the moments before the range say whether a session began in it.
  get("/users/activity"),
  ...["cohorts", "retention"].map((name) => get(`/users/${name}`, { rolled: true })),
  get("/users/churn", { rangeless: true, rolled: true }),
  get("/errors"),
  get("/errors/timeline", { rolled: true }),
  get("/errors/{error}", { object: true }),
  get("/credits/consumption", { rolled: true }),
  ...["model", "agent", "user"].map((by) => get(`/credits/breakdown?by=${by}`, { rolled: true })),
  get("/credits/burn", { rangeless: true, rolled: true }),
  get("/credits/budgets", { rangeless: true }),
  get("/credits/optimizations", { rolled: true }),
  ...["kpis", "overview", "trends", "dashboard"].map((name) =>
    get(`/executive/${name}`, { rolled: true }),
  ),
  ...["runs", "success_rate", "speed", "efficiency", "popularity"].map((by) =>
    get(`/leaderboards/agents?criteria=${by}`, { rolled: true }),
  ),
  ...["activity", "efficiency", "contribution", "savings"].map((by) =>
    get(`/leaderboards/users?criteria=${by}`, { rolled: true }),
  ),
  ...["activity", "efficiency", "growth", "innovation"].map((by) =>
    get(`/leaderboards/workspaces?criteria=${by}`, { rolled: true }),
  ),
  ...["executions", "success_rate", "duration_p95", "credits", "active_users"].map((measure) =>
    get(`/trends/${measure}`, { rolled: true }),
  ),
  get("/workspaces", { rolled: true }),
  get("/workspaces/{workspace}", { rolled: true }),
  ...["analytics", "members", "agents"].map((name) =>
    get(`/workspaces/{workspace}/${name}`, { rolled: true }),
  ),
  get("/search?q=a", { rangeless: true }),
  { method: "POST", path: "/funnels/analyze", body: { definition: { steps: STEPS } } },
  { method: "POST", path: "/comparisons/agents", body: { agent_ids: ["a1", "a2"] }, rolled: true },
  { method: "POST", path: "/comparisons/metrics", body: { measure: "success_rate" }, rolled: true },
];

import type { Seeded } from "./reads.ts";
import { AGENT, milliseconds, SUMMARY, USER, WORKSPACE } from "./reads.ts";
import type { Stage } from "./stage.ts";
import type { Figure } from "./table.ts";

const CALLS = 7;
const RANGE = `timeframe=90d&workspace_id=${WORKSPACE}`;
const STEPS = ["agent-1-2", "agent-1-3"].map((id) => ({
  name: id,
  kind: "execution",
  filters: [{ field: "agent", op: "eq", value: id }],
}));

/** Every view over 90 days: a path of GET, or a path and body of POST. */
const VIEWS: [path: string, body?: Record<string, unknown>][] = [
  ["/agents"],
  [`/agents/${AGENT}`],
  [`/agents/${AGENT}/stats`],
  [`/agents/${AGENT}/analytics`],
  ["/users"],
  [`/users/${USER}`],
  ["/users/activity"],
  ["/users/activity?timezone=Asia/Kathmandu"],
  ["/users/cohorts"],
  ["/users/retention?granularity=day"],
  ["/users/retention?granularity=week&timezone=America/New_York"],
  ["/users/churn"],
  ["/errors"],
  ["/errors/timeline"],
  ["/errors/{error}"],
  ["/credits/consumption"],
  ["/credits/breakdown?by=model"],
  ["/credits/breakdown?by=user"],
  ["/credits/burn"],
  ["/credits/budgets"],
  ["/credits/optimizations"],
  ["/executive/kpis"],
  ["/executive/overview"],
  ["/executive/trends"],
  ["/executive/dashboard"],
  ["/leaderboards/agents"],
  ["/leaderboards/users"],
  [`/leaderboards/agents/${AGENT}/rank`],
  ["/trends/executions"],
  ["/trends/duration_p95"],
  ["/metrics/series"],
  ["/metrics/breakdown?group_by=agent"],
  ["/metrics/execution"],
  ["/metrics/throughput"],
  ["/metrics/latency"],
  ["/metrics/patterns"],
  [`/workspaces/${WORKSPACE}`],
  [`/workspaces/${WORKSPACE}/analytics`],
  [`/workspaces/${WORKSPACE}/members`],
  ["/search?q=agent"],
  ["/comparisons/agents", { agent_ids: ["agent-1-1", "agent-1-2", "agent-1-3"], timeframe: "90d" }],
  ["/comparisons/metrics", { measure: "success_rate", timeframe: "90d" }],
  ["/funnels/analyze", { definition: { steps: STEPS }, timeframe: "90d" }],
];
const RANGELESS = /^\/(users\/churn|credits\/(burn|budgets)|search)/;
const OWN_WORKSPACE = /^\/workspaces\//;

/** Time of each view beside that of the summary over the same range, caches skipped. */
export async function viewFigures(
  stage: Stage,
  { worker }: Seeded,
  runs: number,
): Promise<Figure[]> {
  const call = async (
    path: string,
    body?: Record<string, unknown>,
  ): Promise<{ data: { id: string }[] }> => {
    const response = await fetch(`http://127.0.0.1:${worker.port}${path}`, {
      method: body ? "POST" : "GET",
      headers: {
        authorization: `Bearer ${stage.token}`,
        "cache-control": "no-cache",
        "content-type": "application/json",
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (response.status !== 200)
      throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as { data: { id: string }[] };
  };
  const error = (await call(`/api/v1/errors?${RANGE}`)).data[0]?.id ?? "";
  const urlOf = (path: string, body?: object) => {
    const plain = `/api/v1${path.replace("{error}", error)}`;
    const query = OWN_WORKSPACE.test(path)
      ? "timeframe=90d"
      : body || RANGELESS.test(path)
        ? `workspace_id=${WORKSPACE}`
        : RANGE;
    return `${plain}${plain.includes("?") ? "&" : "?"}${query}`;
  };
  const figures: Figure[] = VIEWS.map(([path, body]) => ({
    name: `${body ? "POST" : "GET"} ${path}`,
    unit: "ms",
    runs: [],
    reference: "ms of the summary",
    ratio: "ours/reference",
    target: { at: "most", value: 8 },
  }));
  for (const [path, body] of VIEWS) await call(urlOf(path, body), body);
  for (let run = 0; run < runs; run++) {
    for (const [index, [path, body]] of VIEWS.entries()) {
      const reference = await milliseconds(CALLS, () => call(SUMMARY));
      figures[index]?.runs.push({
        ours: await milliseconds(CALLS, () => call(urlOf(path, body), body)),
        reference,
      });
    }
  }
  return figures;
}

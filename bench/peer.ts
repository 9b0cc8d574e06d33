import { type Load, load, requestBytes } from "./load.ts";
import { type Seeded, WORKSPACE } from "./reads.ts";
import { sampleExecution } from "./seed.ts";
import type { Stage } from "./stage.ts";
import type { Figure } from "./table.ts";

/** The stack that a user would run instead, with the same amount of data, on this machine. */
export interface Peer {
  port: number;
  token: string;
}

type Side = Pick<Load, "request" | "expected">;

interface Duel {
  name: string;
  unit: string;
  connections: number;
  /** The worth of one request. */
  worth: number;
  ours: Side;
  theirs: Side;
  atLeast: number;
}

const SECONDS = 5;
const BATCH = 500;

const getter =
  (token: string, path: string, more: Record<string, string> = {}): Load["request"] =>
  () =>
    requestBytes("GET", path, { authorization: `Bearer ${token}`, ...more });

/** Posts a body that no request before had. */
function poster(token: string, path: string, body: (index: number) => unknown): Load["request"] {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  let sent = 0;
  return () => requestBytes("POST", path, headers, JSON.stringify(body(sent++)));
}

/** An execution in the peer's words; it makes ids itself. */
function peerExecution(index: number, now: number) {
  const { started_at, ended_at } = sampleExecution("", index, now);
  const id = (kind: string, n: number) =>
    `00000000-0000-4000-${kind}-${n.toString(16).padStart(12, "0")}`;
  return {
    agent_id: id("9000", 501 + (index % 10)),
    user_id: id("a000", 5001 + ((index * 31) % 250)),
    status: "success",
    duration: (index % 20_000) / 1000,
    credits_used: (index % 5000) / 1000,
    metadata: { model: "gpt-4o", tokens_in: index % 8000, tokens_out: index % 2000, env: "prod" },
    started_at,
    completed_at: ended_at,
  };
}

const listOf = <T>(index: number, item: (index: number) => T) =>
  Array.from({ length: BATCH }, (_, row) => item(index * BATCH + row));

function duels(ours: string, theirs: string): Duel[] {
  const now = Date.now();
  const scoped = `workspace_id=${WORKSPACE}`;
  const summary = `/api/v1/metrics/summary?timeframe=30d&${scoped}`;
  const item = (index: number) => sampleExecution("single", index, now);
  const peerItem = (index: number) => peerExecution(index, now);
  return [
    {
      name: "cached summary of 30 days, 32 clients",
      unit: "requests/s",
      connections: 32,
      worth: 1,
      ours: { request: getter(ours, summary), expected: 200 },
      theirs: {
        request: getter(theirs, "/api/v1/metrics/summary-cached?timeframe=30d"),
        expected: 200,
      },
      atLeast: 3.4,
    },
    {
      name: "uncached summary of 30 days, 16 clients",
      unit: "requests/s",
      connections: 16,
      worth: 1,
      ours: { request: getter(ours, summary, { "cache-control": "no-cache" }), expected: 200 },
      theirs: {
        request: getter(theirs, "/api/v1/metrics/summary?timeframe=30d&source=hourly"),
        expected: 200,
      },
      atLeast: 0.5,
    },
    {
      name: "list of 100 executions, 16 clients",
      unit: "requests/s",
      connections: 16,
      worth: 1,
      ours: { request: getter(ours, `/api/v1/executions?limit=100&${scoped}`), expected: 200 },
      theirs: { request: getter(theirs, "/api/v1/executions?skip=0&limit=100"), expected: 200 },
      atLeast: 8,
    },
    {
      name: "single intake, 16 clients",
      unit: "rows/s",
      connections: 16,
      worth: 1,
      ours: { request: poster(ours, `/api/v1/executions?${scoped}`, item), expected: 201 },
      theirs: { request: poster(theirs, "/api/v1/executions", peerItem), expected: 201 },
      atLeast: 1.2,
    },
    {
      name: `batch intake, ${BATCH} a request, 4 clients`,
      unit: "rows/s",
      connections: 4,
      worth: BATCH,
      ours: {
        request: poster(ours, `/api/v1/executions?${scoped}`, (index) => ({
          executions: listOf(index, (row) => sampleExecution("batch", row, now)),
        })),
        expected: 207,
      },
      theirs: {
        request: poster(theirs, "/api/v1/executions/batch", (index) => listOf(index, peerItem)),
        expected: 201,
      },
      atLeast: 3,
    },
  ];
}

/** Each figure of ours beside the peer's, in turns; reads come before what adds rows. */
export async function peerFigures(
  stage: Stage,
  { worker }: Seeded,
  peer: Peer,
  runs: number,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { name, unit, connections, worth, ours, theirs, atLeast } of duels(
    stage.token,
    peer.token,
  )) {
    const measured = async (port: number, side: Side, seconds: number) => {
      const { requestsPerSecond, failed } = await load({ port, connections, seconds, ...side });
      if (failed > 0) throw new Error(`${name}: port ${port} refused ${failed} requests`);
      return requestsPerSecond * worth;
    };
    const turn = async (seconds: number) => ({
      ours: await measured(worker.port, ours, seconds),
      reference: await measured(peer.port, theirs, seconds),
    });
    await turn(1);
    const results: Figure["runs"] = [];
    for (let run = 0; run < runs; run++) results.push(await turn(SECONDS));
    const target = { at: "least" as const, value: atLeast };
    figures.push({
      ...{ name, unit, runs: results, target },
      reference: "the peer",
      ratio: "ours/reference",
    });
  }
  return figures;
}

import { env, exports } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { clientOf, tokenFor } from "../support/client.ts";
import { useOwnDatabase } from "../support/database.ts";
import { type FuzzRequest, MARK, type Operation, requestsOf } from "../support/fuzz.ts";

/** Set from outside for a longer run: FUZZ_REQUESTS=20000 FUZZ_SEED=7 npx vitest run test/contract */
const REQUESTS = Number(env.FUZZ_REQUESTS);
const SEED = Number(env.FUZZ_SEED);
const WORKSPACE = "fuzz";

beforeAll(useOwnDatabase);

type Document = {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, unknown> };
};
interface Described {
  parameters?: Operation["parameters"];
  requestBody?: { content: Record<string, { schema: Record<string, unknown> }> };
  responses: Record<string, unknown>;
}

function operationsOf({ paths }: Document): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => ({
      method,
      path,
      statuses: Object.keys(responses),
      parameters,
      body: requestBody?.content["application/json"]?.schema,
    })),
  );
}

/** Something of every kind, so that ids lead somewhere. @returns the ids */
async function furnish(): Promise<string[]> {
  const client = clientOf(await tokenFor(WORKSPACE));
  const item = {
    agent_id: "a",
    user_id: "u",
    status: "failure",
    error: { type: "E", message: MARK },
  };
  const moment = { started_at: "2026-03-01T00:00:00Z", ended_at: "2026-03-01T00:00:01Z" };
  await client.post("/api/v1/executions", { ...item, ...moment, id: "e1" });
  await client.post("/api/v1/events", { event_type: "open", user_id: "u" });
  const made = async (path: string, body: unknown) => {
    const answer = await client.post(`/api/v1/${path}`, body);
    expect(answer.status, path).toBeLessThan(300);
    return String(answer.body.data.id);
  };
  const steps = ["open", "close"].map((event_type) => ({
    name: event_type,
    kind: "event",
    event_type,
  }));
  const sections = [{ type: "metrics", title: MARK, measures: ["executions"] }];
  const report = await made("reports", { name: MARK, format: "html", timeframe: "7d", sections });
  return [
    "a",
    "u",
    "e1",
    WORKSPACE,
    report,
    await made("funnels", { name: MARK, definition: { steps } }),
    await made(`reports/${report}/run`, {}),
    await made("exports", { source: "executions", format: "csv", timeframe: "7d" }),
  ];
}

const tokens: Record<FuzzRequest["who"], () => Promise<string>> = {
  admin: () => tokenFor(WORKSPACE),
  viewer: () => tokenFor(WORKSPACE, { role: "viewer" }),
  stranger: () => tokenFor("fuzz-other"),
  nobody: async () => "",
  nonsense: async () => "e30.e30.e30",
};

async function ask({ method, path, headers, body, who }: FuzzRequest): Promise<Response> {
  const token = await tokens[who]();
  return exports.default.fetch(
    new Request(`https://shadower.test${path}`, {
      method,
      headers: { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}) },
      ...(body === undefined || method === "GET" || method === "HEAD" ? {} : { body }),
    }),
  );
}

/** The fault of an answer, in words; undefined without one. */
function faultOf(request: FuzzRequest, answer: Response, text: string): string | undefined {
  const { status, headers } = answer;
  const type = headers.get("content-type") ?? "";
  if (status >= 500) return "a failure of the server";
  if (headers.get("x-injected") !== null) return "a header of the caller's making";
  if (type.startsWith("text/html") && text.includes(MARK)) return "an unescaped echo";
  if (headers.get("x-content-type-options") !== "nosniff") return "no nosniff";
  const isOwn = request.method.toLowerCase() === request.operation.method;
  // An id may be nothing or a dot, and then the path is another one; a URL that cannot be read is of no path.
  const isHere = !/\/(\.|%2e)*(\/|\?|$)|%(?![0-9a-f]{2})/i.test(request.path);
  if (isOwn && isHere && !request.operation.statuses.includes(String(status)))
    return "a status that is not in the document";
  if (status === 405 && !headers.get("allow")) return "no Allow";
  if (status === 429 && !headers.get("retry-after")) return "no Retry-After";
  if (status < 400 || request.method === "HEAD") return undefined;
  if (!type.startsWith("application/problem+json")) {
    return [207, 409, 422].includes(status) && text.startsWith('{"data":{"results"')
      ? undefined
      : `an error as ${type}`;
  }
  const problem = JSON.parse(text) as Record<string, unknown>;
  for (const name of ["type", "title", "detail", "code", "request_id"])
    if (typeof problem[name] !== "string" || problem[name] === "") return `no ${name}`;
  if (problem.status !== status) return "another status in the body";
  if (!/^[a-z][a-z0-9_]*$/.test(String(problem.code))) return "a code that is none";
  const errors = (problem.errors ?? []) as Record<string, unknown>[];
  if ([400, 422].includes(status) && errors.length === 0) return "no path";
  for (const { path, code, message } of errors)
    if (typeof path !== "string" || !path || !code || !message) return "an error without its words";
  return undefined;
}

it(`keeps its contract in ${REQUESTS} requests that nobody would write`, {
  timeout: 3_600_000,
}, async () => {
  const known = await furnish();
  const answer = await exports.default.fetch(new Request("https://shadower.test/openapi.json"));
  const document = (await answer.json()) as Document;
  const all = fc.oneof(
    ...operationsOf(document).map((each) => requestsOf(each, document.components.schemas, known)),
  );
  // One of a kind is enough to read.
  const faults = new Map<string, string>();
  const statuses = new Map<number, number>();
  for (const request of fc.sample(all, { seed: SEED, numRuns: REQUESTS })) {
    const given = await ask(request);
    const text = await given.text();
    statuses.set(given.status, (statuses.get(given.status) ?? 0) + 1);
    const fault = faultOf(request, given, text);
    const { operation, ...sent } = request;
    if (fault)
      faults.set(
        `${fault}: ${operation.method} ${operation.path} ${given.status}`,
        `${JSON.stringify(sent).slice(0, 1_000)} -> ${text.slice(0, 300)}`,
      );
  }
  console.log(Object.fromEntries([...statuses].sort(([a], [b]) => a - b)));
  expect(Object.fromEntries(faults)).toEqual({});
  // A fuzzer that is only refused would find nothing.
  expect(statuses.get(200) ?? 0).toBeGreaterThan(REQUESTS / 20);
});

import { expect } from "vitest";
import { z } from "zod";
import { eventIntake } from "../../src/features/events/ingest.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { runRollups } from "../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "./client.ts";
import { testContext } from "./context.ts";
import { useOwnDatabase } from "./database.ts";
import { store } from "./store.ts";
import { VIEWS, type View } from "./views.ts";

export const W = "views";
export const EMPTY = "views-empty";
export const ONE = "views-one";
export const NOW = Date.now();
const hourAgo = new Date(NOW - 3_600_000).toISOString();
export const objects: Record<string, string> = { agent: "a1", user: "u1", error: "" };
export let paths: Record<
  string,
  Record<string, { responses: Record<string, { content?: Record<string, { schema: unknown }> }> }>
>;

let schemas: Record<string, unknown>;
export async function fillViews(): Promise<void> {
  await useOwnDatabase();
  const ctx = testContext();
  // Ties everywhere: agents, users, durations and credits repeat themselves.
  const items = Array.from({ length: 400 }, (_, n) => ({
    id: `v${n}`,
    agent_id: `a${n % 4}`,
    user_id: `u${n % 5}`,
    status: n % 10 === 0 ? "failure" : "success",
    started_at: new Date(NOW - 3_600_000 - (n % 40) * 40_000_000).toISOString(),
    duration_ms: 100 * (n % 3),
    credits: "0.5",
    tokens_in: 10,
    tokens_out: 1,
    model: `m${n % 2}`,
    ...(n % 10 === 0 ? { error: { type: "Boom", message: `run ${n} failed` } } : {}),
  }));
  await store(executionIntake(ctx, W), items);
  // Every hour of the days around a clock change, the one that comes twice too.
  const change = Array.from({ length: 73 }, (_, hour) => ({
    ...items[hour % 4],
    id: `dst${hour}`,
    started_at: new Date(Date.UTC(2026, 9, 23, 22) + hour * 3_600_000).toISOString(),
  }));
  await store(executionIntake(ctx, W), change);
  await store(eventIntake(ctx, W), [
    { id: "e1", event_type: "open", user_id: "u1", occurred_at: hourAgo },
  ]);
  await store(executionIntake(ctx, ONE), [
    {
      id: "only",
      agent_id: "a1",
      user_id: "u1",
      status: "failure",
      started_at: hourAgo,
      duration_ms: 0,
      error: { type: "E" },
    },
  ]);
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  const { body } = await clientOf(await tokenFor(W)).get("/openapi.json");
  paths = body.paths;
  schemas = body.components.schemas;
  objects.error = (
    await clientOf(await tokenFor(W)).get("/api/v1/errors?timeframe=30d")
  ).body.data[0].id;
}

/** A path with its parameters in place, in a range. */
export function urlOf(
  { method, path, rangeless }: View,
  workspace: string,
  range: string,
  more = "",
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === "workspace" ? workspace : (objects[name] ?? ""),
  );
  const query = [method === "POST" || rangeless ? "" : range, more].filter(Boolean).join("&");
  return `/api/v1${filled}${query === "" ? "" : `${filled.includes("?") ? "&" : "?"}${query}`}`;
}

export async function ask(
  view: View,
  workspace: string,
  range = "",
  more = "",
  headers: Record<string, string> = {},
) {
  const api = clientOf(await tokenFor(workspace, { role: "owner" }));
  const url = urlOf(view, workspace, range, more);
  if (view.method === "GET") return api.get(url, headers);
  return api.post(
    url,
    { ...view.body, ...Object.fromEntries(new URLSearchParams(range)) },
    headers,
  );
}

/** Components put in the place of their references. */
function inlined(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(inlined);
  if (typeof schema !== "object" || schema === null) return schema;
  const { $ref } = schema as { $ref?: string };
  if ($ref) return inlined(schemas[$ref.split("/").at(-1) ?? ""]);
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, inlined(value)]));
}

/** An answer is of the shape that the OpenAPI document gives it, and holds no NaN or Infinity (which JSON makes null). */
export function expectDescribed(view: View, body: unknown) {
  const plain = view.path.split("?")[0] ?? "";
  const template = Object.keys(paths).find((each) => {
    const pattern = new RegExp(`^/api/v1${plain.replace(/\{\w+\}/g, "\\{\\w+\\}")}$`);
    return pattern.test(each);
  });
  const measured = Object.keys(paths).find((each) =>
    new RegExp(`^${each.replace(/\{\w+\}/g, "[^/]+")}$`).test(`/api/v1${plain}`),
  );
  const operation = paths[template ?? measured ?? ""]?.[view.method.toLowerCase()];
  const schema = operation?.responses["200"]?.content?.["application/json"]?.schema;
  expect(schema, `${view.path} is in the document`).toBeDefined();
  const result = z.fromJSONSchema(inlined(schema) as never).safeParse(body);
  expect(result.error?.issues ?? []).toEqual([]);
}

export const names = VIEWS.map((view) => [`${view.method} ${view.path}`, view] as const);
export const BERLIN_CHANGE =
  "from=2026-10-24T00:00:00%2B02:00&to=2026-10-27T00:00:00%2B01:00&timezone=Europe/Berlin";

export const FUTURE = "from=2031-01-01T00:00:00Z&to=2031-02-01T00:00:00Z";

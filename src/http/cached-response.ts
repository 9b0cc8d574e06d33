import type { Context as HonoContext } from "hono";
import { accepts } from "hono/accepts";
import type { AnswerMeta } from "../analytics/result/meta.ts";
import type { Context } from "../context.ts";
import { csvText } from "../formats/csv-text.ts";
import { publicUrl } from "./links.ts";
import { type AppEnv, plainResponse } from "./router.ts";

interface Answer {
  data: unknown;
  page?: unknown;
  meta: AnswerMeta;
}

const HEADERS = { "content-type": "application/json", "cache-control": "private, no-store" };

/** Adds `meta.cached` and `meta.age_ms` to the text: `meta` is the last field and an object. */
function respond(body: string, cached: boolean, ageMs: number) {
  const text = `${body.slice(0, -2)},"cached":${cached},"age_ms":${ageMs}}}`;
  return plainResponse(new Response(text, { headers: HEADERS }));
}

/**
 * Answers through the cache; a request with `Cache-Control: no-cache` is computed again.
 * @param question everything that the answer depends on beside the workspace, as it was asked (a
 *   timeframe stays a timeframe)
 */
export async function cachedAnswer(
  c: HonoContext<AppEnv>,
  name: string,
  question: object,
  load: (ctx: Context, workspaceId: string) => Promise<Answer>,
) {
  const ctx = c.get("ctx");
  const workspaceId = c.get("workspaceId");
  const body = async () => {
    const { data, page, meta } = await load(ctx, workspaceId);
    return JSON.stringify({ data, ...(page ? { page } : {}), meta });
  };
  if (c.req.header("cache-control")?.includes("no-cache")) return respond(await body(), false, 0);
  const { workspace_id: _workspaceId, ...rest } = question as { workspace_id?: string };
  const key = `${name}?${JSON.stringify(rest)}`;
  const held = ctx.cache.getFresh("answer", workspaceId, key);
  if (held) return respond(held.value.body, true, held.ageMs);
  const { value, cached, ageMs } = await ctx.cache.read("answer", workspaceId, key, async () => ({
    body: await body(),
  }));
  return respond(value.body, cached, ageMs);
}

/** Whether the caller prefers CSV to JSON. */
export function wantsCsv(c: HonoContext<AppEnv>): boolean {
  const supports = ["application/json", "text/csv"];
  return accepts(c, { header: "Accept", supports, default: "application/json" }) === "text/csv";
}

/**
 * Rows as a CSV whose cells no spreadsheet runs as formulas.
 * @param cursor of the next page, for the Link header (RFC 8288)
 */
export function csvAnswer(
  c: HonoContext<AppEnv>,
  names: readonly string[],
  rows: readonly Record<string, unknown>[],
  cursor: string | null = null,
) {
  const columns = names.map((name) => ({ name, kind: "text" as const }));
  const { pathname, searchParams } = new URL(c.req.url);
  searchParams.delete("skip");
  searchParams.set("cursor", cursor ?? "");
  const link = `<${publicUrl(c, `${pathname}?${searchParams}`)}>; rel="next"`;
  const headers = {
    "content-type": "text/csv; charset=utf-8",
    "cache-control": "private, no-store",
    vary: "accept",
  };
  const linked = cursor === null ? headers : { ...headers, link };
  return plainResponse(new Response(csvText(columns, rows), { headers: linked }));
}

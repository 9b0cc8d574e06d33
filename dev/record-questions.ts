import type { AnswerRecorder } from "./record-answers.ts";
import { AGENTS, type SeededDraws, seededDraws, USERS } from "./record-data.ts";
import { BASE_MS } from "./record-instance.ts";
import { inTurn } from "./record-turns.ts";

const HOUR_MS = 3_600_000;
const ZONES = [
  ...["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Chatham", "America/St_Johns"],
  ...["Australia/Lord_Howe", "Europe/Berlin", "Africa/Monrovia", "Pacific/Apia"],
];
const FIELDS = [
  ...["agent", "agent", "user", "status", "model", "environment", "version", "error_type"],
  ...["hour_of_day", "day_of_week", "metadata.plan", "metadata.deep.region.name"],
  ...["metadata.gen_ai\\.system", "metadata.deep.tags.0", "metadata.retries", "metadata.note"],
];

interface Catalog {
  measures: { name: string }[];
  granularities: string[];
  timeframes: string[];
}

const some = <T>(draws: SeededDraws, list: readonly T[], most: number): T[] => [
  ...new Set(Array.from({ length: 1 + draws.whole(most) }, () => draws.pick(list))),
];

function rangeOf(draws: SeededDraws, { timeframes }: Catalog): Record<string, string> {
  if (draws.chance(0.25)) return { timeframe: draws.pick(timeframes) };
  const hours = draws.pick([1, 5, 24, 48, 7 * 24, 30 * 24, 61 * 24]);
  const unit = draws.pick([HOUR_MS, HOUR_MS, 24 * HOUR_MS, 17 * 60_000, 1]);
  const from = BASE_MS - 65 * 24 * HOUR_MS + draws.whole(66 * 24 * HOUR_MS);
  const cut = Math.floor(from / unit) * unit;
  const offset = draws.pick(["Z", "Z", "+05:30"]);
  const shift = offset === "Z" ? 0 : 5.5 * HOUR_MS;
  const text = (ms: number) => new Date(ms + shift).toISOString().replace("Z", offset);
  return { from: text(cut), to: text(cut + hours * HOUR_MS) };
}

function operandOf(draws: SeededDraws, field: string): unknown {
  const texts: Record<string, readonly string[]> = {
    agent: AGENTS.north,
    user: USERS.north,
    status: ["success", "failure", "running"],
    model: ["small-1", "größe-3", "none"],
    environment: ["production"],
    version: ["1.1", "2.0"],
    error_type: ["RateLimit", "Контекст"],
    "metadata.plan": ["free", "", "team"],
  };
  return draws.pick(texts[field] ?? ["eu", "alpha", "t1", "2"]);
}

function filterOf(draws: SeededDraws): Record<string, unknown> {
  if (draws.chance(0.25)) {
    const field = draws.pick(["duration_ms", "credits", "metadata.score", "tokens_in"]);
    const op = draws.pick(["gt", "gte", "lt", "lte", "eq", "ne"]);
    return { field, op, value: draws.pick([0, 1, 2.5, 60, 1_000]) };
  }
  const field = draws.pick(FIELDS.filter((name) => !/^(hour|day)_of/.test(name)));
  const op = draws.pick(["eq", "eq", "ne", "in", "not_in", "exists", "contains"]);
  if (op === "exists") return { field, op, value: draws.chance(0.5) };
  if (op === "in" || op === "not_in")
    return { field, op, value: [operandOf(draws, field), operandOf(draws, field)] };
  return { field, op, value: operandOf(draws, field) };
}

/** A question; few of them are refused, for what only the rules of several parts together say. */
function questionOf(draws: SeededDraws, catalog: Catalog): Record<string, unknown> {
  const names = catalog.measures.map(({ name }) => name);
  const measures = some(draws, names, 5);
  const order = draws.chance(0.9) ? measures : names;
  const isGrouped = draws.chance(0.55);
  // Places of groups, which a question without groups has not.
  const isRanked = isGrouped || draws.chance(0.03);
  return {
    measures,
    ...rangeOf(draws, catalog),
    ...(draws.chance(0.75) ? { timezone: draws.pick(ZONES) } : {}),
    ...(draws.chance(0.4) ? { granularity: draws.pick(catalog.granularities.slice(1)) } : {}),
    ...(isGrouped ? { group_by: some(draws, FIELDS, draws.chance(0.8) ? 1 : 3) } : {}),
    ...(draws.chance(0.4)
      ? { filters: Array.from({ length: 1 + draws.whole(2) }, () => filterOf(draws)) }
      : {}),
    ...(draws.chance(0.3)
      ? { compare: draws.pick(["previous_period", "previous_period", "previous_year"]) }
      : {}),
    ...(isRanked && draws.chance(0.5)
      ? {
          order_by: [{ measure: draws.pick(order), direction: draws.pick(["asc", "desc"]) }],
        }
      : {}),
    ...(isRanked && draws.chance(0.6) ? { limit: draws.pick([1, 2, 3, 10, 1_000]) } : {}),
  };
}

/** Questions of numbers by a generator, about all measures, dimensions, ranges and zones. */
export async function askQuestions(recorder: AnswerRecorder, count: number): Promise<void> {
  const draws = seededDraws(23);
  const { json } = await recorder.look({ path: "metrics/catalog" });
  const catalog = json?.data as Catalog;
  const requests = Array.from({ length: count }, () => {
    const body = questionOf(draws, catalog);
    const isCsv = !("compare" in body) && draws.chance(0.1);
    const workspace = draws.pick(["north", "north", "south", "island"]);
    const explain = draws.chance(0.2) ? "&explain=true" : "";
    return {
      method: "POST",
      path: `metrics/query?workspace_id=${workspace}${explain}`,
      headers: { "cache-control": "no-cache", ...(isCsv ? { accept: "text/csv" } : {}) },
      body,
    };
  });
  await inTurn(requests, (request) => recorder.askNow(request));
}

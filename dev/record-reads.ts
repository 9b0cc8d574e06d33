import type { AnswerRecorder, Asker, RecordedRequest } from "./record-answers.ts";
import type { DocumentedOperation, DocumentedParameter } from "./record-document.ts";
import { inTurn } from "./record-turns.ts";

/** Ids that stand for `{id}`, by the beginning of an operation's path; the longest one counts. */
export type RecordedSubjects = Record<string, readonly string[]>;

const ASKERS: Asker[] = [
  ...(["member", "viewer", "powerless", "mixed", "outsider"] as const),
  ...(["nobody", "nonsense"] as const),
];
const MAX_VALUES = 6;
const FRESH = { "cache-control": "no-cache" };
/** Values, good and bad, of parameters that have no list of values. */
const VALUES: Record<string, string[]> = {
  workspace_id: ["south", "island", "elsewhere", "not an id"],
  timezone: ["Asia/Kolkata", "Pacific/Chatham", "Nowhere/Zone"],
  limit: ["1", "5", "1000", "0", "1001"],
  cursor: ["nonsense", "WyJ4Il0", "WyJhIiwiYiJd"],
  skip: ["0", "3", "10001"],
  agent_id: ["writer", "org/planner", "調査員", "nobody"],
  user_id: ["ada", "auth0|edsger", "иван", "nobody"],
  model: ["large-2", "größe-3"],
  environment: ["production"],
  version: ["1.1"],
  error_type: ["RateLimit", "Контекст"],
  measures: ["executions,success_rate,credits_avg,duration_p95,active_users", "executions,nope"],
  group_by: [
    ...["agent", "user", "status", "model,environment", "hour_of_day", "day_of_week"],
    ...["metadata.plan", "metadata.gen_ai\\.system", "metadata.deep.region.name,agent", "nope"],
  ],
  q: ["a", "writ", "調", "%", "_"],
  label: ["core", "none"],
  types: ["agents", "users,executions", "nope"],
  event_type: ["page_view", "signup", "none"],
  event_name: ["home", "設定"],
  session_id: ["session-3"],
  return_event_type: ["purchase"],
  return_event_name: ["home"],
  max_offset: ["2", "400", "401"],
  window: ["2", "7", "101"],
  window_days: ["7", "30", "366"],
  windows: ["1", "12", "25"],
  min_duration_ms: ["0", "1500"],
  max_duration_ms: ["900"],
  min_credits: ["0.5", "x"],
  max_credits: ["2"],
  step: ["1", "2", "9"],
};
const NEEDED: Record<string, string> = { group_by: "agent", by: "model", q: "a", timeframe: "30d" };
/** Whole, cut, empty, unfinished, reversed, too long and half ranges. */
const RANGES: Record<string, string>[] = [
  { from: "2031-03-01T00:00:00-05:00", to: "2031-04-01T00:00:00-04:00" },
  { from: "2031-03-24T00:00:00Z", to: "2031-03-31T00:00:00Z" },
  { from: "2031-04-03T00:00:00+05:30", to: "2031-04-04T00:00:00+05:30", timezone: "Asia/Kolkata" },
  { from: "2031-04-01T00:00:00Z", to: "2031-05-01T00:00:00Z", timezone: "UTC" },
  { from: "2031-03-30T00:17:31.5Z", to: "2031-03-30T19:00:00Z", timezone: "Europe/Berlin" },
  { from: "2031-06-01T00:00:00Z", to: "2031-06-02T00:00:00Z" },
  { from: "2031-03-02T00:00:00Z", to: "2031-03-01T00:00:00Z" },
  { from: "1970-01-01T00:00:00Z", to: "2199-01-01T00:00:00Z" },
  { from: "2031-03-01T00:00:00Z" },
  { timeframe: "7d", from: "2031-03-01T00:00:00Z", to: "2031-03-02T00:00:00Z" },
];

const queryOf = (values: Record<string, string>) => new URLSearchParams(values).toString();

/** Of a longer list the first, and others evenly from it. */
function someOf(values: readonly string[]): string[] {
  const apart = Math.ceil(values.length / MAX_VALUES);
  return values.filter((_, index) => index % apart === 0);
}

function valuesOf({ name, schema }: DocumentedParameter): string[] {
  if (schema.enum) return [...someOf(schema.enum), "~"];
  return VALUES[name] ?? ["~"];
}

/** Queries of one operation: each parameter alone with each of its values, ranges, a bad name. */
function queriesOf({ parameters }: DocumentedOperation): Record<string, string>[] {
  const all = parameters.filter((each) => each.in === "query");
  const names = new Set(all.map(({ name }) => name));
  const isRanged = names.has("from") && names.has("to");
  const ranges = isRanged
    ? RANGES.filter((range) => Object.keys(range).every((name) => names.has(name)))
    : [];
  const alone = all
    .filter(({ name }) => !(isRanged && (name === "from" || name === "to")))
    .flatMap((each) => valuesOf(each).map((value) => ({ [each.name]: value })));
  const twice =
    names.has("compare") && isRanged
      ? ranges.map((range) => ({ ...range, compare: "previous_period" }))
      : [];
  return [{}, ...ranges, ...twice, ...alone, { nonsense: "1" }];
}

const neededOf = ({ parameters }: DocumentedOperation): Record<string, string> =>
  Object.fromEntries(
    parameters
      .filter((each) => each.in === "query" && (each.required || each.name === "timeframe"))
      .map(({ name }) => [name, NEEDED[name] ?? "a"]),
  );

/** A question with what it cannot do without, but for the timeframe of one that has a range. */
function completed(needed: Record<string, string>, query: Record<string, string>) {
  const { timeframe, ...rest } = needed;
  const isOwn = timeframe === undefined || "from" in query || "to" in query;
  return { ...(isOwn ? rest : needed), ...query };
}

/** Paths of an operation, one for each of its subjects; a dot alone cannot stand in a path. */
function pathsOf(operation: DocumentedOperation, subjects: RecordedSubjects): string[] {
  if (!operation.path.includes("{")) return [operation.path];
  const [found] = Object.keys(subjects)
    .filter((prefix) => operation.path.startsWith(prefix))
    .sort((a, b) => b.length - a.length);
  const ids = found === undefined ? [] : (subjects[found] ?? []);
  return [...ids, "missing"].map((id) =>
    /^\.+$/.test(id)
      ? `${operation.path.replace(/\{\w+\}/, "_")}?${queryOf({ id })}`
      : operation.path.replace(/\{\w+\}/, encodeURIComponent(id)),
  );
}

const withQuery = (path: string, query: string) =>
  query === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${query}`;

function requestsOf(operation: DocumentedOperation, subjects: RecordedSubjects): RecordedRequest[] {
  const needed = neededOf(operation);
  const [first = operation.path, ...others] = pathsOf(operation, subjects);
  const base = withQuery(first, queryOf(needed));
  return [
    ...queriesOf(operation).map((query) => ({
      path: withQuery(first, queryOf(completed(needed, query))),
      headers: FRESH,
    })),
    { path: first, headers: FRESH },
    ...others.map((path) => ({ path: withQuery(path, queryOf(needed)), headers: FRESH })),
    ...ASKERS.map((as) => ({ path: base, as, headers: FRESH })),
    ...(operation.path.endsWith("/executions")
      ? [{ path: base, headers: { ...FRESH, accept: "text/csv" } }]
      : []),
    { method: "PROPFIND", path: base },
  ];
}

/** A list to its end, or as far as a few pages go. */
async function followPages(recorder: AnswerRecorder, path: string): Promise<void> {
  let cursor: string | null | undefined;
  for (let pages = 0; pages < 4; pages++) {
    const query = { limit: "7", ...(cursor ? { cursor } : {}) };
    const { json } = await recorder.askNow({ path: withQuery(path, queryOf(query)) });
    cursor = json?.page?.next_cursor;
    if (!cursor) return;
  }
}

const isRead = ({ method, path }: DocumentedOperation) =>
  method === "GET" && !/\{(token|n)\}|v1\/realtime$|\/download$/.test(path);

/**
 * Asks every operation that only reads, with each of its parameters, of each of its subjects and by
 * everybody, and follows lists from page to page.
 */
export async function askReads(
  recorder: AnswerRecorder,
  operations: readonly DocumentedOperation[],
  subjects: RecordedSubjects,
): Promise<void> {
  const reads = operations.filter(isRead);
  await inTurn(
    reads.flatMap((operation) => requestsOf(operation, subjects)),
    (request) => recorder.askNow(request),
  );
  const lists = reads.filter(({ parameters }) => parameters.some(({ name }) => name === "cursor"));
  for (const list of lists) {
    const [path = list.path] = pathsOf(list, subjects);
    await followPages(recorder, withQuery(path, queryOf(neededOf(list))));
  }
}

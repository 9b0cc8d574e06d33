import type { AnswerRecorder } from "./record-answers.ts";
import { BASE_MS } from "./record-instance.ts";

const DAY_MS = 86_400_000;
const DAYS = 60;
const BATCH = 1_000;

/** A repeatable stream: numbers in [0, 1), one of a list, a yes of so many. */
export interface SeededDraws {
  next(): number;
  whole(below: number): number;
  pick<T>(list: readonly T[]): T;
  chance(share: number): boolean;
}

/** Park and Miller's generator (CACM 1988). */
export function seededDraws(seed: number): SeededDraws {
  let state = seed;
  const next = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const whole = (below: number) => Math.floor(next() * below);
  return {
    next,
    whole,
    pick: <T>(list: readonly T[]): T => {
      const picked = list[whole(list.length)];
      if (picked === undefined) throw new Error("Nothing to pick from.");
      return picked;
    },
    chance: (share) => next() < share,
  };
}

/** Ids in several scripts, and some that stand badly in a path. */
export const AGENTS = {
  north: ["writer", "writer", "reviewer", "org/planner", "агент-поиска", "調査員"],
  south: ["वाचक", "clerk", "clerk", "a.b", ".."],
  island: ["keeper", "activity"],
} as const;
export const USERS = {
  north: [
    ...["ada", "grace", "alan@example.com", "auth0|edsger", "иван", "ольга", "美咲", "健太"],
    ...Array.from({ length: 40 }, (_, n) => `user-${n}`),
  ],
  south: ["मीरा", "arjun", "x=1&y=2", ...Array.from({ length: 25 }, (_, n) => `s${n}`)],
  island: ["moana", "100%", "activity"],
} as const;
const MODELS = ["small-1", "large-2", "large-2", "größe-3"];
const ERRORS = ["RateLimit", "ToolError", "Контекст", "TimeoutError"];
const PLANS = ["free", "team", "enterprise", ""];
const EVENTS = ["page_view", "signup", "project_created", "invite_sent", "purchase"];

type Workspace = keyof typeof AGENTS;
type Item = Record<string, unknown>;

const at = (ms: number) => new Date(ms).toISOString();

/** Recent moments are more likely, and hours of work are. */
function momentOf(draws: SeededDraws): number {
  const day = Math.floor(DAYS * (1 - Math.sqrt(draws.next())));
  const hour = draws.chance(0.7) ? 13 + draws.whole(9) : draws.whole(24);
  const ms = BASE_MS - (BASE_MS % DAY_MS) - day * DAY_MS + hour * 3_600_000;
  const past = ms + draws.whole(3_600_000);
  return past > BASE_MS ? past - DAY_MS : past;
}

function metadataOf(draws: SeededDraws, n: number): Item {
  return {
    plan: draws.pick(PLANS),
    score: Math.round(draws.next() * 1_000) / 8,
    retries: draws.whole(4),
    "gen_ai.system": draws.pick(["alpha", "beta"]),
    deep: { region: { name: draws.pick(["eu", "us", "亜"]) }, tags: [`t${n % 5}`, "last"] },
    ...(draws.chance(0.02) ? { note: "n".repeat(300 + (n % 3)) } : {}),
    ...(draws.chance(0.1) ? { missing: null } : {}),
  };
}

function executionOf(draws: SeededDraws, workspace: Workspace, n: number): Item {
  const agent = draws.pick(AGENTS[workspace]);
  const startedMs = momentOf(draws);
  const failing = agent === "reviewer" ? 0.35 : 0.08;
  const status = draws.chance(failing)
    ? draws.pick(["failure", "failure", "timeout", "cancelled"])
    : "success";
  const model = draws.pick(MODELS);
  const durationMs = Math.floor(Math.exp(3 + 7 * draws.next()));
  const isOpen = draws.chance(0.015);
  return {
    id: `${workspace}-${n}`,
    agent_id: agent,
    ...(draws.chance(0.12)
      ? {}
      : { user_id: USERS[workspace][Math.floor(draws.next() ** 2 * USERS[workspace].length)] }),
    status: isOpen ? "running" : status,
    started_at: at(startedMs),
    ...(isOpen ? {} : { ended_at: at(Math.min(startedMs + durationMs, BASE_MS)) }),
    ...(draws.chance(0.1) ? { duration_ms: durationMs } : {}),
    ...(draws.chance(0.9)
      ? { credits: (draws.next() * (model === "large-2" ? 9 : 1)).toFixed(draws.whole(7)) }
      : {}),
    ...(draws.chance(0.8) ? { tokens_in: draws.whole(5_000), tokens_out: draws.whole(900) } : {}),
    ...(draws.chance(0.85) ? { model } : {}),
    ...(draws.chance(0.7) ? { environment: draws.pick(["production", "staging"]) } : {}),
    ...(draws.chance(0.6) ? { version: `1.${draws.whole(4)}` } : {}),
    ...(n > 10 && draws.chance(0.05)
      ? { parent_execution_id: `${workspace}-${draws.whole(n)}` }
      : {}),
    ...(status === "success" || isOpen
      ? {}
      : {
          error: {
            type: draws.pick(ERRORS),
            message: `Call ${n} to "tool-${n % 7}" failed after ${draws.whole(90)} s at step ${n % 4}`,
          },
        }),
    ...(draws.chance(0.6) ? { metadata: metadataOf(draws, n) } : {}),
  };
}

/** Later, repeated and wrong messages about the same runs. */
function correctionsOf(draws: SeededDraws, items: readonly Item[]): Item[] {
  return items.flatMap((item) => {
    if (!draws.chance(0.12)) return [];
    return draws.pick<() => Item[]>([
      () => [item],
      () => [{ ...item, revision: 1, credits: "3.141593", version: "2.0" }],
      () => [{ ...item, agent_id: "somebody-else" }],
      () => [
        { id: item.id, agent_id: item.agent_id, status: "success", ended_at: at(BASE_MS - 1_000) },
      ],
      () => [{ ...item, started_at: "yesterday" }],
      () => [{ ...item, revision: 2, status: "failure", error: { type: "Late", message: null } }],
    ])();
  });
}

function eventOf(draws: SeededDraws, workspace: Workspace, n: number): Item {
  const user = USERS[workspace][Math.floor(draws.next() ** 1.5 * USERS[workspace].length)];
  return {
    id: `${workspace}-event-${n}`,
    event_type: draws.pick(EVENTS),
    ...(draws.chance(0.6) ? { event_name: draws.pick(["home", "pricing", "設定"]) } : {}),
    user_id: user,
    ...(draws.chance(0.5) ? { session_id: `session-${n % 97}` } : {}),
    occurred_at: at(momentOf(draws)),
    ...(draws.chance(0.7)
      ? { properties: { plan: draws.pick(PLANS), amount: draws.whole(500) / 4, n } }
      : {}),
  };
}

function shuffled<T>(draws: SeededDraws, list: readonly T[]): T[] {
  const keyed = list.map((item) => ({ item, key: draws.next() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

async function send(
  recorder: AnswerRecorder,
  kind: "executions" | "events",
  workspace: Workspace,
  items: readonly Item[],
): Promise<void> {
  for (let from = 0; from < items.length; from += BATCH) {
    const lines = items.slice(from, from + BATCH).map((item) => JSON.stringify(item));
    await recorder.ask({
      method: "POST",
      path: `${kind}?workspace_id=${workspace}`,
      headers: { "content-type": "application/x-ndjson" },
      body: Buffer.from(lines.join("\n")),
    });
  }
}

const SHARES: [workspace: Workspace, executions: number, events: number][] = [
  ["north", 4_000, 1_000],
  ["south", 1_700, 400],
  ["island", 300, 100],
];

const SETTINGS = {
  north: { name: "North", timezone: "America/New_York", credit_price: "0.02", currency: "USD" },
  south: { timezone: "Asia/Kolkata", stale_after_minutes: 10_000 },
  island: { name: "Île 島", timezone: "Pacific/Chatham", credit_price: 1.5, currency: "EUR" },
};

/**
 * Executions and events of the 60 days before the recording's moment in three workspaces, out of
 * order, some of them twice, late, corrected or wrong. Hours and days are rolled up, but for what
 * comes after the last run of each.
 */
export async function sendData(recorder: AnswerRecorder): Promise<void> {
  const draws = seededDraws(7);
  for (const [id, body] of Object.entries(SETTINGS))
    await recorder.ask({ method: "PATCH", path: `workspaces/${id}/settings`, body });
  const later: { workspace: Workspace; items: Item[] }[] = [];
  for (const [workspace, executions, events] of SHARES) {
    const items = Array.from({ length: executions }, (_, n) => executionOf(draws, workspace, n));
    const all = shuffled(draws, [...items, ...correctionsOf(draws, items)]);
    const early = Math.floor(all.length * 0.8);
    await send(recorder, "executions", workspace, all.slice(0, early));
    const made = Array.from({ length: events }, (_, n) => eventOf(draws, workspace, n));
    const doubled = made.filter(() => draws.chance(0.05));
    await send(recorder, "events", workspace, shuffled(draws, [...made, ...doubled]));
    later.push({ workspace, items: all.slice(early) });
  }
  const { instance } = recorder;
  for (const cron of ["5 * * * *", "0 1 * * *"]) await instance.cron(cron);
  for (const { workspace, items } of later)
    await send(recorder, "executions", workspace, items.slice(0, items.length / 2));
  for (const cron of ["5 * * * *", "*/5 * * * *"]) await instance.cron(cron);
  for (const { workspace, items } of later)
    await send(recorder, "executions", workspace, items.slice(items.length / 2));
}

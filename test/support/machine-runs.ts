import { expect } from "vitest";
import { eventIntake } from "../../src/features/events/ingest.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { clientOf, tokenFor } from "./client.ts";
import { testContext } from "./context.ts";
import { useOwnDatabase } from "./database.ts";
import { store } from "./store.ts";

/** Runs without a user: who counts users must not count them, and who counts runs must. */
export const W = "machines";

const DAY = Date.UTC(2026, 9, 5);
export let api: ReturnType<typeof clientOf>;
export let ctx: ReturnType<typeof testContext>;
interface Run {
  id: string;
  user_id?: string;
  agent_id: string;
  status: string;
  started_at: string;
  credits: string;
  error?: { type: string };
}

/** Three users a day, each with two runs, and twice as many machine's runs at other hours. */
export const runs: Run[] = Array.from({ length: 6 }, (_, day) => day).flatMap((day) =>
  Array.from({ length: 18 }, (_, n): Run => {
    const failed = n % 6 === 5;
    return {
      id: `m${day}-${n}`,
      ...(n % 3 === 0 ? { user_id: `u${(n / 3 + day) % 4}` } : {}),
      agent_id: n % 2 ? "cron" : "chat",
      status: failed ? "failure" : "success",
      started_at: new Date(DAY + day * 86_400_000 + n * 4_000_000).toISOString(),
      credits: "1.000000",
      ...(failed ? { error: { type: "Timeout" } } : {}),
    };
  }),
);

export const RANGE = "from=2026-10-05T00:00:00Z&to=2026-10-11T00:00:00Z&timezone=UTC";
export const users = [...new Set(runs.flatMap((run) => run.user_id ?? []))].sort();
export async function fillMachineRuns(): Promise<void> {
  await useOwnDatabase();
  ctx = testContext();
  await store(executionIntake(ctx, W), runs);
  await store(eventIntake(ctx, W), [
    { id: "v", event_type: "open", user_id: "u0", occurred_at: runs[0]?.started_at },
  ]);
  api = clientOf(await tokenFor(W));
}

export const get = async (path: string) => {
  const { status, body } = await api.send(`/api/v1${path}`, {
    headers: { "cache-control": "no-cache" },
  });
  expect([path, status]).toEqual([path, 200]);
  return body;
};

export const idsOf = (rows: { id: string }[]) => rows.map((row) => row.id).sort();
/** Every number and list of users, from the views as they answer now. */
export async function views() {
  const summary = (await get(`/metrics/summary?${RANGE}`)).data;
  const agent = (await get(`/metrics/summary?${RANGE}&agent_id=cron`)).data;
  const grouped = (
    await get(`/metrics/breakdown?${RANGE}&group_by=user&measures=executions,credits,active_users`)
  ).data;
  const activity = (await get(`/users/activity?${RANGE}`)).data;
  const retention = (await get(`/users/retention?${RANGE}&granularity=day`)).data;
  const churn = (await get("/users/churn?to=2026-10-11T00:00:00Z&window_days=2&windows=2")).data;
  return { summary, agent, grouped, activity, retention, churn };
}

export function expectViews({
  summary,
  agent,
  grouped,
  activity,
  retention,
}: Awaited<ReturnType<typeof views>>) {
  expect([summary.executions, summary.active_users]).toEqual([runs.length, users.length]);
  const cron = runs.filter((run) => run.agent_id === "cron");
  expect([agent.executions, agent.active_users]).toEqual([
    cron.length,
    new Set(cron.flatMap((run) => run.user_id ?? [])).size,
  ]);
  const of = (user: string | undefined) => runs.filter((run) => run.user_id === user).length;
  const found = new Map(
    grouped.rows.map((row: Record<string, unknown>) => [
      row.user,
      [row.executions, row.credits, row.active_users],
    ]),
  );
  expect(found).toEqual(
    new Map(
      [...users, undefined].map((user) => [
        user ?? null,
        [of(user), `${of(user)}.000000`, user === undefined ? 0 : 1],
      ]),
    ),
  );
  const dates = [...new Set(runs.map((run) => run.started_at.slice(0, 10)))];
  const there = (date: string) =>
    new Set(runs.flatMap((run) => (run.started_at.startsWith(date) ? (run.user_id ?? []) : [])));
  expect(activity.active_users).toBe(users.length);
  expect(activity.days.map((day: { day: string; dau: number }) => [day.day, day.dau])).toEqual(
    dates.map((date) => [date, there(date).size]),
  );
  expect(activity.sessions.users).toBe(users.length);
  expect(
    retention.cohorts.reduce((sum: number, cohort: { size: number }) => sum + cohort.size, 0),
  ).toBe(users.length);
}

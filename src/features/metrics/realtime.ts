import { prepareQuery } from "../../analytics/ask.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type AnswerMeta, combineMeta } from "../../analytics/result/meta.ts";
import type { Db } from "../../db/client.ts";
import { fromMicros, toMicros } from "../../lib/decimal.ts";
import { DAY_US, MINUTE_US } from "../../lib/time.ts";
import { zoneIn } from "../../store/workspaces.ts";

const MEASURES = ["executions", "successes", "failures", "credits"] as const;
const MINUTES = 60;
/** Intake takes nothing from before. */
const FIRST = Date.UTC(2000, 0, 1) * 1000;

/**
 * What runs now, and the last 60 whole minutes: in the workspace's zone: the answer of `GET /metrics/realtime` and of the feed's `metrics` frame.
 * `per_minute` is the mean of the last 5 whole minutes.
 */
export async function realtimeMetrics(
  db: Db,
  workspaceId: string,
  nowMs: number,
): Promise<{ data: Record<string, unknown>; meta: AnswerMeta }> {
  const now = nowMs * 1000;
  const to = Math.floor(now / MINUTE_US) * MINUTE_US;
  const timezone = await zoneIn({ db }, workspaceId, undefined);
  const range = { from: to - MINUTES * MINUTE_US, to, timezone };
  const [minutes, recent, running] = await runInOneSnapshot(db, [
    prepareQuery(workspaceId, { ...range, measures: [...MEASURES], granularity: "minute" }, now),
    prepareQuery(workspaceId, { ...range, from: to - 5 * MINUTE_US, measures: [...MEASURES] }, now),
    prepareQuery(
      workspaceId,
      { measures: ["running"], from: FIRST, to: now + DAY_US, timezone },
      now,
    ),
  ]);
  const { executions, successes, failures, credits } = recent.totals;
  const rate = (value: unknown) => Number(value ?? 0) / 5;
  return {
    data: {
      running: running.totals.running,
      per_minute: {
        executions: rate(executions),
        successes: rate(successes),
        failures: rate(failures),
        credits: fromMicros(toMicros(String(credits ?? "0")) / 5n),
      },
      minutes: minutes.rows.map(({ bucket, complete, values }) => ({
        ...{ bucket, complete },
        ...values,
      })),
    },
    meta: combineMeta({ minutes: minutes.meta, recent: recent.meta, running: running.meta }),
  };
}

import { prepareQuery } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import type { Db } from "../../db/client.ts";
import { fromMicros, toMicros } from "../../lib/decimal.ts";
import { DAY_US, MINUTE_US } from "../../lib/time.ts";
import { zoneIn } from "../../store/workspaces.ts";

const MEASURES: MeasureName[] = ["executions", "successes", "failures", "credits"];
const MINUTES = 60;
/** Intake refuses what started earlier. */
const EARLIEST = Date.UTC(2000, 0, 1) * 1000;

/**
 * The executions that run now, and the last 60 whole minutes in the workspace's zone: the answer of
 * `GET /metrics/realtime` and of the feed's `metrics` frame. `per_minute` is the mean of the last
 * 5.
 * @param nowMs milliseconds since 1970
 */
export async function realtimeMetrics(db: Db, workspaceId: string, nowMs: number) {
  const now = nowMs * 1000;
  const to = Math.floor(now / MINUTE_US) * MINUTE_US;
  const timezone = await zoneIn({ db }, workspaceId, undefined);
  const range = { from: to - MINUTES * MINUTE_US, to, timezone };
  const [minutes, recent, running] = await runInOneSnapshot(db, [
    prepareQuery(workspaceId, { ...range, measures: MEASURES, granularity: "minute" }, now),
    prepareQuery(workspaceId, { ...range, from: to - 5 * MINUTE_US, measures: MEASURES }, now),
    prepareQuery(
      workspaceId,
      { measures: ["running"], from: EARLIEST, to: now + DAY_US, timezone },
      now,
    ),
  ]);
  const { executions, successes, failures, credits } = recent.totals;
  const rate = (value: unknown) => Number(value ?? 0) / 5;
  return {
    data: {
      running: Number(running.totals.running),
      per_minute: {
        executions: rate(executions),
        successes: rate(successes),
        failures: rate(failures),
        credits: fromMicros(toMicros(String(credits ?? "0")) / 5n),
      },
      minutes: minutes.rows.map(({ bucket = "", complete = false, values }) => ({
        bucket,
        complete,
        executions: Number(values.executions),
        successes: Number(values.successes),
        failures: Number(values.failures),
        credits: String(values.credits),
      })),
    },
    meta: combineMeta({ minutes: minutes.meta, recent: recent.meta, running: running.meta }),
  };
}

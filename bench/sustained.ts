import { z } from "zod";
import { load, requestBytes } from "./load.ts";
import { seeded } from "./reads.ts";
import { sampleExecution, WORKSPACES, withClient, workspaceName } from "./seed.ts";
import type { Instance, Stage } from "./stage.ts";
import type { Figure } from "./table.ts";

const [BATCH, CLIENTS] = [500, 4];
const MINUTE_MS = 60_000;
/** The minute's cron may work for 20 s; it is asked for its effect after that. */
const LOOK_MS = 45_000;
const WATCHED = workspaceName(1);
const SUMMARY = `/api/v1/metrics/summary?timeframe=30d&workspace_id=${WATCHED}`;

const answer = z.object({
  meta: z.object({ sources: z.object({ raw: z.object({ rows: z.number() }) }) }),
});
const lagRow = z.object({ unit: z.string(), buckets: z.coerce.number(), lag: z.coerce.number() });

/**
 * Marks of buckets that have ended, by unit: how many buckets, and minutes since the first ended.
 * Minutes of before the two last hours are read by nobody, and wait to be deleted.
 */
const LAGS = `
  select unit, count(*) as buckets,
    round(extract(epoch from now() - min(ended)) / 60, 1) as lag
  from (
    select distinct unit, workspace_id, bucket,
      bucket + case unit when 'minute' then interval '1 minute' when 'hour' then interval '1 hour'
        else interval '24 hours' end as ended
    from rollup_marks
  ) m
  where ended <= now()
    and (unit <> 'minute' or ended > date_trunc('hour', now(), 'UTC') - interval '2 hours')
  group by unit
  order by unit`;

/** Crons of wrangler.toml that are due after so many minutes; the first hour began with them. */
const cronsAt = (minute: number) => [
  "* * * * *",
  ...(minute % 5 === 0 ? ["*/5 * * * *"] : []),
  ...(minute % 60 === 5 ? ["5 * * * *"] : []),
];

const sleepUntil = (ms: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms - Date.now())));

interface Intake {
  /** Rows taken in of all workspaces, and of the watched one by minute. */
  rows: number;
  watched: Map<number, number>;
}

/** Runs that have just ended, in batches from clients that wait for their answers. */
async function takeIn({ port }: Instance, token: string, seconds: number, intake: Intake) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const { failed } = await load({
    port,
    connections: CLIENTS,
    seconds,
    expected: 207,
    request: (index) => {
      const now = Date.now();
      const workspace = workspaceName(1 + (index % WORKSPACES));
      const executions = Array.from({ length: BATCH }, (_, row) => {
        const ms = 50 + ((row * 7919) % 4_000);
        return {
          ...sampleExecution("live", index * BATCH + row, now),
          started_at: new Date(now - ms).toISOString(),
          ended_at: new Date(now).toISOString(),
          duration_ms: ms,
        };
      });
      intake.rows += BATCH;
      if (workspace === WATCHED) {
        const minute = Math.floor(now / MINUTE_MS);
        intake.watched.set(minute, (intake.watched.get(minute) ?? 0) + BATCH);
      }
      const path = `/api/v1/executions?workspace_id=${workspace}`;
      return requestBytes("POST", path, headers, JSON.stringify({ executions }));
    },
  });
  if (failed > 0) throw new Error(`${failed} batches were refused`);
}

async function rawRowsOf({ port }: Instance, token: string) {
  const started = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}${SUMMARY}`, {
    headers: { authorization: `Bearer ${token}`, "cache-control": "no-cache" },
  });
  const { meta } = answer.parse(await response.json());
  return { rawRows: meta.sources.raw.rows, ms: Math.round(performance.now() - started) };
}

/** Starts the crons of a minute beside whatever still runs, as the platform does. */
async function runCrons(worker: Instance, minute: number): Promise<void> {
  await Promise.all(
    cronsAt(minute).map(async (cron) => {
      const started = performance.now();
      await worker.cron(cron);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.error(`  minute ${minute}, cron ${cron}: ${seconds} s`);
    }),
  );
}

/**
 * Intake at its full rate for minutes, with the crons of wrangler.toml beside it: what a summary of
 * 30 days then reads of raw rows, each minute, against what came in the two newest minutes.
 */
export async function sustainedFigure(
  stage: Stage,
  minutes: number,
  rows: number,
): Promise<Figure> {
  const { url, worker, rebuilt } = await seeded(stage, rows, "sustained");
  console.error(`rebuild: ${Math.round(rebuilt)} rows/s`);
  const intake: Intake = { rows: 0, watched: new Map() };
  const runs: Figure["runs"] = [];
  const crons: Promise<void>[] = [];
  await sleepUntil(Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS);
  const first = Math.round(Date.now() / MINUTE_MS) * MINUTE_MS;
  const sending = takeIn(worker, stage.token, minutes * 60, intake);
  let before = 0;
  await withClient(url, async (client) => {
    for (let minute = 1; minute <= minutes; minute++) {
      const startMs = first + minute * MINUTE_MS;
      await sleepUntil(startMs);
      const perSecond = Math.round((intake.rows - before) / 60);
      before = intake.rows;
      crons.push(runCrons(worker, minute));
      await sleepUntil(startMs + LOOK_MS);
      const { rawRows, ms } = await rawRowsOf(worker, stage.token);
      const newest = Math.floor(startMs / MINUTE_MS);
      const came = (intake.watched.get(newest) ?? 0) + (intake.watched.get(newest - 1) ?? 0);
      const lags = lagRow.array().parse((await client.query(LAGS)).rows);
      console.error(
        `minute ${minute}: ${perSecond} rows/s, summary ${ms} ms over ${rawRows} raw rows of ${came}`,
        `in the newest two minutes; ${lags.map((l) => `${l.unit}: ${l.buckets} wait, ${l.lag} min`).join("; ")}`,
      );
      runs.push({ ours: rawRows, reference: Math.max(1, came) });
    }
  });
  await sending;
  await Promise.all(crons);
  await worker.stop();
  const perSecond = Math.round(intake.rows / (minutes * 60)).toLocaleString("en");
  return {
    name: `raw rows of a summary of 30 days, ${minutes} minutes of intake (${perSecond} rows/s)`,
    unit: "rows",
    runs,
    reference: "rows that came in the two newest minutes",
    ratio: "ours/reference",
    target: { at: "most", value: 1 },
  };
}

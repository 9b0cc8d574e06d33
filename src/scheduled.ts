import { type Context, createContext } from "./context.ts";
import type { DeadlineName } from "./db/deadlines.ts";
import { expireExports } from "./features/exports/runs/maintenance.ts";
import { startScheduledExports } from "./features/exports/runs/start.ts";
import { closeStale } from "./features/maintenance/close-stale.ts";
import { applyRetention } from "./features/maintenance/delete-old-rows.ts";
import { dropExpired, ensurePartitions } from "./features/maintenance/partitions.ts";
import { continueDeliveries, expireReports } from "./features/reports/runs/maintenance.ts";
import { startScheduledReports } from "./features/reports/runs/start.ts";
import { forgetVisitors } from "./features/reports/sharing/visitor-queries.ts";
import {
  areRollupsOn,
  forgetMinutes,
  reconcileRollups,
  runRollups,
} from "./features/rollups/run.ts";
import { continueJobs } from "./jobs/sweep.ts";
import { createLog } from "./lib/log.ts";

interface Task {
  cron: string;
  name: string;
  deadline?: DeadlineName;
  run(ctx: Context): Promise<unknown>;
}

/** Its statements have the deadline of a request, so that runs do not pile up. */
const EVERY_MINUTE = "* * * * *";

const TASKS: readonly Task[] = [
  { cron: "*/5 * * * *", name: "close-stale", run: closeStale },
  { cron: EVERY_MINUTE, name: "start-reports", run: startScheduledReports },
  { cron: EVERY_MINUTE, name: "start-exports", run: startScheduledExports },
  { cron: EVERY_MINUTE, name: "continue-jobs", run: continueJobs },
  { cron: EVERY_MINUTE, name: "continue-deliveries", run: continueDeliveries },
  {
    cron: EVERY_MINUTE,
    name: "rollup-minutes",
    // It stops by itself when its time is up; a minute may have more rows than ten seconds allow.
    deadline: "maintenance",
    run: async (ctx) => areRollupsOn(ctx, "minute") && (await runRollups(ctx, "minute")),
  },
  { cron: "5 * * * *", name: "forget-minutes", run: forgetMinutes },
  {
    cron: "5 * * * *",
    name: "rollup-hours",
    run: async (ctx) => areRollupsOn(ctx, "hour") && (await runRollups(ctx, "hour")),
  },
  {
    cron: "5 * * * *",
    name: "rollup-sessions",
    run: async (ctx) => areRollupsOn(ctx, "session") && (await runRollups(ctx, "session")),
  },
  { cron: "0 1 * * *", name: "partitions", run: ensurePartitions },
  { cron: "0 1 * * *", name: "retention", run: dropExpired },
  { cron: "0 1 * * *", name: "workspace-retention", run: applyRetention },
  {
    cron: "0 1 * * *",
    name: "rollup-days",
    run: async (ctx) => areRollupsOn(ctx, "day") && (await runRollups(ctx, "day")),
  },
  { cron: "0 1 * * *", name: "expire-exports", run: expireExports },
  { cron: "0 1 * * *", name: "expire-reports", run: expireReports },
  { cron: "0 1 * * *", name: "forget-visitors", run: forgetVisitors },
  { cron: "0 1 * * *", name: "reconcile", run: (ctx) => reconcileRollups(ctx) },
];

/**
 * Runs the tasks of a cron one after another. A failed task does not stop the others, but fails the
 * run.
 */
export async function handleCron(
  controller: ScheduledController,
  env: Env,
  executionCtx: ExecutionContext,
): Promise<void> {
  const tasks = TASKS.filter((task) => task.cron === controller.cron);
  if (tasks.length === 0) throw new Error(`No task has the cron ${controller.cron}`);
  const failed: string[] = [];
  const usual = controller.cron === EVERY_MINUTE ? "request" : "maintenance";
  for (const { name, run, deadline = usual } of tasks) {
    const log = createLog({ task: name });
    try {
      await run(createContext(env, executionCtx, { kind: "system", task: name }, log, deadline));
    } catch (error) {
      log.error("task", error);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new Error(`Failed: ${failed.join(", ")}`);
}

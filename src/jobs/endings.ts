import { type SQL, sql } from "drizzle-orm";
import { backoff } from "../lib/backoff.ts";
import { AppError } from "../lib/errors.ts";
import {
  type ClaimedJob,
  ClaimLost,
  changeJob,
  foundJob,
  inSeconds,
  isClaimed,
  isOver,
  isSpent,
  isUnheld,
  type JobQueue,
  type JobTable,
  jobsOf,
  MAX_ATTEMPTS,
  MAX_WAIT_SECONDS,
} from "./lease.ts";

/** Shortest wait between two attempts. */
const WAIT_SECONDS = 5;
/** Attempts of a job whose statements time out. */
const MAX_TIMEOUTS = 3;
const CUT_OFF = "Every attempt was cut off: the job needs more memory or time than it can have.";
const GIVEN_UP = "Every attempt failed; an operator can see why and start the job again.";
const INTERNAL = "The job failed by an internal error; an operator can see why.";
/** Permanent failures in a row that pause a schedule. */
const MAX_SCHEDULE_FAILURES = 3;

interface JobFailure {
  code: string;
  message: string;
}

const isLastFailure = sql`s.failures + 1 >= ${MAX_SCHEDULE_FAILURES}::int`;

const countFailure = ({ code, message }: JobFailure) => sql`
  failures = s.failures + 1,
  enabled = s.enabled and not ${isLastFailure},
  paused = case when ${isLastFailure} then
    jsonb_build_object('code', ${code}::text, 'message', ${message}::text, 'at', now())
  end`;

/**
 * Ends jobs, and counts the end in the schedules that started them.
 * @param update of jobs `e`, up to its `returning`
 * @param failure null for a success, which resets the count
 */
function countedEnd(table: JobTable, update: SQL, failure: JobFailure | null): SQL {
  const kind = table === "exports" ? "export" : "report";
  const changes = failure ? countFailure(failure) : sql`failures = 0`;
  return sql`
    with ended as (
      ${update}
      returning e.workspace_id, e.id, e.schedule_id
    ),
    counted as (
      update schedules s
      set ${changes}
      from ended
      where s.workspace_id = ended.workspace_id
        and s.kind = ${kind}
        and s.id = ended.schedule_id
        and ${failure ? sql`true` : sql`s.failures > 0`}
    )
    select workspace_id, id
    from ended`;
}

async function endJob(
  { db, table }: JobQueue,
  claimed: ClaimedJob,
  changes: SQL,
  failure: JobFailure | null,
): Promise<void> {
  const update = sql`
    update ${jobsOf(table)}
    set ${changes}
    where ${isClaimed(claimed)}`;
  const ended = await db.maybe({ sql: countedEnd(table, update, failure), row: foundJob });
  if (ended === undefined) throw new ClaimLost();
}

/**
 * Marks a job as done.
 * @param changes further columns of the finished job
 * @throws ClaimLost
 */
export function finishJob(
  queue: JobQueue,
  claimed: ClaimedJob,
  changes: SQL,
  retentionDays: number,
): Promise<void> {
  const done = sql`
    status = 'done',
    ${isOver},
    expires_at = now() + make_interval(days => ${retentionDays}::int),
    ${changes}`;
  return endJob(queue, claimed, done, null);
}

const failedBy = ({ code, message }: JobFailure) => sql`
  status = 'failed',
  error_code = ${code},
  error_message = ${message},
  ${isOver}`;

/** Result of an attempt. */
export type JobOutcome =
  | { status: "done" }
  /** The job has ended, or another attempt has it. */
  | { status: "lost" }
  /** The attempt failed; the next one may begin after `afterSeconds`. */
  | { status: "again"; afterSeconds: number; error: unknown }
  /** `isKnown`: the job's own error says all that an operator could see. */
  | { status: "failed"; error: unknown; isKnown: boolean };

const PASSING_KINDS: readonly string[] = ["unavailable", "timeout", "full", "rate_limited"];

/** Whether the next attempt may succeed; every other failure is permanent. */
const isPassing = (error: unknown): error is AppError =>
  error instanceof AppError && PASSING_KINDS.includes(error.kind);

async function failForGood(
  queue: JobQueue,
  claimed: ClaimedJob,
  error: unknown,
): Promise<JobOutcome> {
  const isKnown = error instanceof AppError && error.cause === undefined;
  const { code, message } =
    error instanceof AppError ? error : { code: "internal_error", message: INTERNAL };
  await endJob(queue, claimed, failedBy({ code, message }), { code, message });
  return { status: "failed", error, isKnown };
}

/**
 * Ends a failed attempt: the only place that decides whether and when there is another one.
 * @param changes columns for the next attempt, if any change
 * @throws ClaimLost
 */
export async function settleJob(
  queue: JobQueue,
  claimed: ClaimedJob,
  error: unknown,
  changes: SQL = sql`attempts = e.attempts`,
): Promise<JobOutcome> {
  if (error instanceof ClaimLost) throw error;
  if (!isPassing(error)) return failForGood(queue, claimed, error);
  const most = error.kind === "timeout" ? MAX_TIMEOUTS : MAX_ATTEMPTS;
  if (claimed.attempts >= most) {
    // The schedule does not count it: what it runs is not at fault.
    await changeJob(queue, claimed, failedBy({ code: "given_up", message: GIVEN_UP }));
    return { status: "failed", error, isKnown: false };
  }
  const wait = backoff(claimed.attempts, WAIT_SECONDS, MAX_WAIT_SECONDS);
  const afterSeconds = Math.ceil(WAIT_SECONDS + wait);
  const queued = sql`
    status = 'queued',
    claim = null,
    lease_until = now() + ${inSeconds(afterSeconds)},
    cut_off = 0,
    ${changes}`;
  await changeJob(queue, claimed, queued);
  return { status: "again", afterSeconds, error };
}

/** Fails the jobs whose attempts all ended with their runtime. */
export function failSpentJobs({ db, table }: JobQueue) {
  const failure = { code: "given_up", message: CUT_OFF };
  const update = sql`
    update ${jobsOf(table)}
    set ${failedBy(failure)}
    where e.status = 'running'
      and ${isUnheld}
      and ${isSpent}`;
  return db.all({ sql: countedEnd(table, update, failure), row: foundJob });
}

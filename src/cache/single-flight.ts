import { sleep } from "../lib/backoff.ts";
import { AppError } from "../lib/errors.ts";

/**
 * A piece of work that several requests want and one does. Only data is shared: on Workers a
 * request may wait only for its own I/O, timers included.
 */
export interface SharedFlight<T> {
  /** The last sign of life of the request that does it; 0 before one has begun. */
  beatMs: number;
  outcome?: { value: T } | { error: unknown };
}

const BEAT_MS = 200;
/** A request that has been silent for longer was killed. */
const LOST_MS = 1_500;
/** The longest wait for another request. */
const LONGEST_WAIT_MS = 30_000;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 25;

export const newFlight = <T>(): SharedFlight<T> => ({ beatMs: 0 });

async function fly<T>(flight: SharedFlight<T>, work: () => Promise<T>): Promise<T> {
  const beat = () => {
    flight.beatMs = Date.now();
  };
  beat();
  const beating = setInterval(beat, BEAT_MS);
  try {
    const value = await work();
    flight.outcome = { value };
    return value;
  } catch (error) {
    flight.outcome = { error };
    throw error;
  } finally {
    clearInterval(beating);
  }
}

/**
 * The result of the work, done by this request or by another one, for which this one polls. If that
 * one is killed, a waiting one takes over. An AppError is thrown to all; after any other failure,
 * which may concern one request alone, each tries for itself.
 */
export async function joinFlight<T>(flight: SharedFlight<T>, work: () => Promise<T>): Promise<T> {
  const untilMs = Date.now() + LONGEST_WAIT_MS;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, 2 * pause)) {
    const { outcome, beatMs } = flight;
    if (outcome && "value" in outcome) return outcome.value;
    if (outcome?.error instanceof AppError) throw outcome.error;
    if (outcome) return work();
    const nowMs = Date.now();
    if (nowMs - beatMs > LOST_MS || nowMs > untilMs) return fly(flight, work);
    await sleep(pause);
  }
}

/** Loads under way in this isolate, each until one of its requests has the outcome. */
const flights = new Map<string, SharedFlight<unknown>>();
let sweptMs = 0;

/** Removes the loads of requests that were killed, once in a while. */
function dropLost(): void {
  const nowMs = Date.now();
  if (nowMs - sweptMs < LONGEST_WAIT_MS) return;
  sweptMs = nowMs;
  for (const [key, { beatMs }] of flights)
    if (nowMs - beatMs > LONGEST_WAIT_MS) flights.delete(key);
}

/** Whether a request loads this now. */
export function isLoading(key: string): boolean {
  const flight = flights.get(key);
  return flight !== undefined && Date.now() - flight.beatMs <= LOST_MS;
}

/**
 * The value of `load`, or of another request's load of the same key.
 * @param value plain data: no stream, no binding, no promise
 */
export async function loadOnce<T>(key: string, load: () => Promise<T>): Promise<T> {
  dropLost();
  const flight = (flights.get(key) as SharedFlight<T> | undefined) ?? newFlight<T>();
  flights.set(key, flight);
  try {
    return await joinFlight(flight, load);
  } finally {
    if (flights.get(key) === flight) flights.delete(key);
  }
}

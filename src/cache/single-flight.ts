import { sleep } from "../lib/backoff.ts";

interface Flight<T> {
  sinceMs: number;
  outcome?: { value: T } | { error: unknown };
}

/** A load that has said nothing by then belongs to a request that was killed; a statement has ten seconds. */
const MAX_FLIGHT_MS = 12_000;
const FIRST_WAIT_MS = 2;
const MAX_WAIT_MS = 25;

/** Loads under way in this isolate. Only data is shared: on Workers a request may wait for its own I/O only, timers included. */
const flights = new Map<string, Flight<unknown>>();

async function outcomeOf<T>(flight: Flight<T>): Promise<Flight<T>["outcome"]> {
  for (let ms = FIRST_WAIT_MS; ; ms = Math.min(2 * ms, MAX_WAIT_MS)) {
    if (flight.outcome || Date.now() - flight.sinceMs > MAX_FLIGHT_MS) return flight.outcome;
    await sleep(ms);
  }
}

/** Loads now, for all who ask meanwhile. */
async function fly<T>(key: string, load: () => Promise<T>): Promise<T> {
  const flight: Flight<T> = { sinceMs: Date.now() };
  flights.set(key, flight);
  try {
    const value = await load();
    flight.outcome = { value };
    return value;
  } catch (error) {
    flight.outcome = { error };
    throw error;
  } finally {
    if (flights.get(key) === flight) flights.delete(key);
  }
}

/** Whether somebody loads this now. */
export function isLoading(key: string): boolean {
  const flight = flights.get(key);
  return flight !== undefined && Date.now() - flight.sinceMs <= MAX_FLIGHT_MS;
}

/**
 * The value of `load`, or of the load of the same key that another request has under way: it is waited for by own timers. A load
 * that fails, fails for all who wait; one that is killed is taken over by the next who asks.
 * @param value plain data: no stream, no binding, no promise
 */
export async function loadOnce<T>(key: string, load: () => Promise<T>): Promise<T> {
  const flight = flights.get(key) as Flight<T> | undefined;
  const outcome = flight && (await outcomeOf(flight));
  if (!outcome) {
    // Of those who waited for a killed load the first takes over, and the others wait for that one.
    return flight && flights.get(key) !== flight && flights.has(key)
      ? loadOnce(key, load)
      : fly(key, load);
  }
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

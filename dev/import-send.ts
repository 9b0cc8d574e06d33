import { gzipSync } from "node:zlib";

export interface Intake {
  /** Of the instance, without a path. */
  url: string;
  into: "executions" | "events";
  workspace: string;
  token: string;
}

export interface IntakeAnswer {
  data: {
    counts: Record<string, number>;
    results: { line: number; id: string | null; result: string; path?: string; detail?: string }[];
  };
}

/**
 * Failures that a later try may correct: the instance restarts, its database is away or busy, or
 * requests were too frequent.
 */
const PASSING = new Set([429, 502, 503, 504]);
const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 60;

const causeOf = (error: unknown) =>
  error instanceof Error
    ? `${error.message}${error.cause instanceof Error ? ` (${error.cause.message})` : ""}`
    : String(error);

/** Seconds of `Retry-After`, which may be a date (RFC 9110, 10.2.3). */
function asked(response: Response): number | undefined {
  const text = response.headers.get("retry-after");
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/**
 * Longest time, in seconds, that an instance may ask to wait at a stretch, and that it may be
 * unreachable.
 */
export interface Patience {
  busy: number;
  away: number;
}

type Outcome =
  | { answer: IntakeAnswer }
  | { why: string; reason: keyof Patience; afterSeconds?: number | undefined };

/** @throws Error for an answer that a later try would not change */
async function sendOnce(intake: Intake, body: Uint8Array<ArrayBuffer>): Promise<Outcome> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(
      `${intake.url}/api/v1/${intake.into}?workspace_id=${encodeURIComponent(intake.workspace)}`,
      {
        method: "POST",
        headers: {
          authorization: `Bearer ${intake.token}`,
          "content-type": "application/x-ndjson",
          "content-encoding": "gzip",
        },
        body,
        signal: AbortSignal.timeout(LONGEST_WAIT_S * 1000),
      },
    );
    text = await response.text();
  } catch (error) {
    return { why: causeOf(error), reason: "away" };
  }
  if (response.status === 207) return { answer: JSON.parse(text) as IntakeAnswer };
  const why = `The server answered ${response.status}: ${text.slice(0, 500)}`;
  if (!PASSING.has(response.status)) throw new Error(why);
  return { why, reason: "busy", afterSeconds: asked(response) };
}

/**
 * Sends rows, and again while the instance is away or asks to wait: as long as it says, else a
 * second and twice as long each time. A row that was stored though its answer was lost is a
 * duplicate the second time.
 * @param tell is told each time why it waits, and how long
 * @throws Error with the last reason when that time has passed
 */
export async function sendRows(
  intake: Intake,
  lines: readonly string[],
  patience: Patience,
  tell: (text: string) => void,
): Promise<IntakeAnswer> {
  const body = new Uint8Array(gzipSync(lines.join("\n")));
  const began = Date.now();
  for (let attempt = 0; ; attempt++) {
    const outcome = await sendOnce(intake, body);
    if ("answer" in outcome) return outcome.answer;
    const seconds = Math.min(
      LONGEST_WAIT_S,
      outcome.afterSeconds ?? FIRST_WAIT_S * 2 ** Math.min(attempt, 6),
    );
    if (Date.now() - began + seconds * 1000 > patience[outcome.reason] * 1000)
      throw new Error(`${outcome.why}\nThe same command goes on from here.`);
    tell(`${outcome.why.split("\n")[0]} Again in ${Math.ceil(seconds)} s.`);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

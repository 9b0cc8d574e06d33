import { AppError } from "../lib/errors.ts";
import {
  type Checked,
  emptyCounts,
  type IntakeKind,
  type IntakeResult,
  type ItemResult,
  type MadeId,
  storeChecked,
} from "./intake.ts";
import type { Line } from "./lines.ts";

const CHUNK_ITEMS = 500;
const CHUNK_CHARS = 1024 * 1024;
/** Statements under way at once; with the chunk being filled this bounds the memory of a stream of any length. */
const MAX_UNDER_WAY = 3;
const MAX_REPORTED = 1000;

interface Chunk<M> {
  lines: number[];
  checked: Checked<M>[];
  ids: Set<string>;
  /** Some item can only be stored after its start: an earlier chunk may hold it. */
  leans: boolean;
  chars: number;
}

const emptyChunk = <M>(): Chunk<M> => ({
  lines: [],
  checked: [],
  ids: new Set(),
  leans: false,
  chars: 0,
});

function parse<M>(
  line: Line,
  nowMs: number,
  check: IntakeKind<M>["check"],
  made: MadeId,
): Checked<M> {
  if (line.text === undefined)
    return {
      ok: false,
      id: null,
      error: { path: "", code: "line_too_long", message: "The line is too long." },
    };
  try {
    return check(JSON.parse(line.text), nowMs, made);
  } catch {
    return {
      ok: false,
      id: null,
      error: { path: "", code: "invalid_json", message: "The line is not JSON." },
    };
  }
}

const firstOf = (results: ItemResult[]) =>
  results.sort((a, b) => a.index - b.index).slice(0, MAX_REPORTED);

/**
 * Stores a stream of lines in chunks while it is read. Chunks that share an id, or lean on an earlier one, wait for each
 * other, so that the outcome is that of one line after the other.
 * @returns counts, and the first 1,000 items that are a conflict or invalid, in the order of their lines
 * @throws AppError unavailable when the database is lost: lines before the named one are stored, and may be sent again
 */
export async function takeInStream<M>(
  kind: IntakeKind<M>,
  lines: AsyncIterable<Line>,
  now: () => number,
  made: (place: number) => MadeId,
): Promise<IntakeResult> {
  const counts = emptyCounts();
  let reported: ItemResult[] = [];
  const underWay = new Map<Promise<void>, Set<string>>();
  let failure: { error: unknown; line: number } | undefined;
  let index = 0;

  const report = (chunk: Chunk<M>, firstIndex: number, results: ItemResult[]) => {
    results.forEach((result, offset) => {
      counts[result.result]++;
      const wanted = result.result === "conflict" || result.result === "invalid";
      if (wanted)
        reported.push({ ...result, index: firstIndex + offset, line: chunk.lines[offset] ?? 0 });
    });
    // Chunks end in any order; the first items by their line are kept.
    if (reported.length > 2 * MAX_REPORTED) reported = firstOf(reported);
  };
  const send = async (chunk: Chunk<M>) => {
    if (chunk.checked.length === 0) return;
    const firstIndex = index;
    index += chunk.checked.length;
    const shares = [...underWay.values()].some((ids) => [...chunk.ids].some((id) => ids.has(id)));
    if (shares || chunk.leans) await Promise.all(underWay.keys());
    while (underWay.size >= MAX_UNDER_WAY) await Promise.race(underWay.keys());
    if (failure) return;
    const work: Promise<void> = storeChecked(kind, chunk.checked)
      .then((results) => report(chunk, firstIndex, results))
      .catch((error: unknown) => {
        const line = chunk.lines[0] ?? 0;
        if (!failure || line < failure.line) failure = { error, line };
      })
      .finally(() => underWay.delete(work));
    underWay.set(work, chunk.ids);
  };

  let chunk = emptyChunk<M>();
  let last = 0;
  let broken: unknown;
  try {
    for await (const line of lines) {
      const checked = parse(line, now(), kind.check, made(line.number - 1));
      last = line.number;
      chunk.lines.push(line.number);
      chunk.checked.push(checked);
      chunk.chars += line.text?.length ?? 0;
      if (checked.ok) {
        chunk.ids.add(kind.idOf(checked.message));
        chunk.leans ||= kind.leans(checked.message);
      }
      if (chunk.checked.length < CHUNK_ITEMS && chunk.chars < CHUNK_CHARS) continue;
      await send(chunk);
      chunk = emptyChunk<M>();
      if (failure) break;
    }
  } catch (error) {
    // Gzip that is none or breaks off, or a caller who went away: the lines that came whole are stored all the same.
    broken = error;
  }
  if (!failure) await send(chunk);
  await Promise.all(underWay.keys());
  if (failure) throw interrupted(failure);
  if (broken)
    throw interrupted({
      error: new AppError("malformed", "broken_body", "The body breaks off.", { cause: broken }),
      line: last + 1,
    });
  return { results: firstOf(reported), counts };
}

function interrupted({ error, line }: { error: unknown; line: number }): unknown {
  if (!(error instanceof AppError)) return error;
  return new AppError(
    error.kind,
    error.code,
    `${error.message} All lines before line ${line} are stored; sending them again is harmless.`,
    {
      cause: error,
      ...(error.retryAfterSeconds === undefined
        ? {}
        : { retryAfterSeconds: error.retryAfterSeconds }),
    },
  );
}

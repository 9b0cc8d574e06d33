import { countParts } from "../http/body.ts";
import { AppError, type FieldError } from "../lib/errors.ts";
import { type JsonFault, parseJson } from "../lib/json.ts";
import type { GeneratedId } from "./generated-id.ts";
import {
  type CheckedItem,
  emptyCounts,
  givenId,
  type IntakeKind,
  type IntakeResult,
  type ItemResult,
  storeChecked,
  UNKNOWN_START,
} from "./items.ts";
import type { FaultyLine, InputLine } from "./lines.ts";

const CHUNK_ITEMS = 500;
const CHUNK_CHARS = 1024 * 1024;
/** Statements under way at once; with the chunk being filled this bounds the memory of a stream of any length. */
const MAX_UNDER_WAY = 3;
const MAX_REPORTED = 1000;
/** Commas and opening brackets of a line: 16 KiB of metadata have no more, and reading them is what a line costs. */
const MAX_LINE_PARTS = 10_000;
/** A stream of this many is no data: each costs as much as an item. */
const MAX_INVALID = 100_000;
/** Items kept for a start that may come later in the stream, and their characters. */
const MAX_WAITING = 10_000;
const MAX_WAITING_CHARS = 4 * 1024 * 1024;

/** One item of the stream. */
interface Place<M> {
  index: number;
  line: number;
  chars: number;
  checked: CheckedItem<M>;
}

interface Chunk<M> {
  items: Place<M>[];
  ids: Set<string>;
  /** Some item can only be stored after its start: an earlier chunk may hold it. */
  leans: boolean;
  chars: number;
}

const emptyChunk = <M>(): Chunk<M> => ({ items: [], ids: new Set(), leans: false, chars: 0 });

/** Items whose start is not known yet. */
class Waiting<M> {
  readonly items: Place<M>[] = [];
  #chars = 0;

  /** Keeps an item until the stream has ended. @returns whether there was room */
  keep(item: Place<M>): boolean {
    if (this.items.length >= MAX_WAITING || this.#chars + item.chars > MAX_WAITING_CHARS)
      return false;
    this.#chars += item.chars;
    this.items.push(item);
    return true;
  }
}

/** Counts of all items, and the first of those that were not stored. */
class Tally {
  readonly counts = emptyCounts();
  #reported: ItemResult[] = [];

  add({ index, line }: { index: number; line: number }, result: ItemResult): void {
    this.counts[result.result]++;
    const wanted = result.result === "conflict" || result.result === "invalid";
    if (wanted) this.#reported.push({ ...result, index, line });
    // Chunks end in any order; the first items by their line are kept.
    if (this.#reported.length > 2 * MAX_REPORTED) this.#reported = this.results();
  }

  results(): ItemResult[] {
    return this.#reported.sort((a, b) => a.index - b.index).slice(0, MAX_REPORTED);
  }
}

function parse<M>(
  line: InputLine,
  nowMs: number,
  check: IntakeKind<M>["check"],
  made: GeneratedId,
): CheckedItem<M> {
  const refuse = (error: FieldError, id: string | null = null) => ({
    ok: false as const,
    id,
    error,
  });
  if (typeof line.text !== "string")
    return refuse({ path: "", code: line.text.fault, message: FAULTS[line.text.fault] });
  if (line.text.length > MAX_LINE_PARTS && countParts(line.text) > MAX_LINE_PARTS)
    return refuse({ path: "", code: "too_many_values", message: FAULTS.too_many_values });
  const faults: JsonFault[] = [];
  let item: unknown;
  try {
    item = parseJson(line.text, faults);
  } catch {
    return refuse({ path: "", code: "invalid_json", message: "The line is not JSON." });
  }
  const [fault] = faults;
  return fault ? refuse(fault, givenId(item)) : check(item, nowMs, made);
}

const FAULTS = {
  line_too_long: "The line is too long.",
  invalid_utf8: "The line is not UTF-8.",
  too_many_values: `The line has more than ${MAX_LINE_PARTS} values.`,
} as const satisfies Record<FaultyLine["fault"] | "too_many_values", string>;

/**
 * Stores a stream of lines in chunks while it is read. Chunks that share an id, or lean on an earlier one, wait for each
 * other, so that the outcome is that of one line after the other; an item whose start is not known is tried again at the
 * end, when a later line may have brought it.
 * @returns counts, and the first 1,000 items that are a conflict or invalid, in the order of their lines
 * @throws AppError unavailable when the database is lost: lines before the named one are stored, and may be sent again
 */
export async function receiveStream<M>(
  kind: IntakeKind<M>,
  lines: AsyncIterable<InputLine>,
  now: () => number,
  made: (place: number) => GeneratedId,
): Promise<IntakeResult> {
  const tally = new Tally();
  const waiting = new Waiting<M>();
  const underWay = new Map<Promise<void>, Set<string>>();
  let failure: { error: unknown; line: number } | undefined;

  const store = async (items: readonly Place<M>[], last: boolean): Promise<void> => {
    const results = await storeChecked(
      kind,
      items.map((item) => item.checked),
    );
    items.forEach((item, place) => {
      const result = results[place];
      if (!result) throw new Error("storeChecked() gave fewer results than items");
      if (last || result.code !== UNKNOWN_START || !waiting.keep(item)) tally.add(item, result);
    });
  };
  const failed = (items: readonly Place<M>[]) => (error: unknown) => {
    const line = items[0]?.line ?? 0;
    if (!failure || line < failure.line) failure = { error, line };
  };
  const send = async ({ items, ids, leans }: Chunk<M>) => {
    if (items.length === 0) return;
    const shares = [...underWay.values()].some((other) => [...ids].some((id) => other.has(id)));
    if (shares || leans) await Promise.all(underWay.keys());
    while (underWay.size >= MAX_UNDER_WAY) await Promise.race(underWay.keys());
    if (failure) return;
    const work: Promise<void> = store(items, false)
      .catch(failed(items))
      .finally(() => underWay.delete(work));
    underWay.set(work, ids);
  };

  let chunk = emptyChunk<M>();
  let [index, lastLine] = [0, 0];
  let broken: unknown;
  try {
    for await (const line of lines) {
      const checked = parse(line, now(), kind.check, made(line.number - 1));
      lastLine = line.number;
      const chars = typeof line.text === "string" ? line.text.length : 0;
      chunk.items.push({ index: index++, line: line.number, chars, checked });
      chunk.chars += chars;
      if (checked.ok) {
        chunk.ids.add(kind.idOf(checked.message));
        chunk.leans ||= kind.dependsOnEarlier(checked.message);
      }
      if (chunk.items.length < CHUNK_ITEMS && chunk.chars < CHUNK_CHARS) continue;
      await send(chunk);
      chunk = emptyChunk<M>();
      if (failure) break;
      if (tally.counts.invalid > MAX_INVALID)
        throw new AppError(
          "unprocessable",
          "too_many_invalid",
          `More than ${MAX_INVALID} lines are invalid.`,
        );
    }
  } catch (error) {
    // The body is no gzip, breaks off, or its caller left: lines that came whole are stored.
    broken = error;
  }
  if (!failure) await send(chunk);
  await Promise.all(underWay.keys());
  const left = waiting.items.sort((a, b) => a.index - b.index);
  for (let from = 0; from < left.length && !failure; from += CHUNK_ITEMS) {
    const items = left.slice(from, from + CHUNK_ITEMS);
    await store(items, true).catch(failed(items));
  }
  if (failure)
    throw interrupted(
      { ...failure, line: Math.min(failure.line, left[0]?.line ?? failure.line) },
      tally.counts,
    );
  if (broken)
    throw interrupted(
      {
        error:
          broken instanceof AppError
            ? broken
            : new AppError("malformed", "broken_body", "The body breaks off.", { cause: broken }),
        line: lastLine + 1,
      },
      tally.counts,
    );
  return { results: tally.results(), counts: tally.counts };
}

function interrupted(
  { error, line }: { error: unknown; line: number },
  counts: IntakeResult["counts"],
): unknown {
  if (!(error instanceof AppError)) return error;
  const so = Object.entries(counts)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(", ");
  return new AppError(
    error.kind,
    error.code,
    `${error.message} All lines before line ${line} are stored (so far: ${so}); sending them again is harmless.`,
    {
      cause: error,
      errors: [{ path: `line.${line}`, code: error.code, message: error.message }],
      ...(error.retryAfterSeconds === undefined
        ? {}
        : { retryAfterSeconds: error.retryAfterSeconds }),
    },
  );
}

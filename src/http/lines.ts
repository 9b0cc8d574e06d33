/** Longer than any valid item. */
const MAX_LINE_BYTES = 512 * 1024;

export interface Line {
  /** From 1. */
  number: number;
  text: string | FaultyLine;
}
export type FaultyLine = { fault: "line_too_long" | "invalid_utf8" };

const NEWLINE = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BOM = "\ufeff";
const TOO_LONG: FaultyLine = { fault: "line_too_long" };

/** A piece of whole lines as texts; one that is no UTF-8 spoils itself only. */
function textsOf(bytes: Uint8Array): (string | FaultyLine)[] {
  try {
    return decoder.decode(bytes).split("\n");
  } catch {
    // Line by line then: most pieces of most streams are decoded at once.
  }
  const texts: (string | FaultyLine)[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      texts.push(decoder.decode(bytes.subarray(start, end)));
    } catch {
      texts.push({ fault: "invalid_utf8" });
    }
    start = end + 1;
  }
  return texts;
}

function together(parts: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array()] = parts;
  if (parts.length < 2) return first;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Lines of a stream while it is read; empty lines are counted and left out. Memory: one line and one chunk of the stream.
 */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Line> {
  let number = 0;
  // The line that has begun: its bytes, or none when it is too long already.
  let rest: Uint8Array[] = [];
  let length = 0;
  const take = function* (piece: Uint8Array): Generator<Line> {
    const overlong = length > MAX_LINE_BYTES;
    const texts = textsOf(together([...rest, piece]));
    for (const [index, each] of texts.entries()) {
      number++;
      const tooLong = index === 0 ? overlong : false;
      const text =
        typeof each === "string" && number === 1 && each.startsWith(BOM) ? each.slice(1) : each;
      if (tooLong || (typeof text === "string" && text.length > MAX_LINE_BYTES))
        yield { number, text: TOO_LONG };
      else if (typeof text !== "string" || text.trim() !== "") yield { number, text };
    }
    [rest, length] = [[], 0];
  };
  for await (const chunk of stream) {
    const last = chunk.lastIndexOf(NEWLINE);
    if (last >= 0) yield* take(chunk.subarray(0, last));
    const begun = chunk.subarray(last + 1);
    length += begun.length;
    if (length > MAX_LINE_BYTES) rest = [];
    else rest.push(begun);
  }
  if (length > 0) yield* take(new Uint8Array());
}

/** Longer than any valid item. */
const MAX_LINE_BYTES = 512 * 1024;

export interface InputLine {
  /** From 1. */
  number: number;
  text: string | FaultyLine;
}
export type FaultyLine = { fault: "line_too_long" | "invalid_utf8" };

const NEWLINE = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BOM = "\ufeff";
const TOO_LONG: FaultyLine = { fault: "line_too_long" };

/** Whole lines, as one text or as bytes. */
interface Piece {
  length: number;
  codeAt(place: number): number | undefined;
  newlineFrom(place: number): number;
  line(start: number, end: number): string | FaultyLine;
}

/** Most pieces of most streams are decoded at once; in one that is no UTF-8 each line is, so that it spoils itself only. */
function pieceOf(bytes: Uint8Array): Piece {
  try {
    const text = decoder.decode(bytes);
    return {
      length: text.length,
      codeAt: (place) => text.charCodeAt(place),
      newlineFrom: (place) => text.indexOf("\n", place),
      line: (start, end) => text.slice(start, end),
    };
  } catch {
    return {
      length: bytes.length,
      codeAt: (place) => bytes[place],
      newlineFrom: (place) => bytes.indexOf(NEWLINE, place),
      line: (start, end) => {
        try {
          return decoder.decode(bytes.subarray(start, end));
        } catch {
          return { fault: "invalid_utf8" };
        }
      },
    };
  }
}

const isBlank = (code: number | undefined) =>
  code === NEWLINE || code === 0x20 || code === 0x0d || code === 0x09;

/** Lines of a piece that say something. @param first number of its first line @returns that of the line after its last */
function* linesIn(piece: Piece, first: number): Generator<InputLine, number> {
  let [number, start] = [first, 0];
  for (; start < piece.length; number++) {
    // A stream may be nothing but newlines: each costs a look at its code, and no more.
    for (let code = piece.codeAt(start); isBlank(code); code = piece.codeAt(++start))
      if (code === NEWLINE) number++;
    if (start >= piece.length) break;
    const newline = piece.newlineFrom(start);
    const end = newline < 0 ? piece.length : newline;
    const line = piece.line(start, end);
    start = end + 1;
    if (typeof line !== "string") yield { number, text: line };
    else {
      const text = number === 1 && line.startsWith(BOM) ? line.slice(1) : line;
      if (text.length > MAX_LINE_BYTES) yield { number, text: TOO_LONG };
      else if (text.trim() !== "") yield { number, text };
    }
  }
  return start > piece.length ? number : number + 1;
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
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<InputLine> {
  let number = 1;
  // The line that has begun: its bytes, or none when it is too long already.
  let rest: Uint8Array[] = [];
  let length = 0;
  const take = function* (bytes: Uint8Array): Generator<InputLine> {
    let piece = bytes;
    if (length > MAX_LINE_BYTES) {
      yield { number, text: TOO_LONG };
      const end = bytes.indexOf(NEWLINE);
      piece = end < 0 ? new Uint8Array() : bytes.subarray(end);
    } else piece = together([...rest, bytes]);
    number = yield* linesIn(pieceOf(piece), number);
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

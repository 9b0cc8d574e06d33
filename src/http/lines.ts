/** Longer than any valid item. */
const MAX_LINE_CHARS = 512 * 1024;

export interface Line {
  /** From 1. */
  number: number;
  /** Undefined: longer than a line may be. */
  text: string | undefined;
}

/**
 * Lines of a stream while it is read; empty lines are counted and left out. Memory: one line and one chunk of the stream.
 * Bytes that are no UTF-8 become U+FFFD, so that they spoil their own line only.
 */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let number = 0;
  let rest = "";
  let overlong = false;
  const take = function* (text: string): Generator<Line> {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      number++;
      const line = rest + text.slice(start, end);
      rest = "";
      start = end + 1;
      if (overlong || line.length > MAX_LINE_CHARS) yield { number, text: undefined };
      else if (line.trim() !== "") yield { number, text: line };
      overlong = false;
    }
    rest += text.slice(start);
    if (rest.length > MAX_LINE_CHARS) {
      overlong = true;
      rest = "";
    }
  };
  for await (const chunk of stream) yield* take(decoder.decode(chunk, { stream: true }));
  yield* take(`${decoder.decode()}\n`);
}

import fc from "fast-check";
import { expect, it } from "vitest";
import { type InputLine, linesOf } from "../../src/intake/lines.ts";

const streamOf = (chunks: readonly Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
const encoder = new TextEncoder();

async function linesIn(chunks: readonly Uint8Array[]): Promise<InputLine[]> {
  const lines: InputLine[] = [];
  for await (const line of linesOf(streamOf(chunks))) lines.push(line);
  return lines;
}

it("are those of the whole text, with their numbers, however the stream is cut", async () => {
  const part = fc.oneof(
    fc.constantFrom("\n", "\n\n\n", "\r\n", " \n", "\t"),
    fc.constantFrom("{}", "a", "ä€😀", " x "),
    fc.constantFrom(0xff, 0xc3),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 12 }),
      fc.array(fc.nat(40), { maxLength: 5 }),
      async (parts, cuts) => {
        const bytes = new Uint8Array(
          parts.flatMap((each) => (typeof each === "number" ? [each] : [...encoder.encode(each)])),
        );
        // Line by line: what a decoder of each line alone says of it.
        const expected: { number: number; text: unknown }[] = [];
        let begin = 0;
        for (let number = 1; begin <= bytes.length; number++) {
          const newline = bytes.indexOf(10, begin);
          const end = newline < 0 ? bytes.length : newline;
          try {
            const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
              bytes.slice(begin, end),
            );
            if (text.trim() !== "") expected.push({ number, text: text.trimStart() });
          } catch {
            expected.push({ number, text: { fault: "invalid_utf8" } });
          }
          begin = end + 1;
        }
        const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort(
          (a, b) => a - b,
        );
        const chunks = edges.slice(1).map((end, index) => bytes.slice(edges[index], end));
        const found = (await linesIn(chunks)).map(({ number, text }) => ({
          number,
          text: typeof text === "string" ? text.trimStart() : text,
        }));
        expect(found).toEqual(expected);
      },
    ),
    { numRuns: 1_000, seed: 5 },
  );
});

it("that are too long spoil themselves only, also over many chunks", async () => {
  const long = "x".repeat(300_000);
  const chunks = [
    `1\n${long}`,
    long,
    `${long}\n`,
    "3\n\n",
    "\n",
    `6${"\n".repeat(70_000)}`,
    "last",
  ];
  const lines = await linesIn(chunks.map((chunk) => encoder.encode(chunk)));
  expect(lines).toEqual([
    { number: 1, text: "1" },
    { number: 2, text: { fault: "line_too_long" } },
    { number: 3, text: "3" },
    { number: 6, text: "6" },
    { number: 70_006, text: "last" },
  ]);
});

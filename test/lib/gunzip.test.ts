import fc from "fast-check";
import { gzipSync } from "fflate";
import { expect, it } from "vitest";
import { Gunzip } from "../../src/lib/gunzip.ts";

/** Packed by the platform: another implementation than the one that unpacks. */
const zip = async (text: string) =>
  new Uint8Array(
    await new Response(
      new Blob([text]).stream().pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer(),
  );
const together = (parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
function unzip(bytes: Uint8Array, size: number): string {
  const gunzip = new Gunzip();
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size)
    parts.push(...gunzip.push(bytes.subarray(at, at + size)));
  gunzip.end();
  return new TextDecoder().decode(together(parts));
}
const TEXT = Array.from({ length: 300 }, (_, n) => `{"id":"e${n}","n":${(n * 7919) % 997}}`).join(
  "\n",
);
const NAMED = gzipSync(new TextEncoder().encode("named"), { filename: "a name.txt" });

it("unpacks members that follow each other, wherever the pieces are cut", async () => {
  const bytes = together([
    await zip(TEXT),
    await zip(""),
    NAMED,
    await zip("the end"),
    gzipSync(new Uint8Array(), { level: 0 }),
  ]);
  for (const size of [1, 2, 3, 7, 64, bytes.length])
    expect(unzip(bytes, size)).toBe(`${TEXT}namedthe end`);
});

it("gives what was packed, whatever it is, in any number of members", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.string(), fc.nat(400)), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 50 }),
      async (parts, size) => {
        const texts = parts.map(([text, times]) => text.repeat(times));
        const bytes = together(await Promise.all(texts.map(zip)));
        expect(unzip(bytes, size)).toBe(texts.join(""));
      },
    ),
    { numRuns: 100 },
  );
});

it("refuses what breaks off, is damaged anywhere, or goes on with something else", async () => {
  const one = await zip(TEXT);
  const two = together([one, NAMED]);
  for (let length = 0; length < two.length; length += 13)
    if (length !== one.length) expect(() => unzip(two.subarray(0, length), 64)).toThrow();
  for (let at = 10; at < one.length; at += 5) {
    const damaged = one.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    expect(() => unzip(damaged, 64)).toThrow();
  }
  expect(() => unzip(together([one, new TextEncoder().encode("more")]), 64)).toThrow();
  expect(() => unzip(new TextEncoder().encode("no gzip at all"), 64)).toThrow();
});

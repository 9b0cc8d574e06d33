import { describe, expect, it } from "vitest";
import { cutText, fileName } from "../../src/lib/text.ts";

describe("a text is cut", () => {
  it.each([
    ["short", 10, "short"],
    ["exactly", 7, "exactly"],
    ["plain letters", 5, "plain"],
    // One character outside the BMP is two code units.
    [`${"a".repeat(79)}🚀`, 80, "a".repeat(79)],
    [`${"a".repeat(78)}🚀z`, 80, `${"a".repeat(78)}🚀`],
    // A letter keeps its accent, a family stays together, and so do the two halves of a flag.
    ["ne\u0301e", 2, "n"],
    ["ne\u0301e", 3, "ne\u0301"],
    ["a👩‍👩‍👧", 8, "a"],
    ["🇩🇪🇫🇷", 6, "🇩🇪"],
  ])("%j to %d", (text, most, expected) => {
    expect(cutText(text, most)).toBe(expected);
  });

  it("between code points where one character is longer than all that may be", () => {
    const tower = `Z${"\u0300".repeat(50)}`;
    expect(cutText(tower, 10)).toBe(tower.slice(0, 10));
    expect(cutText("👩‍👩‍👧", 4)).toBe("👩‍");
    expect(cutText("👩‍👩‍👧", 7)).toBe("👩‍👩‍");
  });

  it("in no time where it is long, and never into half of a pair", () => {
    const long = "🚀é".repeat(500_000);
    for (let most = 0; most < 12; most++) {
      const cut = cutText(long, most);
      expect([cut.isWellFormed(), long.startsWith(cut)]).toEqual([true, true]);
      expect(most - cut.length).toBeLessThanOrEqual(1);
    }
  });
});

it("a file's name keeps letters and marks of every script", () => {
  expect(fileName("Grüße / हिन्दी: 日本語 (1)")).toBe("Grüße-हिन्दी-日本語-1-");
  expect(fileName(`${"n".repeat(79)}𠮷`)).toBe("n".repeat(79));
  expect(fileName("a\ud83d")).toBe("a-");
});

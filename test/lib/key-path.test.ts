import fc from "fast-check";
import { expect, it } from "vitest";
import { escapedKey, keysOf, splitFieldList } from "../../src/lib/key-path.ts";

it.each([
  ["a", ["a"]],
  ["a.b", ["a", "b"]],
  ["a\\.b", ["a.b"]],
  ["a\\\\.b", ["a\\", "b"]],
  ["", [""]],
  [".", ["", ""]],
  ["a..b.", ["a", "", "b", ""]],
  ["two words.ümlaut\"'", ["two words", "ümlaut\"'"]],
  ["a\\,b", ["a,b"]],
  ["end\\", ["end\\"]],
])("the path %j has the keys %j", (path, keys) => {
  expect(keysOf(path)).toEqual(keys);
});

it("leads to every key there can be, alone and in a list", () => {
  const keys = fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(keys, { minLength: 1, maxLength: 3 }), (lists) => {
      const paths = lists.map((list) => list.map(escapedKey).join("."));
      expect(splitFieldList(paths.join(","))).toEqual(paths);
      expect(paths.map(keysOf)).toEqual(lists);
    }),
    { numRuns: 1000 },
  );
});

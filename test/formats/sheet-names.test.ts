import fc from "fast-check";
import { expect, it } from "vitest";
import { sheetNames } from "../../src/formats/sheet-names.ts";

it.each([
  [["1 Agents"], ["1 Agents"]],
  [[`1 ${"x".repeat(28)}'`], [`1 ${"x".repeat(28)}`]],
  [[`1 ${"x".repeat(28)}''more`], [`1 ${"x".repeat(28)}`]],
  [["'quoted'"], ["quoted"]],
  [["a/b\\c?d*e[f]g:h"], ["a b c d e f g h"]],
  [
    ["", "  ", "''"],
    ["Sheet", "Sheet (2)", "Sheet (3)"],
  ],
  [
    ["History", "HISTORY"],
    ["History (2)", "HISTORY (3)"],
  ],
  [
    ["same", "Same", "SAME"],
    ["same", "Same (2)", "SAME (3)"],
  ],
  [
    [`${"y".repeat(30)}🚀`, `${"y".repeat(30)}🚁`],
    ["y".repeat(30), `${"y".repeat(27)} (2)`],
  ],
])("sheets %j are named %j", (titles, names) => {
  expect(sheetNames(titles)).toEqual(names);
});

it("any titles become names that Excel takes, each once", () => {
  const unit = fc.constantFrom(
    ..."aA'🚀é\u0301[]:*?/\\ \ud83d\udc69\u200d\0\uffff".split(""),
    "History",
  );
  const title = fc.array(unit, { maxLength: 40 }).map((units) => units.join(""));
  fc.assert(
    fc.property(fc.array(title, { minLength: 1, maxLength: 12 }), (titles) => {
      const names = sheetNames(titles);
      expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(titles.length);
      for (const name of names) {
        expect(name.length).toBeGreaterThan(0);
        expect(name.length).toBeLessThanOrEqual(31);
        expect(name).not.toMatch(/[\\/?*[\]:\p{Cc}\uFFFF]|^'|'$/u);
        expect(name.toLowerCase()).not.toBe("history");
        expect(name.isWellFormed()).toBe(true);
      }
    }),
  );
});

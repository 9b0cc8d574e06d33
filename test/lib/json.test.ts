import fc from "fast-check";
import { expect, it } from "vitest";
import { isExactNumber } from "../../src/lib/exact-number.ts";
import { type JsonFault, parseJson, parseStored } from "../../src/lib/json.ts";

const parse = (text: string) => {
  const faults: JsonFault[] = [];
  return { value: parseJson(text, faults), faults };
};
const written = (text: string) => JSON.stringify(parse(text).value);

it.each([
  ["1546130668394913822", "1546130668394913822"],
  ["-9007199254740993", "-9007199254740993"],
  ["3.141592653589793238462643", "3.141592653589793238462643"],
  ["0.1", "0.1"],
  ["1.10", "1.1"],
  ["100", "100"],
  ["1e2", "100"],
  ["1.5E+3", "1500"],
  ["1e21", "1000000000000000000000"],
  ["1e-7", "0.0000001"],
  ["12.50e-1", "1.25"],
  ["-0", "0"],
  ["-0.0e5", "0"],
  ["0.000", "0"],
  ["2.2250738585072014e-308", `0.${"0".repeat(307)}22250738585072014`],
  [`1${"0".repeat(300)}`, `1${"0".repeat(300)}`],
])("keeps the value of %s", (source, expected) => {
  for (const text of [source, `{"a":[${source}]}`, ` [ ${source} , "x" ] `])
    expect(written(text)).toBe(text.replace(source, expected).replaceAll(" ", ""));
});

it("means by a number what its digits say, whatever they are", () => {
  const digits = fc.stringMatching(/^(0|[1-9]\d{0,24})(\.\d{1,24})?([eE][+-]?\d{1,2})?$/);
  /** A decimal as a whole number of 10^-140. */
  const exact = (text: string) => {
    const [, sign = "", whole = "", part = "", power = "0"] =
      /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
    return BigInt(`${sign}${whole}${part}`) * 10n ** BigInt(140 + Number(power) - part.length);
  };
  fc.assert(
    fc.property(digits, fc.boolean(), (text, negative) => {
      const source = negative ? `-${text}` : text;
      const out = written(source);
      expect(out).toMatch(/^-?\d+(\.\d*[1-9])?$/);
      expect(exact(out)).toBe(exact(source));
      expect(JSON.stringify(parseStored(`{"n":${out}}`))).toBe(`{"n":${out}}`);
    }),
    { numRuns: 2000 },
  );
});

it("is JSON.parse for everything else", () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(3), (json, indent) => {
      const text = JSON.stringify(JSON.parse(json), null, indent);
      // Numbers that are written with an exponent come out as digits.
      const plain = JSON.stringify(JSON.parse(text));
      const { value, faults } = parse(text);
      expect(faults).toEqual([]);
      if (!/\de[+-]/.test(plain)) expect(JSON.stringify(value)).toBe(plain);
      expect(JSON.parse(JSON.stringify(value))).toEqual(JSON.parse(text));
    }),
    { numRuns: 1000 },
  );
  for (const broken of ["", "{", "[1,]", "01", "1.", "+1", "NaN", '{"a"}', "'a'"])
    expect(() => parse(broken)).toThrow(SyntaxError);
});

it("keeps a member that is called __proto__, also beside numbers with many digits", () => {
  for (const text of ['{"__proto__":{"a":1},"b":2}', '{"__proto__":[12345678901234567890]}']) {
    expect(written(text)).toBe(text);
    expect(Object.getPrototypeOf(parse(text).value)).toBe(Object.prototype);
    expect(JSON.stringify(parseStored(text))).toBe(text);
  }
});

it.each([
  ['{"a":1,"a":1}', "a", "duplicate_key"],
  ['{"x":[{"b":1},{"b":1,"b":2}]}', "x.1.b", "duplicate_key"],
  ['{"a":{"\\u0062":1,"b":2}}', "a.b", "duplicate_key"],
  ['{"__proto__":1,"__proto__":2}', "__proto__", "duplicate_key"],
  ['{"a":1e400}', "a", "number_out_of_range"],
  ['{"a":[0,-1e309]}', "a.1", "number_out_of_range"],
  ['{"a":1e-400}', "a", "number_out_of_range"],
  [`${"[".repeat(300)}1.0${"]".repeat(300)}`, "", "too_deep"],
])("names what cannot be kept: %s", (text, path, code) => {
  expect(parse(text).faults).toMatchObject([{ path, code }]);
});

it("takes colons, quotes and backslashes in texts for what they are", () => {
  const text = '{"a:\\"b\\\\":"{\\"a\\":1,\\"a\\":2}","n":1.50,"\\\\":"\\\\\\\\"}';
  expect(parse(text).faults).toEqual([]);
  expect(written(text)).toBe(text.replace("1.50", "1.5"));
  expect(isExactNumber(parse("12345678901234567890").value)).toBe(true);
});

/**
 * JSON without loss. JSON.parse rounds numbers to doubles (1546130668394913822 becomes …800, 1e400
 * Infinity, which is then written as null) and keeps the last of two equal keys. Here a number that
 * a double would alter stays its own digits, as an ExactNumber that JSON.stringify writes out
 * again, and equal keys are refused.
 */

/**
 * A number by its decimal digits, without an exponent (the proposal "JSON.parse source text
 * access").
 */
export interface ExactNumber {
  readonly rawJSON: string;
}

interface Json {
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
}

const platform = JSON as unknown as Json;

export const isExactNumber = (value: unknown): value is ExactNumber => platform.isRawJSON(value);

/** Digits of numbers with an exponent, written out: six characters may become three hundred. */
export const MAX_WRITTEN_CHARS = 1024 * 1024;

const NUMBER = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/**
 * The digits of a number's text and the power of ten of the last one; the same for all texts of one
 * value.
 */
function digitsOf(text: string): { sign: string; digits: string; power: number } {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = NUMBER.exec(text) ?? [];
  const all = `${whole}${fraction}`.replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  if (digits === "") return { sign: "", digits: "0", power: 0 };
  return { sign, digits, power: Number(exponent) - fraction.length + all.length - digits.length };
}

/**
 * A number's text written out: no exponent, no zeros that say nothing. Only for numbers that a
 * double can be near.
 */
function writtenOut({ sign, digits, power }: ReturnType<typeof digitsOf>): string {
  if (power >= 0) return `${sign}${digits}${"0".repeat(power)}`;
  const padded = digits.padStart(1 - power, "0");
  return `${sign}${padded.slice(0, power)}.${padded.slice(power)}`;
}

/** The decimal text of a number, without an exponent. */
export const decimalText = (value: number | ExactNumber): string =>
  typeof value === "number" ? writtenOut(digitsOf(String(value))) : value.rawJSON;

/**
 * The number that a JSON text means: a double when that is the same value and is written without an
 * exponent, else its digits. Undefined beyond a double's range: written out it could be hundreds of
 * thousands of digits.
 */
export function numberOf(source: string): number | ExactNumber | undefined {
  const double = Number(source);
  const exact = digitsOf(source);
  if (!Number.isFinite(double) || (double === 0 && exact.digits !== "0")) return undefined;
  const text = writtenOut(exact);
  // -0 is 0: a decimal has one zero.
  return String(double + 0) === text ? double + 0 : platform.rawJSON(text);
}

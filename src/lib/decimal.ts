/**
 * Decimals with 6 places, as credits are: text in, text out, whole millionths between. No floating
 * point on the way.
 */
export function toMicros(text: string): bigint {
  const [, sign = "", whole = "0", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  return BigInt(`${sign}${whole}${fraction.slice(0, 6).padEnd(6, "0")}`);
}

export function fromMicros(micros: bigint): string {
  const digits = String(micros < 0n ? -micros : micros).padStart(7, "0");
  return `${micros < 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

/** a / b, half away from zero, of whole numbers. */
export function divideRounded(a: bigint, b: bigint): bigint {
  const negative = a < 0n !== b < 0n;
  const x = a < 0n ? -a : a;
  const y = b < 0n ? -b : b;
  const quotient = (2n * x + y) / (2n * y);
  return negative ? -quotient : quotient;
}

const PRICE_PLACES = 10;

/**
 * An amount of money: credits (6 places) times the price of one (10 places), rounded to 6 places.
 */
export function costOf(credits: string, price: string): string {
  const [whole = "0", fraction = ""] = price.split(".");
  const units = BigInt(whole + fraction.slice(0, PRICE_PLACES).padEnd(PRICE_PLACES, "0"));
  return fromMicros(divideRounded(toMicros(credits) * units, 10n ** BigInt(PRICE_PLACES)));
}

/** a / b as a number; null for b = 0. */
export function ratioOf(a: string, b: string): number | null {
  const of = toMicros(b);
  return of === 0n ? null : Number(toMicros(a)) / Number(of);
}

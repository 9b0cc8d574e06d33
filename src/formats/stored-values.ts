import { textBetween } from "../lib/cells.ts";
import { parseStored } from "../lib/json.ts";
import { fromPostgres, parseInstant } from "../lib/time.ts";
import type { ByteWriter } from "./byte-writer.ts";

const [QUOTE, BACKSLASH, COLON, SPACE, MINUS, POINT] = [0x22, 0x5c, 0x3a, 0x20, 0x2d, 0x2e];
const [ZERO, NINE, PLUS, LETTER_T, LETTER_Z] = [0x30, 0x39, 0x2b, 0x54, 0x5a];
const encoder = new TextEncoder();
const isDigit = (byte: number) => byte >= ZERO && byte <= NINE;

/**
 * Where a number ends that is written as JSON.stringify would write it: at most 15 digits, no zeros
 * behind a point, and not so small that it has an exponent. -1 for any other.
 */
function endOfPlainNumber(bytes: Uint8Array, begin: number, end: number): number {
  let at = begin + (bytes[begin] === MINUS ? 1 : 0);
  const first = at;
  let point = -1;
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === POINT) point = at;
    else if (!isDigit(byte)) break;
  }
  if (at - first > 15) return -1;
  if (point < 0) return at;
  const isSmall = bytes[first] === ZERO && bytes[point + 1] === ZERO;
  return bytes[at - 1] === ZERO || isSmall ? -1 : at;
}

/** Copies a string with its quotes. @returns the place behind it */
function copyString(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): number {
  const target = to.bytes;
  let [at, size] = [begin + 1, to.size];
  target[size++] = QUOTE;
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0;
    target[size++] = byte;
    if (byte === BACKSLASH) target[size++] = bytes[++at] ?? 0;
    else if (byte === QUOTE) break;
  }
  to.size = size;
  return at + 1;
}

/**
 * Writes a document if it differs from JSON.stringify's text by white space alone. Numbers may
 * differ by their digits, and members by their order: an object of JavaScript has keys that are
 * whole numbers first.
 */
function writePlain(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): boolean {
  to.reserve(end - begin);
  for (let at = begin; at < end; ) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) {
      const mayBeIndex = isDigit(bytes[at + 1] ?? 0);
      at = copyString(to, bytes, at, end);
      if (mayBeIndex && at < end && bytes[at] === COLON) return false;
    } else if (byte === MINUS || isDigit(byte)) {
      const after = endOfPlainNumber(bytes, at, end);
      if (after < 0) return false;
      for (; at < after; at++) to.byte(bytes[at] ?? 0);
    } else {
      if (byte !== SPACE) to.byte(byte);
      at++;
    }
  }
  return true;
}

/** Writes a document as JSON.stringify writes what the API reads of it. */
export function writeDocument(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): void {
  const start = to.size;
  if (writePlain(to, bytes, begin, end)) return;
  to.size = start;
  to.copy(encoder.encode(JSON.stringify(parseStored(textBetween(bytes, begin, end)))));
}

/** Whether a time is written as a session in UTC writes it: `2026-03-01 00:00:00.5+00`. */
function isUtcTime(bytes: Uint8Array, begin: number, end: number): boolean {
  return (
    end - begin >= 22 &&
    bytes[begin + 10] === SPACE &&
    bytes[begin + 4] === MINUS &&
    bytes[end - 3] === PLUS &&
    bytes[end - 2] === ZERO &&
    bytes[end - 1] === ZERO
  );
}

const isWritten = (bytes: Uint8Array, begin: number) => bytes[begin + 10] === LETTER_T;

function writeUtcTime(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): void {
  const fraction = begin + 20;
  const digits = Math.max(0, end - 3 - fraction);
  const length = digits > 3 ? 6 : 3;
  to.copy(bytes, begin, begin + 10);
  to.reserve(17);
  to.byte(LETTER_T);
  for (let at = begin + 11; at < begin + 19; at++) to.byte(bytes[at] ?? ZERO);
  to.byte(POINT);
  for (let at = 0; at < length; at++) to.byte(at < digits ? (bytes[fraction + at] ?? ZERO) : ZERO);
  to.byte(LETTER_Z);
}

/** Writes a time as `fromPostgres` does; one that is RFC 3339 already stays as it is. */
export function writeInstant(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): void {
  if (isWritten(bytes, begin)) to.copy(bytes, begin, end);
  else if (isUtcTime(bytes, begin, end)) writeUtcTime(to, bytes, begin, end);
  else to.copy(encoder.encode(fromPostgres(textBetween(bytes, begin, end))));
}

/** The whole number that digits are. */
function digitsBetween(bytes: Uint8Array, begin: number, end: number): number {
  let number = 0;
  for (let at = begin; at < end; at++) number = 10 * number + (bytes[at] ?? ZERO) - ZERO;
  return number;
}

/** Days from 1970 to a day of the Gregorian calendar (H. Hinnant, "days_from_civil"). */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - 400 * era;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const days = 365 * ofEra + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear;
  return 146_097 * era + days - 719_468;
}

/** The microseconds since 1970 of a time. */
export function instantBetween(bytes: Uint8Array, begin: number, end: number): number {
  if (!isUtcTime(bytes, begin, end)) {
    const text = textBetween(bytes, begin, end);
    return parseInstant(isWritten(bytes, begin) ? text : fromPostgres(text)) ?? Number.NaN;
  }
  const two = (at: number) => digitsBetween(bytes, begin + at, begin + at + 2);
  const days = daysOf(digitsBetween(bytes, begin, begin + 4), two(5), two(8));
  const seconds = 86_400 * days + 3_600 * two(11) + 60 * two(14) + two(17);
  const digits = Math.max(0, end - 3 - (begin + 20));
  const fraction = digitsBetween(bytes, begin + 20, begin + 20 + digits) * 10 ** (6 - digits);
  return seconds * 1_000_000 + fraction;
}

/** The number that a value is. */
export function numberBetween(bytes: Uint8Array, begin: number, end: number): number {
  const first = bytes[begin] === MINUS ? begin + 1 : begin;
  let number = 0;
  for (let at = first; at < end; at++) {
    const byte = bytes[at] ?? 0;
    // Beyond 15 digits the sum would be rounded twice.
    if (!isDigit(byte) || at - first === 15) return Number(textBetween(bytes, begin, end));
    number = 10 * number + byte - ZERO;
  }
  return first === begin ? number : -number;
}

/** Characters of a value whose digits are exact as a number. */
const MOST_CHARS = 15;

/** Millionths of a value that is short and has no sign, as most are; -1 for any other. */
export function microsBetween(bytes: Uint8Array, begin: number, end: number): number {
  if (end - begin > MOST_CHARS) return -1;
  let [number, places] = [0, -1];
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === POINT && places < 0) places = 0;
    else if (!isDigit(byte)) return -1;
    else {
      number = 10 * number + byte - ZERO;
      if (places >= 0) places++;
    }
  }
  return places > 6 ? -1 : number * 10 ** (6 - Math.max(places, 0));
}

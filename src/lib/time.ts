/** A moment as whole microseconds since 1970 (UTC): PostgreSQL's resolution, and exact in a JavaScript number until 2255. */
export type EpochUs = number;

export const SECOND_US = 1_000_000;
export const MINUTE_US = 60 * SECOND_US;
export const QUARTER_US = 15 * MINUTE_US;
export const HOUR_US = 60 * MINUTE_US;
export const DAY_US = 24 * HOUR_US;

/** RFC 3339 with an offset; a space may stand for the T (ISO 9075), as many logs have it. */
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** Microseconds of an RFC 3339 time; undefined for any other text and for a day that does not exist. */
export function parseInstant(text: string): EpochUs | undefined {
  if (!RFC3339.test(text)) return undefined;
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const whole = Date.parse(text.replace(/\.\d+/, "").replace(" ", "T").toUpperCase());
  if (
    Number.isNaN(whole) ||
    Number(text.slice(8, 10)) > daysOfMonth(Number(text.slice(0, 4)), Number(text.slice(5, 7)))
  )
    return undefined;
  // Further digits than microseconds are rounded half up, as PostgreSQL does.
  return whole * 1000 + Math.round(Number(`0.${fraction || 0}`) * SECOND_US);
}

/** Whether a moment may stand in a question: PostgreSQL and a number of microseconds hold it with room to spare. */
export function isAskable(us: EpochUs): boolean {
  return us >= 0 && us <= Date.UTC(2200, 0, 1) * 1000;
}

function daysOfMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** RFC 3339 in UTC, with milliseconds, or microseconds where there are any: `2026-03-01T00:00:00.000Z`. */
export function formatInstant(us: EpochUs): string {
  const ms = Math.floor(us / 1000);
  const rest = us - ms * 1000;
  const text = new Date(ms).toISOString();
  return rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}

/** PostgreSQL's text of a timestamptz (`2026-03-01 00:00:00.5+00`, any offset) as RFC 3339 in UTC. */
export function fromPostgres(text: string): string {
  // The usual case, a session in UTC, only moves characters: a page of a list has hundreds of times.
  if (text.endsWith("+00") && text[10] === " " && text[0] !== "-") {
    const digits = text.slice(20, -3);
    // Joined, it is one string; a template would keep a chain of its pieces for as long as the row lives.
    return [
      text.slice(0, 10),
      "T",
      text.slice(11, 19),
      ".",
      digits.padEnd(digits.length > 3 ? 6 : 3, "0"),
      "Z",
    ].join("");
  }
  const [, day, time, fraction = "", sign, hours = "00", minutes = "00"] =
    /^(\S+) (\d\d:\d\d:\d\d)(?:\.(\d+))?(?:([+-])(\d\d)(?::?(\d\d))?)?$/.exec(text) ?? [];
  if (!day) throw new Error(`Not a timestamptz: ${text}`);
  const offsetMinutes = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  const us = Number(fraction.padEnd(6, "0"));
  return formatInstant((Date.parse(`${day}T${time}Z`) - offsetMinutes * 60_000) * 1000 + us);
}

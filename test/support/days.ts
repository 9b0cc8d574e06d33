const formats = new Map<string, Intl.DateTimeFormat>();

/** Local dates by Intl, which shares nothing with the Temporal polyfill that the kernel uses. */
export function localDate(iso: string, timeZone: string): string {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat("en-CA", {
      timeZone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
  formats.set(timeZone, format);
  return format.format(new Date(iso));
}

/** Whole days between two dates, b - a. */
export const daysBetween = (a: string, b: string) =>
  Math.round((Date.parse(b) - Date.parse(a)) / 86_400_000);

export const plusDays = (date: string, days: number) =>
  new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);

/** Monday of a date's week. */
export const weekOf = (date: string) => plusDays(date, -((new Date(date).getUTCDay() + 6) % 7));

/** A repeatable stream of numbers in [0, 1): Park and Miller's generator (CACM 1988). */
export function random(seed: number) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

import { BoundedStore } from "./bounded-store.ts";
import { DAY_US, type EpochUs, SECOND_US } from "./time.ts";

/** A part of time, half-open, with one offset from UTC: local time is UTC and the offset. */
export interface Stretch {
  from: EpochUs;
  to: EpochUs;
  offsetUs: number;
}

interface Zone {
  /** The runtime's own name: `Asia/Kolkata` and `ASIA/CALCUTTA` are one zone. */
  id: string;
  format: Intl.DateTimeFormat;
}

/** ICU takes them for zones of its own; the IANA database has no such names. */
const ABBREVIATIONS = new Set(
  (
    "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT " +
    "IET IST JST MIT NET NST PLT PNT PRT PST SST VST"
  ).split(" "),
);

/**
 * By their names in capitals. The one formatter of a zone is kept for good: it has 30 KB outside of
 * the heap, and the collector, which does not see them, would let those of dropped ones pile up.
 */
const zones = new Map<string, Zone>();

/** @throws RangeError for a name that is no zone's */
function zoneNamed(name: string): Zone {
  const key = name.toUpperCase();
  // Offsets such as +05:30 are zones to the runtime, but not names of the IANA database.
  if (!/^[A-Z][\w/+-]*$/i.test(name) || ABBREVIATIONS.has(key))
    throw new RangeError(`Not a time zone: ${name}`);
  const known = zones.get(key);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: name,
    second: "numeric",
    timeZoneName: "longOffset",
  });
  const id = format.resolvedOptions().timeZone;
  const zone = zones.get(id.toUpperCase()) ?? { id, format };
  zones.set(id.toUpperCase(), zone).set(key, zone);
  return zone;
}

/** Whether a text, in any case, is the name of a zone of the IANA database. */
export function isTimeZone(name: string): boolean {
  try {
    zoneNamed(name);
    return true;
  } catch {
    return false;
  }
}

/** The one name that a zone has under all of its names. */
export const canonicalZone = (name: string): string => zoneNamed(name).id;

/** Asks the runtime, which takes half a microsecond. @returns seconds */
function askOffset(second: number, { id, format }: Zone): number {
  const text = format.format(second * 1000);
  const [found, sign, hours, minutes, seconds = "0"] =
    /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? [];
  if (found === undefined) throw new Error(`No offset of ${id} in "${text}"`);
  if (!sign) return 0;
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" ? -size : size;
}

/** No zone changed its clock twice within less: in Brazil, in 2000, it was within seven days. */
const STEP_SECONDS = (3 * DAY_US) / SECOND_US;
const PERIOD_SECONDS = 122 * STEP_SECONDS;
const PERIOD_US = PERIOD_SECONDS * SECOND_US;
const EVER: Stretch[] = [
  { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, offsetUs: 0 },
];

/** Of about a year, the stretches of a zone, in the order of time. */
function readPeriod(period: number, zone: Zone): Stretch[] {
  const begin = period * PERIOD_SECONDS;
  const end = begin + PERIOD_SECONDS;
  const stretches: Stretch[] = [];
  let [from, offset] = [begin, askOffset(begin, zone)];
  const close = (to: number) =>
    stretches.push({
      from: from * SECOND_US,
      to: to * SECOND_US,
      offsetUs: offset * SECOND_US,
    });
  /** Finds the changes between two moments by halves. */
  const look = (low: number, high: number, after: number) => {
    if (after === offset) return;
    if (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      look(low, middle, askOffset(middle, zone));
      look(middle, high, after);
    } else if (high < end) {
      close(high);
      [from, offset] = [high, after];
    }
  };
  for (let at = begin; at < end; at += STEP_SECONDS)
    look(at, at + STEP_SECONDS, askOffset(at + STEP_SECONDS, zone));
  close(end);
  return stretches;
}

const STRETCH_BYTES = 100;
/** Years of zones, as they are asked for: about 3,600. */
const periods = new BoundedStore<Stretch[]>(2 * 2 ** 20);

function periodOf(us: EpochUs, zone: Zone): Stretch[] {
  if (zone.id === "UTC") return EVER;
  const period = Math.floor(us / PERIOD_US);
  const key = `${zone.id} ${period}`;
  const known = periods.get(key, 0);
  if (known) return known;
  const stretches = readPeriod(period, zone);
  const bytes = stretches.length * STRETCH_BYTES;
  periods.set(key, stretches, { bytes, untilMs: Number.POSITIVE_INFINITY });
  return stretches;
}

function stretchAt(us: EpochUs, zone: Zone): Stretch {
  const found = periodOf(us, zone).find(({ to }) => us < to);
  if (!found) throw new RangeError(`Not a moment: ${us}`);
  return found;
}

/**
 * The lead of local time over UTC at a moment, in microseconds.
 * @throws RangeError for a name that is no zone's
 */
export const offsetAt = (us: EpochUs, timezone: string): number =>
  stretchAt(us, zoneNamed(timezone)).offsetUs;

/**
 * The stretches of a range, in the order of time: they touch, and each has another offset than the
 * one before.
 * @throws RangeError for a name that is no zone's
 */
export function* stretchesOf(
  range: { from: EpochUs; to: EpochUs },
  timezone: string,
): Generator<Stretch> {
  const zone = zoneNamed(timezone);
  let open: Stretch | undefined;
  for (let from = range.from; from < range.to; ) {
    const { to: end, offsetUs } = stretchAt(from, zone);
    const to = Math.min(end, range.to);
    if (open?.offsetUs === offsetUs) open.to = to;
    else {
      if (open) yield open;
      open = { from, to, offsetUs };
    }
    from = to;
  }
  if (open) yield open;
}

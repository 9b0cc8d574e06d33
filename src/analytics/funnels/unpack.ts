import type { EpochUs } from "../../lib/time.ts";

/** Occurrences of a user in the order of time. Bit n of a mask: it fits the n-th filter. */
export interface UserOccurrences {
  userId: string;
  /** Microseconds since 1970. */
  times: EpochUs[];
  masks: number[];
  /** Of those that fit the first filter, in order; null without a value. Empty if not asked for. */
  properties: (string | null)[];
}

/** A user's row as `packedOccurrences` gives it. */
export interface PackedUser {
  userId: string;
  moments: Uint8Array;
  properties: Uint8Array | null;
}

/** Of a moment: eight bytes of time, two of mask. */
export const MOMENT_BYTES = 10;
const TIME_BYTES = 8;
/** PostgreSQL counts time from 2000 on. */
const SINCE_1970_US = Date.UTC(2000, 0, 1) * 1000;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) =>
  new DataView(buffer, byteOffset, byteLength);

/** Properties of the moments that fit the first filter, in the order of the moments. */
function unpackedProperties(packed: Uint8Array): (string | null)[] {
  const view = viewOf(packed);
  const properties: (string | null)[] = [];
  for (let at = 0; at < packed.length; ) {
    const length = view.getInt32(at);
    at += 4;
    properties.push(length < 0 ? null : decoder.decode(packed.subarray(at, at + length)));
    at += Math.max(0, length);
  }
  return properties;
}

/** The places of the moments in order. Ties by mask, then property: however they were stored. */
function sortedPlaces(times: number[], masks: number[], texts: (string | null)[]): number[] {
  const places = Array.from(times.keys());
  return places.sort(
    (a, b) =>
      (times[a] ?? 0) - (times[b] ?? 0) ||
      (masks[a] ?? 0) - (masks[b] ?? 0) ||
      (texts[a] ?? "").localeCompare(texts[b] ?? ""),
  );
}

/** As the moments came: almost always in order, as the server reads them so. */
function unsorted({ moments }: PackedUser) {
  const view = viewOf(moments);
  const count = moments.length / MOMENT_BYTES;
  const times = new Array<number>(count);
  const masks = new Array<number>(count);
  let isSorted = true;
  let [lastTime, lastMask] = [Number.NEGATIVE_INFINITY, 0];
  for (let index = 0, at = 0; index < count; index++, at += MOMENT_BYTES) {
    // A whole number below 2^53, for all moments that a question may have.
    const time = view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4) + SINCE_1970_US;
    const mask = view.getInt16(at + TIME_BYTES);
    times[index] = time;
    masks[index] = mask;
    isSorted &&= time > lastTime || (time === lastTime && mask >= lastMask);
    [lastTime, lastMask] = [time, mask];
  }
  return { times, masks, isSorted };
}

export function unpackedUser(user: PackedUser): UserOccurrences {
  const { userId } = user;
  const { times, masks, isSorted } = unsorted(user);
  if (isSorted && user.properties === null) return { userId, times, masks, properties: [] };
  const found = user.properties ? unpackedProperties(user.properties) : [];
  let next = 0;
  const texts = user.properties
    ? masks.map((mask) => (mask & 1 ? (found[next++] ?? null) : null))
    : [];
  const places = sortedPlaces(times, masks, texts);
  const sortedMasks = places.map((place) => masks[place] ?? 0);
  return {
    userId,
    times: places.map((place) => times[place] ?? 0),
    masks: sortedMasks,
    properties: user.properties
      ? places
          .filter((_, index) => (sortedMasks[index] ?? 0) & 1)
          .map((place) => texts[place] ?? null)
      : [],
  };
}

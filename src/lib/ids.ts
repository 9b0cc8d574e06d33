/**
 * Ids of workspaces, and of the objects that the server makes: safe in every path, key and name of
 * a file.
 */
export const ID_PATTERN = /^[A-Za-z0-9_.:-]{1,128}$/;

export const MAX_ID_BYTES = 256;
const encoder = new TextEncoder();

/**
 * Whether a text can be an id of a caller's system (agents, users, executions, events, sessions): 1
 * to 256 bytes of UTF-8 without control characters. Nothing is normalised: two texts are one id if
 * they are the same bytes.
 */
export function isCallerId(text: string): boolean {
  if (text.length === 0 || text.length > MAX_ID_BYTES) return false;
  if (/^[\x20-\x7e]+$/.test(text)) return true;
  return (
    text.isWellFormed() && !/\p{Cc}/u.test(text) && encoder.encode(text).byteLength <= MAX_ID_BYTES
  );
}

/**
 * A UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits, so that ids sort by their time.
 */
export function uuidv7(nowMs: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let index = 0; index < 6; index++)
    bytes[index] = Math.floor(nowMs / 2 ** (8 * (5 - index))) % 256;
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const ends = [8, 12, 16, 20, 32];
  return ends.map((end, index) => hex.slice(ends[index - 1] ?? 0, end)).join("-");
}

export function randomToken(bytes = 32): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes))))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

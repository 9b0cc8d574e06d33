import { Inflate } from "fflate";

/**
 * Gzip of any number of members (RFC 1952, section 2.2), piece by piece. The platform's
 * DecompressionStream takes a second member for rubbish. fflate unpacks, but checks no sums, and
 * its own reader of members fails where a piece ends inside of a header.
 */
export class Gunzip {
  #rest: Uint8Array = new Uint8Array();
  #member: Member | undefined;
  #members = 0;

  /** Members that have ended. */
  get members(): number {
    return this.#members;
  }

  /**
   * @returns what the piece unpacks to.
   * @throws Error for what is no gzip, and for a sum or a length that does not fit
   */
  push(piece: Uint8Array): Uint8Array[] {
    const unpacked: Uint8Array[] = [];
    let bytes = joined(this.#rest, piece);
    for (;;) {
      if (!this.#member) {
        const size = headerSize(bytes);
        if (size === undefined) break;
        this.#member = new Member();
        bytes = bytes.subarray(size);
      }
      if (!this.#member.ended) bytes = this.#member.inflate(bytes, unpacked);
      if (!this.#member.ended || bytes.length < TRAILER_BYTES) break;
      this.#member.check(bytes);
      this.#member = undefined;
      this.#members++;
      bytes = bytes.subarray(TRAILER_BYTES);
    }
    this.#rest = bytes.slice();
    return unpacked;
  }

  /** @throws Error if the last member is not whole, or is missing */
  end(): void {
    if (this.#member || this.#rest.length > 0 || this.#members === 0)
      throw new Error("The gzip is truncated");
  }
}

const TRAILER_BYTES = 8;
const MAX_HEADER_BYTES = 128 * 1024;

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

/** Bytes of the header that begins here; undefined while it is not whole. */
function headerSize(bytes: Uint8Array): number | undefined {
  const [magic1, magic2, method, flags = 0] = bytes;
  const isGzip =
    (magic1 ?? 0x1f) === 0x1f && (magic2 ?? 0x8b) === 0x8b && (method ?? 8) === 8 && flags < 0x20;
  if (!isGzip) throw new Error("The data is not gzip");
  let size = 10;
  if (flags & 4) size += 2 + ((bytes[10] ?? 0) | ((bytes[11] ?? 0) << 8));
  for (const flag of [8, 16]) {
    if (!(flags & flag)) continue;
    const zero = bytes.indexOf(0, size);
    if (zero < 0 && bytes.length > MAX_HEADER_BYTES)
      throw new Error("A name in the gzip header does not end");
    if (zero < 0) return undefined;
    size = zero + 1;
  }
  if (flags & 2) size += 2;
  return bytes.length >= size ? size : undefined;
}

/**
 * The state that fflate keeps of a stream: `f` and no `l` once it has ended, and the bits of `p` that were
 * used. Its version is fixed.
 */
interface InflateState {
  s: { f?: number; l?: unknown; p?: number };
  p: Uint8Array;
}

/** One member behind its header. */
class Member {
  readonly #inflate: Inflate;
  #unpacked: Uint8Array[] = [];
  #crc = -1;
  #length = 0;
  ended = false;

  constructor() {
    this.#inflate = new Inflate((data) => {
      if (data.length > 0) this.#unpacked.push(data);
    });
  }

  /** @returns what is behind the deflated data, or nothing while that goes on */
  inflate(bytes: Uint8Array, unpacked: Uint8Array[]): Uint8Array {
    this.#inflate.push(bytes, false);
    for (const data of this.#unpacked) {
      this.#crc = crc32(this.#crc, data);
      this.#length += data.length;
      unpacked.push(data);
    }
    this.#unpacked = [];
    const { s, p } = this.#inflate as unknown as InflateState;
    this.ended = Boolean(s.f) && !s.l;
    return this.ended ? p.subarray(Math.ceil((s.p ?? 0) / 8)) : new Uint8Array();
  }

  /** @throws Error if sum or length in the trailer are others */
  check(bytes: Uint8Array): void {
    const trailer = new DataView(bytes.buffer, bytes.byteOffset, TRAILER_BYTES);
    if (
      trailer.getUint32(0, true) !== ~this.#crc >>> 0 ||
      trailer.getUint32(4, true) !== this.#length % 2 ** 32
    )
      throw new Error("The gzip is damaged");
  }
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of RFC 1952, section 8, without its last complement. */
function crc32(before: number, data: Uint8Array): number {
  let crc = before;
  for (let at = 0; at < data.length; at++)
    crc = (CRC_TABLE[(crc ^ (data[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return crc;
}

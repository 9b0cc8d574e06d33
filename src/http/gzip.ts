import { AppError } from "../lib/errors.ts";
import { Gunzip } from "../lib/gunzip.ts";

/** Unpacked bytes that every body may have; real text rarely compresses by more than 50. */
const FREE_BYTES = 16 * 1024 * 1024;
const MAX_RATIO = 100;
/** The cost of a gzip member, whatever its content, in unpacked bytes. */
const MEMBER_BYTES = 4 * 1024;
const MAX_BYTES = 4 * 1024 * 1024 * 1024;
/**
 * Bytes for the decompressor at once: its output of a piece is in memory whole, up to a thousand
 * times as much.
 */
const PIECE_BYTES = 8 * 1024;

function tooLarge(packed: number, unpacked: number): AppError {
  const most = Math.min(MAX_BYTES, FREE_BYTES + MAX_RATIO * packed);
  return new AppError(
    "too_large",
    "unpacked_too_large",
    `The body unpacks to more than ${most} bytes: ${unpacked} so far, of ${packed} packed ones. ` +
      `The limit is ${FREE_BYTES} bytes plus ${MAX_RATIO} times its packed size.`,
  );
}

/** The unpacked body; it fails with AppError too_large beyond the limits above. */
export function unpackGzip(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  let packed = 0;
  let unpacked = 0;
  const gunzip = new Gunzip();
  // A stage of its own, so that the next one asks for one piece after the other.
  const pieces = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES)
        controller.enqueue(chunk.subarray(at, at + PIECE_BYTES));
    },
  });
  const members = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      packed += piece.byteLength;
      const most = Math.min(MAX_BYTES, FREE_BYTES + MAX_RATIO * packed);
      for (const data of gunzip.push(piece)) {
        unpacked += data.byteLength;
        if (unpacked > most) throw tooLarge(packed, unpacked);
        controller.enqueue(data);
      }
      const cost = unpacked + MEMBER_BYTES * gunzip.members;
      if (cost > most) throw tooLarge(packed, cost);
    },
    flush: () => gunzip.end(),
  });
  return body.pipeThrough(pieces).pipeThrough(members);
}

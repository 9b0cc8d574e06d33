import { AppError } from "../lib/errors.ts";
import { Gunzip } from "../lib/gunzip.ts";

/** What a compressed body may unpack to: text that means something is rarely packed by more than 50. */
const FREE_BYTES = 16 * 1024 * 1024;
const MAX_RATIO = 100;
/** What a member costs, whatever is in it, as unpacked bytes. */
const MEMBER_BYTES = 4 * 1024;
const MAX_BYTES = 4 * 1024 * 1024 * 1024;
/** Given to the decompressor at once: what it makes of a piece is in memory whole, up to a thousand times as much. */
const PIECE_BYTES = 8 * 1024;

function tooLarge(packed: number, unpacked: number): AppError {
  const most = Math.min(MAX_BYTES, FREE_BYTES + MAX_RATIO * packed);
  return new AppError(
    "too_large",
    "unpacked_too_large",
    `The body unpacks to more than ${most} bytes: ${unpacked} so far, of ${packed} packed ones. At most ${FREE_BYTES} bytes and ${MAX_RATIO} times its own are possible.`,
  );
}

/** A body without its gzip; it ends with an AppError too_large when it becomes far larger than a body of data would. */
export function unpackGzip(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  let [packed, unpacked] = [0, 0];
  const gunzip = new Gunzip();
  // A stage of its own: what is behind asks for one piece after the other.
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

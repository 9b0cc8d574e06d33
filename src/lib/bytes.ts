/**
 * The same bytes with room for more, or fewer of them. The old array is empty then: its memory is
 * given back at once, where a collection that frees it comes late.
 */
export const resized = (bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(bytes.buffer.transfer(length));

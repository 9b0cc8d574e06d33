import type { RowBytes } from "./row-bytes.ts";

/** Where the rows of the statement under way go; null: to the driver. */
export interface RowTap {
  into: RowBytes | null;
}

type Listener = (event: { data: ArrayBuffer | Uint8Array }) => void;

/** The messages that the driver hears: all that are no rows. */
function untapped(tap: RowTap, heard: Listener) {
  return ({ data }: { data: unknown }) => {
    const bytes = data as ArrayBuffer;
    if (!tap.into) return heard({ data: bytes });
    const others = tap.into.add(new Uint8Array(bytes));
    // Frees the memory of the message now: a collection would come after 64 MB of them.
    bytes.transfer(0);
    for (const message of others) heard({ data: message });
  };
}

/**
 * A WebSocket for the driver from which the rows of a statement are taken on their way. It is
 * changed only between statements, when no message is under way.
 */
export function tappedSocket(tap: RowTap) {
  return class extends WebSocket {
    override addEventListener(type: string, listener: unknown): void {
      if (type === "message") super.addEventListener(type, untapped(tap, listener as Listener));
      else super.addEventListener(type as "close", listener as () => void);
    }
  };
}
